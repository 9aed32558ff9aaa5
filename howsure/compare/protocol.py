"""What a kind of answer brings so that results of it can be compared: its part `compare`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Comparing:
    """How results of one kind are scored side by side.

    Attributes:
        truth: From labels as a caller gives them, how many rows there are, and the plain prediction of the
            first of them, to the true answers; an `InputError` for what they cannot be.
        known: From a result, and labels or None, to the true answers.
        aligned: From name and result, and name and result of the baseline, to the result with its classes
            in the order of the baseline; an `InputError` if the classes differ.
        scored: From a result, the true answers, and a seed, to an evaluation with a score by each name.
        beside: From an evaluation, its result, and one of OOD rows, to an evaluation of both.
        familiar: From such an evaluation, (N,) and (M,) familiarities, to how well these tell rows apart.
        calibrated: From a result, the true answers, the same rows under shifts, and OOD rows, to
            all of them calibrated: those of the known rows, and the OOD ones. Takes `seed`.
    """

    truth: Callable[[Any, int, Any], Any]
    known: Callable[[Any, Any], Any]
    aligned: Callable[[str, Any, str, Any], Any]
    scored: Callable[[Any, Any, int], Any]
    beside: Callable[[Any, Any, Any], Any]
    familiar: Callable[[Any, Any, Any], Any]
    calibrated: Callable[..., tuple[list[Any], list[Any]]]
