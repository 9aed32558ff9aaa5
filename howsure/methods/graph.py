"""The method of a graph of `howsure.export`: the columns of its passes, which were fixed at the export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from howsure.adapters.fingerprint import MODEL, SHOWN
from howsure.adapters.protocol import ColumnsModel
from howsure.errors import InputError, ModelError
from howsure.inputs.rows import in_rows
from howsure.methods.plain import PLAIN, PlainPrediction
from howsure.methods.protocol import Job, Needs, Passes, Progress
from howsure.sampling.outcome import Integers, Outcome, ResultMetadata
from howsure.sampling.run import Run
from howsure.tasks.task import task_named
from howsure.tasks.verdict import GRAPH

PLAIN_GRAPH = "ONNX graph of the plain prediction"
"""The name of the method of a graph that has no passes to differ."""


def own_settings(passes: int, weights_sha256: str) -> dict[str, Any]:
    """The settings that results of a graph keep beside the name of its method."""
    return {"passes": passes, MODEL: weights_sha256[:SHOWN]}


@dataclass(frozen=True)
class Graph:
    """The passes of MC dropout in a graph of `howsure.export`: the same for every row, and no others.

    `howsure.assess` uses it for such a graph. A row that needs more passes does not get them, so a result of
    the model itself differs: the two are of different `method`. A graph of an estimator holds its plain
    prediction, one pass without an error.
    """

    in_words = "MC dropout of a fixed number of passes, in an ONNX graph."
    needs = Needs(ColumnsModel)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Name, and words about its passes, as saved with a result."""
        return {"name": GRAPH, "words": {"more": "a graph of {passes} passes (howsure.export)"}}

    def begin(self, job: Job) -> Passes:
        """Nothing is shared between blocks but the graph."""
        model = job.model
        settings = own_settings(model.passes, model.weights_sha256)
        if model.metadata["method"] == PLAIN:
            settings |= {"name": PLAIN_GRAPH, "words": PlainPrediction().settings["words"]}
        return _Columns(_refused, model.metadata["plan"] or None, settings=settings, job=job)


@dataclass(frozen=True, kw_only=True)
class _Columns(Passes):
    """The columns of a graph for the rows of a job, which become results as they are."""

    job: Job

    def result(
        self, numbers: Integers, progress: Progress, outcome: Outcome, metadata: ResultMetadata
    ) -> Any:
        """The result of a block of rows."""
        job, model = self.job, self.job.model
        run = Run(model, job.rows, numbers, outcome, job.seed, job.batch_size)
        parts = [model.columns([rows[numbers[:0]] for rows in job.rows])]
        for chunk, inputs in run.batches(np.arange(len(numbers)), job.batch_size):
            parts.append(model.columns(inputs))
            progress(len(chunk))
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        _check_finite(columns, model.info.name, numbers)
        metadata = replace(metadata, seed=int(model.metadata["seed"]))
        fields = {**vars(metadata), "passes": np.full(len(numbers), model.passes)}
        result = task_named(outcome.name).graph(outcome).result(columns, fields, model.metadata)
        if "familiarity" not in columns:
            return result
        return result.with_familiarity(columns["familiarity"], model.metadata["familiarity"]["share"])


def _check_finite(columns: Mapping[str, Any], name: str, numbers: Integers) -> None:
    """Raise a `ModelError` where the model in a graph put out NaN; of its errors some may be unknown."""
    bad = np.zeros(len(numbers), dtype=bool)
    for column, values in columns.items():
        if values.dtype.kind == "f" and not column.endswith("_error"):
            bad |= ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    if bad.any():
        raise ModelError(
            f"Model '{name}' put out NaN or infinity {in_rows(int(bad.sum()), numbers[bad][:5].tolist())}",
            expected="finite numbers",
            hint="Check the model's weights and the range of these rows",
        )


def _refused(numbers: Integers, progress: Progress) -> NoReturn:
    """A graph gives no estimates, which only rows in tiles need: it gives results."""
    raise InputError(
        "`tile` has no effect on a graph: its export has settled it",
        expected="rows of the size of its export",
    )
