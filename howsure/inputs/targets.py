"""True numbers as callers give them, (N, K), and the names of the K targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import HowsureError, InputError
from howsure.inputs.by_name import chosen_columns, columns_of, has_columns, in_order_of_names
from howsure.inputs.labels import check_names
from howsure.inputs.own_arrays import own_copy
from howsure.inputs.rows import as_floats, in_rows

Floats = NDArray[np.float64]

LARGEST = 1e70
"""Largest number that can be used, and 1/`LARGEST` the smallest: fourth powers are still within the range of
double precision, from 2e-308 to 2e308. Those of single precision, from 1e-45 to 3e38, all can be used."""


def target_names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """K names of targets; without any 'value' for one, and '0' … 'K−1' for several.

    Raises:
        InputError: Not K different texts.
    """
    if names is None:
        return ("value",) if count == 1 else tuple(map(str, range(count)))
    return check_names(names, "target", "The target names", count, "the numbers of a row")


def targets_in(values: Any, names: Sequence[str] | None, called: str) -> tuple[Any, Sequence[str] | None]:
    """The columns of a data frame that hold the targets, and their names; anything else unchanged.

    Args:
        values: Numbers in any form.
        names: As a caller gives them, or None.
        called: The numbers in words, the subject of a message.

    Raises:
        InputError: There are no such columns.
    """
    if not has_columns(values):
        return values, names
    if names is None:
        return values, tuple(map(str, columns_of(values)))
    return chosen_columns(values, check_names(names, "target", "The target names"), called), names


def by_target(values: Any, names: Sequence[str], called: str) -> Any:
    """The columns of a data frame, or a series such as `frame.std()`, in the order of the targets, by name.

    Anything else is unchanged, and so is a lone column for a lone target. The other arguments are as for
    `targets_in`.

    Raises:
        InputError: They have other names, or those of some targets only.
    """
    if has_columns(values):
        alone = len(names) == values.shape[1] == 1
        return values if alone else chosen_columns(values, names, called, rename=False)
    index = () if hasattr(values, "columns") else getattr(values, "index", ())
    if callable(index) or set(names).isdisjoint(index):
        return values
    return chosen_columns(values.to_frame().T, names, called).to_numpy()[0]


def check_numbers(labels: Any, rows: int, names: Sequence[str]) -> Floats:
    """(N, K) true numbers to keep, from (N, K), or (N,) for one target; columns of a frame by their names.

    Raises:
        InputError: Another shape, no numbers, or not finite.
    """
    called, count = "The true numbers", len(names)
    numbers = as_floats(in_order_of_names(labels, count, names, "target"), called)
    shape = numbers.shape
    if numbers.shape == (rows,) and count == 1:
        numbers = numbers[:, None]
    if numbers.shape != (rows, count):
        raise InputError(
            f"{called} do not fit the rows",
            expected=f"an array of shape {(rows, count)}" + (f", or ({rows},)" if count == 1 else ""),
            received=f"an array of shape {shape}",
        )
    check_finite(numbers, called)
    return own_copy(numbers, called)


def check_finite(values: Floats, called: str) -> None:
    """Raise an `InputError` that names the rows with NaN or infinity; rows are the second last axis."""
    others = tuple(axis for axis in range(values.ndim) if axis != values.ndim - 2)
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=others))
    if len(wrong):
        raise InputError(
            f"{called} are not finite {in_rows(len(wrong), wrong[:5].tolist())}",
            expected="finite numbers",
            received="NaN or infinity",
        )
    check_sizes(np.abs(values).max(axis=tuple(range(values.ndim - 1)), initial=0), called)


def check_sizes(sizes: Floats, called: str, error: type[HowsureError] = InputError) -> None:
    """Raise an error if numbers are so large or so small that their squares cannot be computed.

    Args:
        sizes: (…) size of the largest number of each kind, ≥ 0.
        called: The numbers in words, the subject of the message.
        error: Class of the error.
    """
    sizes = np.asarray(sizes, np.float64)
    too_large, too_small = sizes > LARGEST, (sizes > 0) & (sizes < 1 / LARGEST)
    if too_large.any() or too_small.any():
        raise error(
            f"{called} are too {'large' if too_large.any() else 'small'} to be squared in double precision",
            expected=f"numbers of a size between {1 / LARGEST:g} and {LARGEST:g}, or 0",
            received=f"{sizes[too_large | too_small][0]:.4g}",
            hint="Give them in another unit",
        )
