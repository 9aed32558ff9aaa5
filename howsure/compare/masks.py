"""How far the scores of MC dropout would move with other masks, which all rows share.

So the chance of the masks does not average out over rows, and intervals over rows leave it out. Passes are
divided into G groups, and d₍g₎ is by how much leaving out group g moves the answers. Then answers are moved
as other masks might move them, once for each row of a Hadamard matrix H but the first (balanced repeated
replication, McCarthy 1969):

    answers + b (G − 1)/G Σ_g H_rg d₍g₎        r = 1 … G − 1

Of a linear score, the mean square of what they move it by is its squared error as the jackknife tells it
(Tukey 1958). A share of right answers needs the whole move: a jackknife, which moves answers far less, tells
too much of it. Groups count as independent, and balanced masks make errors smaller. So b² is how much
smaller: the squared errors that the answers have, beside those that independent groups give them, over all
rows. The spread between networks, which balance makes no better known, is moved likewise, by its logarithm
and with b = 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.linalg import hadamard

from howsure.methods.protocol import Around, Job, Method, Passes, Progress
from howsure.sampling.outcome import Estimates, Floats, Integers, Outcome, Told
from howsure.statistics import widening

GROUPS, FEWEST_GROUPS = 16, 4
"""Groups of passes, powers of 2. With 15 degrees of freedom, intervals are 9 % wider than with many."""

MOST_ROWS, ENOUGH_ROWS = 5000, 10
"""Rows whose passes are kept, and so few that groups are fewer instead. Few rows exaggerate errors."""

KEPT = 1 << 28
"""Bytes of passes that are kept, at most. Where not even two rows fit, nothing is told of masks."""

SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass(eq=False)
class PassGroups:
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
        fit, groups = KEPT // (int(np.prod(shape)) * np.dtype(outcome.precision).itemsize), GROUPS
        while groups > FEWEST_GROUPS and fit // groups < ENOUGH_ROWS:
            groups //= 2
        most = min(job.total, MOST_ROWS, fit // groups)
        self.rows = np.arange(most if most > 1 else 0) * job.total // max(most, 1)
        self._sums = np.zeros((groups, len(self.rows), *shape), outcome.precision)
        self._parts = np.zeros((groups, len(self.rows)), np.int64)

    def hear(self, numbers: Integers, values: Floats, parts: int, member: int = 0) -> None:
        """Add passes (W, n, …, K); see `howsure.sampling.run.HearPasses`. Members have the same masks."""
        there = np.isin(numbers, self.rows)
        if not there.any():
            return
        at = np.searchsorted(self.rows, numbers[there])
        values = values[:, there]
        if self._outcome is not None and self._outcome.has_unit:
            values = np.concatenate([values, values**2], axis=-1)
        had = self._of_member.setdefault(member, np.zeros_like(self.rows))
        for part in np.split(values, parts):
            group = had[at] % len(self._sums)
            had[at] += 1
            self._sums[group, at] += part.mean(axis=0)
            self._parts[group, at] += 1

    def keep(self, numbers: Integers, found: Estimates) -> None:
        """Keep the estimates of a block of rows from all their passes."""
        self._found.append(found.take(np.flatnonzero(np.isin(numbers, self.rows))))

    @property
    def count(self) -> int:
        """G, how many groups there are: a power of 2; 0 if nothing was heard."""
        heard = int(np.sum(self._parts.any(axis=1))) if len(self.rows) else 0
        return 1 << (heard.bit_length() - 1) if heard else 0

    def _moves(self, count: int) -> tuple[Floats, Floats]:
        """(G, n, …, K) by how much leaving out each group moves answers, and log spread where it is told."""
        sums, parts = (
            np.stack([each[group::count].sum(axis=0) for group in range(count)])
            for each in (self._sums, self._parts)
        )
        width = self._outcome.width  # type: ignore[union-attr]

        def moments(sums: Floats, parts: Integers) -> tuple[Floats, Floats]:
            found = sums / parts.reshape(*parts.shape, *[1] * (sums.ndim - parts.ndim)).astype(sums.dtype)
            mean, squares = np.split(found, [width], axis=-1)
            return mean, squares - mean[..., : squares.shape[-1]] ** 2

        whole, variance = moments(sums.sum(axis=0), parts.sum(axis=0))
        mean, left = moments(sums.sum(axis=0) - sums, parts.sum(axis=0) - parts)
        known = (left > 0) & (variance > 0)
        ratio = np.divide(left, variance, out=np.ones_like(left), where=known)
        return mean - whole, np.log(ratio) / 2

    def _balance(self, moves: Floats) -> float:
        """b; 1 where unknown, as of members: the errors of their answers also come from how few there are."""
        independent = np.sum(moves**2, dtype=np.float64) * (len(moves) - 1) / len(moves)
        errors = [each.squared_error[..., : moves.shape[-1]] for each in self._found]
        known = sum(np.sum(each, dtype=np.float64) for each in errors)
        if len(self._of_member) > 1 or not known > 0 or not independent > 0:
            return 1.0
        return float(np.sqrt(known / independent))

    def moved(self, result: Any, count: int) -> Iterator[Any]:
        """The results of the kept rows as other masks might have them, from G groups; all else stays."""
        outcome: Outcome = self._outcome  # type: ignore[assignment]
        (moves, of_spread), found = self._moves(count), Estimates.joined(self._found)
        moves = moves * self._balance(moves)
        mean, others = np.split(found.mean, [outcome.width], axis=-1)
        free = outcome.answers if outcome.has_unit else 0
        settings = [getattr(result, name) for name in ("kind", "method", "seed", "plan", "version")]
        rows = (count - 1) / count * hadamard(count)[1:]
        for signs in rows if count > 2 else np.concatenate([rows, -rows]):  # a mean needs two
            off = np.tensordot(signs, moves, 1)
            now = np.concatenate([(mean + off)[..., :free], _above_zero(mean, off)[..., free:]], axis=-1)
            if outcome.are_probabilities:
                now /= now.sum(axis=-1, keepdims=True)
            other = replace(found, mean=np.concatenate([now, others], axis=-1).astype(found.mean.dtype))
            if of_spread.size and found.spread is not None:
                wider = np.exp(np.tensordot(signs, of_spread, 1))
                other = replace(other, spread=found.spread * wider[..., : found.spread.shape[-1]])
            yield outcome.result(other, Told(self.rows, *settings))


def _above_zero(values: Floats, off: Floats) -> Floats:
    """Values above 0 moved up by `off`, or down, on a scale of logarithms, so that they stay above 0."""
    values = np.maximum(np.abs(values), SMALLEST)
    return np.where(off > 0, values + off, values * np.exp(np.minimum(off, 0) / values))


@dataclass(frozen=True)
class InGroups(Around):
    """A method that draws masks, with its passes kept in groups."""

    method: Method
    groups: PassGroups

    def begin(self, job: Job) -> Passes:
        """As the method does."""
        self.groups.begin(job)
        passes = self.method.begin(replace(job, hear=self.groups.hear))

        def draw(numbers: Integers, progress: Progress) -> Estimates:
            found = passes.draw(numbers, progress)
            self.groups.keep(numbers, found)
            return found

        return replace(passes, draw=draw)


def contributions(moved: Sequence[Mapping[Any, float]], count: int) -> dict[Any, Floats]:
    """By score, (R,) what masks contribute, from R scores as other masks might have them.

    The sum of squares is the mean square of what they differ by, times (t/1.96)² for `count` groups.
    """
    found = {key: np.array([each[key] for each in moved]) for key in moved[0]}
    widened = float(widening(count)) / np.sqrt(len(moved))
    return {
        key: (values - values.mean()) * widened for key, values in found.items() if np.isfinite(values).all()
    }
