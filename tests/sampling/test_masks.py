"""Every mask bit is a Bernoulli draw, a group is balanced, and nothing else is shared between draws."""

import itertools

import numpy as np
import pytest
from scipy import stats

from howsure.random_ops import (
    ALPHA_DROPOUT,
    DRAWN,
    DROPOUT,
    GAUSSIAN_DROPOUT,
    GAUSSIAN_NOISE,
    NORMAL,
    UNIFORM,
    RandomOp,
)
from howsure.sampling.masks import draw, whole_and_part
from tests.guard import check_none

RATES = [0.1, 0.2, 0.25, 0.37, 0.5, 1.0]
SIZES = [1, 4, 5, 20]
GROUPS, UNITS = 150, 400
SIGMAS = 5
NODES, WEIGHTS = np.polynomial.legendre.leggauss(300)
TRUE = {
    GAUSSIAN_DROPOUT: lambda rate: stats.norm(1, np.sqrt(rate / (1 - rate))),
    GAUSSIAN_NOISE: lambda rate: stats.norm(0, rate),
    NORMAL: lambda _: stats.norm(),
    UNIFORM: lambda _: stats.uniform(),
}
"""What scipy says that each kind draws which does not drop or keep; a new kind needs its own."""


def distribution_of(kind, rate):
    missing = [] if kind in TRUE else [kind]
    check_none(
        missing,
        "kinds have no distribution of scipy",
        open="tests/sampling/test_masks.py, and add it to `TRUE`",
    )
    return TRUE[kind](rate)


KINDS = [
    (kind, rate)
    for kind, item in DRAWN.items()
    for rate in ((1.0,) if item.most == 1 else (0.3, 0.5) if item.most < 1 else (0.25, 3.0))
]


def dropout(rate, *shape, number=0, kind=DROPOUT):
    return RandomOp(number, "drop", kind, rate, shape or (UNITS,))


def dropped(rate, size, groups=GROUPS, units=UNITS, seed=0, kind=DROPOUT):
    """(groups, size, units) of booleans."""
    op = dropout(rate, units, kind=kind)
    return np.stack([~draw(op, seed=seed, group=group, size=size) for group in range(groups)])


def within(frequency, probability, draws):
    return np.abs(frequency - probability) <= SIGMAS * np.sqrt(probability * (1 - probability) / draws)


@pytest.mark.parametrize("kind", [DROPOUT, ALPHA_DROPOUT])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rate", RATES)
def test_every_single_pass_drops_each_unit_with_probability_rate(rate, size, kind):
    drops = dropped(rate, size, kind=kind, seed=3)
    assert np.all(within(drops.mean(axis=(0, 2)), rate, GROUPS * UNITS))  # each place in the group
    assert np.all(within(drops[:, 0].mean(axis=0), rate, GROUPS))  # each unit


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rate", RATES)
def test_balanced_count_is_the_floor_or_the_ceiling(rate, size):
    drops = dropped(rate, size)
    counts = drops.sum(axis=1)
    whole, part = whole_and_part(rate * size)
    assert set(np.unique(counts)) <= {whole, whole + 1}
    if part == 0:
        assert np.all(counts == whole)
    else:
        assert np.all(within(np.mean(counts > whole), part, counts.size))


@pytest.mark.parametrize(
    ("rate", "size", "count"),
    [
        (0.3, 10, 3), (0.7, 10, 7), (0.29, 100, 29), (0.57, 100, 57), (0.07, 100, 7),
        (0.15, 20, 3), (0.35, 20, 7), (0.1, 30, 3), (0.55, 20, 11), (0.2, 5, 1), (0.5, 2, 1),
        (1 / 3, 3, 1), (2 / 3, 9, 6),
    ],
)  # fmt: skip
def test_rounding_errors_of_rate_times_size_do_not_upset_the_balance(rate, size, count):
    assert np.all(dropped(rate, size, groups=30).sum(axis=1) == count)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.3, 0.5, 0.75, 0.9])
@pytest.mark.parametrize("size", [2, 3, 8])
def test_a_pair_of_passes_drops_a_unit_as_often_as_without_replacement(rate, size):
    """The k drops of a unit are a uniformly random subset of the B passes: hypergeometric."""
    drops = dropped(rate, size, seed=5)
    whole, part = whole_and_part(rate * size)
    count = np.array([whole, whole + 1])
    joint = float(np.sum([1 - part, part] * count * (count - 1)) / (size * (size - 1)))
    for first in range(size):
        for second in range(first):
            both = np.mean(drops[:, first] & drops[:, second])
            assert within(both, joint, GROUPS * UNITS)


def test_every_order_of_the_drops_is_equally_likely():
    """2 drops in 5 passes: the 10 subsets have the same frequency (chi-squared)."""
    drops = dropped(0.4, 5, seed=7)
    codes = np.tensordot(1 << np.arange(5), drops, axes=(0, 1)).reshape(-1)
    _, counts = np.unique(codes, return_counts=True)
    assert len(counts) == 10
    assert stats.chisquare(counts).pvalue > 1e-6


