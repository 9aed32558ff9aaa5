"""Follow drawn masks through a module: those that drop units, and those that choose between inputs.

    x · mask, where(mask, x, 0), x + f(x) · mask        drop: dropout, drop path
    where(mask, x.flip(1), x), x[mask] = x[mask].flip   choose between inputs: augmentation

Only what is made of the rows without a weight counts as an input. Zoneout and stochastic depth choose between
hidden units, so that is left to the checks of passes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from howsure.adapters.torch.draws import Draw
from howsure.adapters.torch.noted_tensors import SAME_NUMBERS, followed_in, ground, tensors_in

Tensor = torch.Tensor

CONSTANT, INPUT, COMPUTED = range(3)
"""Origins of numbers: neither rows nor weights, rows alone, or also weights."""

_MAKING = frozenset({"zeros_like", "ones_like", "full_like", "empty_like"})
_ELEMENTWISE = frozenset(
    {
        *("add", "sub", "rsub", "mul", "div", "neg", "lt", "le", "gt", "ge", "eq", "ne"),
        *("logical_not", "bitwise_not", "_to_copy", "where"),
    }
)
_PICKING = frozenset({"index", "index_select", "gather", "masked_select", "take"})
_SUMS = frozenset({"add", "sub", "rsub"})


@dataclass(frozen=True, eq=False)
class Mask:
    """A tensor that depends on a drawn mask, and on no row.

    Attributes:
        tensor: The tensor.
        number: Number of the draw.
        by_row: True if at most one number was drawn for each row.
        rate: Probability of a drawn 0.
        values: Its numbers for a drawn 0 and for a drawn 1, or None if they are not known.
    """

    tensor: Tensor
    number: int
    by_row: bool
    rate: float
    values: tuple[float, float] | None

    @property
    def mean(self) -> float:
        """The mean of its numbers."""
        assert self.values is not None
        return self.rate * self.values[0] + (1 - self.rate) * self.values[1]

    def drops_at(self, name: str, args: Any) -> int | None:
        """The drawn number for which an operation returns 0 in place of what it masks; None if unknown."""
        dropping = None
        if name == "mul":
            dropping = 0.0
        elif name == "where" and len(args) == 3:
            dropping = 1.0 if _is_zero(args[1]) else 0.0 if _is_zero(args[2]) else None
        elif name in ("masked_fill", "index_put") and _is_zero(args[2]):
            dropping = 1.0
        if self.values is None or dropping not in self.values:
            return None
        return self.values.index(dropping)

    def mean_of(self, operation: Any, args: Any, kwargs: Any) -> Tensor:
        """The mean, over the mask, of the result of an operation.

        If the operation writes into an argument, this still has its old values, since nothing was dropped.
        """
        assert self.values is not None
        results = []
        for value in self.values:
            mask = torch.full_like(self.tensor, value)
            arguments = [_with(mask, self.tensor, item) for item in args]
            if operation._schema.name.endswith("_"):
                arguments[0] = arguments[0].clone()
            results.append(operation(*arguments, **kwargs))
        zero, one = results
        return self.rate * zero + (1 - self.rate) * one  # type: ignore[no-any-return]


class MaskUses:
    """Follows masks, and what tensors are made of, in one run.

    Args:
        parameters: Parameters of the module.
        buffers: Its buffers.

    Attributes:
        choosing: Numbers of the draws whose masks choose between inputs.
    """

    def __init__(self, parameters: Iterable[Tensor], buffers: Iterable[Tensor]) -> None:
        self.choosing: set[int] = set()
        self._origins = {ground(buffer): CONSTANT for buffer in buffers}
        self._origins.update((ground(parameter), COMPUTED) for parameter in parameters)
        self._masks: dict[int, Mask] = {}
        self._thinned: dict[int, tuple[Tensor, Mask]] = {}
        self._dropped_at: dict[int, set[int | None]] = {}

    def masks_in(self, value: Any) -> list[Mask]:
        """The masks that tensors in a value depend on."""
        return followed_in(value, self._masks)

    def drawn(self, tensor: Tensor) -> None:
        """Record that a tensor was drawn, whatever its shape was taken from."""
        self._origins[ground(tensor)] = CONSTANT

    def add(self, tensor: Tensor, number: int, draw: Draw, rate: float) -> None:
        """Follow a mask of zeros and ones, with the probability of a 0."""
        by_row = math.prod(draw.shape) <= (draw.shape[0] if draw.shape else 1)
        self._masks[id(tensor)] = Mask(tensor, number, by_row, rate, (0.0, 1.0))

    def ran(self, name: str, operation: Any, args: Any, kwargs: Any, outputs: Any) -> None:
        """Record an operation."""
        name = name.removesuffix("_")
        tensors = list(tensors_in((args, kwargs)))
        masks = followed_in(tensors, self._masks)
        others = [tensor for tensor in tensors if id(tensor) not in self._masks]
        origin = max(map(self._origin, others), default=CONSTANT)
        _, thinned = next(iter(followed_in(others, self._thinned)), (None, None))
        if masks and origin == INPUT:
            thinned = masks[0]
        if thinned is not None and origin == INPUT:
            self._use(thinned, bool(masks), name, args)
        for tensor in tensors_in(outputs):
            self._masks.pop(id(tensor), None)
            if masks and origin == CONSTANT:
                values = _values_after(masks, name, operation, args, kwargs)
                self._masks[id(tensor)] = replace(masks[0], tensor=tensor, values=values)
            if thinned is not None and origin == INPUT:
                self._thinned[id(tensor)] = tensor, thinned
            if tensor.layout == torch.strided:
                new = name in _MAKING or name.startswith("new_")
                self._origins[ground(tensor)] = CONSTANT if new else origin

    def _origin(self, tensor: Tensor) -> int:
        if tensor.layout != torch.strided:
            return COMPUTED
        return self._origins.get(ground(tensor), INPUT)

    def _is_input(self, value: Any) -> bool:
        return isinstance(value, Tensor) and id(value) not in self._masks and self._origin(value) == INPUT

    def _use(self, mask: Mask, direct: bool, name: str, args: Any) -> None:
        """Record what an operation does to inputs, with a mask or with what a mask has thinned."""
        inputs = [item for item in args if self._is_input(item)]
        chooses = False
        if name in _SUMS:  # of each row the input, or the input and something more
            chooses = mask.by_row and any(id(tensor) not in self._thinned for tensor in inputs)
        elif direct and name in _PICKING:
            chooses = bool(inputs)
        elif direct and name in ("where", "lerp"):
            chooses = len(inputs) > 1
        elif direct and name == "index_put":
            chooses = self._is_input(args[0]) and self._is_input(args[2])
        elif direct and name == "mul":  # each row as it is, or louder
            chooses = mask.by_row and mask.values is not None and 0 not in mask.values
        if direct and not chooses:
            dropped_at = self._dropped_at.setdefault(mask.number, {None})
            dropped_at.add(mask.drops_at(name, args))
            chooses = len(dropped_at) == 3  # one input where it is 0, another one where it is 1
        if chooses:
            self.choosing.add(mask.number)


def _is_zero(value: Any) -> bool:
    return bool((value == 0).all()) if isinstance(value, Tensor) else value == 0


def _with(mask: Tensor, old: Tensor, item: Any) -> Any:
    """An argument, with a mask in place of an old one."""
    if isinstance(item, (list, tuple)):
        return [_with(mask, old, part) for part in item]
    return mask if item is old else item


def _values_after(
    masks: Sequence[Mask], name: str, operation: Any, args: Any, kwargs: Any
) -> tuple[float, float] | None:
    """The two values of a mask after an operation; None if they are not known."""
    mask = masks[0]
    if len(masks) > 1 or mask.values is None:
        return None
    if name in SAME_NUMBERS and name != "_to_copy":
        return mask.values
    beside = [item for item in args if isinstance(item, Tensor) and item is not mask.tensor]
    if name not in _ELEMENTWISE or any(tensor.numel() != 1 for tensor in beside):
        return None
    both = torch.tensor(mask.values, device=mask.tensor.device).to(mask.tensor.dtype)
    arguments = []
    for item in args:
        if item is mask.tensor:
            arguments.append(both)
        else:
            arguments.append(item.reshape(()) if isinstance(item, Tensor) else item)
    zero, one = operation(*arguments, **kwargs).double().tolist()
    return zero, one
