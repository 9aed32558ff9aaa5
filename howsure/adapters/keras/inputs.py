"""The inputs of a Keras model, from its own declaration or from its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from howsure.adapters.keras import private
from howsure.adapters.keras.private import graph_of
from howsure.errors import ModelError, warn
from howsure.inputs.rows import TEXT, InputSpec


def input_specs(model: Any) -> list[InputSpec]:
    """The inputs of a built model, in the order in which Keras flattens them.

    Raises:
        ModelError: The model has not been built, or does not declare its inputs.
    """
    check_model(model)
    graph = graph_of(model)
    if graph is None and getattr(model, "inputs", None):
        graph = model
    if graph is not None:
        names = _input_names(graph)
        return [
            InputSpec(name, tuple(tensor.shape[1:]), str(tensor.dtype))
            for name, tensor in zip(names, graph.inputs, strict=True)
        ]
    shapes = model.get_build_config() or {}
    shape = shapes.get("input_shape")
    if shape is None:
        raise ModelError(
            f"Model '{model.name}' does not say what input it takes",
            hint="Assess it in Python with the rows it takes: howsure.assess(model, x)",
        )
    if isinstance(shape, dict):
        return [InputSpec(key, tuple(shape[key][1:]), "float32") for key in sorted(shape)]
    if isinstance(shape[0], (list, tuple)):
        return [InputSpec(f"input_{n}", tuple(one[1:]), "float32") for n, one in enumerate(shape)]
    return [InputSpec("x", tuple(shape[1:]), "float32")]


def _input_names(graph: Any) -> list[str]:
    struct = private.inputs_structure(graph)
    if isinstance(struct, dict):
        return sorted(struct)
    return [tensor.name for tensor in graph.inputs]


def check_model(model: Any) -> None:
    """Raise a `ModelError` unless `model` is a Keras model with its weights."""
    if not isinstance(model, keras.Model):
        raise ModelError(
            "This is not a Keras model",
            expected="a keras.Model: Sequential, Functional or subclassed",
            received=f"{type(model).__module__}.{type(model).__name__}",
        )
    if not model.built:
        raise ModelError(
            f"Model '{model.name}' has not been built, so it has no weights",
            expected="a trained model",
            hint="Train it, or call it once on a batch of rows",
        )
    if private.is_being_trained(model):
        raise ModelError(
            f"Model '{model.name}' is being trained, and has no weights for so long: on JAX Keras takes them "
            "out of a model until `fit` ends",
            hint="Wait for `fit`; or assess a copy between epochs, as keras.models.clone_model and "
            "set_weights make in a callback",
        )


def check_backend(specs: Sequence[InputSpec], model: Any) -> None:
    """Raise a `ModelError` if an input takes text and the backend is not TensorFlow."""
    backend = keras.backend.backend()
    if backend != "tensorflow" and any(spec.dtype == TEXT for spec in specs):
        raise ModelError(
            f"Model '{model.name}' takes text, which Keras cannot run on {backend}",
            expected="the tensorflow backend",
            hint="Set the environment variable KERAS_BACKEND=tensorflow, or give the model behind the layers "
            "that read text, and rows as those layers put them out",
        )


def specs_from_rows(x: Any) -> tuple[list[InputSpec], Any]:
    """Inputs of a subclassed model, read from its rows: any shape; several inputs as list or dict."""

    def spec(name: str, array: Any) -> InputSpec:
        try:
            values = np.asarray(array)
        except (TypeError, ValueError, RuntimeError):  # `check_rows` reports the fault
            return InputSpec(name, (None,), keras.config.floatx())
        dtype = keras.config.floatx() if values.dtype.kind == "f" else str(values.dtype)
        is_text = values.dtype.kind in "SUT" or isinstance(next(values.flat, None), (str, bytes))
        return InputSpec(name, tuple(values.shape[1:]), TEXT if is_text else dtype)

    if isinstance(x, dict):
        return [spec(key, x[key]) for key in sorted(x)], dict.fromkeys(x, 0)
    if isinstance(x, (list, tuple)) and x and all(hasattr(part, "shape") for part in x):
        return [spec(f"input_{number}", part) for number, part in enumerate(x)], [0] * len(x)
    return [spec("x", x)], 0


def warn_of_states(layers: Sequence[Any], name: str, rows: int, batch: int | None) -> None:
    """Warn if `predict` would carry a state from one batch of rows to the next."""
    stateful = next((layer.name for layer in layers if getattr(layer, "stateful", False)), None)
    if stateful is not None and batch is not None and rows > batch:
        warn(
            f"Layer '{stateful}' of model '{name}' keeps a state. Here every batch of {batch} rows starts "
            "from the state as found. In predict it is carried from batch to batch, so that rows after the "
            "first batch are others there."
        )


def names_of_outputs(model: Any) -> list[str]:
    """Names of the outputs of a model, in order; the sorted keys if the output is a dict."""
    outputs = getattr(model, "output", None)
    if isinstance(outputs, dict):
        return sorted(map(str, outputs))
    return [str(name) for name in getattr(model, "output_names", None) or []]
