"""The method seam: what produces passes. Whoever runs one never asks which it is.

    job ── begin ──> Passes ── draw, block by block ──> Estimates

A method is a frozen dataclass that holds what was asked for, with the paper it follows in its docstring. It
says what it needs of a model, and brings its own words for the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from howsure.sampling.outcome import Estimates, Outcome
from howsure.sampling.run import Rows

Integers = NDArray[np.int64]
Progress = Callable[[int], None]
"""Called with the number of rows that have just been finished."""


@dataclass(frozen=True)
class Needs:
    """What a method needs of a model.

    Attributes:
        model: `Model`, `PassModel` or `FeatureModel`.
        gaussian_noise: Whether layers that add noise are to be random too.
        fitted: Whether it was made for one model, so that it cannot serve another.
        keep_off: Names of random layers that are to stay as in predicting.
    """

    model: Any
    gaussian_noise: bool = False
    fitted: bool = False
    keep_off: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """A model, rows and what is wanted of them: what a method begins with.

    Attributes:
        model: The model, which has what the method needs.
        rows: Its inputs, each giving rows (n, …) in the input's type for their numbers (n,).
        total: N, number of rows.
        outcome: What the answer of a row is.
        seed: Seed of the passes.
        batch_size: Rows that run together.
        again: The same job for another method, with another model or with changed rows.
    """

    model: Any
    rows: Sequence[Rows]
    total: int
    outcome: Outcome
    seed: int
    batch_size: int
    again: Callable[..., Job]


@dataclass(frozen=True)
class Passes:
    """Passes that have been begun.

    Attributes:
        draw: From the numbers (n,) of a block of rows to what the passes over them say.
        plan: The plan they follow, as it is saved with a result, or None.
    """

    draw: Callable[[Integers, Progress], Estimates]
    plan: Mapping[str, Any] | None = None


class Gap(Protocol):
    """A score, or a difference of two, with its interval."""

    @property
    def value(self) -> float:
        """Of the rows as they are."""
        ...

    @property
    def low(self) -> float:
        """Lower end of the interval; NaN where these rows cannot tell."""
        ...

    @property
    def excludes_zero(self) -> bool:
        """Whether it is more than chance."""
        ...


class Standing(Protocol):
    """How a method stands beside the yardstick on the same rows; what it explains itself by."""

    @property
    def name(self) -> str:
        """The method in a sentence: `MC dropout`."""
        ...

    @property
    def yardstick(self) -> str:
        """The yardstick in a sentence: `the softmax`."""
        ...

    @property
    def kind(self) -> str:
        """What one row is, `image` or `row`."""
        ...

    @property
    def first(self) -> bool:
        """Whether it is the first of its kind in the comparison."""
        ...

    @property
    def claimed(self) -> float:
        """Mean top probability of the method."""
        ...

    @property
    def claimed_where_right(self) -> tuple[float, float]:
        """Mean top probability of the method and of the yardstick, where the yardstick is right."""
        ...

    @property
    def right(self) -> float:
        """Share of right answers."""
        ...

    @property
    def right_at_least(self) -> float:
        """Lower end of the interval of that share."""
        ...

    @property
    def mended(self) -> tuple[int, int]:
        """How many rows the method alone gets right, and how many the yardstick alone."""
        ...

    @property
    def disagreement(self) -> Gap:
        """How often the passes disagree more about a mistake than about a right answer: 0.5 is a guess."""
        ...

    def gap(self, score: str) -> Gap:
        """The method's score less that of the yardstick."""
        ...


@runtime_checkable
class Method(Protocol):
    """What produces passes."""

    @property
    def in_words(self) -> str:
        """What it does, a sentence for the report."""
        ...

    @property
    def needs(self) -> Needs:
        """What it needs of a model."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """Name and settings, as they are saved with a result.

        Under `words` they may hold what sentences call its passes; see `howsure.answers.sentences.WORDS`.
        """
        ...

    def begin(self, job: Job) -> Passes:
        """Prepare what all blocks share, such as a plan."""
        ...

    def why(self, standing: Standing) -> Iterator[str]:
        """Sentences that explain how it stands beside the yardstick, if there is anything to explain."""
        ...


def is_method(value: object) -> bool:
    """Whether this is a method, and not the class of one."""
    return isinstance(value, Method) and not isinstance(value, type)
