"""A module as levels: what no draw reaches runs once for the rows, the rest once for each thinned network.

    rows (n) ─ shared ─ trunk ─┬─ × masks (W₁) ─ W₁·n rows ─┬─ × masks (W₂) ─ W₂·n rows ─ output
               level 0         ┊                  level 1   ┊                   level 2

A recorded run (`howsure.models.torch.recorded`) is repeated for another number of rows: n for level 0, W·n
for a level with W passes, which lie one after the other on the axis of the rows. A mask is not copied for
every row: an operation on single numbers gets its inputs with passes and rows on axes of their own, and
broadcasts. Where other operations read a value of fewer passes, its passes are repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from howsure import tuning
from howsure.models.protocol import Array, Level, Limits
from howsure.models.torch.levels import MADE, leveled, needed
from howsure.models.torch.recorded import Axis, Call, Program, Slot, Unsplittable, record
from howsure.models.torch.steps import Runner, Sizes, Step, apart, widened
from howsure.sites import Site

__all__ = ["Split", "SplitTrunk", "Unsplittable", "split"]


def split(
    run: Callable[[Sequence[Tensor]], Tensor],
    rows: Sequence[Tensor],
    others: Sequence[Tensor],
    sites: Sequence[Site],
) -> Split:
    """The levels of a module; compare its passes with whole ones before you use them.

    Args:
        run: From the inputs, each (n, …), to the output (n, …). It draws as in training and does nothing else
            as in training. What it leaves changed, its caller puts back.
        rows: Some of each input.
        others: The same with another number of rows, neither a multiple of the other, such as 5 and 7.
        sites: Of its draws, in order.

    Raises:
        Unsplittable: It must run whole; the message says why.
    """
    return Split(record(run, rows, others), sites)


@dataclass(frozen=True, eq=False)
class SplitTrunk:
    """What all passes over some rows share.

    Attributes:
        rows: How many.
        values: Tensors.
        axes: Where their rows lie.
    """

    rows: int
    values: tuple[Tensor, ...]
    axes: tuple[Axis, ...]

    def __len__(self) -> int:
        return self.rows

    def take(self, positions: NDArray[np.int64]) -> SplitTrunk:
        """The trunk of the rows at these positions; a row may come several times."""
        start, count = int(positions[0]) if len(positions) else 0, len(positions)
        in_order = bool((np.diff(positions) == 1).all())
        index = torch.from_numpy(np.array(positions, dtype=np.int64))

        def taken(tensor: Tensor, place: int) -> Tensor:
            if in_order:
                return tensor.narrow(place, start, count)
            return tensor.index_select(place, index.to(tensor.device))

        values = [taken(*one) for one in self._apart()]
        return SplitTrunk(count, self._together(values), self.axes)

    def join(self, others: Sequence[SplitTrunk]) -> SplitTrunk:
        """This trunk and others as one, in order."""
        trunks = (self, *others)
        parts = zip(*(trunk._apart() for trunk in trunks), strict=True)
        values = [torch.cat([tensor for tensor, _ in each], each[0][1]) for each in parts]
        return SplitTrunk(sum(map(len, trunks)), self._together(values), self.axes)

    def _apart(self) -> list[tuple[Tensor, int]]:
        """Each tensor with its rows on an axis of their own, and that axis."""
        return [
            (tensor, axis.place)
            if axis.times == 1
            else (apart(tensor, axis, (axis.outer, self.rows, axis.inner)), axis.place + 1)
            for tensor, axis in zip(self.values, self.axes, strict=True)
        ]

    def _together(self, values: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What `_apart` took apart."""
        return tuple(
            tensor if axis.times == 1 else tensor.flatten(axis.place, axis.place + 2)
            for tensor, axis in zip(values, self.axes, strict=True)
        )


