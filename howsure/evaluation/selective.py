"""Which rows should a person see, so that few of the rest are wrong? Abstention with a promised risk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import betaincinv

from howsure.errors import InputError
from howsure.evaluation.groups import one_of_each
from howsure.results.origin import FittedToRows
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.statistics import at_most, proportion_interval
from howsure.words import counted


@dataclass(frozen=True)
class ShareOfRows:
    """A share of rows with its exact binomial interval (Clopper and Pearson 1934).

    Attributes:
        value: Share of the labelled rows, 0 to 1.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, count: int, rows: int) -> ShareOfRows:
        """That of so many among `rows`."""
        return cls(count / rows, *proportion_interval(count, rows))

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f} %)"


@dataclass(frozen=True)
class Acceptance(FittedToRows):
    """The answers to accept, and the promise about them.

    Attributes:
        threshold: Rows that are certain up to this are handed over, 0 for none; equals go the same way.
        handed_over: Share of the rows that this hands over, with its 95 % interval.
        risk: Promised largest share of mistakes among the accepted rows.
        confidence: Probability over the labelled rows drawn that the promise is kept.
        rows: Labelled rows it was decided on.
        accepted: How many of them are accepted.
        mistakes: How many of the accepted are wrong.
        by_group: Whether these rows are one of each group, drawn at random.
    """

    threshold: float
    handed_over: ShareOfRows
    risk: float
    confidence: float
    rows: int
    accepted: int
    mistakes: int
    by_group: bool = field(default=False, kw_only=True)

    def said(self, wrong: str, mistakes: str) -> str:
        """The promise and its evidence, in three sentences.

        Args:
            wrong: Word for an accepted row that breaks the promise: `wrong`.
            mistakes: How many accepted rows are that: `with 3 mistakes among them`.
        """
        one_of_each_group = "one of each group, " if self.by_group else ""
        return (
            f"Hand {self.handed_over} of the rows to a person. At most {100 * self.risk:g} % of the rest are "
            f"{wrong}, with {100 * self.confidence:g} % confidence. "
            f"This accepts {self.accepted:,} of {self.rows:,} labelled rows, {one_of_each_group}{mistakes}."
        )


def check_no_tolerance(tolerance: object, answer: str) -> None:
    """Raise an `InputError` for a tolerance of answers that are right or wrong; `answer` says which."""
    if tolerance is not None:
        raise InputError(
            f"{answer} is right or wrong, so there is no tolerance",
            expected="tolerance=None",
            received=repr(tolerance),
            hint="`tolerance` is for numbers: how far one may be off",
        )


def decided(
    certain: Floats, wrong: Booleans, risk: float, confidence: float, groups: Integers | None = None
) -> dict[str, Any]:
    """The fields of an `Acceptance` that accepts as many answers as a promise allows.

    `groups` (n,) are those of rows that depend on each other, or None. One row of each is drawn, so that the
    tests are of independent rows.
    """
    if groups is not None:
        drawn = one_of_each(groups)
        certain, wrong = certain[drawn], wrong[drawn]
    counted_rows = "rows" if groups is None else "groups"
    threshold, accepted, mistakes = risk_controlled_threshold(certain, wrong, risk, confidence, counted_rows)
    rows = len(certain)
    return {
        "threshold": threshold,
        "handed_over": ShareOfRows.of(rows - accepted, rows),
        "risk": risk,
        "confidence": confidence,
        "rows": rows,
        "accepted": accepted,
        "mistakes": mistakes,
        "by_group": groups is not None,
    }


def risk_controlled_threshold(
    certain: Floats, wrong: Booleans, risk: float, confidence: float, counted_rows: str = "rows"
) -> tuple[float, int, int]:
    """Accept the most certain answers, as many as a promise allows.

    Args:
        certain: (n,) how certain each answer is; higher is more certain. Only the order counts.
        wrong: (n,) which answers are wrong.
        risk: In (0, 1), largest share of mistakes among accepted answers.
        confidence: In (0, 1), with which that holds.
        counted_rows: Name of the answers in messages.

    Returns:
        A threshold, 0 where all are accepted: a person gets the answers up to it. How many answers are
        accepted, and how many of these are wrong.

    Raises:
        InputError: These answers do not allow the promise; it says what would do.
    """
    rows, level = len(certain), 1 - confidence
    least = _least_rows(risk, level)
    promise = f"a risk of {100 * risk:g} % with {100 * confidence:g} % confidence"
    if rows < least:
        raise InputError(
            f"Too few labelled {counted_rows} to promise {promise}",
            expected=f"at least {least:,}",
            received=f"{rows:,}",
            hint=f"Label more {counted_rows} ({least:,} without a mistake among them would do), or allow a "
            "higher risk",
        )
    order = np.argsort(-certain, kind="stable")
    ranked = certain[order]
    accepted = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True)) + 1
    mistakes = np.cumsum(wrong[order], dtype=np.int64)[accepted - 1]
    starts = _starts(rows, risk, level)
    last = _last_to_pass(at_most(mistakes, accepted, risk), accepted, starts)
    if last is None:
        raise _not_allowed(promise, rows, accepted, mistakes, starts, risk, level, counted_rows)
    number = int(accepted[last])
    return float(ranked[number]) if number < rows else 0.0, number, int(mistakes[last])


