"""From raw outputs of passes to columns, as an ONNX graph: howsure's own formulas, traced; and the whole.

    raw (W, n, …) ── kind: values (W, n, …, K) ── units ── `error_of` ── kind: columns

The kind of answer brings `values` and `columns` (its part `graph`); the error is that of
`howsure.sampling.error`, on arrays whose operators write nodes (`howsure.onnx`).
"""

from __future__ import annotations

import importlib.metadata
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from howsure.adapters.fingerprint import fingerprint_of
from howsure.adapters.protocol import PlainGraphModel
from howsure.errors import ModelError
from howsure.evaluation.familiarity import Familiarity, percentile_in_graph
from howsure.methods.plain import PLAIN
from howsure.methods.protocol import Job
from howsure.onnx import IR_VERSION, OPSET, Nodes, Traced, keep_one_of_equals, rename_inputs
from howsure.optional import versions
from howsure.sampling.error import Units, error_of
from howsure.sampling.estimate import mean_late_variance
from howsure.sampling.first_passes import First
from howsure.sampling.outcome import Outcome
from howsure.sampling.plan import Plan
from howsure.tasks.classification.calibrate import Calibrator
from howsure.tasks.task import task_named
from howsure.tasks.verdict import DRAWN

RAW, FEATURES, ROWS = "raw", "features", "rows"
"""Names of the raw outputs of the passes, of the features and logits of the plain pass, and of the first axis
of inputs and outputs."""

LARGEST = 2**31 - 1
"""Bytes that a protobuf message, and so a graph in one file, may have."""

FORMAT = 1
"""Version of the format of the metadata."""

_PACKAGES = ("keras", "tensorflow-cpu", "tensorflow", "jax", "torch", "onnx", "onnxruntime", "numpy")
"""Packages that may have taken part."""


def columns_graph(
    outcome: Outcome,
    first: First,
    outputs: Sequence[int],
    calibrator: Calibrator | None = None,
    familiarity: Familiarity | None = None,
) -> Any:
    """The graph from `raw` (W, n, *outputs) to the columns.

    Args:
        outcome: The kind of answer of a row.
        first: The passes in the raw outputs.
        outputs: Shape of what the model puts out for a row.
        calibrator: One that the kind of answer can apply; or None.
        familiarity: One of the model, by which the graph tells how familiar a row is, from a second input
            `features` (n, F + K), the features and the logits; or None.

    Returns:
        An `onnx.ModelProto` with the outputs `probabilities` (n, K), `mc_error` (n, K), `entropy`,
        `expected_entropy`, `mutual_information` and `verdict`. For classes these are (n,), and `label` and
        `runner_up` (n,) stand beside them; for labels they are (n, K), and `yes` (n, K). With a calibrator
        also `calibrated` (n, K) and the answers and verdicts that follow from it, `calibrated_label` and so
        on; with `familiarity` also `familiarity` (n,). For numbers the outputs are `mean`, `mc_error`,
        `spread` and, if the model puts out variances, `noise`, all (n, K). For a class at each position they
        are maps (n, *P) and numbers of rows; see `howsure.tasks.segmentation.graph`.

    Raises:
        InputError: The kind of answer has no graph.
    """
    kind = task_named(outcome.name).graph(outcome)
    nodes = Nodes("howsure/")
    traced = {RAW: Traced(nodes, RAW, (first.passes, None, *outputs))}
    values = kind.values(traced[RAW])
    units = _units(values, first)
    squared, error = error_of(units, kind, first.design)
    columns = kind.columns(values, units.mean, squared, error, calibrator, partial(_units, first=first))
    if familiarity is not None:
        traced[FEATURES] = Traced(nodes, FEATURES, (None, familiarity.width + familiarity.outputs))
        columns["familiarity"] = percentile_in_graph(familiarity, traced[FEATURES])
    return _graph_of(nodes, traced, columns)