class Split:
    """A recorded module that runs passes level by level.

    Args:
        program: The recorded run.
        sites: Of its draws, in order.

    Attributes:
        levels: Level 0, which all passes share, then one for each draw.
        limits: How much may run at once.

    Raises:
        Unsplittable: Rows or passes could not be told apart.
    """

    def __init__(self, program: Program, sites: Sequence[Site]) -> None:
        found = leveled(program)
        self._program, self._runner = program, Runner(program, found)
        self._output = program.output
        self._draws = {call.draw: call for call in (one.call for one in found) if call.draw is not None}
        self._check_masks(sites)
        made = [self._runner.step(one) for one in found if one.level == MADE]
        steps = [self._runner.step(one) for one in found if one.level > MADE and one.call.draw is None]
        self._shared = [step for step in steps if step.level == 0]
        self._of_masks = [step for step in steps if step.drawn]
        self._thinned = [step for step in steps if step.level > 0 and not step.drawn]
        self._crossing = self._find_crossing()
        self._forget(self._shared, keep={*self._crossing})
        self._forget(self._thinned, keep={self._output})
        self._made = self._find_made(made, steps)
        self.levels = self._measured(sites, steps)
        self.limits = Limits(
            fold=tuning.TORCH_FOLD,
            trunk=tuning.LARGEST_FOLD,
            trunk_size=sum(program.values[slot].size for slot in self._crossing),
        )

    def trunk(self, rows: Sequence[Tensor]) -> SplitTrunk:
        """What all passes over these rows share."""
        values = dict(zip(self._program.inputs, rows, strict=True))
        sizes = Sizes(len(rows[0]), (1,))
        with torch.no_grad():
            self._runner.run(self._shared, values, _Made(self, sizes), sizes)
        axes = tuple(self._runner.axis(slot) for slot in self._crossing)
        return SplitTrunk(sizes.rows, tuple(values[slot] for slot in self._crossing), axes)

    def thin(self, masks: Sequence[Array]) -> Callable[[SplitTrunk], Tensor]:
        """The thinned networks with these masks.

        Args:
            masks: For each draw (W_l, …), True or 1 where a unit is kept; W_l divides W_{l+1}.

        Returns:
            A function from a trunk of n rows to outputs (W, n, …).
        """
        widths = (1, *map(len, masks))
        drawn: dict[Slot, Tensor] = {}
        alone = Sizes(1, widths)
        with torch.no_grad():
            for number, mask in enumerate(masks):
                if number in self._draws:
                    drawn[_first(self._draws[number])] = self._drawn(self._draws[number], mask)
            self._runner.run(self._of_masks, drawn, _Made(self, alone), alone)

        def passes(trunk: SplitTrunk) -> Tensor:
            sizes = Sizes(len(trunk), widths)
            values = {**drawn, **dict(zip(self._crossing, trunk.values, strict=True))}
            with torch.no_grad():
                self._runner.run(self._thinned, values, _Made(self, sizes), sizes)
                output = values[self._output]
                have = widths[max(0, self._runner.level[self._output])]
                output = widened(output, Axis(0), have, widths[-1], len(trunk), len(trunk))
            return output.reshape(widths[-1], len(trunk), *output.shape[1:])

        return passes

    def made(self, level: int, drawn: bool, sizes: Sizes) -> dict[Slot, Tensor]:
        """What steps of a level read that neither rows nor masks make."""
        values: dict[Slot, Tensor] = {}
        batch = sizes.batch(level, drawn=drawn)
        self._runner.run(self._made.get((level, drawn), ()), values, lambda _: values, Sizes(batch, (1,)))
        return values

    # --- what it is made of -----------------------------------------------------------------------

    def _check_masks(self, sites: Sequence[Site]) -> None:
        """Raise an `Unsplittable` unless draws and sites are the same, and the output is one of rows."""
        if self._program.draws != len(sites):
            raise Unsplittable(f"{self._program.draws} draws where {len(sites)} were found")
        for number, call in self._draws.items():
            slot = _first(call)
            self._runner.axis(slot)
            if self._program.values[slot].size != int(np.prod(sites[number].shape, dtype=np.int64)):
                raise Unsplittable(f"a mask of {self._program.values[slot].shape} at {sites[number]}")
        if self._runner.level[self._output] == MADE or self._runner.drawn[self._output]:
            raise Unsplittable("an output that does not depend on the rows")

    def _find_crossing(self) -> tuple[Slot, ...]:
        """What later levels read of level 0."""
        read = [*(slot for step in self._thinned for slot in step.call.reads), self._output]
        return tuple(dict.fromkeys(slot for slot in read if self._runner.level[slot] == 0))

    def _forget(self, steps: Sequence[Step], keep: Iterable[Slot]) -> None:
        """Note after which step each value is no longer read."""
        kept, later = set(keep), set[Slot]()
        for step in reversed(steps):
            touched = {*step.call.reads, *(slot for slot in step.call.outputs if slot is not None)}
            step.ends.extend(touched - later - kept)
            later |= touched

    def _find_made(self, made: Sequence[Step], steps: Sequence[Step]) -> dict[tuple[int, bool], list[Step]]:
        """What makes the constants that the steps of each level read."""
        by_call = {step.call: step for step in made}
        read: dict[tuple[int, bool], set[Slot]] = {}
        for step in steps:
            wanted = {slot for slot in step.call.reads if self._runner.level[slot] == MADE}
            read.setdefault((step.level, step.drawn), set()).update(wanted)
        return {
            key: [by_call[call] for call in needed(self._program, list(by_call), slots)]
            for key, slots in read.items()
        }

    def _drawn(self, call: Call, mask: Array) -> Tensor:
        """The masks of a draw as the tensor that it returns for one row."""
        value, axis = self._program.values[_first(call)], self._runner.axis(_first(call))
        before, after = value.shape[: axis.place], value.shape[axis.place + 1 :]
        tensor = torch.from_numpy(np.array(mask)).to(value.device, value.dtype)
        tensor = tensor.reshape(-1, *before, axis.outer, axis.inner, *after).movedim(0, axis.place + 1)
        return tensor.reshape(*before, len(mask) * axis.times, *after)

    def _measured(self, sites: Sequence[Site], steps: Sequence[Step]) -> tuple[Level, ...]:
        """The levels with what they cost and hold."""
        costs, sizes = np.zeros(len(sites) + 1), [1] * (len(sites) + 1)
        values = self._program.values
        for step in steps:
            if step.drawn:
                continue
            read = [slot for slot in step.call.reads if self._runner.level[slot] > MADE]
            given = {values[slot].storage for slot in read}
            outputs = [values[slot] for slot in step.call.outputs if slot is not None]
            new = sum(value.size for value in outputs if value.storage not in given)
            costs[step.level] += step.call.multiply_adds + tuning.ELEMENTWISE * new
            held = [value.size for value in outputs]
            held += [values[slot].size for slot in read if not self._runner.drawn[slot]]
            sizes[step.level] = max(sizes[step.level], *held)
        starts = [(), *((site,) for site in sites)]
        shares = costs / max(1.0, costs.sum())
        return tuple(map(Level, starts, shares.tolist(), sizes))


class _Made:
    """For a step what neither rows nor masks make, computed once for its level."""

    def __init__(self, split: Split, sizes: Sizes) -> None:
        self._split, self._sizes = split, sizes
        self._kept: dict[tuple[int, bool], dict[Slot, Tensor]] = {}

    def __call__(self, step: Step) -> dict[Slot, Tensor]:
        key = (step.level, step.drawn)
        if key not in self._kept:
            self._kept[key] = self._split.made(*key, self._sizes)
        return self._kept[key]


def _first(call: Call) -> Slot:
    (slot,) = call.outputs
    if slot is None:
        raise Unsplittable(f"{call.op} draws no tensor")
    return slot
