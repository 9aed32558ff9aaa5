"""Recorders of passes in a comparison: of each member of an ensemble, and of groups of passes.

The members of an ensemble are scored alone, beside all of them together.

The masks of MC dropout are shared by all rows, and scores would move with other masks.

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

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.linalg import hadamard

from howsure.compare.parts import ends_of
from howsure.evaluation.groups import renumbered
from howsure.evaluation.score import LEAST_MISTAKES, UNKNOWN, Mean, Score, centred
from howsure.methods.protocol import Around, Job, Method, Passes, Progress
from howsure.sampling.outcome import Estimates, Floats, Integers, Outcome, ResultMetadata
from howsure.statistics import widening

Alone = Callable[[Floats, Any, Integers], tuple[Floats, Floats]]
"""From the values (n, …, K) of a network, the true answers of all rows, and the numbers (n,) of its rows, to
(n,) its losses and (n,) its mistakes."""


@dataclass(frozen=True, eq=False)
class MemberLosses:
    """Losses of the members of an ensemble on the same rows, and of the mean of all.

    The loss is the NLL of classes, and the squared error of numbers.

    Attributes:
        losses: (M, N) of each member.
        together: (N,) of all together.
        wrong: (M, N) 1 where a member is wrong, or the share of positions where it is; NaN of numbers.
        without: (M, N) of all but one of them.
        groups: (N,) numbers of the groups of rows that depend on each other, or None.
    """

    losses: Floats
    together: Floats
    wrong: Floats
    without: Floats
    groups: Integers | None = None

    @property
    def best(self) -> int:
        """Number of the member with the lowest loss; the assessed model is 0."""
        return int(np.argmin(self.losses.mean(axis=1)))

    @property
    def alike(self) -> list[int]:
        """Members that have the same loss in every row; empty if no two have."""
        for one in self.losses:
            near = np.isclose(self.losses, one, rtol=1e-5, atol=1e-8).all(axis=1)
            if near.sum() > 1:
                return np.flatnonzero(near).tolist()
        return []

    @property
    def shared(self) -> float:
        """Share of a member's mistakes that another one makes too, over all pairs; NaN without mistakes."""
        wrong = self.wrong
        both = np.einsum("in,jn->ij", wrong, wrong)
        own = np.einsum("in,in->i", wrong, wrong)
        pairs = ~np.eye(len(wrong), dtype=bool) & (own > 0)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(np.mean((both / own[:, None])[pairs])) if pairs.any() else np.nan

    def beside_the_best(self, confidence: float = 0.95) -> tuple[Score, Floats]:
        """The loss of all together less that of the best member, and (N,) what each row contributes to it.

        With groups that is (G,) what each of these contributes.

        All together are better if they are better than each member (an intersection-union test, Berger 1982),
        and worse if they are worse than any (Bonferroni).
        """
        gaps, best = self.together - self.losses, self.best
        value, parts = float(gaps[best].mean()), self._contributed(gaps[best])
        if self._few:
            return Score(value, *UNKNOWN), parts
        low = self._ends(gaps, 1 - (1 - confidence) / len(gaps))[0].max()
        return Score(value, float(low), float(self._ends(gaps, confidence)[1].max())), parts

    def hurts(self) -> tuple[int, Score] | None:
        """The member without which the others are better by most, and by how much; None if none is sure.

        Intervals hold together for all members (Bonferroni).
        """
        gaps = self.without - self.together
        if self._few or len(gaps) < 3:
            return None
        (low, high), values = self._ends(gaps, 1 - 0.05 / len(gaps)), gaps.mean(axis=1)
        most = int(values.argmin())
        score = Score(float(values[most]), float(low[most]), float(high[most]))
        return (most, score) if score.high < 0 else None

    @property
    def _few(self) -> bool:
        """Whether a member makes too few mistakes."""
        return not np.isnan(self.wrong).any() and np.ceil(self.wrong.sum(axis=1).min()) < LEAST_MISTAKES

    def _contributed(self, gap: Floats) -> Floats:
        """(N,) what each row contributes to a mean over rows (N,); with groups (G,)."""
        rows_alone = Mean(float(gap.mean()), centred(gap), len(gap))
        return (rows_alone if self.groups is None else rows_alone.by_group(self.groups)).parts

    def _ends(self, gaps: Floats, confidence: float) -> Floats:
        """(2, M) ends of means (M, N) over rows."""
        return np.array([ends_of(float(gap.mean()), self._contributed(gap), confidence) for gap in gaps]).T


