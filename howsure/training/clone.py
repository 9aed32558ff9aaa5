"""Clone a Keras model with other weights, and recompute the BatchNormalization statistics that fit them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from howsure.data.rows import check_rows
from howsure.errors import InputError, ModelError
from howsure.models.keras import private
from howsure.models.keras.inputs import check_model, input_specs

Array = NDArray[Any]
Build = Callable[[int], Any]

BATCH_SIZE = 256
"""Most rows that run together while BatchNormalization statistics are recomputed."""


def with_statistics(model: Any) -> list[Any]:
    """Layers whose running statistics change in training."""
    return [
        layer
        for layer in private.layers_below(model)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]


def batches_of(model: Any, x: Any) -> list[Any]:
    """Rows as the model takes them, in batches whose sizes differ by at most one."""
    names = ", ".join(f"'{layer.name}'" for layer in with_statistics(model))
    if x is None:
        raise InputError(
            f"Every member needs statistics of its own in the BatchNormalization layers {names}",
            expected="rows the model was trained on, as `x`; a few thousand are enough",
            received="None",
            hint="swag.members(model, count, x)",
        )
    specs = input_specs(model)
    rows = check_rows(x, specs)
    if len(rows[0]) < 2:
        raise InputError("Too few rows", expected="at least 2, for a variance", received=str(len(rows[0])))
    parts = -(-len(rows[0]) // BATCH_SIZE)
    split = zip(*(np.array_split(array, parts) for array in rows), strict=True)
    if isinstance(model.input if getattr(model, "inputs", None) else x, dict):
        return [dict(zip((spec.name for spec in specs), batch, strict=True)) for batch in split]
    return [batch[0] if len(batch) == 1 else list(batch) for batch in split]


def compute_statistics(model: Any, batches: Sequence[Any], seed: int) -> None:
    """Recompute BatchNormalization statistics as plain averages over batches; no other weight changes."""
    layers = with_statistics(model)
    moved = {id(variable) for layer in layers for variable in layer.non_trainable_weights}
    others = [(variable, variable.numpy()) for variable in model.weights if id(variable) not in moved]
    with contextlib.ExitStack() as stack:
        stack.enter_context(_seeded(model, seed))
        for layer in layers:
            stack.enter_context(_averaging(layer))
        for batch in batches:
            model(batch, training=True)
    for variable, value in others:
        variable.assign(value)


@contextlib.contextmanager
def _averaging(layer: Any) -> Iterator[None]:
    """In this scope, the layer's momentum at call n is (n − 1)/n: a plain average over its calls."""
    momentum, calls = layer.momentum, 0

    def counting(layer: Any, original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            layer.momentum = calls / (calls + 1)
            calls += 1
            return original(*args, **kwargs)

        return call

    try:
        with private.calls_replaced([layer], counting):
            yield
    finally:
        layer.momentum = momentum


@contextlib.contextmanager
def _seeded(model: Any, seed: int) -> Iterator[None]:
    """In this scope, the draws of a clone's random layers depend only on the seed."""
    weights = {id(variable) for variable in model.weights}
    states = [v for v in model.variables if id(v) not in weights and "seed_generator" in v.path]
    for number, state in enumerate(states):
        state.assign(np.array([seed % 2**32, number], dtype=state.dtype))
    if keras.backend.backend() != "torch":
        yield
        return
    import torch  # its dropout draws from PyTorch's own generator

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def clone_with(model: Any, weights: Sequence[Array], build: Build | None, number: int) -> Any:
    """A copy of a model with other weights, compiled with the model's loss only, if it has one."""
    check_model(model)
    clone = _keras_clone(model) if build is None else built(build, number, [model])
    ensure_built(clone, model.get_build_config())
    shapes, expected = ([tuple(v.shape) for v in clone.weights], [array.shape for array in weights])
    if shapes != expected:
        raise ModelError(
            f"The clone of model '{model.name}' has other weights than those collected",
            expected=f"shapes {expected}",
            received=f"shapes {shapes}",
            hint="Give the model that was trained; if it is, give `build`, a function of a number that "
            "returns an untrained model like it",
        )
    layers, clones = (private.layers_below(one) for one in (model, clone))
    if len(layers) == len(clones):
        for layer, copied in zip(layers, clones, strict=True):
            if layer.trainable != copied.trainable:
                copied.trainable = layer.trainable
    assign_weights(clone, weights)
    if model.compiled and not clone.compiled and getattr(model, "loss", None) is not None:
        keras.Model.compile(clone, loss=model.loss)
    return clone


def ensure_built(model: Any, build_config: dict[str, Any]) -> None:
    """Build a model's weights from the build configuration of a similar model."""
    if not model.built:
        model.build_from_config(build_config)
        model.built = True  # Keras leaves this to the caller


def assign_weights(model: Any, weights: Sequence[Array]) -> None:
    """Set all weights, in the order of `model.get_weights()`."""
    for variable, value in zip(model.weights, weights, strict=True):
        variable.assign(value)
    for layer in private.layers_below(model):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # on most backends the layer computes with copies of its weights


def _keras_clone(model: Any) -> Any:
    """The result of `keras.models.clone_model`, not compiled, since compiling fails for a user's losses."""
    compiled = model.compiled
    own = {type(layer).__name__: type(layer) for layer in [model, *private.layers_below(model)]}
    try:
        model.compiled = False
        with keras.saving.custom_object_scope(
            {name: cls for name, cls in own.items() if not cls.__module__.startswith("keras.")}
        ):
            return keras.models.clone_model(model)
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise ModelError(
            f"Model '{model.name}' cannot be cloned ({type(error).__name__}: {said})",
            expected="a Sequential or Functional model, or a subclass with get_config",
            received=type(model).__name__,
            hint="Give `build`, a function of a number that returns an untrained model like it",
        ) from error
    finally:
        model.compiled = compiled


def built(build: Build, seed: int, others: Sequence[Any]) -> Any:
    """The result of `build`, after a check that it is a model and shares no weights with others."""
    model = build(seed)
    if not isinstance(model, keras.Model):
        raise ModelError(
            "`build` returned no model", expected="a new keras.Model", received=type(model).__name__
        )
    taken = {id(variable) for other in others for variable in other.weights}
    if any(model is other for other in others) or any(id(variable) in taken for variable in model.weights):
        raise ModelError(
            f"The model that `build({seed})` returned shares weights with an earlier one",
            expected="a new model with weights of its own at every call",
            hint="Create all layers inside `build`",
        )
    return model
