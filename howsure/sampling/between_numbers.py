"""How far the numbers of networks lie apart: their spread, and quantiles at `between.LEVELS`.

As `howsure.sampling.between`, for numbers that have a unit and no range. Nothing here has a floor in a unit.

Beside them networks are kept, so that any limit can be asked for afterwards: each of them where they
are few, and otherwise `KEPT` quantiles, close together in the tails.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri

from howsure.sampling.between import LEAST_PASSES, LEVELS, exact, from_angles, one_error_away
from howsure.sampling.outcome import Floats
from howsure.statistics import widening

NORMAL_KURTOSIS = 3.0
"""Least kurtosis assumed of a number between networks: few passes hardly tell it."""

KEPT = 64
"""Networks that are kept of a row with more passes: quantiles in the middles of as many shares. A share near
α is π √(α(1 − α))/64 wide: less than two standard errors of α over a thousand passes."""

MOST_MEMBERS = 256
"""Most networks that are kept one by one where all are given at once: no more than a histogram has bins."""

_EDGES = from_angles(np.arange(KEPT + 1) / KEPT)
MIDDLES = (_EDGES[1:] + _EDGES[:-1]) / 2
"""(64,) the levels of the quantiles that are kept."""


def shares_of(networks: Floats, passes: Floats) -> Floats:
    """(N, M) share of all networks that each kept one stands for; 0 for NaN.

    Args:
        networks: (N, M) numbers of one target, NaN where a row has fewer.
        passes: (N,) of each row. If as many networks are kept, each is one of the passes.
    """
    kept = np.isfinite(networks)
    count = kept.sum(axis=-1, keepdims=True)
    shares = np.where(kept, 1 / np.maximum(count, 1), 0.0)
    of_quantiles = (count == KEPT) & (count != passes[:, None])
    shares[:, :KEPT] = np.where(of_quantiles, np.diff(_EDGES)[: shares.shape[1]], shares[:, :KEPT])
    return shares


def networks_of(values: Floats, answers: int) -> Floats:
    """(N, C, M) columns of networks in ascending order of the number that they belong to.

    Args:
        values: (T, N, C) columns of T networks: K numbers, then what goes with each, such as its variance.
        answers: K.
    """
    order = np.argsort(values[..., :answers], axis=0, kind="stable")
    count = len(values)
    if count > MOST_MEMBERS:
        order = order[np.ceil(count * MIDDLES).astype(np.int64) - 1]
    order = np.concatenate([order] * (values.shape[-1] // answers), axis=-1)
    return np.moveaxis(np.take_along_axis(values, order, axis=0), 0, -1)


def pooled(networks: Floats, shares: Floats, passes: Floats, answers: int) -> Floats:
    """(N, C, 64) quantiles of the networks of several members together, as `networks_of` keeps them.

    Args:
        networks: (N, C, M) of all members, one after the other.
        shares: (N, M) of all networks that each stands for.
        passes: (N,) of all members.
        answers: K.
    """
    order = np.argsort(networks[:, :answers], axis=-1, kind="stable")
    below = np.cumsum(np.take_along_axis(shares[:, None], order, axis=-1), axis=-1)
    levels = np.where(passes[:, None] == KEPT, (np.arange(KEPT) + 0.5) / KEPT, MIDDLES)
    places = np.stack([(below < level[:, None, None]).sum(axis=-1) for level in levels.T], axis=-1)
    chosen = np.take_along_axis(order, np.minimum(places, networks.shape[-1] - 1), axis=-1)
    return np.take_along_axis(networks, np.concatenate([chosen] * (networks.shape[1] // answers), axis=1), -1)


def of_members(values: Floats) -> dict[str, Any]:
    """Spread and quantiles of given members, which are all there are: exact, as in `between.of_members`.

    Args:
        values: (M, N, K) numbers.

    Returns:
        `spread` (N, K), `quantiles` (N, K, 11) and their errors, which are 0.
    """
    return exact(values, values)


def of_passes(values: Floats) -> dict[str, Any]:
    """Spread and quantiles of the networks of which T independent passes were drawn, and their errors.

    The spread is √(Σ (y − mean)²/(T − 1)). The k-th smallest pass is the quantile at (k − ½)/T (Hazen 1914).

    Args:
        values: (T, N, K) numbers, T ≥ 2.

    Returns:
        As `of_members`; NaN where unknown.
    """
    count = len(values)
    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1)
    ordered, places = np.sort(values, axis=0), (np.arange(count) + 0.5) / count

    def at(levels: Floats) -> Floats:
        """(N, K, L) quantiles; NaN beyond the smallest and the largest pass."""
        place = np.interp(levels, places, np.arange(count), left=np.nan, right=np.nan)
        known = np.isfinite(place)
        low = np.nan_to_num(np.floor(place)).astype(np.int64)
        high, share = np.minimum(low + 1, count - 1), np.where(known, place - low, np.nan)
        found = ordered[low] + (ordered[high] - ordered[low]) * share[:, None, None]
        return np.moveaxis(found, 0, -1)

    passes = np.full((1, 1), float(count))
    quantiles = at(np.array(LEVELS))
    below, above = (at(levels[0]) for levels in one_error_away(passes))
    squared = values.var(axis=0) ** 2
    fourth = ((values - mean) ** 4).mean(axis=0)
    kurtosis = np.where(squared > 0, fourth / np.where(squared > 0, squared, 1.0), 0.0)
    error = spread_error(spread, np.full(len(mean), float(count)), kurtosis)
    largest = np.fmax(spread, spread + 1.96 * error)
    return {
        "spread": spread,
        "spread_error": error,
        "quantiles": quantiles,
        "quantiles_error": quantiles_error(quantiles, below, above, largest, passes),
    }


def spread_variance(spread: Floats, passes: Floats, kurtosis: Floats) -> Floats:
    """(N, K) variance of a spread over T independent passes: (κ − (T − 3)/(T − 1)) / 4T · spread².

    The variance of a variance, by the delta method; κ is no less than that of a normal distribution.

    Args:
        spread: (N, K).
        passes: (N,) T ≥ 2.
        kurtosis: (N, K) of the passes; 0 where it was not counted.
    """
    count = passes[:, None]
    factor = np.maximum(kurtosis, NORMAL_KURTOSIS) - (count - 3) / (count - 1)
    return np.asarray(np.maximum(factor, 0) * spread**2 / (4 * count))


def spread_error(spread: Floats, passes: Floats, kurtosis: Floats) -> Floats:
    """(N, K) standard error of a spread, as `between.spread_error`, of numbers without a range.

    Args:
        spread: (N, K).
        passes: (N,) T, how many independent passes tell as much; below `LEAST_PASSES` it is NaN.
        kurtosis: (N, K) of the passes; 0 where it was not counted.
    """
    known = passes >= LEAST_PASSES - 1e-9
    count = np.where(known, passes, LEAST_PASSES)
    error = np.zeros_like(spread)
    for _ in range(2):
        again = np.sqrt(spread_variance(spread + 1.96 * error, count, kurtosis))
        error = np.maximum(again * widening(np.rint(count))[:, None], error)
    return np.where(known[:, None], error, np.nan)


def quantiles_error(
    quantiles: Floats,
    below: Floats,
    above: Floats,
    spread: Floats,
    passes: Floats,
    width: Floats | float = 0.0,
) -> Floats:
    """(N, K, 11) standard errors of quantiles (Woodruff 1952), as `between.quantiles_error`, without a range.

    Args:
        quantiles: (N, K, 11); NaN where unknown.
        below: (N, K, 11) quantiles at the lower levels of `one_error_away`; NaN where beyond all passes.
        above: (N, K, 11) at the higher ones.
        spread: (N, K) the largest that the spread may be.
        passes: (1, 1) or (N, K, 11) how many independent passes tell as much.
        width: (N, K, 11) of the bins in which passes were counted.
    """
    levels = np.array(LEVELS)
    density = np.exp(-(ndtri(levels) ** 2) / 2) / np.sqrt(2 * np.pi)
    usual = 1.96 * (np.sqrt(levels * (1 - levels) / passes) / density) * spread[:, :, None]
    down = np.where(np.isfinite(below), quantiles - below, usual)
    up = np.where(np.isfinite(above), above - quantiles, usual)
    error = np.maximum((np.maximum(down, up) + np.asarray(width) / 2) / 1.96, np.asarray(width) / np.sqrt(6))
    return np.where(np.isfinite(quantiles), error, np.nan)
