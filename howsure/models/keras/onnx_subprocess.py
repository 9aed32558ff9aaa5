"""Export a Keras model that runs on JAX: another process rebuilds it on a backend that can write ONNX.

A process has only one Keras backend, hence the subprocess. Model, masks and rows go to it in files, and the
graph comes back in a file:

    python -m howsure.models.keras.write_onnx FOLDER [features]
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from howsure.errors import DependencyError, ModelError
from howsure.models.fingerprint import described
from howsure.onnx.nodes import rename_inputs

if TYPE_CHECKING:
    from howsure.models.keras.model import KerasModel

Array = NDArray[Any]

BACKENDS = ("tensorflow", "torch")
"""Backends that can write ONNX, in order of preference."""

MODEL, GIVEN, GRAPH, REFUSED = "model.keras", "given.npz", "graph.onnx", "refused"
SITES, MODULES = "sites.json", "modules.json"


def graph_from_elsewhere(
    model: KerasModel, masks: Sequence[Array], like: Sequence[Array], features: bool
) -> Any:
    """The passes with these masks, as an `onnx.ModelProto`; see `ExportModel`."""
    backend = next(filter(importlib.util.find_spec, BACKENDS), None)
    if backend is None:
        raise DependencyError(
            "The export of a Keras model on JAX needs TensorFlow or PyTorch, which can write ONNX",
            hint="pip install 'howsure[tensorflow]'",
        )
    import onnx

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            keras.saving.save_model(model.model, folder / MODEL)
        except Exception as error:  # a user's model may fail in any way
            raise _refused(model, backend, f"it cannot be saved ({error})") from error
        given: dict[str, Any] = {f"mask_{number:04}": mask for number, mask in enumerate(masks)}
        given |= {f"rows_{number:04}": array for number, array in enumerate(like)}
        np.savez(folder / GIVEN, **given)
        (folder / SITES).write_text(json.dumps(described(model.levels)), encoding="utf-8")
        registered = {each.__module__ for each in keras.saving.get_custom_objects().values()}
        (folder / MODULES).write_text(json.dumps(sorted(registered - {"__main__"})), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "howsure.models.keras.write_onnx", name, *["features"] * features],
            env={
                **os.environ,
                "KERAS_BACKEND": backend,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "TF_CPP_MIN_LOG_LEVEL": "3",
            },
            capture_output=True,
            text=True,
            errors="replace",
        )
        if (folder / REFUSED).exists():
            raise _refused(model, backend, (folder / REFUSED).read_text(encoding="utf-8"))
        if done.returncode:
            raise _refused(model, backend, done.stderr.strip().rpartition("\n")[2])
        graph = onnx.load(folder / GRAPH)
    names = {given.name: spec.name for given, spec in zip(graph.graph.input, model.inputs, strict=True)}
    rename_inputs(graph.graph, names)
    return graph


def _refused(model: KerasModel, backend: str, why: str) -> ModelError:
    return ModelError(
        f"Model '{model.name}' runs on JAX, which cannot write ONNX, and was not built on {backend} instead",
        expected="a model that Keras can save and load, of layers that are not written for JAX alone",
        received=why,
        hint=f"Build it with KERAS_BACKEND={backend}, load its weights and export it there",
    )
