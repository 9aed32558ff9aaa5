"""Rows as the page of numbers lists them: the least certain, and those whose answers are the farthest off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from howsure import digits
from howsure.answers.numbers.doubt import disagreement, relative_width
from howsure.answers.numbers.result import RegressionCertainty
from howsure.answers.numbers.sentence import SHOWN, NumbersRow, written_of
from howsure.digits import significant
from howsure.report.axes import TickedAxis, number_axis
from howsure.report.looks import Look, Looks
from howsure.sampling.outcome import Floats, Integers
from howsure.words import rate

MOST_LISTED = 24
"""Rows of one list."""

MOST_FARTHEST = 12

UNKNOWN = "–"


@dataclass(frozen=True)
class Strip:
    """Intervals of one row, in per cent of the width of its drawing: starts and ends, or None."""

    mean: float
    answers: tuple[float, float] | None
    networks: tuple[float, float] | None
    truth: float | None


@dataclass(frozen=True)
class ListEntry:
    """One row of a list.

    Attributes:
        row: The row.
        look: Its picture or values.
        target: Name of the number that is shown.
        number: The prediction.
        answers: Interval of 95 % of answers; a dash if unknown.
        networks: Interval of most networks; a dash if unknown.
        share: Share of the variance that is disagreement; a dash where unknown.
        truth: The true answer, or None.
        outside: Whether it lies outside its interval.
        off: How many of its standard deviations it is off, in words; empty if unknown.
        strange: Whether the row is unfamiliar.
        strip: Its drawing; None if numbers of several targets are listed.
        axis: Axis of the drawings.
    """

    row: NumbersRow
    look: Look
    target: str
    number: str
    answers: str
    networks: str
    share: str
    truth: str | None
    outside: bool
    off: str
    strange: bool
    strip: Strip | None
    axis: TickedAxis | None


def off_by(result: RegressionCertainty) -> Floats:
    """(N, K) size of errors in standard deviations of a new answer; −1 where unknown, ∞ where that is 0."""
    assert result.truth is not None
    size = np.abs(result.truth - result.mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.where(size == 0, 0.0 * result.std, size / result.std)
    return np.nan_to_num(off, nan=-1.0, posinf=np.inf)


def farthest(result: RegressionCertainty) -> Integers:
    """Positions of the rows with answers outside their 95 % intervals, the farthest first and at most 12."""
    if result.truth is None or np.isnan(result.std).all():
        return np.empty(0, dtype=np.int64)
    off = off_by(result).max(axis=1)
    order = np.argsort(-off, kind="stable")[:MOST_FARTHEST]
    return np.asarray(order[off[order] > 1.96], dtype=np.int64)


def entries_of(
    result: RegressionCertainty,
    looks: Looks,
    positions: Sequence[int],
    budget: int,
    level: float,
    *,
    farthest: bool = False,
) -> list[ListEntry]:
    """Rows at some positions as they are listed; of several numbers the least certain, or farthest off.

    Args:
        result: The result that is reported.
        looks: Pictures or values of the rows.
        positions: Positions of the rows, in their order.
        budget: Most characters that the pictures may take together.
        level: Share of networks in their intervals.
        farthest: Whether to show the number that is the farthest off.
    """
    off = None if result.truth is None else off_by(result)
    by = off if farthest and off is not None else relative_width(result.std, result.spread)
    targets = np.argmax(by[positions], axis=1).tolist()
    rows = [result[int(position)] for position in positions]
    one = len(result.target_names) == 1
    axis = _axis(rows, level) if one else None
    shown = looks.of(positions, budget)
    strange = result.unfamiliar
    entries = []
    for position, row, k, look in zip(positions, rows, targets, shown, strict=True):
        told = written_of(row, k, level)
        spread = np.nan if row.spread is None else row.spread[k]
        share = float(disagreement(spread, row.noise[k]))
        away = np.nan if off is None else float(off[position, k])
        entries.append(
            ListEntry(
                row=row,
                look=look,
                target=result.target_names[k],
                number=told.number,
                answers=UNKNOWN if told.answers is None else digits.to(told.answers),
                networks=_networks(row, k) if told.networks is None else digits.to(told.networks),
                share=rate(share, 0) if np.isfinite(share) else UNKNOWN,
                truth=told.truth,
                outside=bool(away > 1.96),
                off=significant(away, 2) if away >= 0 else "",
                strange=bool(strange[position]),
                strip=None if axis is None else _strip(row, axis, level),
                axis=axis,
            )
        )
    return entries


def _networks(row: NumbersRow, k: int) -> str:
    """The standard deviation between networks, where passes are too few for an interval."""
    known = row.spread is not None and np.isfinite(row.spread[k])
    return f"s.d. {significant(float(row.spread[k]), 2)}" if known else UNKNOWN  # type: ignore[index]


def _ends(row: NumbersRow, level: float) -> list[Floats]:
    return [row.prediction_interval(SHOWN)[0], row.credible_interval(level)[0]]


def _axis(rows: Sequence[NumbersRow], level: float) -> TickedAxis:
    values = [float(row.mean[0]) for row in rows]
    values += [float(end) for row in rows for ends in _ends(row, level) for end in ends if np.isfinite(end)]
    values += [float(row.truth[0]) for row in rows if row.truth is not None]
    low, high = min(values), max(values)
    padding = 0.02 * (high - low) or 0.1 * abs(high) or 1.0
    return number_axis(low - padding, high + padding)


def _strip(row: NumbersRow, axis: TickedAxis, level: float) -> Strip:
    answers, networks = (
        (axis.place(float(ends[0])), axis.place(float(ends[1]))) if np.isfinite(ends).all() else None
        for ends in _ends(row, level)
    )
    truth = None if row.truth is None else axis.place(float(row.truth[0]))
    return Strip(axis.place(float(row.mean[0])), answers, networks, truth)
