"""Split a module into levels. Operations that depend on no draw run once for the rows, others in each pass.

    rows (n) ─ shared ─ trunk ─┬─ × masks (W₁) ─ W₁·n rows ─┬─ × masks (W₂) ─ W₂·n rows ─ output
               level 0         ┊                  level 1   ┊                   level 2

A recorded run (`howsure.adapters.torch.program`) is repeated with other numbers of rows: n for level 0, W·n
for a level with W passes, which are folded into the batch axis. A mask is not copied for every row.
Elementwise operations get their inputs with passes and rows on separate axes, and broadcast. For all other
operations, values with fewer passes are repeated.
"""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from howsure import tuning
from howsure.adapters.networks import NetworkCache
from howsure.adapters.processor import multiplies_bfloat16
from howsure.adapters.protocol import BFLOAT16, FLOAT32, Array, Level, Limits
from howsure.adapters.torch.bfloat16 import Reducing, reducible
from howsure.adapters.torch.draws import Place
from howsure.adapters.torch.levels import MADE, leveled, needed
from howsure.adapters.torch.noted_tensors import tensors_in
from howsure.adapters.torch.program import Axis, Call, RecordedProgram, RecordedSlot, Times
from howsure.adapters.torch.steps import RecordedStep, Runner, Sizes, apart, widened
from howsure.adapters.torch.tracer import Unsplittable, results_of

IN_CACHES, OF_FEW_ROWS = 1 << 18, 1 << 22
"""Numbers, 1 and 16 MiB in float32. As many rows run at a time as fit into the first, since what lies in the
caches of the processor is read faster; or up to 32 that fit into the second, since for fewer rows weights
would not be worth reading. With 4 MiB for the first, 2,000 rows of an MLP 128–128–64 with `passes=100` take
1.7 times as long, and a small BERT 1.4 times (AMD EPYC, 1 MiB of L2 a core)."""

__all__ = ["Split", "SplitTrunk", "Unsplittable"]


