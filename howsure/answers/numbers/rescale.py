"""Put numbers of standardised targets into the unit of the target, and find out in which unit truths are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from howsure.arguments import check_choice
from howsure.data.targets import by_target, floats_of
from howsure.errors import InputError
from howsure.results.columns import WIDE
from howsure.sampling.outcome import Floats

if TYPE_CHECKING:
    from howsure.answers.numbers.result import RegressionCertainty

UNIT = "unit of the target"
"""The unit of the columns that are put into it."""

STANDARDISED, REAL = "standardised", "real"
"""Units in which true numbers may be: (y − mean)/std, or that of the target."""

DECISIVE = math.log(150)
"""Logarithm of the odds from which on evidence is very strong (Kass and Raftery 1995, Bayes factors)."""


def rescaled(
    result: RegressionCertainty, mean: ArrayLike, std: ArrayLike, truth: str | None
) -> RegressionCertainty:
    """See `RegressionCertainty.rescaled`."""
    check_choice(truth, (STANDARDISED, REAL, None), "truth")
    count = len(result.target_names)
    shift, scale = (
        floats_of(by_target(value, result.target_names, f"The numbers of `{name}`"), f"`{name}`")
        for name, value in (("mean", mean), ("std", std))
    )
    for name, value in (("mean", shift), ("std", scale)):
        if value.shape not in ((), (1,), (count,)) or not np.isfinite(value).all():
            raise InputError(
                f"`{name}` does not fit the targets",
                expected=f"one finite number, or {count} of them",
                received=np.array2string(value, threshold=6),
            )
    if not np.all(scale > 0):
        raise InputError("`std` is out of range", expected="numbers above 0", received=repr(std))
    shift, scale = np.broadcast_to(shift, count), np.broadcast_to(scale, count)
    given = moved(result, shift, scale)
    learnt = result.method.get("calibration", {})
    by_name = dict(zip(result.target_names, scale.tolist(), strict=True))
    in_unit = {
        word: {name: value * by_name[name] for name, value in learnt[word].items()}
        for word in ("noise", "shift")
        if isinstance(learnt.get(word), Mapping)
    }
    if in_unit:
        given["method"] = {**result.method, "calibration": {**learnt, **in_unit}}
    if result.truth is not None and (truth or _unit_of(result, shift, scale)) == STANDARDISED:
        given["truth"] = result.truth * scale + shift
    return replace(result, **given)


def moved(result: RegressionCertainty, shift: Floats, scale: Floats) -> dict[str, Any]:
    """The columns in the unit of the target but `truth`, times `scale` plus `shift`.

    Args:
        result: N rows of K numbers.
        shift: (K,) or (N, K).
        scale: (K,), > 0.
    """
    found: dict[str, Any] = {}
    for column in result.columns:
        if column.unit == UNIT and column.name != "truth" and column.name in result._arrays:
            by, of = (shift, scale) if column.shape == WIDE else (shift[..., None], scale[..., None])
            found[column.name] = result._arrays[column.name] * of
            if column.name in ("mean", "quantiles", "networks"):
                found[column.name] = found[column.name] + by
    return found


def _unit_of(result: RegressionCertainty, shift: Floats, scale: Floats) -> str:
    """The unit of the true numbers, where they show it beyond doubt, or an `InputError`.

    It is the unit in which predictions lie closer to them: −N/2 log Σ e² is the logarithm of the largest
    likelihood of normal errors. These predictions have to be better than a constant by as much: those of a
    network that learnt nothing are closest where they hardly vary.
    """
    y = np.asarray(result.truth)
    own, real = y - result.mean, y - (result.mean * scale + shift)
    if not y.size or np.array_equal(own, real):
        return STANDARDISED
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.log([np.sum(each**2, axis=0) for each in (own, real, y - y.mean(axis=0))])
        odds = len(y) / 2 * np.array([errors[1] - errors[0], errors[2] - errors[0], errors[2] - errors[1]])
    closer, of_own, of_real = np.nan_to_num(odds, nan=0.0, posinf=np.inf, neginf=-np.inf).sum(axis=1)
    if min(closer, of_own) > DECISIVE:
        return STANDARDISED
    if min(-closer, of_real) > DECISIVE:
        return REAL
    raise InputError(
        "Nothing shows beyond doubt in which unit the true numbers are",
        expected=f"truth='{STANDARDISED}' where they are (y − mean)/std as in training, or truth='{REAL}' "
        "where they are in the unit of the target already",
    )
