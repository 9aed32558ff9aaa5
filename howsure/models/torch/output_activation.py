"""Find what a module's output is, from the operations of a plain run that lead to it.

product ── add, scale, pick, mask, mean ── output            linear: read as logits
… ── softmax ── output                                       softmax: read as probabilities
… ── softmax, sigmoid, exp, relu ── anything else ── output  not known: howsure asks for `outputs=`
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from howsure.models.torch.value_kinds import ANY, SAME_NUMBERS, UNSIGNED, Kinds, tensors_in

Tensor = torch.Tensor

LINEAR = ("addmm", "mm")
"""Operations of a linear layer on rows."""

PRODUCTS = (*LINEAR, "bmm", "baddbmm", "convolution", "_convolution", "mkldnn_convolution")
"""Operations of layers with weights."""

_FAR = 100
"""Most operations before the output among which its layers are searched."""

ENDINGS = {
    "_softmax": "softmax",
    "_log_softmax": "log_softmax",
    **{
        name: name
        for name in ("sigmoid", "relu", "tanh", "gelu", "silu", "elu", "leaky_relu", "softplus", "hardtanh")
    },
}
"""Last operations that identify an output, some of them as not that of a classifier."""

ACTIVATIONS = ("softmax", "log_softmax", "sigmoid")
"""Operations that may follow the last linear layer of a module whose features are read."""

_DONE = 1e-3
"""Largest distance from 1 of the sum of a row of probabilities; allows for 16 bits and for a clamp."""


@dataclass(frozen=True, eq=False)
class _Maker:
    """The origin of a tensor: operation, arguments, and the previous origin if it was written in place."""

    tensor: Tensor
    name: str
    args: Any
    before: _Maker | None


class Endings:
    """Follows the operations of a run.

    Args:
        parameters: Parameters of the module.
        buffers: Its buffers.
    """

    def __init__(self, parameters: Iterable[Tensor], buffers: Iterable[Tensor]) -> None:
        self._kinds = Kinds(parameters, buffers)
        self._makers: dict[int, _Maker] = {}
        self._linears: list[Tensor] = []
        self._layers: dict[int, str] = {}

    def ran(self, name: str, args: Any, outputs: Any, layer: str) -> None:
        """Record an operation, and the path of the layer being called."""
        for tensor in tensors_in(outputs):
            before = self._makers.get(id(tensor))
            self._makers[id(tensor)] = _Maker(tensor, name, args, before)
        self._kinds.ran(name, args, outputs)
        if name in LINEAR:
            self._linears.append(outputs)
        if name in PRODUCTS:
            self._layers[id(outputs)] = layer

    def ending(self, output: Tensor) -> tuple[str | None, int | None]:
        """What the output is, and the last linear operation before it.

        Returns:
            `softmax`, another activation, or `linear`; None if unknown. And the index of the last linear
            operation among all linear operations if only activations follow it, else None.
        """
        ending, made = None, self._makers.get(id(output))
        while made is not None:
            if made.name in LINEAR:
                place = next((at for at, each in enumerate(self._linears) if each is made.tensor), None)
                fits = output.ndim == 2 and made.tensor.shape == output.shape
                return ending or self._linear(output), place if fits else None
            if made.name not in SAME_NUMBERS:
                known = ENDINGS.get(made.name.removesuffix("_") if made.name.endswith("_") else made.name)
                if ending is None:
                    ending = known or self._linear(output)
                    over = made.args[1] if known in ("softmax", "log_softmax") else -1
                    if over not in (-1, made.tensor.ndim - 1):
                        ending = f"{known} over another axis"
                if ending not in ACTIVATIONS or known not in ACTIVATIONS:
                    return ending, None
            made = made.before if made.args[0] is made.tensor else self._makers.get(id(made.args[0]))
        return ending, None

    def heads(self, output: Tensor) -> tuple[str, ...]:
        """Paths of the layers whose products reach the output without a further product."""
        found, seen, ahead = list[str](), set[int](), [output]
        while ahead and len(seen) < _FAR:
            made = self._makers.get(id(ahead.pop(0)))
            if made is None or id(made.tensor) in seen:
                continue
            seen.add(id(made.tensor))
            if made.name in PRODUCTS:
                found.append(self._layers[id(made.tensor)])
            else:
                ahead += tensors_in(made.args)
        return tuple(dict.fromkeys(found))

    def _linear(self, output: Tensor) -> str | None:
        """`linear` if only sums, products and the like lie between a product and the output; else None."""
        values, kind = output.double(), self._kinds.of(output)
        if bool((values >= 0).all()):
            adds_up = values.ndim > 1 and values.shape[1] > 1
            adds_up = adds_up and bool(((values.sum(1) - 1).abs() < _DONE).all())
            if kind == UNSIGNED or adds_up:
                return None
        return "linear" if ANY <= kind <= UNSIGNED else None
