"""Rows of several sizes, such as texts of different lengths: grouped by size, and never padded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError
from howsure.inputs.rows import as_array
from howsure.tuning import BLOCK

ATTENTION_MASK = "attention_mask"
"""Name of the input of `transformers` that is 1 at tokens and 0 at padding."""

INPUT_IDS = "input_ids"
"""Name of the input of `transformers` that holds tokens."""

PAD = (
    "Pad or cut all rows to one shape, not each batch to its own: of tokens with tokenizer(texts, "
    "padding='max_length', …), of other sequences with torch.nn.utils.rnn.pad_sequence over all rows"
)


@dataclass(frozen=True, eq=False)
class RowsOfSizes:
    """Rows that differ in size. Those of one size are an adapter's input.

    Attributes:
        parts: For each size the numbers (n,) of its rows in the input, and these rows.
        in_batches: Whether they came in batches of several rows, each of which may have been padded to its
            longest row.
    """

    parts: tuple[tuple[NDArray[np.int64], Any], ...]
    in_batches: bool = False

    def __len__(self) -> int:
        return sum(len(numbers) for numbers, _ in self.parts)

    @property
    def most(self) -> tuple[NDArray[np.int64], Any]:
        """The rows of the most frequent size, with their numbers."""
        return max(self.parts, key=lambda part: len(part[0]))

    def changed(self, change: Callable[[Any], Any]) -> RowsOfSizes:
        """The same with the rows of each size changed."""
        return replace(self, parts=tuple((numbers, change(x)) for numbers, x in self.parts))

    @property
    def inputs(self) -> list[dict[Any, Any]]:
        """For each size the rows (n, …) of each input, by name or number."""
        return [
            dict(x) if isinstance(x, Mapping) else dict(enumerate(x if isinstance(x, list) else [x]))
            for _, x in self.parts
        ]

    @property
    def in_order(self) -> dict[Any, list[NDArray[Any]]]:
        """The rows of each input, in their order."""
        order = np.argsort(np.concatenate([numbers for numbers, _ in self.parts])).tolist()
        arrays = {name: [row for part in self.inputs for row in part[name]] for name in self.inputs[0]}
        return {name: [rows[place] for place in order] for name, rows in arrays.items()}

    def padded_row(self, positions: Any = None) -> PaddedRow | None:
        """The first row that `padded_row` finds, with the positions that count of each row, or None."""
        inputs = self.inputs
        shapes = [next(iter(arrays.values())).shape for arrays in inputs]
        varying = [axis for axis in range(1, len(shapes[0])) if len({shape[axis] for shape in shapes}) > 1]
        for (numbers, _), arrays in zip(self.parts, inputs, strict=True):
            counts = None if positions is None else as_array([positions[n] for n in numbers], "`positions`")
            found = padded_row(numbers, arrays, counts, varying if self.in_batches else ())
            if found is not None:
                return found
        return None


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
    arrays = {name: [as_array(row, "The rows")[np.newaxis] for row in part] for name, part in inputs.items()}
    return grouped(
        [dict(zip(arrays, rows, strict=True)) for rows in zip(*arrays.values(), strict=True)], form
    )


def check_one_size(x: Any) -> None:
    """Raise an `InputError` for rows of several sizes, where only rows of one can be used."""
    if isinstance(x, RowsOfSizes):
        raise InputError(
            "The rows differ in size",
            expected="rows of one shape; `assess`, `stream`, `objects`, `plan` and `audit` take several",
            received=f"{len(x)} rows of {len(x.parts)} sizes",
            hint=PAD,
        )


# --- padding that the numbers of a row depend on ---------------------------------------------------


@dataclass(frozen=True, eq=False)
class PaddedRow:
    """A row with padding, and the same without.

    Attributes:
        number: Its number.
        rows: The row (1, …) with padding and without, as an adapter takes it.
        left: The places that are no padding, along each axis that has some.
    """

    number: int
    rows: tuple[Any, Any]
    left: tuple[NDArray[np.int64], ...]


def padded_row(
    numbers: NDArray[np.int64],
    inputs: Mapping[Any, Any],
    positions: NDArray[Any] | None = None,
    varying: Collection[int] = (),
) -> PaddedRow | None:
    """The row of one size with the most padding; None if none seems to be padded.

    Padding is what an attention mask leaves out. Without one it is what `positions` leave out around those
    that count, if it holds one value, and if another row counts up to both ends. Without positions, a row
    may end in one value along an axis of `varying`, and another row not.

    Args:
        numbers: (n,) numbers of the rows.
        inputs: (n, …) of each input, by name.
        positions: (n, *P) the positions that count.
        varying: Axes along which batches differ.
    """
    first = next(iter(inputs.values()))
    there: dict[int, NDArray[np.bool_]] = {}
    is_masked = ATTENTION_MASK in inputs and len(inputs[ATTENTION_MASK].shape) == 2
    if is_masked:
        there = {1: inputs[ATTENTION_MASK][:BLOCK] != 0}
    elif positions is not None:
        sides = positions.shape[1:]
        start = next((at for at in (1, 2) if first.shape[at : at + len(sides)] == sides), None)
        axes = [*range(1, positions.ndim)]
        if start is not None:
            there = {
                start + at: np.asarray(positions[:BLOCK].any(axis=(*axes[:at], *axes[at + 1 :])))
                for at in range(len(axes))
            }
    else:
        there = {
            axis: np.logical_or.reduce([_before_the_end(array[:BLOCK], axis) for array in inputs.values()])
            for axis in varying
        }
    if not is_masked:
        there = {axis: some for axis, some in there.items() if some.all(axis=1).any()}
    if not there or not len(numbers):
        return None
    shares = np.prod([some.mean(axis=1) for some in there.values()], axis=0)
    at = int(np.argmin(np.where(shares > 0, shares, 1)))
    ends = {axis: np.flatnonzero(some[at])[[0, -1]] for axis, some in there.items() if some[at].any()}
    left = {axis: np.arange(start, last + 1) for axis, (start, last) in ends.items()}
    left = {axis: kept for axis, kept in left.items() if len(kept) < first.shape[axis]}
    padded = {name: array[np.array([at])] for name, array in inputs.items()}
    of_positions = positions is not None and not is_masked
    if not left or (of_positions and not _is_one_value_outside(next(iter(padded.values())), left)):
        return None
    bare = dict(padded)
    for axis, kept in left.items():
        for name, array in bare.items():
            if array.shape[axis : axis + 1] == (first.shape[axis],):
                bare[name] = array.take(kept, axis=axis)
    named = isinstance(next(iter(inputs)), str)
    rows = (padded, bare) if named else ([*padded.values()], [*bare.values()])
    return PaddedRow(int(numbers[at]), rows, tuple(left.values()))


def _is_one_value_outside(row: NDArray[Any], left: Mapping[int, NDArray[np.int64]]) -> bool:
    """Whether a row (1, …) holds one value in each channel outside the places that are left."""
    outside = np.ones([row.shape[axis] for axis in left], dtype=bool)
    outside[np.ix_(*left.values())] = False
    values = np.moveaxis(row, list(left), range(len(left)))[outside]
    return len(values) > 0 and bool((values == values[0]).all())


def _before_the_end(array: NDArray[Any], axis: int) -> NDArray[np.bool_]:
    """(n, side) whether a place along an axis comes before a constant end of two places or more."""
    slices = np.moveaxis(array, axis, 1).reshape(len(array), array.shape[axis], -1)
    same = (slices == slices[:, -1:, -1:]).all(axis=2)
    constant = np.logical_and.accumulate(same[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(~constant | (constant.sum(axis=1, keepdims=True) < 2))
