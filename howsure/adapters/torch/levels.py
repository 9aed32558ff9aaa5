"""The level of every value of a run: the number of the last draw that it depends on.

    made     level −1   depends on constants and the number of rows only
    shared   level 0    depends on rows; computed once for all passes (the trunk)
    drawn    level l    depends on draws but no rows: a mask and its derivatives, the same for all rows
    thinned  level l    depends on rows and the l-th draw

A write in place makes a new value, as long as nobody reads the old value, or a view of it, later. If somebody
does, everything in the same memory gets the level of the last write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from howsure.adapters.torch.program import Call, RecordedProgram, RecordedSlot
from howsure.adapters.torch.tracer import Unsplittable

MADE = -1


@dataclass(frozen=True, eq=False)
class Leveled:
    """A call and its level.

    Attributes:
        call: The call.
        level: Number of the last draw that its results depend on, from 1; 0 for none, `MADE` if they do not
            depend on rows either.
        drawn: True if its results are the same for all rows although their level is above 0.
        op: The operation to run. If the original would write into a value of a lower level, it is the
            operation that returns the result instead.
        in_place: True if it writes into its first argument.
    """

    call: Call
    level: int
    drawn: bool
    op: Any
    in_place: bool


def leveled(program: RecordedProgram) -> list[Leveled]:
    """The calls that the output needs, in order, each with its level.

    Raises:
        Unsplittable: The batch axis of a value is unknown, or a stored value is written into.
    """
    calls = needed(program, program.calls, {program.output})
    for call in calls:
        for slot in call.reads:
            if isinstance(program.values[slot].axis, str):
                raise Unsplittable(str(program.values[slot].axis))
        if call.writes is not None and program.values[call.writes].memory in program.kept:
            raise Unsplittable(f"{call.op} writes into what is kept")
    raised: dict[object, int] = {}
    while True:
        before = dict(raised)
        entries = _attempt(program, calls, raised)
        if raised == before:
            return entries


def _attempt(program: RecordedProgram, calls: Sequence[Call], raised: dict[object, int]) -> list[Leveled]:
    """Levels, given least levels of some memory; adds to `raised` the memory that needs a higher level."""
    values = program.values
    level = dict.fromkeys(program.inputs, 0)
    drawn = dict.fromkeys(program.inputs, False)
    last_read = {slot: number for number, call in enumerate(calls) for slot in call.reads}
    last_read[program.output] = len(calls)
    lying: dict[object, list[RecordedSlot]] = {}
    entries = []
    for number, call in enumerate(calls):
        reads = call.reads
        if call.draw is not None:
            own, same = call.draw + 1, True
        else:
            own = max((level[slot] for slot in reads), default=MADE)
            same = own > 0 and all(drawn[slot] for slot in reads if level[slot] > MADE)
        outputs = [slot for slot in call.outputs if slot is not None]
        least = max((raised.get(values[slot].memory, MADE) for slot in outputs), default=MADE)
        if least > MADE:
            if call.draw is not None:
                raise Unsplittable("a draw into a view of what is read later")
            own, same = max(own, least), False
        in_place = call.writes is not None and call.draw is None
        if call.writes is not None:
            memory = values[call.writes].memory
            moves = call.draw is not None or (level[call.writes], drawn[call.writes]) != (own, same)
            older = (slot for slot in lying.get(memory, ()) if slot != call.writes)
            if moves and any(last_read.get(slot, -1) > number for slot in older):
                raised[memory] = max(own, raised.get(memory, MADE))
            in_place = in_place and not moves
        for slot in outputs:
            level[slot], drawn[slot] = own, same
            lying.setdefault(values[slot].memory, []).append(slot)
            if slot in last_read and own > MADE and values[slot].axis is None:
                what = "one mask for all rows" if same else "one value for all rows"
                raise Unsplittable(f"{call.op} makes {what}")
        op = call.op if in_place or call.writes is None or call.draw is not None else _returning(call.op)
        entries.append(Leveled(call, own, same, op, in_place))
    return entries


def _returning(op: Any) -> Any:
    """The operation that returns what an in-place operation writes."""
    name = op._schema.name.removeprefix("aten::")
    packet = getattr(torch.ops.aten, name.removesuffix("_"), None)
    other = getattr(packet, op._overloadname, None) if name.endswith("_") else None
    if other is None:
        raise Unsplittable(f"{op} writes in place, and nothing returns the same")
    return other


def needed(program: RecordedProgram, calls: Sequence[Call], outputs: Iterable[RecordedSlot]) -> list[Call]:
    """The calls among these that some values need, in order."""
    slots = set(outputs)
    written = {program.values[call.writes].memory for call in calls if call.writes is not None}
    memory = {program.values[slot].memory for slot in slots}
    needed_calls = []
    for call in reversed(calls):
        writes = call.writes is not None and program.values[call.writes].memory in memory
        if not writes and not any(slot in slots for slot in call.outputs):
            continue
        needed_calls.append(call)
        for slot in call.reads:
            slots.add(slot)
            if program.values[slot].memory in written:
                memory.add(program.values[slot].memory)
    return needed_calls[::-1]
