"""Try a user's layer on made-up inputs, without side effects: does it draw, and does training change more?"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from howsure.adapters.keras import private
from howsure.adapters.keras.draws import MeanDraws, NoDraws
from howsure.adapters.keras.switch import SwitchedDraws, quiet, switched

Tensor = Any
Layer = Any
Arguments = tuple[tuple[Any, ...], dict[str, Any]]

CALLS = 8
"""Calls of a layer that are compared to see whether it draws. Two of a small layer may agree by chance."""


ROUNDING = 1e-5
"""Relative difference, to the largest output, within which two float32 calls count as equal. The rounding of
float32 is 6e-8 for each operation."""


def is_keras(layer_class: type) -> bool:
    """True if a class is Keras's own."""
    return layer_class.__module__.startswith("keras.")


def is_augmentation(layer: Layer) -> bool:
    """True if a layer augments images in training only (`RandomFlip`, …)."""
    return is_keras(type(layer)) and type(layer).__name__.startswith(
        ("Random", "AugMix", "CutMix", "MixUp", "AutoContrast")
    )


def holds_a_module(layer: Layer) -> bool:
    """True if a layer runs a module of another library, inside which Keras is not called."""
    wrappers = ("TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer")
    return isinstance(layer, tuple(getattr(keras.layers, name) for name in wrappers))


def runs_code_of_a_user(layer: Layer) -> bool:
    """True if a layer runs a class, function or module that is not Keras's own."""
    if not is_keras(type(layer)) or isinstance(layer, keras.layers.Lambda) or holds_a_module(layer):
        return True
    activation = getattr(layer, "activation", None)
    return inspect.isfunction(activation) and not activation.__module__.startswith("keras.")


def draws_of_its_own(layer: Layer, arguments: Arguments, *, training: bool) -> bool:
    """True if a layer draws random numbers outside Keras.

    The layer is called several times on the same inputs. When it trains, random ops that accept masks give
    the middle of their distribution; when it predicts, nothing is drawn. Different outputs show another draw.
    """
    first, *others = _outputs(layer, arguments, [training] * CALLS, MeanDraws() if training else NoDraws())
    return any(not _same(first, other) for other in others)


def does_more_in_training(layer: Layer, arguments: Arguments, never_in_training: Sequence[Layer]) -> bool:
    """True if training changes what a layer computes, apart from its draws.

    Args:
        layer: A user's layer that draws only dropout and normal numbers.
        arguments: Arguments of its call, with tensors as `KerasTensor`s.
        never_in_training: Layers inside it that are always called with training=False.
    """
    trained, predicted = _outputs(layer, arguments, [True, False], MeanDraws(), never_in_training)
    return not _same(trained, predicted, ROUNDING)


def _outputs(
    layer: Layer,
    arguments: Arguments,
    training: Sequence[bool],
    draws: SwitchedDraws,
    never_in_training: Sequence[Layer] = (),
) -> list[list[Any]]:
    """Outputs of consecutive calls, between which seeds advance as usual."""
    results = []
    with switched(draws, never_in_training), quiet([layer, *private.layers_below(layer)]):
        for is_training in training:
            args, kwargs = made_up_arguments(arguments, training=is_training)
            outputs = keras.tree.flatten(layer(*args, **kwargs))
            results.append([ops.convert_to_numpy(item) for item in outputs if ops.is_tensor(item)])
    return results


def _same(outputs: list[Any], others: list[Any], rounding: float = 0.0) -> bool:
    sizes = [np.max(np.abs(a), initial=0, where=np.isfinite(a)) for a in outputs]  # logits may be -inf
    return all(
        np.allclose(a, b, rtol=rounding, atol=rounding * size, equal_nan=True)
        for a, b, size in zip(outputs, others, sizes, strict=True)
    )


def symbolic(args: Any, kwargs: Any) -> Arguments:
    """Arguments of a layer's call, with tensors as `KerasTensor`s."""

    def spec(item: Any) -> Any:
        if not ops.is_tensor(item):
            return item
        return keras.KerasTensor(tuple(item.shape), keras.backend.standardize_dtype(item.dtype))

    specs: Arguments = keras.tree.map_structure(spec, (args, dict(kwargs)))
    return specs


def made_up_arguments(arguments: Arguments, *, training: bool) -> Arguments:
    """The same arguments with made-up tensors instead of symbolic ones, and the `training` flag."""
    args, kwargs = keras.tree.map_structure(_made_up, arguments)
    return args, {**kwargs, "training": training}


def _made_up(value: Any) -> Any:
    if not isinstance(value, keras.KerasTensor):
        return value
    if value.dtype == "string":
        return ops.convert_to_tensor(np.full(value.shape, "some text"))
    random = np.random.default_rng(0)
    if "int" in value.dtype or value.dtype == "bool":
        return ops.ones(value.shape, value.dtype)
    return ops.cast(ops.convert_to_tensor(random.normal(size=value.shape).astype("float32")), value.dtype)
