"""Trying out code of a user's on made-up inputs, without effect: what it draws, what else training does."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from howsure.models.keras import private
from howsure.models.keras.draws import Middle, Still
from howsure.models.keras.source_lines import line_of_a_draw
from howsure.models.keras.switch import Draws, quiet, switched

Tensor = Any
Layer = Any
Arguments = tuple[tuple[Any, ...], dict[str, Any]]

CALLS = 8
"""Calls of a layer that are compared to see whether it draws; two calls of a small one may well agree."""


ROUNDING = 1e-5
"""Share of the largest output within which two calls in float32 are the same, whose own rounding is 6e-8 for
each of the operations on the way."""


def is_keras(layer_class: type) -> bool:
    """Whether a class is Keras's own."""
    return layer_class.__module__.startswith("keras.")


def is_augmentation(layer: Layer) -> bool:
    """Whether a layer augments images in training only (`RandomFlip`, …)."""
    return is_keras(type(layer)) and type(layer).__name__.startswith(
        ("Random", "AugMix", "CutMix", "MixUp", "AutoContrast")
    )


def holds_a_module(layer: Layer) -> bool:
    """Whether a layer runs a module of another library, in which nothing of Keras's is called."""
    wrappers = ("TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer")
    return isinstance(layer, tuple(getattr(keras.layers, name) for name in wrappers))


def runs_code_of_a_user(layer: Layer) -> bool:
    """Whether a layer does what a class, function or module of somebody else's than Keras says."""
    if not is_keras(type(layer)) or isinstance(layer, keras.layers.Lambda) or holds_a_module(layer):
        return True
    activation = getattr(layer, "activation", None)
    return inspect.isfunction(activation) and not activation.__module__.startswith("keras.")


def draws_of_its_own(layer: Layer, arguments: Arguments, *, training: bool) -> bool:
    """Whether a layer draws random numbers that do not come from Keras.

    It is called several times on the same inputs, with the middle of all that masks can be given for where
    it trains and with nothing drawn where it predicts. Different outputs come from a draw of its own.
    """
    first, *others = _outputs(layer, arguments, [training] * CALLS, Middle() if training else Still())
    return any(not _same(first, other) for other in others)


def does_more_in_training(layer: Layer, arguments: Arguments, never_in_training: Sequence[Layer]) -> bool:
    """Whether a layer computes something else when it trains, apart from what it draws.

    Args:
        layer: Of a user's, drawing nothing but dropout and normal numbers.
        arguments: What it was called with, tensors as `KerasTensor`s.
        never_in_training: Layers below it that are called as in predicting, whatever they are told.
    """
    trained, predicted = _outputs(layer, arguments, [True, False], Middle(), never_in_training)
    return not _same(trained, predicted, ROUNDING)


def line_of_own_draw(layer: Layer, arguments: Arguments) -> str | None:
    """Where a layer draws past Keras when it trains, or None where no trace tells."""
    args, kwargs = made_up_arguments(arguments, training=True)
    with quiet([layer, *private.layers_below(layer)]):
        try:
            return line_of_a_draw(lambda: keras.tree.flatten(layer(*args, **kwargs)))
        except Exception:  # code of a user's that cannot be traced; that it draws is known all the same
            return None


def _outputs(
    layer: Layer,
    arguments: Arguments,
    training: Sequence[bool],
    draws: Draws,
    never_in_training: Sequence[Layer] = (),
) -> list[list[Any]]:
    """Outputs of calls in a row, in which seeds go on as in use."""
    found = []
    with switched(draws, never_in_training), quiet([layer, *private.layers_below(layer)]):
        for each in training:
            args, kwargs = made_up_arguments(arguments, training=each)
            outputs = keras.tree.flatten(layer(*args, **kwargs))
            found.append([ops.convert_to_numpy(item) for item in outputs if ops.is_tensor(item)])
    return found


def _same(outputs: list[Any], others: list[Any], rounding: float = 0.0) -> bool:
    sizes = [np.max(np.abs(a), initial=0, where=np.isfinite(a)) for a in outputs]  # classes may be -inf
    return all(
        np.allclose(a, b, rtol=rounding, atol=rounding * size, equal_nan=True)
        for a, b, size in zip(outputs, others, sizes, strict=True)
    )


def symbolic(args: Any, kwargs: Any) -> Arguments:
    """What a layer was called with, tensors as `KerasTensor`s."""

    def spec(item: Any) -> Any:
        if not ops.is_tensor(item):
            return item
        return keras.KerasTensor(tuple(item.shape), keras.backend.standardize_dtype(item.dtype))

    specs: Arguments = keras.tree.map_structure(spec, (args, dict(kwargs)))
    return specs


def made_up_arguments(arguments: Arguments, *, training: bool) -> Arguments:
    """Made-up tensors in the place of symbolic ones, and whether to train."""
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
