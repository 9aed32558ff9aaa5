"""Rows divided by what `divide_by` says, and what may be wrong with that."""

from __future__ import annotations

from typing import Any

import numpy as np

from howsure.adapters.resolve import resolve_model
from howsure.errors import InputError, warn
from howsure.inputs.frames import is_frame
from howsure.inputs.rows import Array, as_array
from howsure.inputs.sizes import RowsOfSizes
from howsure.request import Request
from howsure.tasks.task import fed

_SMALLEST, _LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)

_FIRST = 4
"""Layers among which one that rescales the input is looked for: the input, one, and what may stand before."""


def check_divisor(divisor: float | None) -> None:
    """Raise an `InputError` unless rows can be divided by this, or are not to be."""
    if divisor is not None and not _SMALLEST <= abs(divisor) <= _LARGEST:  # NaN is neither
        raise InputError(
            "`divide_by` cannot be used",
            expected=f"a number other than 0, of size {_SMALLEST:.2g} to {_LARGEST:.2g}, as float32 has them",
            received=divisor,
        )


def divided(x: Any, divisor: float | None, network: Any, request: Request | None = None) -> Any:
    """The rows divided, in single precision; a warning where the model rescales them once more.

    Args:
        x: (N, …) rows as `read_rows` gives them; of several inputs a dict or a list.
        divisor: That `check_divisor` let pass.
        network: The model.
        request: Says whether the model is fed with tiles of the rows.

    Raises:
        InputError: The rows are no numbers, or nothing is left of them.
    """
    if divisor is None:
        return x
    if is_frame(x):
        raise InputError(
            "`divide_by` is for rows of numbers, and these are columns that a classifier takes by name",
            expected="rows as it was fitted on",
            hint="Divide the columns in the file, where it was fitted on divided ones",
        )
    like = x.most[1] if isinstance(x, RowsOfSizes) else x
    like = like if request is None else fed(like, request)
    first = resolve_model(network).adapt(like)[0].info.layers[:_FIRST]
    rescaling = next((layer for layer in first if layer.kind == "Rescaling"), None)
    if rescaling is not None:
        message = (
            f"The rows are divided by {divisor:g}, as `divide_by` says, and layer '{rescaling.name}' of the "
            "model rescales what it gets. Unless the model was trained on rows that were divided before, "
            "leave `divide_by` out."
        )
        warn(message)
    if isinstance(x, RowsOfSizes):
        return x.changed(lambda part: _divided_array(as_array(part, "The rows"), divisor))
    if isinstance(x, dict):
        return {name: _divided_array(array, divisor) for name, array in x.items()}
    if isinstance(x, list) and all(hasattr(array, "dtype") for array in x):
        return [_divided_array(as_array(array, "The rows"), divisor) for array in x]
    return _divided_array(as_array(x, "The rows"), divisor)


def _divided_array(array: Array, divisor: float) -> Array:
    if array.dtype.kind not in "biuf":
        raise InputError("`divide_by` is for numbers", expected="rows of numbers", received=array.dtype)
    with np.errstate(over="ignore", under="ignore"):
        result = np.divide(array, divisor, dtype=np.float32)
    largest = max(result.max(initial=0), -result.min(initial=0))
    if np.isinf(largest) or (largest < _SMALLEST and array.any()):
        what = "large" if np.isinf(largest) else "small"
        raise InputError(
            f"The rows are too {what} for float32 when they are divided by {divisor:g}, as `divide_by` says",
            expected="a divisor that leaves numbers as float32 has them",
            received=f"numbers up to {largest:g}",
            hint="Give the number by which rows were divided in training, such as 255",
        )
    return result
