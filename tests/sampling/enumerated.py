"""The oracle of networks with at most 12 dropout units: all of their thinned networks, one by one."""

import itertools
from dataclasses import replace

import numpy as np

import howsure
from howsure.prepare import prepare
from howsure.request import Request
from howsure.sampling.design import design_of
from howsure.sampling.estimate import sum_up
from howsure.sampling.fit import measure_early_errors
from howsure.sampling.plan import Plan
from howsure.sampling.run import Run
from howsure.sampling.tree import Tree
from howsure.statistics import ENTROPY_ERROR_FLOOR, ERROR_FLOOR
from howsure.tuning import REPLICATES

SEEDS = 12
FEW_UNITS = 3.5
"""How many times too large errors of few units may be: a pilot's constants tell little of each row there."""
EVERY_VERDICT_IS_SETTLED = howsure.Thresholds(sure=1, coin_flip=0)


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def entropy(p):
    """Of one distribution over the last axis."""
    return -np.sum(p * np.log(np.maximum(p, 1e-300)), axis=-1)


def entropy_of_labels(p):
    """Of one yes or no for each number."""
    return entropy(np.stack([1 - p, p], axis=-1))


def thinned_networks(forward, units, x):
    """For each thinned network how probable it is, and what it says of the rows (N, K)."""
    for bits in itertools.product([0, 1], repeat=sum(count for count, _ in units)):
        remaining, probability, masks = list(bits), 1.0, []
        for count, rate in units:
            kept, remaining = np.array(remaining[:count]), remaining[count:]
            probability *= np.prod(np.where(kept, 1 - rate, rate))
            masks.append(kept / (1 - rate))
        yield probability, forward(x.astype(np.float64), masks)


def exact(forward, units, x, entropy=entropy):
    """Predictive mean, its entropy, expected entropy: sums over all thinned networks."""
    mean = expected = 0.0
    for probability, p in thinned_networks(forward, units, x):
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


def check(runs, mean, total, expected, share_of_error=0.0, most=2.0, mutual=None):
    """Means over seeds are right, the entropy's small-sample bias is corrected, and the errors are honest.

    The correction is of second order; what is left may be `share_of_error` of the reported error. `most` is
    how many times too large errors may be, and `mutual` the same for the mutual information.
    """
    assert agrees([run.probabilities for run in runs], mean)
    assert agrees([run.expected_entropy for run in runs], expected)
    tolerance = share_of_error * np.sqrt(np.mean([run.entropy_error**2 for run in runs], axis=0))
    assert agrees([run.entropy for run in runs], total, tolerance)
    assert agrees([run.mutual_information for run in runs], total - expected, tolerance)
    assert covers(runs, "probabilities", mean, most)
    assert covers(runs, "entropy", total, most)
    assert covers(runs, "expected_entropy", expected, most)
    assert covers(runs, "mutual_information", total - expected, mutual or most)


def assess_with_seeds(model, x, method, **settings):
    return [howsure.assess(model, x, method=method, seed=seed, **settings) for seed in range(SEEDS)]


def split_plan(model, x, ratios):
    """A plan with these ratios. What its early levels leave is measured on the test's own rows, with other
    masks than the test's."""
    job = prepare(model, x, howsure.MCDropout(), Request(thresholds=EVERY_VERDICT_IS_SETTLED))
    design = design_of(ratios, job.model.levels)
    run = Run(job.model, job.rows, np.arange(len(x)), job.outcome, 0, 256)
    tree, ((chunk, trunk),) = Tree(design, job.model, 0), run.chunks(run.numbers, len(x))
    groups = [
        [
            sum_up(values, tree.late, job.outcome)
            for values in tree.values((1000 + number, range(design.cells)), run, chunk, trunk, len(x))
        ]
        for number in range(REPLICATES)
    ]
    one, group = measure_early_errors(groups, job.outcome, np.ones(len(x)))
    return Plan(replace(design, one=one, group=group), (0.5, 0.5))


def split_runs(model, x, plan, cells):
    """Runs in which every row gets so many cells: one, or groups."""
    method = howsure.MCDropout(
        target_error=0.4 if cells == 1 else 1e-9, max_passes=cells * plan.design.passes, plan=plan
    )
    runs = assess_with_seeds(model, x, method, thresholds=EVERY_VERDICT_IS_SETTLED)
    assert all(np.all(run.passes == cells * plan.design.passes) for run in runs)
    return runs


def check_split(model, x, ratios, truth):
    """One cell, a whole group and three groups of a split design are right."""
    plan = split_plan(model, x, ratios)
    for cells in {1, plan.design.cells, 3 * plan.design.cells}:
        runs = split_runs(model, x, plan, cells)
        if cells < plan.design.cells:
            # One mask of a few units moves an entropy beyond what a second-order correction can follow.
            mean, _, expected = truth
            assert agrees([run.probabilities for run in runs], mean)
            assert agrees([run.expected_entropy for run in runs], expected)
            assert covers(runs, "probabilities", mean, FEW_UNITS)
        else:
            # Balance of a few units may cancel nearly all of the mutual information's error.
            check(runs, *truth, share_of_error=0.25, most=FEW_UNITS, mutual=6)
