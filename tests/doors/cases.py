"""Small examples of every kind of answer, from networks in numpy, for all doors.

A `Case` is what a user holds: a network, rows, true answers and ids. `case_of` makes one for each kind.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import howsure
from howsure.inputs.rows import InputSpec
from tests.kinds import KINDS, of_kind
from tests.kinds.kind import dropped
from tests.support.arrays import ArrayModel, Dense

N, UNITS = 48, 6
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
def network(kind, turn=None, unit=(1.0, 0.0), seed=5, moved=0.0, shape=None):
    """Three dense layers with dropout after the first; at positions each position for itself."""
    random, of = np.random.default_rng(seed), of_kind(kind)
    first = 2 * random.normal(size=(of.shape[-1], UNITS)) + moved, random.normal(size=UNITS)
    mixed = random.normal(size=(UNITS, UNITS)), random.normal(size=UNITS)
    last, bias = 2.5 * random.normal(size=(UNITS, of.outputs)), 0.3 * random.normal(size=of.outputs)
    last, bias = of.in_unit(last, bias, unit)
    if turn is not None:
        last, bias = last[:, of.order(turn)], bias[of.order(turn)]
    steps = {
        "hidden": (Dense(*first, "relu"), "x"),
        "drop": (dropped(of, UNITS), "hidden"),
        "mixed": (Dense(*mixed, "tanh"), "drop"),
        "output": (Dense(last, bias, of.ending), "mixed"),
    }
    return ArrayModel(kind, [InputSpec("x", shape or of.shape, "float32")], steps, trained_for=of.trained_for)


globals().update({kind: functools.partial(network, kind) for kind in KINDS})  # as commands name a model


@functools.cache
def case_of(kind):
    """The example of a kind; its true answers are drawn as the network says, so that it is often wrong."""
    random, of = np.random.default_rng(11), of_kind(kind)
    made = Case(
        kind,
        random.normal(size=(N, *of.shape)).astype(np.float32),
        np.zeros(N),
        np.array([f"r{number}" for number in random.permutation(N)]),
        of.names,
        tuple(range(len(of.names))),
        settings=of.settings,
    )
    return replace(made, truth=of.truth(made.result, random))
