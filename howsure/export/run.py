"""`export`: a model and a plan in, an ONNX file out that says of each row what `assess` says first."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from howsure import tuning
from howsure.answers.classes.calibrate import Calibrator
from howsure.answers.registry import named
from howsure.arguments import check_type
from howsure.atomic import check_place, write_whole
from howsure.data.dummy_rows import made_up_rows
from howsure.data.rows import TEXT, cast_rows
from howsure.divide import check_divisor, divided
from howsure.errors import InputError, ModelError
from howsure.export.arithmetic import columns_graph
from howsure.export.compared import check_graph
from howsure.export.whole import described, note, whole_graph
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.protocol import Job
from howsure.misplaced import named_either_way
from howsure.models.adapt import adapt, capable, declared_specs, rows_for
from howsure.models.protocol import FLOAT32, Array, ExportModel
from howsure.models.wrapped import network_in
from howsure.optional import needs
from howsure.prepare import prepare
from howsure.request import Request
from howsure.results.thresholds import Thresholds
from howsure.sampling.first_passes import first_passes
from howsure.sampling.outcome import Outcome, Told
from howsure.sampling.plan import Plan
from howsure.words import counted

COMPARED = 64
"""Rows on which a graph is held against `assess`: enough for every kind of verdict, and soon done. Of rows
with an answer at each position as many as a block holds."""

MADE_UP = 16
"""Rows that are made up where none are given."""


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Attributes:
        path: Of the file.
        passes: Thinned networks in the graph.
        plan: Which they follow.
        seed: Of their masks.
        rows: On how many rows the graph was held against `assess`.
        made_up: Whether these were made up, as none were given.
        largest_difference: Between two numbers, over all columns; of a regression as a share of the spread.
        size: Bytes of the file.
    """

    path: Path
    passes: int
    plan: Plan
    seed: int
    rows: int
    made_up: bool
    largest_difference: float
    size: int

    def __str__(self) -> str:
        rows = counted(self.rows, "made-up row" if self.made_up else "row")
        return (
            f"'{self.path}': {self.passes} passes in {self.size / 1e6:.3g} MB. On {rows} it says what "
            f"howsure.assess says, to {self.largest_difference:.1g}."
        )


@named_either_way
def export(
    model: Any,
    path: str | os.PathLike[str],
    *,
    plan: Plan | None = None,
    x: Any = None,
    seed: int = 0,
    outputs: str | None = None,
    class_names: Sequence[str] | None = None,
    thresholds: Thresholds | None = None,
    calibrator: Calibrator | None = None,
    divide_by: float | None = None,
    progress: Callable[[str], object] | None = None,
    class_axis: int | None = None,
    of_label: str | int | None = None,
) -> Exported:
    """Write the certainty of a model as an ONNX graph: rows in, percentages, errors and verdicts out.

    The graph holds the passes that every row gets first: one cell of the plan's design, or a group where the
    plan says so. Their masks are constants, so it is an ordinary deterministic graph, for any number of rows.
    With P passes, its numbers are those of `assess(model, x, method=MCDropout(plan=plan, max_passes=P),
    seed=seed)` but for rounding to float32, at most 1e-4. Before the file moves into place, it runs in ONNX
    Runtime and is compared with that.

    Rows that need more passes are not found out by the graph; their `mc_error` tells them.

    Outputs are named like the columns of the table: `probabilities` and `mc_error` (N, K), `entropy`,
    `expected_entropy` and `mutual_information` (N,) in nats, `label`, `runner_up` and `verdict` (N,) as whole
    numbers: 0 sure, 1 leaning, 2 coin flip. Of several labels per row `yes` takes the place of the two
    classes, and all are (N, K). A regression has `mean`, `mc_error`, `spread` and, if it puts out variances,
    `noise`, all (N, K), and off by at most 1e-4 of the spread, but for rounding. A class at each position has
    maps (N, *P): `label`, `runner_up`, `probability`, `gap`, `mc_error`, `entropy`, `expected_entropy`,
    `verdict` and `settled`; and of whole rows `share`, `share_error` and `share_spread` (N, K), and
    `undecided` (N,), unless the model has an attention mask or one of Keras. The metadata hold the passes,
    the plan, the seed, names, thresholds, versions and a SHA-256 of the weights.

    A graph raises no errors. Rows, or positions, for which the model puts out NaN or a negative variance get
    NaN, the verdict 3, and K, which is no class, as label and runner-up. Infinite values, which `assess`
    refuses, go through the model.

    Args:
        model: A trained network, as `assess` takes it.
        path: The file to write, `.onnx`; an earlier one stays until the new one has been compared.
        plan: What `howsure.plan` made, in float32; None makes one from `x`.
        x: (N, …) rows, as for `assess`, on up to 64 of which the graph is compared; None for made-up ones.
        seed: Seed of the masks, ≥ 0.
        outputs: As in `assess`.
        class_names: As in `assess`.
        thresholds: As in `assess`.
        calibrator: What `howsure.calibrate` learnt for one class per row.
            The graph then has `calibrated` (N, K) and `calibrated_verdict` (N,) too; all else is
            as without it.
        divide_by: What rows were divided by in training, for example 255 for images. The graph then takes
            rows as they were before, divides them itself, and says so in its metadata; so is `x` given.
        progress: Called with what is about to be done.
        class_axis: As in `assess`.
        of_label: As in `assess`.

    Returns:
        What was written, and how far it is from `assess`.

    Raises:
        InputError: Arguments or rows that cannot be used, or neither a plan nor rows.
        ModelError: The model holds what no graph can be written of, or the graph says something else.
        FileError: The file cannot be written.
        DependencyError: ONNX, or what writes its graphs, is missing: `pip install 'howsure[onnx]'`.
    """
    if check_place(path).suffix.lower() != ".onnx":
        raise InputError(f"'{path}' has the wrong ending", expected="a name that ends in .onnx")
    with needs("onnx", "An export", "onnx"):
        import onnx
    request = Request(
        seed, COMPARED, outputs, class_names, thresholds, class_axis=class_axis, of_label=of_label
    )
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
    wrapped = network_in(model)
    if wrapped is not None and wrapped.before is not None:
        raise ModelError(
            f"What {type(model).__name__} does to rows before its network gets them is no part of a graph",
            expected="a network that gets rows as they are",
            hint="Export its last step, and do to the rows what the earlier steps do before the graph runs",
        )
    raw = rows_for(model, _made_up(model, divide_by) if x is None else x)
    rows = replace(raw, x=divided(raw.x, divide_by, model))
    job = prepare(model, rows, MCDropout(), request)
    job = replace(job, outcome=job.outcome.keeping_all())  # by which near ties are known
    named(job.outcome.name).part("graph")  # or a refusal that names the kind of answer
    ready: ExportModel = capable(job.model, ExportModel, "howsure.export")
    _check_model(ready)
    if divide_by is not None:
        _check_divisible(ready)
    _check_calibrator(calibrator, job)
    tell = progress or (lambda said: None)
    if plan is None:
        tell("planning")
        plan = MCDropout().make_plan(job, FLOAT32)
    plan.check_fits(ready)
    first = first_passes(plan, ready.levels, job.seed, job.outcome)
    count = _compared(job.outcome)
    some = _some(job.rows, job.total, count)

    tell("writing the graph")
    passes = ready.graph(first.masks, some)
    columns = columns_graph(job.outcome, first, ready.info.output_shape, calibrator)
    graph = whole_graph(passes, columns, ready.info.name, divide_by)
    note(graph, described(job, plan, first, calibrator, divide_by))
    expected = _assessed(job, some, MCDropout(plan=plan, max_passes=first.passes))
    calibrated = None if calibrator is None else calibrator(expected)
    fed = some
    if divide_by is not None:
        fed = _some(cast_rows(adapt(model, raw.x)[1], ready.info.inputs), job.total, count)
    inputs = {spec.name: array for spec, array in zip(ready.info.inputs, fed, strict=True)}
    apart: list[float] = []

    def write(temporary: str) -> None:
        onnx.save(graph, temporary)
        tell("comparing it")
        apart.append(check_graph(temporary, inputs, expected, calibrated))
        tell("moving it into place")

    write_whole(path, write)
    size = os.path.getsize(path)
    return Exported(Path(path), first.passes, plan, job.seed, len(some[0]), x is None, apart[0], size)


