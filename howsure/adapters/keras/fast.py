"""Faster passes: heavy layers in bfloat16, and image convolutions on PyTorch without copies.

bfloat16 keeps 8 bits of a number; products are summed in float32. In the sums of a convolution the rounding
errors average out. The pilot measures the error that remains in the probabilities. Without bfloat16, `assess`
takes 1.5 times as long on a CNN like the question's with TensorFlow, and 1.4 times with PyTorch; with copies,
1.15 times.

Keras stores channels last; PyTorch counts them first. To pass images on, Keras (3.15) copies all numbers to
channels first, and then copies them back to channels last, since convolutions are faster that way. A view
avoids both copies.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras

from howsure import tuning
from howsure.adapters.keras.examine import Examination
from howsure.adapters.keras.graph import Slot, Step
from howsure.adapters.keras.layers import counted_calls, multiply_adds
from howsure.adapters.processor import multiplies_bfloat16

Tensor = Any

_HEAVY = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D, keras.layers.Dense)

_BETWEEN = (
    *(keras.layers.Dropout, keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D),
    *(keras.layers.SpatialDropout3D, keras.layers.Flatten, keras.layers.Reshape),
    *(keras.layers.MaxPooling1D, keras.layers.MaxPooling2D, keras.layers.MaxPooling3D),
)


def reducible_steps(examination: Examination) -> list[Step]:
    """The heavy layers that every pass computes again, and layers that only these read.

    Heavy layers are dense and convolution layers in float32 with at least `tuning.HEAVY` multiply-adds. The
    last layer with weights stays in float32: its output is nearly the answer.

    Args:
        examination: Examination of the model.
    """
    weighted = [call for call in counted_calls(examination.calls) if multiply_adds(call)]
    heavy = {
        id(call.step)
        for call in weighted[:-1]
        if call.step.operation is call.layer
        and type(call.layer) in _HEAVY
        and multiply_adds(call) >= tuning.HEAVY
    }
    repeated_heavy = heavy & {id(step) for step in examination.repeated}
    steps: list[Step] = []
    readers: dict[Slot, list[Step]] = {}
    for step in reversed((*examination.shared, *examination.repeated)):
        reading = [reader for slot in step.outputs for reader in readers.get(slot, [])]
        for_these = bool(reading) and all(reader in steps for reader in reading)
        reducible = id(step) in repeated_heavy or (
            for_these and (id(step) in heavy or type(step.operation) in _BETWEEN)
        )
        if reducible and step.operation.dtype_policy == keras.DTypePolicy("float32"):
            steps.append(step)
        for slot in step.inputs():
            readers.setdefault(slot, []).append(step)
    return steps if repeated_heavy else []


@contextlib.contextmanager
def computing_in(policy: str, layer: Any) -> Iterator[None]:
    """Let a layer compute with another dtype policy on its existing weights, as in mixed precision."""
    before = layer.dtype_policy
    try:
        layer.dtype_policy = keras.DTypePolicy(policy)
        yield
    finally:
        layer.dtype_policy = before


def bfloat16_is_faster() -> bool:
    """True if heavy layers run faster in bfloat16 on this machine.

    The processor decides, not a timing, so that a row gets the same numbers in every run. On a processor with
    AVX-512 BF16, convolutions are faster with TensorFlow and PyTorch, but not with JAX (docs/decisions/0005;
    `python -m benchmarks profile question` measures it).
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return not tf.config.list_physical_devices("GPU") and multiplies_bfloat16()
    if backend == "torch":
        import torch

        return not torch.cuda.is_available() and multiplies_bfloat16()
    return False


# --- convolutions -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def without_copies(layer: Any) -> Iterator[None]:
    """In this scope, an image convolution reads its inputs in place; other layers are unchanged."""
    if not _can_do_without(layer):
        yield
        return
    layer.convolution_op = functools.partial(_convolution, layer)
    try:
        yield
    finally:
        del layer.convolution_op


def _can_do_without(layer: Any) -> bool:
    """True for image convolutions whose padding PyTorch does as Keras, without a copy: equal on all sides."""
    if keras.backend.backend() != "torch" or type(layer) is not keras.layers.Conv2D:
        return False
    if layer.data_format != "channels_last":
        return False
    alike = set(layer.strides) == {1} and all(size % 2 for size in layer.kernel_size)
    return (layer.padding == "valid" or alike) and "convolution_op" not in vars(layer)


def _convolution(layer: Any, inputs: Tensor, kernel: Tensor) -> Tensor:
    """Replacement for `layer.convolution_op`: (n, height, width, channels) to (n, height, width, filters)."""
    import torch

    images = keras.ops.convert_to_tensor(inputs).permute(0, 3, 1, 2)
    weights = keras.ops.convert_to_tensor(kernel).permute(3, 2, 0, 1)
    outputs = torch.nn.functional.conv2d(
        images,
        weights.contiguous(memory_format=torch.channels_last),
        stride=tuple(layer.strides),
        padding=layer.padding,
        dilation=tuple(layer.dilation_rate),
        groups=images.shape[1] // weights.shape[1],
    )
    return outputs.permute(0, 2, 3, 1)
