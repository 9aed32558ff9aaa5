"""Probabilities of several labels per row that something else computed."""

from __future__ import annotations

import numpy as np

from howsure.answers.elsewhere import GIVEN_PROBABILITIES
from howsure.answers.labels.outcome import Labels
from howsure.answers.outputs import SUM_OFF
from howsure.bare.given import Kind
from howsure.bare.rounding import check_range
from howsure.models.protocol import LABEL_PROBABILITIES
from howsure.sampling.outcome import Floats, Integers


def _checked(p: Floats, numbers: Integers, dtype: str, called: str) -> Floats:
    check_range(p, numbers, called, SUM_OFF, "the probability of each label")
    return np.clip(p, 0.0, 1.0)


GIVEN = Kind(
    each="label",
    expected="an array of shape (rows, labels), the probability that each label holds",
    sums=False,
    checked=_checked,
    outcome=lambda names, limits: Labels(GIVEN_PROBABILITIES, LABEL_PROBABILITIES, names, limits),
)
