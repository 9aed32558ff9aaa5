"""Where regions lie, and which slice of a volume is drawn."""

import csv
import re

import numpy as np

import howsure
from howsure.answers.positions.places import view_of
from howsure.report import render
from tests.answers.maps import certainty_of
from tests.commands import run
from tests.pixels import GIVEN, MODEL, folder_of, images
from tests.report.made import Page

SURE, FLIP, OTHER = [0.9, 0.06, 0.04], [0.45, 0.4, 0.15], [0.2, 0.42, 0.38]


def result_of(flips, **given):
    """A result of rows (N, *P) with coin flips between the first two classes, or where 2 the last two."""
    p = np.array([SURE, FLIP, OTHER], np.float32)[flips]
    return certainty_of(p, **given)


def two_images():
    """One with a ring, a bar and a dot of coin flips, and one with none."""
    flips = np.zeros((2, 12, 10), int)
    flips[0, 1:6, 2:7] = 1
    flips[0, 3, 4] = 0
    flips[0, 8:10, 1:9] = 2
    flips[0, 11, 9] = 1
    return result_of(flips)


def lines_in(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- files of regions -------------------------------------------------------------------------------------


def test_a_table_of_regions_has_their_places_and_classes(tmp_path):
    result = two_images()
    result.save_regions(tmp_path / "regions.csv")
    lines = lines_in(tmp_path / "regions.csv")
    assert [line["size"] for line in lines] == ["24", "16", "1"]
    for line, region in zip(lines, result.regions(0), strict=True):
        (top, bottom), (left, right) = region.bounds
        ends = [int(line[name]) for name in ("y_first", "y_last", "x_first", "x_last")]
        assert ends == [top, bottom - 1, left, right - 1]
        assert (line["label"], line["runner_up"]) == (region.label_name, region.runner_up_name)
        assert line["row"] == "0"
    result[1:].save_regions(tmp_path / "none.csv")
    assert (tmp_path / "none.csv").read_text().startswith("row,region,size,label,runner_up,y_first,x_first,")


def test_the_command_line_writes_regions(tmp_path):
    folder_of(tmp_path / "images", images(4))
    out = tmp_path / "t.parquet"
    path = tmp_path / "regions.csv"
    ran = run("assess", MODEL, tmp_path / "images", "--out", out, *GIVEN, "--passes", 20, "--regions", path)
    assert ran.exit_code == 0, ran.stderr
    result = howsure.load(out)
    result.save_regions(tmp_path / "same.csv")
    assert path.read_text() == (tmp_path / "same.csv").read_text()
    count = sum(len(result.regions(at)) for at in range(4))
    assert f"{count:,} of coin flips" in re.sub(r"\s+", " ", ran.stdout)
    ran = run(
        "assess",
        MODEL,
        tmp_path / "images",
        "--out",
        tmp_path / "parts",
        *GIVEN,
        "--passes",
        20,
        "--regions",
        tmp_path / "all.csv",
    )
    assert ran.exit_code == 0, ran.stderr
    assert lines_in(tmp_path / "all.csv")[0].keys() == lines_in(path)[0].keys()
    ran = run("assess", MODEL, tmp_path / "images", "--out", out, *GIVEN, "--regions", tmp_path / "r.txt")
    assert ran.exit_code == 2
    assert "ends in .csv" in re.sub(r"\s+", " ", ran.stderr)


def test_of_a_volume_the_slice_with_the_most_doubt_is_drawn():
    flips = np.zeros((1, 5, 6, 7), int)
    flips[0, 3, :4] = 1
    result = result_of(flips)
    view = view_of(np.asarray(result.entropy[0]))
    np.testing.assert_array_equal(view.of(flips[0]), flips[0, 3])
    assert view.said == "slice 3 of 0 to 4 along axis 0 is shown, the one with the most doubt"
    assert view.said in Page(render(result)).words
