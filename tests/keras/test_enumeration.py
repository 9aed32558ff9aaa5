"""Networks with at most 12 dropout units: every thinned network is enumerated, the exact answer is known."""

import functools
import itertools
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

import howsure
from howsure.models.keras.model import adapt
from howsure.models.protocol import Level
from howsure.prepare import prepare
from howsure.sampling.design import design_of
from howsure.sampling.estimate import sum_up
from howsure.sampling.measure import measure_early_errors
from howsure.sampling.plan import Plan
from howsure.sampling.run import Run
from howsure.sampling.tree import Tree
from howsure.sites import DROPOUT, Site
from howsure.statistics import ENTROPY_ERROR_FLOOR, ERROR_FLOOR
from howsure.tuning import REPLICATES

SEEDS = 12


def weights(layer):
    return [keras.ops.convert_to_numpy(weight).astype(np.float64) for weight in layer.weights]


def affine(layer, x):
    kernel, bias = weights(layer)
    return x @ kernel + bias


def relu(x):
    return np.maximum(x, 0)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def two_layers(first=4, second=5):
    dense = [layers.Dense(first, "relu"), layers.Dense(second, "relu"), layers.Dense(3, "softmax")]
    model = keras.Sequential(
        [keras.Input((3,)), dense[0], layers.Dropout(0.25), dense[1], layers.Dropout(0.4), dense[2]]
    )

    def forward(x, masks):
        h = relu(affine(dense[0], x)) * masks[0]
        return softmax(affine(dense[2], relu(affine(dense[1], h)) * masks[1]))

    return model, forward, [(first, 0.25), (second, 0.4)]


def spatial():
    conv, dense = layers.Conv1D(5, 1, activation="relu"), layers.Dense(3, "softmax")
    model = keras.Sequential(
        [keras.Input((3, 1)), conv, layers.SpatialDropout1D(0.3), layers.GlobalAveragePooling1D(), dense]
    )

    def forward(x, masks):
        kernel, bias = weights(conv)
        return softmax(affine(dense, (relu(x @ kernel[0] + bias) * masks[0]).mean(axis=1)))

    return model, forward, [(5, 0.3)]


def nested():
    dense = [layers.Dense(4, "relu"), layers.Dense(4, "tanh"), layers.Dense(3)]
    inner = keras.Sequential([keras.Input((4,)), dense[1], layers.Dropout(0.5)])
    x = keras.Input((3,))
    model = keras.Model(x, dense[2](inner(layers.Dropout(0.2)(dense[0](x)))))

    def forward(x, masks):
        return softmax(
            affine(dense[2], np.tanh(affine(dense[1], relu(affine(dense[0], x)) * masks[0])) * masks[1])
        )

    return model, forward, [(4, 0.2), (4, 0.5)]


def skip():
    dense = [layers.Dense(4, "relu"), layers.Dense(4, "relu"), layers.Dense(1, "sigmoid")]
    x = keras.Input((3,))
    a = dense[0](x)
    b = dense[1](layers.Dropout(0.3)(a))
    model = keras.Model(x, dense[2](layers.Dropout(0.1)(a + b)))

    def forward(x, masks):
        a = relu(affine(dense[0], x))
        p = 1 / (1 + np.exp(-affine(dense[2], (a + relu(affine(dense[1], a * masks[0]))) * masks[1])))
        return np.concatenate([1 - p, p], axis=-1)

    return model, forward, [(4, 0.3), (4, 0.1)]


NETWORKS = {function.__name__: function for function in (two_layers, spatial, nested, skip)}
NETWORKS["wider"] = functools.partial(two_layers, 6, 6)


def entropy(p):
    return -np.sum(p * np.log(np.maximum(p, 1e-300)), axis=-1)


def exact(forward, units, x):
    """Predictive mean, its entropy, expected entropy: sums over all thinned networks."""
    mean = expected = 0.0
    for bits in itertools.product([0, 1], repeat=sum(count for count, _ in units)):
        remaining, probability, masks = list(bits), 1.0, []
        for count, rate in units:
            kept, remaining = np.array(remaining[:count]), remaining[count:]
            probability *= np.prod(np.where(kept, 1 - rate, rate))
            masks.append(kept / (1 - rate))
        p = forward(x.astype(np.float64), masks)
        mean, expected = mean + probability * p, expected + probability * entropy(p)
    return mean, entropy(mean), expected


