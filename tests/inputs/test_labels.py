import os

import numpy as np
import pandas as pd
import pytest

from howsure import InputError
from howsure.inputs.labels import check_class_names, check_labels, check_yes_or_no, error_if_misread


@pytest.mark.parametrize(
    "labels",
    [
        [0, 2, 1],
        (0, 2, 1),
        np.array([0, 2, 1], dtype=np.uint8),
        np.array([[0], [2], [1]]),
        np.array([0.0, 2.0, 1.0], dtype=np.float32),
        np.ma.masked_array([0, 2, 1], mask=False),
        pd.Series([0, 2, 1], index=[2, 1, 0]),
        pd.Series([0, 2, 1], dtype="Int64"),
    ],
)
def test_labels_that_fit(labels):
    found = check_labels(labels, 3, 3)
    assert found.dtype == np.int64
    assert found.tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1], r"do not fit the rows.*Expected: 3 labels.*Received: an array of shape \(2,\)"),
        ([], r"Received: an array of shape \(0,\)"),
        (1, r"Received: an array of shape \(\)"),
        (np.eye(3)[:2], r"one-hot rows of 3.*Received: an array of shape \(2, 3\)"),
        (np.eye(4)[:3], r"one-hot rows of 3.*Received: an array of shape \(3, 4\)"),
        ([0.0, 1.5, 2.0], r"not class numbers.*whole numbers from 0 to 2.*Received: dtype float64.*1\.5"),
        ([0.0, np.nan, 2.0], r"missing in row 1\..*whole numbers from 0 to 2.*nan.*Leave those rows out"),
        (pd.Series([0, 1, None], dtype="Int64", index=[9, 8, 7]), r"missing in row 2\."),
        (np.array([0, pd.NA, pd.NaT], dtype=object), r"missing in 2 rows: 1, 2\."),
        (np.ma.masked_array([0, 1, 2], mask=[0, 1, 1]), r"The labels are masked in 2 rows: 1, 2\."),
        (np.ma.masked_array([[0], [1], [2]], mask=[[1], [0], [0]]), r"masked in row 0\..*x\.filled"),
        ([0.0, np.inf, 2.0], "not class numbers"),
        ([0.0, 1e300, 2.0], "not class numbers"),
        (["a", "b", "c"], "are words, and the class names are not known.*'a'"),
        ([None, 1, 2], r"missing in row 0\..*Received: None"),
        (["x", 1, object()], "not class numbers"),
        ([True, False, True], "not class numbers.*0 to 2.*Received: dtype bool"),
        (np.array([True, 1, 0], dtype=object), "not class numbers.*object"),
        (
            [0, 3, -1],
            r"out of range.* row.* 1.*class numbers from 0 to 2, as there are 3 classes.*Received: 3",
        ),
        (np.array([2**63, 0, 0], dtype=np.uint64), "not class numbers|out of range"),
    ],
)
def test_labels_that_do_not_fit(labels, message):
    with pytest.raises(InputError, match=message):
        check_labels(labels, 3, 3)


def test_one_label_out_of_range_is_one_row():
    with pytest.raises(InputError, match=r"in row 2\."):
        check_labels([0, 1, 9], 3, 3)
    with pytest.raises(InputError, match=r"in 2 rows: 0, 2\."):
        check_labels([9, 1, 9], 3, 3)


def test_no_labels_for_no_rows():
    assert check_labels([], 0, 3).shape == (0,)
    assert check_labels(np.empty((0, 3)), 0, 3).shape == (0,)
    assert check_labels(np.empty(0, dtype=object), 0, 3, NAMES).shape == (0,)


# --- words, booleans, one-hot ---------------------------------------------------------------------

NAMES = ("cat", "dog", "great tit")
WORDS = ["dog", "cat", "great tit", "dog"]


@pytest.mark.parametrize(
    "labels",
    [
        WORDS,
        tuple(WORDS),
        np.array(WORDS),
        np.array(WORDS, dtype=object),
        np.array([[word] for word in WORDS]),
        np.array([word.encode() for word in WORDS]),
        np.array([word.encode() for word in WORDS], dtype=object),
        pd.Series(WORDS, index=[3, 1, 2, 0]),
        pd.Series(WORDS, dtype="category"),
        pd.DataFrame({"label": WORDS}),
        np.eye(3)[[1, 0, 2, 1]],
        np.eye(3, dtype=bool)[[1, 0, 2, 1]],
        np.eye(3, dtype=int)[[1, 0, 2, 1]].tolist(),
        pd.get_dummies(pd.Series(WORDS)),
        pd.get_dummies(pd.Series(WORDS))[["great tit", "dog", "cat"]],
        np.array([1, 0, 2, 1], dtype=object),
    ],
)
def test_classes_are_said_in_many_ways(labels):
    found = check_labels(labels, 4, 3, NAMES)
    assert found.dtype == np.int64
    assert found.tolist() == [1, 0, 2, 1]


