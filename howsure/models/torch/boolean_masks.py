"""Masks of true and false, made by hand: what they do, and their mean carried to what they do it to.

A mean of 0 and 1 can stand for a mask that multiplies. True and false have none, so it is what they choose
that gets its mean: of `h.masked_fill(rand < p, 0)` that is (1 − p) · h, as of h times a mask.
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
    """A tensor of true and false that is made of a draw, or of 0 and 1 that is made of these.

    Attributes:
        tensor: It.
        number: Of the draw.
        share: Of true.
        negated: Whether it is the contrary of the mask that was made of the draw first.
    """

    tensor: Tensor
    number: int
    share: float
    negated: bool = False


@dataclass(frozen=True, eq=False)
class Done:
    """What an operation did with it.

    Attributes:
        boolean: It goes on as this, or None.
        drops: Whether what is true drops, or what is false, or None where that cannot be told.
        mean: Of what came out, over what the boolean may be, or None where it has none.
    """

    boolean: Boolean | None = None
    drops: bool | None = None
    mean: Tensor | None = None


def done(one: Boolean, name: str, operation: Any, args: Any, kwargs: Any, outputs: Any) -> Done:
    """What an operation does with true and false.

    Args:
        one: They.
        name: Of the operation.
        operation: Itself.
        args: What it got; what it wrote into was left as it was, as nothing was dropped.
        kwargs: Likewise.
        outputs: What it returned.
    """
    plain, share = name.removesuffix("_"), one.share
    if not isinstance(outputs, Tensor):
        return Done()
    if outputs.dtype == torch.bool:
        if plain in _VIEWS:
            return Done(Boolean(outputs, one.number, share, one.negated))
        return Done(Boolean(outputs, one.number, 1 - share, not one.negated)) if plain in _NOT else Done()
    if one.tensor.is_floating_point():  # 0 and 1, or their mean
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
        tensor: They.
        number: Of the draw.
        rate: Probability of a 0.
    """

    tensor: Tensor
    number: int
    rate: float

    def compared(self, operation: Any, args: Any, kwargs: Any, outputs: Any) -> Boolean | None:
        """What an operation makes true and false of them, which is set as of ones; None if it does not."""
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
