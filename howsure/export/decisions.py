"""Rules in a graph: what they decide, from the columns that the graph already has.

columns ── calibrated ─┬─ in_set, or low and high
                       └─ hand_over

Rules for a graph are fitted to what the graph says, so their decisions follow from its outputs alone. Nothing
of the model is needed, and a graph that is already there gets them too. They are compared with what the rules
decide in Python of the same outputs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from howsure.adapters.onnx import load
from howsure.adapters.protocol import Array
from howsure.assess import assessed
from howsure.errors import InputError
from howsure.evaluation.rules import RULES, Rules
from howsure.export.check import TOLERANCE, calibrated_words, check_columns, runner
from howsure.methods.graph import PLAIN_GRAPH, Graph
from howsure.onnx import Nodes, Traced
from howsure.prepare import prepare
from howsure.request import Request
from howsure.results.result import Result
from howsure.sampling.outcome import Outcome
from howsure.tasks.classification.graph import Numbers, Wanted
from howsure.tasks.task import task_named
from howsure.tasks.verdict import GRAPH


def check_for_graphs(rules: Rules) -> None:
    """Raise an `InputError` unless rules were fitted to what a graph says."""
    assert rules.origin is not None
    name = rules.origin.method.get("name", "not stated")
    if name not in (GRAPH, PLAIN_GRAPH):
        raise InputError(
            "These rules were fitted to other numbers than the graph puts out",
            expected="rules fitted to what the graph says: "
            "howsure.fit_rules(howsure.assess('certainty.onnx', x), labels)",
            received=f"rules for rows of the method '{name}'",
            hint="Export the model without rules, fit them to its graph, and export them with it",
        )


def add_decisions(graph: Any, outcome: Outcome, rules: Rules) -> None:
    """Add what rules decide to the outputs of an `onnx.ModelProto`, and the rules to its metadata.

    Args:
        graph: A graph of `howsure.export`.
        outcome: Its kind of answer.
        rules: Rules for its outputs.
    """
    from onnx import helper

    nodes = Nodes("decided/")
    columns = {output.name: _traced(nodes, output) for output in graph.graph.output}
    decisions = task_named(outcome.name).graph(outcome).decisions(columns, rules)
    for name, column in decisions.items():
        nodes.named(name, column.name)
        shape = [graph.graph.output[0].type.tensor_type.shape.dim[0].dim_param, *column.shape[1:]]
        of_type = helper.np_dtype_to_tensor_dtype(np.dtype(column.dtype))
        graph.graph.output.append(helper.make_tensor_value_info(name, of_type, shape))
    graph.graph.node.extend(nodes.nodes)
    graph.graph.initializer.extend(nodes.constants)
    entry = graph.metadata_props.add()
    entry.key, entry.value = RULES, json.dumps(rules._content())


def _traced(nodes: Nodes, output: Any) -> Traced:
    """An output of a graph as an array that writes nodes."""
    from onnx import helper

    of_tensor = output.type.tensor_type
    sides = [side.dim_value for side in of_tensor.shape.dim]
    dtype = helper.tensor_dtype_to_np_dtype(of_tensor.elem_type).name
    return Traced(nodes, output.name, (None, *sides[1:]), dtype)


def decide(graph: Any, path: str, inputs: Mapping[str, Array], rules: Rules, numbers: Array) -> float:
    """Add rules to a graph and write it again, and hold it against the rules in Python.

    Args:
        graph: An `onnx.ModelProto` of `howsure.export`.
        path: The file with this graph.
        inputs: Some rows (n, …) by the name of the input.
        rules: Rules for what the graph puts out.
        numbers: (n,) numbers of these rows, for messages.

    Returns:
        The largest difference of a number from what the rules say.

    Raises:
        InputError: The rules were fitted to rows of another origin.
        ModelError: The graph decides otherwise than the rules.
    """
    import onnx

    model, rows = load(path), list(inputs.values())
    job = prepare(model, rows if len(rows) > 1 else rows[0], Graph(), Request())
    result = assessed(model, rows if len(rows) > 1 else rows[0], None, Request())
    try:
        rules.check_origin(result)
    except InputError as error:
        hint = (
            "Or export the graph that they were fitted to: howsure.export('fitted.onnx', path, rules=rules)"
        )
        raise error.told_of("The graph", hint) from error
    add_decisions(graph, job.outcome, rules)
    onnx.save(graph, path)
    outputs = runner(path)(inputs)
    return check_columns(outputs, *_expected(rules, result), numbers)


def _expected(rules: Rules, result: Result[Any]) -> tuple[Numbers, Wanted]:
    """The columns that a graph should put out, and how far they may be off; see `check_columns`."""
    decided: Any = rules(result)
    of_numbers, words = dict[str, Any](), dict[str, Any]()
    if rules.calibrator is not None and decided.has("std"):
        of_numbers["std"] = decided.std, TOLERANCE * decided.std
    elif rules.calibrator is not None:
        of_numbers["calibrated"] = decided.probabilities, np.array(TOLERANCE)
        words |= calibrated_words(decided)
    below, above = (_with_thresholds_moved(rules, by)(result) for by in (-TOLERANCE, TOLERANCE))
    for name in ("in_set", "hand_over"):
        if decided.has(name) and getattr(decided, name) is not None:
            near = getattr(below, name) != getattr(above, name)
            if name == "in_set":  # of two classes that are alike rounding decides which one comes first
                near |= np.reshape(decided.gap <= 2 * TOLERANCE, (len(near), -1))
            words[name] = getattr(decided, name), near
    if decided.has("low") and decided.low is not None:
        allowed = TOLERANCE * (decided.high - decided.low + np.abs(decided.mean))
        of_numbers |= {"low": (decided.low, allowed), "high": (decided.high, allowed)}
    return of_numbers, words


def _with_thresholds_moved(rules: Rules, by: float) -> Rules:
    """The rules with thresholds a little higher, or lower: rows that these decide otherwise are ties."""

    def moved(part: Any) -> Any:
        if part is None:
            return None
        limits = np.asarray(part.threshold) + by * np.maximum(np.abs(part.threshold), 1)
        return replace(part, threshold=tuple(limits.tolist()) if limits.ndim else float(limits))

    return replace(rules, sets=moved(rules.sets), abstention=moved(rules.abstention))
