import os

import numpy as np
import pandas as pd
import pytest

from howsure import InputError
from howsure.data.labels import check_class_names, check_labels


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
        (np.eye(3), r"Received: an array of shape \(3, 3\)"),  # one-hot
        ([0.0, 1.5, 2.0], r"not class numbers.*whole numbers from 0 to 2.*Received: dtype float64.*1\.5"),
        ([0.0, np.nan, 2.0], r"missing in row 1\..*whole numbers from 0 to 2.*nan.*Leave those rows out"),
        (pd.Series([0, 1, None], dtype="Int64", index=[9, 8, 7]), r"missing in row 2\."),
        (np.array([0, pd.NA, pd.NaT], dtype=object), r"missing in 2 rows: 1, 2\."),
        (np.ma.masked_array([0, 1, 2], mask=[0, 1, 1]), r"The labels are masked in 2 rows: 1, 2\."),
        (np.ma.masked_array([[0], [1], [2]], mask=[[1], [0], [0]]), r"masked in row 0\..*x\.filled"),
        ([0.0, np.inf, 2.0], "not class numbers"),
        ([0.0, 1e300, 2.0], "not class numbers"),
        (["a", "b", "c"], "not class numbers.*'a'"),
        ([None, 1, 2], r"missing in row 0\..*Received: None"),
        (["x", 1, object()], "not class numbers"),
        ([True, False, True], "not class numbers.*dtype bool"),
        (
            [0, 3, -1],
            r"out of range.* row.* 1.*class numbers from 0 to 2, as the model has 3 outputs.*Received: 3",
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
            r"The class names do not fit the model.*Expected: 3 names, one per output.*Received: 2: a, b",
        ),
        ([], "Expected: 3 names.*Received: 0"),
        (["x"] * 40, "Received: 40: x, x"),
        (["a", "b", "a"], r"occurs twice.*distinct names.*Received: a\."),
        (["1", 1, 2], "occurs twice.*Received: 1"),
        ("abc", r"one text.*a list of 3 names.*Received: 'abc'"),
        ("rose,tulip,daisy", "one text.*a list of 3 names"),
        (3, "a list of 3 names.*Received: 3"),
        ({0: "cat", 1: "dog", 2: "hen"}, r"a dict, of which.*its keys.*a list of 3 names.*Give its values"),
        ({"cat", "dog", "hen"}, "a set, which has no order.*Give a list in the order that is meant"),
        (frozenset(["cat", "dog", "hen"]), "a set, which has no order"),
        ({"cat": 0, "dog": 1, "hen": 2}.keys(), "a set, which has no order"),
        (np.array([["cat", "dog", "hen"]]), r"a table of shape \(1, 3\)"),
        (pd.DataFrame({"cat": [0], "dog": [1], "hen": [2]}), r"a table of shape \(1, 3\)"),
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
