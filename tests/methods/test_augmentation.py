"""Augmentation, and all else that calls a function of the caller's with rows: these stay as they are."""

from copy import deepcopy

import numpy as np
import pytest

import howsure
from tests.test_passes import rows_of, two_layers


def doubled(rows):
    rows *= 2
    return rows


@pytest.mark.parametrize("kind", ["array", "list", "dict", "torch"])
def test_a_change_in_place_changes_neither_the_callers_rows_nor_the_answer(kind):
    (x,) = rows_of((4,), rows=30)
    given = {"array": x, "list": [x], "dict": {"x": x}}.get(kind)
    if kind == "torch":
        given = pytest.importorskip("torch").from_numpy(x)

    def times(factor):
        def change(rows):
            if kind == "torch":
                return rows.mul_(factor)
            array = rows[0] if kind == "list" else rows["x"] if kind == "dict" else rows
            array *= factor
            return rows

        return change

    before = deepcopy(given)
    plain = howsure.Augmentation([lambda rows: 2 * rows, lambda rows: 3 * rows])
    result = howsure.assess(two_layers(), given, method=howsure.Augmentation([times(2), times(3)]))
    wanted = howsure.assess(two_layers(), x, method=plain)
    np.testing.assert_allclose(result.probabilities, wanted.probabilities, atol=1e-7)
    first = [each[0] if kind == "list" else each["x"] if kind == "dict" else each for each in (given, before)]
    assert bool((first[0] == first[1]).all())


def test_a_shift_in_place_changes_neither_the_rows_as_they_are_nor_other_shifts():
    (x,) = rows_of((4,), rows=30)
    given, truth = x.copy(), np.arange(30) % 2
    methods = {"softmax": howsure.Softmax()}
    arguments = {"methods": methods, "calibrated": False}
    comparison = howsure.compare(two_layers(), given, truth, shifts={"a": doubled, "b": doubled}, **arguments)
    wanted = howsure.compare(two_layers(), x, truth, shifts={"a": 2 * x, "b": 2 * x}, **arguments)
    np.testing.assert_array_equal(given, x)
    for rows in ("as they are", "a", "b"):
        assert str(comparison.score("softmax", "nll", rows)) == str(wanted.score("softmax", "nll", rows))


def test_the_same_change_twice_is_refused():
    with pytest.raises(howsure.InputError, match=r"given twice.*change 1, which is change 0 again"):
        howsure.Augmentation(["flip", "flip"])


@pytest.mark.parametrize("changes", [[], [3], None])
def test_changes_that_cannot_be_used(changes):
    with pytest.raises(howsure.InputError, match="`changes` cannot be used"):
        howsure.Augmentation(changes)


def test_a_change_keeps_the_number_of_rows():
    (x,) = rows_of((4,), rows=30)
    with pytest.raises(howsure.InputError, match="changes how many they are"):
        howsure.assess(two_layers(), x, method=howsure.Augmentation([lambda rows: rows[:4]]))
