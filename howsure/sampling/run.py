"""The model, rows and outcome for which passes are drawn. Rows run in chunks, each with its trunk.

block   rows whose sums are held at a time
chunk   rows that run together: at most `batch_size`, and no more than a folded tensor may hold
trunk   the part that all passes over a chunk share, computed once
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.adapters.protocol import Array, PassModel, RawOutputs
from howsure.sampling.outcome import InputRows, Outcome

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

Chunk = tuple[Integers, Any]
"""Positions of rows that run together, and the trunk of all passes over them."""

Pay = Callable[[float], None]
"""Called with a cost, in plain predictions of single rows."""

OnPass = Callable[..., None]
"""Called with the numbers (n,) of rows, passes (W, n, …, K) over them, and into how many parts these divide,
one after the other, that have no mask in common; and with the `member` whose passes they are, where there are
several."""

ChunksOf = Callable[[Integers], Iterator[Chunk]]
"""Yields the rows at given positions, chunk by chunk."""


@dataclass(frozen=True)
class Run:
    """Everything that drawing passes needs.

    Attributes:
        model: The model.
        rows: Its inputs. Each maps row numbers (n,) to rows (n, …) in the input's type.
        numbers: (N,) numbers of the rows of this run; positions are indices into this array.
        outcome: The kind of answer for a row.
        seed: Seed of the masks.
        batch_size: Most rows that run together.
        on_pass: Called with all passes that are added to the sums, or None.
        pay: Called with the cost of what is computed, in plain predictions of single rows, or None.
    """

    model: PassModel
    rows: Sequence[InputRows]
    numbers: Integers
    outcome: Outcome
    seed: int
    batch_size: int
    on_pass: OnPass | None = None
    pay: Pay | None = None

    def values(self, raw: RawOutputs, chunk: Integers) -> Floats:
        """Values (W, n, K) from raw outputs (W, ≥ n, …) of passes over a chunk, without padding."""
        return self.outcome.values(raw[:, : len(chunk)], self.numbers[chunk])

    def batches(self, positions: Integers, rows_per_call: int) -> Iterator[tuple[Integers, list[Array]]]:
        """Positions of rows that run together, and the rows of each input (padded with the last row)."""
        for chunk, filled in self._filled_up(positions, rows_per_call):
            yield chunk, [rows[self.numbers[filled]] for rows in self.rows]

    def chunks(self, positions: Integers, rows_per_call: int) -> Iterator[Chunk]:
        """Rows that run together, with their trunk, computed for this call."""
        for chunk, inputs in self.batches(positions, rows_per_call):
            yield chunk, self.model.trunk(inputs)

    def chunks_of(self, rows: Integers, trunk: Any, rows_per_call: int) -> ChunksOf:
        """A function like `chunks` for any of these rows, which takes their trunk from the given one."""

        def chunks(positions: Integers) -> Iterator[Chunk]:
            for chunk, filled in self._filled_up(positions, rows_per_call):
                all_rows = np.array_equal(filled, rows)
                yield chunk, trunk if all_rows else trunk.take(places(rows, filled))

        return chunks

    def trunk(self, positions: Integers) -> Any:
        """The trunk of many rows, computed in large chunks."""
        at_once = max(1, self.model.limits.trunk // self.model.levels[0].size)
        first, *others = (trunk for _, trunk in self.chunks(positions, at_once))
        return first.join(others)

    def _filled_up(self, positions: Integers, rows_per_call: int) -> Iterator[tuple[Integers, Integers]]:
        """Positions of rows that run together, and the same padded with the last position."""
        fixed = self.model.info.fixed_batch
        size = fixed or min(self.batch_size, rows_per_call)
        for start in range(0, len(positions), size):
            chunk = positions[start : start + size]
            target_rows = fixed or (min(size, padded(len(chunk))) if self.model.info.compiles else len(chunk))
            yield chunk, np.concatenate([chunk, np.full(target_rows - len(chunk), chunk[-1])])


def padded(rows: int) -> int:
    """The next of 1, 2, 3, 4, 6, 8, 12, 16 …: few distinct shapes, so that little is compiled again."""
    power = 1 << (rows - 1).bit_length()
    return power * 3 // 4 if 4 * rows <= 3 * power and power >= 4 else power


def places(among: Integers, wanted: Integers) -> Integers:
    """Index in `among` of each wanted number; `among` holds each number once."""
    order = np.argsort(among)
    return np.asarray(order[np.searchsorted(among, wanted, sorter=order)])
