"""Boolean dropout masks (`masked_fill`, `where`): replace the masked result by its expectation.

A mask of 0 and 1 has a mean that can replace it in a product. True and false have none, so the result of the
masking operation gets its mean instead: for `h.masked_fill(rand < p, 0)` this is (1 − p) · h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

Tensor = torch.Tensor

_VIEWS = frozenset(
    {"view", "_unsafe_view", "expand", "unsqueeze", "squeeze", "clone", "alias", "detach", "t"}
)
_NOT = ("logical_not", "bitwise_not")
_ARITHMETIC = ("mul", "div", "add", "sub", "rsub")


@dataclass(frozen=True, eq=False)
class Boolean:
    """A boolean tensor made from a draw, or zeros and ones made from such a tensor.

    Attributes:
        tensor: The tensor.
        number: Number of the draw.
        share: Probability of True.
        negated: True if it is the negation of the mask that was first made from the draw.
    """

    tensor: Tensor
    number: int
    share: float
    negated: bool = False


@dataclass(frozen=True, eq=False)
class Done:
    """The result of an operation on a boolean.

    Attributes:
        boolean: The boolean that results, or None.
        drops: True if True drops, False if False drops, None if unknown.
        mean: Expectation of the result over the boolean, or None if it has none.
    """

    boolean: Boolean | None = None
    drops: bool | None = None
    mean: Tensor | None = None


def done(one: Boolean, name: str, operation: Any, args: Any, kwargs: Any, outputs: Any) -> Done:
    """The result of an operation on a boolean.

    Args:
        one: The boolean.
        name: Name of the operation.
        operation: The operation.
        args: Its arguments. A tensor written in place still has its old values, since nothing was dropped.
        kwargs: Its keyword arguments.
        outputs: Its result.
    """
    plain, share = name.removesuffix("_"), one.share
    if not isinstance(outputs, Tensor):
        return Done()
    if outputs.dtype == torch.bool:
        if plain in _VIEWS:
            return Done(Boolean(outputs, one.number, share, one.negated))
        return Done(Boolean(outputs, one.number, 1 - share, not one.negated)) if plain in _NOT else Done()
    if one.tensor.is_floating_point():  # zeros and ones, or their mean
        if plain in _VIEWS or (plain == "rsub" and args[1] == 1):
            return Done(Boolean(outputs, one.number, share, one.negated != (plain == "rsub")))
        return Done(drops=False if plain in _ARITHMETIC else None)
    if plain == "_to_copy" and outputs.is_floating_point():
        boolean = Boolean(outputs, one.number, share, one.negated)
        return Done(boolean, mean=torch.full_like(outputs, share))
    if plain == "where" and args[0] is one.tensor and len(args) == 3:
        chosen, other = args[1:]
        drops = True if _is(chosen, 0) else False if _is(other, 0) else None
        return Done(drops=drops, mean=chosen * share + other * (1 - share))
    if (
        plain in ("masked_fill", "index_put")
        and _is_one(args[2])
        and (args[1] is one.tensor or _only(args[1], one))
    ):
        return Done(drops=_is(args[2], 0), mean=args[0] * (1 - share) + args[2] * share)
    if plain in _ARITHMETIC and outputs.is_floating_point():
        means = [torch.full_like(outputs, share) if each is one.tensor else each for each in args]
        return Done(
            drops=False,
            mean=operation(*(means if name == plain else [means[0].clone(), *means[1:]]), **kwargs),
        )
    return Done()


@dataclass(frozen=True, eq=False)
class ZerosAndOnes:
    """Numbers that were drawn as 0 or 1.

    Attributes:
        tensor: The numbers.
        number: Number of the draw.
        rate: Probability of a 0.
    """

    tensor: Tensor
    number: int
    rate: float

    def compared(self, operation: Any, args: Any, kwargs: Any, outputs: Any) -> Boolean | None:
        """The boolean that a comparison makes of them, or None. It is filled with the value for ones."""
        beside = args[1:]
        if not isinstance(outputs, Tensor) or outputs.dtype != torch.bool or args[0] is not self.tensor:
            return None
        if any(isinstance(each, Tensor) for each in beside):
            return None
        both = torch.tensor([0.0, 1.0], dtype=self.tensor.dtype, device=self.tensor.device)
        zero, one = operation(both, *beside, **kwargs).tolist()
        if zero == one:
            return None
        outputs.fill_(one)
        return Boolean(outputs, self.number, 1 - self.rate if one else self.rate, negated=not one)


def _only(given: Any, one: Boolean) -> bool:
    return isinstance(given, (list, tuple)) and len(given) == 1 and given[0] is one.tensor


def _is_one(value: Any) -> bool:
    return not isinstance(value, Tensor) or value.numel() == 1


def _is(value: Any, number: float) -> bool:
    return bool((value == number).all()) if isinstance(value, Tensor) else value == number
