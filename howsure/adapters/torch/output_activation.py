"""Find what a module's output is, from the operations of a plain run that lead to it.

product with weights ── add, scale, pick, mask, mean ── output   linear: what somebody declares
… ── softmax ── output                                           softmax: read as probabilities
anything else                                                    not known: howsure asks for `outputs=`
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from howsure.adapters.torch.noted_tensors import (
    SAME_NUMBERS,
    Noted,
    NotedTensors,
    ground,
    items_in,
    tensors_in,
)

Tensor = torch.Tensor

LINEAR = ("addmm", "mm")
"""Operations of a linear layer on rows."""

PRODUCTS = (*LINEAR, "bmm", "baddbmm", "convolution", "_convolution", "mkldnn_convolution")
"""Operations of layers with weights."""

ENDINGS = {
    "_softmax": "softmax",
    "_log_softmax": "log_softmax",
    **{
        name: name
        for name in ("sigmoid", "relu", "tanh", "gelu", "silu", "elu", "leaky_relu", "softplus", "hardtanh")
    },
}
"""Last operations that identify an output, some of them as not that of a classifier."""

_OVER_AN_AXIS = ("softmax", "log_softmax")

ACTIVATIONS = ("softmax", "log_softmax", "sigmoid")
"""Operations that may follow the last linear layer of a module whose features are read."""

_DONE = 1e-3
"""Largest distance from 1 of the sum of a row of probabilities; allows for 16 bits and for a clamp."""


CONSTANT, WEIGHT, GIVEN, SCORES, OTHER = range(5)
"""Kinds of numbers: made without rows; made of parameters alone; rows as they are; any numbers, as a layer
with weights gives them; or something else, such as probabilities or what relu gives."""

_LAYERS = frozenset(
    {
        *("embedding", "_embedding_bag", "_log_softmax", "native_layer_norm", "native_group_norm"),
        *("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training"),
        *("cudnn_batch_norm", "_fused_rms_norm"),
    }
)
"""Operations whose result may be any number, for any input."""

_COMBINING = frozenset({"add", "sub", "rsub", "mul", "addcmul", "lerp"})
"""Operations whose result may be any number if one input may, such as a gate that multiplies logits."""

_BOUNDED = ("_softmax", "sigmoid")
"""Operations after which parameters are no weights that can give any number."""

_PASSING = SAME_NUMBERS | frozenset(
    {
        *("cat", "stack", "where", "masked_fill", "index", "index_select", "gather", "index_add", "repeat"),
        *("flip", "roll", "unfold", "constant_pad_nd", "pixel_shuffle", "neg", "div", "native_dropout"),
        *("mean", "sum", "amax", "max", "topk", "sort", "lift_fresh"),
    }
)
"""Operations whose result has the least known kind of their inputs; for `div`, that of the dividend."""

_POOLS = ("avg_pool", "max_pool", "adaptive_avg", "_adaptive_avg", "adaptive_max", "upsample", "_upsample")
"""Beginnings of the names of further such operations."""


class Endings:
    """Follows the operations of a run.

    Args:
        parameters: Parameters of the module.
        buffers: Its buffers.
    """

    def __init__(self, parameters: Iterable[Tensor], buffers: Iterable[Tensor]) -> None:
        self._of_module = {ground(buffer): CONSTANT for buffer in buffers}
        self._of_module.update((ground(parameter), WEIGHT) for parameter in parameters)
        self._kinds: dict[int, int] = {}
        self._written: dict[int, Noted] = {}
        self._tensors = NotedTensors()
        self._makers: dict[int, AppliedOperation] = {}
        self._linears: list[Noted] = []

    def ran(self, operation: Any, args: Any, kwargs: Any, outputs: Any) -> None:
        """Record an operation."""
        name = operation._schema.name.removeprefix("aten::")
        inputs, named = self._tensors.notes_of(args), self._tensors.notes_of(kwargs)
        noted = [self._tensors.note(tensor) for tensor in tensors_in(outputs)]
        kind = self._kind_after(name, inputs)
        for tensor in noted:
            self._makers[id(tensor)] = AppliedOperation(tensor, name, operation, inputs, named)
            numbers = tensor.dtype.is_floating_point or tensor.dtype.is_complex
            self._kinds[id(tensor)] = kind if numbers else min(kind, GIVEN)  # word numbers, masks
            if name.endswith("_"):
                self._written[id(tensor.memory)] = tensor
        if name in LINEAR:
            self._linears += noted

    def ending(self, output: Tensor) -> tuple[str | None, int | None]:
        """The kind of the output, and the last linear layer before it.

        Returns:
            `softmax`, another activation, or `linear`; None if unknown. And the index of the last linear
            layer among all linear ones, if only activations follow it, else None.
        """
        ending, applied = None, self._maker(output)
        while applied is not None:
            if applied.name in LINEAR:
                fits = output.ndim == 2 and applied.tensor.shape == output.shape
                last = self._linears.index(applied.tensor) if fits else None
                return ending or self._linear(output), last
            if applied.name not in SAME_NUMBERS:
                activation = ENDINGS.get(applied.name.removesuffix("_"))
                if ending is None:
                    ending = activation or self._linear(output)
                    if activation in _OVER_AN_AXIS and not self._is_over_classes(applied):
                        ending = f"{activation} over another axis"
                if ending not in ACTIVATIONS or activation not in ACTIVATIONS:
                    return ending, None
            applied = self._previous(applied)
        return ending, None

    def class_axis(self, output: Tensor) -> int | None:
        """Axis of the classes in the output for one row, −1 for the last, as in `ModelInfo`.

        It is the axis of the units or channels of the last layer; if another operation made the scores, such
        as a product of two activations, that of the softmax.
        """
        if output.ndim < 3:
            return None
        applied = self._maker(output)
        axis, after = self._axis_of_units(applied), list[AppliedOperation]()
        while axis is None and applied is not None and applied.name not in PRODUCTS:
            if ENDINGS.get(applied.name) in _OVER_AN_AXIS:
                if not self._is_over_classes(applied):
                    return None
                axis = axis_after(applied.tensor, applied.args[1] % applied.tensor.ndim, after[::-1])
            after.append(applied)
            applied = self._previous(applied)
        if axis is None:
            return None
        return -1 if axis == output.ndim - 1 else axis - 1

    def _is_over_classes(self, softmax: AppliedOperation) -> bool:
        """True if a softmax is over the units of the last layer; without such a layer, over axis 1 or −1."""
        axes = softmax.tensor.ndim
        units = None if axes < 3 else self._axis_of_units(softmax)
        return softmax.args[1] % axes in ((1, axes - 1) if units is None else (units,))

    def _axis_of_units(self, applied: AppliedOperation | None) -> int | None:
        """Axis of a result on which the units or channels of the last layer before it lie, or None."""
        after = list[AppliedOperation]()
        while applied is not None and applied.name not in PRODUCTS:
            after.append(applied)
            applied = self._previous(applied)
        if applied is None or applied.name in ("bmm", "baddbmm"):
            return None
        return axis_after(applied.tensor, 1, after[::-1])

    def _previous(self, applied: AppliedOperation) -> AppliedOperation | None:
        """The origin of what an operation was applied to: its first argument, or what it was written into."""
        return self._makers.get(id(applied.args[0])) if applied.args else None

    def _maker(self, tensor: Tensor) -> AppliedOperation | None:
        return self._makers.get(id(self._tensors.notes_of(tensor)))

    def _linear(self, output: Tensor) -> str | None:
        """`linear` if only sums, products and the like lie between a layer and the output; else None.

        Sums of 1 speak against it: a softmax would spoil them.
        """
        note = self._tensors.notes_of(output)
        if self._kind(note) != SCORES or self._written.get(id(note.memory), note) is not note:
            return None
        values = output.double()
        axes = {1, values.ndim - 1} if values.ndim > 1 else set()
        adds_up = bool((values >= 0).all()) and any(
            values.shape[axis] > 1 and bool(((values.sum(axis) - 1).abs() < _DONE).all()) for axis in axes
        )
        return None if adds_up else "linear"

    def _kind(self, value: Noted | Tensor) -> int:
        """Kind of the numbers of a value."""
        if isinstance(value, Noted):
            return self._kinds[id(value)]
        return self._of_module.get(ground(value), GIVEN) if value.layout == torch.strided else GIVEN

    def _kind_after(self, operation: str, args: Any) -> int:
        """Kind of the results of an operation."""
        name = operation.removesuffix("_")
        inputs = list(items_in(args[:1] if name == "div" else args, (Noted, Tensor)))
        kinds = [self._kind(value) for value in inputs]
        most = max(kinds, default=CONSTANT)
        if name.endswith("_like") or name.startswith("new_"):
            return CONSTANT
        if most <= WEIGHT:
            return OTHER if name in _BOUNDED else most
        if name in _LAYERS or "linear" in name:
            return SCORES
        if name in PRODUCTS:
            return SCORES if SCORES in kinds or WEIGHT in kinds else OTHER
        if name in _COMBINING and not (name == "mul" and args[0] is args[1]):
            return SCORES if SCORES in kinds else most
        if name.startswith("_scaled_dot_product"):  # weighted means of the values
            return kinds[2]
        return most if name in _PASSING or name.startswith(_POOLS) else OTHER


# --- the axis of the classes --------------------------------------------------------------------------
# Find where an axis of a tensor lies after further operations, such as the channels of a last convolution.
#
# The index of each entry on the axis is sent through the operations. Afterwards it varies along one axis:
#
#     convolution (n, K, h, w) ── upsample ── softmax ── permute ── output (n, H, W, K)
#     indices 0 … K − 1        ── upsample ────────────── permute ── vary along the last axis


_RESIZING = ("upsample", "_upsample")
"""Beginnings of the names of operations that interpolate: what is constant stays as it is."""


@dataclass(frozen=True, eq=False)
class AppliedOperation:
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


def axis_after(tensor: Noted, axis: int, operations: Sequence[AppliedOperation]) -> int | None:
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
    for applied in operations:
        if applied.name in SAME_NUMBERS or applied.name.startswith(_RESIZING):
            places = applied.operation(places, *applied.args[1:], **applied.kwargs)
        elif applied.tensor.shape == tuple(places.shape):
            places = applied.tensor.laid_out(places)
        else:
            return None
    axes = range(1, places.ndim)
    if count == 1:
        varying = [at for at in axes if places.shape[at] == 1]
    else:
        varying = [at for at in axes if bool((places - places.narrow(at, 0, 1)).abs().max() > _APART)]
    return varying[0] if len(varying) == 1 and places.shape[varying[0]] <= count else None


_APART = 0.5
"""Difference between indices that are different; interpolation in float32 changes them by less than 0.01."""
