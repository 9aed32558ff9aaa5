"""What a module makes of the numbers that it draws, as far as its operations show.

A module may draw uniform numbers and compare them with a rate: that is dropout in other words, as in the drop
path of Hugging Face. Normal numbers may be added, which is noise, or multiplied, which is dropout of another
kind or weights that are drawn. A number that becomes one of Python chooses a branch.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import torch

Tensor = torch.Tensor
Steps = tuple[tuple[Any, tuple[Any, ...], dict[str, Any]], ...]
"""Operations with what they got beside the numbers."""

MASK = "mask"
ADDED = "added"
MULTIPLIED = "multiplied"
BRANCH = "branch"
COMPARED = "compared"
SEVERAL = "several"
OTHER = "other"

NUMBERS = object()
"""Stands for the numbers among what an operation got."""

BRANCHING = ("_local_scalar_dense", "is_nonzero", "equal")
"""Operations that make a number of Python."""

_SCALING = frozenset(
    {
        *("add", "add_", "sub", "sub_", "rsub", "mul", "mul_", "div", "div_", "neg", "neg_", "pow"),
        *("floor", "floor_", "ceil", "ceil_", "round", "round_", "lt", "le", "gt", "ge", "lt_", "le_", "gt_"),
        *("ge_", "logical_not", "bitwise_not", "_to_copy"),
    }
)
_STEPS = ("floor", "ceil", "round", "lt", "le", "gt", "ge")
_COMPARING = ("lt", "le", "gt", "ge")
_SAME = frozenset({"view", "_unsafe_view", "expand", "unsqueeze", "squeeze", "clone", "alias", "detach", "t"})
_POINTS = 1024
_HALVINGS = 50
_DIGITS = 7
"""Of a rate that is compared in float32."""


@dataclass(frozen=True)
class Use:
    """What became of numbers.

    Attributes:
        kind: `mask`, `added`, `multiplied`, `branch`, `compared` with other numbers than one,
            `several` where a mask is not all that is made of them, or `other`.
        rate: For a mask the share of zeros; likewise for a branch that is chosen by one.
        zero: For a mask a number that becomes 0.
        one: For a mask one that becomes 1.
    """

    kind: str
    rate: float = 0.5
    zero: float = 0.0
    one: float = 0.0

    @property
    def differs(self) -> bool:
        """Whether other numbers can make a difference."""
        return 0 < self.rate < 1

    @property
    def turned(self) -> Use:
        """The same mask where what is 1, or true, drops."""
        return Use(self.kind, 1 - self.rate, self.one, self.zero)

    def beside(self, other: Use) -> Use:
        """What both are together: the same numbers may be read twice."""
        if self == other or not other.differs:
            return self
        if not self.differs:
            return other
        return Use(SEVERAL) if MASK in (self.kind, other.kind) else self


@dataclass(frozen=True, eq=False)
class Trace:
    """Numbers on their way from a draw, through operations with plain numbers alone.

    Attributes:
        number: Of the draw.
        uniform: Whether they were drawn uniformly from [0, 1).
        steps: The operations, with what they got; `NUMBERS` stands for the numbers themselves.
        tensor: They, now.
    """

    number: int
    uniform: bool
    steps: Steps
    tensor: Tensor

    def after(
        self, name: str, operation: Any, args: Any, kwargs: Any, outputs: Any, drawn: Container[int]
    ) -> Trace | Use:
        """The same after one more operation, or what became of them.

        Args:
            name: Of the operation.
            operation: Itself.
            args: What it got.
            kwargs: Likewise.
            outputs: What it returned.
            drawn: Tensors of numbers that were drawn, by identity.
        """
        if name in BRANCHING:
            return Use(BRANCH)
        if not isinstance(outputs, Tensor):
            return Use(OTHER)
        if name in _SAME:
            return Trace(self.number, self.uniform, self.steps, outputs)
        beside = [each for each in args if isinstance(each, Tensor) and each is not self.tensor]
        plain = name.removesuffix("_")
        alone = all(each.numel() == 1 and id(each) not in drawn for each in beside)
        if not alone or name not in _SCALING or outputs.shape != self.tensor.shape:
            if plain in ("mul", "div", "addcmul"):
                return Use(MULTIPLIED)
            if self.uniform and plain in _COMPARING:
                return Use(COMPARED)
            return Use(ADDED if plain in ("add", "sub", "rsub") else OTHER)
        given = tuple(NUMBERS if each is self.tensor else _kept(each) for each in args)
        steps = (*self.steps, (operation, given, {key: kwargs[key] for key in kwargs if key == "dtype"}))
        if self.uniform and plain in _STEPS:
            return _mask(steps) or Use(OTHER)
        return Trace(self.number, self.uniform, steps, outputs)


def _kept(item: Any) -> Any:
    """A number as it is now; a tensor of one may be written into later."""
    return item.detach().double().cpu().reshape(()) if isinstance(item, Tensor) else item


def _mask(steps: Steps) -> Use | None:
    """Which uniform numbers become 0 and which 1, if each becomes one of both and there is one border."""

    def ones(numbers: Tensor) -> Tensor | None:
        values = numbers.clone()
        for operation, given, kwargs in steps:
            values = operation(*(values if each is NUMBERS else each for each in given), **kwargs)
        values = values.double()
        return values > 0.5 if bool(((values == 0) | (values == 1)).all()) else None

    points = (torch.arange(_POINTS, dtype=torch.float64) + 0.5) / _POINTS
    found = ones(points)
    if found is None:
        return None
    if bool((found == found[0]).all()):
        rate = 0.0 if bool(found[0]) else 1.0
        return Use(MASK, rate, 0.5, 0.5)
    changes = torch.nonzero(found[1:] != found[:-1]).flatten()
    if len(changes) != 1:
        return None
    low, high = float(points[int(changes[0])]), float(points[int(changes[0]) + 1])
    first = bool(found[0])
    for _ in range(_HALVINGS):
        between = (low + high) / 2
        seen = ones(torch.tensor([between], dtype=torch.float64))
        if seen is None:
            return None
        low, high = (between, high) if bool(seen[0]) == first else (low, between)
    border = round(high, _DIGITS)
    zero, one = (border / 2, (1 + border) / 2) if not first else ((1 + border) / 2, border / 2)
    return Use(MASK, border if not first else 1 - border, zero, one)
