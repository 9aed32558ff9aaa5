"""The plain prediction of an estimator as an ONNX graph: skl2onnx writes it, or onnxmltools for boosters."""

from __future__ import annotations

from typing import Any

import numpy as np

from howsure.adapters.protocol import Array
from howsure.errors import ModelError
from howsure.onnx import OPSET, Nodes, cannot_write, quiet
from howsure.optional import needs

INPUT, RAW = "x", "raw"
"""Names of the input of such a graph, and of its raw output."""

ML_OPSET = 3
"""Version of the operators for trees and the like, which both packages write and ONNX Runtime 1.20 reads."""

BOOSTERS_OPSET = 15
"""Version of all other operators that onnxmltools 1.16 writes; `graph_of` names ours."""

BOOSTERS = {"lightgbm": "convert_lightgbm", "xgboost": "convert_xgboost"}
"""By the package of an estimator, the function of onnxmltools that writes it."""


def graph_of(model: Any, rows: Array, outputs: int) -> Any:
    """An `onnx.ModelProto` from rows (n, F) to raw outputs (1, n, K), both in float32.

    Args:
        model: A fitted estimator.
        rows: (n, F) some rows.
        outputs: K, how many numbers it predicts.

    Raises:
        ModelError: The packages do not write this estimator.
        DependencyError: They are not installed.
    """
    package, name = type(model).__module__.partition(".")[0], type(model).__name__
    classifies = hasattr(model, "predict_proba")
    if package in BOOSTERS:
        with needs("onnxmltools", f"An export of {name}", "onnx"):
            import onnxmltools
            from onnxmltools.convert.common.data_types import FloatTensorType
        convert = getattr(onnxmltools, BOOSTERS[package])
        options: dict[str, Any] = {"zipmap": False} if package == "lightgbm" else {}
        opset: Any = BOOSTERS_OPSET
    else:
        with needs("skl2onnx", f"An export of {name}", "onnx"):
            import skl2onnx
            from skl2onnx.common.data_types import FloatTensorType
        convert = skl2onnx.convert_sklearn
        options = {"options": {id(model): {"zipmap": False}}} if classifies else {}
        opset = {"": OPSET, "ai.onnx.ml": ML_OPSET}
    try:
        with quiet("skl2onnx", "onnxmltools"):
            typed = [(INPUT, FloatTensorType([None, rows.shape[1]]))]
            graph = convert(model, initial_types=typed, target_opset=opset, **options)
    except Exception as error:  # their errors have no class in common
        first_line = str(error).strip().partition("\n")[0][:300]
        hint = "Export another model, or give its probabilities to howsure.Certainty.from_probabilities"
        raise cannot_write(convert.__module__.partition(".")[0], name, first_line, hint) from error
    _keep_raw(graph.graph, name, outputs)
    _in_our_version(graph)
    return graph


def _keep_raw(graph: Any, name: str, outputs: int) -> None:
    """Let a graph put out `raw` (1, n, K) alone, and not the class that the estimator chooses."""
    from onnx import TensorProto, helper

    numbers = [out for out in graph.output if out.type.tensor_type.elem_type == TensorProto.FLOAT]
    if len(numbers) != 1:
        raise ModelError(
            f"The graph of {name} has no one output of numbers",
            expected="probabilities (n, K), or numbers (n, K)",
            received=", ".join(out.name for out in graph.output),
        )
    nodes = Nodes("raw/")
    shaped = nodes("Reshape", numbers[0].name, nodes.whole([1, -1, outputs]))
    nodes.named(RAW, shaped)
    graph.node.extend(nodes.nodes)
    graph.initializer.extend(nodes.constants)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(RAW, TensorProto.FLOAT, [1, None, outputs]))


def _in_our_version(graph: Any) -> None:
    """Name the version of operators that all graphs here have, where a package names an earlier one.

    The operators that they write for estimators have not changed since. The checker of ONNX and the
    comparison with the estimator follow.
    """
    for opset in graph.opset_import:
        if opset.domain == "" and opset.version < OPSET:
            opset.version = OPSET


def as_float32(x: Any) -> Array:
    """(n, F) rows of an estimator in float32, as its graph takes them.

    Raises:
        ModelError: They hold something else than numbers.
    """
    dense = x.toarray() if hasattr(x, "toarray") else np.asarray(x)
    if dense.dtype.kind not in "biuf":
        try:
            dense = dense.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ModelError(
                "The estimator takes words, of which its graph makes no numbers",
                expected="rows of numbers",
                received=f"{dense.dtype}",
                hint="Export the step of the pipeline behind what makes numbers of words",
            ) from error
    return np.ascontiguousarray(dense, np.float32)
