"""A network with 9 dropout units and a head of 2 means and 2 log variances: all of its thinned networks."""

import numpy as np

import howsure
from howsure.inputs.rows import InputSpec
from tests.sampling.enumerated import agrees, assess_with_seeds, relu, thinned_networks
from tests.support.arrays import ArrayModel, Dense, Dropout

UNITS = [(4, 0.25), (5, 0.4)]
"""How many units each dropout has, and its rate."""

TARGETS = 2
INPUTS = 3
LAYERS = ("one", "two", "mean", "log_variance")


def weights_of(random):
    """By layer: weights (F, K) and bias (K,)."""
    sides = {"one": (INPUTS, 4), "two": (4, 5), "mean": (5, TARGETS), "log_variance": (5, TARGETS)}
    return {
        name: (random.normal(0, 0.6, (rows, columns)), random.normal(0, 0.6, columns))
        for name, (rows, columns) in sides.items()
    }


def rows_of(random):
    return random.normal(size=(6, INPUTS)).astype("float32")


def in_numpy(weights):
    """The reference model, whose head is one layer."""
    heads = [
        np.concatenate(pair, axis=-1) for pair in zip(weights["mean"], weights["log_variance"], strict=True)
    ]
    steps = {
        "one": (Dense(*weights["one"], "relu"), "x"),
        "drop": (Dropout(0.25), "one"),
        "two": (Dense(*weights["two"], "relu"), "drop"),
        "drop2": (Dropout(0.4), "two"),
        "output": (Dense(*heads), "drop2"),
    }
    return ArrayModel("reference", [InputSpec("x", (INPUTS,), "float32")], steps, trained_for="regression")


def exact(weights, x):
    """Mean, standard deviation between networks, and root of the mean variance: sums over all networks."""

    def forward(x, masks):
        h = relu(x @ weights["one"][0] + weights["one"][1]) * masks[0]
        h = relu(h @ weights["two"][0] + weights["two"][1]) * masks[1]
        return np.stack([h @ weights[name][0] + weights[name][1] for name in ("mean", "log_variance")])

    mean = square = variance = 0.0
    for probability, (value, log_variance) in thinned_networks(forward, UNITS, x):
        mean, square = mean + probability * value, square + probability * value**2
        variance = variance + probability * np.exp(log_variance)
    return mean, np.sqrt(square - mean**2), np.sqrt(variance)


def check_against_enumeration(model, weights, x):
    """Passes agree with all thinned networks, and pass by pass with the reference in numpy."""
    mean, spread, noise = exact(weights, x)
    runs = assess_with_seeds(model, x, howsure.MCDropout(passes=400), outputs="mean-log-variance")
    assert agrees([run.mean for run in runs], mean)
    assert agrees([run.spread for run in runs], spread, 0.01 * spread)  # the root of a variance is biased
    assert agrees([run.noise for run in runs], noise, 0.01 * noise)
    off = np.abs(np.array([run.mean for run in runs]) - mean)
    assert np.mean(off <= 1.96 * np.array([run.mc_error for run in runs])) > 0.85
    method = howsure.MCDropout(passes=24)
    found, reference = (
        howsure.assess(each, x, method=method, outputs="mean-log-variance")
        for each in (model, in_numpy(weights))
    )
    for column in ("mean", "mc_error", "spread", "noise", "std"):
        np.testing.assert_allclose(getattr(found, column), getattr(reference, column), rtol=2e-5, atol=2e-6)
