import io

import numpy as np
import pytest
from rich.console import Console

from howsure.demo import mnist
from howsure.demo import run as demo
from howsure.tasks.classification.result import Certainty


def strokes(count):
    """Images with one stroke each, at the place of its digit, and the digits."""
    labels = np.arange(count, dtype=np.uint8) % 10
    images = np.zeros((count, 28, 28), np.uint8)
    for image, digit in zip(images, labels, strict=True):
        image[4:24, 4 + 2 * digit : 6 + 2 * digit] = 255
    return images, labels


@pytest.mark.filterwarnings("ignore:Calibration of .* no mistake")  # these digits are too easy
def test_the_demo_from_data_to_report(tmp_path, monkeypatch):
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    x_train, y_train = strokes(100)
    x_test, y_test = strokes(20)
    digits = mnist.Digits(x_train, y_train, x_test, y_test, "strokes made for this test")
    monkeypatch.setattr(mnist, "load", lambda: digits)
    monkeypatch.setattr("howsure.tuning.REPLICATES", 3)  # of nineteen pilots, on which nothing here hangs
    console = Console(file=io.StringIO(), width=80)

    demo.run(tmp_path, epochs=1, seed=0, console=console)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "certainty.parquet",
        "comparison.html",
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
    output = console.file.getvalue()
    for part in (
        "strokes made for this test",
        "The 10 most undecided images:",
        "of 20 images",
        "Comparing softmax, MC dropout",
    ):
        assert part in output
    assert str(tmp_path / "report.html") in output.splitlines()[-4]
    assert str(tmp_path / "comparison.html") in output.splitlines()[-3]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Which method is better here?" in page
    compared = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert "with noise" in compared, "digits are compared as they are, and changed"
