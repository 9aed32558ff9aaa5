"""Scores of one class per row as lines of a csv file, the first of which names its columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from howsure.answers.classes.evaluate import Evaluation
from howsure.judge.scores import Score


def lines(result: Any, evaluation: Evaluation) -> list[list[Any]]:
    """A line for each score, with the recall of each true class after the others.

    Args:
        result: What was evaluated.
        evaluation: Of it.
    """
    found = [[name, *ends(score)] for name, score in by_name(evaluation).items()]
    return [["score", "value", "low", "high"], *found]


def by_name(evaluation: Evaluation) -> dict[str, Score]:
    """All scores, with the recall of each true class after the others."""
    scores = {name: score for name, score in vars(evaluation).items() if isinstance(score, Score)}
    return scores | {f"recall of {name}": score for name, score in evaluation.recall.items()}


def ends(score: Score) -> list[float | str]:
    """Value and interval; an empty text for what is not known."""
    return ["" if np.isnan(end) else float(end) for end in (score.value, score.low, score.high)]
