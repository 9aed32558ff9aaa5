"""Probabilities of classes that something else computed."""

from __future__ import annotations

from howsure.answers.classes.outcome import Classes
from howsure.answers.elsewhere import GIVEN_PROBABILITIES
from howsure.bare.given import Kind
from howsure.bare.rounding import distributions
from howsure.models.protocol import PROBABILITIES

GIVEN = Kind(
    each="class",
    expected="an array of shape (rows, classes), or (rows,) of the second of two classes",
    sums=True,
    checked=distributions,
    outcome=lambda names, limits: Classes(GIVEN_PROBABILITIES, PROBABILITIES, "float64", names, limits),
)
