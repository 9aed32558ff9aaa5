"""From a `Comparison` to one self-contained HTML page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from howsure.atomic import PAGES, check_ending, write_whole
from howsure.compare.comparison import AS_THEY_ARE, Comparison
from howsure.compare.findings import REASONS, TAKE, brief, chosen, findings, is_known, lead, scales_of
from howsure.compare.parts import ACCURACY, ALTERNATIVES, CALIBRATION, DISCRIMINATION, ORDER
from howsure.compare.reasons import WHOLE, reasons
from howsure.compare.sentences import cost_in_words, the
from howsure.evaluation.metrics import Metric
from howsure.evaluation.score import LEAST_MISTAKES, OUTSIDE
from howsure.report.notebook import Cell, ViewTable
from howsure.report.templates import environment
from howsure.words import rate, upper

_TITLE = "Which method is better here?"

UNDEFINED = "–"

COLUMNS: Mapping[str, tuple[str, str]] = {
    WHOLE: ("In all", "the next four together"),
    CALIBRATION: ("Calibration", "how true its claims are"),
    ACCURACY: ("Answers", "how good they are"),
    ORDER: ("Order", "which answers are doubtful"),
    ALTERNATIVES: ("Alternatives", "what else it could be"),
    DISCRIMINATION: ("Once all are calibrated", "all but the first of these"),
}
"""Heading of each part of a gain, and what it means."""


def write_comparison(
    path: str | os.PathLike[str], comparison: Comparison, *, title: str | None = None
) -> None:
    """Write the page that `render_comparison` makes; an earlier file stays until the new one is complete.

    Raises:
        InputError: The name has another ending than `.html`.
        FileError: The file cannot be written.
    """
    check_ending(path, PAGES, needed=False)
    page = render_comparison(comparison, title=title)
    write_whole(path, lambda temporary: Path(temporary).write_text(page, encoding="utf-8"))


def render_comparison(comparison: Comparison, *, title: str | None = None) -> str:
    """One HTML page about methods on the same rows: which is better, why, by how much, and at what cost.

    The page holds its figures and styles and asks for nothing from outside.

    Args:
        comparison: Comparison of one method or more.
        title: A line above the heading. Default: the question which method is better here.

    Returns:
        HTML. Scores that are not defined are dashes, and the page says why.
    """
    words, first = comparison.words, next(iter(comparison.certainties.values()))
    said, taken = brief(comparison), chosen(comparison)
    tables = _tables(comparison)
    every = [cell for group in tables.values() for table in group for line in table.rows for cell in line]
    cells = [cell for cell in every if isinstance(cell, Cell)]
    context: dict[str, Any] = {
        "comparison": comparison,
        "title": _TITLE if title is None else title,
        "lead": lead(comparison),
        "take": said[TAKE],
        "taken": None if comparison.ranked(words.main).best is None else taken,
        "brief": {head: sentences for head, sentences in said.items() if head != TAKE},
        "script": None,
        "kind": comparison.kind,
        "kinds": f"{comparison.kind}s",
        "baseline": the(comparison, comparison.methods[0]),
        "needs": comparison.comparing.needs,
        "shifted": comparison.sets[1:],
        "outside": comparison.outside,
        "answers": [finding for finding in findings(comparison) if finding.question != REASONS],
        "reasons": _reasons(comparison),
        "gains": gains_of(comparison) if len(comparison.methods) > 1 else None,
        "tables": tables,
        "with_costs": comparison.has_costs,
        "unknown_costs": comparison.has_costs and not np.isfinite([*comparison.costs.values()]).all(),
        "undefined": any(cell.value == UNDEFINED for cell in cells),
        "without_interval": any(cell.value != UNDEFINED and not cell.aside for cell in cells),
        "least_mistakes": LEAST_MISTAKES,
        "marked": any(cell.best or cell.equal for cell in cells),
        "kinds_of_method": _kinds_of_method(comparison),
        "calibrated": bool(comparison.calibrations),
        "version": first.version,
        "seed": first.seed,
    }
    context |= _glossary(comparison, context)
    return environment().get_template(words.page).render(context)


def _glossary(comparison: Comparison, context: Mapping[str, Any]) -> dict[str, dict[Markup, list[str]]]:
    """Scores that the page shows by their explanations; those of OOD rows apart, as they come last."""
    terms, of_outside = dict[Markup, list[str]](), dict[Markup, list[str]]()
    for name, metric in comparison.comparing.metrics.items():
        if metric.term is not None and (name not in OUTSIDE or comparison.outside):
            term = Markup(environment().from_string(metric.term).render(context))
            (of_outside if name in OUTSIDE else terms).setdefault(term, []).append(metric.compared)
    return {"terms": terms, "outside_terms": of_outside}


def _kinds_of_method(comparison: Comparison) -> dict[str, list[str]]:
    """Names of the methods that are not calibrated, by what their kind says of itself."""
    kinds: dict[str, list[str]] = {}
    for name in comparison.methods:
        if name not in comparison.calibrations:
            said = comparison.kinds[name].in_words if comparison.has_costs else comparison.words.given
            kinds.setdefault(said, []).append(name)
    return kinds


# --- tables -------------------------------------------------------------------------------------------


def _tables(comparison: Comparison) -> dict[str, list[ViewTable]]:
    """Tables by section."""
    scores, sets = comparison.comparing.metrics, comparison.sets
    shown = [metric for metric in scores.values() if metric.term is not None]
    beside = [
        (metric.heading.replace("outside", f"{rows}:"), metric, rows)
        for rows in comparison.outside
        for metric in shown
        if metric.name in OUTSIDE
    ]
    usual = [(metric.column, metric, AS_THEY_ARE) for metric in shown if metric.name not in OUTSIDE]
    changed = [scores[name] for name in comparison.words.changed if len(sets) > 1]
    of_changed = f"changed {comparison.kind}s"
    return {
        "scores": [_table(comparison, "All scores", usual, with_costs=comparison.has_costs)],
        "changed": [
            _table(comparison, f"{metric.column} of {of_changed}", [(rows, metric, rows) for rows in sets])
            for metric in changed
        ],
        "outside": [_table(comparison, "Scores on OOD rows", beside)] if beside else [],
    }


def _table(
    comparison: Comparison,
    caption: str,
    columns: Sequence[tuple[str, Metric, str]],
    *,
    with_costs: bool = False,
) -> ViewTable:
    """A line for each method, with a `Cell` for each column (heading, score, rows), and maybe its cost."""
    scores = [_column(comparison, metric.name, rows) for _, metric, rows in columns]
    head = ["Method", *(heading for heading, _, _ in columns)]
    better = ["higher is better" if metric.higher else "lower is better" for _, metric, _ in columns]
    lines: list[list[Any]] = [[name, *(column[name] for column in scores)] for name in comparison.methods]
    scales = scales_of(comparison) if all(rows == AS_THEY_ARE for *_, rows in columns) else {}
    if scales:
        heading, means = comparison.words.scale
        head.append(upper(heading))
        better.append(means)
        for line in lines:
            line.append(Cell(*scales[line[0]]) if line[0] in scales else "")
    if with_costs:
        head.append("Cost")
        better.append("plain predictions")
        for line in lines:
            cost = comparison.costs[line[0]]
            line.append(cost_in_words(cost) if np.isfinite(cost) else UNDEFINED)
    return ViewTable(caption, head, lines, range(1, len(head)), asides=dict(enumerate(better, 1)))


def _column(comparison: Comparison, name: str, rows: str) -> dict[str, Cell]:
    scores = {method: comparison.score(method, name, rows) for method in comparison.methods}
    ranking = comparison.ranked(name, rows)
    values = {score.value for score in scores.values() if np.isfinite(score.value)}
    is_sure, definition = is_known(comparison, name, ranking.best, rows), comparison.comparing.metrics[name]
    cells = {}
    for method, score in scores.items():
        tells = is_sure and len(values) > 1
        best = tells and score.value == scores[str(ranking.best)].value
        equal = tells and not best and method in ranking.tied
        cells[method] = Cell(*comparison.words.cell(score, definition.per_cent), best, equal)
    return cells


# --- reasons --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reason:
    """Why a method is better or worse, and what it claims beside what came true.

    Attributes:
        method: Its name.
        said: A few sentences; empty if nothing is known.
        claimed: Its claims beside the truth, in short, unless `said` has them.
    """

    method: str
    said: str
    claimed: str


def _reasons(comparison: Comparison) -> list[Reason]:
    """Reasons of all methods that are not calibrated, the one to take first."""
    sentences, taken = reasons(comparison), chosen(comparison)
    plain = [method for method in comparison.methods if method not in comparison.calibrations]
    plain.sort(key=lambda method: method != comparison.calibrations.get(taken, taken))
    return [
        Reason(method, sentences.get(method, ""), _claims(comparison, method, sentences.get(method, "")))
        for method in plain
    ]


def _claims(comparison: Comparison, method: str, said: str) -> str:
    """The claims of a method beside the truth, in short; empty if there are none, or sentences have them."""
    claims = comparison.claims.get((method, AS_THEY_ARE))
    if claims is None or all(rate(share) in said for share in (claims.claimed, claims.true)):
        return ""
    return comparison.words.claimed(claims)


# --- gains ----------------------------------------------------------------------------------------------


def gains_of(comparison: Comparison) -> ViewTable:
    """How much better than the baseline methods are on the rows as they are, and in which parts.

    The best come first, and calibrated ones last. A difference by more than chance is bold.
    """
    baseline, *others = comparison.methods
    words = comparison.words
    differences = {(method, WHOLE): comparison.difference(method, baseline, words.main) for method in others}
    for method, part in product(others, COLUMNS):
        if part != WHOLE and (gap := comparison.part(method, part)) is not None:
            differences[method, part] = gap
    differences = {key: gap for key, gap in differences.items() if np.isfinite(gap.value)}
    # What differs by an error of rounding is equal.
    gaps = {key: replace(gap, value=round(gap.value, 9) + 0.0) for key, gap in differences.items()}
    cells = {
        key: Cell(*words_of_gain, best=gaps[key].excludes_zero, equal=False)
        for key, words_of_gain in words.gains(gaps).items()
    }
    parts = {part: COLUMNS[part] for part in COLUMNS if any(part == name for _, name in gaps)}
    order = [method for method in others if (method, WHOLE) in gaps]
    order.sort(key=lambda method: (method in comparison.calibrations, gaps[method, WHOLE].value))
    head = ["Method", *(heading for heading, _ in parts.values())]
    means = [meaning for _, meaning in parts.values()] if len(parts) > 1 else []
    lines = [[method, *(cells.get((method, part), "") for part in parts)] for method in order]
    return ViewTable(
        "Gains and their parts", head, lines, range(1, len(head)), asides=dict(enumerate(means, 1))
    )