def agrees(estimates, truth, bias=0.0):
    """Whether the mean over seeds is the truth, within the seeds' own standard error."""
    estimates = np.array(estimates)
    error = estimates.std(axis=0, ddof=1) / np.sqrt(len(estimates))
    # Student's t with 11 degrees of freedom: 5.5 is what 4 is for a normal variable.
    return np.all(np.abs(estimates.mean(axis=0) - truth) <= 5.5 * error + bias + 1e-6)


def covers(runs, name, truth, most=2.0):
    """Whether ± 1.96 reported errors cover 95 %, within 4 standard errors (a seed's rows share its masks),
    and are at most `most` times the true ones."""
    error = "mc_error" if name == "probabilities" else f"{name}_error"
    off = np.array([np.abs(getattr(run, name) - truth) for run in runs])
    reported = np.array([getattr(run, error) for run in runs])
    share = np.mean(off <= 1.96 * reported, axis=tuple(range(1, off.ndim)))
    not_too_small = share.mean() + 4 * share.std(ddof=1) / np.sqrt(len(share)) >= 0.95
    # Errors that are far too large would cover as well; where it is the least there is, it may be.
    told = reported > (ERROR_FLOOR if name == "probabilities" else ENTROPY_ERROR_FLOOR)
    return not_too_small and np.sum(reported[told] ** 2) <= most**2 * np.sum(off[told] ** 2)


def check(runs, mean, total, expected, share_of_error=0.0, most=2.0):
    """Means over seeds are right, the entropy's small-sample bias is corrected, and the errors are honest.

    The correction is of second order; what is left may be `share_of_error` of the reported error. `most` is
    how many times too large the error of the mutual information may be.
    """
    assert agrees([run.probabilities for run in runs], mean)
    assert agrees([run.expected_entropy for run in runs], expected)
    tolerance = share_of_error * np.sqrt(np.mean([run.entropy_error**2 for run in runs], axis=0))
    assert agrees([run.entropy for run in runs], total, tolerance)
    assert agrees([run.mutual_information for run in runs], total - expected, tolerance)
    assert covers(runs, "probabilities", mean)
    assert covers(runs, "entropy", total)
    assert covers(runs, "expected_entropy", expected)
    assert covers(runs, "mutual_information", total - expected, most)


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_agrees_with_enumeration(name, balanced, random):
    model, forward, units = NETWORKS[name]()
    for weight in model.weights:
        weight.assign(random.normal(0, 0.9, weight.shape))
    x = random.normal(size=(6, *model.input_shape[1:])).astype("float32")
    mean, total, expected = exact(forward, units, x)
    method = howsure.MCDropout(passes=400, balanced=balanced)
    runs = [howsure.assess(model, x, method=method, seed=seed) for seed in range(SEEDS)]

    check(runs, mean, total, expected)


@pytest.mark.parametrize("name", ["two_layers", "nested"])
def test_adaptive_passes_agree_with_enumeration(name, random):
    model, forward, units = NETWORKS[name]()
    for weight in model.weights:
        weight.assign(random.normal(0, 0.9, weight.shape))
    x = random.normal(size=(6, *model.input_shape[1:])).astype("float32")
    mean, _, _ = exact(forward, units, x)
    runs = [
        howsure.assess(model, x, method=howsure.MCDropout(target_error=0.005, max_passes=2000), seed=seed)
        for seed in range(SEEDS)
    ]
    assert covers(runs, "probabilities", mean)


