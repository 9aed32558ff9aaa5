"""Cost of an operation of PyTorch, in multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from howsure import tuning
from howsure.models.torch.value_kinds import ground, tensors_in

aten = torch.ops.aten

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
    it loads triton (see `howsure.models.torch.dispatch_mode`).

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
    if any(each.is_nested or each.layout != torch.strided for each in tensors_in([args, results])):
        return multiply_adds(op, args, results)  # such tensors have no shape, or fewer numbers
    given = {ground(each) for each in tensors_in(args)}
    new = sum(each.numel() for each in tensors_in(results) if ground(each) not in given)
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
