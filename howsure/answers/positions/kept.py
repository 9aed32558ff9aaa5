"""Probabilities of all classes at the positions of one row, where they are known."""

from __future__ import annotations

import numpy as np

from howsure.answers.positions.result import DenseCertainty
from howsure.sampling.outcome import Floats


def are_known(result: DenseCertainty) -> bool:
    """Whether the probabilities of all classes are known: they were kept, or there are two classes."""
    return result.all_probabilities is not None or len(result.class_names) == 2


def check_known(result: DenseCertainty) -> None:
    """An `InputError` that says how to keep the probabilities, unless they are known."""
    if len(result) and not are_known(result):
        known_probabilities(result, 0)


def known_probabilities(result: DenseCertainty, at: int) -> Floats:
    """(P, K) probabilities at the positions of the row at a place, in double precision.

    Raises:
        InputError: They were not kept, and there are more than two classes.
    """
    classes = len(result.class_names)
    if result.all_probabilities is None and classes == 2:
        top = np.asarray(result.probability[at], np.float64).reshape(-1)
        second = np.asarray(result.label[at]).reshape(-1) == 1
        of_second = np.where(second, top, 1 - top)
        return np.stack([1 - of_second, of_second], axis=1)
    return np.asarray(result.probabilities[at], np.float64).reshape(-1, classes)
