"""How far the scores of MC dropout would move with other masks: a jackknife over its passes.

All rows share the masks, so their chance does not average out over rows, and intervals over rows leave it
out. Passes are divided into G groups. With S₍g₎ the score without group g, the groups contribute

    −(S₍g₎ − S̄) √((G − 1)/G) · b · t/1.96        t of Student, 97.5 %, with G − 1 degrees of freedom

whose sum of squares is the squared error owing to masks (Tukey 1958), widened as few groups tell it. Groups
count as independent there, and balanced masks make errors smaller. So b² is how much smaller: the squared
errors that the answers have, beside those that the same jackknife gives them, over all rows. Scores of
numbers also depend on the spread between networks, which balance makes no better known. What its groups
contribute is found likewise, with b = 1, and added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from howsure.methods.mc_dropout import MCDropout
from howsure.methods.protocol import Job, Method, Needs, Passes, Progress
from howsure.sampling.outcome import Estimates, Floats, Integers, Outcome, Told
from howsure.statistics import widening

GROUPS = 20
"""Groups of passes: with 19 degrees of freedom, intervals are 7 % wider than with very many."""

MOST_ROWS, LEAST_ROWS = 2000, 10
"""Rows whose passes are kept. Fewer rows only make the error from masks seem larger than it is."""

KEPT = 1 << 28
"""Bytes of passes that are kept, unless so few rows need more."""


@dataclass(eq=False)
class Groups:
    """The answers to some rows from each group of passes.

    Attributes:
        rows: (n,) numbers of these rows.
    """

    rows: Integers = field(default_factory=lambda: np.arange(0))
    _outcome: Outcome | None = None
    _sums: Floats = field(default_factory=lambda: np.zeros(0))  # of values, then of their squares
    _parts: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    _of_member: dict[int, Integers] = field(default_factory=dict)
    _found: list[Estimates] = field(default_factory=list)

    def begin(self, job: Job) -> None:
        """Choose rows of a job, spread evenly."""
        outcome = self._outcome = job.outcome
        shape = (*outcome.columns[:-1], outcome.width * (1 + outcome.has_unit))
        fit = KEPT // (GROUPS * int(np.prod(shape)) * np.dtype(outcome.precision).itemsize)
        most = min(job.total, MOST_ROWS, max(fit, LEAST_ROWS))
        self.rows = np.arange(most) * job.total // max(most, 1)
        self._sums = np.zeros((GROUPS, most, *shape), outcome.precision)
        self._parts = np.zeros((GROUPS, most), np.int64)

    def hear(self, numbers: Integers, values: Floats, parts: int, member: int = 0) -> None:
        """Add passes (W, n, …, K); see `howsure.sampling.run.Hear`. Members have the same masks."""
        there = np.isin(numbers, self.rows)
        if not there.any():
            return
        at = np.searchsorted(self.rows, numbers[there])
        values = values[:, there]
        if self.has_spread:
            values = np.concatenate([values, values**2], axis=-1)
        had = self._of_member.setdefault(member, np.zeros_like(self.rows))
        for part in np.split(values, parts):
            group = had[at] % GROUPS
            had[at] += 1
            self._sums[group, at] += part.mean(axis=0)
            self._parts[group, at] += 1

    def keep(self, numbers: Integers, found: Estimates) -> None:
        """Keep the estimates of a block of rows from all their passes."""
        self._found.append(found.take(np.flatnonzero(np.isin(numbers, self.rows))))

    @property
    def count(self) -> int:
        """Groups that have passes over every row."""
        return int(np.sum(self._parts.any(axis=1))) if len(self.rows) else 0

    @property
    def has_spread(self) -> bool:
        """Whether scores depend on the spread between networks."""
        return self._outcome is not None and self._outcome.has_unit

    @property
    def balance(self) -> float:
        """b, the errors of the answers in units of those of independent groups; 1 where unknown.

        So it is of several members, whose answers also have the error that there are few of them.
        """
        if len(self._of_member) > 1:
            return 1.0
        (whole, _), squares = self._moments(), 0.0
        for group in range(self.count):
            squares += float(np.sum((self._moments(group)[0] - whole) ** 2, dtype=np.float64))
        width = whole.shape[-1]
        known = sum(np.sum(each.squared_error[..., :width], dtype=np.float64) for each in self._found)
        independent = squares * (self.count - 1) / self.count
        return float(np.sqrt(known / independent)) if known > 0 and independent > 0 else 1.0

    def _moments(self, group: int | None = None) -> tuple[Floats, Floats]:
        """(n, …, K) mean and variance of the passes of all groups, or of all but one."""
        sums, parts = self._sums.sum(axis=0), self._parts.sum(axis=0)
        if group is not None:
            sums, parts = sums - self._sums[group], parts - self._parts[group]
        moments = sums / parts.reshape(-1, *[1] * (sums.ndim - 1)).astype(sums.dtype)
        mean, squares = np.split(moments, [self._outcome.width], axis=-1)  # type: ignore[union-attr]
        return mean, np.maximum(squares - mean**2, 0.0) if self.has_spread else np.zeros_like(mean)

    def without(self, group: int, result: Any, *, spread: bool = False) -> Any:
        """The result of the kept rows without one group of passes; all else is as in the whole result.

        Args:
            group: Its number.
            result: The whole result.
            spread: Whether the spread between networks is without the group, instead of the answers.
        """
        (mean, variance), found = self._moments(group), Estimates.joined(self._found)
        if not spread:
            found = replace(found, mean=np.concatenate([mean, found.mean[..., mean.shape[-1] :]], axis=-1))
        elif found.spread is not None:
            whole = self._moments()[1]
            ratio = np.sqrt(np.divide(variance, whole, out=np.ones_like(whole), where=whole > 0))
            found = replace(found, spread=found.spread * ratio[..., : found.spread.shape[-1]])
        settings = (getattr(result, name) for name in ("kind", "method", "seed", "plan", "version"))
        return self._outcome.result(found, Told(self.rows, *settings))  # type: ignore[union-attr]


@dataclass(frozen=True)
class InGroups:
    """A method that draws masks, with its passes kept in groups."""

    method: Method
    groups: Groups

    @property
    def in_words(self) -> str:
        """As the method has it."""
        return self.method.in_words

    @property
    def needs(self) -> Needs:
        """As the method has it."""
        return self.method.needs

    @property
    def settings(self) -> Mapping[str, Any]:
        """As the method has it."""
        return self.method.settings

    def begin(self, job: Job) -> Passes:
        """As the method does."""
        self.groups.begin(job)
        passes = self.method.begin(replace(job, hear=self.groups.hear))

        def draw(numbers: Integers, progress: Progress) -> Estimates:
            found = passes.draw(numbers, progress)
            self.groups.keep(numbers, found)
            return found

        return replace(passes, draw=draw)


def contributions(without: Sequence[Mapping[Any, float]], balance: float) -> dict[Any, Floats]:
    """By score, (G,) what each of the groups contributes, from the scores without each of them."""
    found = {key: np.array([each[key] for each in without]) for key in without[0]}
    count = len(without)
    widened = balance * float(widening(count)) * np.sqrt((count - 1) / count)
    return {
        key: -(values - values.mean()) * widened for key, values in found.items() if np.isfinite(values).all()
    }


def in_groups(method: Method, groups: Groups) -> Method:
    """The method with its passes kept in groups, if it or each of its members draws masks; else as it is."""
    drawn = isinstance(getattr(method, "each", method), MCDropout)
    return InGroups(method, groups) if drawn else method