@pytest.mark.parametrize("ratios", [(1, 16), (10, 16)])
@pytest.mark.parametrize("name", ["two_layers", "nested", "skip", "wider"])
def test_split_passes_agree_with_enumeration(name, ratios, random):
    """Many late masks for each early one, in one cell alone and in whole groups of cells."""
    model, forward, units = NETWORKS[name]()
    for weight in model.weights:
        weight.assign(random.normal(0, 0.9, weight.shape))
    x = random.normal(size=(6, *model.input_shape[1:])).astype("float32")
    sites = [Site(number, str(number), DROPOUT, rate, (count,)) for number, (count, rate) in enumerate(units)]
    levels = (Level((), 0.1, 1), Level((sites[0],), 0.8, 1), Level(tuple(sites[1:]), 0.1, 1))
    design = design_of(ratios, levels)
    thresholds = howsure.Thresholds(sure=1, coin_flip=0)  # every verdict is settled
    job = prepare(model, x, howsure.MCDropout(), 0, 256, thresholds=thresholds)
    run = Run(job.model, job.rows, np.arange(len(x)), job.outcome, 0, 256)
    # What early levels leave, from other masks than the test's, on the test's own rows.
    tree, ((chunk, trunk),) = Tree(design, job.model, 0), run.chunks(run.numbers, len(x))
    groups = [
        [
            sum_up(values, tree.late, job.outcome)
            for values in tree.values((1000 + number, range(design.cells)), run, chunk, trunk, len(x))
        ]
        for number in range(REPLICATES)
    ]
    one, group = measure_early_errors(groups, job.outcome)
    plan = Plan(replace(design, one=one, group=group), (0.5, 0.5))
    for cells in {1, design.cells, 3 * design.cells}:
        method = howsure.MCDropout(
            target_error=0.4 if cells == 1 else 1e-9, max_passes=cells * design.passes, plan=plan
        )
        runs = [
            howsure.assess(model, x, method=method, seed=seed, thresholds=thresholds) for seed in range(SEEDS)
        ]
        assert all(np.all(run.passes == cells * design.passes) for run in runs)
        mean, total, expected = exact(forward, units, x)
        if cells < design.cells:
            # One mask of a few units moves an entropy beyond what a second-order correction can follow.
            assert agrees([run.probabilities for run in runs], mean)
            assert agrees([run.expected_entropy for run in runs], expected)
            assert covers(runs, "probabilities", mean)
        else:
            # Balance of a few units may cancel nearly all of the mutual information's error.
            check(runs, mean, total, expected, share_of_error=0.25, most=6)


@pytest.mark.parametrize("name", ["wider", "nested"])
def test_a_plan_from_a_pilot_agrees_with_enumeration(name, random):
    """One cell or whole groups, as each row needs, with the errors that the pilot pools."""
    model, forward, units = NETWORKS[name]()
    for weight in model.weights:
        weight.assign(random.normal(0, 0.9, weight.shape))
    x = random.normal(size=(40, 3)).astype("float32")
    adapter, _ = adapt(model, x, gaussian_noise=False)
    # As if what follows the last dropout cost nothing.
    costs = zip(adapter.levels, (0.4, 0.599, 0.001), strict=True)
    vars(adapter)["levels"] = tuple(replace(level, cost=cost) for level, cost in costs)
    method = howsure.MCDropout(target_error=0.02, max_passes=2000)
    runs = [howsure.assess(adapter, x, method=method, seed=seed) for seed in range(SEEDS)]
    first, second = runs[0].plan["design"]["widths"]
    assert first == 1 < second
    assert len(set(runs[0].passes)) > 1
    check(runs, *exact(forward, units, x), share_of_error=0.25)


def test_balance_pays(random):
    """On a network of ordinary width the error of balanced passes is less than half the textbook's."""
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(64, "relu"), layers.Dropout(0.25), layers.Dense(3, "softmax")]
    )
    x = random.normal(size=(6, 3)).astype("float32")
    reference = howsure.assess(model, x, method=howsure.MCDropout(passes=20_000), seed=99).probabilities
    rmse = {}
    for balanced in (True, False):
        method = howsure.MCDropout(passes=64, balanced=balanced)
        runs = [howsure.assess(model, x, method=method, seed=seed).probabilities for seed in range(SEEDS)]
        rmse[balanced] = np.sqrt(np.mean((np.array(runs) - reference) ** 2))
    assert rmse[True] < 0.5 * rmse[False]
