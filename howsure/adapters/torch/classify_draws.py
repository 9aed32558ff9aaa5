"""Classify what a module makes of the numbers that it draws, as far as its operations show.

A module may draw uniform numbers and compare them with a rate: that is dropout, as in the drop path of
Hugging Face. It may add normal numbers, which is noise. It may multiply by them, which is Gaussian dropout or
random weights. A number that leaves PyTorch for Python chooses a branch.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import torch

Tensor = torch.Tensor
Steps = tuple[tuple[Any, tuple[Any, ...], dict[str, Any]], ...]
"""Operations with their arguments, in order."""

MASK = "mask"
ADDED = "added"
MULTIPLIED = "multiplied"
BRANCH = "branch"
CHOICE = "choice"
SEVERAL = "several"
OTHER = "other"

NUMBERS = object()
"""Placeholder for the drawn numbers among the arguments of an operation."""

BRANCHING = ("_local_scalar_dense", "is_nonzero", "equal")
"""Operations that return a Python number."""

_SCALING = frozenset(
    {
        *("add", "sub", "rsub", "mul", "div", "neg", "pow", "floor", "ceil", "round"),
        *("lt", "le", "gt", "ge", "logical_not", "bitwise_not", "_to_copy"),
    }
)
_STEPS = ("floor", "ceil", "round", "lt", "le", "gt", "ge")
_COMPARING = ("lt", "le", "gt", "ge")
_SAME = frozenset({"view", "_unsafe_view", "expand", "unsqueeze", "squeeze", "clone", "alias", "detach", "t"})
_POINTS = 1024
_HALVINGS = 50
_DIGITS = 7
"""Decimal digits of a rate that is compared in float32."""


@dataclass(frozen=True)
class DrawUse:
    """The use that a module makes of drawn numbers.

    Attributes:
        kind: `mask`, `added`, `multiplied`, `branch`, `choice` if a mask chooses between inputs, `several`
            if they are compared with more than one number or a mask is only one of several uses, or `other`.
        rate: For a mask the share of zeros; the same for a branch that a mask chooses.
        zero: For a mask, a number that becomes 0.
        one: For a mask, a number that becomes 1.
    """

    kind: str
    rate: float = 0.5
    zero: float = 0.0
    one: float = 0.0

    @property
    def differs(self) -> bool:
        """True if other numbers could make a difference."""
        return 0 < self.rate < 1

    @property
    def turned(self) -> DrawUse:
        """The same mask if 1, or True, drops."""
        return DrawUse(self.kind, 1 - self.rate, self.one, self.zero)

    def beside(self, other: DrawUse) -> DrawUse:
        """The combination of two uses of the same numbers."""
        if self == other or not other.differs:
            return self
        if not self.differs:
            return other
        return DrawUse(SEVERAL) if MASK in (self.kind, other.kind) else self


@dataclass(frozen=True, eq=False)
class Trace:
    """Drawn numbers, followed through operations with constants only.

    Attributes:
        number: Number of the draw.
        uniform: True if they were drawn uniformly from [0, 1).
        steps: The operations with their arguments; `NUMBERS` marks the numbers themselves.
        tensor: Their present values.
    """

    number: int
    uniform: bool
    steps: Steps
    tensor: Tensor

    def after(
        self, name: str, operation: Any, args: Any, kwargs: Any, outputs: Any, drawn: Container[int]
    ) -> Trace | DrawUse:
        """The trace after one more operation, or the use that ends it.

        Args:
            name: Name of the operation.
            operation: The operation.
            args: Its arguments.
            kwargs: Its keyword arguments.
            outputs: Its result.
            drawn: Identities of tensors of drawn numbers.
        """
        if name in BRANCHING:
            return DrawUse(BRANCH)
        if not isinstance(outputs, Tensor):
            return DrawUse(OTHER)
        if name in _SAME:
            return Trace(self.number, self.uniform, self.steps, outputs)
        beside = [item for item in args if isinstance(item, Tensor) and item is not self.tensor]
        plain = name.removesuffix("_")
        alone = all(tensor.numel() == 1 and id(tensor) not in drawn for tensor in beside)
        if not alone or plain not in _SCALING or outputs.shape != self.tensor.shape:
            if plain in ("mul", "div", "addcmul"):
                return DrawUse(MULTIPLIED)
            if self.uniform and plain in _COMPARING:
                return DrawUse(SEVERAL)
            return DrawUse(ADDED if plain in ("add", "sub", "rsub") else OTHER)
        arguments = tuple(NUMBERS if item is self.tensor else _copied_number(item) for item in args)
        steps = (*self.steps, (operation, arguments, {key: kwargs[key] for key in kwargs if key == "dtype"}))
        if self.uniform and plain in _STEPS:
            return _mask_made_by(steps) or DrawUse(OTHER)
        return Trace(self.number, self.uniform, steps, outputs)


def _copied_number(item: Any) -> Any:
    """A copy of a number, since a tensor of one number may be overwritten later."""
    return item.detach().double().cpu().reshape(()) if isinstance(item, Tensor) else item


def _mask_made_by(steps: Steps) -> DrawUse | None:
    """The mask that steps make of uniform numbers; None unless each becomes 0 or 1 with one threshold."""

    def ones(numbers: Tensor) -> Tensor | None:
        values = numbers.clone()
        for operation, arguments, kwargs in steps:
            values = operation(*(values if item is NUMBERS else item for item in arguments), **kwargs)
        values = values.double()
        return values > 0.5 if bool(((values == 0) | (values == 1)).all()) else None

    points = (torch.arange(_POINTS, dtype=torch.float64) + 0.5) / _POINTS
    is_one = ones(points)
    if is_one is None:
        return None
    if bool((is_one == is_one[0]).all()):
        rate = 0.0 if bool(is_one[0]) else 1.0
        return DrawUse(MASK, rate, 0.5, 0.5)
    changes = torch.nonzero(is_one[1:] != is_one[:-1]).flatten()
    if len(changes) != 1:
        return None
    low, high = float(points[int(changes[0])]), float(points[int(changes[0]) + 1])
    first = bool(is_one[0])
    for _ in range(_HALVINGS):
        between = (low + high) / 2
        middle_is_one = ones(torch.tensor([between], dtype=torch.float64))
        if middle_is_one is None:
            return None
        low, high = (between, high) if bool(middle_is_one[0]) == first else (low, between)
    border = round(high, _DIGITS)
    zero, one = (border / 2, (1 + border) / 2) if not first else ((1 + border) / 2, border / 2)
    return DrawUse(MASK, border if not first else 1 - border, zero, one)
