"""From a `Comparison` to one self-contained HTML page."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from howsure.atomic import write_whole
from howsure.compare.comparison import AS_THEY_ARE, Comparison
from howsure.compare.findings import Finding, findings, lead
from howsure.compare.phrases import called, the
from howsure.compare.printed import is_known
from howsure.judge.scores import LEAST_MISTAKES, Score
from howsure.report.axes import Axis, number_axis
from howsure.report.templates import environment

_TITLE = "Which method is better here?"

OUTSIDE = {"outside_auroc": "AUROC", "outside_fpr95": "FPR95"}

UNDEFINED = "–"
CANNOT_TELL = "cannot tell"

_MARGIN = 0.08
_LONGEST_LABEL = 24


def write_comparison(
    path: str | os.PathLike[str], comparison: Comparison, *, title: str | None = None
) -> None:
    """Write the page that `render_comparison` makes; an earlier file stays until the new one is complete.

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
    words = comparison.words
    shifted = comparison.sets[1:]
    tables = {"scores": _table(comparison, [(name, AS_THEY_ARE) for name in words.columns])}
    for name in words.changed if shifted else ():
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
        "rows": comparison.rows,
        "methods": comparison.methods,
        "baseline": the(comparison, comparison.methods[0]),
        "needs": comparison.comparing.needs,
        "shifted": shifted,
        "outside": comparison.outside,
        "background": comparison.background,
        "main": main,
        "others": others,
        "drawing": draw_differences(comparison) if len(comparison.methods) > 1 else None,
        "scores": words.columns,
        "shift_scores": words.changed,
        "outside_scores": OUTSIDE,
        "outside_headings": [
            f"{rows}: {heading}" for rows in comparison.outside for heading in OUTSIDE.values()
        ],
        "higher": comparison.comparing.higher,
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
    return environment().get_template(words.page).render(context)


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
        cells[method] = Cell(*comparison.words.cell(score, name), best, equal)
    return cells


# --- the drawing --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One method in the drawing.

    Attributes:
        method: Its name.
        verdict: That it is better or worse, or `cannot tell` if the interval contains 0.
        value: How much better it is than the baseline, as text.
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
    """How much better than the baseline each method is, in the score that decides which to take.

    Attributes:
        lines: One for each other method, the best first.
        across: Axis on which further right is better; the baseline lies within.
        zero: Place of the baseline, in per cent of the width.
        label: What that place means.
    """

    lines: tuple[Line, ...]
    across: Axis
    zero: float
    label: str


def draw_differences(comparison: Comparison) -> DifferenceDrawing:
    """Lay out how much better than the baseline the methods are on the rows as they are."""
    baseline, *others = comparison.methods
    words = comparison.words
    gaps = {method: comparison.difference(method, baseline, words.main) for method in others}
    shown = words.drawn(gaps)
    drawn = {method: _drawn(score) for method, score in shown.scores.items()}
    ends = [shown.zero, *(end for score in drawn.values() for end in (score.low, score.high))]
    ends = [end for end in ends if np.isfinite(end)]
    span = (max(ends) - min(ends)) or 0.02
    across = number_axis(min(ends) - _MARGIN * span, max(ends) + _MARGIN * span)
    ticks = tuple((place, shown.tick(label)) for place, label in across.ticks)
    lines = []
    for method in sorted(
        (each for each in others if np.isfinite(gaps[each].value)), key=lambda method: gaps[method].value
    ):
        verdict = CANNOT_TELL
        if gaps[method].excludes_zero:
            verdict = words.better if gaps[method].value < 0 else words.worse
        value, interval = shown.value(shown.scores[method])
        of = drawn[method]
        places = (across.place(number) for number in (of.value, of.low, of.high))
        lines.append(Line(method, verdict, value, interval, *places))
    name = the(comparison, baseline)
    short = name if len(name) <= _LONGEST_LABEL else name[: _LONGEST_LABEL - 1] + "…"
    return DifferenceDrawing(
        tuple(lines), replace(across, ticks=ticks), across.place(shown.zero), f"{shown.label} {short}"
    )


def _drawn(score: Score) -> Score:
    """A score whose interval is drawn: a dot alone where it is not known."""
    known = np.isfinite(score.low + score.high)
    return score if known else Score(score.value, score.value, score.value)
