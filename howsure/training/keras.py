"""Read, copy and fill Keras models, and recompute the running statistics that fit their weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from howsure.data.rows import check_rows
from howsure.errors import ModelError
from howsure.models.keras import private
from howsure.models.keras.inputs import check_model, input_specs
from howsure.training.weights import Array, Weight, in_batches

Model = keras.Model

ENVIRONMENT = {"KERAS_BACKEND": keras.backend.backend()}
"""Environment variables of a training process."""

config = keras.config

SETTINGS = {name: f"set_{name}" for name in ("floatx", "epsilon", "image_data_format", "dtype_policy")}
"""Functions of `config` that read and set what a training process takes over from this process."""

_STATISTICS = ("moving_mean", "moving_variance")
"""The running statistics of BatchNormalization."""


def check(model: Any) -> Any:
    """The model, which must have weights; on JAX they are in it only after a call during training."""
    getattr(model, "jax_state_sync", lambda: None)()
    check_model(model)
    return model


def weights(model: Any) -> list[Array]:
    """The arrays of `model.get_weights()`."""
    arrays: list[Array] = model.get_weights()
    return arrays


def layout(model: Any) -> list[Weight]:
    """The facts about each of `weights`."""
    trained = {id(variable) for variable in model.trainable_weights}
    owners = {
        id(variable): layer.name
        for layer in private.layers_below(model)
        if isinstance(layer, keras.layers.BatchNormalization)
        for variable in (getattr(layer, name, None) for name in _STATISTICS)
    }
    return [
        Weight(each.path, owners.get(id(each), each.path), id(each), id(each) in trained, id(each) in owners)
        for each in model.weights
    ]


def form(model: Any) -> dict[str, Any]:
    """Its inputs and outputs, which members have in common."""
    inputs = [(spec.shape, spec.dtype) for spec in input_specs(model)]
    outputs = getattr(model, "outputs", None)
    if not outputs:
        taken = keras.tree.map_shape_structure(keras.KerasTensor, model.get_build_config()["input_shape"])
        outputs = keras.tree.flatten(model.compute_output_spec(taken))
    return {"inputs": inputs, "outputs": [tuple(output.shape[1:]) for output in outputs]}


def batches(model: Any, x: Any) -> list[Any]:
    """Rows as the model takes them, in batches."""
    specs = input_specs(model)
    rows = check_rows(x, specs)
    split = in_batches(rows)
    graph = private.graph_of(model) or (model if getattr(model, "inputs", None) else None)
    if isinstance(x if graph is None else private.inputs_structure(graph), dict):
        return [dict(zip((spec.name for spec in specs), batch, strict=True)) for batch in split]
    return [batch[0] if len(batch) == 1 else list(batch) for batch in split]


def compute_statistics(model: Any, chosen: Sequence[bool], parts: Sequence[Any], seed: int) -> None:
    """Recompute the chosen statistics as plain averages over batches; no other weight changes."""
    pairs = list(zip(model.weights, chosen, strict=True))
    wanted = {id(variable) for variable, is_in in pairs if is_in}
    layers = [
        layer
        for layer in private.layers_below(model)
        if not wanted.isdisjoint(id(getattr(layer, name, None)) for name in _STATISTICS)
    ]
    others = [(variable, variable.numpy()) for variable, is_in in pairs if not is_in]
    with contextlib.ExitStack() as stack:
        stack.enter_context(_seeded(model, seed))
        for layer in layers:
            stack.enter_context(_averaging(layer))
        for batch in parts:
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


def make_like(clone: Any, model: Any) -> None:
    """Freeze in a model what is frozen in a similar one, and compile it with its loss only, if it has one."""
    layers, clones = (private.layers_below(one) for one in (model, clone))
    if len(layers) == len(clones):
        for layer, copied in zip(layers, clones, strict=True):
            if layer.trainable != copied.trainable:
                copied.trainable = layer.trainable
    if model.compiled and not clone.compiled and getattr(model, "loss", None) is not None:
        keras.Model.compile(clone, loss=model.loss)


def build_config(model: Any) -> Any:
    """The build configuration of a similar model for `ensure_built`."""
    return model.get_build_config()


def ensure_built(model: Any, build_config: dict[str, Any]) -> None:
    """Build a model's weights from the build configuration of a similar model."""
    if not model.built:
        model.build_from_config(build_config)
        model.built = True  # Keras leaves this to the caller


def assign(model: Any, arrays: Sequence[Array]) -> None:
    """Set all weights, in the order of `model.get_weights()`."""
    for variable, value in zip(model.weights, arrays, strict=True):
        variable.assign(value)
    for layer in private.layers_below(model):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # on most backends the layer computes with copies of its weights


def copied(model: Any) -> Any:
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
