"""Describe every layer call of an examined Keras model: what it draws, why it stays fixed, what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import keras
import numpy as np

from howsure.adapters.keras import private
from howsure.adapters.keras.examine import Examination, LayerCall
from howsure.adapters.keras.switch import kind_of, rate_of
from howsure.adapters.keras.user_code import is_augmentation, is_keras
from howsure.adapters.protocol import ASKED_FOR, KEPT_OFF, LayerInfo, Unswitchable
from howsure.random_ops import GAUSSIAN_NOISE

Layer = Any


def layer_infos(
    examination: Examination, unswitchable: Sequence[Unswitchable], off: Collection[int] = ()
) -> tuple[LayerInfo, ...]:
    """The layer calls in order of execution. Layers that hold others appear only if they stay fixed.

    Args:
        examination: Examination of the model.
        unswitchable: Layers that are random in training and cannot be switched on.
        off: Identities of layers that the caller keeps off.
    """
    notes = {
        layer.name: f"{'cannot be done right' if layer.refused else 'stays fixed'}: {layer.what}"
        for layer in unswitchable
    }
    calls: Counter[str] = Counter()
    layers = []
    counted = {id(call) for call in counted_calls(examination.calls)}
    for call in examination.calls:
        name, counts = call.name, id(call) in counted
        calls[name] += 1
        draws = list(dict.fromkeys(examination.random_ops[number].in_words for number in call.random_ops))
        if not counts and not draws and not (holds_layers(call.layer) and name in notes):
            continue
        layers.append(
            LayerInfo(
                name=name if calls[name] == 1 else f"{name}#{calls[name]}",
                kind=type(call.layer).__name__,
                random=" and ".join(draws) or None,
                note=None
                if draws
                else KEPT_OFF
                if id(call.layer) in off
                else _note(notes, name) or _why_fixed(call.layer),
                shape=call.shape,
                multiply_adds=multiply_adds(call) if counts else 0,
                repeated=call.step in examination.repeated,
            )
        )
    return tuple(layers)


def _note(notes: dict[str, str], name: str) -> str | None:
    """The note about a layer, or about a layer inside it."""
    return next((note for key, note in notes.items() if f"{key}/".startswith(f"{name}/")), None)


def _why_fixed(layer: Layer) -> str | None:
    kind = kind_of(layer)
    if kind is not None and rate_of(layer) == 0:
        return "stays fixed: its rate is 0"
    if kind == GAUSSIAN_NOISE:
        return f"stays fixed: noise stands for the data, not for the network; ask for it with {ASKED_FOR}"
    if kind is not None:
        return "stays fixed: called as in predicting, also when the model trains"
    if isinstance(layer, keras.layers.BatchNormalization):
        return "stays fixed: uses the mean and variance learned in training, not those of the batch"
    if is_augmentation(layer):
        return "stays fixed: augments the data in training only"
    return None


# --- what calls cost ----------------------------------------------------------------------------------


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
