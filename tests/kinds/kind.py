"""What tests that go through all kinds of answers ask of each one, with what most have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

import howsure
from howsure.tasks.task import task_named
from tests.support.arrays import Dropout

SIDE = 4
"""Rows with positions have so many of them along each axis."""

LIMITS = howsure.Thresholds()
OUTCOME_NAMES = tuple("abcde")


class Kind(ABC):
    """One kind of answer.

    Attributes:
        name: Its name in the registry.
        names: K names of the outputs.
        shape: Shape of a row.
        ending: How the network of its examples ends.
        trained_for: What that was trained for, as `ModelInfo` says it.
        settings: Further arguments of `assess` for that network.
        one_of_names: Whether one of the names is the answer; else there is an answer for each name.
        constructor: The constructor that takes passes (S, N, …, K) and names.
        tolerance: The `tolerance` of `abstain`, or None.
        risk: The `risk` of `abstain`.
        scores: The class whose fields are the scores that its `scores.py` defines, and fields beside them.
        doors: By names of methods that no other kind has, what is done there: see `tests/doors/doors.py`.
    """

    name: ClassVar[str]
    names: ClassVar[tuple[str, ...]] = ("cat", "dog", "emu")
    shape: ClassVar[tuple[int, ...]] = (4,)
    ending: ClassVar[str] = "softmax"
    trained_for: ClassVar[str | None] = None
    settings: ClassVar[dict[str, Any]] = {}
    one_of_names: ClassVar[bool] = True
    constructor: ClassVar[str] = "from_passes"
    tolerance: ClassVar[Any] = None
    risk: ClassVar[float] = 0.5
    scores: ClassVar[tuple[type, tuple[str, ...]]]
    doors: ClassVar[dict[str, Any]] = {}

    @property
    def outputs(self):
        """How many outputs the network has."""
        return len(self.names)

    def order(self, turn):
        """The order of the outputs if that of the names is `turn`."""
        return [*turn]

    def in_unit(self, last, bias, unit):
        """The last layer if numbers are × unit[0] + unit[1]."""
        return last, bias

    @abstractmethod
    def truth(self, said, random):
        """True answers as a result's own distributions draw them, so that it is often wrong."""

    @abstractmethod
    def drawn(self, values, random):
        """Passes and true answers from normal numbers (S, N, …, K)."""

    def made(self, passes, names=None, **counting):
        """A result of passes that a user's own loop made."""
        return getattr(task_named(self.name).result_type, self.constructor)(passes, names, **counting)

    @abstractmethod
    def golden(self):
        """The `Golden` example."""

    @abstractmethod
    def outcomes(self):
        """By what they are, outcomes and the raw outputs of passes over rows: at least one."""


@dataclass(frozen=True)
class Golden:
    """What a user holds: a result, its true answers, and a second result of the same rows.

    No machine changes their digits: passes are whole numbers over their sum. `outputs` says what those of the
    network in `tests/golden/cases.py` mean, where it does not show that.
    """

    kind: str
    result: Any
    truth: Any
    other: Any
    tolerance: Any = None
    risk: float = 0.6
    outputs: str | None = None

    @property
    def fresh(self):
        """Rows without ids and without truth, as new ones are."""
        return replace(self.result[:6], ids=None, truth=None)


def typed_tolerance(tolerance):
    """The option for the largest tolerance of any target, if there is one."""
    each = tolerance.values() if isinstance(tolerance, dict) else [tolerance]
    return "" if tolerance is None else f"--tolerance {max(each):g}"


def dropped(kind, units):
    """Dropout of half of the units; of rows with positions, everywhere the same ones."""
    places = len(kind.shape) - 1
    return Dropout(0.5, mask_shape=(*[1] * places, units)) if places else Dropout(0.5)


S, N = 8, 40
"""Passes and rows of a `Golden`."""


def whole(shape, most, salt=0):
    """Whole numbers from 1 to `most` without a pattern that an eye would see: squares modulo a prime."""
    place = np.arange(np.prod(shape)).reshape(shape) + 3 + salt
    return (place * place * 7919 + place * 104729) % 10007 % most + 1


def shares(shape):
    """Passes (S, N, …, 3) that favour one class the more, the later the row, and agree more or less."""
    votes = whole((S, *shape, 3), 40)
    favoured = whole((*shape, 1), 3, 5) - 1 == np.arange(3)
    sharp = np.arange(shape[0]).reshape(-1, *(1,) * len(shape)) ** 2
    votes = votes + favoured * sharp
    return votes / votes.sum(axis=-1, keepdims=True)


def true_class(label, shape):
    """The class that was predicted, but for some rows or positions."""
    return np.where(whole(shape, 4, 17) == 1, (label + 1) % 3, label)


def softmax(values):
    odds = np.exp(values)
    return odds / odds.sum(axis=-1, keepdims=True)


def raw(width, end="linear", passes=7, rows=9):
    """Outputs (S, N, width) of a network that ends so."""
    logits = np.random.default_rng(3).normal(0, 2, (passes, rows, width))
    if end != "linear":
        logits = softmax(logits) if end == "softmax" else 1 / (1 + np.exp(-logits))
    return logits.astype(np.float32)