def _least_rows(risk: float, level: float) -> int:
    """The least k with (1 − risk)^k ≤ level."""
    return math.ceil(round(math.log(level) / math.log1p(-risk), 9))


def _starts(rows: int, risk: float, level: float) -> list[tuple[int, float]]:
    """The starts of sequences: a number of accepted rows, and the part of the level that each has."""
    count = 1
    while rows // 2**count >= 2 * _least_rows(risk, level / (count + 1)):
        count += 1
    halves = [rows // 2**number for number in range(count - 1, 0, -1)]
    return [(start, level / count) for start in (_least_rows(risk, level / count), *halves)]


def _not_allowed(
    promise: str,
    rows: int,
    accepted: Integers,
    wrong: Integers,
    starts: Sequence[tuple[int, float]],
    risk: float,
    level: float,
    counted_rows: str,
) -> InputError:
    """The error: mistakes allowed at the start with the lowest share of them, and rows that would do."""
    places = [int(np.searchsorted(accepted, start)) for start, _ in starts]
    best = min(places, key=lambda place: wrong[place] / accepted[place])
    part = starts[places.index(best)][1]
    most, mistakes = int(accepted[best]), int(wrong[best])
    passing = np.flatnonzero(at_most(np.arange(mistakes), most, risk) <= part)
    half, nine = (_rows_enough(rows, most, mistakes, risk, level, chance) for chance in (0.5, 0.9))
    surely = f"and about {nine:,} in nine of ten" if nine else "and no number surely would"
    return InputError(
        f"These {rows:,} labelled {counted_rows} do not allow to promise {promise}",
        expected=f"at most {counted(len(passing) - 1, 'mistake')} among the {most:,} most certain"
        if len(passing)
        else f"fewer rows as certain as the {most:,} most certain, which all have to go the same way",
        received=f"{mistakes:,}",
        hint=f"Label more {counted_rows}: about {half:,} would do in half of all cases, {surely}. Or "
        "allow a higher risk"
        if half
        else f"Allow a higher risk: of these rows {100 * mistakes / most:.2g} % are wrong, and more "
        "labels help only if rows that are more certain still are wrong less often",
    )


def _rows_enough(
    rows: int, accepted: int, wrong: int, risk: float, level: float, chance: float
) -> int | None:
    """About how many rows would do with this chance or more; None if a thousand times as many would not.

    So many rows tell the share of mistakes only roughly. The chance is over its distribution by Jeffreys'
    prior, Beta(wrong + ½, right + ½).
    """
    factors = np.geomspace(1, 1000, 200)
    parts = [_starts(int(rows * factor), risk, level)[0][1] for factor in factors]
    share = betaincinv(wrong + 0.5, accepted - wrong + 0.5, chance)
    more = np.floor(accepted * factors)
    p_value = at_most(np.ceil(share * more), more, risk)
    enough = np.flatnonzero(p_value <= parts)
    return int(float(f"{rows * factors[enough[0]]:.1e}")) if len(enough) else None


def _last_to_pass(p_value: Floats, accepted: Integers, starts: Sequence[tuple[int, float]]) -> int | None:
    """Position of the largest number of rows that may be accepted, or None; fallback procedure.

    `p_value` (J,) is that of the test at each of the rising numbers `accepted` (J,). A sequence that reaches
    the start of the next one hands its level on.
    """
    edges = [int(np.searchsorted(accepted, start)) for start, _ in starts] + [len(accepted)]
    last, handed_on = None, 0.0
    for (_, level), begin, end in zip(starts, edges, edges[1:], strict=False):
        level += handed_on
        failed = np.flatnonzero(p_value[begin:end] > level * (1 + 1e-9))  # + 1e-9: rounding
        stop = begin + int(failed[0]) if len(failed) else end
        if stop > begin:
            last = stop - 1
        handed_on = level if begin < stop == end else 0.0
    return last
