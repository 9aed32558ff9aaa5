"""Record the operations of a module's run, so that they can be repeated for other rows.

A module runs twice, with n and with m rows, while every ATen operation is recorded. Both records must be
equal except for sizes. If a whole number is k·n in one and k·m in the other, it follows the rows
(`Times(k)`). The axis whose size follows the rows is the batch axis of a value. Nothing is traced, so any
Python may run in between. Operations whose effect would differ for other rows are refused, such as a branch
on values of the rows, or a number read out of a tensor.

    x (n, 4) ── addmm ── relu ── bernoulli_ ┐            calls   slot ← operation(slots, constants, Times)
                           └──── mul ───────┴── addmm    values  axis of the rows, shape, memory
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from howsure.adapters.torch.noted_tensors import Noted
from howsure.adapters.torch.tracer import Notes, Operation, Unsplittable, is_view

aten = torch.ops.aten


@dataclass(frozen=True, eq=False)
class RecordedSlot:
    """The place of a value among all values of a run; one object for each."""

    number: int


@dataclass(frozen=True)
class Times:
    """A whole number that is a multiple of the number of rows."""

    per_row: int


@dataclass(frozen=True)
class Axis:
    """The batch axis of a value: one axis with outer × rows × inner entries.

    Attributes:
        place: Index of the axis.
        outer: Factor folded into it outside the rows.
        inner: Factor folded into it within a row, such as attention heads.
    """

    place: int
    outer: int = 1
    inner: int = 1

    @property
    def times(self) -> int:
        """Numbers on the axis for each row."""
        return self.outer * self.inner


@dataclass(frozen=True)
class ValueProperties:
    """Properties of a value.

    Attributes:
        axis: Its batch axis; None if it has none; a text if it is unknown, with the reason.
        shape: Its shape, with 1 row.
        dtype: Its type of number.
        device: Its device.
        in_order: True if it is contiguous.
        memory: Stands for its memory; views share one.
    """

    axis: Axis | str | None
    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    in_order: bool
    memory: object

    @functools.cached_property
    def size(self) -> int:
        """Numbers for one row."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Call:
    """One recorded operation.

    Attributes:
        op: The operation.
        args: Its arguments, with a `RecordedSlot` for every value, and `Times` for multiples of the rows.
        kwargs: Its keyword arguments, in the same form.
        outputs: Slots of its results; None for a result that is no tensor.
        writes: The value that it writes into, or None.
        draw: Its number among the draws of the run, or None.
        scaled: Scaling of a draw's plain numbers (see `Draw`); None if it returns them unchanged.
        multiply_adds: Multiply-adds for one row.
        place: The module call that it belongs to.
    """

    op: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[RecordedSlot | None, ...]
    writes: RecordedSlot | None = None
    draw: int | None = None
    scaled: Callable[[Tensor], Tensor] | None = None
    multiply_adds: float = 0.0
    place: str = ""

    @functools.cached_property
    def reads(self) -> tuple[RecordedSlot, ...]:
        """The values whose numbers it needs."""
        return tuple(_slots((self.args, tuple(self.kwargs.values()))))


@dataclass(frozen=True, eq=False)
class RecordedProgram:
    """One recorded run.

    Attributes:
        inputs: Slots of the rows.
        calls: The operations, in order.
        output: RecordedSlot of the result.
        values: Properties of the value in every slot.
        kept: Memory of the rows, and memory that outlasts a run, such as weights.
        draws: Number of draws.
        asked: Calls by which the module reads a number out of a tensor, each with the number; for rows of
            which it reads another one, its operations may be others.
    """

    inputs: tuple[RecordedSlot, ...]
    calls: tuple[Call, ...]
    output: RecordedSlot
    values: dict[RecordedSlot, ValueProperties]
    kept: frozenset[object]
    draws: int
    asked: tuple[tuple[Call, Any], ...] = ()


def record(one: Notes, other: Notes) -> RecordedProgram:
    """The operations of a run for any number of rows, from notes for two numbers of rows.

    Args:
        one: Notes for some rows, which are the first axis of each input. It drew as in training.
        other: Notes for another number of rows; neither number is a multiple of the other.

    Raises:
        Unsplittable: Other rows would lead to other operations.
    """
    return _Match(one, other).program()


