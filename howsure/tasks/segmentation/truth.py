"""True classes at positions: maps of class numbers, with positions that do not count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.errors import InputError
from howsure.inputs.rows import as_array, in_rows, quoted
from howsure.sampling.outcome import Integers

IGNORED = -1
"""Class number of a position that does not count."""


Ignore = int | Sequence[int] | None
"""Further class numbers of positions that do not count, or none."""


def truth_map(
    labels: Any, shape: tuple[int, ...], names: Sequence[str], ignore: Ignore = None, counts: Any = None
) -> Any:
    """As `check_map`, in 16 bits and with the wide numbers of one row at a time; labels may lie in a file.

    Raises:
        InputError: As `check_map`; or 0 and 255 alone: 255, which does not count, may be meant as a class.
    """
    labels_map, numbers = class_map(labels, shape, names, counts), np.empty(shape, np.int16)
    for at in range(len(labels_map)):
        numbers[at] = check_map(labels_map[at : at + 1], (1, *shape[1:]), names, ignore, at)[0]
    check_no_mask(labels_map, names, ignore)
    return numbers


def class_map(labels: Any, shape: tuple[int, ...], names: Sequence[str], counts: Any = None) -> Any:
    """Labels (N, *P) of any values; they may have an axis of length 1 for a channel, and one row none for it.

    A list may hold smaller maps of smaller rows, if not all positions count: (N, *P) `counts`.

    Raises:
        InputError: Another shape.
    """
    rows, *positions = shape
    if counts is not None and isinstance(labels, list):
        labels = _as_large_as(labels, positions, counts)
    array = as_array(labels, "The labels")
    alone = [tuple(positions)] if rows == 1 else []
    if array.shape in (shape, (*shape, 1), (rows, 1, *positions), *alone):
        return array.reshape(shape)
    raise InputError(
        "The labels do not fit the positions",
        expected=f"one class number for each position, an array of shape {shape}",
        received=f"an array of shape {array.shape}",
        hint=_other_form(array, shape, len(names)),
    )


def _as_large_as(labels: Sequence[Any], sides: Sequence[int], counts: Any) -> Any:
    """Labels of rows of several sizes with sides of the largest; what a row has not does not count."""
    arrays = [np.asarray(row) for row in labels]
    named = bool(arrays) and arrays[0].dtype.kind == "U"
    nothing, kinds = ("", "U") if named else (IGNORED, "iu")
    if all(array.shape == tuple(sides) for array in arrays) or any(
        array.ndim != len(sides) or array.dtype.kind not in kinds for array in arrays
    ):
        return labels
    if len(arrays) != len(counts):
        raise InputError(
            "The labels do not fit the rows", expected=f"{len(counts)} maps", received=f"{len(arrays)}"
        )
    maps = np.full((len(arrays), *sides), nothing, np.result_type(*arrays, *([] if named else [np.int16])))
    for number, array in enumerate(arrays):
        own = np.argwhere(counts[number]).max(axis=0) + 1
        if np.any(own > array.shape) or np.any(array.shape > np.asarray(sides)):
            raise InputError(
                f"The labels of row {number} do not fit its positions",
                expected=f"one class number for each position, an array of shape {tuple(own.tolist())}",
                received=f"an array of shape {array.shape}",
            )
        maps[number][tuple(slice(side) for side in array.shape)] = array
    return maps


def _other_form(labels: Any, shape: tuple[int, ...], classes: int) -> str | None:
    """The hint for labels of another shape that may be one-hot, or colours."""
    rows, *positions = shape
    for axis, hot in ((-1, (*shape, classes)), (1, (rows, classes, *positions))):
        if labels.shape == hot and labels.size and labels.max() <= 1:
            numbers = f"numpy.where(labels.any(axis={axis}), labels.argmax(axis={axis}), -1)"
            return f"If these are one-hot labels, take the class number: {numbers}"
    if labels.shape not in ((*shape, 3), (*shape, 4)):
        return None
    return (
        "Replace each colour by the number of its class, with the colours in the order of the classes: "
        "hit = (labels[..., None, :3] == numpy.array(colours)).all(-1); "
        "labels = numpy.where(hit.any(-1), hit.argmax(-1), -1)"
    )


def check_no_mask(labels: Any, names: Sequence[str], ignore: Ignore) -> None:
    """Raise an `InputError` where labels (N, *P) are 0 and 255 alone, as masks have them."""
    if 255 in _several(ignore) or labels.dtype.kind not in "iuf" or len(names) > 255:
        return
    others = [1] if len(names) == 2 else range(1, len(names))
    if any((row == 255).any() for row in labels) and not any(np.isin(row, others).any() for row in labels):
        raise InputError(
            "The labels are 0 and 255 alone, where 255 marks a position that does not count",
            expected=f"class numbers 0 to {len(names) - 1}",
            hint=(
                f"If 255 stands for '{names[1]}', as masks have it, divide the labels by 255. "
                if len(names) == 2
                else "If 255 stands for a class, as masks have it, write its number there. "
            )
            + "If it marks "
            "positions that do not count, write −1 or −100 there, which only arrays can hold",
        )


def _several(ignore: Ignore) -> tuple[int, ...]:
    return () if ignore is None else tuple(ignore) if isinstance(ignore, Sequence) else (ignore,)


def check_map(
    labels: Any, shape: tuple[int, ...], names: Sequence[str], ignore: Ignore = None, first: int = 0
) -> Integers:
    """True classes as (N, *P) class numbers, −1 where a position does not count.

    Args:
        labels: (N, *P) class numbers in [0, K), with an axis of length 1 for a channel or not; −1, −100 and
            255 (where K ≤ 255) mark positions that do not count, as data sets and the losses of PyTorch and
            `transformers` have them. Or (N, *P) class names, where an empty text marks a position that does
            not count. Or (N, *P) booleans where K = 2, where True is the second class.
        shape: (N, *P).
        names: K names.
        ignore: One or more class numbers of positions that do not count, or None.
        first: Number of the first row, for messages.

    Raises:
        InputError: Another shape, or other values; the message names the rows.
    """
    array = class_map(labels, shape, names)
    if array.dtype == bool and len(names) != 2:
        raise InputError(
            "The labels are booleans", expected=f"class numbers from 0 to {len(names) - 1}", received="bool"
        )
    if array.dtype.kind == "f" and np.isfinite(array).all() and np.array_equal(array, np.rint(array)):
        array = array.astype(np.int64)
    if _are_texts(array):
        return _numbers_of(array, names, first)
    if array.dtype.kind not in "iub":
        raise InputError(
            "The labels are neither class numbers nor names",
            expected=f"whole numbers from 0 to {len(names) - 1}, or −1 where a position does not count",
            received=f"dtype {array.dtype}, for example {array.reshape(-1)[:3].tolist()}",
        )
    numbers = array.astype(np.int64)
    left_out = [IGNORED, -100, *([255] if len(names) <= 255 else []), *_several(ignore)]
    numbers = np.where(np.isin(numbers, left_out), IGNORED, numbers)
    wrong = (numbers >= len(names)) | (numbers < IGNORED)
    if wrong.any():
        rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
        raise InputError(
            f"Labels are out of range {in_rows(len(rows), (first + rows[:5]).tolist())}",
            expected=f"class numbers from 0 to {len(names) - 1}, or −1 where a position does not count",
            received=int(numbers[wrong][0]),
        )
    return numbers


def _are_texts(array: Any) -> bool:
    if array.dtype.kind == "O":
        return array.size > 0 and all(isinstance(text, str) for text in array.flat)
    return bool(array.dtype.kind in "UT")


def _numbers_of(labels: Any, names: Sequence[str], first: int) -> Integers:
    numbers = np.full(labels.shape, len(names), np.int64)
    for number, name in enumerate(names):
        numbers[labels == name] = number
    numbers[labels == ""] = IGNORED
    unknown = numbers == len(names)
    if unknown.any():
        rows = np.flatnonzero(unknown.reshape(len(unknown), -1).any(axis=1))
        raise InputError(
            f"Labels are no class names {in_rows(len(rows), (first + rows[:5]).tolist())}",
            expected=f"{quoted(names)}, or an empty text where a position does not count",
            received=quoted([str(labels[unknown][0])]),
        )
    return numbers


@dataclass(frozen=True)
class Ignored:
    """True classes of which more numbers do not count.

    Attributes:
        labels: As for `check_map`; None if they are not known.
        ignore: These class numbers.
    """

    labels: Any
    ignore: Ignore
