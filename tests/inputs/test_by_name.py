"""Classes, labels and targets are found by their names, wherever they stand and whatever type they have."""

import numpy as np
import pandas as pd
import pytest

import howsure
from howsure import InputError
from howsure.inputs.by_name import places_of_names
from howsure.inputs.labels import check_labels, check_yes_or_no, error_if_misread
from howsure.inputs.targets import check_numbers
from tests.made import read_labels

PETS = ("cat", "dog")
DUMMIES = pd.get_dummies


def test_a_number_has_one_name():
    assert places_of_names([1, 1.0, "1", "1.0", np.float32(2)], ("2.0", "1")) == [1, 1, 1, 1, 0]
    assert places_of_names(["01", "x"], ("2.0", "1")) == [None, None]
    assert places_of_names(["1", "1.0"], ("1.0", "1")) == [1, 0]


@pytest.mark.parametrize("dtype", [bool, int, float, "uint8"])
@pytest.mark.parametrize("only", PETS)
def test_a_lone_one_hot_column_is_refused(only, dtype):
    labels = DUMMIES(pd.Series([only, only]), dtype=dtype)
    for given, names in ((labels, PETS), (labels, (*PETS, "elk")), (labels[only], PETS)):
        with pytest.raises(InputError, match=f"only column of the labels is that of the class '{only}'"):
            check_labels(given, 2, len(names), names)


def test_one_hot_columns_of_some_classes_are_these():
    labels = DUMMIES(pd.Series(["elk", "cat", "elk"]))
    assert check_labels(labels, 3, 3, (*PETS, "elk")).tolist() == [2, 0, 2]
    with pytest.raises(InputError, match=r"do not say one class in row 0"):
        check_labels(labels[["cat"]].assign(dog=[False, False, True]), 3, 3, (*PETS, "elk"))


@pytest.mark.parametrize("flags", [[True, False], [1, 0], [1.0, 0.0], ["yes", "no"]])
def test_a_column_or_series_of_yes_and_no_that_is_called_as_a_class_is_refused(flags):
    for names in (PETS, (*PETS, "elk")):
        for labels in (pd.Series(flags, name="cat"), pd.DataFrame({"cat": flags})):
            with pytest.raises(InputError, match=r"class 'cat'.*numpy.where\(labels == 1, 'cat'"):
                check_labels(labels, 2, len(names), names)


@pytest.mark.parametrize(
    "labels",
    [
        pd.DataFrame([1, 0]),
        pd.DataFrame({"y": [1, 0]}),
        pd.DataFrame({"0": [1, 0]}),
        pd.DataFrame({0: [9, 9], 1: [1, 0]})[[1]],
        pd.Series([1, 0], name=0),
        pd.Series([True, False], name="0"),
        pd.DataFrame([True, False]),
        pd.DataFrame({"class": ["1", "0"]}),
    ],
)
def test_any_other_single_column_counts_by_place(labels):
    for names in (None, ("0", "1")):
        if names or labels.to_numpy().dtype != object:
            assert check_labels(labels, 2, 2, names).tolist() == [1, 0]


def test_one_hot_columns_of_a_single_number():
    for number in (0, 1):
        with pytest.raises(InputError, match=f"that of the class '{number}'"):
            check_labels(DUMMIES(pd.Series([number, number])), 2, 2)


@pytest.mark.parametrize("names", [("1", "2", "3"), ("1.0", "2.0", "3.0")])
@pytest.mark.parametrize("dtype", [int, float, "float32", str])
def test_classes_called_1_2_3_keep_their_names_in_every_type(names, dtype):
    labels = np.array([3, 1, 2]).astype(dtype) if dtype is not str else np.array(names)[[2, 0, 1]]
    assert check_labels(labels, 3, 3, names).tolist() == [2, 0, 1]
    assert check_labels(labels[1:], 2, 3, names).tolist() == [0, 1]
    one_hot = DUMMIES(pd.Series(labels))
    for columns in (one_hot, one_hot.iloc[:, ::-1]):
        assert check_labels(columns, 3, 3, names).tolist() == [2, 0, 1]


