"""From raw outputs of passes to columns, as an ONNX graph: howsure's own formulas, traced.

    raw (W, n, …) ── kind: values (W, n, …, K) ── units ── `error_of` ── kind: columns

The kind of answer brings `values` and `columns` (its part `graph`); the error is that of
`howsure.sampling.error`, on arrays whose operators write nodes (`howsure.onnx.traced`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from howsure.answers.classes.calibrate import Calibrator
from howsure.answers.registry import named
from howsure.onnx.nodes import IR_VERSION, OPSET, Nodes
from howsure.onnx.traced import Traced
from howsure.sampling.error import Units, error_of
from howsure.sampling.estimate import mean_late_variance
from howsure.sampling.first_passes import First
from howsure.sampling.outcome import Outcome

RAW, ROWS = "raw", "rows"
"""Names of the raw outputs of the passes, and of the first axis of inputs and outputs."""


def columns_graph(
    outcome: Outcome, first: First, outputs: Sequence[int], calibrator: Calibrator | None = None
) -> Any:
    """The graph from `raw` (W, n, *outputs) to the columns.

    Args:
        outcome: The kind of answer of a row.
        first: The passes in the raw outputs.
        outputs: Shape of what the model puts out for a row.
        calibrator: One that the kind of answer can apply; or None.

    Returns:
        An `onnx.ModelProto` with the outputs `probabilities` (n, K), `mc_error` (n, K), `entropy`,
        `expected_entropy`, `mutual_information` and `verdict`. For classes these are (n,), and `label` and
        `runner_up` (n,) stand beside them; for labels they are (n, K), and `yes` (n, K). With a calibrator
        also `calibrated` (n, K) and `calibrated_verdict` (n,). For numbers the outputs are `mean`,
        `mc_error`, `spread` and, if the model puts out variances, `noise`, all (n, K). For a class at each
        position they are maps (n, *P) and numbers of rows; see `howsure.answers.positions.graph`.

    Raises:
        InputError: The kind of answer has no graph.
    """
    from onnx import helper

    kind = named(outcome.name).part("graph")(outcome)
    nodes = Nodes("howsure/")
    values = kind.values(Traced(nodes, RAW, (first.passes, None, *outputs)))
    units = _units(values, first)
    squared, error = error_of(units, kind, first.design)
    units_of = partial(_units, first=first)
    found = []
    for name, column in kind.columns(values, units.mean, squared, error, calibrator, units_of).items():
        nodes.named(name, column.name)
        shape = [ROWS if side is None else side for side in column.shape]
        dtype = helper.np_dtype_to_tensor_dtype(np.dtype(column.dtype))
        found.append(helper.make_tensor_value_info(name, dtype, shape))
    number = helper.np_dtype_to_tensor_dtype(np.dtype("float32"))
    raw = helper.make_tensor_value_info(RAW, number, [first.passes, ROWS, *outputs])
    graph = helper.make_graph(nodes.nodes, "certainty", [raw], found, nodes.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _units(values: Any, first: First) -> Units:
    """The cells, or the flat groups, of the first passes as units; those of the same size all at once."""
    design, sizes = first.design, first.groups
    late: tuple[int, ...] = ()
    if design is not None:
        sizes, late = (design.passes,) * design.first, () if design.is_flat else design.late
    found, start = [], 0
    for size, alike in itertools.groupby(sizes):
        count = len(list(alike))
        some = values[start : start + count * size].reshape(count, size, *values.shape[1:])
        found.append(mean_late_variance(np.moveaxis(some, 0, 1), late))
        start += count * size
    mean, left, variance = (np.concatenate(both, axis=0) for both in zip(*found, strict=True))
    each = np.reshape(sizes, (-1, *[1] * (mean.ndim - 1)))
    total = np.sum(mean * (each / sum(sizes)), axis=0)
    between, within = np.sum((mean - total) ** 2 * each, axis=0), np.sum(variance * each, axis=0)
    return Units(len(sizes), sum(sizes), total, between, within, np.sum(left, axis=0), first.pairs)
