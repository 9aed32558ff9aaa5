"""Rows of several sizes, such as texts of different lengths: grouped by size, and never padded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError

ATTENTION_MASK = "attention_mask"
"""Name of the input of `transformers` that is 1 at tokens and 0 at padding."""

PAD = (
    "Pad or cut all rows to one shape, not each batch to its own: of tokens with tokenizer(texts, "
    "padding='max_length', …), of other sequences with torch.nn.utils.rnn.pad_sequence over all rows"
)


@dataclass(frozen=True, eq=False)
class RowsOfSizes:
    """Rows that differ in size. Those of one size are an adapter's input.

    Attributes:
        parts: For each size the numbers (n,) of its rows in the input, and these rows.
        in_batches: Whether they came in batches, each of which may have been padded to its longest row.
    """

    parts: tuple[tuple[NDArray[np.int64], Any], ...]
    in_batches: bool = False

    def __len__(self) -> int:
        return sum(len(numbers) for numbers, _ in self.parts)

    @property
    def most(self) -> tuple[NDArray[np.int64], Any]:
        """The rows of the most frequent size, with their numbers."""
        return max(self.parts, key=lambda part: len(part[0]))


def grouped(
    blocks: Sequence[Mapping[Any, NDArray[Any]]],
    form: Callable[[dict[Any, Any]], Any],
    *,
    in_batches: bool = False,
) -> RowsOfSizes:
    """Blocks of rows by size, in their order.

    Args:
        blocks: Arrays (n, …) of each input, by name.
        form: Maps the arrays of one size to an adapter's input.
        in_batches: As `RowsOfSizes` has it.
    """
    places: dict[Any, list[int]] = {}
    for place, block in enumerate(blocks):
        places.setdefault(tuple(array.shape[1:] for array in block.values()), []).append(place)
    ends = np.cumsum([len(next(iter(block.values()))) for block in blocks])
    numbers = np.split(np.arange(ends[-1]), ends[:-1])
    return RowsOfSizes(
        tuple(
            (
                np.concatenate([numbers[place] for place in same]),
                form({name: np.concatenate([blocks[place][name] for place in same]) for name in blocks[0]}),
            )
            for same in places.values()
        ),
        in_batches,
    )


def differ(inputs: Collection[Any]) -> bool:
    """Whether these are lists of rows, for each input, that differ in their sides but not in their axes."""
    if not inputs or not all(isinstance(part, (list, tuple)) and part for part in inputs):
        return False
    try:
        shapes = [{np.shape(row) for row in part} for part in inputs]
    except (TypeError, ValueError, RuntimeError):
        return False  # `check_rows` says what is wrong
    return all(len({len(shape) for shape in part}) == 1 for part in shapes) and max(map(len, shapes)) > 1


def listed_rows(inputs: Mapping[Any, Any], form: Callable[[dict[Any, Any]], Any]) -> RowsOfSizes | None:
    """Lists of rows by input that differ in size; None if `differ` does not find them so.

    Raises:
        InputError: The inputs differ in their number of rows.
    """
    if not differ(inputs.values()):
        return None
    counts = {name: len(part) for name, part in inputs.items()}
    if len(set(counts.values())) > 1:
        raise InputError(
            "The inputs differ in their number of rows",
            expected="the same number of rows for every input",
            received=", ".join(f"'{name}' has {count}" for name, count in counts.items()),
        )
    arrays = {name: [np.asarray(row)[np.newaxis] for row in part] for name, part in inputs.items()}
    return grouped(
        [dict(zip(arrays, rows, strict=True)) for rows in zip(*arrays.values(), strict=True)], form
    )


def check_one_size(x: Any) -> None:
    """Raise an `InputError` for rows of several sizes, where only rows of one can be used."""
    if isinstance(x, RowsOfSizes):
        raise InputError(
            "The rows differ in size",
            expected="rows of one shape; `assess` and `plan` alone take several",
            received=f"{len(x)} rows of {len(x.parts)} sizes",
            hint=PAD,
        )


# --- padding that the numbers of a row depend on ---------------------------------------------------


def padded_row(rows: RowsOfSizes) -> tuple[int, Any, Any, Any] | None:
    """A row that its batch seems to have padded; None if there is none.

    Its attention mask shows it, or it ends in one value while another row of its size does not.

    Returns:
        Its number, the row (1, …), the same without padding, and the places that are left along its side.
    """
    parts = [(numbers, x if isinstance(x, Mapping) else {0: x}) for numbers, x in rows.parts]
    if not all(isinstance(array, np.ndarray) for _, inputs in parts for array in inputs.values()):
        return None
    axes = range(1, min(array.ndim for array in parts[0][1].values()))
    varying = [
        axis for axis in axes if len({next(iter(inputs.values())).shape[axis] for _, inputs in parts}) > 1
    ]
    for numbers, inputs in parts:
        for axis in varying:
            if ATTENTION_MASK in inputs:
                there = np.asarray(inputs[ATTENTION_MASK]) != 0
            else:
                there = np.logical_or.reduce([_before_the_end(array, axis) for array in inputs.values()])
            padded = np.flatnonzero(~there.all(axis=1) & there.any(axis=1))
            if len(padded) and there.all(axis=1).any() and there.shape[1] > 1:
                at, left = int(padded[0]), np.flatnonzero(there[padded[0]])
                whole = {name: array[at : at + 1] for name, array in inputs.items()}
                cut = {name: array.take(left, axis=axis) for name, array in whole.items()}
                forms = (whole[0], cut[0]) if 0 in inputs else (whole, cut)
                return int(numbers[at]), *forms, left
    return None


def _before_the_end(array: NDArray[Any], axis: int) -> NDArray[np.bool_]:
    """(n, side) whether a place along an axis comes before a constant end of two places or more."""
    slices = np.moveaxis(array, axis, 1).reshape(len(array), array.shape[axis], -1)
    same = (slices == slices[:, -1:, -1:]).all(axis=2)
    constant = np.logical_and.accumulate(same[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(~constant | (constant.sum(axis=1, keepdims=True) < 2))
