"""Cost of a layer call, in multiply-adds for one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from howsure.models.keras import private
from howsure.models.keras.examine import LayerCall
from howsure.models.keras.user_code import is_keras

Layer = Any


def counted_calls(calls: Sequence[LayerCall]) -> list[LayerCall]:
    """The calls whose costs add up to the cost of the model.

    Layers that hold other layers are left out, since those are called themselves. A recurrent layer counts as
    a whole, because its cell may be called once for each time step, once in all, or not at all.
    """
    inside = tuple(f"{call.name}/" for call in calls if isinstance(call.layer, keras.layers.RNN))
    return [
        call
        for call in calls
        if not call.name.startswith(inside)
        and (isinstance(call.layer, keras.layers.RNN) or not holds_layers(call.layer))
    ]


def holds_layers(layer: Layer) -> bool:
    """True if a layer is made of other layers."""
    return bool(private.layers_below(layer, nested=False))


def multiply_adds(call: LayerCall) -> int:
    """Multiply-adds of one call for one row: each kernel counts once for each position where it is applied.

    Exact for dense, convolution and recurrent kernels. Biases, activations, pooling, normalisation and
    products of two activations (attention scores) are not counted.
    """
    layer, shape = call.layer, call.shape
    if isinstance(layer, keras.layers.EinsumDense):
        of_inputs, of_output = layer.equation.split("->")
        sides = zip(of_inputs.split(",")[1].strip(), layer.kernel.shape, strict=True)
        summed = [side for letter, side in sides if letter not in of_output]
        return _product(shape) * _product(summed)
    if isinstance(layer, keras.layers.RNN):
        steps, positions = call.input_shape[0], shape[1:-1] if layer.return_sequences else shape[:-1]
        return steps * _product(positions) * _numbers_in_kernels(layer)
    if isinstance(layer, _TRANSPOSED):
        shape = call.input_shape  # each input position contributes to a patch of the output
    if "Conv" in type(layer).__name__ and getattr(layer, "data_format", "") == "channels_first":
        shape = (*shape[1:], shape[0])
    return _product(shape[:-1]) * _numbers_in_kernels(layer)


_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)


def _numbers_in_kernels(layer: Layer) -> int:
    """Number of weights that multiply inputs: Keras's kernels, and every matrix of a user's layer."""
    return sum(
        _product(weight.shape)
        for weight in layer.weights
        if len(weight.shape) > 1 and ("kernel" in weight.name or not is_keras(type(layer)))
    )


def _product(sides: Sequence[int]) -> int:
    return int(np.prod(sides, dtype=np.int64))
