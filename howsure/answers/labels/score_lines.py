"""Scores of several labels per row as lines of a csv file, the first of which names its columns."""

from __future__ import annotations

from typing import Any

from howsure.answers.classes.score_lines import by_name, ends
from howsure.answers.labels.evaluate import MultilabelEvaluation


def lines(result: Any, evaluation: MultilabelEvaluation) -> list[list[Any]]:
    """A line for each score of each label, after those of the mean over labels.

    Args:
        result: What was evaluated.
        evaluation: Of it.
    """
    of_each = {"": evaluation.mean} | {name: by_name(each) for name, each in evaluation.of_label.items()}
    found = [[name, score, *ends(each)] for name, of in of_each.items() for score, each in of.items()]
    return [["label", "score", "value", "low", "high"], *found]
