"""All private parts of Keras that howsure reads or changes; no other file of howsure uses any.

Each function says what it reads, why no public function does, and since which version Keras has it. The
oldest supported version is 3.15.1; `make oldest` runs the tests on it.
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
"""A `Functional`, a class without a public name."""

# --- how a model is made ------------------------------------------------------------------------------


def legacy_layers() -> Mapping[str, Any]:
    """The names among which Keras looks up the layers of a `.h5` file: a whole private module (3.0)."""
    return dict(vars(keras.src.layers))


def layers_below(layer: Layer, *, nested: bool = True) -> list[Layer]:
    """The layers inside a layer or model, at any depth or one level; `layers` covers models only (3.0)."""
    return list(layer._flatten_layers(include_self=False, recursive=nested))


def has_weights_of_its_own(layer: Layer) -> bool:
    """True if a layer holds weights itself; those of `Normalization` are statistics of its inputs."""
    if isinstance(layer, keras.layers.Normalization):
        return False
    return bool(layer._trainable_variables or layer._non_trainable_variables)


def graph_of(operation: Any) -> Graph | None:
    """The graph of a model that is only its graph, or None; its class has no public name (3.0)."""
    if isinstance(operation, keras.Sequential):
        untouched = type(operation).call is keras.Sequential.call
        graph = getattr(operation, "_functional", None)
        return graph if untouched and isinstance(graph, Functional) else None
    if isinstance(operation, Functional) and type(operation).call is Functional.call:
        return operation
    return None


def inputs_structure(model: Any) -> Any:
    """The nesting of a graph's inputs, as list or dict; `inputs` is flat and has no names (3.0)."""
    return model._inputs_struct


@dataclass(frozen=True)
class GraphCall:
    """One call in a graph.

    Attributes:
        operation: The layer, model or operation that is called.
        args: Positional arguments, with tensors as `KerasTensor`s.
        kwargs: Keyword arguments, with tensors as `KerasTensor`s.
        outputs: Its results, flattened, as `KerasTensor`s.
    """

    operation: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: Sequence[Any]


def calls_of(graph: Graph) -> Iterator[GraphCall]:
    """The calls of a graph in Keras's order; nothing public gives order or arguments (3.0)."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if not node.is_input and node.operation:
                yield GraphCall(node.operation, node.arguments.args, node.arguments.kwargs, node.outputs)


def is_being_trained(model: Any) -> bool:
    """True while `fit` runs on JAX, which takes the values out of the variables until it ends (3.0)."""
    return keras.backend.backend() == "jax" and any(variable._value is None for variable in model.variables)


# --- what a layer does ----------------------------------------------------------------------------------


def takes_training(operation: Any) -> bool:
    """True if a call takes `training`; the signature of a replaced `call` does not show it (3.0)."""
    return bool(getattr(operation, "_call_has_training_arg", False))


def noise_shape(layer: Layer, inputs: Tensor) -> tuple[int | None, ...] | None:
    """Shape of the shared mask of a spatial dropout, or None; only its class knows it (3.0)."""
    if not hasattr(layer, "_get_noise_shape"):
        return None
    return tuple(layer._get_noise_shape(inputs))


def is_own_operation(operation: Any, names: Sequence[str]) -> bool:
    """True for Keras's own operations of these names; their classes have no public name (3.0)."""
    kind = type(operation)
    return kind.__module__.startswith("keras.src.ops.") and kind.__name__ in names


def mask_of(tensor: Tensor) -> Tensor | None:
    """The Keras mask of a tensor (which time steps count); nothing public reads it (3.6)."""
    return get_keras_mask(tensor)


def set_mask(tensor: Tensor, mask: Tensor) -> None:
    """Set the Keras mask of a tensor, as Masking does; nothing public writes it (3.6)."""
    set_keras_mask(tensor, mask)


# --- what is changed for a while ------------------------------------------------------------------------


@contextlib.contextmanager
def class_calls_replaced(instead: Mapping[Any, Callable[..., Any]]) -> Iterator[None]:
    """Replace `call` in classes of layers, at any depth of a model; Keras has no hooks for this (3.0).

    Args:
        instead: For each class with its own `call`, another function of (layer, inputs, …).
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
    """Replace `call` in single layers, bypassing Keras's attribute tracking; Keras has no hooks (3.0).

    Args:
        layers: The layers, each once.
        by: Maps a layer and its `call` to the replacement.
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
    """True if a layer computes with integer weights; only its dtype policy shows it (3.4)."""
    return getattr(layer, "quantization_mode", None) is not None


def _name_of_call(layer: Layer) -> str:
    """Name of the method that runs when a layer is called; quantised layers have another one (3.4)."""
    return "quantized_call" if is_quantized(layer) else "call"


@contextlib.contextmanager
def random_functions_replaced(instead: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """Replace functions behind `keras.random`, also for Keras's own layers; Keras has no hooks (3.0).

    Args:
        instead: Replacement by name in `keras.random`, with the same arguments.
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
    """The backend's function behind one of `keras.random`, which may be a replacement (3.0)."""
    function: Callable[..., Any] = getattr(keras_backend.random, name)
    return function


def is_initialising() -> bool:
    """True if the caller is a weight initializer, as in a layer that is built at its first call (3.0)."""
    initializers = inspect.getfile(keras.initializers.RandomNormal)
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_filename == initializers:
            return True
        frame = frame.f_back
    return False


def place_in_a_trace() -> Any:
    """The current trace, or None; a loop body that is traced once and run often has its own trace (3.0)."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.compat.v1.get_default_graph()
    if keras.backend.backend() == "jax":
        import jax.numpy as jnp

        return getattr(jnp.zeros(()), "_trace", None)  # the tracer's trace, which has no public name
    return None


def keeps_masks(layer: Layer) -> bool:
    """True for a recurrent cell whose layer draws its masks before the first time step (3.0)."""
    return isinstance(layer, DropoutRNNCell)


@contextlib.contextmanager
def masks_of_cells_drawn_anew(layers: Iterable[Layer]) -> Iterator[None]:
    """Keep the stored masks of recurrent cells out of this scope, and the scope's masks inside it (3.0)."""
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
    """Discard losses that calls add: `losses` cannot be set, and a StatelessScope does not help (3.0)."""
    before = [(layer, list(layer._losses), set(layer._loss_ids)) for layer in layers]
    try:
        yield
    finally:
        for layer, values, ids in before:
            layer._losses[:] = values
            layer._loss_ids.clear()
            layer._loss_ids.update(ids)


def error_in_a_call(what: str, *, expected: str, received: object = None) -> ModelError:
    """A `ModelError` that Keras leaves alone where it leaves a call; it rewrites other messages (3.0)."""
    error = ModelError(what, expected=expected, received=received)
    error.__dict__["_keras_call_info_injected"] = True
    return error
