"""What notebooks show: a sentence and a small table, as HTML that stands alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from howsure.answers.classes.evaluate import Evaluation, lowest_recall
from howsure.answers.classes.result import Certainty
from howsure.answers.labels.evaluate import MultilabelEvaluation
from howsure.answers.labels.result import MultilabelCertainty
from howsure.answers.sentences import MultilabelRow, Row, percent, sentence_of_label
from howsure.audit import Audit
from howsure.compare.findings import lead as comparison_lead
from howsure.compare.printed import COST, SCORES, lines_of
from howsure.compare.run import HIGHER_IS_BETTER, Comparison
from howsure.compare.run import SCORES as ALL_SCORES
from howsure.judge.scores import Score
from howsure.judge.words import value_and_interval
from howsure.report.templates import environment
from howsure.results.printed import FEW_ROWS, lead, told_of
from howsure.words import counted, rate

_MOST_LABELS = 12
"""Of one row; the others are counted."""

_NEITHER = "brier_uncertainty"
"""A score that says something of the rows, and nothing of what was said about them."""


def html_of(shown: Any) -> str:
    """A result, a row of one, a comparison, an audit or an evaluation for a notebook.

    Returns:
        HTML without script or style sheet, some thousand characters. All texts in it are escaped.
    """
    told = next(function for kind, function in _TOLD if isinstance(shown, kind))
    return environment().get_template("notebook.html.j2").render(told(shown))


def _table(caption: str, head: list[str], rows: list[list[str]], **more: Any) -> dict[str, Any]:
    """A table; the first cell of each row is its heading. `numeric` are the numbers of columns of numbers."""
    return {"caption": caption, "head": head, "rows": rows, "numeric": (), "strong": (), "bars": None, **more}


def _of_result(certainty: Certainty | MultilabelCertainty) -> dict[str, Any]:
    told = list(told_of(certainty))
    several = isinstance(certainty, MultilabelCertainty)
    few = len(certainty) <= FEW_ROWS
    head = [certainty.kind if certainty.ids is None else certainty.id_name, "what the model says"]
    rows = [[str(row.row if row.id is None else row.id), said] for row, said, _ in told]
    if certainty.truth is not None:
        head.append("truth")
        for cells, (_, _, truth) in zip(rows, told, strict=True):
            cells.append(truth)
    unit = "answers" if several else f"{certainty.kind}s"
    caption = f"All {certainty.kind}s" if few else f"The {len(told)} most undecided {unit}"
    return {"said": [lead(certainty)], "tables": [_table(caption, head, rows)] if told else []}


def _of_row(row: Row) -> dict[str, Any]:
    named = {row.label: row.label_name, row.runner_up: row.runner_up_name}
    p = {k: float(row.probabilities[k]) for k in named}
    rows = [[name, percent(p[k], float(row.mc_error[k]))] for k, name in named.items()]
    bars = [100 * each for each in p.values()]
    others = len(row.probabilities) - len(named)
    if others:
        rest = min(max(1.0 - sum(p.values()), 0.0), 1.0)
        rows.append([counted(others, "other"), rate(rest)])
        bars.append(100 * rest)
    table = _table("Probabilities", ["class", "probability", ""], rows, numeric=(1,), bars=bars)
    return {"said": [f"{row.called}: {row}"], "tables": [table]}


def _of_labels(row: MultilabelRow) -> dict[str, Any]:
    order = np.argsort(np.abs(row.probabilities - 0.5), kind="stable")[:_MOST_LABELS]
    rows = [[row.label_names[k], sentence_of_label(row, int(k)).split(": ", 1)[1]] for k in order]
    caption = "Labels, the most undecided first"
    if len(order) < len(row.label_names):
        caption = f"The {len(order)} most undecided of {len(row.label_names)} labels"
    return {"said": [row.called], "tables": [_table(caption, ["label", "what the model says"], rows)]}


def _of_comparison(comparison: Comparison) -> dict[str, Any]:
    lines = lines_of(comparison)
    costs = comparison.has_costs
    head = ["method", *(heading for heading, _ in SCORES), *([COST] if costs else [])]
    rows = [[line.method, *line.values, *([line.cost] if costs else [])] for line in lines]
    strong = {(i, j + 1) for i, line in enumerate(lines) for j, best in enumerate(line.best) if best}
    caption = f"Scores on {counted(len(comparison.truth), comparison.kind)}"
    if strong:
        caption += "; bold is the best of its column, be it by chance"
    table = _table(caption, head, rows, numeric=range(1, len(head)), strong=strong)
    return {"said": [comparison_lead(comparison)], "tables": [table]}


def _of_audit(audit: Audit) -> dict[str, Any]:
    rows = [
        [layer.name, layer.kind, layer.random or layer.note or "", "every pass" if layer.repeated else "once"]
        for layer in audit.layers
    ]
    said = [audit.in_words]
    if audit.plan is not None:
        said.append(f"The plan: {audit.plan}")
    said += [f"Not switched on: {warning}" for warning in audit.warnings]
    if audit.advice:
        said.append(audit.advice)
    caption = f"Layers of {audit.model} on {audit.backend}"
    strong = {(i, 2) for i, layer in enumerate(audit.layers) if layer.random}
    head = ["layer", "kind", "random", "computed"]
    return {"said": said, "tables": [_table(caption, head, rows, strong=strong)] if rows else []}


def _of_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    rows = []
    for name in ALL_SCORES:
        score: Score = getattr(evaluation, name)
        if np.isfinite(score.value):
            better = "" if name == _NEITHER else "higher" if name in HIGHER_IS_BETTER else "lower"
            rows.append([name.replace("_", " "), *value_and_interval(score), better])
    if evaluation.constant_accuracy is not None:
        always = f"constant accuracy, always '{evaluation.most_frequent}'"
        rows.insert(1, [always, *value_and_interval(evaluation.constant_accuracy), ""])
    rows += [
        [f"recall of '{name}'", *value_and_interval(score), "higher"]
        for name, score in lowest_recall(evaluation)
    ]
    head = ["score", "value", "95 % interval", "better"]
    return {
        "said": [],
        "tables": [_table(f"Scores of {counted(evaluation.rows, 'row')}", head, rows, numeric=(1, 2))],
    }


def _of_label_evaluation(evaluation: MultilabelEvaluation) -> dict[str, Any]:
    names = ("accuracy", "nll", "brier", "ece")
    rows = [["mean over labels", *(str(evaluation.mean[name]) for name in names)]]
    rows += [
        [label, *(str(getattr(each, name)) for name in names)] for label, each in evaluation.of_label.items()
    ]
    caption = f"Scores of {counted(evaluation.rows, 'row')}, {counted(len(evaluation.of_label), 'label')}"
    return {"said": [], "tables": [_table(caption, ["label", *names], rows, numeric=(1, 2, 3, 4))]}


_TOLD: tuple[tuple[type, Callable[[Any], dict[str, Any]]], ...] = (
    (Certainty, _of_result),
    (MultilabelCertainty, _of_result),
    (Row, _of_row),
    (MultilabelRow, _of_labels),
    (Comparison, _of_comparison),
    (Audit, _of_audit),
    (Evaluation, _of_evaluation),
    (MultilabelEvaluation, _of_label_evaluation),
)
