"""From a `Comparison` to one self-contained HTML page."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from howsure.atomic import write_whole
from howsure.compare.findings import (
    Finding,
    called,
    factor_of,
    findings,
    in_numbers,
    lead,
    percent_more,
    the,
)
from howsure.compare.printed import is_known
from howsure.compare.run import AS_THEY_ARE, HIGHER_IS_BETTER, Comparison
from howsure.judge.scores import LEAST_MISTAKES, Score
from howsure.judge.words import value_and_interval
from howsure.report.axes import Axis, number_axis
from howsure.report.templates import environment
from howsure.words import UNIT

_TITLE = "Which method is better here?"

SCORES = {
    "accuracy": "Accuracy, %",
    "nll": "NLL",
    "brier": "Brier",
    "ece": "ECE",
    "aurc": "AURC",
    "error_auroc": "Error AUROC",
}
"""Scores of the rows as they are, with their headings."""

SHIFTED = {"nll": "NLL", "accuracy": "Accuracy, %"}
OUTSIDE = {"outside_auroc": "AUROC", "outside_fpr95": "FPR95"}

UNDEFINED = "–"
TRUER, LESS_TRUE, CANNOT_TELL = "more accurate", "less accurate", "cannot tell"

_TIMES = "×\u00a0"
_MARGIN = 0.08
_LONGEST_LABEL = 24


def write_comparison(
    path: str | os.PathLike[str], comparison: Comparison, *, title: str | None = None
) -> None:
    """Write the page that `render_comparison` makes; an earlier file stays until the new one is complete.

    Args:
        path: The HTML file.
        comparison: What is reported.
        title: As for `render_comparison`.

    Raises:
        FileError: The file cannot be written.
    """
    page = render_comparison(comparison, title=title)
    write_whole(path, lambda temporary: Path(temporary).write_text(page, encoding="utf-8"))


def render_comparison(comparison: Comparison, *, title: str | None = None) -> str:
    """One HTML page about methods on the same rows: which is better, by how much, whether the rows can tell.

    The page holds its figures and styles and asks for nothing from outside.

    Args:
        comparison: Of one method or more.
        title: A line above the heading; None stands for one that asks which method is better here.

    Returns:
        HTML. Scores that are not defined are dashes, and the page says why.
    """
    main, *others = findings(comparison)
    shifted = comparison.sets[1:]
    tables = {"scores": _table(comparison, [(name, AS_THEY_ARE) for name in SCORES])}
    for name in SHIFTED if shifted else ():
        tables[name] = _table(comparison, [(name, rows) for rows in comparison.sets])
    if comparison.outside:
        columns = [(name, rows) for rows in comparison.outside for name in OUTSIDE]
        tables["outside"] = _table(comparison, columns)
    cells = [cell for table in tables.values() for _, row in table for cell in row]
    costs = {
        method: f"{cost:.1f}" if np.isfinite(cost) else UNDEFINED for method, cost in comparison.costs.items()
    }
    first = next(iter(comparison.certainties.values()))
    context: dict[str, Any] = {
        "title": _TITLE if title is None else title,
        "lead": lead(comparison),
        "script": None,
        "kind": comparison.kind,
        "kinds": f"{comparison.kind}s",
        "rows": len(comparison.truth),
        "methods": comparison.methods,
        "baseline": the(comparison, comparison.methods[0]),
        "shifted": shifted,
        "outside": comparison.outside,
        "main": main,
        "others": others,
        "drawing": draw_differences(comparison) if len(comparison.methods) > 1 else None,
        "scores": SCORES,
        "shift_scores": SHIFTED,
        "outside_scores": OUTSIDE,
        "outside_headings": [
            f"{rows}: {heading}" for rows in comparison.outside for heading in OUTSIDE.values()
        ],
        "higher": HIGHER_IS_BETTER,
        "tables": tables,
        "costs": costs,
        "has_costs": comparison.has_costs,
        "undefined": any(cell.value == UNDEFINED for cell in cells),
        "without_interval": any(cell.value != UNDEFINED and not cell.interval for cell in cells),
        "least_mistakes": LEAST_MISTAKES,
        "unknown_cost": comparison.has_costs and UNDEFINED in costs.values(),
        "marked": any(cell.best or cell.equal for cell in cells),
        "kinds_of_method": _kinds_of_method(comparison),
        "familiarities": [called(comparison, name) for name in comparison.familiarities],
        "calibrated": bool(comparison.calibrations),
        "version": first.version,
        "seed": first.seed,
    }
    context["sections"] = _sections(main, others, comparison)
    return environment().get_template("comparison.html.j2").render(context)


def _sections(main: Finding, others: Sequence[Finding], comparison: Comparison) -> dict[str, str]:
    sections = {"main": main.question}
    if others:
        sections["answers"] = "Other questions"
    sections["scores"] = "All scores"
    if len(comparison.sets) > 1:
        sections["changed"] = f"Scores of changed {comparison.kind}s"
    if comparison.outside:
        sections["outside"] = "Scores on OOD rows"
    sections["reading"] = "How to read this page"
    return sections


def _kinds_of_method(comparison: Comparison) -> dict[str, list[str]]:
    """Names of the methods that are not calibrated, by what their kind says of itself."""
    found: dict[str, list[str]] = {}
    for name, method in comparison.kinds.items():
        if name not in comparison.calibrations:
            found.setdefault(method.in_words, []).append(name)
    return found


# --- tables -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """One score in a table.

    Attributes:
        value: As text; a dash where it is not defined.
        interval: As text; empty where there is none.
        best: Whether no method has a better value.
        equal: Whether it is not the best, but the rows cannot tell it from the best.
    """

    value: str
    interval: str
    best: bool
    equal: bool


def _table(comparison: Comparison, columns: Iterable[tuple[str, str]]) -> list[tuple[str, tuple[Cell, ...]]]:
    """One line of cells for each method, and each familiarity that has the scores.

    Columns are scores and sets of rows.
    """
    found = [_column(comparison, name, rows) for name, rows in columns]
    names = {name: called(comparison, name) for name in comparison.familiarities}
    return [(names.get(name, name), tuple(column[name] for column in found)) for name in found[0]]


def _column(comparison: Comparison, name: str, rows: str) -> dict[str, Cell]:
    scores = {method: comparison.score(method, name, rows) for method in comparison.rivals(name, rows)}
    ranking = comparison.ranked(name, rows)
    values = {score.value for score in scores.values() if np.isfinite(score.value)}
    known = is_known(comparison, name, ranking.best, rows)
    cells = {}
    for method, score in scores.items():
        tells = known and len(values) > 1
        best = tells and score.value == scores[str(ranking.best)].value
        equal = tells and not best and method in ranking.tied
        cells[method] = Cell(*value_and_interval(score, per_cent=name == "accuracy"), best, equal)
    return cells


# --- the drawing --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One method in the drawing.

    Attributes:
        method: Its name.
        verdict: `more accurate`, `less accurate`, or `cannot tell` if the interval contains 0.
        value: How much more it gives the true class than the baseline, as text.
        interval: As text; empty where it has no width.
        at: Place of the value, in per cent of the width.
        low: Place of the lower end.
        high: Place of the upper end.
    """

    method: str
    verdict: str
    value: str
    interval: str
    at: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the rows can tell this method from the baseline."""
        return self.verdict != CANNOT_TELL


@dataclass(frozen=True)
class DifferenceDrawing:
    """How much more than the baseline each method gives the true class, in the geometric mean.

    Attributes:
        lines: One for each other method, that with the most accurate percentages first.
        across: Axis in per cent more, or of factors where one is 2 or more; the baseline lies within.
        zero: Place of the baseline, in per cent of the width.
        label: What that place means.
    """

    lines: tuple[Line, ...]
    across: Axis
    zero: float
    label: str


def draw_differences(comparison: Comparison) -> DifferenceDrawing:
    """Lay out how much more than the baseline methods give the true classes of the rows as they are."""
    baseline, *others = comparison.methods
    gaps = {method: comparison.difference(method, baseline, "nll") for method in others}
    factors = {method: factor_of(gap) for method, gap in gaps.items()}
    as_factors = any(factor.value >= 2 for factor in factors.values())
    shown = factors if as_factors else {method: percent_more(factor) for method, factor in factors.items()}
    zero = 1.0 if as_factors else 0.0
    drawn = {method: _drawn(score) for method, score in shown.items()}
    ends = [zero, *(end for score in drawn.values() for end in (score.low, score.high))]
    span = (max(ends) - min(ends)) or 0.02
    across = number_axis(min(ends) - _MARGIN * span, max(ends) + _MARGIN * span)
    ticks = tuple((place, _TIMES + label if as_factors else label + UNIT) for place, label in across.ticks)
    lines = []
    for method in sorted(others, key=lambda method: gaps[method].value):
        score = shown[method]
        verdict = CANNOT_TELL
        if gaps[method].excludes_zero:
            verdict = TRUER if gaps[method].value < 0 else LESS_TRUE
        value, interval = in_numbers(score, "" if as_factors else UNIT)
        sign = _TIMES if as_factors else "+" if score.value > 0 else ""
        of = drawn[method]
        places = (across.place(number) for number in (of.value, of.low, of.high))
        lines.append(Line(method, verdict, sign + value, interval, *places))
    name = the(comparison, baseline)
    short = name if len(name) <= _LONGEST_LABEL else name[: _LONGEST_LABEL - 1] + "…"
    return DifferenceDrawing(
        tuple(lines), replace(across, ticks=ticks), across.place(zero), f"as much as {short}"
    )


def _drawn(score: Score) -> Score:
    """A score whose interval is drawn: a dot alone where it is not known."""
    known = np.isfinite(score.low + score.high)
    return score if known else Score(score.value, score.value, score.value)
