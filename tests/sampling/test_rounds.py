"""Passes in rounds: what all passes share is computed once, and a row's numbers are its own."""

import numpy as np
import pytest

import howsure
from tests.sampling.networks import late_is_cheap, same, trunk_is_dear

SEEDS = 8


@pytest.fixture(scope="module")
def network():
    return late_is_cheap()


@pytest.fixture(scope="module")
def plan(network):
    return howsure.plan(*network)


def test_given_a_plan_a_row_alone_gets_the_same_numbers(network, plan):
    model, x = network
    method = howsure.MCDropout(plan=plan, target_error=0.01)
    whole = howsure.assess(model, x, method=method)
    assert len(set(whole.passes)) > 1
    for row in (0, 17, 59):
        same(whole[row : row + 1], howsure.assess(model, x[row : row + 1], method=method))
    order = np.random.default_rng(0).permutation(len(x))
    same(whole[order], howsure.assess(model, x[order], method=method, batch_size=7))


@pytest.mark.parametrize("target", [0.006, pytest.param(0.02, marks=pytest.mark.slow)])
def test_split_passes_agree_with_flat_ones_within_their_errors(network, target):
    model, x = network
    x = x[::3]
    reference = howsure.assess(model, x, method=howsure.MCDropout(passes=8000), seed=77)
    assert reference.mc_error.max() < 0.0025
    covered, entropy = [], []
    for seed in range(SEEDS):
        method = howsure.MCDropout(target_error=target, plan=howsure.plan(model, x, seed=seed))
        run = howsure.assess(model, x, method=method, seed=seed)
        off = np.abs(run.probabilities - reference.probabilities)
        covered.append(np.mean(off <= 1.96 * np.hypot(run.mc_error, reference.mc_error)))
        entropy.append(np.mean(run.expected_entropy - reference.expected_entropy))
    # Rows share masks, so a seed is one observation.
    assert np.mean(covered) + 4 * np.std(covered, ddof=1) / np.sqrt(SEEDS) >= 0.95
    assert np.mean(covered) >= 0.88
    assert abs(np.mean(entropy)) <= 5 * np.std(entropy, ddof=1) / np.sqrt(SEEDS) + 1e-4


def test_max_passes_is_never_exceeded_and_target_error_reached_where_it_is_not(network):
    model, x = network
    certainty = howsure.assess(model, x, method=howsure.MCDropout(target_error=0.03, max_passes=1000))
    assert certainty.passes.max() <= 1000
    stopped_early = certainty.passes < certainty.passes.max()
    assert stopped_early.any()
    assert np.all(certainty.mc_error[stopped_early] <= 0.03)
    assert np.all(certainty.settled[stopped_early])
    assert certainty.plan["design"]["widths"] == (1, 64)


@pytest.fixture(scope="module")
def dear():
    """What a network with a dear trunk says of its rows with its plan."""
    model, x = trunk_is_dear()
    method = howsure.MCDropout(plan=howsure.plan(model, x))
    model.computed.clear()
    return x, method, howsure.assess(model, x, method=method), tuple(model.computed)


def test_what_all_passes_share_is_computed_once(dear):
    x, method, kept, computed = dear
    assert method.plan.design.widths == (64,)
    assert len(set(kept.passes)) > 2
    assert computed == (96,)  # a shape of which there are few
    model, _ = trunk_is_dear()
    same(howsure.assess(model, x), kept)
    assert model.computed == [48, 64]  # 40 rows of the pilot, and the others


def test_it_is_kept_block_by_block(dear, monkeypatch):
    x, method, kept, _ = dear
    model, _ = trunk_is_dear()
    monkeypatch.setattr("howsure.tuning.KEPT_ROWS", 40)
    same(howsure.assess(model, x, method=method, batch_size=16), kept)
    assert model.computed == [16, 16, 8, 16, 16, 8, 12]


def test_where_passes_are_most_of_the_work_it_is_computed_anew_in_every_round(dear):
    x, method, kept, _ = dear
    model, _ = trunk_is_dear(costs=(0.0, 1.0))
    same(howsure.assess(model, x, method=method), kept)
    assert len(model.computed) > 2


@pytest.mark.parametrize(
    ("fold", "blocks"),
    [
        # 1,152 numbers in the trunk's widest tensor; 32 before the dropout, for each of 64 passes.
        (32 * 64 * 2, [[3] * 30]),  # 128 rows may be kept
        (600, [[1] * 18] * 5),
    ],
)
def test_blocks_of_rows_are_as_large_as_what_they_share_allows(dear, fold, blocks):
    x, method, whole, _ = dear
    model, _ = trunk_is_dear(fold=fold)
    same(howsure.assess(model, x, method=method), whole)
    assert model.joined == blocks
