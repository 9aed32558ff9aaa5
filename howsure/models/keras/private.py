"""All that howsure reads or changes of Keras that Keras keeps private; no other file of howsure does.

Each function says what it reads, why nothing public does, and since which Keras it is there. 3.15.1 is the
oldest that is supported; `make oldest` runs the tests on it.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras.src import backend as keras_backend
from keras.src.backend import get_keras_mask, set_keras_mask
from keras.src.layers.rnn.dropout_rnn_cell import DropoutRNNCell
from keras.src.models.functional import Functional

from howsure.errors import ModelError

Tensor = Any
Layer = Any
Graph = Any
"""A `Functional`, which has no public name."""

# --- how a model is made ------------------------------------------------------------------------------


def legacy_layers() -> Mapping[str, Any]:
    """Where Keras looks for the layers that a `.h5` file names: all of a private module (3.0)."""
    return dict(vars(keras.src.layers))


def layers_below(layer: Layer, *, nested: bool = True) -> list[Layer]:
    """The layers inside a layer or model, at any depth or one: `layers` has those of a model alone (3.0)."""
    return list(layer._flatten_layers(include_self=False, recursive=nested))


def graph_of(operation: Any) -> Graph | None:
    """The graph behind a model that is nothing but its graph, or None: its class has no public name (3.0)."""
    if isinstance(operation, keras.Sequential):
        untouched = type(operation).call is keras.Sequential.call
        graph = getattr(operation, "_functional", None)
        return graph if untouched and isinstance(graph, Functional) else None
    if isinstance(operation, Functional) and type(operation).call is Functional.call:
        return operation
    return None


def inputs_structure(model: Any) -> Any:
    """How the inputs of a graph are nested, as list or dict: `inputs` has them flat and unnamed (3.0)."""
    return model._inputs_struct


@dataclass(frozen=True)
class GraphCall:
    """One call in a graph.

    Attributes:
        operation: The layer, model or operation that is called.
        args: Positional arguments, tensors as `KerasTensor`s.
        kwargs: Keyword arguments, likewise.
        outputs: Its results, flattened, as `KerasTensor`s.
    """

    operation: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: Sequence[Any]


def calls_of(graph: Graph) -> Iterator[GraphCall]:
    """The calls of a graph in the order Keras makes them: nothing public tells order or arguments (3.0)."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if not node.is_input and node.operation:
                yield GraphCall(node.operation, node.arguments.args, node.arguments.kwargs, node.outputs)


def is_being_trained(model: Any) -> bool:
    """Whether `fit` is under way on JAX: it takes the values out of the variables until it ends (3.0)."""
    return keras.backend.backend() == "jax" and any(variable._value is None for variable in model.variables)


# --- what a layer does ----------------------------------------------------------------------------------


def takes_training(operation: Any) -> bool:
    """Whether a call takes `training`: the signature of a `call` that was replaced does not tell (3.0)."""
    return bool(getattr(operation, "_call_has_training_arg", False))


def noise_shape(layer: Layer, inputs: Tensor) -> tuple[int | None, ...] | None:
    """Along which axes a spatial dropout shares its mask, else None: its classes alone know (3.0)."""
    if not hasattr(layer, "_get_noise_shape"):
        return None
    return tuple(layer._get_noise_shape(inputs))


def is_own_operation(operation: Any, names: Sequence[str]) -> bool:
    """Whether it is one of Keras's operations of these names: their classes have no public ones (3.0)."""
    kind = type(operation)
    return kind.__module__.startswith("keras.src.ops.") and kind.__name__ in names


def mask_of(tensor: Tensor) -> Tensor | None:
    """Which time steps of a tensor count, as Keras notes on it: nothing public reads that (3.6)."""
    return get_keras_mask(tensor)


def set_mask(tensor: Tensor, mask: Tensor) -> None:
    """Note on a tensor which time steps count, as Masking does: nothing public writes that (3.6)."""
    set_keras_mask(tensor, mask)


# --- what is changed for a while ------------------------------------------------------------------------


