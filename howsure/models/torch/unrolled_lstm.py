"""Unroll PyTorch's fused LSTM into operations that ONNX knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_LSTM = 2
"""The mode of `mkldnn_rnn_layer` for an LSTM; PyTorch runs no other recurrent layer with it."""


class Unrolled(TorchFunctionMode):
    """In this scope, the fused LSTM is computed step by step."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run the operation, or its unrolled form."""
        if func is torch.ops.aten.mkldnn_rnn_layer.default and args[9] == _LSTM:
            return _lstm(*args[:8])
        return func(*args, **(kwargs or {}))


def _lstm(
    x: Tensor, of_x: Tensor, of_h: Tensor, bias_x: Tensor, bias_h: Tensor, h: Tensor, c: Tensor, reverse: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One layer in one direction (Hochreiter & Schmidhuber 1997), with the gate order of `torch.nn.LSTM`.

    Args:
        x: (T, n, F) steps.
        of_x: (4H, F) weights.
        of_h: (4H, H) weights.
        bias_x: (4H,).
        bias_h: (4H,).
        h: (n, H) hidden state before the first step, or (1, n, H).
        c: Cell state, in the same shape.
        reverse: True to run from the last step to the first.

    Returns:
        (T, n, H) hidden states, the last hidden and cell state, and an empty workspace.
    """
    shape, units = h.shape, of_h.shape[1]
    hidden, cell = h.reshape(-1, units), c.reshape(-1, units)
    steps = torch.matmul(x, of_x.t()) + (bias_x + bias_h)
    found: list[Tensor] = []
    for step in reversed(range(len(x))) if reverse else range(len(x)):
        into, forget, new, out = (steps[step] + hidden @ of_h.t()).chunk(4, -1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(into) * torch.tanh(new)
        hidden = torch.sigmoid(out) * torch.tanh(cell)
        found.append(hidden)
    states = torch.stack(found[::-1] if reverse else found)
    return states, hidden.reshape(shape), cell.reshape(shape), x.new_zeros(0)
