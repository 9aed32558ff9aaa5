"""What notebooks show of the scores of numbers."""

from __future__ import annotations

from howsure.answers.numbers.evaluate import RegressionEvaluation
from howsure.report.notebook import Table, View
from howsure.words import counted


def of_evaluation(evaluation: RegressionEvaluation) -> View:
    """Every score that there is, and what is good."""
    head = ["score", "value and 95 % interval", "what is good"]
    rows, one = counted(evaluation.rows, "row"), len(evaluation.of_target) == 1
    tables = [
        Table(
            f"Scores of {rows}" + ("" if one else f": {target}"), head, evaluation.cells(target), numeric=(1,)
        )
        for target in evaluation.of_target
    ]
    return View([evaluation.note] if evaluation.note else [], tables)
