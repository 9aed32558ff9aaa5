"""Convolutions on PyTorch without two copies of everything they get.

Keras keeps the channels last, PyTorch counts them first. To hand images over, Keras (3.15) moves
the channels of all numbers to the front, and then, as convolutions are faster so, to the back again. A view
does without either.
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
    """While it lasts, a convolution of images reads its inputs where they are; others stay as they are."""
    if not _can_do_without(layer):
        yield
        return
    layer.convolution_op = functools.partial(_convolution, layer)
    try:
        yield
    finally:
        del layer.convolution_op


def _can_do_without(layer: Any) -> bool:
    """Whether it is one of images that PyTorch pads as Keras does, without a copy: on all sides alike."""
    if keras.backend.backend() != "torch" or type(layer) is not keras.layers.Conv2D:
        return False
    if layer.data_format != "channels_last":
        return False
    alike = set(layer.strides) == {1} and all(size % 2 for size in layer.kernel_size)
    return (layer.padding == "valid" or alike) and "convolution_op" not in vars(layer)


def _convolution(layer: Any, inputs: Tensor, kernel: Tensor) -> Tensor:
    """What `layer.convolution_op` gives: (n, height, width, filters) of (n, height, width, channels)."""
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