def test_words_of_polars():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    for kind in (polars.String, polars.Categorical, polars.Enum(NAMES)):
        assert check_labels(polars.Series(WORDS, dtype=kind), 4, 3, NAMES).tolist() == [1, 0, 2, 1]
    one_hot = polars.Series("is", WORDS).to_dummies(separator=":")
    one_hot = one_hot.rename({name: name.removeprefix("is:") for name in one_hot.columns})
    assert check_labels(one_hot[:, ::-1], 4, 3, NAMES).tolist() == [1, 0, 2, 1]
    assert check_labels(polars.Series([True, False]), 2, 2).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            ["dog", "dgo", "cat"],
            r"among the names, in row 1\..*one of 'cat', 'dog'.*'dgo'.*nearest is 'dog'",
        ),
        (["dog", "Cat", " dog"], r"in 2 rows: 1, 2\..*Received: 'Cat'.*nearest is 'cat'"),
        (["great-tit", "dog", "cat"], "nearest is 'great tit'"),
        (["dog", "elephant", "cat"], "assessed with"),
        (["1", "0", "2"], "give them as numbers"),
        (["dog", None, "cat"], "missing in row 1.*class names"),
        (["dog", 1, "cat"], "in row 1.*give them as numbers"),
        (np.array(["dog", 1, "cat"], dtype=object), "not class numbers"),
        (np.ma.array(WORDS[:3], mask=[0, 0, 1]), "masked in row 2"),
        ([[0, 1, 0], [0, 0, 0], [1, 0, 1]], r"do not say one class in 2 rows: 1, 2\..*\[0, 0, 0\] in row 1"),
        ([[0.2, 0.7, 0.1]] * 3, r"do not say one class in 3 rows.*\[0\.2, 0\.7, 0\.1\]"),
        ([[np.nan, 1, 0]] * 3, "do not say one class"),
        ([["a", "b", "c"]] * 3, "do not say one class"),
        (
            pd.DataFrame(np.eye(3), columns=["is_cat", "is_dog", "x"]),
            "columns of the labels",
        ),
        (pd.DataFrame(np.eye(3)), r"columns of the labels.*'0', '1', '2'.*to_numpy"),
    ],
)
def test_words_that_do_not_fit(labels, message):
    with pytest.raises(InputError, match=message):
        check_labels(labels, 3, 3, NAMES)


def test_words_for_classes_without_names_ask_for_these():
    with pytest.raises(InputError, match=r"Name the classes in the order of the model's outputs"):
        check_labels(["dog", "cat"], 2, 2, ("0", "1"))
    assert check_labels(["1", "0"], 2, 2, ("0", "1")).tolist() == [1, 0]


def test_whole_numbers_are_names_where_classes_are_called_by_numbers():
    assert check_labels(["2", "1"], 2, 3, ("1", "2", "3")).tolist() == [1, 0]
    assert check_labels([3, 1, 2], 3, 3, ("1", "2", "3")).tolist() == [2, 0, 1]
    assert check_labels([2, 1], 2, 3, ("1", "2", "3")).tolist() == [1, 0]
    assert check_labels([2, 4, 4], 3, 2, ("2", "4")).tolist() == [0, 1, 1]
    assert check_labels([-1, 1, 1], 3, 2, ("-1", "1")).tolist() == [0, 1, 1]
    assert check_labels([1, 1], 2, 2, ("-1", "1")).tolist() == [1, 1]
    assert check_labels([0, 2, 1], 3, 3, ("0", "1", "2")).tolist() == [0, 2, 1]
    for labels, names in (([0, 2], ("1", "2", "3")), ([0, 1], ("3", "5")), ([0, 1], ("1", "other"))):
        with pytest.raises(InputError, match=r"but not by these.*`numpy.array\(class_names\)\[labels\]`"):
            check_labels(labels, 2, len(names), names)
    with pytest.raises(
        InputError, match=r"out of range.*Received: 3\. If they count from 1, give `labels - 1`"
    ):
        check_labels([1, 2, 3], 3, 3, NAMES)


def answers(truth, wrong=0.3):
    """Of a model that is right but for a share of the rows, which are three classes off."""
    known = np.asarray(truth)
    return np.where(np.arange(len(known)) < wrong * len(known), (known + 3) % 5, known)


@pytest.mark.parametrize("names", [tuple("01234"), ("a", "b", "c", "d", "e")])
def test_labels_from_1_without_the_last_class_are_told_by_the_answers(names):
    truth = np.arange(40) % 4
    wrong = error_if_misread(truth + 1, truth + 1, answers(truth), names)
    assert "seem to count from 1: less 1, the answers are right for 70% of the rows" in str(wrong)
    assert "give `labels - 1`" in str(wrong)
    for labels in (truth, 1 + truth, np.array(names)[1 + truth]):  # right, or said to be names
        predicted = answers(truth if labels is truth else 1 + truth, 0.0)
        assert error_if_misread(labels, check_labels(labels, 40, 5, names), predicted, names) is None
    said = np.array(names)[truth + 1]
    assert error_if_misread(said, truth + 1, answers(truth), names) is None
    few = truth[:8]
    assert error_if_misread(few + 1, few + 1, few, names) is None
    assert error_if_misread(np.ones(40, int), np.ones(40, int), np.zeros(40, int), names) is None


