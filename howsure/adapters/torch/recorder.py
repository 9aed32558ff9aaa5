"""Record everything that a module does in one run: calls of modules, draws, and operations."""

from __future__ import annotations

import contextlib
import math
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from howsure.adapters.source_lines import frames, innermost_of_a_user, innermost_outside
from howsure.adapters.torch.classify_draws import (
    ADDED,
    BRANCH,
    BRANCHING,
    CHOICE,
    MASK,
    NUMBERS,
    DrawUse,
    Steps,
    Trace,
)
from howsure.adapters.torch.draws import Draw, Draws, Numbers
from howsure.adapters.torch.mask_uses import Mask, MaskUses
from howsure.adapters.torch.noted_tensors import SAME_NUMBERS, followed_in, ground, tensors_in
from howsure.adapters.torch.output_activation import Endings
from howsure.adapters.torch.snapshot import is_seeded_by_us
from howsure.adapters.torch.tracer import Notes, multiply_adds, work
from howsure.random_ops import DROPOUT, NORMAL, UNIFORM

Tensor = torch.Tensor

_VIEWS = SAME_NUMBERS - {"_to_copy"}
"""Operations whose results share the numbers of a mask, or have the same."""


@dataclass(frozen=True, eq=False)
class RecordedDraw:
    """A recorded draw.

    Attributes:
        draw: The draw.
        name: Path of the module that drew; from the second on with the numbers of its call and of its draw.
        module: That module.
        around: It and all modules in whose calls it ran, outermost first.
        line: File and line in a user's code, or None.
        number: Its index among the draws of the run.
    """

    draw: Draw
    name: str
    module: nn.Module
    around: tuple[nn.Module, ...]
    line: str | None
    number: int

    @property
    def key(self) -> tuple[str, str]:
        """Identifies the draw among those of a run."""
        return self.name, self.draw.function

    @property
    def in_words(self) -> str:
        """The function, with file and line."""
        return f"torch.{self.draw.function}{f' ({self.line})' if self.line else ''}"