def _check_model(model: ExportModel) -> None:
    """Raise a `ModelError` for texts, and where passes run one at a time, so that each would be a graph."""
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


def _check_divisible(model: ExportModel) -> None:
    """Raise an `InputError` for inputs of whole numbers, which are not divided."""
    whole = next((spec for spec in model.info.inputs if spec.dtype != FLOAT32), None)
    if whole is not None:
        raise InputError(
            f"Input '{whole.name}' of model '{model.info.name}' takes {whole.dtype}, which no graph divides",
            expected=f"inputs of {FLOAT32} with `divide_by`",
            hint="Leave divide_by out, and divide what is to be divided before it goes into the graph",
        )


def _check_calibrator(calibrator: Calibrator | None, job: Job) -> None:
    """Raise an `InputError` for one that cannot be written down, or is for other classes."""
    if calibrator is None:
        return
    check_type(calibrator, Calibrator, "calibrator", "what howsure.calibrate learnt for one class per row")
    names = named(job.outcome.name).part("graph")(job.outcome).calibrated_names
    if calibrator.class_names != names:
        raise InputError(
            "The calibrator is for other classes",
            expected=", ".join(names) if names else "none: a graph calibrates only one class per row",
            received=", ".join(calibrator.class_names),
            hint="If they are the same in the same order, name them: class_names=[…]"
            if names
            else "Export without it, and calibrate what the graph says",
        )


def _compared(outcome: Outcome) -> int:
    """On how many rows a graph is compared at most; two are the least of which a graph is written."""
    if len(outcome.columns) == 1:
        return COMPARED
    return min(COMPARED, max(2, tuning.BLOCK_AT_POSITIONS // math.prod(outcome.columns)))


def _some(rows: Sequence[Any], total: int, count: int) -> list[Array]:
    """So many rows of each input in its type, spread over all."""
    if not total:
        raise InputError("There are no rows to compare the graph on", expected="one row or more")
    numbers = np.unique(np.linspace(0, total - 1, count).astype(np.int64))
    return [np.ascontiguousarray(each[numbers]) for each in rows]


def _assessed(job: Job, rows: Sequence[Array], method: MCDropout) -> Any:
    """What `assess` says of these rows."""
    count = len(rows[0])
    casted = cast_rows(rows, job.model.info.inputs)
    outcome = job.outcome.of_rows(job.model, casted, count, None)
    job = replace(job, rows=casted, total=count, outcome=outcome)
    numbers = np.arange(count)
    told = Told(numbers, "row", method.settings, job.seed, None, "")
    return job.outcome.result(method.begin(job).draw(numbers, lambda done: None), told)


def _made_up(model: Any, divide_by: float | None) -> Any:
    """Rows that are made up for a model that says what it takes, as they are before they are divided."""
    specs = declared_specs(model)
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
