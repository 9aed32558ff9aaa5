"""Rows with numbers for a person: which ones, and tables of their means and of where answers lie."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from howsure.digits import significant
from howsure.errors import InputError
from howsure.evaluation.handover import DIGITS, Columns
from howsure.sampling.outcome import Floats, Integers
from howsure.tasks.classification.handover import SetsTold
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.regression.sentence import SHOWN
from howsure.words import counted

CHOSEN = ("all", "unfamiliar")
"""Words that mean rows of numbers."""


def handed_over(result: RegressionCertainty, sets: Any) -> Columns:
    """The part `hand_over` of numbers; see `howsure.evaluation.handover.hand_over`."""
    ends = _interval_ends(result, sets)
    by_column = _by_column_name(result, ends)
    width = np.ptp(list(ends.values()), axis=0) if ends else np.zeros_like(result.mean)
    columns = len(by_column) // len(result.target_names)
    return {
        name: _rounded_to_width(column, width[:, at // columns]).tolist()
        for at, (name, column) in enumerate(by_column.items())
    }


def choose(rows: RegressionCertainty, which: str | None, most: int | None = None) -> Integers:
    """Positions of the rows that a word means, all rows for None, the least certain first.

    Args:
        rows: N of them.
        which: One of `CHOSEN`, or None.
        most: How many are wanted. With several targets all rows are given: the least certain target of a row
            depends on the other rows.

    Raises:
        InputError: A word for verdicts, which numbers do not have; or the familiarity is not measured.
    """
    if which is not None and which not in CHOSEN:
        raise InputError(
            f"Numbers have no verdicts, so no row of them is chosen by '{which}'",
            expected=f"one of {', '.join(CHOSEN)}",
            hint="`result.above(3.0)` asks whether each number is above 3; the answer has a verdict",
        )
    order = rows.widest()
    if which == "unfamiliar":
        rows.check_familiarity()
        order = order[rows.unfamiliar[order]]
    return np.asarray(order if len(rows.target_names) > 1 else order[:most])


class IntervalsTold(SetsTold):
    """The part `sets_told`; see `SetsTold`."""

    called = "Intervals"

    def __init__(self, result: RegressionCertainty, fitted: Callable[[RegressionCertainty], Floats]) -> None:
        super().__init__(result, fitted)
        self._rows, self._width = 0, np.zeros(len(result.target_names))

    def columns(self, result: RegressionCertainty) -> dict[str, list[Any]]:
        """The numbers of each target, and the ends of its interval."""
        ends = self._fitted(result)
        self._rows, self._width = self._rows + len(result), self._width + np.ptp(ends, axis=-1).sum(axis=0)
        columns = _by_column_name(result, _low_and_high(ends), with_truth=False)
        return {name: column.tolist() for name, column in columns.items()}

    def __str__(self) -> str:
        names, of = self._like.target_names, f"Intervals of {counted(self._rows, self._like.kind)}"
        widths = ", ".join(
            significant(float(width), 4) + (f" ('{name}')" if len(names) > 1 else "")
            for name, width in zip(names, self._width / max(1, self._rows), strict=True)
        )
        return f"{of}, on average {widths} wide." if self._rows else f"{of}."


def _rounded_to_width(numbers: Floats, widths: Floats) -> Floats:
    """Numbers (N,) with `DIGITS` of the width (N,) of their intervals; as they are where none is above 0."""
    decimals = [DIGITS - 1 - math.floor(math.log10(width)) if width > 0 else None for width in widths]
    pairs = zip(numbers.tolist(), decimals, strict=True)
    return np.array([number if some is None else round(number, some) for number, some in pairs])


def _interval_ends(result: RegressionCertainty, sets: Any) -> dict[str, Floats]:
    """(N, K) ends of intervals by the names of their columns."""
    if sets is not None:
        if not callable(sets):
            raise InputError(
                "`sets` cannot be used",
                expected="what howsure.prediction_intervals gives, or None",
                received=repr(sets)[:200],
            )
        ends = np.asarray(sets(result))
        if ends.shape != (*result.mean.shape, 2):
            raise InputError(
                "`sets` gives no intervals of these rows",
                expected="what howsure.prediction_intervals gives: an array of shape "
                f"{(*result.mean.shape, 2)}",
                received=f"one of shape {ends.shape}",
            )
        return _low_and_high(ends)
    known_rows = np.flatnonzero(np.isfinite(result.std).all(axis=-1))
    if len(known_rows):
        ends = np.full((*result.mean.shape, 2), np.nan)
        ends[known_rows] = result[known_rows].prediction_interval(SHOWN)
        return _low_and_high(ends)
    return {} if result.quantiles is None else _low_and_high(result.credible_interval(SHOWN), "network_")


def _low_and_high(ends: Floats, of: str = "") -> dict[str, Floats]:
    return {f"{of}low": ends[..., 0], f"{of}high": ends[..., 1]}


def _by_column_name(
    result: RegressionCertainty, ends: dict[str, Floats], *, with_truth: bool = True
) -> dict[str, Floats]:
    """(N,) by the names of columns: the numbers of one target beside each other."""
    wide = {"mean": result.mean, **ends}
    if with_truth and result.truth is not None:
        wide["truth"] = result.truth
    called = {name: _column_names(name, result) for name in wide}
    return {called[name][k]: wide[name][:, k] for k in range(len(result.target_names)) for name in wide}


def _column_names(name: str, result: RegressionCertainty) -> list[str]:
    names = result.target_names
    return [name] if len(names) == 1 else [f"{name}.{target}" for target in names]
