"""Run heavy operations of the passes in bfloat16 on processors that are faster with it.

bfloat16 keeps 8 bits of a number; products are summed in float32. In the sums of a convolution the rounding
errors average out. The pilot measures the error that remains in the probabilities. Convolutions get their
weights with channels last, the fastest layout for bfloat16.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from howsure import tuning
from howsure.adapters.torch.levels import MADE, Leveled
from howsure.adapters.torch.program import RecordedProgram, RecordedSlot
from howsure.adapters.torch.steps import RecordedStep, Runner
from howsure.adapters.torch.tracer import is_view

aten = torch.ops.aten

_HEAVY = (aten.convolution, aten.addmm, aten.mm)

_BETWEEN = (
    *(aten.relu, aten.relu_, aten.clamp_min, aten.mul, aten.mul_, aten.leaky_relu, aten.leaky_relu_),
    *(aten.view, aten.reshape, aten._unsafe_view, aten.max_pool2d_with_indices, aten.clone, aten.alias),
)
"""Operations that lose almost nothing at low precision, or only pass numbers on."""


def reducible(
    program: RecordedProgram, steps: Sequence[RecordedStep], shared: Sequence[RecordedStep]
) -> list[RecordedStep]:
    """The heavy operations that every pass computes again, and operations that only these read.

    Heavy operations are products and convolutions in float32 with at least `tuning.HEAVY` multiply-adds. The
    last product stays in float32: its result is nearly the answer.

    Args:
        program: The recorded run.
        steps: Steps that passes repeat, in order.
        shared: Steps that run once for all passes, in order.
    """
    if any(value.dtype in (torch.bfloat16, torch.float16) for value in program.values.values()):
        return []
    products = [step for step in steps if step.call.multiply_adds]
    heavy = {step for step in (*shared, *products[:-1]) if _is_heavy(program, step)}
    repeated = heavy & set(steps)
    if not repeated:
        return []
    reduced: set[RecordedStep] = set()
    readers: dict[RecordedSlot, list[RecordedStep]] = {}
    for step in reversed((*shared, *steps)):
        reading = [reader for slot in step.call.outputs if slot for reader in readers.get(slot, ())]
        for_these = bool(reading) and reduced.issuperset(reading) and program.output not in step.call.outputs
        between = step.call.op.overloadpacket in _BETWEEN and not step.drawn
        if step in repeated or (for_these and (step in heavy or between)):
            reduced.add(step)
        for slot in step.call.reads:
            readers.setdefault(slot, []).append(step)
    return [step for step in (*shared, *steps) if step in reduced]


def _is_heavy(program: RecordedProgram, step: RecordedStep) -> bool:
    (output, *_) = step.call.outputs
    if step.op.overloadpacket not in _HEAVY or output is None:
        return False
    value = program.values[output]
    on_processor = value.device.type == "cpu" and value.dtype == torch.float32
    return on_processor and step.call.multiply_adds >= tuning.HEAVY


class Reducing(Runner):
    """Runs some steps in bfloat16.

    Args:
        program: The recorded run.
        found: Its calls with their levels.
        steps: The steps that run in bfloat16.
    """

    def __init__(
        self, program: RecordedProgram, entries: Sequence[Leveled], steps: Sequence[RecordedStep]
    ) -> None:
        super().__init__(program, entries)
        self._reduced = frozenset(steps)
        self._weights: dict[Any, tuple[Tensor, int, Tensor]] = {}
        self._ordered, self._masks = self._in_order(steps)

    def call(self, step: RecordedStep, args: list[Any], kwargs: dict[str, Any]) -> Sequence[Any]:
        """The results of a call, computed in bfloat16 for the chosen steps."""
        if step not in self._reduced:
            return super().call(step, [_in_float32(item) for item in args], kwargs)
        operands = [self._in_bfloat16(step, *pair) for pair in zip(args, step.call.args, strict=True)]
        if step in self._ordered:
            operands = [item.contiguous() if isinstance(item, Tensor) else item for item in operands]
        results = step.op(*operands, **kwargs)
        return list(results) if isinstance(results, (tuple, list)) else [results]

    def ordered(self, step: RecordedStep, slot: RecordedSlot, result: Tensor) -> Tensor:
        """The result of a broadcast ("spread") call, in the memory order that its readers need."""
        return result if step in self._reduced else super().ordered(step, slot, result)

    def kept(self, slot: RecordedSlot, mask: Tensor) -> Tensor:
        """A tensor made of masks, in the type and memory order that its readers need."""
        if slot not in self._masks:
            return mask
        last = not self._masks[slot] and mask.dim() == 4
        return mask.to(torch.bfloat16, memory_format=torch.channels_last if last else torch.preserve_format)

    def _in_bfloat16(self, step: RecordedStep, item: Any, recorded: Any) -> Any:
        if not isinstance(item, Tensor) or item.dtype != torch.float32:
            return item
        made = isinstance(recorded, RecordedSlot) and self.level[recorded] == MADE
        if not isinstance(recorded, Tensor) and not (
            made and self.program.values[recorded].memory in self.program.kept
        ):
            return item.to(torch.bfloat16)
        # A weight: its bfloat16 copy is stored until the weight changes.
        key = id(recorded) if isinstance(recorded, Tensor) else recorded
        cached = self._weights.get(key)
        if cached is None or cached[0].data_ptr() != item.data_ptr() or cached[1] != item._version:
            last = step.op.overloadpacket is aten.convolution and item.dim() == 4
            form = torch.channels_last if last else torch.preserve_format
            cached = self._weights[key] = (item, item._version, item.to(torch.bfloat16, memory_format=form))
        return cached[2]

    def _in_order(
        self, steps: Sequence[RecordedStep]
    ) -> tuple[frozenset[RecordedStep], dict[RecordedSlot, bool]]:
        """Broadcast steps whose inputs must be contiguous, and whether masks are wanted contiguous too.

        This is wanted if the result of a convolution is reshaped. It happens before widening, when there is
        less to copy.
        """
        read_in_order: set[RecordedSlot] = set()
        ordered, masks = set[RecordedStep](), dict[RecordedSlot, bool]()
        for step in reversed(steps):
            wants = step.call.outputs[0] in read_in_order
            if is_view(step.op):
                read_in_order.update(step.call.reads)
            elif step.spread is not None:
                masks.update((slot, wants) for slot in step.call.reads if self.drawn[slot])
                if wants:
                    ordered.add(step)
        return frozenset(ordered), masks


def _in_float32(item: Any) -> Any:
    if isinstance(item, Tensor) and item.dtype == torch.bfloat16:
        return item.float()
    return [_in_float32(part) for part in item] if isinstance(item, list) else item
