"""MLflow: a graph of `howsure.export` as a pyfunc.

A data frame goes in, and a row of the table comes out for each of its rows. MLflow's own flavour of ONNX
fails on data frames, and gives arrays without words.
"""

from __future__ import annotations

import importlib.metadata
import os
from typing import TYPE_CHECKING, Any

from howsure.adapters.onnx import ExportedGraph, load
from howsure.assess import assess
from howsure.inputs.frames import in_memory, is_frame
from howsure.inputs.rows import made_up_rows
from howsure.onnx import quiet
from howsure.optional import needs

if TYPE_CHECKING:
    import pandas as pd

SOME = 20
"""Rows of an example from which MLflow reads types."""


class ServedGraph:
    """A graph as MLflow calls it.

    Args:
        graph: The graph, in ONNX Runtime.
    """

    def __init__(self, graph: ExportedGraph) -> None:
        self.graph = graph

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """The table of `howsure.assess` for rows; None takes the place of NaN.

        Args:
            model_input: A data frame, an array (N, …), or a dict of arrays by input.
            params: Has no effect: the export has settled all.
        """
        return self.table(model_input).apply(_in_json)

    def table(self, rows: Any) -> pd.DataFrame:
        """The table as it is."""
        return assess(self.graph, rows).to_pandas()


def save_model(
    graph: str | os.PathLike[str], path: str | os.PathLike[str], *, x: Any = None, **more: Any
) -> None:
    """Save a graph of `howsure.export` as an MLflow model.

    Args:
        graph: The ONNX file.
        path: The folder of the MLflow model, which must not exist.
        x: Some rows as callers will send them. MLflow infers the signature of the inputs from them, and finds
            the columns of a data frame by name, in any order. Default: no signature of the inputs. A data
            frame then needs the columns of the training in their order, and arrays are taken too.
        **more: As for `mlflow.pyfunc.save_model`, such as `metadata`.

    Raises:
        FileError: The file is missing, damaged, or not a graph of `howsure.export`.
        InputError: The rows do not fit the graph.
        DependencyError: MLflow is missing: `pip install 'howsure[mlflow]'`.
    """
    with needs("mlflow", "`save_model`"):
        import mlflow.pyfunc
    mlflow.pyfunc.save_model(os.fspath(path), **{**_description(graph, x), **more})


def log_model(graph: str | os.PathLike[str], name: str = "model", *, x: Any = None, **more: Any) -> Any:
    """Log a graph of `howsure.export` as an MLflow model of the current run.

    Args:
        graph: The ONNX file.
        name: Name of the model in the run.
        x: As for `save_model`.
        **more: As for `mlflow.pyfunc.log_model`, such as `registered_model_name`.

    Returns:
        MLflow's `ModelInfo`, with its `model_uri`.

    Raises:
        FileError: As from `save_model`; also the others.
    """
    with needs("mlflow", "`log_model`"):
        import mlflow.pyfunc
    return mlflow.pyfunc.log_model(name=name, **{**_description(graph, x), **more})


def _load_pyfunc(path: str) -> ServedGraph:
    """The model in a saved folder; MLflow calls this function by its name."""
    return ServedGraph(load(path))


def _description(graph: str | os.PathLike[str], x: Any) -> dict[str, Any]:
    """The arguments by which MLflow keeps a graph: file, loader, signature and requirements."""
    from mlflow.models import ModelSignature, infer_signature

    served, inputs = ServedGraph(load(graph)), None
    if x is None:
        specs = served.graph.info.inputs
        x = {spec.name: rows for spec, rows in zip(specs, made_up_rows(specs), strict=True)}
    elif is_frame(x):
        x = in_memory(x).head(SOME).to_pandas()
        single = dict.fromkeys(x.select_dtypes("float32"), "float64")  # or MLflow would refuse doubles
        inputs = infer_signature(x.astype(single)).inputs
    else:
        inputs = infer_signature(x[:SOME]).inputs
    with quiet():  # MLflow warns of whole numbers, of which none is missing here
        outputs = infer_signature(model_output=served.table(x)).outputs
    return {
        "loader_module": __name__,
        "data_path": os.fspath(graph),
        "pip_requirements": [f"howsure[onnx,pandas]=={importlib.metadata.version('howsure')}"],
        "signature": ModelSignature(inputs, outputs),
    }


def _in_json(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column as JSON can hold it."""
    return column.astype(object).where(column.notna(), None) if column.isna().any() else column