_FILLED: dict[Any, float | None] = {
    aten.empty_like: None,
    aten.new_empty: None,
    aten.new_empty_strided: None,
    aten.empty_strided: None,
    aten.zeros_like: 0,
    aten.new_zeros: 0,
    aten.ones_like: 1,
    aten.new_ones: 1,
}
"""Operations that make a tensor in the shape of another, and the value that fills it."""

_UNFIT_TAGS = (
    (torch.Tag.data_dependent_output, "reads a number out of a tensor"),
    (torch.Tag.dynamic_output_shape, "makes as many numbers as the values tell"),
)

_UNFIT = (aten.set_, aten.resize_, aten.as_strided, aten.as_strided_)


_CUTS = (aten.slice, aten.split)
_TO_THE_END = 2**63 - 1
"""The end of a slice without an end."""


class _Match:
    """Two runs with different numbers of rows, compared call by call."""

    def __init__(self, one: Notes, other: Notes) -> None:
        self.one, self.other = one, other
        self._slots: tuple[dict[int, RecordedSlot], dict[int, RecordedSlot]] = ({}, {})
        self._values: dict[RecordedSlot, ValueProperties] = {}
        self._calls: list[Call] = []
        self._asked: list[tuple[Call, Any]] = []
        self._draws = 0
        self._kept: set[object] = {tensor.memory for tensor in one.rows}

    def program(self) -> RecordedProgram:
        """The program that both runs have in common."""
        pairs = zip(self.one.rows, self.other.rows, strict=True)
        inputs = tuple(self._new(a, b, Axis(0)) for a, b in pairs)
        if len(self.one.operations) != len(self.other.operations):
            raise Unsplittable("other operations for another number of rows")
        for one, other in zip(self.one.operations, self.other.operations, strict=True):
            if one.op is not other.op:
                raise Unsplittable(f"{one.op} for {self.one.count} rows, {other.op} for {self.other.count}")
            before = len(self._calls)
            self._add(one, other)
            self._calls[before:] = [replace(call, place=one.place) for call in self._calls[before:]]
        output = self._merged(self.one.output, self.other.output)
        if not isinstance(output, RecordedSlot) or self._values[output].axis != Axis(0):
            raise Unsplittable("an output without rows on its first axis")
        calls, kept, asked = tuple(self._calls), frozenset(self._kept), tuple(self._asked)
        return RecordedProgram(inputs, calls, output, self._values, kept, self._draws, asked)

    def _add(self, one: Operation, other: Operation) -> None:
        """Add one operation of both runs."""
        op, args = one.op, one.args
        if len(one.results) != len(other.results):
            raise Unsplittable(f"{op} returns {len(one.results)} and {len(other.results)} results")
        pairs = list(zip(one.results, other.results, strict=True))
        if op is aten._local_scalar_dense.default and one.results == other.results:
            call = Call(op, self._merged(args, other.args), {}, (None,))
            self._asked.append((call, one.results[0]))
            return
        for tag, what in _UNFIT_TAGS:
            if tag in op.tags and not _picks_by_number(op, args):
                raise Unsplittable(f"{op} {what}")
        if op.overloadpacket in _UNFIT:
            raise Unsplittable(f"{op}")
        written = self._written(op, args)
        if one.draws:
            self._draw(op, one.scaled, self._merged(args, other.args), written, pairs)
        elif op.overloadpacket in _FILLED or op.overloadpacket in (aten.full_like, aten.new_full):
            self._calls.append(self._filling(op, args, self._merged(args, other.args), pairs))
        elif op is aten.squeeze.default:  # of the axes of length 1 for any number of rows
            places = [at for at, side in enumerate(args[0].shape) if side == other.args[0].shape[at] == 1]
            arguments = (self._merged(args[0], other.args[0]), places)
            self._calls.append(Call(aten.squeeze.dims, arguments, {}, self._outputs(pairs, arguments)))
        else:
            arguments = self._merged(args, other.args)
            named = self._merged(one.kwargs, other.kwargs)
            outputs = self._outputs(pairs, (arguments, tuple(named.values())), op)
            if self._counts_rows(op, arguments):
                raise Unsplittable(f"{op} takes some of the rows by their number")
            if _computes_with_rows(op, arguments):
                raise Unsplittable(f"{op} computes with the number of rows")
            cost = one.multiply_adds / self.one.count
            self._calls.append(Call(op, arguments, named, outputs, written, multiply_adds=cost))

    def _counts_rows(self, op: Any, arguments: Sequence[Any]) -> bool:
        """True if an operation cuts the batch axis at a fixed place, as a forward that works in chunks does.

        Recording uses few rows; one chunk holds them all, so the other chunks would not be recorded.
        """
        if op.overloadpacket not in _CUTS or not isinstance(arguments[0], RecordedSlot):
            return False
        value = self._values[arguments[0]]
        names = [argument.name for argument in op._schema.arguments]
        named = dict(zip(names, arguments, strict=False))
        if not isinstance(value.axis, Axis) or named.get("dim", 0) % len(value.shape) != value.axis.place:
            return False
        places = [named.get(name) for name in ("start", "end", "split_size")]
        return any(isinstance(number, int) and number not in (0, _TO_THE_END) for number in places)

    def _draw(self, op: Any, scaled: Any, args: Any, written: RecordedSlot | None, pairs: Any) -> None:
        """Add a draw; if its result is more than the drawn numbers, also the operations that make it."""
        number, self._draws = self._draws, self._draws + 1
        if op is not aten.native_dropout.default:
            outputs = self._outputs(pairs, args)
            self._calls.append(Call(op, (), {}, outputs, written, number, scaled))
            return
        inputs, rate = args[0], float(args[1])
        likes = [[replace(result, memory=object()) for result in pairs[0]] for _ in range(2)]
        axis = self._values[inputs].axis
        mask, thinned = (self._new(one, other, axis) for one, other in likes)
        output, kept = self._outputs(pairs, (inputs,))
        self._calls += [
            Call(op, (), {}, (mask,), None, number),
            Call(aten.mul.Tensor, (inputs, mask), {}, (thinned,)),
            Call(aten.mul.Scalar, (thinned, 0.0 if rate == 1 else 1 / (1 - rate)), {}, (output,)),
            Call(aten.ne.Scalar, (mask, 0), {}, (kept,)),
        ]

    def _filling(self, op: Any, args: Any, like: Any, pairs: Any) -> Call:
        """A call that makes a tensor like another, as one that depends on the shape only."""
        one, other = pairs[0]
        size = self._merged(list(one.shape), list(other.shape))
        kwargs = {"dtype": one.dtype, "device": one.device}
        outputs = self._outputs(pairs, like)
        value = _FILLED[op.overloadpacket] if op.overloadpacket in _FILLED else args[-1]
        if value is None:
            return Call(aten.empty.memory_format, (size,), kwargs, outputs)
        return Call(aten.full.default, (size, value), kwargs, outputs)

    def _written(self, op: Any, args: Any) -> RecordedSlot | None:
        """The value that a call writes into, before the write."""
        places = [
            at
            for at, argument in enumerate(op._schema.arguments)
            if argument.alias_info is not None and argument.alias_info.is_write
        ]
        if not places:
            return None
        if places != [0] or id(args[0]) not in self._slots[0]:
            raise Unsplittable(f"{op} writes into what is not the run's own")
        return self._slots[0][id(args[0])]

    def _merged(self, one: Any, other: Any) -> Any:
        """Combine the arguments of both runs: slots for values, `Times` for numbers that follow the rows."""
        if isinstance(one, Noted) and isinstance(other, Noted):
            slot = self._slots[0].get(id(one))
            if slot is None or slot != self._slots[1].get(id(other)):
                raise Unsplittable("values that are used in another order")
            return slot
        if isinstance(one, Tensor) and isinstance(other, Tensor):
            if one is not other and not (_alike(one, other) and torch.equal(one, other)):
                raise Unsplittable("a tensor that comes from outside and changes")
            if self.one.memory[id(one)] is None:
                raise Unsplittable(f"a tensor of layout {one.layout}")
            self._kept.add(self.one.memory[id(one)])
            return one
        if type(one) is not type(other):
            raise Unsplittable("arguments of another type")
        if isinstance(one, (list, tuple)):
            if len(one) != len(other):
                raise Unsplittable("arguments of another length")
            return type(one)(self._merged(a, b) for a, b in zip(one, other, strict=True))
        if isinstance(one, dict):
            return {name: self._merged(one[name], other[name]) for name in one}
        if isinstance(one, torch.ScriptObject) or one == other:
            return one
        if isinstance(one, int) and not isinstance(one, bool):
            per_row, rest = divmod(one, self.one.count)
            if not rest and per_row * self.other.count == other:
                return Times(per_row)
        raise Unsplittable(f"{one} for {self.one.count} rows, {other} for {self.other.count}")

    def _outputs(
        self, pairs: Any, arguments: Any, op: Any = aten.alias.default
    ) -> tuple[RecordedSlot | None, ...]:
        """Slots for the results of a call."""
        slots: list[RecordedSlot | None] = []
        for one, other in pairs:
            if not isinstance(one, Noted):
                slots.append(None)
                continue
            slots.append(self._new(one, other, self._axis(one, other, arguments, op)))
        return tuple(slots)

    def _new(self, one: Noted, other: Noted, axis: Axis | str | None) -> RecordedSlot:
        if one.memory is None:
            raise Unsplittable("a tensor that is sparse or nested")
        slot = RecordedSlot(len(self._values))
        shape = list(one.shape)
        if isinstance(axis, Axis):
            shape[axis.place] = axis.times
        self._values[slot] = ValueProperties(
            axis, tuple(shape), one.dtype, one.device, one.in_order, one.memory
        )
        self._slots[0][id(one)], self._slots[1][id(other)] = slot, slot
        return slot

    def _axis(self, one: Noted, other: Noted, arguments: Any, op: Any) -> Axis | str | None:
        """The batch axis of a result, or a text with the reason why it is unknown."""
        if one.ndim != other.ndim:
            return "another number of axes for another number of rows"
        places = [at for at, (a, b) in enumerate(zip(one.shape, other.shape, strict=True)) if a != b]
        if not places:
            return None
        place = places[0]
        times, rest = divmod(one.shape[place], self.one.count)
        if len(places) > 1 or rest or times * self.other.count != other.shape[place]:
            return f"rows on more than one axis, {tuple(one.shape)}"
        if times == 1:
            return Axis(place)
        axes = [(self._values[slot].axis, self._values[slot].shape) for slot in _slots(arguments)]
        rows_axes = [(axis, shape) for axis, shape in axes if isinstance(axis, Axis)]
        if op.overloadpacket is aten.repeat and not rows_axes:  # weights, for each row, as instance norm has
            return Axis(place, inner=times)
        if is_view(op) and rows_axes:
            ((axis, shape),) = rows_axes
            inside = axis.inner * math.prod(shape[axis.place + 1 :])
            inner, remainder = divmod(inside, math.prod(one.shape[place + 1 :]))
            if not remainder and inner and not times % inner:
                return Axis(place, times // inner, inner)
        factors = {(axis.outer, axis.inner) for axis, _ in rows_axes if axis.times == times}
        if len(factors) == 1:
            return Axis(place, *factors.pop())
        return f"rows folded into an axis, {tuple(one.shape)}"


def _slots(value: Any) -> list[RecordedSlot]:
    if isinstance(value, RecordedSlot):
        return [value]
    if isinstance(value, (list, tuple)):
        return [slot for item in value for slot in _slots(item)]
    return []


def _computes_with_rows(op: Any, args: Sequence[Any]) -> bool:
    """True if an operation computes with the number of rows, instead of only using it as a size."""
    if op.overloadpacket is aten.arange:
        return False
    pairs = zip(op._schema.arguments, args, strict=False)
    return any(
        isinstance(item, Times) and "int" not in str(argument.type).lower() for argument, item in pairs
    )


def _picks_by_number(op: Any, args: Any) -> bool:
    """True if an operation indexes by position, not by a boolean mask."""
    if op.overloadpacket not in (aten.index, aten.index_put, aten.index_put_):
        return False
    return all(index is None or index.dtype not in (torch.bool, torch.uint8) for index in args[1])


def _alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and one.device == other.device
