"""What notebooks show of the scores of a class at each position."""

from __future__ import annotations

from howsure.answers.positions.evaluate import DenseEvaluation
from howsure.report.notebook import Table, View


def of_evaluation(evaluation: DenseEvaluation) -> View:
    """Every score that there is, what is good, and Dice and IoU of each class."""
    head = ["score", "value and 95 % interval", "what is good"]
    scores = Table(f"Scores of {evaluation.counted}", head, evaluation.cells(), numeric=(1,))
    columns = ["class", "Dice", "IoU", "true positions"]
    classes = Table("Classes", columns, evaluation.cells_of_classes(), numeric=(1, 2, 3))
    return View(evaluation.sentences(), [scores, classes])
