"""Views of one row of a `Certainty`, and of its scores, for notebooks."""

from __future__ import annotations

import numpy as np

from howsure.answers.classes.evaluate import Evaluation, lowest_recall
from howsure.answers.classes.scores import METRICS
from howsure.answers.classes.sentence import MOST_NAMED, Row
from howsure.answers.sentences import percent
from howsure.judge.words import value_and_interval
from howsure.report.notebook import View, ViewTable
from howsure.words import counted, rate


def of_row(row: Row) -> View:
    """Its sentences, and the probabilities of the classes that it may be, or its two most probable ones."""
    among = [*dict.fromkeys([row.label, row.runner_up, *row.candidates])]
    named = {
        k: row.class_names[k] for k in among[: MOST_NAMED if len(among) <= MOST_NAMED else MOST_NAMED - 1]
    }
    p = {k: float(row.probabilities[k]) for k in named}
    rows = [[name, percent(p[k], float(row.mc_error[k]))] for k, name in named.items()]
    bars = [100 * each for each in p.values()]
    others = len(row.probabilities) - len(named)
    if others:
        rest = min(max(1.0 - sum(p.values()), 0.0), 1.0)
        rows.append([counted(others, "other"), rate(rest)])
        bars.append(100 * rest)
    table = ViewTable("Probabilities", ["class", "probability", ""], rows, numeric=(1,), bars=bars)
    return View([f"{row.called}: {row}"], [table])


def of_evaluation(evaluation: Evaluation) -> View:
    """Every score that is defined, and what is good."""
    rows = []
    for name, each in METRICS.items():
        score = getattr(evaluation, name)
        if np.isfinite(score.value):
            rows.append([each.heading, *value_and_interval(score), each.good])
    always = f"constant accuracy, always '{evaluation.most_frequent}'"
    rows.insert(1, [always, *value_and_interval(evaluation.constant_accuracy), ""])
    rows += [
        [f"recall of '{name}'", *value_and_interval(score), "higher is better"]
        for name, score in lowest_recall(evaluation)
    ]
    head = ["score", "value", "95 % interval", "what is good"]
    return View([], [ViewTable(f"Scores of {counted(evaluation.rows, 'row')}", head, rows, numeric=(1, 2))])
