"""What an operation of PyTorch computes, in multiply-adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

aten = torch.ops.aten


def multiply_adds(op: Any, args: Any, kwargs: Any, results: Sequence[Any]) -> float:
    """Of products of matrices, convolutions, attention and recurrent layers, for all rows; 0 for all others.

    They are half of the operations that PyTorch counts (`torch.utils.flop_counter`). What it leaves out is
    counted here: fused operations, and products with a vector. Nested tensors are not counted.

    Args:
        op: An operation of ATen.
        args: What it got.
        kwargs: Likewise, by name.
        results: What it returned.
    """
    packet = op.overloadpacket
    if any(isinstance(item, Tensor) and item.is_nested for item in (*args, *results)):
        return 0.0  # rows of several lengths, as `TransformerEncoder` packs padded ones: they have no shape
    if packet is aten.mkldnn_rnn_layer:  # time is the first axis; both matrices are applied at every step
        return float(args[0].shape[0] * args[0].shape[1] * (args[1].numel() + args[2].numel()))
    if packet is aten._scaled_dot_product_flash_attention_for_cpu:
        return float(2 * args[0].numel() * args[1].shape[-2])
    if packet is aten._native_multi_head_attention:
        return _attention(args[0], args[1], (args[5], args[7]))
    if packet is aten._transformer_encoder_layer_fwd:
        return _attention(args[0], args[0], (args[3], args[5], args[14], args[16]))
    if packet is aten.mv:
        return float(args[0].numel())
    if packet in flop_registry:
        out = results[0] if len(results) == 1 else tuple(results)
        return float(flop_registry[packet](*args, **kwargs, out_val=out)) / 2
    return 0.0


def _attention(queries: Tensor, keys: Tensor, weights: Sequence[Tensor]) -> float:
    """Of attention (rows, places, width) that is one operation, and of the matrices applied at each place."""
    places = queries.shape[0] * queries.shape[1]
    return float(places * (sum(weight.numel() for weight in weights) + 2 * queries.shape[2] * keys.shape[1]))