@dataclass(eq=False)
class MemberRecorder:
    """Collects what each member says of the rows with true answers.

    Args:
        alone: The part of the kind of answer.
        truth: True answers of all rows.
        groups: (N,) as in `MemberLosses`.
    """

    alone: Alone
    truth: Any
    groups: Integers | None = None
    found: dict[int, list[tuple[Integers, Floats, Floats]]] = field(default_factory=dict)

    def __call__(self, numbers: Integers, members: Sequence[Floats]) -> None:
        """Score the members on a block of rows, then their mean, and the means without each."""
        without = [[*members[:number], *members[number + 1 :]] or members for number in range(len(members))]
        means = [np.mean(some, axis=0) for some in (members, *without)]
        for number, values in enumerate([*members, *means]):
            losses, wrong = self.alone(values, self.truth, numbers)
            self.found.setdefault(number, []).append((numbers, losses, wrong))

    def losses(self) -> MemberLosses | None:
        """The members heard, or None."""
        if not self.found:
            return None
        order = np.argsort(np.concatenate([numbers for numbers, *_ in self.found[0]]), kind="stable")
        losses, wrong = (
            np.stack(
                [np.concatenate([part[which] for part in parts])[order] for parts in self.found.values()]
            )
            for which in (1, 2)
        )
        finite = np.isfinite(losses).all(axis=0)
        groups = None if self.groups is None else renumbered(self.groups[finite])
        count = len(losses) // 2
        alone, together, without = np.split(losses[:, finite], [count, count + 1])
        return MemberLosses(alone, together[0], wrong[:count, finite], without, groups)


# --- other masks ----------------------------------------------------------------------------------------


GROUPS, FEWEST_GROUPS = 16, 4
"""Groups of passes, powers of 2. With 15 degrees of freedom, intervals are 9 % wider than with many."""

MOST_ROWS, ENOUGH_ROWS = 5000, 10
"""Rows whose passes are kept, and so few that groups are fewer instead. Few rows exaggerate errors."""

KEPT = 1 << 28
"""Bytes of passes that are kept, at most. Nothing is told of masks where not even two rows fit."""

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

    def add(self, numbers: Integers, values: Floats, parts: int, member: int = 0) -> None:
        """Add passes (W, n, …, K); see `howsure.sampling.run.OnPass`. Members have the same masks."""
        chosen = np.isin(numbers, self.rows)
        if not chosen.any():
            return
        at = np.searchsorted(self.rows, numbers[chosen])
        values = values[:, chosen]
        if self._outcome is not None and self._outcome.has_unit:
            values = np.concatenate([values, values**2], axis=-1)
        passes_so_far = self._of_member.setdefault(member, np.zeros_like(self.rows))
        for part in np.split(values, parts):
            group = passes_so_far[at] % len(self._sums)
            passes_so_far[at] += 1
            self._sums[group, at] += part.mean(axis=0)
            self._parts[group, at] += 1

    def keep(self, numbers: Integers, estimates: Estimates) -> None:
        """Keep the estimates of a block of rows from all their passes."""
        self._found.append(estimates.take(np.flatnonzero(np.isin(numbers, self.rows))))

    @property
    def count(self) -> int:
        """G, how many groups there are: a power of 2; 0 if nothing was heard."""
        heard = int(np.sum(self._parts.any(axis=1))) if len(self.rows) else 0
        return 1 << (heard.bit_length() - 1) if heard else 0

    def _moves(self, count: int) -> tuple[Floats, Floats]:
        """(G, n, …, K) by how much leaving out each group moves answers, and log spread where it is told."""
        sums = np.stack([self._sums[group::count].sum(axis=0) for group in range(count)])
        parts = np.stack([self._parts[group::count].sum(axis=0) for group in range(count)])
        width = self._outcome.width  # type: ignore[union-attr]

        def moments(sums: Floats, parts: Integers) -> tuple[Floats, Floats]:
            means = sums / parts.reshape(*parts.shape, *[1] * (sums.ndim - parts.ndim)).astype(sums.dtype)
            mean, squares = np.split(means, [width], axis=-1)
            return mean, squares - mean[..., : squares.shape[-1]] ** 2

        whole, variance = moments(sums.sum(axis=0), parts.sum(axis=0))
        mean, without = moments(sums.sum(axis=0) - sums, parts.sum(axis=0) - parts)
        positive = (without > 0) & (variance > 0)
        ratio = np.divide(without, variance, out=np.ones_like(without), where=positive)
        return mean - whole, np.log(ratio) / 2

    def _balance(self, moves: Floats) -> float:
        """b; 1 where unknown, as of members: the errors of their answers also come from how few there are."""
        independent = np.sum(moves**2, dtype=np.float64) * (len(moves) - 1) / len(moves)
        errors = [estimates.squared_error[..., : moves.shape[-1]] for estimates in self._found]
        of_answers = sum(np.sum(error, dtype=np.float64) for error in errors)
        if len(self._of_member) > 1 or not of_answers > 0 or not independent > 0:
            return 1.0
        return float(np.sqrt(of_answers / independent))

    def moved(self, result: Any, count: int) -> Iterator[Any]:
        """The results of the kept rows as other masks might have them, from G groups; all else stays."""
        outcome: Outcome = self._outcome  # type: ignore[assignment]
        (moves, of_spread), estimates = self._moves(count), Estimates.joined(self._found)
        moves = moves * self._balance(moves)
        mean, others = np.split(estimates.mean, [outcome.width], axis=-1)
        free = outcome.unbounded
        settings = [getattr(result, name) for name in ("kind", "method", "seed", "plan", "version")]
        rows = (count - 1) / count * hadamard(count)[1:]
        for signs in rows if count > 2 else np.concatenate([rows, -rows]):  # a mean needs two
            off = np.tensordot(signs, moves, 1)
            now = np.concatenate([(mean + off)[..., :free], _above_zero(mean, off)[..., free:]], axis=-1)
            if outcome.are_probabilities:
                now /= now.sum(axis=-1, keepdims=True)
            other = replace(
                estimates, mean=np.concatenate([now, others], axis=-1).astype(estimates.mean.dtype)
            )
            if of_spread.size and estimates.spread is not None:
                wider = np.exp(np.tensordot(signs, of_spread, 1))
                other = replace(other, spread=estimates.spread * wider[..., : estimates.spread.shape[-1]])
            yield outcome.result(other, ResultMetadata(self.rows, *settings))


