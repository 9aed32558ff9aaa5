"""A `RegressionCertainty` and true numbers to learn from: the shared checks."""

from __future__ import annotations

from typing import Any

import numpy as np

from howsure.answers.numbers.result import RegressionCertainty
from howsure.answers.registry import NUMBERS, check_kind
from howsure.errors import InputError
from howsure.sampling.outcome import Floats


def truth_of(result: RegressionCertainty, labels: Any) -> Floats:
    """(N, K) true numbers of a result, as given or as it has them, or an `InputError`."""
    check_kind(result, NUMBERS)
    if labels is not None:
        return result.numbered(labels)
    if result.truth is None:
        raise InputError(
            "The true numbers are not known", expected="true numbers, one per row and target", received="none"
        )
    return np.asarray(result.truth)


def scale_of(result: RegressionCertainty) -> tuple[Floats, str]:
    """(N, K) what an error of each number is measured against, and the name of that column.

    `std`, or `spread` where nothing says how far answers scatter, or 1 where nothing is known of networks.
    """
    if not np.isnan(result.std).any():
        return result.std, "std"
    if result.spread is not None and not np.isnan(result.spread).any():
        return result.spread, "spread"
    return np.ones_like(result.mean), "nothing"