def plain_columns_graph(outcome: Outcome, outputs: Sequence[int], calibrator: Calibrator | None) -> Any:
    """As `columns_graph`, of the one raw output (1, n, *outputs) of a plain prediction, which has no error.

    For numbers the outputs are `mean` and `mc_error`, and `noise` if the model puts out variances.
    """
    kind = task_named(outcome.name).graph(outcome)
    nodes = Nodes("howsure/")
    raw = Traced(nodes, RAW, (1, None, *outputs))
    values = kind.values(raw)
    mean = values[0]
    nothing: Any = mean * 0.0  # NaN where the model puts out NaN
    columns = kind.columns(values, mean, nothing, nothing, calibrator, None)
    columns.pop("spread", None)  # one pass shows none
    return _graph_of(nodes, {RAW: raw}, columns)


def _graph_of(nodes: Nodes, traced: Mapping[str, Any], columns: Mapping[str, Any]) -> Any:
    """The `onnx.ModelProto` of nodes from traced inputs to columns, both by their names."""
    from onnx import helper

    for name, column in columns.items():
        nodes.named(name, column.name)
    inputs, column_infos = (
        [_described(*described) for described in some.items()] for some in (traced, columns)
    )
    graph = helper.make_graph(nodes.nodes, "certainty", inputs, column_infos, nodes.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _described(name: str, value: Traced) -> Any:
    """An input or output of a graph."""
    from onnx import helper

    shape = [ROWS if side is None else side for side in value.shape]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype)), shape)


def _units(values: Any, first: First) -> Units:
    """The cells, or the flat groups, of the first passes as units; those of the same size all at once."""
    design, sizes = first.design, first.groups
    late: tuple[int, ...] = ()
    if design is not None:
        sizes, late = (design.passes,) * design.first, () if design.is_flat else design.late
    units, start = [], 0
    for size, alike in itertools.groupby(sizes):
        count = len(list(alike))
        some = values[start : start + count * size].reshape(count, size, *values.shape[1:])
        units.append(mean_late_variance(np.moveaxis(some, 0, 1), late))
        start += count * size
    mean, left, variance = (np.concatenate(both, axis=0) for both in zip(*units, strict=True))
    weights = np.reshape(sizes, (-1, *[1] * (mean.ndim - 1)))
    total = np.sum(mean * (weights / sum(sizes)), axis=0)
    between, within = np.sum((mean - total) ** 2 * weights, axis=0), np.sum(variance * weights, axis=0)
    return Units(
        len(sizes), sum(sizes), total, between, within, np.sum(left, axis=0), first.pairs, first.rare
    )


# --- with the passes of the model as one graph, and what it tells of itself ------------------------------


def whole_graph(passes: Any, columns: Any, name: str, divide_by: float | None = None) -> Any:
    """Both graphs as one `onnx.ModelProto`; inputs and outputs keep their names.

    Args:
        passes: From the inputs to the raw outputs of the passes, and what else `columns` takes, in its order.
        columns: From these to the columns.
        name: Name of the model, for messages.
        divide_by: Divisor of every input, or None.

    Raises:
        ModelError: An input is called like a column, or the graph is invalid or too large for one file.
    """
    import onnx
    from onnx import compose, helper

    names = {output.name for output in columns.graph.output}
    for model_input in passes.graph.input:
        if model_input.name in names:
            raise ModelError(
                f"Input '{model_input.name}' of model '{name}' is called like an output of its graph",
                expected=f"inputs that are not called {', '.join(sorted(names))}",
                hint="Rename the input",
            )
    inner = compose.add_prefix(passes, "model/", rename_inputs=False)
    for graph in (inner, columns):
        graph.ir_version = IR_VERSION
    if divide_by is not None:
        _divide_inputs(inner.graph, divide_by)
    pairs = zip(inner.graph.output, columns.graph.input, strict=True)
    joints = [(one.name, other.name) for one, other in pairs]
    whole = _validated(name, lambda: compose.merge_models(inner, columns, io_map=joints, name="howsure"))
    keep_one_of_equals(whole.graph)
    del whole.graph.value_info[:]  # shapes in between, which tools write in different ways
    versions = {opset.domain: opset.version for opset in whole.opset_import}  # both graphs name theirs
    del whole.opset_import[:]
    whole.opset_import.extend(helper.make_opsetid(*version) for version in versions.items())
    for model_input in whole.graph.input:
        model_input.type.tensor_type.shape.dim[0].dim_param = ROWS
    if whole.ByteSize() > LARGEST:
        raise ModelError(
            f"The graph of model '{name}' is too large for one file",
            expected=f"at most {LARGEST / 2**30:.0f} GiB, weights and masks together",
            received=f"{whole.ByteSize() / 2**30:.3g} GiB",
        )
    _validated(name, lambda: onnx.checker.check_model(whole))
    return whole


