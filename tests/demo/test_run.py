from tests.made import certainty_of
import io

import numpy as np
import pytest
from rich.console import Console

from howsure.demo import mnist
from howsure.demo import run as demo
from howsure.answers.classes.result import Certainty

CROSS = np.array([[0, 0, 0, 0], [0, 0, 200, 0], [0, 255, 150, 255], [0, 0, 100, 0], [0, 0, 20, 0]], np.uint8)


def test_a_digit_is_cut_to_its_ink_and_two_rows_make_a_line():
    assert demo.draw_digit(CROSS) == "▄█▄\n ▀"


def test_every_pixel_of_ink_is_drawn_where_it_is():
    ink = np.random.default_rng(0).random((28, 28)) < 0.3
    ink[0, 0] = ink[27, 27] = True
    lines = demo.draw_digit(ink.astype(np.uint8) * 255).split("\n")
    halves = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
    back = np.zeros((28, 28), dtype=bool)
    for number, line in enumerate(lines):
        for column, block in enumerate(line):
            back[2 * number : 2 * number + 2, column] = halves[block]
    np.testing.assert_array_equal(back, ink)


def test_faint_digits_are_drawn_like_strong_ones():
    assert demo.draw_digit(CROSS // 10) == demo.draw_digit(CROSS)


def test_an_empty_image_is_drawn_as_nothing():
    assert demo.draw_digit(np.zeros((28, 28), np.uint8)) == ""


def strokes(count):
    """Images with one stroke each, at the place of its digit, and the digits."""
    labels = np.arange(count, dtype=np.uint8) % 10
    images = np.zeros((count, 28, 28), np.uint8)
    for image, digit in zip(images, labels, strict=True):
        image[4:24, 4 + 2 * digit : 6 + 2 * digit] = 255
    return images, labels


def undecided(count):
    top = np.linspace(0.51, 0.99, count)
    probabilities = np.zeros((count, 10))
    probabilities[:, 8], probabilities[:, 6] = top, 1 - top
    return certainty_of(
        probabilities, expected_entropy=np.full(count, 0.01), truth=np.full(count, 8), kind="image"
    )


@pytest.mark.parametrize(("width", "across"), [(40, 1), (79, 1), (80, 2), (120, 3)])
def test_digits_stand_side_by_side_where_there_is_room(width, across):
    console = Console(file=io.StringIO(), width=width)
    images = np.repeat(CROSS[None], 12, axis=0)
    demo.show(undecided(12), images, console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    rows = [line for line in lines if "row " in line]
    assert [line.count("row ") for line in rows] == [across] * (10 // across) + [1] * (10 % across > 0)
    text = " ".join(console.file.getvalue().split())
    assert text.count("Truth: '8'") == 10
    assert "of 12 images" in text


def test_fewer_digits_than_are_shown():
    console = Console(file=io.StringIO(), width=80)
    demo.show(undecided(3), np.repeat(CROSS[None], 3, axis=0), console)
    assert "The 3 digits it is most undecided about" in console.file.getvalue()


@pytest.mark.parametrize(
    ("settings", "screen"), [({}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "w"}, True)]
)
def test_a_browser_opens_only_where_there_is_a_screen(settings, screen, monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert demo.has_screen() is screen


@pytest.mark.filterwarnings("ignore:Calibration of .* no mistake")  # these digits are too easy
def test_the_demo_from_data_to_report(tmp_path, monkeypatch):
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    x_train, y_train = strokes(100)
    x_test, y_test = strokes(20)
    digits = mnist.Digits(x_train, y_train, x_test, y_test, "strokes made for this test")
    monkeypatch.setattr(mnist, "load", lambda: digits)
    monkeypatch.setattr("howsure.tuning.REPLICATES", 3)  # of nineteen pilots, on which nothing here hangs
    console = Console(file=io.StringIO(), width=80)

    demo.run(tmp_path, epochs=1, members=2, seed=0, console=console)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "certainty.parquet",
        "comparison.html",
        "member-2.keras",
        "model.keras",
        "report.html",
    ]
    certainty = Certainty.load(tmp_path / "certainty.parquet")
    np.testing.assert_array_equal(certainty.truth, y_test)
    assert certainty.kind == "image"
    assert certainty.class_names == tuple("0123456789")
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")
    model = keras.models.load_model(tmp_path / "model.keras")
    assert model.count_params() == 1_719_306
    said = console.file.getvalue()
    for part in (
        "strokes made for this test",
        "1 epoch",
        "most undecided",
        "of 20 images",
        "training ",
        "assessing ",
        "Comparing softmax, MC dropout, ensemble, MC dropout of the ensemble",
        "comparing ",
    ):
        assert part in said
    assert str(tmp_path / "report.html") in said.splitlines()[-5]
    assert str(tmp_path / "comparison.html") in said.splitlines()[-4]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Which method is better here?" in page
    compared = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert "with noise" in compared, "digits are compared as they are, and changed"
