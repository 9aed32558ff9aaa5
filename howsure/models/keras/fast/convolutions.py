"""Convolutions on PyTorch without two copies of all their inputs.

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

Tensor = Any


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
    found = torch.nn.functional.conv2d(
        images,
        weights.contiguous(memory_format=torch.channels_last),
        stride=tuple(layer.strides),
        padding=layer.padding,
        dilation=tuple(layer.dilation_rate),
        groups=images.shape[1] // weights.shape[1],
    )
    return found.permute(0, 2, 3, 1)
