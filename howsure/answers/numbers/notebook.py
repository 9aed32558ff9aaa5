"""Views of one row of a `RegressionCertainty`, and of its scores, for notebooks."""

from __future__ import annotations

import numpy as np

from howsure import digits
from howsure.answers.numbers.evaluate import RegressionEvaluation
from howsure.answers.numbers.sentence import FEW_TARGETS, OF_ANSWERS, NumbersRow, level_of, written_of
from howsure.answers.sentences import words_of
from howsure.digits import significant
from howsure.report.notebook import View, ViewTable
from howsure.sampling.outcome import Floats
from howsure.words import counted

MOST_TARGETS = 12
"""Targets of one row that are shown; the others are counted."""

UNKNOWN = "–"


def of_row(row: NumbersRow) -> View:
    """Its sentences, and a table of its numbers with both intervals and what they are made of.

    Columns in which nothing is known are left out.
    """
    names, words = row.target_names, words_of(row.method)["between"]
    levels = {level_of(row, k) for k in range(len(names))}
    level = min(levels)  # one for all, so that they are in one column
    rows = []
    for k, name in enumerate(names[:MOST_TARGETS]):
        told = written_of(row, k, level)
        rows.append(
            [
                name,
                told.number,
                UNKNOWN if told.answers is None else digits.to(told.answers),
                UNKNOWN if told.networks is None else digits.to(told.networks),
                *(_deviation(each, k) for each in (row.spread, row.noise)),
                told.truth or UNKNOWN,
            ]
        )
    head = ["target", "number", OF_ANSWERS, f"{100 * level:g} % of {words}", "spread", "noise", "truth"]
    kept = [i for i in range(len(head)) if i < 2 or any(cells[i] != UNKNOWN for cells in rows)]
    rows = [[cells[i] for i in kept] for cells in rows]
    caption = "Numbers" if len(names) <= MOST_TARGETS else f"The first {MOST_TARGETS} of {len(names)} numbers"
    said = [f"{row.called}: {row}" if len(names) <= FEW_TARGETS else row.called]
    return View(said, [ViewTable(caption, [head[i] for i in kept], rows, numeric=range(1, len(kept)))])


def _deviation(values: Floats | None, k: int) -> str:
    return UNKNOWN if values is None or np.isnan(values[k]) else significant(float(values[k]), 2)


def of_evaluation(evaluation: RegressionEvaluation) -> View:
    """Every score that there is, and what is good."""
    head = ["score", "value and 95 % interval", "what is good"]
    rows, one = counted(evaluation.rows, "row"), len(evaluation.of_target) == 1
    tables = [
        ViewTable(
            f"Scores of {rows}" + ("" if one else f": {target}"), head, evaluation.cells(target), numeric=(1,)
        )
        for target in evaluation.of_target
    ]
    return View([evaluation.note] if evaluation.note else [], tables)
