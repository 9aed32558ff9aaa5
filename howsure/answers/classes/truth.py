"""A `Certainty` and true classes to learn from: the shared checks."""

from __future__ import annotations

from typing import Any

import numpy as np

from howsure.answers.classes.result import Certainty
from howsure.answers.registry import CLASSES, check_kind
from howsure.data.labels import misread
from howsure.errors import InputError, warn
from howsure.sampling.outcome import Integers
from howsure.statistics import proportion_interval

BELOW_CHANCE = "The accuracy is below chance: are the labels in the order of the model's outputs?"


def truth_of(certainty: Certainty, labels: Any) -> Integers:
    """(N,) true classes of a `Certainty`, as given or as it has them, or an `InputError`."""
    check_kind(certainty, CLASSES)
    if labels is not None:
        return certainty.numbered(labels)
    if certainty.truth is None:
        raise InputError(
            "The true classes are not known", expected="labels, one true class per row", received="none"
        )
    wrong = misread(certainty.truth, certainty.truth, certainty.label, certainty.class_names)
    if wrong is not None:
        warn(f"{wrong.what}. Labels as texts, which are names, cannot be misread.")
    return certainty.truth


def warn_below_chance(certainty: Certainty, truth: Integers) -> None:
    """Warn if labels are wrong so often that they may be in another order."""
    right = int(np.sum(certainty.label == truth))
    classes = certainty.probabilities.shape[-1]
    if len(truth) and proportion_interval(right, len(truth))[1] < 1 / classes:
        warn(BELOW_CHANCE)
