"""Small examples of every kind of answer, from networks in numpy, for all doors.

A `Case` is what a user holds: a network, rows, true answers and ids. `case_of` makes one for each kind.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import howsure
from howsure.data.rows import InputSpec
from howsure.models.arrays import ArrayModel, Dense, Dropout

N, UNITS, SIDE = 48, 6, 4
DROPOUT = howsure.MCDropout(passes=20)


@dataclass(frozen=True)
class Case:
    """What a user holds.

    Attributes:
        kind: Name of the kind of answer.
        x: (N, …) rows.
        truth: (N, …) true answers.
        ids: (N,) what the user calls each row.
        names: K names of the outputs.
        turn: Order of the outputs, of those that the network had first.
        unit: Numbers × the first + the second.
        counts: (N, *P) which positions count, or None.
        settings: Further arguments of `assess`.
    """

    kind: str
    x: np.ndarray
    truth: Any
    ids: np.ndarray
    names: tuple[str, ...]
    turn: tuple[int, ...]
    unit: tuple[float, float] = (1.0, 0.0)
    counts: np.ndarray | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def taken(self, rows):
        """The same with some rows, in this order."""
        counts = None if self.counts is None else self.counts[rows]
        return replace(self, x=self.x[rows], truth=self.truth[rows], ids=self.ids[rows], counts=counts)

    @property
    def model(self):
        return network(self.kind, self.turn, self.unit)

    @property
    def result(self):
        """What `assess` says of the rows, with their ids, without their truth."""
        given = {} if self.counts is None else {"positions": self.counts}
        asked = {"method": DROPOUT, "class_names": self.names, **self.settings, **given}
        return howsure.assess(self.model, {"x": self.x, "id": self.ids}, **asked)


@functools.cache
def network(kind, turn=None, unit=(1.0, 0.0)):
    """Three dense layers with dropout after the first; at positions each position for itself."""
    random = np.random.default_rng(5)
    at_positions = kind == "positions"
    shape = (SIDE, SIDE, 3) if at_positions else (4,)
    outputs = {"numbers": 4}.get(kind, 3)
    first = 2 * random.normal(size=(shape[-1], UNITS)), random.normal(size=UNITS)
    mixed = random.normal(size=(UNITS, UNITS)), random.normal(size=UNITS)
    last, bias = 2.5 * random.normal(size=(UNITS, outputs)), 0.3 * random.normal(size=outputs)
    ending = {"labels": "sigmoid", "numbers": "linear"}.get(kind, "softmax")
    if kind == "numbers":  # two means, and two logarithms of variances
        last[:, 2:] *= 0.1
        last[:, :2] *= unit[0]
        bias[:2] = bias[:2] * unit[0] + unit[1]
        bias[2:] += 2 * np.log(unit[0])
    if turn is not None:
        order = [*turn, *(2 + each for each in turn)] if kind == "numbers" else [*turn]
        last, bias = last[:, order], bias[order]
    drop = Dropout(0.5, mask_shape=(1, 1, UNITS)) if at_positions else Dropout(0.5)
    steps = {
        "hidden": (Dense(*first, "relu"), "x"),
        "drop": (drop, "hidden"),
        "mixed": (Dense(*mixed, "tanh"), "drop"),
        "output": (Dense(last, bias, ending), "mixed"),
    }
    wanted = "regression" if kind == "numbers" else "labels" if kind == "labels" else None
    return ArrayModel(kind, [InputSpec("x", shape, "float32")], steps, trained_for=wanted)


def classes():
    return network("classes")


def labels():
    return network("labels")


def numbers():
    return network("numbers")


def positions():
    return network("positions")


def _truth(kind, said, random):
    """True answers as the network's own probabilities draw them, so that it is often wrong."""
    if kind == "classes":
        return np.array([random.choice(3, p=p / p.sum()) for p in said.probabilities])
    if kind == "labels":
        return random.random(said.probabilities.shape) < said.probabilities
    if kind == "numbers":
        return said.mean + 1.5 * said.std * random.normal(size=said.mean.shape)
    p = said.probabilities.reshape(-1, 3).astype(float)
    drawn = (p.cumsum(axis=1) / p.sum(axis=1, keepdims=True) < random.random((len(p), 1))).sum(axis=1)
    return np.minimum(drawn, 2).reshape(said.label.shape)


_NAMES = {"numbers": ("width", "depth")}
_SETTINGS = {
    "labels": {"outputs": "label-probabilities"},
    "numbers": {"outputs": "mean-log-variance"},
    "positions": {"keep": "probabilities"},
}


@functools.cache
def case_of(kind):
    random = np.random.default_rng(11)
    shape = (SIDE, SIDE, 3) if kind == "positions" else (4,)
    names = _NAMES.get(kind, ("cat", "dog", "emu"))
    made = Case(
        kind,
        random.normal(size=(N, *shape)).astype(np.float32),
        np.zeros(N),
        np.array([f"r{number}" for number in random.permutation(N)]),
        names,
        tuple(range(len(names))),
        settings=_SETTINGS.get(kind, {}),
    )
    return replace(made, truth=_truth(kind, made.result, random))


case_of.kinds = ("classes", "labels", "numbers", "positions")
