"""One example of every kind of answer whose digits no machine changes.

Passes are whole numbers over their sum, and the networks hold halves and quarters, so that their layers
compute without rounding. Only logarithms and sums at the end round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import howsure
from howsure.data.rows import InputSpec
from howsure.models.arrays import ArrayModel, Dense, Dropout

S, N, SIDE = 8, 40, 4
NAMES = ("cat", "dog", "emu")
TARGETS = ("width", "depth")


def _whole(shape, most, salt=0):
    """Whole numbers from 1 to `most` without a pattern that an eye would see: squares modulo a prime."""
    place = np.arange(np.prod(shape)).reshape(shape) + 3 + salt
    return (place * place * 7919 + place * 104729) % 10007 % most + 1


def _shares(shape):
    """Passes (S, N, …, 3) that favour one class the more, the later the row, and agree more or less."""
    votes = _whole((S, *shape, 3), 40)
    favoured = _whole((*shape, 1), 3, 5) - 1 == np.arange(3)
    sharp = np.arange(shape[0]).reshape(-1, *(1,) * len(shape)) ** 2
    votes = votes + favoured * sharp
    return votes / votes.sum(axis=-1, keepdims=True)


def _true(label, shape):
    """The class that was predicted, but for some rows or positions."""
    return np.where(_whole(shape, 4, 17) == 1, (label + 1) % 3, label)


@dataclass(frozen=True)
class Case:
    """What a user holds: a result, its true answers, and a second result of the same rows."""

    kind: str
    result: Any
    truth: Any
    other: Any
    tolerance: Any = None
    risk: float = 0.6

    @property
    def fresh(self):
        """Rows without ids and without truth, as new ones are."""
        return replace(self.result[:6], ids=None, truth=None)


def classes():
    passes, ids = _shares((N,)), [f"r{number}" for number in range(100, 100 + N)]
    result = howsure.Certainty.from_passes(passes, NAMES).with_ids(ids, "scan")
    truth = _true(result.label, (N,))
    other = howsure.Certainty.from_passes(passes[:3, :, ::-1], NAMES).with_ids(ids, "scan")
    return Case("classes", result.with_truth(truth), truth, other)


def labels():
    passes = np.minimum(0.02 + 0.96 * _shares((N,)), 0.98)
    result = howsure.MultilabelCertainty.from_passes(passes, ("rain", "wind", "snow"))
    truth = (result.probabilities > 0.5) ^ (_whole((N, 3), 5, 17) == 1)
    other = howsure.MultilabelCertainty.from_passes(passes[:3], ("rain", "wind", "snow"))
    return Case("labels", result.with_truth(truth), truth, other)


def numbers():
    samples = (_whole((S, N, 2), 64) + 4 * _whole((N, 2), 50, 5)) / 16
    noise = _whole((N, 2), 24, 9) / 16
    result = howsure.RegressionCertainty.from_samples(samples, TARGETS, noise=noise)
    truth = result.mean.round(2) + (_whole((N, 2), 65, 17) - 33) / 16
    other = howsure.RegressionCertainty.from_mean_std(samples[0], noise + 1, TARGETS)
    return Case("numbers", result.with_truth(truth), truth, other, {"width": 3.0, "depth": 3.0})


def positions():
    shape = (N, SIDE, SIDE)
    counts = np.ones(shape, dtype=bool)
    counts[::7, 0, :2] = False
    passes = _shares(shape)
    result = howsure.DenseCertainty.from_passes(passes, NAMES, positions=counts)
    truth = _true(result.label, shape)
    other = howsure.DenseCertainty.from_passes(passes[:3], NAMES, positions=counts)
    return Case("positions", result.with_truth(truth), truth, other, 0.5)


CASES = {"classes": classes, "labels": labels, "numbers": numbers, "positions": positions}


def network(kind):
    """Two layers with dropout between them; at positions each position for itself."""
    shape = (SIDE, SIDE, 4) if kind == "positions" else (4,)
    outputs = {"numbers": 2}.get(kind, 3)
    first = (_whole((4, 6), 9) - 5) / 4
    last = (_whole((6, outputs), 9, 3) - 5) / 2
    ending = {"labels": "sigmoid", "numbers": "linear"}.get(kind, "softmax")
    drop = Dropout(0.5, mask_shape=(1, 1, 6)) if kind == "positions" else Dropout(0.5)
    steps = {
        "hidden": (Dense(first, 0.5, "relu"), "x"),
        "drop": (drop, "hidden"),
        "output": (Dense(last, 0.25, ending), "drop"),
    }
    wanted = {"numbers": "regression", "labels": "labels"}.get(kind)
    return ArrayModel(kind, [InputSpec("x", shape, "float32")], steps, trained_for=wanted)


def rows(kind, count=12):
    shape = (count, SIDE, SIDE, 4) if kind == "positions" else (count, 4)
    return ((_whole(shape, 17, 1) - 9) / 4).astype(np.float32)


def classes_network():
    return network("classes")


def labels_network():
    return network("labels")


def numbers_network():
    return network("numbers")


def positions_network():
    return network("positions")
