"""Find where an axis of a tensor lies after further operations, such as the channels of a last convolution.

The index of each entry on the axis is sent through the operations. Afterwards it varies along one axis:

    convolution (n, K, h, w) ── upsample ── softmax ── permute ── output (n, H, W, K)
    indices 0 … K − 1        ── upsample ────────────── permute ── vary along the last axis
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from howsure.models.torch.noted_tensors import Noted
from howsure.models.torch.value_kinds import SAME_NUMBERS

_RESIZING = ("upsample", "_upsample")
"""Beginnings of the names of operations that interpolate: what is constant stays as it is."""


@dataclass(frozen=True, eq=False)
class Made:
    """An operation of a run.

    Attributes:
        tensor: Its result.
        name: Its name.
        operation: The operation.
        args: Its arguments, with a `Noted` for each tensor of the run.
        kwargs: Its keyword arguments.
    """

    tensor: Noted
    name: str
    operation: Any
    args: Any
    kwargs: Any


def axis_after(tensor: Noted, axis: int, operations: Sequence[Made]) -> int | None:
    """Index of the axis on which the entries of one axis lie after some operations.

    Args:
        tensor: A tensor (n, …).
        axis: One of its axes.
        operations: Operations on it, in order, each on the result before it.

    Returns:
        The index, ≥ 1; None if the entries were mixed, picked or joined with others.
    """
    count = tensor.shape[axis]
    places = torch.arange(count, device=tensor.device, dtype=torch.float32)
    places = places.reshape([-1 if at == axis else 1 for at in range(tensor.ndim)])
    places = tensor.laid_out(places)
    for made in operations:
        if made.name in SAME_NUMBERS or made.name.startswith(_RESIZING):
            places = made.operation(places, *made.args[1:], **made.kwargs)
        elif made.tensor.shape == tuple(places.shape):
            places = made.tensor.laid_out(places)
        else:
            return None
    axes = range(1, places.ndim)
    if count == 1:
        found = [at for at in axes if places.shape[at] == 1]
    else:
        found = [at for at in axes if bool((places - places.narrow(at, 0, 1)).abs().max() > _APART)]
    return found[0] if len(found) == 1 and places.shape[found[0]] <= count else None


_APART = 0.5
"""Difference between indices that are different; interpolation in float32 changes them by less than 0.01."""
