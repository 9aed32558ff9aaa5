"""Passes of a Keras model as an ONNX graph: TensorFlow traces them, and tf2onnx translates its graph."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from howsure.errors import ModelError
from howsure.export.nodes import OPSET
from howsure.optional import needs

if TYPE_CHECKING:
    from howsure.models.keras.model import KerasModel

Array = NDArray[Any]


def passes_graph(model: KerasModel, masks: Sequence[Array], like: Sequence[Array]) -> Any:
    """Passes with these masks as an `onnx.ModelProto`; see `ExportModel`."""
    return _traced(model, masks, like)


def _traced(model: KerasModel, masks: Sequence[Array], like: Sequence[Array]) -> Any:
    with needs("tf2onnx", "The export of a Keras model", "onnx"), _quiet():
        import tf2onnx
    import tensorflow as tf

    width = len(masks[-1])
    specs = [
        tf.TensorSpec((None, *array.shape[1:]), tf.as_dtype(array.dtype), name=f"input_{number}")
        for number, array in enumerate(like)
    ]

    def passes(*rows: Any) -> Any:
        raw = model.run_whole([keras.ops.convert_to_tensor(mask) for mask in masks], rows)
        raw = tf.cast(raw, tf.float32)
        return tf.reshape(raw, (width, -1, *raw.shape[1:]))

    with _quiet():
        function = tf.function(passes, input_signature=specs, autograph=False)
        graph, _ = tf2onnx.convert.from_function(function, specs, opset=OPSET)
    names = {given.name: spec.name for given, spec in zip(graph.graph.input, model.inputs, strict=True)}
    for given in graph.graph.input:
        given.name = names[given.name]
    for node in graph.graph.node:
        for at, name in enumerate(node.input):
            node.input[at] = names.get(name, name)
    return graph


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What TensorFlow and tf2onnx note about themselves is left out."""
    loud = logging.getLogger("tf2onnx"), logging.getLogger("tensorflow")
    levels = [each.level for each in loud]
    try:
        for each in loud:
            each.setLevel(logging.CRITICAL)
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for each, level in zip(loud, levels, strict=True):
            each.setLevel(level)