def _above_zero(values: Floats, off: Floats) -> Floats:
    """Values above 0 moved up by `off`, or down, on a scale of logarithms, so that they stay above 0."""
    values = np.maximum(np.abs(values), SMALLEST)
    return np.where(off > 0, values + off, values * np.exp(np.minimum(off, 0) / values))


@dataclass(eq=False)
class Recorded(Around):
    """A method whose cost is counted, and whose passes and members are recorded.

    Args:
        method: The method.
        groups: Keeps its passes in groups, or None.
        members: Keeps what each member says, or None.

    Attributes:
        rows: Rows, or tiles of rows, for which it began.
        spent: Plain predictions of single rows that it told of.
    """

    method: Method
    groups: PassGroups | None = None
    members: MemberRecorder | None = None
    rows: int = 0
    spent: float = 0.0

    def begin(self, job: Job) -> Passes:
        """As the method does."""
        self.rows += job.total
        job = replace(job, pay=self._pay, on_members=self.members)
        groups = self.groups
        if groups is None:
            return self.method.begin(job)
        groups.begin(job)
        passes = self.method.begin(replace(job, on_pass=groups.add))

        def draw(numbers: Integers, progress: Progress) -> Estimates:
            estimates = passes.draw(numbers, progress)
            groups.keep(numbers, estimates)
            return estimates

        return replace(passes, draw=draw)

    def _pay(self, cost: float) -> None:
        self.spent += cost

    @property
    def cost(self) -> float:
        """Plain predictions of a row on average; NaN if the method tells of none."""
        return self.spent / self.rows if self.spent and self.rows else np.nan


def contributions(moved: Sequence[Mapping[Any, float]], count: int) -> dict[Any, Floats]:
    """By score, (R,) what masks contribute, from R scores as other masks might have them.

    The sum of squares is the mean square of what they differ by, times (t/1.96)² for `count` groups.
    """
    scores = {key: np.array([by_score[key] for by_score in moved]) for key in moved[0]}
    widened = float(widening(count)) / np.sqrt(len(moved))
    return {
        key: (values - values.mean()) * widened for key, values in scores.items() if np.isfinite(values).all()
    }
