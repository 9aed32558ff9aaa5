from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from howsure.report.figures import differs_from_claim, proportion, reliability, risk_coverage
from tests.report.made import make_certainty


def exact(count: int, total: int) -> tuple[float, float]:
    actual = binomtest(count, total).proportion_ci(0.95, method="exact")
    return actual.low, actual.high


@pytest.mark.parametrize(
    ("count", "total"), [(0, 1), (1, 1), (0, 40), (37, 40), (9_740, 9_741), (500, 1_000)]
)
def test_the_interval_is_that_of_clopper_and_pearson(count: int, total: int) -> None:
    share = proportion(count, total)
    assert (share.low, share.high) == pytest.approx(exact(count, total), abs=1e-9)
    assert share.share == count / total


@pytest.mark.parametrize("among", [1, 10])
@pytest.mark.parametrize(("count", "total"), [(0, 1), (1, 1), (30, 40), (39, 40), (9_740, 9_741)])
def test_a_claim_is_differs_from_claim_where_the_exact_interval_excludes_it(
    count: int, total: int, among: int
) -> None:
    interval = binomtest(count, total).proportion_ci(1 - 0.05 / among, method="exact")
    for claim in (interval.low, interval.high, 0.5, 0.99, 0.99999, 1.0):
        for near in (claim - 1e-9, claim + 1e-9):
            if 0 <= near <= 1:
                expected = -1 if near > interval.high else int(near < interval.low)
                assert differs_from_claim(near, proportion(count, total), among) == expected


def test_of_no_rows_nothing_is_differs_from_claim() -> None:
    assert differs_from_claim(1.0, proportion(0, 0)) == 0


def test_a_share_of_nothing_is_unknown() -> None:
    share = proportion(0, 0)
    assert math.isnan(share.share)
    assert (share.low, share.high) == (0, 1)


def test_reliability_bins_are_equal_and_hold_what_a_plain_loop_says() -> None:
    certainty = make_certainty(1_000)
    correct = certainty.label == certainty.truth
    actual = reliability(certainty.probability, correct)
    pairs = sorted(zip(certainty.probability.tolist(), correct.tolist(), strict=True))
    assert len(actual.right) == 10
    for number, group in enumerate(actual.right):
        members = pairs[100 * number : 100 * number + 100]
        assert group.total == 100
        assert group.count == sum(right for _, right in members)
        assert actual.confidence[number] == pytest.approx(sum(top for top, _ in members) / 100)
        assert (group.low, group.high) == pytest.approx(exact(group.count, 100), abs=1e-9)


def test_reliability_never_parts_equal_probabilities_and_ignores_the_order_of_rows() -> None:
    random = np.random.default_rng(3)
    top = np.repeat([0.4, 0.6, 1.0], [30, 50, 400])
    correct = random.random(480) < top
    actual = reliability(top, correct)
    np.testing.assert_allclose(actual.confidence, [0.4, 0.6, 1.0])
    assert [group.total for group in actual.right] == [30, 50, 400]
    order = random.permutation(480)
    again = reliability(top[order], correct[order])
    assert again.right == actual.right


@pytest.mark.parametrize(("rows", "groups"), [(0, 0), (1, 1), (39, 1), (40, 2), (10_000, 10)])
def test_reliability_has_as_many_groups_as_rows_allow(rows: int, groups: int) -> None:
    top = np.linspace(0.3, 0.9, rows)
    actual = reliability(top, np.ones(rows, dtype=bool))
    assert len(actual.right) == len(actual.confidence) == groups
    assert sum(group.total for group in actual.right) == rows


def test_the_risk_coverage_curve_is_what_keeping_rows_one_threshold_at_a_time_gives() -> None:
    certainty = make_certainty(300)
    top = np.round(certainty.probability, 2)  # with ties
    correct = certainty.label == certainty.truth
    actual = risk_coverage(top, correct)
    thresholds = sorted(set(top.tolist()), reverse=True)
    assert actual.least.tolist() == thresholds
    for number, threshold in enumerate(thresholds):
        kept = [right for value, right in zip(top, correct, strict=True) if value >= threshold]
        assert actual.kept[number] == len(kept)
        assert actual.coverage[number] == pytest.approx(len(kept) / 300)
        assert actual.risk[number] == pytest.approx(kept.count(False) / len(kept))
    assert actual.coverage[-1] == 1


def test_a_point_of_the_curve_never_keeps_more_than_was_asked() -> None:
    actual = risk_coverage(np.arange(10, 0, -1) / 10, np.ones(10, dtype=bool))
    assert [int(actual.kept[actual.at(share)]) for share in (1, 0.9, 0.85, 0.3, 0.01)] == [10, 9, 8, 3, 1]