def _divide_inputs(graph: Any, divisor: float) -> None:
    """Divide the inputs of a graph first, in float32, as rows are divided for `assess`."""
    nodes, names = Nodes("divided/"), [value_info.name for value_info in graph.input]
    by = nodes.number(divisor)
    rename_inputs(graph, {name: nodes("Div", name, by) for name in names})
    for value_info, name in zip(graph.input, names, strict=True):
        value_info.name = name
    after = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes.nodes, *after])
    graph.initializer.extend(nodes.constants)


def _validated(name: str, act: Callable[[], Any]) -> Any:
    """The result of ONNX for a graph, or a `ModelError` if it is not valid."""
    import onnx

    try:
        return act()
    except onnx.checker.ValidationError as error:
        raise ModelError(
            f"The graph of model '{name}' is not valid ONNX",
            expected="operations that ONNX has",
            received=" ".join(str(error).split()),
            hint="Nothing was written. Export the model from another framework, or leave out what ONNX lacks",
        ) from error


def described(
    job: Job,
    plan: Plan | None,
    passes: int,
    calibrator: Calibrator | None,
    familiarity: Familiarity | None,
    divide_by: float | None = None,
) -> dict[str, str]:
    """The metadata of a graph: each a text, those of several parts in JSON.

    Args:
        job: The job of the export.
        plan: The plan of the passes; None for the plain prediction.
        passes: How many there are.
        calibrator: That the graph applies, or None.
        familiarity: By which the graph tells how familiar rows are, or None.
        divide_by: Divisor of the inputs, or None.
    """
    outcome: Any = job.outcome
    inside: dict[str, Any] = {
        "outcome": outcome.name,
        **task_named(outcome.name).graph(outcome).metadata,
        "plan": {} if plan is None else plan.settings,
        "versions": versions(_PACKAGES),
    }
    if calibrator is not None:
        numbers = {name: np.asarray(array).tolist() for name, array in calibrator.parameters.items()}
        inside["calibrator"] = {"method": calibrator.method, "rows": calibrator.rows, **numbers}
    if familiarity is not None:
        rows = {"train_rows": familiarity.train_rows, "held_out": len(familiarity.held_out)}
        inside["familiarity"] = {"score": familiarity.score, "share": familiarity.share, **rows}
    if divide_by is not None:
        inside["divide_by"] = divide_by
    if job.model.info.rescales:
        inside["rescales"] = True
    if isinstance(job.model, PlainGraphModel) and job.model.column_names:
        inside["columns"] = job.model.column_names
    return {
        "format": str(FORMAT),
        "howsure": importlib.metadata.version("howsure"),
        "method": PLAIN if plan is None else DRAWN,
        "passes": str(passes),
        "seed": str(job.seed),
        "model": job.model.info.name,
        "framework": job.model.info.framework,
        "outputs": outcome.outputs,
        "weights_sha256": fingerprint_of(job.model),
        **{key: json.dumps(value) for key, value in inside.items()},
    }


def note(graph: Any, metadata: dict[str, str]) -> None:
    """Write metadata into a graph, in the place of what others wrote there."""
    from onnx import helper

    del graph.metadata_props[:]
    helper.set_model_props(graph, metadata)
    graph.producer_name, graph.producer_version = "howsure", metadata["howsure"]