class Recorder(Draws):
    """A run in which everything is recorded.

    Args:
        module: The module.
        names: Path of each module in it, by identity.
        numbers: As in `Draws`.
        halved: Numbers of the draws of which each mask is replaced by its mean, and so is the result of a
            boolean mask.
        endings: True also follows what the output is made of.

    Attributes:
        records: The draws, in order.
        largest: Numbers in the largest tensor.
        work: Work of all operations that draw nothing, as `howsure.adapters.torch.tracer.work` counts it.
        early: The first operations that compute.
        endings: The operations that the output is made of, or None.
        uses: The uses of the numbers in the module, by number of the draw, as far as known.
        seeded: True if a draw was not from a generator as howsure has seeded it.
        notes: Notes of its operations, or the reason why there are none; None if they were not asked for.
    """

    def __init__(
        self,
        module: nn.Module,
        names: Mapping[int, str],
        numbers: Numbers,
        *,
        halved: Collection[int] = (),
        endings: bool = False,
    ) -> None:
        super().__init__(numbers)
        self.records: list[RecordedDraw] = []
        self.largest = 1
        self.work = 0.0
        self.early: list[str] = []
        self.seeded = False
        self.notes: Notes | Exception | None = None
        self.uses: dict[int, DrawUse] = {}
        self._halved = halved
        self._traces: dict[int, Trace] = {}
        self._mask_uses = MaskUses(module.parameters(), module.buffers())
        self._turned: set[int] = set()
        self._module = module
        self._names = names
        self._under_way = UnderWay(names)
        self._drawn: Counter[str] = Counter()
        self._weights = {ground(tensor) for tensor in (*module.parameters(), *module.buffers())}
        self.endings = Endings(module.parameters(), module.buffers()) if endings else None

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Scope in which the module runs, in this thread."""
        with self._under_way.watched(), self:
            yield

    @property
    def calls(self) -> list[ModuleCall]:
        """Calls of modules, in order of their start."""
        return self._under_way.calls

    def place(self) -> str:
        """The name of the module call that is active."""
        return self._under_way.stack[-1].name if self._under_way.stack else ""

    def numbers(self, number: int, draw: Draw) -> Tensor | None:
        """Record a draw, and return its numbers."""
        self.records.append(self._where(number, draw))
        if self._under_way.stack:
            self._under_way.stack[-1].draws.append(number)
        self.largest = max(self.largest, math.prod(draw.shape))
        self.seeded = self.seeded or not is_seeded_by_us(draw.device, draw.generator)
        return super().numbers(number, draw)

    def _where(self, number: int, draw: Draw) -> RecordedDraw:
        calls = self._under_way.stack or [ModuleCall(self._module, self._names[id(self._module)])]
        call = calls[-1]
        self._drawn[call.name] += 1
        name, count = call.name, self._drawn[call.name]
        under_way = frames()
        return RecordedDraw(
            draw,
            name if count == 1 else f"{name}:{count}",
            call.module,
            tuple(call.module for call in calls),
            innermost_of_a_user(under_way) or innermost_outside("torch", under_way),
            number,
        )

    def drawn(self, number: int, draw: Draw, outputs: Any) -> Any:
        """Start following the numbers of a draw."""
        if not isinstance(outputs, Tensor):
            return outputs
        self._mask_uses.drawn(outputs)
        if draw.kind == DROPOUT:
            self._mask_uses.add(outputs, number, draw, draw.rate)
        if draw.adds:
            self.uses[number] = DrawUse(ADDED)
        elif draw.kind in (UNIFORM, NORMAL):
            first: Steps = () if draw.scaled is None else ((draw.scaled, (NUMBERS,), {}),)
            self._traces[id(outputs)] = Trace(number, draw.kind == UNIFORM, first, outputs)
        return outputs

    def ran(self, operation: Any, args: Any, kwargs: Any, outputs: Any) -> Any:
        """Record an operation: its cost, the origin of its output, and what it makes of drawn numbers."""
        name = operation._schema.name.removeprefix("aten::")
        outputs = self._followed(name, operation, args, kwargs, outputs)
        for tensor in tensors_in(outputs):
            if tensor.layout == torch.strided and ground(tensor) not in self._weights:
                self.largest = max(self.largest, tensor.numel())
        if self.endings is not None:
            self.endings.ran(operation, args, kwargs, outputs)
        if len(self.early) < 4 and name not in SAME_NUMBERS:
            self.early.append(name)
        results = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        self.work += work(operation, args, results)
        if self._under_way.stack:
            self._under_way.stack[-1].multiply_adds += multiply_adds(operation, args, results)
        return outputs

    def _followed(self, name: str, operation: Any, args: Any, kwargs: Any, outputs: Any) -> Any:
        """The outputs of an operation, perhaps replaced by a mean; records the use of drawn numbers."""
        masks = self._mask_uses.masks_in(args)
        if name in BRANCHING:
            for mask in masks:
                if mask.by_row:
                    self.uses[mask.number] = replace(self.uses.get(mask.number, DrawUse(MASK)), kind=BRANCH)
        self._mask_uses.ran(name, operation, args, kwargs, outputs)
        for number in self._mask_uses.choosing:
            self.uses[number] = DrawUse(CHOICE)
        for mask in masks:
            if mask.values is not None and isinstance(outputs, Tensor):
                self._follow(mask, name, operation, args, kwargs, outputs)
        for trace in followed_in(args, self._traces):
            after = trace.after(name, operation, args, kwargs, outputs, self._traces)
            if isinstance(after, Trace):
                self._traces[id(outputs)] = after
                continue
            before = self.uses.get(trace.number)
            self.uses[trace.number] = after if before is None else before.beside(after)
            if outputs is trace.tensor:
                del self._traces[id(outputs)]
            if after.kind == MASK:
                if outputs.is_floating_point() and trace.number in self._halved:
                    outputs.fill_(1 - after.rate)
                self._mask_uses.add(outputs, trace.number, self.records[trace.number].draw, after.rate)
        return outputs

    def _follow(self, mask: Mask, name: str, operation: Any, args: Any, kwargs: Any, outputs: Tensor) -> None:
        """Record for which number a mask drops; put the mean over a halved mask into the result."""
        halved, number = mask.number in self._halved, mask.number
        for result in self._mask_uses.masks_in(outputs):
            if result.values is None:
                continue
            if halved and name not in _VIEWS and outputs.is_floating_point():
                outputs.fill_(result.mean)
            elif halved and name not in _VIEWS and self.records[number].draw.kind == DROPOUT:
                outputs.fill_(result.values[1])
            return
        use = self.uses.get(number)
        turns = use is not None and use.kind == MASK and mask.drops_at(name.removesuffix("_"), args) == 1
        if use is not None and turns and number not in self._turned:
            self.uses[number] = use.turned
            self._turned.add(number)
        if halved and outputs.is_floating_point() and not mask.tensor.is_floating_point():
            outputs.copy_(mask.mean_of(operation, args, kwargs))


# --- calls of modules -----------------------------------------------------------------------------------


@dataclass(eq=False)
class ModuleCall:
    """One call of one module.

    Attributes:
        module: The module.
        name: Its path; from the second call on with the number of the call.
        shape: Shape of its (first) output, for one row; () if it returned no tensor.
        multiply_adds: Its own computation, for all rows.
        draws: Numbers of its own draws.
        holds: True if it called other modules.
    """

    module: nn.Module
    name: str
    shape: tuple[int, ...] = ()
    multiply_adds: float = 0
    draws: list[int] = field(default_factory=list)
    holds: bool = False


class UnderWay:
    """Records the calls of a module and the modules inside it.

    Args:
        names: Path of each module, by identity.

    Attributes:
        calls: The calls, in order of their start.
        stack: The active calls, outermost first.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names = names
        self.calls: list[ModuleCall] = []
        self.stack: list[ModuleCall] = []
        self._counts: Counter[int] = Counter()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """In this scope, record the calls in this thread."""
        thread = threading.get_ident()

        def begin(module: nn.Module, args: Any) -> None:
            if threading.get_ident() == thread and id(module) in self._names:
                self._begin(module)

        def end(module: nn.Module, args: Any, outputs: Any) -> None:
            if threading.get_ident() == thread and id(module) in self._names:
                self._end(outputs)

        hooks = [register_module_forward_pre_hook(begin), register_module_forward_hook(end)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _begin(self, module: nn.Module) -> None:
        self._counts[id(module)] += 1
        name, call = self._names[id(module)], self._counts[id(module)]
        if self.stack:
            self.stack[-1].holds = True
        self.stack.append(ModuleCall(module, name if call == 1 else f"{name}#{call}"))
        self.calls.append(self.stack[-1])

    def _end(self, outputs: Any) -> None:
        call = self.stack.pop()
        tensor: torch.Tensor | None = next(tensors_in(outputs), None)
        if tensor is not None and not tensor.is_nested:  # nested tensors have no shape
            call.shape = tuple(tensor.shape[1:])


def names_in(module: nn.Module, name: str) -> dict[int, str]:
    """Path of each module inside `module`, by identity; for `module` itself its name."""
    return {id(layer): path for path, layer in module.named_modules()} | {id(module): name}
