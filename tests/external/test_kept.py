"""What comes with probabilities stays what it is: codes of classes, ids, order, and what howsure exported."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

import howsure
from howsure.errors import HowsureError
from howsure.external.files import FileColumns, read_result
from howsure.inputs.align import RowNames
from tests.made import read_labels

P = [[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.9, 0.05, 0.05]]


def test_codes_of_classes_keep_their_zeros(tmp_path):
    path = tmp_path / "codes.csv"
    path.write_text("id,a,b,c,y\nr1,0.9,0.05,0.05,01\nr2,0.05,0.9,0.05,02\nr3,0.9,0.05,0.05,01\n")
    result = read_result(path, FileColumns(("01", "02", "03")))
    assert result.truth.tolist() == [0, 1, 0]


def test_frames_of_numbered_columns():
    frame = pd.DataFrame(np.array(P))
    assert np.allclose(howsure.Certainty.from_probabilities(frame).probabilities, P)
    assert np.allclose(howsure.Certainty.from_passes([frame, frame]).probabilities, P)
    assert np.allclose(howsure.MultilabelCertainty.from_probabilities(frame).probabilities, P)


def test_labels_of_a_file_are_brought_into_the_order_of_the_ids(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,y\nb,dog\na,cat\nc,bird\n")
    assert read_labels(path, RowNames(np.array(["a", "b", "c"], dtype=object))).tolist() == [
        "cat",
        "dog",
        "bird",
    ]
    with pytest.raises(HowsureError, match=r"labels of other rows.*'d' among them"):
        read_labels(path, RowNames(np.array(["a", "b", "d"], dtype=object)))
    path.write_text("id,y\nb,dog\na,cat\na,bird\n")
    with pytest.raises(HowsureError, match="another order than the rows, and some rows share one"):
        read_labels(path, RowNames(np.array(["a", "a", "b"], dtype=object)))


def test_passes_of_rows_in_another_order_are_aligned():
    frame = pd.DataFrame({"a": [0.2, 0.9], "b": [0.8, 0.1]}, index=["r0", "r1"])
    result = howsure.Certainty.from_passes([frame, frame.iloc[::-1]])
    assert result.ids.tolist() == ["r0", "r1"]
    assert np.array_equal(result.probabilities, frame)
    with pytest.raises(HowsureError, match="Pass 1 holds probabilities of other rows"):
        howsure.Certainty.from_passes([frame, frame.set_axis(["r0", "r2"])])


def test_a_list_of_rows_is_not_a_list_of_passes():
    with pytest.raises(HowsureError, match="belongs to `from_probabilities`"):
        howsure.Certainty.from_passes([[0.2, 0.8], [0.3, 0.7]])


def test_labels_that_are_some_names_and_some_not_are_refused():
    frame = pd.DataFrame({"0": [0.5, 0.4], "1": [0.3, 0.4], "3": [0.2, 0.2], "y": [0, 2]})
    with pytest.raises(HowsureError, match="classes are called by numbers, but not by these"):
        howsure.Certainty.from_probabilities(frame)


def test_a_classifier_keeps_the_order_of_its_classes():
    x = np.random.default_rng(0).normal(size=(40, 2))
    model = LogisticRegression().fit(x, np.where(x[:, 0] > 0, "ill", "healthy"))
    with pytest.raises(HowsureError, match="model's own in another order"):
        howsure.assess(model, x, class_names=["ill", "healthy"])
    renamed = howsure.assess(model, x, class_names=["well", "sick"])
    assert renamed.class_names == ("well", "sick")


def test_a_label_that_never_occurred_is_named():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (40, 3))
    y[:, 2] = 0
    x = rng.normal(size=(40, 2))
    with pytest.raises(HowsureError, match="one answer alone of label 2"):
        howsure.assess(RandomForestClassifier(5).fit(x, y), x)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ("cat,dog,y\n0.3,0.7,1\n0.3,0.7,\n", "a label in every row. Leave those rows out"),
        ("cat,dog,y\n0.3,0.7,dog\n0.3,0.7,\n", "a label in every row. Leave those rows out"),
    ],
)
def test_a_missing_label_is_not_to_be_made_up(tmp_path, cells, words):
    path = tmp_path / "given.csv"
    path.write_text(cells)
    with pytest.raises(HowsureError, match=words):
        read_result(path)


@pytest.mark.parametrize("cell", ["--5", "18446744073709551615", "9" * 5000])
def test_ids_that_are_no_numbers_of_64_bits_are_texts(tmp_path, cell):
    path = tmp_path / "given.csv"
    path.write_text(f"id,cat,dog\n{cell},0.6,0.4\n")
    assert read_result(path).ids.tolist() == [cell]