def test_classes_that_are_fractions():
    assert check_labels([0.5, 1.5], 2, 2, ("1.5", "0.5")).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (("1", "0"), [0, 1]),
        (("0", "1"), [1, 0]),
        (("1.0", "0.0"), [0, 1]),
        (("True", "False"), [0, 1]),
        (("no", "Yes"), [1, 0]),
        (("y", "n"), [0, 1]),
        (("positive", "negative"), [0, 1]),
        (PETS, [1, 0]),
    ],
)
def test_true_is_the_class_that_means_it_or_the_second(names, numbers):
    assert check_labels([True, False], 2, 2, names).tolist() == numbers
    assert check_labels(["True", "False"], 2, 2, names).tolist() == numbers
    words = ["yes", "no"]
    if names != PETS:
        assert check_labels(words, 2, 2, names).tolist() == numbers
        assert check_labels(np.array(["YES", "no"]), 2, 2, names).tolist() == numbers
        return
    with pytest.raises(InputError, match=r"names of the classes; or true and false, where true is 'dog'"):
        check_labels(words, 2, 2, names)


def test_0_and_1_for_classes_called_yes_and_no_are_told_by_the_answers():
    truth = np.arange(40) % 2
    wrong = error_if_misread(1 - truth, 1 - truth, truth, ("yes", "no"))
    assert "seem to be 1 for 'yes'" in str(wrong)
    assert "labels == 1" in str(wrong)
    assert check_labels((1 - truth) == 1, 40, 2, ("yes", "no")).tolist() == truth.tolist()
    assert error_if_misread(truth, truth, truth, ("yes", "no")) is None


# --- hints, followed ------------------------------------------------------------------------------


def test_the_hint_for_probabilities_as_labels_works():
    labels = np.array([[0.2, 0.8], [0.6, 0.4]])
    with pytest.raises(InputError, match=r"`numpy.argmax\(labels, axis=1\)`"):
        check_labels(labels, 2, 2, PETS)
    for each in (labels, labels.tolist()):
        assert check_labels(np.argmax(each, axis=1), 2, 2, PETS).tolist() == [1, 0]
    frame = pd.DataFrame(labels[:, ::-1], columns=["dog", "cat"])
    with pytest.raises(InputError, match=r"`labels.idxmax\(axis=1\)`"):
        check_labels(frame, 2, 2, PETS)
    assert check_labels(frame.idxmax(axis=1), 2, 2, PETS).tolist() == [1, 0]
    with pytest.raises(InputError, match=r"`labels >= 0.5`"):
        check_yes_or_no(labels, 2, 2, PETS)
    assert check_yes_or_no(labels >= 0.5, 2, 2, PETS).tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize("nothing", [np.nan, None, pd.NA])
def test_one_hot_rows_without_a_value_are_missing(nothing):
    labels = np.array([[1, 0], [nothing, nothing], [0, nothing]], dtype=object)
    for check in (check_labels, check_yes_or_no):
        with pytest.raises(InputError, match=r"missing in 2 rows: 1, 2\..*Leave those rows out"):
            check(labels, 3, 2, PETS)
        assert len(check(labels[:1], 1, 2, PETS)) == 1


# --- one yes or no --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        [1, 0],
        [True, False],
        [[1], [0]],
        ["yes", "no"],
        [["rain"], []],
        pd.Series([1, 0]),
        pd.DataFrame({"rain": [1, 0]}),
        pd.DataFrame({"y": [True, False]}),
        pd.DataFrame([1, 0]),
    ],
)
def test_one_label_has_one_yes_or_no(labels):
    assert check_yes_or_no(labels, 2, 1, ("rain",)).tolist() == [[True], [False]]


def test_a_single_column_of_another_label_or_target_is_refused():
    with pytest.raises(InputError, match=r"not the label names.*'rain'.*'snow'.*to_numpy"):
        check_yes_or_no(pd.DataFrame({"snow": [1, 0]}), 2, 1, ("rain",))
    assert check_yes_or_no(pd.DataFrame({"snow": [1, 0]}), 2, 1, ("0",)).tolist() == [[True], [False]]
    with pytest.raises(InputError, match=r"not the target names"):
        check_numbers(pd.DataFrame({"weight": [1.0, 2.0]}), 2, ("height",))
    assert check_numbers(pd.DataFrame({"weight": [1.0, 2.0]}), 2, ("value",)).tolist() == [[1.0], [2.0]]


# --- probabilities and numbers --------------------------------------------------------------------


