"""Spread and intervals between thinned networks, against all thinned networks of small ones."""

import numpy as np
import pytest

import howsure
from howsure.sampling.fit import measure_design_effects
from tests.sampling.enumerated import entropy_of_labels, thinned_networks
from tests.sampling.test_enumeration import COSTS, NETWORKS, SLOW_NESTED, build, several_labels

SEEDS = 12
LEVEL = 0.9


def law(forward, units, x):
    """(M, N, K) what every thinned network says, and how probable each is."""
    weights, said = zip(*thinned_networks(forward, units, x), strict=True)
    return np.array(said), np.array(weights)


def spread_of(said, weights):
    mean = np.tensordot(weights, said, 1)
    return np.sqrt(np.tensordot(weights, (said - mean) ** 2, 1))


def ends_of(said, weights, label):
    """(N, 2) exact ends of the interval of a class."""
    actual = []
    for row, k in enumerate(label):
        order = np.argsort(said[:, row, k], kind="stable")
        share = np.cumsum(weights[order])
        tails = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - 1e-12
        actual.append(said[order[np.searchsorted(share, tails)], row, k])
    return np.array(actual)


def covers(off, error):
    """Whether ± 1.96 errors cover 95 %, within 4 standard errors: the rows of a seed share its masks."""
    known = np.isfinite(off + error)
    inside = np.where(known, np.abs(off) <= 1.96 * error, np.nan).reshape(len(off), -1)
    share = np.nanmean(inside, axis=1)
    return share.mean() + 4 * share.std(ddof=1) / np.sqrt(len(share)) >= 0.95


def check(runs, said, weights):
    """Both are right but for their errors, which are honest."""
    spread = spread_of(said, weights)
    off = np.array([run.spread - spread for run in runs])
    error = np.array([run.spread_error for run in runs])
    assert covers(off, error)
    assert np.sqrt(np.nanmean(error**2)) <= 3 * np.sqrt(np.mean(off**2))
    ends = np.array([ends_of(said, weights, run.label) for run in runs])
    off = np.array([run.interval(LEVEL) for run in runs]) - ends
    assert covers(off, np.array([run.interval_error(LEVEL) for run in runs]))


@pytest.mark.parametrize("passes", [20, 400])
@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("name", ["wider", SLOW_NESTED])
def test_flat_passes(name, balanced, passes):
    model, x, forward, units = build(NETWORKS[name])
    method = howsure.MCDropout(passes=passes, balanced=balanced)
    runs = [howsure.assess(model, x, method=method, seed=seed) for seed in range(SEEDS)]
    check(runs, *law(forward, units, x))


@pytest.mark.parametrize("name", ["wider", SLOW_NESTED])
def test_as_many_passes_as_rows_need_in_cells_and_groups(name):
    """Many late masks for each early one: passes go together, and the pilot says how much less they tell."""
    model, x, forward, units = build(NETWORKS[name], rows=40, costs=(0.4, 0.599, 0.001))
    runs = [
        howsure.assess(model, x, method=howsure.MCDropout(target_error=0.02), seed=seed)
        for seed in range(SEEDS)
    ]
    design = runs[0].plan["design"]
    assert design["widths"][0] < design["widths"][-1]
    assert max(design["one_effect"]["quantiles"]) > 1.5
    check(runs, *law(forward, units, x))


def test_the_spread_of_a_cell_misses_nothing():
    """Passes that share an early mask vary less than networks do; the error of their mean makes up for it."""
    model, x, forward, units = build(NETWORKS["wider"], rows=40, costs=(0.4, 0.599, 0.001))
    plan = howsure.plan(model, x)
    method = howsure.MCDropout(plan=plan, max_passes=plan.design.passes * plan.design.cells)
    runs = [howsure.assess(model, x, method=method, seed=seed) for seed in range(3 * SEEDS)]
    exact = spread_of(*law(forward, units, x))
    actual = np.mean([run.spread for run in runs], axis=0)
    assert abs(actual.mean() / exact.mean() - 1) < 0.02


def test_several_labels_have_a_spread_each():
    model, x, forward, units = build(several_labels)
    said, weights = law(forward, units, x)
    assert entropy_of_labels(np.tensordot(weights, said, 1)).min() > 0
    runs = [
        howsure.assess(model, x, method=howsure.MCDropout(passes=400), seed=seed) for seed in range(SEEDS)
    ]
    off = np.array([run.spread - spread_of(said, weights) for run in runs])
    assert covers(off, np.array([run.spread_error for run in runs]))
    one = runs[0].of_label(1)
    np.testing.assert_array_equal(one.spread, np.stack([runs[0].spread[:, 1]] * 2, axis=-1))
    assert one.quantiles is None


def test_a_design_effect_is_that_of_what_goes_together():
    """Cells in which every pass comes twice tell as much as half of them."""
    random = np.random.default_rng(0)
    p = random.beta(4, 2, size=(500, 1, 40, 30, 1))
    values = np.concatenate([p, 1 - p], axis=-1).repeat(2, axis=2)

    class Pair:
        are_probabilities, has_unit = True, False

    one, group = measure_design_effects(list(values), Pair())
    tenth, _ = measure_design_effects(list(values[:10]), Pair())
    widened = 1.0  # by so many replicates; ten widen as an error of few does
    assert tenth.spread == pytest.approx(2 * 1.15, rel=0.2)
    assert one.spread == pytest.approx(2 * widened, rel=0.1)
    np.testing.assert_allclose(one.quantiles, 2 * widened, rtol=0.1)
    assert group == one


def test_rows_and_batches_do_not_matter():
    model, x, *_ = build(NETWORKS["wider"], rows=12, costs=COSTS)
    plan = howsure.plan(model, x)
    whole = howsure.assess(model, x, method=howsure.MCDropout(plan=plan))
    turned = howsure.assess(model, x[::-1], method=howsure.MCDropout(plan=plan), batch_size=5)[::-1]
    np.testing.assert_allclose(turned.spread, whole.spread, atol=1e-6)
    np.testing.assert_allclose(turned.quantiles, whole.quantiles, atol=2e-3)
