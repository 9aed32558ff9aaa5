"""Views of one row of a `MultilabelCertainty`, and of its scores, for notebooks."""

from __future__ import annotations

import numpy as np

from howsure.answers.classes.scores import METRICS
from howsure.answers.labels.evaluate import MultilabelEvaluation
from howsure.answers.labels.sentence import MultilabelRow, sentence_of_label
from howsure.report.notebook import View, ViewTable
from howsure.words import counted

_MOST_LABELS = 12
"""Labels of one row that are shown; the others are counted."""


def of_row(row: MultilabelRow) -> View:
    """A sentence for each label, the most undecided first."""
    order = np.argsort(np.abs(row.probabilities - 0.5), kind="stable")[:_MOST_LABELS]
    rows = [[row.label_names[k], sentence_of_label(row, int(k)).split(": ", 1)[1]] for k in order]
    caption = "Labels, the most undecided first"
    if len(order) < len(row.label_names):
        caption = f"The {len(order)} most undecided of {len(row.label_names)} labels"
    return View([row.called], [ViewTable(caption, ["label", "what the model says"], rows)])


def of_evaluation(evaluation: MultilabelEvaluation) -> View:
    """Scores label by label, and their means."""
    names = ("accuracy", "nll", "brier", "ece")
    rows = [["mean over labels", *(str(evaluation.mean[name]) for name in names)]]
    rows += [
        [label, *(str(getattr(each, name)) for name in names)] for label, each in evaluation.of_label.items()
    ]
    caption = f"Scores of {counted(evaluation.rows, 'row')}, {counted(len(evaluation.of_label), 'label')}"
    head = ["label", *(METRICS[name].heading for name in names)]
    return View([], [ViewTable(caption, head, rows, numeric=(1, 2, 3, 4))])