def test_probabilities_of_one_class_are_never_those_of_the_other():
    p = pd.Series([0.2, 0.9], name="cat")
    for each in (p, p.to_frame()):
        with pytest.raises(InputError, match=r"`numpy.column_stack\(\[p, 1 - p\]\)`"):
            howsure.Certainty.from_probabilities(each, PETS)
        found = howsure.Certainty.from_probabilities(np.column_stack([each, 1 - each]), PETS)
        np.testing.assert_allclose(found.probabilities, [[0.2, 0.8], [0.9, 0.1]])
    for each in (p.rename("dog"), p.to_frame("dog"), p.to_frame("p")):
        found = howsure.Certainty.from_probabilities(each, PETS)
        np.testing.assert_allclose(found.probabilities[:, 1], [0.2, 0.9])


def test_columns_of_probabilities_are_chosen_by_numbers_of_another_type():
    p = pd.DataFrame([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]], columns=[3.0, 2.0, 1.0])
    for names in ((1, 2, 3), ("1", "2", "3"), (1.0, 2.0, 3.0)):
        found = howsure.Certainty.from_probabilities(p, names)
        np.testing.assert_allclose(found.probabilities, p.to_numpy()[:, ::-1])
        assert found.numbered([3, 1]).tolist() == [2, 0]


MEAN = pd.DataFrame({"height": [1.0, 2.0], "weight": [10.0, 20.0]})
STD = pd.DataFrame({"weight": [5.0, 6.0], "height": [0.1, 0.2]})


def test_columns_of_numbers_are_matched_by_name():
    made = howsure.RegressionCertainty.from_mean_std
    for names in (None, ["height", "weight"], ["weight", "height"], ["weight"]):
        found = made(MEAN, STD, names)
        assert found.target_names == tuple(names or MEAN.columns)
        np.testing.assert_array_equal(found.mean, MEAN[list(found.target_names)])
        np.testing.assert_array_equal(found.std, STD[list(found.target_names)])
    assert made(MEAN, STD, ["m", "kg"]).std.tolist() == [[0.1, 5.0], [0.2, 6.0]]
    with pytest.raises(InputError, match=r"The means have no columns 'age'"):
        made(MEAN, STD, ["height", "age"])
    with pytest.raises(InputError, match=r"standard deviations have no columns 'height'"):
        made(MEAN, STD[["weight"]])
    turned = made(MEAN.set_axis(["a", "b"]), STD.set_axis(["a", "b"]).iloc[::-1])
    assert turned.std.tolist() == [[0.1, 5.0], [0.2, 6.0]]


def test_samples_are_matched_by_the_names_of_their_columns():
    made = howsure.RegressionCertainty.from_samples
    found = made([MEAN, MEAN[["weight", "height"]] + 1])
    assert found.target_names == ("height", "weight")
    np.testing.assert_array_equal(found.mean, MEAN + 0.5)
    np.testing.assert_array_equal(made([MEAN, MEAN + 1], ["weight"]).mean, MEAN[["weight"]] + 0.5)


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "names", "numbers"),
    [
        ("cat,dog\n1,0\n0,1\n", ("dog", "cat"), [1, 0]),
        ("id,0\n7,1\n8,0\n", ("0", "1"), [1, 0]),
        ("y\n1.0\n3.0\n", ("1", "2", "3"), [0, 2]),
        ("y\nyes\nno\n", ("yes", "no"), [0, 1]),
        ("y\nyes\nno\n", ("0", "1"), [1, 0]),
        ("y\ntrue\nfalse\n", PETS, [1, 0]),
    ],
)
def test_a_file_of_labels_says_the_same(tmp_path, content, names, numbers):
    (tmp_path / "labels.csv").write_text(content)
    found = read_labels(tmp_path / "labels.csv", names=names)
    assert check_labels(found, 2, 2 if len(names) == 2 else 3, names).tolist() == numbers


@pytest.mark.parametrize("content", ["cat\n1\n0\n", "id,cat\n7,True\n8,False\n", "id,dog\n7,1\n8,0\n"])
def test_a_file_with_one_class_of_yes_and_no_is_refused(tmp_path, content):
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(InputError, match="The only column of the labels is that of the class"):
        read_labels(tmp_path / "labels.csv", names=PETS)


def test_columns_of_other_labels_are_refused_in_a_file_too(tmp_path):
    (tmp_path / "labels.csv").write_text("rain,snow\n1,0\n0,1\n")
    with pytest.raises(InputError, match=r"holds the labels.*a column for each of 'rain', 'wind'"):
        read_labels(tmp_path / "labels.csv", names=("rain", "wind"))