@dataclass(frozen=True, eq=False)
class SplitTrunk:
    """The values that all passes over some rows share.

    Attributes:
        rows: Number of rows.
        values: The tensors.
        axes: Their batch axes.
    """

    rows: int
    values: tuple[Tensor, ...]
    axes: tuple[Axis, ...]

    def __len__(self) -> int:
        return self.rows

    def take(self, positions: NDArray[np.int64]) -> SplitTrunk:
        """The trunk of the rows at these positions; positions may repeat."""
        start, count = int(positions[0]) if len(positions) else 0, len(positions)
        in_order = bool((np.diff(positions) == 1).all())
        index = torch.from_numpy(np.array(positions, dtype=np.int64))

        def taken(tensor: Tensor, place: int) -> Tensor:
            if in_order:
                return tensor.narrow(place, start, count)
            return tensor.index_select(place, index.to(tensor.device))

        values = [taken(*piece) for piece in self._apart()]
        return SplitTrunk(count, self._together(values), self.axes)

    def join(self, others: Sequence[SplitTrunk]) -> SplitTrunk:
        """This trunk and others as one, in order."""
        trunks = (self, *others)
        parts = zip(*(trunk._apart() for trunk in trunks), strict=True)
        values = [torch.cat([tensor for tensor, _ in pieces], pieces[0][1]) for pieces in parts]
        return SplitTrunk(sum(map(len, trunks)), self._together(values), self.axes)

    def _apart(self) -> list[tuple[Tensor, int]]:
        """Each tensor with its rows on a separate axis, and the index of that axis."""
        return [
            (tensor, axis.place)
            if axis.times == 1
            else (apart(tensor, axis, (axis.outer, self.rows, axis.inner)), axis.place + 1)
            for tensor, axis in zip(self.values, self.axes, strict=True)
        ]

    def _together(self, values: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Undo `_apart`."""
        return tuple(
            tensor if axis.times == 1 else tensor.flatten(axis.place, axis.place + 2)
            for tensor, axis in zip(values, self.axes, strict=True)
        )


class Split:
    """A recorded module that runs passes level by level. Compare them with whole ones before you use them.

    Args:
        program: The recorded run. It drew as in training; all else was as in predicting.
        drawn: For each draw in order: the place of a random op, or a number that replaces it.
        work: Work of a plain prediction of one row, as `howsure.adapters.torch.tracer.work` counts it; None
            for that of a pass.

    Attributes:
        levels: Level 0, which all passes share, then one level for each random op.
        limits: How much may run at once.
        repeated: Names of the module calls that passes repeat.
        networks: Thinned networks for few rows, kept for later calls; None if they hold more than masks.
        asks: The operation that reads a number out of a tensor, in words; then `fits` tells for which rows
            the module runs like this. None if there is no such operation.

    Raises:
        Unsplittable: The module must run whole; the message gives the reason.
    """

    def __init__(
        self, program: RecordedProgram, drawn: Sequence[Place | float | None], work: float | None = None
    ) -> None:
        self._places = [place for place in drawn if isinstance(place, Place)]
        program = _placed(program, drawn)
        self._found = leveled(program)
        self._program, self._runner = program, Runner(program, self._found)
        self._output = program.output
        self._draws = {
            call.draw: call for call in (entry.call for entry in self._found) if call.draw is not None
        }
        self._check_masks()
        self.asks = next((_why_whole(call) for call, _ in program.asked), None)
        self._asked = [(call, number, self._leading_to(call)) for call, number in program.asked]
        made_steps = [self._runner.step(entry) for entry in self._found if entry.level == MADE]
        steps = [
            self._runner.step(entry)
            for entry in self._found
            if entry.level > MADE and entry.call.draw is None
        ]
        self._shared = [step for step in steps if step.level == 0]
        self._of_masks = [step for step in steps if step.drawn]
        self._thinned = [step for step in steps if step.level > 0 and not step.drawn]
        self.networks = NetworkCache() if all(map(self._follows_masks, self._of_masks)) else None
        self._reduced = self.networks and NetworkCache()
        self._crossing = self._find_crossing()
        self._forget(self._shared, keep={*self._crossing})
        self._forget(self._thinned, keep={self._output})
        self._made = self._find_made(made_steps, steps)
        self._reducible = reducible(program, self._thinned, self._shared)
        self.levels = self._measured(steps, work)
        self.repeated = frozenset(step.call.place for step in self._thinned)
        self.limits = Limits(
            fold=tuning.LARGEST_FOLD,
            trunk=tuning.LARGEST_FOLD,
            trunk_size=sum(program.values[slot].size for slot in self._crossing),
            precisions=(FLOAT32, BFLOAT16) if self._reducible and multiplies_bfloat16() else (FLOAT32,),
        )

    @property
    def types(self) -> frozenset[str]:
        """Types of the numbers that any operation reads or returns, such as `float32`."""
        return frozenset(str(value.dtype).removeprefix("torch.") for value in self._program.values.values())

    def fits(self, rows: Sequence[Tensor]) -> bool:
        """True if the module reads the same numbers of these rows as when it was recorded."""
        values: dict[RecordedSlot, Any] = dict(zip(self._program.inputs, rows, strict=True))

        def given(item: Any) -> Any:
            if isinstance(item, Times):
                return item.per_row * len(rows[0])
            if isinstance(item, (list, tuple)):
                return [given(part) for part in item]
            return values[item] if isinstance(item, RecordedSlot) else item

        with torch.no_grad():
            for asking, number, before in self._asked:
                for call in (*(call for call in before if call.outputs[0] not in values), asking):
                    named = {name: given(item) for name, item in call.kwargs.items()}
                    results = results_of(call.op(*given(call.args), **named))
                    values |= {
                        slot: result for slot, result in zip(call.outputs, results, strict=True) if slot
                    }
                if results != (number,):
                    return False
        return True

    def trunk(self, rows: Sequence[Tensor]) -> SplitTrunk:
        """The part that all passes over these rows share, computed in pieces that fit into caches."""
        count, at_once = len(rows[0]), self.rows_at_once(self._shared, (1,))
        parts = [
            self.part_of_trunk([array[start : start + at_once] for array in rows])
            for start in range(0, max(1, count), at_once)
        ]
        return parts[0].join(parts[1:]) if len(parts) > 1 else parts[0]

    def part_of_trunk(self, rows: Sequence[Tensor]) -> SplitTrunk:
        """The part that all passes over these rows share, computed in one piece."""
        values = dict(zip(self._program.inputs, rows, strict=True))
        sizes = Sizes(rows[0].shape[0], (1,))
        with torch.no_grad():
            self._runner.run(self._shared, values, _Constants(self, sizes), sizes)
        axes = tuple(self._runner.axis(slot) for slot in self._crossing)
        return SplitTrunk(sizes.rows, tuple(values[slot] for slot in self._crossing), axes)

    def thin(self, masks: Sequence[Array]) -> SplitThinned:
        """The thinned networks with these masks.

        Args:
            masks: For each draw (W_l, …), True or 1 for a kept unit; W_l divides W_{l+1}.

        Returns:
            A function from a trunk of n rows to outputs (W, n, …).
        """
        widths = (1, *map(len, masks))
        drawn: dict[RecordedSlot, Tensor] = {}
        alone = Sizes(1, widths)
        with torch.no_grad():
            for number, mask in enumerate(masks):
                drawn |= self._drawn(number, mask)
            self._runner.run(self._of_masks, drawn, _Constants(self, alone), alone)
            drawn = {slot: self._runner.kept(slot, mask) for slot, mask in drawn.items()}
        return SplitThinned(self, widths, drawn)

    def passes(self, thinned: SplitThinned, trunk: SplitTrunk, made: _Constants | None = None) -> Tensor:
        """Outputs (W, n, …) of thinned networks for the n rows of a trunk.

        Args:
            thinned: The networks.
            trunk: The trunk.
            made: Values that depend on neither rows nor masks, for pieces with as many rows; None makes them.
        """
        count, widths = trunk.rows, thinned.widths
        sizes = Sizes(count, widths)
        values = {**thinned.drawn, **dict(zip(self._crossing, trunk.values, strict=True))}
        made = _Constants(self, sizes) if made is None else made
        self._runner.run(self._thinned, values, made, sizes)
        output = values[self._output]
        have = widths[max(0, self._runner.level[self._output])]
        return widened(output, Axis(0), have, widths[-1], count, count).reshape(
            widths[-1], count, *output.shape[1:]
        )

    def rows_at_once(self, steps: Sequence[RecordedStep], widths: Sequence[int]) -> int:
        """Number of rows whose tensors fit into the processor's caches."""
        of_row = max((widths[step.level] * self._runner.largest(step) for step in steps), default=1)
        return max(1, IN_CACHES // of_row, min(tuning.MANY_ROWS, OF_FEW_ROWS // of_row))

    def in_precision(self, precision: str) -> Split:
        """The same module with its heavy operations in another of `limits.precisions`."""
        if precision == FLOAT32:
            return self
        reduced = copy.copy(self)
        reduced._runner = Reducing(self._program, self._found, self._reducible)
        reduced.networks = self._reduced
        return reduced

    def made(self, level: int, drawn: bool, sizes: Sizes) -> dict[RecordedSlot, Tensor]:
        """The values that steps of a level read, but that depend on neither rows nor masks."""
        values: dict[RecordedSlot, Tensor] = {}
        batch = sizes.batch(level, drawn=drawn)
        self._runner.run(self._made.get((level, drawn), ()), values, lambda _: values, Sizes(batch, (1,)))
        return values

    # --- preparation ------------------------------------------------------------------------------

    def _check_masks(self) -> None:
        """Raise an `Unsplittable` unless masks fit their draws and the output has rows."""
        for number, call in self._draws.items():
            value, random_op = self._program.values[_only_output(call)], self._places[number].random_op
            self._runner.axis(_only_output(call))
            if value.size != math.prod(random_op.shape):
                raise Unsplittable(f"a mask of {random_op.shape} for numbers of {value.shape}")
        if self._runner.level[self._output] == MADE or self._runner.drawn[self._output]:
            raise Unsplittable("an output that does not depend on the rows")

    def _leading_to(self, asking: Call) -> list[Call]:
        """The calls that lead to one that reads a number; quick ones on rows, since they are done twice."""
        calls = needed(self._program, self._program.calls, asking.reads)
        if any(call.draw is not None or call.writes is not None or call.multiply_adds for call in calls):
            raise Unsplittable(_why_whole(asking))
        return calls

    def _follows_masks(self, step: RecordedStep) -> bool:
        """True if a step reads masks and plain numbers only, such as no weights."""
        read = tensors_in([step.call.args, step.call.kwargs])
        return not any(True for _ in read) and all(
            self._runner.level[slot] > MADE for slot in step.call.reads
        )

    def _find_crossing(self) -> tuple[RecordedSlot, ...]:
        """The values of level 0 that later levels or the output read."""
        read = [*(slot for step in self._thinned for slot in step.call.reads), self._output]
        return tuple(dict.fromkeys(slot for slot in read if self._runner.level[slot] == 0))

    def _forget(self, steps: Sequence[RecordedStep], keep: Iterable[RecordedSlot]) -> None:
        """Store for each step the values that no later step reads."""
        kept, later = set(keep), set[RecordedSlot]()
        for step in reversed(steps):
            touched = {*step.call.reads, *(slot for slot in step.call.outputs if slot is not None)}
            step.ends.extend(touched - later - kept)
            later |= touched

    def _find_made(
        self, made: Sequence[RecordedStep], steps: Sequence[RecordedStep]
    ) -> dict[tuple[int, bool], list[RecordedStep]]:
        """The steps that make the constants for each level."""
        by_call = {step.call: step for step in made}
        read: dict[tuple[int, bool], set[RecordedSlot]] = {}
        for step in steps:
            wanted = {slot for slot in step.call.reads if self._runner.level[slot] == MADE}
            read.setdefault((step.level, step.drawn), set()).update(wanted)
        return {
            key: [by_call[call] for call in needed(self._program, list(by_call), slots)]
            for key, slots in read.items()
        }

    def _drawn(self, number: int, mask: Array) -> dict[RecordedSlot, Tensor]:
        """The numbers of a draw for one row with these masks (W, …); empty if nothing reads them."""
        if number not in self._draws:
            return {}
        call = self._draws[number]
        slot, levels = _only_output(call), self._places[number].levels
        value, axis = self._program.values[slot], self._runner.axis(slot)
        before, after = value.shape[: axis.place], value.shape[axis.place + 1 :]
        numbers = torch.from_numpy(np.array(mask)).to(value.device)
        if levels is not None:
            numbers = levels[0] + (levels[1] - levels[0]) * numbers.to(torch.float64)
        numbers = (numbers if call.scaled is None else call.scaled(numbers)).to(value.dtype)
        numbers = numbers.reshape(-1, *before, axis.outer, axis.inner, *after).movedim(0, axis.place + 1)
        return {slot: numbers.reshape(*before, len(mask) * axis.times, *after)}

    def _measured(self, steps: Sequence[RecordedStep], work: float | None) -> tuple[Level, ...]:
        """The levels with their costs and sizes."""
        random_ops = [place.random_op for place in self._places]
        costs, sizes = np.zeros(len(random_ops) + 1), [1] * (len(random_ops) + 1)
        values = self._program.values
        for step in steps:
            if step.drawn:
                continue
            read = [slot for slot in step.call.reads if self._runner.level[slot] > MADE]
            read_memory = {values[slot].memory for slot in read}
            outputs = [values[slot] for slot in step.call.outputs if slot is not None]
            new = sum(value.size for value in outputs if value.memory not in read_memory)
            costs[step.level] += step.call.multiply_adds + tuning.ELEMENTWISE * new
            held = [value.size for value in outputs]
            held += [values[slot].size for slot in read if not self._runner.drawn[slot]]
            sizes[step.level] = max(sizes[step.level], *held)
        starts = [(), *((random_op,) for random_op in random_ops)]
        shares = costs / max(1.0, min(costs.sum(), work or np.inf))
        return tuple(map(Level, starts, shares.tolist(), sizes))


@dataclass(frozen=True, eq=False)
class SplitThinned:
    """Thinned networks: a function from a trunk to outputs.

    Attributes:
        of: The split module.
        widths: Number of passes at each level.
        drawn: The masks, and the values made of them.
    """

    of: Split
    widths: tuple[int, ...]
    drawn: dict[RecordedSlot, Tensor]

    def __call__(self, trunk: SplitTrunk) -> Tensor:
        """Outputs (W, n, …) for the n rows of a trunk."""
        count, at_once = len(trunk), self._rows_at_once
        made: dict[int, _Constants] = {}
        parts = []
        with torch.no_grad():
            for start in range(0, max(1, count), at_once):
                rows = min(at_once, count - start)
                part = trunk if rows == count else trunk.take(np.arange(start, start + rows))
                if rows not in made:
                    made[rows] = _Constants(self.of, Sizes(rows, self.widths))
                parts.append(self.of.passes(self, part, made[rows]))
            return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    @functools.cached_property
    def _rows_at_once(self) -> int:
        return self.of.rows_at_once(self.of._thinned, self.widths)


class _Constants:
    """For a step, the values that depend on neither rows nor masks, computed once for its level."""

    def __init__(self, split: Split, sizes: Sizes) -> None:
        self._split, self._sizes = split, sizes
        self._kept: dict[tuple[int, bool], dict[RecordedSlot, Tensor]] = {}

    def __call__(self, step: RecordedStep) -> dict[RecordedSlot, Tensor]:
        key = (step.level, step.drawn)
        if key not in self._kept:
            self._kept[key] = self._split.made(*key, self._sizes)
        return self._kept[key]


def _placed(program: RecordedProgram, drawn: Sequence[Place | float | None]) -> RecordedProgram:
    """The program with draws of random ops only, numbered as these; constants replace other draws."""
    if program.draws != len(drawn):
        raise Unsplittable(f"{program.draws} draws where {len(drawn)} were found")
    calls = []
    for call in program.calls:
        place = None if call.draw is None else drawn[call.draw]
        if call.draw is None:
            calls.append(call)
        elif isinstance(place, Place):
            calls.append(replace(call, draw=place.random_op.number))
        elif place is None:
            raise Unsplittable(f"{call.op} draws random numbers")
        else:
            value = program.values[_only_output(call)]
            size: list[Any] = list(value.shape)
            if isinstance(value.axis, Axis):
                size[value.axis.place] = Times(value.axis.times)
            number = place if call.scaled is None else float(call.scaled(torch.tensor(place)))
            kwargs = {"dtype": value.dtype, "device": value.device}
            calls.append(Call(torch.ops.aten.full.default, (size, number), kwargs, call.outputs))
    return replace(program, calls=tuple(calls))


def _why_whole(call: Call) -> str:
    return f"{call.op} reads a number out of a tensor"


def _only_output(call: Call) -> RecordedSlot:
    (slot,) = call.outputs
    if slot is None:
        raise Unsplittable(f"{call.op} draws no tensor")
    return slot
