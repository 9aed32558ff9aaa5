"""`RegressionCertainty.above`: whether a number is above a threshold, as a `Certainty` of two classes."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr

from howsure.answers.classes.result import Certainty
from howsure.answers.numbers.networks import SHARES, networks_of
from howsure.digits import significant
from howsure.errors import InputError
from howsure.sampling.between import LEVELS
from howsure.sampling.outcome import Floats
from howsure.statistics import ERROR_FLOOR, entropy_of

if TYPE_CHECKING:
    from howsure.answers.numbers.result import RegressionCertainty


def asked(result: RegressionCertainty, threshold: float, target: str | None) -> Certainty:
    """The part `above`: the question as it is typed, where a whole number that is no name is a position."""
    is_place = target is not None and target not in result.target_names and target.isdecimal()
    return result.above(threshold, int(target) if target is not None and is_place else target)


def above(result: RegressionCertainty, threshold: float, k: int) -> Certainty:
    """See `RegressionCertainty.above`."""
    if not np.isfinite(threshold):
        raise InputError(
            "`threshold` is no finite number", expected="a number such as 3.0", received=threshold
        )
    noise, nodes = result.noise[:, k], networks_of(result, k)
    if nodes is None and np.isnan(result.std[:, k]).any():
        result.check_noise("Nothing says whether the number is above a threshold")
    found = (
        _of_one(result, threshold, k) if nodes is None else _of_networks(result, threshold, k, nodes, noise)
    )
    shared = {each.name for each in fields(result)} & {each.name for each in fields(Certainty)}
    given: dict[str, Any] = {
        name: getattr(result, name) for name in shared - {"mc_error", "spread", "spread_error", "truth"}
    }
    given |= found
    if result.truth is not None:
        given["truth"] = (result.truth[:, k] > threshold).astype(np.int64)
    shown = significant(threshold, 4) if abs(threshold) < 1e4 else f"{threshold:g}"
    called = "" if len(result.target_names) == 1 else f"{result.target_names[k]} "
    given["class_names"] = (f"{called}at most {shown}", f"{called}above {shown}")
    given["method"] = {**result.method, "above": threshold, "target": result.target_names[k]}
    return Certainty(**given)


def _of_one(result: RegressionCertainty, threshold: float, k: int) -> dict[str, Any]:
    """Columns where no networks are known: a normal distribution, and nothing that could disagree."""
    std = result.std[:, k]
    away = result.mean[:, k] - threshold
    p = np.where(std > 0, ndtr(away / np.where(std > 0, std, 1.0)), away > 0)
    both = np.stack([1 - p, p], axis=-1)
    return {
        "probabilities": both,
        "mc_error": np.zeros_like(both),
        "expected_entropy": entropy_of(both),
        "quantiles": None,
        "quantiles_error": None,
    }


def _of_networks(
    result: RegressionCertainty, threshold: float, k: int, nodes: Floats, noise: Floats
) -> dict[str, Any]:
    """Columns from (N, M) numbers of networks, each with an answer of its own."""
    error, is_known = result.mc_error[:, k], noise > 0
    scale = np.where(is_known, noise, 1.0)[:, None]

    def of_each(moved: Floats | float, wider: Floats | float = 0.0) -> Floats:
        """(N, M) probability that each network gives to "above", with the networks moved and spread wider."""
        mean = nodes.mean(axis=-1, keepdims=True)
        there = mean + (nodes - mean) * (1 + np.reshape(wider, (-1, 1))) + np.reshape(moved, (-1, 1))
        return np.asarray(ndtr((there - threshold) / scale))

    def share(moved: Floats | float) -> Floats:
        """(N,) share of the networks above, with a straight line between neighbours."""
        at = threshold - np.broadcast_to(np.reshape(moved, (-1, 1)), (len(nodes), 1))
        place = (nodes < at).sum(axis=-1)
        left = np.take_along_axis(nodes, np.maximum(place - 1, 0)[:, None], axis=-1)[:, 0]
        right = np.take_along_axis(nodes, np.minimum(place, nodes.shape[1] - 1)[:, None], axis=-1)[:, 0]
        between = np.divide(at[:, 0] - left, right - left, out=np.zeros(len(nodes)), where=right > left)
        below = (place - 0.5 + between) / nodes.shape[1]
        return 1 - np.where(place == 0, 0.0, np.where(place == nodes.shape[1], 1.0, below))

    each = of_each(0.0)
    p = np.where(is_known, each.mean(axis=-1), share(0.0))
    # An error of the mean moves all networks; one of the spread moves them apart.
    spread, spread_error = result.spread[:, k], result.spread_error  # type: ignore[index]
    wider = 0.0 if spread_error is None else spread_error[:, k]
    wider = np.nan_to_num(np.divide(wider, spread, out=np.zeros_like(spread), where=spread > 0))
    moves = (of_each(error) - of_each(-error)).mean(axis=-1) / 2
    widens = (of_each(0.0, wider) - of_each(0.0, -wider)).mean(axis=-1) / 2
    at_quantile = _error_at(result, k, 1 - p)
    p_error = np.where(
        is_known,
        np.sqrt(moves**2 + widens**2),
        np.abs(share(at_quantile) - share(-at_quantile)) / 2,
    )
    exact = (result.mc_error[:, k] == 0) & (wider == 0)
    p_error = np.where(exact, 0.0, np.maximum(p_error, ERROR_FLOOR))
    both = np.stack([1 - p, p], axis=-1)
    own = np.where(is_known, entropy_of(np.stack([1 - each, each], axis=-1)).mean(axis=-1), 0.0)
    between = np.where(is_known, each.std(axis=-1), np.sqrt(p * (1 - p)))
    columns = {
        "probabilities": both,
        "mc_error": np.stack([p_error] * 2, axis=-1),
        "expected_entropy": np.minimum(own, entropy_of(both)),
        "spread": np.stack([between] * 2, axis=-1),
        "quantiles": None,
        "quantiles_error": None,
    }
    if is_known.all() and len(nodes):
        top = np.where((p > 0.5)[:, None], each, 1 - each[:, ::-1])
        columns["quantiles"] = np.array([np.interp(LEVELS, SHARES, row) for row in top])
    return columns


def _error_at(result: RegressionCertainty, k: int, level: Floats) -> Floats:
    """(N,) standard error of the quantile of the networks at these levels (N,); of the mean where unknown."""
    mean_error = result.mc_error[:, k]
    if result.quantiles_error is None:
        return mean_error
    errors = result.quantiles_error[:, k]
    errors = np.where(np.isfinite(errors), errors, mean_error[:, None])
    return np.array([np.interp(at, LEVELS, row) for at, row in zip(level, errors, strict=True)]).reshape(-1)
