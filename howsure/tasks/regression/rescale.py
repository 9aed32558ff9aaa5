"""Put numbers of standardised targets into the unit of the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from howsure.arguments import check_choice
from howsure.errors import InputError
from howsure.inputs.align import aligned
from howsure.inputs.rows import as_floats
from howsure.inputs.targets import by_target
from howsure.results.columns import WIDE
from howsure.sampling.outcome import Floats
from howsure.tasks.regression import counts
from howsure.tasks.regression.result import UNIT, RegressionCertainty

STANDARDISED, REAL = "standardised", "real"
"""Units in which true numbers may be: (y − mean)/std, or that of the target."""


def rescaled(
    result: RegressionCertainty, mean: ArrayLike, std: ArrayLike, truth: str | None
) -> RegressionCertainty:
    """See `RegressionCertainty.rescaled`."""
    check_choice(truth, (STANDARDISED, REAL, None), "truth")
    counts.refuse(result, "There is no other unit")
    count = len(result.target_names)
    shift, scale = (
        as_floats(
            by_target(_of_rows(value, result, name), result.target_names, f"The numbers of `{name}`"),
            f"`{name}`",
        )
        for name, value in (("mean", mean), ("std", std))
    )
    for name, value in (("mean", shift), ("std", scale)):
        shapes = ((), (1,), (count,), result.mean.shape, (len(result), 1))
        if value.shape not in shapes or not np.isfinite(value).all():
            raise InputError(
                f"`{name}` does not fit the targets",
                expected=f"one finite number, or {count} of them; or an array of shape {result.mean.shape}, "
                "with numbers of each row",
                received=np.array2string(value, threshold=6),
            )
    if not np.all(scale > 0):
        raise InputError("`std` is out of range", expected="numbers above 0", received=repr(std))
    by_row = shift.ndim > 1 or scale.ndim > 1
    shape = result.mean.shape if by_row else (count,)
    shift, scale = np.broadcast_to(shift, shape), np.broadcast_to(scale, shape)
    columns = moved(result, shift, scale)
    settings = {"by": "row"} if by_row else {"mean": shift.tolist(), "std": scale.tolist()}
    method = {**result.method, "rescaled": settings}
    learnt = method.get("calibration", {})
    noise = learnt.get("noise")
    if isinstance(noise, Mapping) and not by_row:
        by_name = dict(zip(result.target_names, scale.tolist(), strict=True))
        noise = {name: value * by_name[name] for name, value in noise.items()}
        method["calibration"] = {**learnt, "noise": noise}
    columns["method"] = method
    if result.truth is not None and truth is None and len(result):
        raise InputError(
            "The unit of the true numbers is not said",
            expected=f"truth='{STANDARDISED}' where they are (y − mean)/std as in training, or "
            f"truth='{REAL}' where they are in the unit of the target already",
        )
    if result.truth is not None and truth == STANDARDISED:
        columns["truth"] = result.truth * scale + shift
    return replace(result, **columns)


def _of_rows(value: Any, result: RegressionCertainty, name: str) -> Any:
    """A data frame with numbers of each row, in the order of the rows; anything else unchanged."""
    return aligned(value, result, f"The numbers of `{name}`", name) if np.ndim(value) > 1 else value


def moved(result: RegressionCertainty, shift: Floats, scale: Floats) -> dict[str, Any]:
    """The columns in the unit of the target but `truth`, times `scale` plus `shift`.

    Args:
        result: N rows of K numbers.
        shift: (K,) or (N, K).
        scale: Likewise, > 0.
    """
    columns: dict[str, Any] = {}
    for column in result.columns:
        if column.unit == UNIT and column.name != "truth" and column.name in result._arrays:
            by, of = (shift, scale) if column.shape == WIDE else (shift[..., None], scale[..., None])
            columns[column.name] = result._arrays[column.name] * of
            if column.name in ("mean", "quantiles", "networks", "low", "high", "answer_quantiles"):
                columns[column.name] = columns[column.name] + by
    return columns
