"""Record the calls of modules in a run: the stack of active calls, and how often each module was called."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from howsure.models.torch.noted_tensors import tensors_in


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
        self.forget()

    def forget(self) -> None:
        """Clear all records."""
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
    return {id(each): path for path, each in module.named_modules()} | {id(module): name}
