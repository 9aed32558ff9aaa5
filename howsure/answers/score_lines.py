"""Scores as lines of a csv file, the first of which names its columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from howsure.judge.scores import Score


def of_classes(result: Any, evaluation: Any) -> list[list[Any]]:
    """A line for each score, with the recall of each true class after the others.

    Args:
        result: What was evaluated.
        evaluation: Its `Evaluation`.
    """
    lines = [[name, *_ends(score)] for name, score in _by_name(evaluation).items()]
    return [["score", "value", "low", "high"], *lines]


def of_labels(result: Any, evaluation: Any) -> list[list[Any]]:
    """A line for each score of each label, after those of the mean over labels.

    Args:
        result: What was evaluated.
        evaluation: Its `MultilabelEvaluation`.
    """
    of_each = {"": evaluation.mean} | {name: _by_name(each) for name, each in evaluation.of_label.items()}
    lines = [[name, score, *_ends(found)] for name, of in of_each.items() for score, found in of.items()]
    return [["label", "score", "value", "low", "high"], *lines]


def _by_name(evaluation: Any) -> dict[str, Score]:
    scores = {name: score for name, score in vars(evaluation).items() if isinstance(score, Score)}
    return scores | {f"recall of {name}": score for name, score in evaluation.recall.items()}


def _ends(score: Score) -> list[float | str]:
    return ["" if np.isnan(end) else float(end) for end in (score.value, score.low, score.high)]
