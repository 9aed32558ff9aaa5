"""How passes are divided into groups, against simulation and tables of Student's t."""

import itertools

import numpy as np
import pytest

from howsure.random_ops import ALPHA_DROPOUT, DROPOUT, GAUSSIAN_DROPOUT, GAUSSIAN_NOISE, RandomOp
from howsure.sampling.balance import (
    first_groups,
    group_sizes,
    pairs_of,
    remaining_variance,
    variance_factor,
)
from howsure.sampling.masks import draw
from howsure.statistics import widening
from howsure.tasks.classification.outcome import Classes
from howsure.tasks.segmentation.outcome import Positions

TABLES = {
    "one rate": (0.25,),
    "two rates": (0.2, 0.25),
    "awkward rate": (0.37,),
    "everything": (1.0,),
}


def random_ops(*rates, kind=DROPOUT):
    return [RandomOp(number, f"drop{number}", kind, rate, (4,)) for number, rate in enumerate(rates)]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("passes", [2, 3, 5, 7, 10, 20, 63, 64, 65, 100, 131, 400, 1000])
def test_sizes_add_up_in_at_least_two_groups_of_nearly_equal_size(name, passes):
    sizes = group_sizes(random_ops(*TABLES[name]), passes)
    assert sum(sizes) == passes
    assert len(sizes) >= 2
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("passes", [2, 3, 10, 101])
def test_without_balance_every_pass_is_a_group(passes):
    assert group_sizes(random_ops(0.25), passes, balanced=False) == (1,) * passes


@pytest.mark.parametrize(("rate", "multiple"), [(0.5, 2), (0.25, 4), (0.2, 5), (0.1, 10)])
@pytest.mark.parametrize("passes", [100, 400])
def test_groups_are_such_that_rate_times_size_is_whole(rate, multiple, passes):
    assert all(size % multiple == 0 for size in group_sizes(random_ops(rate), passes))


@pytest.mark.parametrize("name", TABLES)
def test_more_passes_are_never_expected_to_be_worse(name):
    """Expected error² of T passes, widening included, falls from T to 2T."""

    def expected(passes):
        sizes = group_sizes(random_ops(*TABLES[name]), passes)
        factor = np.mean([variance_factor(random_ops(*TABLES[name]), size) for size in sizes])
        return factor * widening(len(sizes)) ** 2 / passes

    errors = [expected(passes) for passes in (10, 20, 40, 80, 160, 320)]
    assert all(later < earlier for earlier, later in itertools.pairwise(errors))


def test_one_pass_alone_has_no_balance():
    assert variance_factor(random_ops(0.2, 0.5), 1) == 1.0


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 20])
@pytest.mark.parametrize(
    ("kind", "rate"),
    [
        (DROPOUT, 0.1), (DROPOUT, 0.25), (DROPOUT, 0.37), (DROPOUT, 0.5), (ALPHA_DROPOUT, 0.3),
        (GAUSSIAN_DROPOUT, 0.3), (GAUSSIAN_NOISE, 0.4),
    ],
)  # fmt: skip
def test_remaining_variance_against_masks(kind, rate, size):
    """Var(mean of a group) relative to that of as many independent draws, over 40,000 units."""
    op = RandomOp(0, "drop", kind, rate, (40_000,))
    means = draw(op, seed=5, group=0, size=size).mean(axis=0, dtype=np.float64)
    one = {GAUSSIAN_DROPOUT: rate / (1 - rate), GAUSSIAN_NOISE: rate**2}.get(kind, rate * (1 - rate))
    squares = (means - means.mean()) ** 2 / (one / size)
    error = squares.std() / np.sqrt(len(squares))
    assert abs(squares.mean() - remaining_variance(op, size)) <= 5 * error + 1e-9


@pytest.mark.parametrize(("rate", "size"), [(0.5, 2), (0.25, 4), (0.3, 10), (0.29, 100), (1.0, 3)])
def test_nothing_remains_where_rate_times_size_is_whole(rate, size):
    assert remaining_variance(random_ops(rate)[0], size) == 0


@pytest.mark.parametrize("kind", [DROPOUT, ALPHA_DROPOUT, GAUSSIAN_DROPOUT, GAUSSIAN_NOISE])
@pytest.mark.parametrize("size", range(1, 30))
def test_remaining_variance_is_a_share(kind, size):
    assert -1e-12 <= remaining_variance(random_ops(0.23, kind=kind)[0], size) <= 1 + 1e-12


@pytest.mark.parametrize(
    ("rate", "shape", "sizes"),
    [
        (0.02, (1, 1, 4), (50, 50)),
        (0.05, (1, 1, 4), (20,) * 4),
        (0.1, (1, 1, 16), (10,) * 4),
        (0.1, (8, 8, 16), (10,) * 4),  # a position may depend on the 16 units that lie there
        (0.05, (1, 1, 64), (20,) * 4),
        (0.1, (1, 1, 64), (1,) * 20),
        (0.2, (1, 1, 4), (5,) * 4),
        (0.5, (1, 1, 64), (2,) * 10),
    ],
)
def test_maps_get_whole_groups_first_where_a_pass_drops_few_units(rate, shape, sizes):
    op = [RandomOp(0, "drop", DROPOUT, rate, shape)]
    actual, pairs, most = first_groups(op, Positions)
    assert actual == sizes
    assert most == max(80, sum(sizes))
    assert first_groups(op, Positions, most=13)[0] == group_sizes(op, 13)
    assert sum(first_groups(op, Positions, passes=37)[0]) == 37
    few = rate * (np.prod(shape) if 1 in shape else 2 * min(shape)) < 4
    assert (pairs is not None) == few
    assert first_groups(op, Classes)[:2] == (group_sizes(op, 20), None)
    fixed = first_groups(op, Classes, passes=sum(sizes))
    assert fixed[0] == sizes
    assert (fixed[1] is not None) == few


def test_pairs_of_units_are_counted_by_how_often_a_pass_drops_both():
    rates = np.array([0.1] * 3 + [0.25] * 2)
    actual = pairs_of([RandomOp(0, "a", DROPOUT, 0.1, (1, 1, 3)), RandomOp(1, "b", DROPOUT, 0.25, (1, 1, 2))])
    assert actual.alone == pytest.approx(np.sum(rates * (1 - rates)))
    both = sorted(one * other for one, other in itertools.combinations(rates, 2))
    reported = [rate for rate, count in sorted(actual.together) for _ in range(count)]
    np.testing.assert_allclose(reported, both)


def test_no_pairs_are_told_where_nothing_varies():
    assert first_groups([RandomOp(0, "drop", DROPOUT, 1.0, (1, 1, 1))], Positions)[1] is None
