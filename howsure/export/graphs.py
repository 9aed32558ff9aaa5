"""The graphs that an export writes: of a network, of an estimator, or one that is there and gets rules.

Each way gives a `Made`: the graph, and what it is compared with before it is written.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure import tuning
from howsure.adapters.features import read_features
from howsure.adapters.fingerprint import fingerprint_of
from howsure.adapters.onnx import ExportedGraph
from howsure.adapters.protocol import FLOAT32, Array, ExportModel, FeatureModel, PlainGraphModel
from howsure.adapters.resolve import ModelHandle, capable
from howsure.arguments import check_type
from howsure.divide import check_divisor, divided
from howsure.errors import InputError, ModelError
from howsure.evaluation.calibrator_files import SavedCalibrator
from howsure.evaluation.familiarity import Familiarity, percentiles
from howsure.evaluation.rules import RULES, Rules
from howsure.export.arithmetic import columns_graph, described, note, plain_columns_graph, whole_graph
from howsure.inputs.rows import TEXT, cast_rows, made_up_rows
from howsure.methods.graph import PLAIN_GRAPH, Graph, own_settings
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.plain import PlainPrediction
from howsure.methods.protocol import Job, Method
from howsure.prepare import prepare
from howsure.request import Request
from howsure.sampling.design import of_error
from howsure.sampling.first_passes import first_passes
from howsure.sampling.outcome import Outcome, ResultMetadata
from howsure.sampling.plan import Plan
from howsure.tasks.classification.calibrate import Calibrator
from howsure.tasks.familiar import Familiar
from howsure.tasks.task import task_named
from howsure.tasks.verdict import GRAPH

COMPARED = 64
"""Rows on which a graph is held against `assess`: enough for every kind of verdict, and soon done. With an
answer at each position, as many rows as a block holds."""

UNDECIDED = 8
"""Times the usual target error that a graph aims at where p is 0.5, unless it is told another: the least at
which one row takes five times as long as a plain prediction, or less, in all networks of
docs/export-study.md."""

MADE_UP = 16
"""Rows that are made up where none are given."""

ROUNDED, TRIED = 1e-6, 4
"""Rounding of features and logits in float32, as a share of the largest of a row; and how often howsure tries
how far it moves a score: much, where a feature hardly varies."""


@dataclass(frozen=True)
class Made:
    """A graph that is to be written, and what it is compared with.

    Attributes:
        graph: The `onnx.ModelProto`.
        outcome: Its kind of answer.
        numbers: (n,) numbers of the rows that it is compared on.
        inputs: These rows (n, …) by the name of the input.
        expected: From some of these rows to what `check_graph` compares them with: the result of `assess`, it
            calibrated, and familiarities; None for a graph that was compared when it was first exported.
        passes: As in `Exported`.
        seed: Likewise.
        plan: Likewise.
        cost: Likewise.
        expected_error: Likewise.
    """

    graph: Any
    outcome: Outcome
    numbers: NDArray[np.int64]
    inputs: Mapping[str, Array]
    expected: Callable[[slice], tuple[Any, Any, Any]] | None
    passes: int
    seed: int = 0
    plan: Plan | None = None
    cost: float | None = None
    expected_error: float | None = None


OF_GRAPHS = ("x", "rules", "progress")
"""The arguments that the export of a graph takes; its own export has settled all others."""

OF_ESTIMATORS = (*OF_GRAPHS, "outputs", "class_names", "thresholds", "calibrator")
"""The arguments that the export of an estimator takes, which has no passes."""


def _check_only(takes: Sequence[str], given: Sequence[str], what: str, expected: str) -> None:
    """Raise an `InputError` for an argument that is given and not taken."""
    for name in given:
        if name not in takes:
            raise InputError(what, expected=expected, received=f"{name}=")


def of_graph(handle: ModelHandle, x: Any, rules: Rules | None, given: Sequence[str]) -> Made:
    """A graph of `howsure.export`, which is to get rules."""
    import onnx

    model: ExportedGraph = handle.model
    if RULES in model.metadata:
        raise InputError("This graph has rules already", expected="a graph that was exported without rules")
    what = "A graph gets rules, and nothing else: its export has settled the rest"
    _check_only(OF_GRAPHS, given, what, expected := "rules=, and x= to compare it on")
    if rules is None:
        raise InputError(what, expected=expected, received="no rules")
    rows = handle.rows(_made_up(handle, model.metadata.get("divide_by")) if x is None else x)
    job = prepare(handle, rows, Graph(), Request())
    numbers = _compared_rows(job)
    pairs = zip(model.info.inputs, job.rows, strict=True)
    return Made(
        graph=onnx.load(model.path),
        outcome=job.outcome,
        numbers=numbers,
        inputs={spec.name: np.ascontiguousarray(array[numbers]) for spec, array in pairs},
        expected=None,
        passes=model.passes,
        seed=int(model.metadata["seed"]),
        cost=model.metadata.get("cost"),
        expected_error=model.metadata.get("expected_error"),
    )


def of_estimator(
    handle: ModelHandle,
    x: Any,
    request: Request,
    calibrator: Calibrator | None,
    given: Sequence[str],
    tell: Callable[[str], object],
) -> Made:
    """The plain prediction of an estimator."""
    what = "The graph of an estimator holds its plain prediction, which has no passes"
    _check_only(OF_ESTIMATORS, given, what, f"none but {', '.join(OF_ESTIMATORS)}")
    method = PlainPrediction()
    job = prepare(handle, _made_up(handle, None) if x is None else x, method, request)
    task_named(job.outcome.name).check_can("graph")
    model: PlainGraphModel = capable(job.model, PlainGraphModel, "howsure.export")
    _check_calibrator(calibrator, job)
    numbers = _compared_rows(job)
    some = [array[numbers] for array in job.rows]
    if calibrator is not None:
        own = {"name": PLAIN_GRAPH, **own_settings(1, fingerprint_of(model))}
        calibrator = _for_passes(calibrator, _assessed(job, [array[:1] for array in some], method, 0), own)
    tell("writing the graph")
    prediction, rows = model.plain_graph(some)
    columns = plain_columns_graph(job.outcome, model.info.output_shape, calibrator)
    graph = whole_graph(prediction, columns, model.info.name)
    note(graph, described(job, None, 1, calibrator, None))

    def expected(these: slice) -> tuple[Any, Any, Any]:
        result = _assessed(job, [array[these] for array in some], method, these.start or 0)
        return result, None if calibrator is None else calibrator(result), None

    inputs = {graph.graph.input[0].name: rows}
    return Made(graph, job.outcome, numbers, inputs, expected, passes=1, seed=job.seed, cost=1.0)


def of_network(
    handle: ModelHandle,
    x: Any,
    plan: Plan | None,
    target_error: float | None,
    request: Request,
    calibrator: Calibrator | None,
    familiarity: Familiarity | None,
    divide_by: float | None,
    tell: Callable[[str], object],
) -> Made:
    """The first passes of MC dropout."""
    raw = handle.rows(_made_up(handle, divide_by) if x is None else x)
    rows = replace(raw, x=divided(raw.x, divide_by, handle))
    job = prepare(handle, rows, MCDropout(), request)
    job = replace(job, outcome=job.outcome.keeping_all())  # by which near ties are known
    task_named(job.outcome.name).check_can("graph")  # or a refusal that names the kind of answer
    ready = _exportable(job, divide_by)
    _check_calibrator(calibrator, job)
    numbers = _compared_rows(job)
    some = [np.ascontiguousarray(array[numbers]) for array in job.rows]
    familiar = _familiar(familiarity, job, some)
    if plan is None:
        tell("planning")
        plan = MCDropout().make_plan(job, FLOAT32)
    plan.check_fits(ready)
    plan = _for_error(plan, target_error, job)
    first = first_passes(plan, ready.levels, job.seed, job.outcome)
    method = MCDropout(plan=plan, max_passes=first.passes)
    if calibrator is not None:
        result = _assessed(job, [array[:1] for array in some], method, 0)
        own = {"name": GRAPH, **own_settings(first.passes, fingerprint_of(job.model))}
        calibrator = _for_passes(calibrator, result, own)

    tell("writing the graph")
    passes = ready.graph(first.masks, some, familiarity is not None)
    columns = columns_graph(job.outcome, first, ready.info.output_shape, calibrator, familiarity)
    graph = whole_graph(passes, columns, ready.info.name, divide_by)
    design, shared = plan.design, ready.levels[0].cost
    cost = None if design is None else shared + design.first * (design.cost - shared)
    error = None if design is None else design.expected_error or None
    metadata = {
        name: json.dumps(value) for name, value in (("cost", cost), ("expected_error", error)) if value
    }
    note(graph, described(job, plan, first.passes, calibrator, familiarity, divide_by) | metadata)

    def expected(these: slice) -> tuple[Any, Any, Any]:
        result = _assessed(job, [array[these] for array in some], method, these.start or 0)
        calibrated = None if calibrator is None else calibrator(result)
        return result, calibrated, familiar and (familiar[0][these], familiar[1][these])

    fed = job.rows if divide_by is None else cast_rows(handle.adapt(raw.x)[1], ready.info.inputs)
    inputs_and_rows = zip(ready.info.inputs, fed, strict=True)
    inputs = {spec.name: np.ascontiguousarray(array[numbers]) for spec, array in inputs_and_rows}
    return Made(
        graph=graph,
        outcome=job.outcome,
        numbers=numbers,
        inputs=inputs,
        expected=expected,
        passes=first.passes,
        seed=job.seed,
        plan=plan,
        cost=cost,
        expected_error=error,
    )


def check_plannable(plan: Plan | None, x: Any, divide_by: float | None, target_error: float | None) -> None:
    """Raise an `InputError` where there is nothing to plan from, or what a graph cannot follow."""
    check_type(plan, (Plan, type(None)), "plan", "what howsure.plan(model, x) made, or None")
    if plan is not None and plan.precision != FLOAT32:
        raise InputError(
            "The plan runs heavy layers in bfloat16, and graphs compute in float32",
            expected="a plan in float32",
            received=plan.precision,
            hint="Make one with howsure.plan(model, x, precision='float32')",
        )
    if plan is None and x is None:
        raise InputError(
            "There is neither a plan nor rows to make one from", expected="plan=howsure.plan(model, x), or x="
        )
    check_divisor(divide_by)
    MCDropout(target_error=target_error)  # or a refusal


def _for_error(plan: Plan, target_error: float | None, job: Job) -> Plan:
    """The plan whose first passes are as many as an error needs; the plan itself where it tells no errors."""
    design, target = plan.design, UNDECIDED * job.outcome.usual_target
    if design is None or not design.expected_error:
        if target_error is None:
            return plan
        raise InputError(
            "The plan does not tell how large errors are, so `target_error` cannot choose the passes",
            expected="a plan that a pilot measured",
            hint="Make one with howsure.plan(model, x)",
        )
    fitting = of_error(design, target if target_error is None else target_error, job.model.levels)
    if target_error is None:
        return (
            plan
            if fitting.first * fitting.passes >= design.first * design.passes
            else replace(plan, design=fitting)
        )
    if fitting.expected_error > target_error:
        raise InputError(
            "No passes that every row may get reach this `target_error`",
            expected=f"at least {fitting.expected_error:.2g}",
            received=target_error,
            hint="A graph gives all rows the same passes, and cannot give more to the rows that need them",
        )
    return replace(plan, design=fitting)


def _exportable(job: Job, divide_by: float | None) -> ExportModel:
    """The model of a job, or an error: it takes texts, has passes one at a time, or divides whole numbers."""
    model: ExportModel = capable(job.model, ExportModel, "howsure.export")
    texts = [spec.name for spec in model.info.inputs if spec.dtype == TEXT]
    if texts:
        raise ModelError(
            f"Input '{texts[0]}' of model '{model.info.name}' takes texts, of which graphs make no numbers",
            expected="inputs of numbers",
            hint="Export the part of the model behind what makes numbers of texts",
        )
    if model.limits.fold is None:
        fixed = model.info.fixed_batch
        raise ModelError(
            f"Passes of model '{model.info.name}' run one at a time, and a graph holds all at once",
            expected="a model that takes any number of rows, each by itself",
            received="one that mixes rows" if fixed is None else f"one that takes {fixed} at a time",
        )
    whole = next((spec for spec in model.info.inputs if spec.dtype != FLOAT32), None)
    if whole is not None and divide_by is not None:
        raise InputError(
            f"Input '{whole.name}' of model '{model.info.name}' takes {whole.dtype}, which no graph divides",
            expected=f"inputs of {FLOAT32} with `divide_by`",
            hint="Leave divide_by out, and divide what is to be divided before it goes into the graph",
        )
    return model


def _check_calibrator(calibrator: Calibrator | None, job: Job) -> None:
    """Raise an `InputError` for one that cannot be written down, or is for other classes."""
    if calibrator is None:
        return
    if isinstance(calibrator, SavedCalibrator) and not isinstance(calibrator, Calibrator):
        raise InputError(
            f"A graph cannot hold a calibrator of {task_named(calibrator.answer).in_words}",
            expected="a calibrator of one class per row, or rules, which calibrate too",
            received=repr(calibrator),
            hint="Export without it, and calibrate what the graph says: "
            "howsure.calibrate(howsure.assess('certainty.onnx', x), labels)",
        )
    check_type(calibrator, Calibrator, "calibrator", "what howsure.calibrate learnt for one class per row")
    names = task_named(job.outcome.name).graph(job.outcome).calibrated_names
    if calibrator.class_names != names:
        raise InputError(
            "The calibrator is for other classes",
            expected=", ".join(names) if names else "none: a graph calibrates only one class per row",
            received=", ".join(calibrator.class_names),
            hint="If they are the same in the same order, name them: class_names=[…]"
            if names
            else "Export without it, and calibrate what the graph says",
        )


def _for_passes(calibrator: Calibrator, result: Any, own: Mapping[str, Any]) -> Calibrator:
    """A calibrator that takes the passes of a graph as `assess` draws them.

    Args:
        calibrator: The calibrator, fitted to what the graph says, or to what `assess` says of its passes.
        result: A row of that.
        own: Name and settings of the method of the graph's own results.

    Raises:
        InputError: It was fitted to rows of another origin.
    """
    origin = calibrator.origin
    if origin is not None and origin.method == own:
        return replace(calibrator, origin=None)
    try:
        calibrator(result)
    except InputError as error:
        hint = "Or fit it to the graph: howsure.calibrate(howsure.assess('certainty.onnx', x), labels)"
        raise error.told_of("The calibrator", hint) from error
    return calibrator


def _familiar(familiarity: Familiarity | None, job: Job, rows: Sequence[Array]) -> tuple[Array, Array] | None:
    """Least and greatest familiarity (n,) that a graph may give rows; None without one.

    Held-out scores may count or not where rounding of features and logits moves a score past them.

    Raises:
        InputError: It is none, or of another model, or the kind of answer keeps none.
    """
    if familiarity is None:
        return None
    check_type(familiarity, Familiarity, "familiarity", "a result of `howsure.familiarity`, or None")
    task = task_named(job.outcome.name)
    if not issubclass(task.result_type, Familiar):
        raise InputError(
            f"A result of {task.in_words} has no familiarity",
            expected="a model of one class or numbers per row",
            hint="Export without it",
        )
    reader: FeatureModel = capable(job.model, FeatureModel, "howsure.export")
    read = read_features(reader, cast_rows(rows, job.model.info.inputs), COMPARED)
    read = replace(read, fingerprint=fingerprint_of(reader))
    scores, random = familiarity(read), np.random.default_rng(0)

    def moved(numbers: Array) -> Array:
        size = ROUNDED * np.abs(numbers).max(axis=1, keepdims=True) * (numbers != 0)
        return np.asarray(numbers + size * random.choice((-1, 1), numbers.shape))

    others = [replace(read, features=moved(read.features), logits=moved(read.logits)) for _ in range(TRIED)]
    near = 2 * np.max([np.abs(familiarity(other) - scores) for other in others], axis=0)
    return percentiles(familiarity.held_out, scores - near), percentiles(familiarity.held_out, scores + near)


def _most_compared(outcome: Outcome) -> int:
    """On how many rows a graph is compared at most; two are the least of which a graph is written."""
    if len(outcome.columns) == 1:
        return COMPARED
    return min(COMPARED, max(2, tuning.BLOCK_AT_POSITIONS // math.prod(outcome.columns)))


def _compared_rows(job: Job) -> NDArray[np.int64]:
    """Numbers of the rows on which a graph is compared, spread over all."""
    if not job.total:
        raise InputError("There are no rows to compare the graph on", expected="one row or more")
    return evenly(job.total, _most_compared(job.outcome))


def evenly(total: int, most: int) -> NDArray[np.int64]:
    """At most so many of `total` ≥ 1 positions, evenly spread."""
    return np.unique(np.linspace(0, total - 1, most).astype(np.int64))


def _assessed(job: Job, rows: Sequence[Array], method: Method, first: int) -> Any:
    """The result of `assess` for rows, of which the first has this number."""
    count = len(rows[0])
    casted = cast_rows(rows, job.model.info.inputs)
    outcome = job.outcome.of_rows(job.model, casted, count, None)
    job = replace(job, rows=casted, total=count, outcome=outcome)
    passes = method.begin(job)
    settings = job.settings_of(method, passes)
    metadata = ResultMetadata(np.arange(first, first + count), "row", settings, job.seed, None, "")
    return job.outcome.result(passes.draw(np.arange(count), lambda done: None), metadata)


def _made_up(model: ModelHandle, divide_by: float | None) -> Any:
    """Rows that are made up for a model that says what it takes, as they are before they are divided."""
    specs = model.declared_specs()
    if specs is None:
        raise InputError(
            "The model does not say what rows it takes",
            expected="x=, some rows as it takes them",
            received="None",
        )
    any_size = [spec for spec in specs if None in spec.shape]
    if any_size:
        raise InputError(
            f"Input '{any_size[0].name}' takes rows of any size, and a graph those of one",
            expected="x=, some rows of that size",
            received="None",
        )
    rows = made_up_rows(specs, count=MADE_UP)
    if divide_by is not None:
        rows = [array * np.float32(divide_by) for array in rows]
    return rows if len(rows) > 1 else rows[0]