def test_names_that_are_numbers_are_told_by_the_answers():
    names, numbers = ("1", "2", "3", "4", "5"), 1 + np.arange(40) % 4
    assert error_if_misread(numbers, numbers - 1, numbers - 1, names) is None
    wrong = error_if_misread(numbers, numbers - 1, numbers, names)
    assert "seem to be class numbers, and no names: so the answers are right for 100%" in str(wrong)
    assert error_if_misread(numbers.astype(str), numbers - 1, numbers, names) is None


WEATHER = ("rain", "wind", "snow")
HOLDS = [[1, 0, 0], [0, 0, 0], [1, 0, 1]]


@pytest.mark.parametrize(
    "labels",
    [
        HOLDS,
        np.array(HOLDS, dtype=bool),
        pd.DataFrame(HOLDS, columns=WEATHER),
        pd.DataFrame(HOLDS, columns=WEATHER)[["wind", "snow", "rain"]],
        [["rain"], [], ["snow", "rain"]],
        [("rain",), (), ("snow", "rain")],
        pd.Series([{"rain"}, set(), {"snow", "rain"}]),
    ],
)
def test_labels_of_which_several_may_hold(labels):
    found = check_yes_or_no(labels, 3, 3, WEATHER)
    assert found.dtype == bool
    assert found.tolist() == np.array(HOLDS, dtype=bool).tolist()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([["rain"], ["rian"], []], r"not among the names, in row 1\..*'rian'.*nearest is 'rain'"),
        ([["rain"], []], "do not fit the rows.*3 lists of names.*Received: 2"),
        (["rain", "wind", "snow"], "do not fit the rows"),
        (pd.DataFrame(HOLDS, columns=["a", "b", "c"]), "columns of the labels are not the label names"),
        ([[2, 0, 0]] * 3, "not yes or no"),
    ],
)
def test_labels_that_say_neither_yes_nor_no(labels, message):
    with pytest.raises(InputError, match=message):
        check_yes_or_no(labels, 3, 3, WEATHER)


def test_class_names():
    assert check_class_names(None, 3) == ("0", "1", "2")
    assert check_class_names(["a", "b"], 2) == ("a", "b")
    assert check_class_names(np.array(["a", "b"]), 2) == ("a", "b")
    assert check_class_names(pd.Series(["a", "b"], index=[1, 0]), 2) == ("a", "b")
    assert check_class_names((name for name in "ab"), 2) == ("a", "b")
    assert check_class_names([10, 20], 2) == ("10", "20")
    assert len(check_class_names(None, 1000)) == 1000


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["a", "b"],
            r"The class names do not fit the model.*Expected: 3 names, one for each class.*Received: 2: a, b",
        ),
        ([], "Expected: 3 names.*Received: 0"),
        (["x"] * 40, "Received: 40: x, x"),
        (["a", "b", "a"], r"occurs twice.*distinct names.*Received: a\."),
        (["1", 1, 2], "occurs twice.*Received: 1"),
        ("abc", r"no list in order.*a list of 3 names.*Received: 'abc'.*Give the values of a dict"),
        (3, "a list of 3 names.*Received: 3"),
        ({0: "cat", 1: "dog", 2: "hen"}, "no list in order"),
        ({"cat", "dog", "hen"}, "no list in order"),
        ({"cat": 0, "dog": 1, "hen": 2}.keys(), "no list in order"),
        (np.array([["cat", "dog", "hen"]]), "no list in order"),
        (pd.DataFrame({"cat": [0], "dog": [1], "hen": [2]}), "no list in order"),
        (["cat", None, "hen"], "A class has no name.*Received: 'cat', None, 'hen'"),
        (["cat", float("nan"), "hen"], "A class has no name"),
    ],
)
def test_class_names_that_do_not_fit(names, message):
    with pytest.raises(InputError, match=message):
        check_class_names(names, 3)


@pytest.mark.parametrize("name", ["\x1b[2J", "a\tb", "a\nb", "\x85", "\u2028", os.fsdecode(b"caf\xe9")])
def test_names_that_cannot_be_printed_in_a_line_are_refused(name):
    with pytest.raises(InputError, match="A class name holds what cannot be printed"):
        check_class_names(["a", name], 2)
    assert check_class_names(["größe 8", "猫 \U0001f468\u200d\U0001f469"], 2)


def test_lists_of_several_names_are_no_class():
    assert check_labels([["dog"], ["cat"]], 2, 2, ("cat", "dog")).tolist() == [1, 0]
    with pytest.raises(
        InputError, match=r"The labels are lists of names.*'dog', 'cat'\] in row 1.*label-logits"
    ):
        check_labels([["dog"], ["dog", "cat"]], 2, 2, ("cat", "dog"))