@contextlib.contextmanager
def class_calls_replaced(instead: Mapping[Any, Callable[..., Any]]) -> Iterator[None]:
    """Other `call`s in classes of layers, at any depth of a model: Keras has no hooks around them (3.0).

    Args:
        instead: For each class that has a `call` of its own another function of (layer, inputs, …).
    """
    originals = {cls: vars(cls)["call"] for cls in instead}
    try:
        for cls, call in instead.items():
            cls.call = call
        yield
    finally:
        for cls, original in originals.items():
            cls.call = original


@contextlib.contextmanager
def calls_replaced(
    layers: Iterable[Layer], by: Callable[[Layer, Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """Other `call`s in single layers, past what Keras does when an attribute is set: it has no hooks (3.0).

    Args:
        layers: The layers, each once.
        by: From a layer and its `call` to what is called instead.
    """
    before = [(layer, name, vars(layer).get(name)) for layer in layers for name in [_name_of_call(layer)]]
    try:
        for layer, name, _ in before:
            layer.__dict__[name] = by(layer, getattr(layer, name))
        yield
    finally:
        for layer, name, own in before:
            if own is None:
                layer.__dict__.pop(name, None)
            else:
                layer.__dict__[name] = own


def is_quantized(layer: Layer) -> bool:
    """Whether a layer computes with weights in whole numbers: its policy alone tells (3.4)."""
    return getattr(layer, "quantization_mode", None) is not None


def _name_of_call(layer: Layer) -> str:
    """What runs where a layer is called; of a quantised one that is another method (3.4)."""
    return "quantized_call" if is_quantized(layer) else "call"


@contextlib.contextmanager
def random_functions_replaced(instead: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Other functions behind `keras.random`, for Keras's own layers too: they have no hooks (3.0).

    Args:
        instead: By name in `keras.random` what is called in its place, with the same arguments.
    """
    functions = keras_backend.random
    originals = {name: getattr(functions, name) for name in instead}
    try:
        for name, function in instead.items():
            setattr(functions, name, function)
        yield
    finally:
        for name, original in originals.items():
            setattr(functions, name, original)


def random_function(name: str) -> Callable[..., Any]:
    """The function of the backend behind one of `keras.random`, which may be replaced (3.0)."""
    function: Callable[..., Any] = getattr(keras_backend.random, name)
    return function


def is_initialising() -> bool:
    """Whether who draws is an initializer of weights, as of a layer that is built when it is called (3.0)."""
    initializers = inspect.getfile(keras.initializers.RandomNormal)
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_filename == initializers:
            return True
        frame = frame.f_back
    return False


def place_in_a_trace() -> Any:
    """What is being traced, another object inside a loop that is traced once and run often, or None (3.0)."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.compat.v1.get_default_graph()
    if keras.backend.backend() == "jax":
        import jax.numpy as jnp

        return getattr(jnp.zeros(()), "_trace", None)  # a tracer's, which has no public name
    return None


def keeps_masks(layer: Layer) -> bool:
    """Whether it is a recurrent cell for which its layer draws masks before its first time step (3.0)."""
    return isinstance(layer, DropoutRNNCell)


@contextlib.contextmanager
def masks_of_cells_drawn_anew(layers: Iterable[Layer]) -> Iterator[None]:
    """No mask that a recurrent cell keeps for its time steps comes into this scope or leaves it (3.0)."""
    names = ("_dropout_mask", "_recurrent_dropout_mask")
    cells = [layer for layer in layers if isinstance(layer, DropoutRNNCell)]
    before = [{name: vars(cell).pop(name, None) for name in names} for cell in cells]
    try:
        yield
    finally:
        for cell, masks in zip(cells, before, strict=True):
            vars(cell).update(masks)


@contextlib.contextmanager
def losses_as_found(layers: Sequence[Layer]) -> Iterator[None]:
    """No loss that a call adds stays: `losses` cannot be set, and a StatelessScope does not help (3.0)."""
    found = [(layer, list(layer._losses), set(layer._loss_ids)) for layer in layers]
    try:
        yield
    finally:
        for layer, values, ids in found:
            layer._losses[:] = values
            layer._loss_ids.clear()
            layer._loss_ids.update(ids)


def in_own_words(error: ModelError) -> ModelError:
    """An error marked as told: Keras rewrites the message of any other that leaves a call (3.0)."""
    error.__dict__["_keras_call_info_injected"] = True
    return error
