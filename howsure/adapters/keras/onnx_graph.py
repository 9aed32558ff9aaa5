"""Export the passes of a Keras model as an ONNX graph, for any number of rows.

    TensorFlow   tf.function traces the trunk and the passes; tf2onnx translates the graph
    PyTorch      torch.export writes them, as for modules (`howsure.adapters.torch.onnx_graph`)
    JAX          no exporter exists; the model is exported on one of the other backends

Masks and weights are constants of the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from howsure.adapters.keras.private import layers_below
from howsure.errors import ModelError
from howsure.inputs.reading import is_out_of_memory
from howsure.inputs.rows import InputSpec
from howsure.onnx import OPSET, cannot_write, check_type_of, quiet, rename_inputs
from howsure.optional import needs

Array = NDArray[Any]

NOISY = ("tf2onnx", "tensorflow")
"""Loggers of the packages that write the graph on TensorFlow."""

TRACED = 3
"""Number of rows for the export on PyTorch. There, 0 and 1 would be fixed sizes, not any number of rows."""


class GraphModel(Protocol):
    """A Keras model whose passes a graph can hold; `KerasModel` is one."""

    model: Any
    name: str
    backend: str
    inputs: list[InputSpec]

    def run_whole(self, masks: Sequence[Any], rows: Sequence[Any], features: bool = False) -> list[Any]:
        """As `KerasModel.run_whole`."""
        ...

    def as_found(self) -> AbstractContextManager[None]:
        """As `KerasModel.as_found`."""
        ...


def passes_graph(
    model: GraphModel, masks: Sequence[Array], like: Sequence[Array], features: bool = False
) -> Any:
    """The passes with these masks, as an `onnx.ModelProto`; see `ExportModel`."""
    for layer in layers_below(model.model):
        check_type_of(layer.compute_dtype, model.name)
    if model.backend == "jax":
        raise ModelError(
            f"Model '{model.name}' runs on JAX, which cannot write ONNX",
            expected="Keras on TensorFlow or PyTorch",
            hint="Save the model (model.save) and the plan (plan.save), and type: KERAS_BACKEND=tensorflow "
            "howsure export model.keras certainty.onnx --plan plan.json (or KERAS_BACKEND=torch)",
        )
    write = _on_tensorflow if model.backend == "tensorflow" else _on_torch
    return write(model, masks, like, features)


def _on_tensorflow(model: GraphModel, masks: Sequence[Array], like: Sequence[Array], features: bool) -> Any:
    import tensorflow as tf

    with (
        needs("tf2onnx", "The export of a Keras model on TensorFlow", "onnx"),
        quiet(*NOISY),
    ):
        import tf2onnx
    specs = [
        tf.TensorSpec((None, *array.shape[1:]), tf.as_dtype(array.dtype), name=f"input_{number}")
        for number, array in enumerate(like)
    ]

    def passes(*rows: Any) -> Any:
        # Constants are made inside the function; made outside, they would be inputs of the graph.
        return model.run_whole([tf.constant(mask) for mask in masks], rows, features)

    with quiet(*NOISY):
        function = tf.function(passes, input_signature=specs, autograph=False)
        try:
            graph, _ = tf2onnx.convert.from_function(function, specs, opset=OPSET)
            _keep_constants(graph.graph, function.get_concrete_function(*specs))
        except Exception as error:  # TensorFlow and tf2onnx may raise anything
            if is_out_of_memory(error):
                raise
            raise _refused(model, error) from error
    without_erfc(graph.graph)
    rename_inputs(
        graph.graph, {tensor.name: spec.name for tensor, spec in zip(specs, model.inputs, strict=True)}
    )
    return graph


def _keep_constants(graph: Any, function: Any) -> None:
    """Turn tensors that a layer made when it was built into constants, such as those of `Normalization`.

    They are not variables, so TensorFlow passes them to the function, and tf2onnx makes them inputs.
    """
    import tensorflow as tf
    from onnx import numpy_helper

    constants = {
        inner.name: outer.numpy() for outer, inner in function.graph.captures if outer.dtype != tf.resource
    }
    inputs = [tensor for tensor in graph.input if tensor.name not in constants]
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(constants[tensor.name]), tensor.name)
        for tensor in graph.input
        if tensor.name in constants
    )
    del graph.input[:]
    graph.input.extend(inputs)


def without_erfc(graph: Any) -> None:
    """Replace erfc x by 1 − erf x in an `onnx.GraphProto`. ONNX has no erfc, but tf2onnx leaves it there.

    Keras uses erfc for the exact GELU.
    """
    from onnx import helper, numpy_helper

    one, nodes = f"{graph.name}.one", []
    for node in graph.node:
        if node.op_type != "Erfc":
            nodes.append(node)
            continue
        (x,), (result,) = node.input, node.output
        nodes.append(helper.make_node("Erf", [x], [f"{result}.of_erf"], name=f"{node.name}.erf"))
        nodes.append(helper.make_node("Sub", [one, f"{result}.of_erf"], [result], name=node.name))
    if len(nodes) > len(graph.node):
        graph.initializer.append(numpy_helper.from_array(np.array(1, np.float32), one))
        del graph.node[:]
        graph.node.extend(nodes)


def _on_torch(model: GraphModel, masks: Sequence[Array], like: Sequence[Array], features: bool) -> Any:
    import torch

    from howsure.adapters.torch.onnx_graph import graph_of

    some = [torch.from_numpy(np.resize(array, (TRACED, *array.shape[1:]))) for array in like]
    with model.as_found():
        ready = [keras.ops.convert_to_tensor(mask) for mask in masks]
        passes = partial(model.run_whole, ready, features=features)
        names = [spec.name for spec in model.inputs]
        return graph_of(passes, some, names, model.name, hint="Export it with KERAS_BACKEND=tensorflow")


def _refused(model: GraphModel, why: object) -> ModelError:
    message = f"{type(why).__name__}: {why}" if isinstance(why, Exception) else str(why)
    hint = "Replace the layer by others that do the same"
    return cannot_write("tf2onnx", model.name, message.strip().partition("\n")[0], hint)