@pytest.mark.parametrize("size", [1, 4, 5])
@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_units_are_independent_of_each_other(rate, size):
    groups = 4000
    drops = dropped(rate, size, groups=groups, units=8, seed=11)
    for first, second in ((0, 0), (0, size - 1)):  # the same pass, and another pass of the group
        table = np.corrcoef(drops[:, first].T, drops[:, second].T)[:8, 8:]
        off_diagonal = table[~np.eye(8, dtype=bool)]
        assert np.all(np.abs(off_diagonal) <= SIGMAS / np.sqrt(groups))


@pytest.mark.parametrize("kind", [DROPOUT, GAUSSIAN_DROPOUT])
@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"group": 1}, {"number": 1}, {"stage": 1}, {"seed": 1, "group": 1}]
)
def test_another_seed_group_stage_or_random_op_draws_independently(change, kind):
    def one(number=0, **numbers):
        op = dropout(0.5, 20_000, number=number, kind=kind)
        return draw(op, **{"seed": 0, "group": 0, "size": 4, **numbers}).astype(float)

    for mask, other in zip(one(), one(**change), strict=True):
        assert abs(np.corrcoef(mask, other)[0, 1]) <= SIGMAS / np.sqrt(20_000)


def test_seed_stage_group_and_number_are_not_interchangeable():
    masks = [
        draw(dropout(0.5, number=number), seed=seed, stage=stage, group=group, size=3)
        for seed, stage, group, number in itertools.product((0, 1), repeat=4)
    ]
    for index, mask in enumerate(masks):
        assert not any(np.array_equal(mask, other) for other in masks[:index])


@pytest.mark.parametrize("kind", [DROPOUT, ALPHA_DROPOUT, GAUSSIAN_DROPOUT, GAUSSIAN_NOISE])
def test_the_same_seed_group_and_random_op_draw_the_same_whatever_the_layer_is_called(kind):
    first = draw(RandomOp(2, "a", kind, 0.3, (5, 1, 6)), seed=2**40, group=7, size=4)
    second = draw(RandomOp(2, "b#2", kind, 0.3, (5, 1, 6)), seed=2**40, group=7, size=4)
    np.testing.assert_array_equal(first, second)
    assert first.shape == (4, 5, 1, 6)
    assert first.dtype == (np.bool_ if kind in (DROPOUT, ALPHA_DROPOUT) else np.float32)


@pytest.mark.parametrize("size", [1, 2, 5, 20])
@pytest.mark.parametrize(("kind", "rate"), KINDS)
def test_other_kinds_have_their_distribution_and_are_stratified(kind, rate, size):
    of_scipy = distribution_of(kind, rate)
    op = RandomOp(0, "noise", kind, rate, (200,))
    draws = np.stack([draw(op, seed=1, group=group, size=size) for group in range(100)]).astype(np.float64)
    fourth = float(of_scipy.stats("k")) + 2
    for place in range(size):
        one = (draws[:, place].reshape(-1) - of_scipy.mean()) / of_scipy.std()  # other groups, other units
        assert abs(one.mean()) <= SIGMAS / np.sqrt(one.size)
        assert abs(one.var() - 1) <= SIGMAS * np.sqrt(fourth / one.size)
        assert stats.kstest(draws[:, place].reshape(-1), of_scipy.cdf).pvalue > 1e-6
    strata = np.floor(np.clip(of_scipy.cdf(draws), 0, 1 - 1e-9) * size)
    assert np.array_equal(np.sort(strata, axis=1), np.broadcast_to(np.arange(size)[:, None], strata.shape))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
@pytest.mark.parametrize(("kind", "rate"), KINDS)
def test_the_variance_that_strata_leave_is_that_of_the_distribution(kind, rate, size):
    """By quadrature of scipy's quantiles, within each stratum."""
    of_scipy = distribution_of(kind, rate)
    ranks = (np.arange(size)[:, None] + (NODES + 1) / 2) / size
    values = of_scipy.ppf(ranks)
    means = values @ WEIGHTS / 2
    expected = np.mean((values - means[:, None]) ** 2 @ WEIGHTS / 2) / of_scipy.var()
    assert DRAWN[kind].remaining(size, rate) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "rate", "words"),
    [
        (DROPOUT, 0.25, "drops 25 %"),
        (ALPHA_DROPOUT, 0.1, "drops 10 % (alpha)"),
        (GAUSSIAN_DROPOUT, 0.5, "multiplies by noise of sd 1"),
        (GAUSSIAN_NOISE, 0.3, "adds noise of sd 0.3"),
        (NORMAL, 1.0, "draws normal numbers"),
        (UNIFORM, 1.0, "draws uniform numbers"),
    ],
)
def test_in_words(kind, rate, words):
    assert RandomOp(0, "a", kind, rate, (3,)).in_words == words
