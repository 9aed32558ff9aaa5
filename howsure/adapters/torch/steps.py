"""Run one recorded call for a number of passes and a number of rows.

rows of a value    outer × passes × rows × inner, on one axis
spread             broadcast: elementwise operations combine values with different numbers of passes, and
                   masks that are the same for all rows, by broadcasting
widened            all other operations: values with fewer passes are repeated
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from howsure.adapters.torch.levels import MADE, Leveled
from howsure.adapters.torch.noted_tensors import items_in
from howsure.adapters.torch.program import Axis, Call, RecordedProgram, RecordedSlot, Times
from howsure.adapters.torch.tracer import Unsplittable, is_view

aten = torch.ops.aten

_SAFE_SOFTMAX = aten._safe_softmax.default


@dataclass(frozen=True)
class Sizes:
    """How much runs.

    Attributes:
        rows: Number of rows; 1 if values are the same for all rows.
        widths: Number of passes at each level, level 0 first.
    """

    rows: int
    widths: tuple[int, ...]

    def batch(self, level: int, *, drawn: bool = False) -> int:
        """The number that replaces the number of rows at a level."""
        return self.widths[level] * (1 if drawn else self.rows)


@dataclass(frozen=True, eq=False)
class RecordedStep:
    """A call, and how its inputs are combined.

    Attributes:
        call: The call.
        op: The operation to run.
        level: Its level.
        drawn: True if its results are the same for all rows.
        spread: The levels whose passes are combined by broadcasting; None if values are repeated instead.
        varying: Numbers of the arguments that follow the values or the sizes; the others stay as recorded.
        ends: Values that no later step reads.
    """

    call: Call
    op: Any
    level: int
    drawn: bool
    spread: tuple[int, ...] | None
    varying: tuple[int, ...]
    ends: list[RecordedSlot] = field(default_factory=list)


class Runner:
    """Runs the steps of a program.

    Args:
        program: The program.
        found: Its calls with their levels.
    """

    def __init__(self, program: RecordedProgram, entries: Sequence[Leveled]) -> None:
        self.program = program
        self.level = dict.fromkeys(program.inputs, 0)
        self.drawn = dict.fromkeys(program.inputs, False)
        for entry in entries:
            for slot in entry.call.outputs:
                if slot is not None:
                    self.level[slot], self.drawn[slot] = entry.level, entry.drawn
        written = {
            program.values[entry.call.writes].memory for entry in entries if entry.call.writes is not None
        }
        self._copied = {
            entry.call
            for entry in entries
            if is_view(entry.op)
            and all(
                program.values[slot].memory not in written for slot in entry.call.outputs if slot is not None
            )
        }

        self._largest: dict[RecordedStep, int] = {}

    def step(self, entry: Leveled) -> RecordedStep:
        """The step for a call."""
        op = aten.reshape.default if entry.call in self._copied else entry.op
        varying = tuple(
            number
            for number, item in enumerate((*entry.call.args, entry.call.kwargs))
            if next(items_in(item, (RecordedSlot, Times, Tensor)), None) is not None
        )
        return RecordedStep(entry.call, op, entry.level, entry.drawn, self._spread(entry), varying)

    def largest(self, step: RecordedStep) -> int:
        """Numbers in the largest tensor that a step reads or returns, for one row of one pass."""
        if step not in self._largest:
            slots = [slot for slot in (*step.call.reads, *step.call.outputs) if slot is not None]
            sizes = [self.program.values[slot].size for slot in slots if self.level.get(slot, MADE) > MADE]
            self._largest[step] = max(sizes, default=1)
        return self._largest[step]

    def run(
        self,
        steps: Sequence[RecordedStep],
        values: dict[RecordedSlot, Tensor],
        made: Callable[[RecordedStep], Mapping[RecordedSlot, Tensor]],
        sizes: Sizes,
    ) -> None:
        """Run steps on `values`: add their results, and drop values that are no longer needed.

        Args:
            steps: The steps, in order.
            values: Known values.
            made: Maps a step to the values of level `MADE` that it reads.
            sizes: How much runs.
        """
        for step in steps:
            *args, kwargs = self._arguments(step, values, made, sizes)
            results = self.call(step, args, kwargs)
            for slot, result in zip(step.call.outputs, results, strict=True):
                if slot is not None:
                    values[slot] = (
                        result if step.spread is None else self._together(slot, result, step, sizes)
                    )
            for slot in step.ends:
                values.pop(slot, None)

    def _arguments(
        self,
        step: RecordedStep,
        values: Mapping[RecordedSlot, Tensor],
        made: Callable[[RecordedStep], Mapping[RecordedSlot, Tensor]],
        sizes: Sizes,
    ) -> list[Any]:
        """The arguments of a step, and the keyword arguments last; see `run`."""
        batch = sizes.batch(step.level, drawn=step.drawn)

        def filled(item: Any) -> Any:
            if isinstance(item, RecordedSlot):
                if self.level[item] == MADE:
                    return self._placed(made(step)[item], item, step, sizes)
                return self._brought(values[item], item, step, sizes)
            if isinstance(item, Times):
                return item.per_row * batch
            if isinstance(item, (list, tuple)):
                return [filled(part) for part in item]
            if isinstance(item, dict):
                return {name: filled(part) for name, part in item.items()}
            return self._placed(item, None, step, sizes) if isinstance(item, Tensor) else item

        arguments = [*step.call.args, step.call.kwargs]
        for number in step.varying:
            arguments[number] = filled(arguments[number])
        return arguments

    def call(self, step: RecordedStep, args: list[Any], kwargs: dict[str, Any]) -> Sequence[Any]:
        """The results of a call."""
        run = _softmax if step.op is _SAFE_SOFTMAX else step.op
        results: Any = run(*args, **kwargs)
        if not isinstance(results, (tuple, list)):
            results = (results,)
        if step.op is step.call.op:
            return results  # type: ignore[no-any-return]
        # An operation that writes in place keeps the type of its target.
        dtypes = [slot if slot is None else self.program.values[slot].dtype for slot in step.call.outputs]
        return [
            result if dtype is None else result.to(dtype)
            for result, dtype in zip(results, dtypes, strict=True)
        ]

    def _together(self, slot: RecordedSlot, result: Tensor, step: RecordedStep, sizes: Sizes) -> Tensor:
        """The result of a spread (broadcast) call, with its rows on one axis."""
        axis = self.axis(slot)
        assert step.spread is not None
        count, place = axis.times * sizes.batch(step.level), axis.place
        result = result.reshape(*result.shape[:place], count, *result.shape[place + len(step.spread) + 3 :])
        return self.ordered(step, slot, result)

    def ordered(self, step: RecordedStep, slot: RecordedSlot, result: Tensor) -> Tensor:
        """The result of a spread call, contiguous if the recorded value was."""
        return result.contiguous() if self.program.values[slot].in_order else result

    def kept(self, slot: RecordedSlot, mask: Tensor) -> Tensor:
        """A value made of masks, in the form that its readers need."""
        return mask

    def axis(self, slot: RecordedSlot) -> Axis:
        """The batch axis of a value.

        Raises:
            Unsplittable: It has none.
        """
        value = self.program.values[slot]
        if not isinstance(value.axis, Axis):
            raise Unsplittable(f"no rows in a value of shape {value.shape}")
        return value.axis

    # --- how inputs meet --------------------------------------------------------------------------

    def _spread(self, entry: Leveled) -> tuple[int, ...] | None:
        """The levels that a call combines by broadcasting, or None."""
        if entry.level <= 0 or entry.drawn or entry.in_place or torch.Tag.pointwise not in entry.op.tags:
            return None
        met = {(self.level[slot], self.drawn[slot]) for slot in entry.call.reads if self.level[slot] > MADE}
        if met <= {(entry.level, False)} or len(entry.call.outputs) != 1:
            return None
        if all(level < entry.level for level, _ in met):  # its memory is written later, with more passes
            return None
        (slot,) = entry.call.outputs
        assert slot is not None
        axis, rank = self.axis(slot), len(self.program.values[slot].shape)
        for read in entry.call.reads:
            value = self.program.values[read]
            if isinstance(value.axis, Axis) and value.axis != Axis(
                axis.place - rank + len(value.shape), axis.outer, axis.inner
            ):
                return None
        return tuple(sorted({level for level, _ in met} - {0} | {entry.level}))

    def _brought(self, tensor: Tensor, slot: RecordedSlot, step: RecordedStep, sizes: Sizes) -> Tensor:
        """A value of the run, in the shape that a step needs."""
        level, axis = self.level[slot], self.axis(slot)
        rows = 1 if self.drawn[slot] else sizes.rows
        if step.spread is not None:
            return apart(tensor, axis, (axis.outer, *_factors(step.spread, level, sizes), rows, axis.inner))
        have, want = sizes.widths[level], sizes.widths[step.level]
        wanted_rows = 1 if step.drawn else sizes.rows
        if have == want and rows == wanted_rows:
            return tensor
        return widened(tensor, axis, have, want, rows, wanted_rows)

    def _placed(self, tensor: Tensor, slot: RecordedSlot | None, step: RecordedStep, sizes: Sizes) -> Tensor:
        """A constant or made value, in the shape that a step needs beside axes that are split."""
        if step.spread is None:
            return tensor
        axis = None if slot is None else self.program.values[slot].axis
        if isinstance(axis, Axis):
            widths = _factors(step.spread, step.level, sizes)
            return apart(tensor, axis, (axis.outer, *widths, sizes.rows, axis.inner))
        (output,) = step.call.outputs
        assert output is not None
        rank = len(self.program.values[output].shape)
        place = self.axis(output).place - rank + tensor.dim()
        return tensor if place < 0 else apart(tensor, Axis(place), (1,) * (len(step.spread) + 3))


def _factors(levels: Sequence[int], level: int, sizes: Sizes) -> tuple[int, ...]:
    """The passes of a level as a product over the combined levels; 1 for levels above it."""
    widths = [1, *(sizes.widths[combined] for combined in levels)]
    factors = [after // before for before, after in itertools.pairwise(widths)]
    return tuple(factor if combined <= level else 1 for combined, factor in zip(levels, factors, strict=True))


def apart(tensor: Tensor, axis: Axis, sides: Sequence[int]) -> Tensor:
    """A tensor with its batch axis split into several axes."""
    return tensor.reshape(*tensor.shape[: axis.place], *sides, *tensor.shape[axis.place + 1 :])


def widened(tensor: Tensor, axis: Axis, have: int, want: int, rows: int, wanted_rows: int) -> Tensor:
    """A tensor of `have` passes with each pass repeated, `want` in all; one row may stand for all rows."""
    sides = (axis.outer, have, 1, rows, axis.inner)
    split = apart(tensor, axis, sides)
    sides = (axis.outer, have, want // have, wanted_rows, axis.inner)
    shape = (*tensor.shape[: axis.place], *sides, *tensor.shape[axis.place + 1 :])
    count = math.prod(sides)
    return split.expand(shape).reshape(*tensor.shape[: axis.place], count, *tensor.shape[axis.place + 1 :])


def _softmax(scores: Tensor, axis: int, dtype: torch.dtype | None = None) -> Tensor:
    """`_safe_softmax` without a search of all scores for rows that are all −∞, which are NaN in a softmax."""
    if not torch.compiler.is_compiling() and scores.numel():
        shares = torch.softmax(scores, axis, dtype)
        if not shares.select(axis, 0).isnan().any():
            return shares
    return _SAFE_SOFTMAX(scores, axis, dtype)  # type: ignore[no-any-return]
