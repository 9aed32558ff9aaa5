"""Scores of the same rows, paired row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from howsure.arguments import check_type
from howsure.errors import InputError
from howsure.evaluation.score import OUTSIDE, Measured, Score, by_group, told_apart
from howsure.inputs.align import RowNames, places, row_names_of
from howsure.sampling.outcome import Floats, Integers


def _none() -> Integers:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Paired:
    """The scores of some rows, and what they need of other scores to be compared with them row by row.

    Attributes:
        measured: By name; empty if only the scores were kept.
        row: (N,) numbers of the rows.
        truth: (N, …) what is true of them.
        outside: (M,) numbers of the rows from outside of the distribution.
        called: Name of the rows.
        groups: (N,) numbers of the groups of rows that depend on each other, or None.
    """

    measured: Mapping[str, Measured]
    row: Integers = field(default_factory=_none)
    truth: NDArray[Any] = field(default_factory=_none)
    outside: Integers = field(default_factory=_none)
    called: RowNames = field(default_factory=RowNames)
    groups: Integers | None = None

    @classmethod
    def of(
        cls,
        measured: Mapping[str, Measured],
        result: Any,
        truth: NDArray[Any],
        there: Any = slice(None),
        groups: Integers | None = None,
    ) -> Self:
        """The scores of the rows of a result that are `there`, with their truth, by their groups."""
        names = row_names_of(result, there)
        return cls(by_group(measured, groups), result.row[there], truth, called=names, groups=groups)

    @cached_property
    def scores(self) -> Mapping[str, Score]:
        """All scores with their intervals."""
        return {name: measured.score(0.95) for name, measured in self.measured.items()}


class Comparable:
    """Base of the scores of `howsure.evaluate`, which can be compared with others of the same rows."""

    _found: Paired
    _said: tuple[str, ...] = ()
    """The claim of the rows, how often they are right, and which to check first, in sentences."""

    def minus(self, other: Comparable) -> dict[str, Score]:
        """Paired differences of all scores that both have, this less the other, row by row.

        Each interval holds in 95 % of cases by itself, over rows, with the masks that were drawn. To pick the
        best of several, use `howsure.compare`: its intervals hold together, and allow for other masks.

        Raises:
            InputError: The two are not of the same rows with the same labels.
        """
        check_type(other, Comparable, "other", "what howsure.evaluate gives")
        one, two = self._found, other._found
        same = all(
            np.array_equal(getattr(one, of), getattr(two, of)) for of in ("row", "truth", "outside", "groups")
        )
        same = same and places(one.called, two.called, "The other evaluation is") is None
        if not (one.measured and two.measured and same):
            raise InputError(
                "These evaluations cannot be compared row by row",
                expected="the same rows in the same order, and the same labels"
                + ("" if one.groups is None and two.groups is None else " and groups"),
                received=f"{len(one.truth)} and {len(two.truth)} rows",
            )
        both = [name for name in one.measured if name in two.measured]
        return {name: one.measured[name].minus(two.measured[name]) for name in both}

    @property
    def _heading(self) -> list[str]:
        """The lines above the scores."""
        return [*self._said, ""] if self._said else []

    @property
    def _in_groups(self) -> str:
        """The words for how many groups there are: ` in 60 groups`, or nothing."""
        groups = self._found.groups
        return "" if groups is None else f" in {int(groups.max()) + 1:,} groups"

    def measured(self, name: str) -> Measured:
        """A score with the contribution of each row."""
        return self._found.measured[name]


@dataclass(frozen=True)
class Compared(Comparable):
    """Scores in which methods are compared, where those are not the scores of an evaluation."""

    _found: Paired = field(repr=False)


Evaluated = TypeVar("Evaluated", bound=Comparable)


def with_outside(
    evaluation: Evaluated, near: tuple[Floats, Floats], far: tuple[Floats, Floats], numbers: Integers
) -> Evaluated:
    """An evaluation with the scores of rows from outside added; no other score is computed again.

    Args:
        evaluation: Evaluation of n rows.
        near: (n,) the doubt of each of its rows, and (n,) the disagreement.
        far: (m,) those of the rows from outside.
        numbers: (m,) numbers of these.
    """
    (area, accepted), (by_disagreement, _) = (
        told_apart(-inside, -outside) for inside, outside in zip(near, far, strict=True)
    )
    against = dict(zip(OUTSIDE, (area, accepted, by_disagreement), strict=True))
    against = by_group(against, evaluation._found.groups)
    scored = replace(evaluation._found, measured={**evaluation._found.measured, **against}, outside=numbers)
    names = {item.name for item in fields(evaluation)}  # type: ignore[arg-type]
    scores: dict[str, Any] = {name: scored.scores[name] for name in OUTSIDE if name in names}
    return replace(evaluation, **scores, _found=scored)  # type: ignore[type-var]


def check_enough(truth: NDArray[np.generic]) -> None:
    """An `InputError` unless there are two rows or more."""
    if len(truth) < 2:
        raise InputError("Too few rows to score", expected="at least 2", received=len(truth))
