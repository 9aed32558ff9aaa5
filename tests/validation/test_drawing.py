"""Pictures of docs/ are whole, and their marks stand where the numbers say."""

from xml.etree import ElementTree

import pytest

from benchmarks import drawing, pareto

SPACE = "{http://www.w3.org/2000/svg}"


def test_a_picture_is_whole_and_says_what_it_shows(tmp_path):
    panel = drawing.Panel("a < b", (0, 1), (-1, 1), ((0, 1), (-1, 0)))
    panel.band([0, 1], [-1, -1], [0, 100])
    panel.line([0, 1], [0, 1], "mean")
    panel.points([0.5], [0])
    drawing.draw(tmp_path / "picture.svg", "one & only", [panel])
    root = ElementTree.parse(tmp_path / "picture.svg").getroot()
    texts = [each.text for each in root.iter() if each.text]
    assert {"one & only", "a < b", "\N{MINUS SIGN}1"} <= set(texts)


def test_decades_are_equally_wide_on_logarithmic_axes():
    panel = drawing.Panel("", (1, 1000), (0.01, 1), ((), ()), size=(200, 100), logarithmic=True)
    panel.line([1, 10, 100], [0.01, 0.1, 1], "mean")
    (line,) = ElementTree.fromstring(f"<g>{panel.svg(0)}</g>").iter("polyline")
    places = [[float(number) for number in place.split(",")] for place in line.get("points").split()]
    (left, low), (middle, half), (right, high) = places
    assert middle - left == pytest.approx(right - middle, abs=0.11)
    assert low - half == pytest.approx(half - high, abs=0.11)


def test_each_network_has_a_diagram_of_its_own_in_the_picture_of_costs(tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    monkeypatch.setattr(pareto, "DOCS", tmp_path)
    points = {
        name: {"cost": cost, "error": 0.1 / cost} for name, cost in (("default", 2), ("5", 5), ("20", 20))
    }
    peers = {"torch-uncertainty": points["20"], "baal": points["5"]}
    points_of = {"howsure": points, "loop": points, "peers": peers}
    pareto.picture({"vit": points_of, "mlp": {**points_of, "peers": {}}, "bert": points_of})
    root = ElementTree.parse(tmp_path / "pictures" / "cost.svg").getroot()
    names = [next(group.iter(f"{SPACE}text")).text for group in root.findall(f"{SPACE}g")]
    assert names[:3] == ["vit", "mlp", "bert"]
    places = [group.get("transform") for group in root.findall(f"{SPACE}g")]
    assert len(set(places)) == 4  # and the key
    marks = [each.get("class") for each in root.iter(f"{SPACE}path")]
    assert [marks.count(each) for each in ("circle", "square", "triangle")] == [4, 3, 3]
