"""A graph of `howsure.export` as a model: ONNX Runtime runs its passes, without the framework they came from.

It gives finished columns of a result in the place of raw outputs; its metadata hold their meaning.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from howsure.adapters.protocol import (
    LABEL_PROBABILITIES,
    PROBABILITIES,
    VALUES,
    Array,
    ModelInfo,
    RawOutputs,
)
from howsure.errors import FileError, ModelError
from howsure.inputs.rows import InputSpec
from howsure.optional import needs

FORMAT = "1"
"""Version of the metadata that is read here."""

ENDINGS = {
    "classes": PROBABILITIES,
    "labels": LABEL_PROBABILITIES,
    "numbers": VALUES,
    "positions": PROBABILITIES,
}
"""The ending of a graph, as of a model, by its kind of answer."""

TEXTS = ("format", "howsure", "method", "model", "framework", "outputs", "weights_sha256")
"""The metadata that are texts; all others are JSON."""

TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}
"""Types of numbers that ONNX calls otherwise than numpy."""


class ExportedGraph:
    """A graph of `howsure.export`, behind the interface `ColumnsModel`.

    Args:
        path: The file.
        session: Its session in ONNX Runtime.
        metadata: The metadata of the file, parsed.
    """

    def __init__(self, path: Path, session: Any, metadata: Mapping[str, Any]) -> None:
        self.path, self.metadata, self._session = path, metadata, session

    def __reduce__(self) -> tuple[Callable[..., ExportedGraph], tuple[Path]]:
        return load, (self.path.absolute(),)  # a session stays in its process

    @property
    def passes(self) -> int:
        """Passes that every row gets."""
        return int(self.metadata["passes"])

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights of the model that was exported."""
        return str(self.metadata["weights_sha256"])

    @cached_property
    def info(self) -> ModelInfo:
        """Facts about the graph. Positions come before their classes."""
        outputs = {output.name: output.shape[1:] for output in self._session.get_outputs()}
        names = next(self.metadata[key] for key in self.metadata if key.endswith("_names"))
        positions = outputs["probability"] if self.metadata["outcome"] == "positions" else ()
        return ModelInfo(
            name=self.path.name,
            framework="onnxruntime",
            inputs=tuple(_spec(given) for given in self._session.get_inputs()),
            output_shape=(*positions, len(names)),
            output_dtype="float32",
            ending=ENDINGS[self.metadata["outcome"]],
            trained_for=None,
            rescales=bool(self.metadata.get("rescales") or self.metadata.get("divide_by")),
            layers=(),
            class_names=tuple(names),
            class_axis=-1,
            says=VALUES if self.metadata["outcome"] == "numbers" else None,
            compiles=False,
        )

    def predict(self, rows: Sequence[Array]) -> RawOutputs:
        """Nothing: a graph holds no plain prediction, and `howsure.adapters.resolve.capable` says so."""
        raise NotImplementedError

    def columns(self, rows: Sequence[Array]) -> dict[str, Array]:
        """The outputs (n, …) by name, as ONNX Runtime puts them out, for inputs (n, …)."""
        outputs = self._session.get_outputs()
        if not len(rows[0]):
            return {output.name: np.zeros((0, *output.shape[1:]), _type(output)) for output in outputs}
        fed = {
            spec.name: np.ascontiguousarray(array) for spec, array in zip(self.info.inputs, rows, strict=True)
        }
        try:
            arrays = self._session.run(None, fed)
        except Exception as error:  # its errors have no class in common
            raise ModelError(
                f"ONNX Runtime cannot run '{self.info.name}' on these rows",
                expected="rows as they were for the model when it was exported",
                received=_first_line(error),
            ) from error
        return {output.name: array for output, array in zip(outputs, arrays, strict=True)}


def load(path: str | os.PathLike[str]) -> ExportedGraph:
    """The graph in a file.

    Raises:
        FileError: It is damaged, or not a graph of `howsure.export`.
        DependencyError: ONNX Runtime is not installed.
    """
    file = Path(path)
    with needs("onnxruntime", f"'{file}'", "onnx"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # of a damaged file the error below tells
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no class in common
        raise FileError(
            f"'{file}' is damaged, or no ONNX graph that ONNX Runtime can run",
            expected="a graph of howsure.export",
            received=_first_line(error),
        ) from error
    return ExportedGraph(file, session, _metadata(file, session.get_modelmeta()))


def _metadata(file: Path, said: Any) -> dict[str, Any]:
    """The metadata of a graph, parsed, or a `FileError` if howsure did not write it."""
    written = dict(said.custom_metadata_map)
    if not {"howsure", "format", "outcome", "passes", "seed", "plan"} <= written.keys():
        raise FileError(
            f"'{file}' is an ONNX graph that howsure did not write, so nothing tells what its outputs mean "
            "or how passes differ",
            expected="a graph of howsure.export",
            received=f"one of {said.producer_name or 'another program'}",
            hint="Export the model that it was made from: howsure.export(model, 'certainty.onnx', x=x). Or "
            "run it yourself, and give its probabilities to howsure.Certainty.from_probabilities",
        )
    if written["format"] != FORMAT:
        raise FileError(
            f"'{file}' was written by howsure {written['howsure']}, in another format",
            expected=f"format {FORMAT}",
            received=written["format"],
            hint="Update howsure",
        )
    try:
        read = {name: text if name in TEXTS else json.loads(text) for name, text in written.items()}
    except ValueError as error:
        raise _unreadable(file, str(error)) from error
    if read["outcome"] not in ENDINGS or not any(name.endswith("_names") for name in read):
        raise _unreadable(file, f"answers of the kind '{read['outcome']}'")
    return read


def _unreadable(file: Path, received: str) -> FileError:
    raise FileError(
        f"The metadata of '{file}' cannot be read",
        expected=f"a graph of howsure.export, with answers of the kind {' or '.join(ENDINGS)}",
        received=received,
    )


def _type(value: Any) -> str:
    """The numpy type of an input or output."""
    called = str(value.type)
    return TYPES.get(called, called.removeprefix("tensor(").removesuffix(")"))


def _spec(given: Any) -> InputSpec:
    """An input as adapters describe it; a side without a number is of any size."""
    sides = tuple(side if isinstance(side, int) else None for side in given.shape[1:])
    return InputSpec(given.name, sides, _type(given))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
