"""Record every operation of one run of a module, with its arguments and results."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from howsure import tuning
from howsure.adapters.torch.dispatch_mode import DispatchMode
from howsure.adapters.torch.draws import draw_of, is_of_others, taken_apart
from howsure.adapters.torch.noted_tensors import Noted, NotedTensors, ground, tensors_in

aten = torch.ops.aten


class Unsplittable(Exception):
    """The reason why a module must run whole."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation of a run.

    Attributes:
        op: The operation.
        args: Its arguments, with a `Noted` for each tensor of the run. Other tensors, such as weights, are
            kept as they are.
        kwargs: Its keyword arguments, in the same form.
        results: Its results, in the same form.
        draws: True if it draws.
        scaled: As in `Draw`.
        multiply_adds: Multiply-adds for all rows.
        place: The module call that it belongs to.
    """

    op: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[Any, ...]
    draws: bool
    scaled: Callable[[Tensor], Tensor] | None
    multiply_adds: float
    place: str


@dataclass(frozen=True, eq=False)
class Notes:
    """A recorded run.

    Attributes:
        count: Number of rows.
        rows: Rows of each input.
        operations: Its operations, in order.
        output: Output of the run.
        memory: Stand-ins for the memory of tensors from elsewhere, by identity of the tensor.
    """

    count: int
    rows: Sequence[Noted]
    operations: Sequence[Operation]
    output: Any
    memory: dict[int, object | None]


def noted(
    run: Callable[[Sequence[Tensor]], Tensor], rows: Sequence[Tensor], place: Callable[[], str]
) -> tuple[Tensor, Notes]:
    """The output of a run, and notes of everything that it calls.

    Args:
        run: Maps the inputs to the output.
        rows: Rows of each input.
        place: Returns the module call that is active.

    Raises:
        Unsplittable: A value leaves PyTorch.
    """
    tensors = NotedTensors()
    inputs = [tensors.note(tensor) for tensor in rows]
    noting = _Noting(tensors, place)
    with torch.no_grad(), _Leaving(tensors), noting:
        output = run(rows)
    return output, Notes(len(rows[0]), inputs, noting.operations, tensors.notes_of(output), tensors.elsewhere)


class _Noting(DispatchMode):
    """Records every operation."""

    def __init__(self, tensors: NotedTensors, place: Callable[[], str]) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self._tensors = tensors
        self._place = place

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if is_of_others(op):
            with self:
                return taken_apart(op, args, kwargs)
        inputs, named = self._tensors.notes_of(args), self._tensors.notes_of(kwargs)
        draw = draw_of(op, args, kwargs) if torch.Tag.nondeterministic_seeded in op.tags else None
        if draw is not None and draw.scaled_by is not None:
            raise Unsplittable(f"{op} draws around means, or with deviations, of a tensor")
        result = op(*args, **kwargs)
        cost = multiply_adds(op, args, results_of(result))
        if op is aten.as_strided_.default and _is_as_strided(*args):
            op, inputs, named = aten.alias.default, inputs[:1], {}
        results = tuple(
            self._tensors.note(item) if isinstance(item, Tensor) else item for item in results_of(result)
        )
        scaled = None if draw is None else draw.scaled
        draws = draw is not None
        self.operations.append(Operation(op, inputs, named, results, draws, scaled, cost, self._place()))
        return result


def _is_as_strided(tensor: Tensor, size: Sequence[int], stride: Sequence[int], *start: int) -> bool:
    """True if a tensor already has this memory layout; strides of axes of length 1 may differ."""
    sides = zip(tensor.shape, size, tensor.stride(), stride, strict=False)
    return (
        not start and all(a == b and (a == 1 or c == d) for a, b, c, d in sides) and tensor.dim() == len(size)
    )


_LEAVING = (
    torch.Tensor.numpy,
    torch.Tensor.tolist,
    torch.Tensor.__array__,
    torch.Tensor.data_ptr,
    torch.Tensor.__dlpack__,
)
"""Functions by which numbers leave PyTorch unseen."""


class _Leaving(TorchFunctionMode):
    """Raises an error if a value of the run leaves PyTorch, where its use cannot be recorded."""

    def __init__(self, tensors: NotedTensors) -> None:
        super().__init__()
        self._tensors = tensors

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _LEAVING and args[0] in self._tensors:
            raise Unsplittable(f"{func.__name__} takes a value out of PyTorch")
        return func(*args, **(kwargs or {}))


def results_of(result: Any) -> tuple[Any, ...]:
    """The result of an operation, as a tuple."""
    return tuple(result) if isinstance(result, (tuple, list)) else (result,)


def is_view(op: Any) -> bool:
    """True if an operation only reshapes."""
    return op in (aten.view.default, aten._unsafe_view.default, aten.reshape.default)


# --- costs --------------------------------------------------------------------------------------------


_PRODUCTS = {aten.mm: 0, aten.bmm: 0, aten.addmm: 1, aten.baddbmm: 1}
"""Matrix products, with the index of the first factor among the arguments."""
_CONVOLUTIONS = {aten.convolution, aten._convolution}
_ATTENTION = {
    aten._scaled_dot_product_flash_attention_for_cpu,
    aten._scaled_dot_product_flash_attention,
    aten._scaled_dot_product_efficient_attention,
    aten._scaled_dot_product_cudnn_attention,
}


def multiply_adds(op: Any, args: Any, results: Sequence[Any]) -> float:
    """Multiply-adds of matrix products, convolutions, attention and recurrent layers, for all rows; else 0.

    The result is half of what `torch.utils.flop_counter` counts, plus two kinds that it omits: fused
    operations, and products with a vector. Nested tensors are not counted. That counter is not used because
    it loads triton (see `howsure.adapters.torch.dispatch_mode`).

    Args:
        op: An operation of ATen.
        args: Its arguments.
        results: Its results.
    """
    packet = op.overloadpacket
    if any(isinstance(item, Tensor) and item.is_nested for item in (*args, *results)):
        return 0.0  # nested tensors, as `TransformerEncoder` makes of padded rows, have no shape
    if packet is aten.mkldnn_rnn_layer:  # time is the first axis; both matrices apply at every step
        return float(args[0].shape[0] * args[0].shape[1] * (args[1].numel() + args[2].numel()))
    if packet in _ATTENTION:  # queries with keys, and the result with values
        queries, keys, values = args[0], args[1], args[2]
        places = math.prod(queries.shape[:-1])
        return float(places * keys.shape[-2] * (queries.shape[-1] + values.shape[-1]))
    if packet in _PRODUCTS:
        return float(results[0].numel() * args[_PRODUCTS[packet]].shape[-1])
    if packet in _CONVOLUTIONS:  # the kernel applies at each position of the output, or of the input
        inputs, kernel, transposed = args[0], args[1], args[6]
        at = inputs if transposed else results[0]
        return float(at.shape[0] * math.prod(at.shape[2:]) * kernel.numel())
    if packet is aten._native_multi_head_attention:
        return _attention(args[0], args[1], (args[5], args[7]))
    if packet is aten._transformer_encoder_layer_fwd:
        return _attention(args[0], args[0], (args[3], args[5], args[14], args[16]))
    if packet is aten.mv:
        return float(args[0].numel())
    return 0.0


def work(op: Any, args: Any, results: Sequence[Any]) -> float:
    """Multiply-adds of an operation, and `tuning.ELEMENTWISE` for each number that it writes anew.

    Attention and encoder layers that run as one operation also count what they write inside. Views and
    numbers that are written into given memory do not count.

    Args:
        op: An operation of ATen.
        args: Its arguments.
        results: Its results.
    """
    if any(tensor.is_nested or tensor.layout != torch.strided for tensor in tensors_in([args, results])):
        return multiply_adds(op, args, results)  # such tensors have no shape, or fewer numbers
    input_memory = {ground(tensor) for tensor in tensors_in(args)}
    new = sum(tensor.numel() for tensor in tensors_in(results) if ground(tensor) not in input_memory)
    packet = op.overloadpacket
    if packet in (aten._native_multi_head_attention, aten._transformer_encoder_layer_fwd):
        encodes = packet is aten._transformer_encoder_layer_fwd
        queries, keys = args[0], args[0 if encodes else 1]
        places, width = math.prod(queries.shape[:2]), queries.shape[2]
        # Queries, keys and values twice, scores, and what they weigh; around these a layer has two norms,
        # its two products, and the numbers between these.
        new += places * (7 * width + args[2 if encodes else 4] * keys.shape[1])
        new += places * (3 * width + args[14].shape[0]) if encodes else 0
    return multiply_adds(op, args, results) + tuning.ELEMENTWISE * new


def _attention(queries: Tensor, keys: Tensor, weights: Sequence[Tensor]) -> float:
    """Multiply-adds of attention (rows, positions, width) as one operation, with its matrices."""
    places = queries.shape[0] * queries.shape[1]
    return float(places * (sum(weight.numel() for weight in weights) + 2 * queries.shape[2] * keys.shape[1]))
