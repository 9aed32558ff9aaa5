"""Sentences on the parts of the scatter, the width of rows beside each other, and whether passes suffice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from howsure.sampling.outcome import Booleans, Floats
from howsure.tasks.sentences import words_of

TARGET_SHARE = 0.05
"""Share of the standard deviation of a number: the standard error of its mean that is good enough where
`target_error` is not given. ± 1.96 of it is a tenth of the standard deviation. `docs/numbers-coverage.md`
says what half and twice of it do."""

ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""Share of a number by which a model in single precision may be off: a few roundings."""


def disagreement(spread: ArrayLike, noise: ArrayLike) -> Floats:
    """(…) share of the variance of an answer that networks disagree about: spread²/(spread² + noise²).

    NaN where either is unknown, or where both are 0.

    Args:
        spread: (…) standard deviation between networks.
        noise: (…) standard deviation of answers around their mean.
    """
    of_networks, variance = np.square(spread), np.square(spread) + np.square(noise)
    return np.asarray(
        np.divide(of_networks, variance, out=np.full_like(variance, np.nan), where=variance > 0)
    )


def disagreement_error(spread: ArrayLike, spread_error: ArrayLike, noise: ArrayLike) -> Floats:
    """(…) standard error of `disagreement` by the delta method: 2 · share · (1 − share) · error/spread.

    The noise is taken as it is: its own error is not known.

    Args:
        spread: (…) as there.
        spread_error: (…) standard error of it; NaN where unknown.
        noise: (…) as there.
    """
    of_networks, share = np.asarray(spread, dtype=np.float64), disagreement(spread, noise)
    relative = np.divide(spread_error, of_networks, out=np.zeros_like(of_networks), where=of_networks > 0)
    return np.asarray(2 * share * (1 - share) * relative)


def scatter(std: Floats, spread: Floats | None) -> Floats:
    """(…) standard deviation of an answer, or between networks where that is unknown; NaN without either."""
    return np.where(np.isnan(std), np.nan if spread is None else spread, std)


def relative_width(std: Floats, spread: Floats | None) -> Floats:
    """(N, K) `scatter` by its median over the rows, as targets have units of their own; −1 where unknown.

    Args:
        std: (N, K) standard deviation of an answer; NaN where unknown.
        spread: (N, K) standard deviation between networks, or None.
    """
    width = scatter(std, spread)
    usual = np.array([np.nanmedian(column) if np.isfinite(column).any() else 1.0 for column in width.T])
    return np.nan_to_num(width / np.where(usual > 0, usual, 1.0), nan=-1.0)


def target_share(method: Mapping[str, Any]) -> float | None:
    """Error of a mean, as a share of `scatter`, at which a row needs no more passes.

    None if the method does not stop at one: the caller set the number of passes, or an error in a unit.
    """
    if method.get("max_error") is not None or "max_passes" not in words_of(method)["more"]:
        return None
    return float(method.get("target_error") or TARGET_SHARE)


def target_error(width: Floats, method: Mapping[str, Any]) -> Floats:
    """(…) the same in the unit of the number, or `max_error`; infinite if passes are set."""
    share = target_share(method)
    return np.full(np.shape(width), method.get("max_error") or np.inf) if share is None else share * width


def needs_passes(mean: Floats, error: Floats, width: Floats, method: Mapping[str, Any]) -> Booleans:
    """(…) whether the error of a mean is larger than it should be; not where it is rounding.

    Args:
        mean: (…)
        error: (…) standard error of it; NaN where unknown.
        width: (…) as `scatter` gives it.
        method: Settings of the method.
    """
    target, size = target_share(method), np.abs(mean)
    # In single precision the error is at least its rounding, so a smaller one is none.
    rounding = ROUNDING * size * (1 - 1e-6), ROUNDING * (size + np.nan_to_num(width))
    is_rounding = (error >= rounding[0]) & (error <= rounding[1])
    if target is None:
        return np.asarray((error > target_error(width, method)) & ~is_rounding)
    share = np.divide(error, width, out=np.zeros(np.shape(mean)), where=width > 0)
    decimals = -int(np.floor(np.log10(target)))
    return np.asarray((np.round(share, decimals) > target + 1e-12) & ~is_rounding)
