"""An outcome with an answer at each position: columns (N, H, W, C) pass through the engine as (N, C) do."""

from dataclasses import dataclass

import numpy as np
import pytest

import howsure
from howsure.inputs.rows import InputSpec
from howsure.prepare import prepare
from howsure.request import Request
from howsure.sampling.outcome import Outcome
from howsure.tasks.raw import Raw
from tests.sampling.networks import Priced
from tests.support.arrays import ArrayModel, Dense, Dropout
from tests.support.conformance import check_outcome
from validation import rare

SHAPE, CLASSES = (2, 3), 4
COSTS = (0.4, 0.599, 0.001)


class Maps(list):
    """One array (H, W, K) for each row."""

    def __getitem__(self, rows):
        actual = super().__getitem__(rows)
        return Maps(actual) if isinstance(rows, slice) else actual

    @classmethod
    def joined(cls, parts):
        return cls(each for part in parts for each in part)


@dataclass(frozen=True)
class Positions(Outcome):
    """K numbers at each of H × W positions, which are enough when all of a row are known."""

    name = "positions"
    width = CLASSES
    columns = (*SHAPE, CLASSES)

    def values(self, raw, rows):
        return raw.astype(np.float64)

    def is_enough(self, estimates, target_error):
        return np.all(estimates.error <= target_error, axis=(1, 2, 3))

    def result(self, estimates, told):
        return Maps(estimates.mean)


def network(costs=None, seed=3):
    random = np.random.default_rng(seed)
    steps = {
        "one": (Dense(random.normal(size=(5, 6)), 0.0, "relu"), "x"),
        "drop": (Dropout(0.25, mask_shape=(1, 1, 6)), "one"),
        "two": (Dense(random.normal(size=(6, 8)), 0.0, "relu"), "drop"),
        "late": (Dropout(0.2), "two"),
        "output": (Dense(random.normal(size=(8, CLASSES)), 0.0, "softmax"), "late"),
    }
    inputs = [InputSpec("x", (*SHAPE, 5), "float32")]
    model = ArrayModel("u", inputs, steps) if costs is None else Priced("u", inputs, steps, costs)
    return model, random.normal(size=(30, *SHAPE, 5)).astype("float32")


def estimates(model, x, method, outcome):
    job = prepare(model, x, method, Request(seed=1, batch_size=7, outcome=outcome))
    return method.begin(job).draw(np.arange(len(x)), lambda done: None)


@pytest.mark.parametrize("costs", [None, COSTS])
@pytest.mark.parametrize(
    "method",
    [
        howsure.MCDropout(),
        howsure.MCDropout(passes=30),
        howsure.MCDropout(passes=11, balanced=False),
        howsure.MCDropout(target_error=0.02, max_passes=300),
        howsure.Softmax(),
        howsure.Ensemble([network(seed=4)[0]], each=howsure.MCDropout(passes=8)),
    ],
    ids=["default", "passes", "unbalanced", "target", "softmax", "ensemble"],
)
def test_positions_have_the_numbers_that_the_same_values_have_in_one_row(method, costs):
    model, x = network(costs)
    there = estimates(model, x, method, Positions())
    flat = estimates(model, x, method, Raw((*SHAPE, CLASSES)))
    np.testing.assert_array_equal(there.passes, flat.passes)
    for name in ("mean", "error", "squared_error", "variance"):
        actual, expected = getattr(there, name), getattr(flat, name)
        assert actual.shape == (len(x), *SHAPE, CLASSES)
        np.testing.assert_allclose(actual.reshape(len(x), -1), expected, rtol=1e-9, atol=1e-14)


def test_positions_keep_the_promises_of_an_outcome():
    raw = np.random.default_rng(0).random((5, 9, *SHAPE, CLASSES)).astype(np.float32)
    check_outcome(Positions(), raw)


def test_errors_hold_where_two_channels_together_decide():
    """Against all thinned networks, of four channels with a rate of 0.1."""
    off = []
    for number in range(200, 212):
        model, x = rare.network(0.1, 4, "channels", number), rare.weights(4, number)[-1]
        p, _ = rare.truth(0.1, 4, number)
        for seed in range(3):
            result = howsure.assess(model, x, seed=seed, outputs="probabilities")
            true = np.take_along_axis(p, result.label[..., None].astype(int), axis=-1)[..., 0]
            off.append(np.abs(result.probability - true) / result.mc_error)
    assert np.mean(np.array(off) <= 1.96) >= 0.95
    assert np.mean(np.array(off) > 4) <= 0.01
