"""Augmentation, and all else that calls a function of the caller's with rows: these stay as they are."""

import functools
from copy import deepcopy

import numpy as np
import pytest

import howsure
from howsure import shifts
from howsure.data.changed import ByRow
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
    found = howsure.assess(two_layers(), given, method=howsure.Augmentation([times(2), times(3)]))
    wanted = howsure.assess(two_layers(), x, method=plain)
    np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=1e-7)
    first = [each[0] if kind == "list" else each["x"] if kind == "dict" else each for each in (given, before)]
    assert bool((first[0] == first[1]).all())


def test_a_shift_in_place_changes_neither_the_rows_as_they_are_nor_other_shifts():
    (x,) = rows_of((4,), rows=30)
    given, truth = x.copy(), np.arange(30) % 2
    methods = {"softmax": howsure.Softmax()}
    arguments = {"methods": methods, "calibrated": False}
    found = howsure.compare(two_layers(), given, truth, shifts={"a": doubled, "b": doubled}, **arguments)
    wanted = howsure.compare(two_layers(), x, truth, shifts={"a": 2 * x, "b": 2 * x}, **arguments)
    np.testing.assert_array_equal(given, x)
    for rows in ("as they are", "a", "b"):
        assert str(found.score("softmax", "nll", rows)) == str(wanted.score("softmax", "nll", rows))


# --- changes that mix rows ------------------------------------------------------------------------


def images(rows=30, seed=0):
    x = np.zeros((rows, 12, 12), np.float32)
    random = np.random.default_rng(seed)
    for image in x:
        top, left = random.integers(1, 7, 2)
        image[top : top + random.integers(2, 6), left : left + random.integers(2, 6)] = random.uniform(0.4, 1)
    return x


def mixed_up(rows):
    return 0.8 * rows + 0.2 * rows[np.random.default_rng(0).permutation(len(rows))]


