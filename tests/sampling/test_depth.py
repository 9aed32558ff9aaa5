"""Networks of any depth: numpy has 64 axes at most (32 before numpy 2), and networks have more levels."""

import itertools

import numpy as np
import pytest

import howsure
from howsure.inputs.rows import InputSpec
from howsure.sampling.fit import measure_shares
from tests.support.arrays import ArrayModel, Dense, Dropout

DEEP = 100
KEPT = 0.6
"""Probability that a unit gets through all levels."""


def chain(levels):
    """One unit that is dropped at each of so many levels, as the logit of the second of two classes."""
    rate = 1 - KEPT ** (1 / levels)
    names = ["x", *(f"drop{number}" for number in range(levels))]
    steps = {after: (Dropout(rate), before) for before, after in itertools.pairwise(names)}
    steps["output"] = (Dense([[0.0, 1.0]], 0.0, "softmax"), names[-1])
    return ArrayModel("chain", [InputSpec("x", (1,), "float32")], steps)


def truth(x):
    """The mean over all thinned networks: the unit is there, as large as the rest makes up for, or is not."""
    through = 1 / (1 + np.exp(-x / KEPT))
    return KEPT * through + (1 - KEPT) * 0.5


@pytest.mark.parametrize("passes", [None, 100])
def test_a_deep_network_gets_the_mean_over_all_thinned_networks(passes):
    x = np.linspace(-2, 2, 9, dtype=np.float32)[:, None]
    certainty = howsure.assess(chain(DEEP), x, method=howsure.MCDropout(passes=passes), seed=2)
    off = np.abs(certainty.probabilities[:, 1] - truth(x[:, 0]))
    assert (off <= 4.5 * certainty.mc_error[:, 1]).all()
    assert np.abs(certainty.probabilities[:, 1] - 1 / (1 + np.exp(-x[:, 0]))).max() > 0.02


def test_a_deep_network_is_planned_and_audited(tmp_path):
    model, x = chain(DEEP), np.ones((20, 1), np.float32)
    plan = howsure.plan(model, x)
    assert len(plan.design.widths) == DEEP
    plan.save(tmp_path / "plan.json")
    assert howsure.Plan.load(tmp_path / "plan.json") == plan
    assert f"drop{DEEP - 1}" in str(howsure.audit(model, x, plan=plan))


def one_axis_each(passes, ratios):
    """Shares as `measure_shares` has them, with an axis for each level."""
    means = np.asarray(passes).reshape(len(passes), *ratios, *passes[0].shape[1:])
    brought = []
    for axis in reversed(range(1 + len(ratios))):
        brought.insert(0, means.var(axis=axis).mean())
        means = means.mean(axis=axis)
    brought[1] += brought[0]
    return tuple((np.array(brought[1:]) / sum(brought[1:])).tolist())


@pytest.mark.parametrize("ratios", [(4,), (1, 6), (3, 1, 2, 5), (1, 1, 16)])
def test_shares_are_those_of_one_axis_for_each_level(ratios):
    random, passes = np.random.default_rng(1), int(np.prod(ratios))
    cells = list(random.normal(size=(5, passes, 7, 3)))
    assert measure_shares(cells, ratios) == one_axis_each(cells, ratios)
    # Levels that do not branch bring nothing, however many they are.
    between = 300
    apart = (ratios[0], *(each for ratio in ratios[1:] for each in (*[1] * between, ratio)))
    deep = measure_shares(cells, apart)
    assert deep[:: between + 1] == measure_shares(cells, ratios)
    assert sum(map(bool, deep)) == sum(ratio > 1 for ratio in ratios[1:]) + 1
