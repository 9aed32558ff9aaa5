"""The true answers of rows, which scores, calibrators, sets and rules learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.errors import InputError, warn
from howsure.inputs.labels import error_if_misread
from howsure.sampling.outcome import Integers
from howsure.statistics import proportion_interval

if TYPE_CHECKING:
    from howsure.tasks.classification.result import Certainty

BELOW_CHANCE = "The accuracy is below chance: are the labels in the order of the model's outputs?"


def truth_of(result: Any, labels: Any) -> Any:
    """(N, …) what is true of each row of a result, as given or as the result has it, or an `InputError`."""
    if labels is not None:
        return result.numbered(labels)
    if result.truth is None:
        raise InputError(
            "The true answers are not known", expected="labels, a true answer for each row", received="none"
        )
    if result.answer == "classes":
        wrong = error_if_misread(result.truth, result.truth, result.label, result.class_names)
        if wrong is not None:
            warn(f"{wrong.what}. Labels as texts, which are names, cannot be misread.")
    return result.truth


def warn_below_chance(certainty: Certainty, truth: Integers) -> None:
    """Warn if labels are wrong so often that they may be in another order."""
    right = int(np.sum(certainty.label == truth))
    classes = certainty.probabilities.shape[-1]
    if len(truth) and proportion_interval(right, len(truth))[1] < 1 / classes:
        warn(BELOW_CHANCE)