MIXING = {
    "turned around": lambda rows: rows[::-1],
    "moved on": lambda rows: np.roll(rows, 1, axis=0),
    "neighbours swapped": lambda rows: (
        rows.reshape(len(rows) // 2, 2, -1)[:, ::-1].reshape(rows.shape) if len(rows) % 2 == 0 else rows
    ),
    "halves swapped": lambda rows: np.concatenate([rows[len(rows) // 2 :], rows[: len(rows) // 2]]),
    "sorted": lambda rows: np.sort(rows, axis=0),
    "sorted by brightness": lambda rows: rows[np.argsort(rows.reshape(len(rows), -1).sum(axis=1))],
    "less the mean of each place": lambda rows: rows - rows.mean(axis=0),
    "less the mean": lambda rows: rows - rows.mean(),
    "mixup": mixed_up,
    "shuffled at random": lambda rows: rows[DRAWN.permutation(len(rows))],
    "mixup at random": lambda rows: 0.9 * rows + 0.1 * rows[DRAWN.permutation(len(rows))],
    "mixup of each by another share": lambda rows: (
        rows
        + DRAWN.beta(1, 1, len(rows)).reshape(-1, *[1] * (rows.ndim - 1))
        * (rows[DRAWN.integers(len(rows), size=len(rows))] - rows.astype(float))
    ),
}
DRAWN, COIN = np.random.default_rng(1), np.random.default_rng(2)
BY_ROW = {
    "mirrored": lambda rows: rows[:, ::-1],
    "brighter": lambda rows: rows + 0.1,
    "noise": lambda rows: rows + 0.1 * DRAWN.normal(size=rows.shape),
    "noise from a seed": lambda rows: rows + 0.1 * np.random.default_rng(0).normal(size=rows.shape),
    "noise of a tenth of the range": lambda rows: (
        rows + 0.1 * np.ptp(rows) * np.random.default_rng(0).normal(size=rows.shape)
    ),
    "mirrored or not": lambda rows: rows[:, ::-1] if COIN.random() < 0.5 else rows,
    "each at random": lambda rows: np.where(
        COIN.random(len(rows)).reshape(-1, *[1] * (rows.ndim - 1)) < 0.5, rows, rows[:, ::-1]
    ),
    "brighter or darker": lambda rows: rows * DRAWN.uniform(0.5, 1.5),
    "each brighter or darker": lambda rows: (
        rows * DRAWN.uniform(0.5, 1.5, len(rows)).reshape(-1, *[1] * (rows.ndim - 1))
    ),
    "some left out": lambda rows: rows * (DRAWN.random(rows.shape) > 0.1),
    "noise in one place": lambda rows: (
        rows + DRAWN.normal() * (np.arange(rows[0].size) == 1).reshape(rows[0].shape)
    ),
    "a sign": lambda rows: np.where(DRAWN.random(rows.shape) < 1 / rows[0].size, -rows, rows),
    "each less its own mean": lambda rows: (
        rows - rows.reshape(len(rows), -1).mean(axis=1).reshape(-1, *[1] * (rows.ndim - 1))
    ),
    "for these rows alone": lambda rows: rows + np.linspace(0, 1, 30).reshape(-1, *[1] * (rows.ndim - 1)),
    "turned": shifts.rotated(10),
    "noisy": shifts.noisy(0.1),
}
KINDS_OF_ROWS = {
    "images": images(),
    "bytes": (255 * images(seed=1)).astype(np.uint8),
    "numbers": np.random.default_rng(3).normal(size=(30, 4)),
    "signs": np.random.default_rng(5).choice([-1.0, 1.0], (30, 4)),
    "some black": images() * (np.arange(30) % 4 > 0)[:, None, None],
    "grey": np.random.default_rng(6).random((30, 1, 1)) * np.ones((1, 5, 5)),
    "one number": np.random.default_rng(4).normal(size=(30, 1)),
}


@pytest.mark.parametrize("rows", ["images", "bytes", "numbers"])
@pytest.mark.parametrize("name", MIXING)
def test_a_change_that_mixes_rows_is_refused(name, rows, monkeypatch):
    monkeypatch.setitem(globals(), "DRAWN", np.random.default_rng(1))  # whatever tests ran before
    with pytest.raises(howsure.InputError, match="A change of rows mixes them"):
        ByRow(MIXING[name])(KINDS_OF_ROWS[rows])


@pytest.mark.parametrize("rows", KINDS_OF_ROWS)
@pytest.mark.parametrize("name", BY_ROW)
def test_a_change_of_each_row_by_itself_is_not(name, rows):
    if isinstance(BY_ROW[name], functools.partial) and rows not in ("images", "bytes"):
        return
    assert len(ByRow(BY_ROW[name])(KINDS_OF_ROWS[rows])) == 30


@pytest.mark.parametrize("rows", [2, 3, 30])
def test_assess_and_compare_refuse_such_changes_and_the_hint_works(rows):
    (x,) = rows_of((4,), rows=rows)
    model = two_layers()
    with pytest.raises(howsure.InputError, match=r"`rows\[:, ::-1\]` mirrors each image"):
        howsure.assess(model, x, method=howsure.Augmentation([lambda rows: rows[::-1]]))
    shifted = {"turned around": lambda rows: rows[::-1]}
    with pytest.raises(howsure.InputError, match="A change of rows mixes them"):
        howsure.compare(model, x, np.arange(rows) % 2, methods={"softmax": howsure.Softmax()}, shifts=shifted)
    mirrored = howsure.Augmentation([lambda rows: rows[:, ::-1]])
    whole = howsure.assess(model, x, method=mirrored)
    turned = howsure.assess(model, x[::-1].copy(), method=mirrored)
    np.testing.assert_allclose(turned.probabilities, whole.probabilities[::-1], atol=1e-7)


# --- the same version twice -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([lambda rows: rows], "Change 0 leaves the rows as they are"),
        (
            [lambda rows: rows * 2, lambda rows: rows + rows],
            "Change 1 makes the same of the rows as",
        ),
    ],
)
def test_the_same_version_twice_is_said(changes, said):
    (x,) = rows_of((4,), rows=30)
    with pytest.warns(howsure.HowsureWarning, match=said + ".*counts twice"):
        howsure.assess(two_layers(), x, method=howsure.Augmentation(changes))


def test_versions_that_chance_made_the_same_are_not():
    (x,) = rows_of((4,), rows=1)
    coin = np.random.default_rng(0)
    flips = [lambda rows: rows[:, ::-1] if coin.random() < 0.5 else rows] * 8
    assert len(howsure.assess(two_layers(), x, method=howsure.Augmentation(flips))) == 1
