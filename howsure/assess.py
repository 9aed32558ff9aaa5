"""`assess`: a trained model and rows in, a result out. The page to read first.

model ─ adapt ─┬─ outcome ─┐
rows ─ checks ─┘           ├─ method.begin ─ blocks of rows ─ estimates ─ outcome.result
"""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure import tuning
from howsure.adapters.protocol import FLOAT32, ColumnsModel, Model
from howsure.adapters.resolve import ModelHandle, resolve_model
from howsure.arguments import accept_alias, check_choice, check_progress, check_type, check_whole
from howsure.errors import LOGGER, InputError, warn
from howsure.evaluation.rules import RULES, Rules, check_rules, rules_in
from howsure.inputs.align import ID, check_ids
from howsure.inputs.rows import Rows, as_array, cast_rows, check_rows, numbered, row_kind
from howsure.inputs.sizes import RowsOfSizes, padded_row
from howsure.methods.choices import check_method, default_method, redirect_method_kwargs
from howsure.methods.kept_groups import KeptGroups
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.protocol import Job, Method, Passes
from howsure.prepare import prepare
from howsure.progress import Progress, progress_callback
from howsure.request import KEEP_GROUPS, Request
from howsure.results import result as results
from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Outcome, ResultMetadata
from howsure.sampling.plan import Plan
from howsure.tasks.task import task_that_tiles

Result = Any
"""A `Certainty`, or the result of another outcome."""


@accept_alias
@redirect_method_kwargs
def assess(
    model: Any,
    x: Any,
    *,
    method: Method | None = None,
    seed: int = 0,
    batch_size: int = 256,
    outputs: str | None = None,
    levels: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
    thresholds: Thresholds | None = None,
    progress: Progress = None,
    output: str | int | None = None,
    outcome: Outcome | type[Outcome] | None = None,
    class_axis: int | None = None,
    keep: str | None = None,
    tile: int | Sequence[int] | None = None,
    overlap: int | None = None,
    positions: Any = None,
    rules: Rules | None = None,
) -> Result:
    """Say for each row what the model predicts, how certain that is, and why it is in doubt.

    The model is left exactly as found, also after an exception; compiled code stays with it, for the next
    call. Same plan, same seed, same row: same numbers, whatever the batch size, row order or neighbours.
    Without a plan one is made from the rows given; `MCDropout(passes=T)` needs none.

    Args:
        model: A trained Keras 3 model or module of PyTorch; a pipeline of transformers that classifies texts
            or tokens; a fitted classifier with `predict_proba`, or a fitted regressor, as scikit-learn's have
            it; or one behind `howsure.adapters.protocol`. It ends in a distribution over K classes (softmax,
            one sigmoid, or logits), in a yes or no for each of K labels, or in K numbers.
        x: (N, …) rows as the model takes them, in an array, tensor or series; a list or dict of arrays for
            several inputs; a data frame; a file or a folder of images; or batches, from a DataLoader, a
            `tf.data.Dataset`, a `PyDataset` or an iterator. Rows in a list may differ in size, and so may
            batches; all get one plan. Labels and ids that come with the rows become `truth` and `ids` of the
            result.
        method: The source of the passes: `MCDropout()`, which draws as many as the rows need; `Softmax()`,
            the plain prediction; `Ensemble([…])`, `Augmentation([…])`, or the result of
            `LastLayerLaplace.fit`. Default: `MCDropout()` for networks, `Members()` for classifiers and
            regressors that average members, such as a forest, otherwise `PlainPrediction()`.
        seed: Seed of the masks, a whole number ≥ 0.
        batch_size: Rows that run together, ≥ 1; changes speed and memory, not the result.
        outputs: `logits` or `probabilities` of classes, `label-logits` or `label-probabilities` of several
            labels per row; `values`, `mean-variance` or `mean-log-variance` of numbers: K numbers, or K means
            and then K variances or their natural logarithms, in one output or two; `rates`, K expected
            counts, or `log-rates`, their natural logarithms; `quantiles` of answers, with `levels`. Default:
            read from the last layer, the loss, and other signs.
        levels: L shares of answers below the quantiles, ascending, two of them as far from 0.5, such as
            (0.05, 0.5, 0.95). The model puts out (N, K, L), or (N, K · L) with the levels of a target side by
            side; passes are averaged.
        class_names: K names of classes, labels or numbers, in the order of the outputs. Default: those of the
            model, such as `classes_` of a classifier, otherwise '0' … 'K−1'.
        thresholds: Thresholds of `sure` and `coin flip`. Default: 0.95 and 0.20.
        progress: True shows a bar, or lines if stderr is no terminal. A function is called with (rows done,
            rows in all); while batches are gathered, with (0, rows so far).
        output: Name or place from 0 of the output to use, if a model has several.
        outcome: The kind of answer, if howsure should not read it from the model: an `Outcome`, or a class of
            them. See `docs/extend.md`.
        class_axis: Axis of the classes in the output of a model with a class at each position, counted with
            the axis of the rows, such as 1 or −1. Default: the last one in Keras, and the first one after the
            rows in PyTorch.
        keep: `probabilities` to keep those of all K classes at each position. Default: the two top classes.
            Or `groups`, with MC dropout of a fixed number of passes and one answer for each row, so that
            `result.mean_error()` tells the error of a mean over rows; 4 · K · 16 bytes more for each row.
        tile: Sides of tiles, for images or volumes too large for memory: one number, or one for each axis of
            positions. Every tile is assessed by itself, and its inner part is kept. Default: whole rows.
        overlap: Positions that neighbouring tiles share, along each axis, an even number. Default: a quarter
            of the tile. It should be twice as wide as the network sees to one side of a position.
        positions: The positions of each row that count, an array (N, *P) of booleans: words but no padding,
            pixels in the region of interest. All others are left out of shares, of `undecided`, `doubt` and
            `overlap`, and of the rule by which passes end. Default: those that an input `attention_mask` or a
            mask of Keras counts; without either, all.
        rules: Rules of `howsure.fit_rules`: the rows are then calibrated and decided, as `rules(result)`
            does it. Model and method are checked before any row is assessed; in tiles, after the first row.
            Default: those in the graph, if the model is one that was exported with rules.

    Returns:
        N rows of the model's kind of answer, such as a `Certainty` for one class per row, a
        `MultilabelCertainty` for several labels, or a `RegressionCertainty` for numbers.

    Raises:
        InputError: Rows or arguments that cannot be used; names the rows.
        ModelError: The output is of no known kind, or, with `MCDropout`, nothing in the model is random.

    Example:
        >>> certainty = howsure.assess(model, x)
        >>> print(certainty[89])
        45 ± 1 % '6', or '8' (40 %): coin flip.
    """
    return assessed(model, x, method, Request.of(locals()), progress, rules)


@accept_alias
@redirect_method_kwargs
def stream(
    model: Any,
    x: Any,
    *,
    method: Method | None = None,
    seed: int = 0,
    batch_size: int = 256,
    outputs: str | None = None,
    levels: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
    thresholds: Thresholds | None = None,
    progress: Progress = None,
    output: str | int | None = None,
    outcome: Outcome | type[Outcome] | None = None,
    class_axis: int | None = None,
    keep: str | None = None,
    tile: int | Sequence[int] | None = None,
    overlap: int | None = None,
    positions: Any = None,
    rules: Rules | None = None,
) -> Iterator[Result]:
    """As `assess`, but block by block, for more rows than results fit in memory.

    Give `x` as a memory-mapped array (`numpy.load(path, mmap_mode="r")`), and memory does not grow with
    the number of rows. The plan is made once, from all rows, before the first block.

    The arguments are those of `assess`.

    Returns:
        An iterator over results as `assess` gives them, of up to `BLOCK` rows each, in order, their `row`
        counting through; one of none for zero rows. `joined` of their class makes one of several.

    Raises:
        InputError: As in `assess`, before the first block is asked for.
        ModelError: Likewise, but for a model all whose passes are the same, which only a block can show.

    Example:
        >>> for number, block in enumerate(howsure.stream(model, x)):
        ...     block.save(f"certainty-{number:04}.parquet")
        >>> print(howsure.load("certainty-0000.parquet")[0])
        over 97 % '4': sure.
    """
    return streamed(model, x, method, Request.of(locals()), progress, rules)


def assessed(
    model: Any,
    x: Any,
    method: Method | None,
    request: Request,
    progress: Progress = None,
    rules: Rules | None = None,
) -> Result:
    """As `assess`, with all that is wished in one object."""
    begun = time.monotonic()
    with progress_callback(progress, "Assessing") as tell:
        first, *others = streamed(model, x, method, request, tell, rules)
    result = first.joined([first, *others])
    if isinstance(result, results.Result) and LOGGER.isEnabledFor(logging.INFO):
        told: Any = result
        LOGGER.info(
            "Assessed %d rows by %s: %.1f passes a row, %.3f seconds",
            len(result),
            told.method.get("name"),
            np.mean(told.passes) if len(result) else 0,
            time.monotonic() - begun,
        )
    return result


def streamed(
    model: Any,
    x: Any,
    method: Method | None,
    request: Request,
    progress: Progress = None,
    rules: Rules | None = None,
    *,
    of_size: bool = False,
) -> Iterator[Result]:
    """As `stream`, with all that is wished in one object; `of_size` if `_of_sizes` has looked for padding."""
    check_progress(progress)
    check_rules(rules)
    handle = resolve_model(model)
    rows = handle.rows(x, None if isinstance(progress, bool) else progress)
    if request.positions is None and rows.positions is not None:
        request = replace(request, positions=rows.positions)
    if isinstance(rows.x, RowsOfSizes):
        return iter([_of_sizes(handle, rows, rows.x, method, request, progress, rules)])
    chosen: Method = default_method(handle, rows) if method is None else method
    check_method(chosen)
    if request.keep == KEEP_GROUPS:
        chosen = KeptGroups(chosen)
    blocks: Iterator[Result]
    if request.tile is None:
        job = prepare(handle, rows, chosen, request)
        if not of_size:
            of_tokens = getattr(job.outcome, "position_called", "")  # an attention mask, or said already
            _warn_of_padding(handle, job, rows, None if of_tokens else getattr(job.outcome, "counts", None))
    else:
        job, blocks = task_that_tiles().tiled(handle, rows, chosen, request, progress)
    truth = _truth_of(rows, job, came_along=rows is not x)
    if rows.ids is not None:
        rows = replace(rows, ids=check_ids(rows.ids, job.total))
    rules = _rules_of_graph(job.model) if rules is None else rules
    if request.tile is None:
        passes = chosen.begin(job)
        if rules is not None:
            rules.check_origin(_of_no_rows(job, chosen, passes))
        blocks = _blocks(job, chosen, passes, progress)
    blocks = (_with_what_came(block, rows, truth) for block in blocks)
    return blocks if rules is None else map(rules, blocks)


def _of_sizes(
    handle: ModelHandle,
    rows: Rows,
    sizes: RowsOfSizes,
    method: Method | None,
    request: Request,
    progress: Progress,
    rules: Rules | None,
) -> Result:
    """The result of rows of several sizes, in their order: each size is assessed with one plan and one seed.

    Raises:
        InputError: As in `assess`; or the answers have no common form, as numbers for each position.
    """
    numbers, most = sizes.most
    chosen: Method = default_method(handle, Rows(most)) if method is None else method
    check_method(chosen)
    if request.positions is not None and len(request.positions) != len(sizes):
        raise InputError(
            "`positions` does not fit the rows",
            expected=f"a list of {len(sizes)} arrays, one for each row",
            received=f"{len(request.positions)}",
        )
    with numbered(numbers):
        wishes = _of_rows(replace(request, tile=None, overlap=None, positions=None), numbers, len(sizes))
        job = prepare(handle, Rows(most, class_names=rows.class_names), chosen, wishes)
    at_positions = len(job.outcome.columns) > 1
    truth = None if at_positions else _truth_of(rows, replace(job, total=len(sizes)), came_along=True)
    _warn_of_padding(handle, job, rows, request.positions)
    if isinstance(chosen, MCDropout) and chosen.needs.plan:
        chosen = replace(chosen, plan=chosen.make_plan(job, thrifty=True))
    parts: list[Any] = []
    with progress_callback(progress, "Assessing") as tell:
        for numbers, x in sizes.parts:
            done = sum(map(len, parts))
            told = None if tell is None else partial(_tell_more, tell, done, len(sizes))
            with numbered(numbers):
                wishes = _of_rows(request, numbers, len(sizes))
                some = Rows(x, class_names=rows.class_names)
                first, *others = streamed(handle, some, chosen, wishes, told, rules, of_size=True)
            parts.append(first.joined([first, *others]))
    places = [numbers for numbers, _ in sizes.parts]
    if not isinstance(parts[0], results.Result):
        return parts[0]._of_sizes(parts, places)
    parts = [part._changed({"row": numbers}) for part, numbers in zip(parts, places, strict=True)]
    alike = {name: getattr(parts[0], name) for name in ("kind", "method") if parts[0].has(name)}
    result = parts[0].joined([part._changed(alike) for part in parts])
    result = result[np.argsort(result.row)]
    if at_positions and rows.labels is not None:
        with _labels_that_came():
            result = result.with_truth(rows.labels)
    return _with_what_came(result, rows, truth)


def _of_rows(request: Request, numbers: NDArray[np.int64], total: int) -> Request:
    """The wishes for the rows with these numbers, which have one size."""
    positions, outcome = request.positions, request.outcome
    if positions is not None:
        positions = as_array([positions[number] for number in numbers.tolist()], "`positions`")
    if hasattr(outcome, "of_row_numbers"):
        outcome = outcome.of_row_numbers(numbers, total)
    return replace(request, positions=positions, outcome=outcome)


def _tell_more(tell: Callable[[int, int], None], before: int, total: int, done: int, _: int) -> None:
    """Tell of the rows of one size as of those of all sizes."""
    tell(before + done, total)


MOVED = {"bfloat16": 2**-3.5, "float16": 2**-5}
"""Change of a probability, or of a number as a share of it, that counts as one by padding, by type of output:
half of the digits that the type keeps."""

LEAST_MOVED = 1e-3
"""The same of other types: float32 rounds to a tenth of it in deep networks."""


def _warn_of_padding(handle: ModelHandle, job: Job, rows: Rows, positions: Any = None) -> None:
    """Warn if the plain prediction of a row depends on its padding, which two predictions of it show.

    Or if padding counts as a position, because nothing says which positions count.

    Args:
        handle: The handle of the caller's model.
        job: A job of rows of one size.
        rows: All rows.
        positions: The positions that count, of each row, or None.
    """
    of_sizes = isinstance(rows.x, RowsOfSizes)
    if of_sizes:
        found = rows.x.padded_row(positions)
    else:
        names = [spec.name for spec in job.model.info.inputs]
        found = padded_row(np.arange(job.total), dict(zip(names, job.rows, strict=True)), positions)
    if found is None:
        return
    declared, values = handle.declared_specs(), []
    specs = declared or [replace(spec, shape=(None,) * len(spec.shape)) for spec in job.model.info.inputs]
    outcome: Any = job.outcome
    outcome = replace(outcome, counts=None) if hasattr(outcome, "counts") else outcome
    try:
        for row in found.rows:
            arrays = [array[np.arange(1)] for array in cast_rows(check_rows(row, specs), specs)]
            values.append(outcome.values(job.model.predict(arrays)[None], np.arange(1))[0, 0])
        with_padding, bare = values
        sides = np.flatnonzero(np.not_equal(with_padding.shape, bare.shape)).tolist()
        for side, left in zip(sides, found.left, strict=bool(sides)):
            with_padding = with_padding.take(left, axis=side)
        change = np.abs(with_padding - bare)
        least = MOVED.get(job.model.info.output_dtype, LEAST_MOVED)
        if not (change > least * np.maximum(0 if outcome.has_unit else 1, np.abs(bare))).any():
            is_known = positions is not None or job.model.info.padding is not None
            if not is_known and not getattr(outcome, "has_mask", True):
                warn(
                    f"Row {found.number} seems to be padded, and its padding counts in shares of classes. "
                    "Give rows without padding, in a list, or say with `positions` which positions count."
                )
            return
        what = f"changes its plain prediction by up to {change.max():.2g}"
    except Exception:  # whatever the model itself may raise for a row of such a size
        if not of_sizes:  # the model may need rows of this size
            return
        what = "may change its plain prediction, which could not be tested"
    warn(
        f"Row {found.number} was padded, and that {what}: something in the model reads padding, such as a "
        "normalisation or a mean over all positions. Give rows without padding: in a list, or in batches of "
        "one row."
    )


def _rules_of_graph(model: Model) -> Rules | None:
    """The rules in a graph of `howsure.export`, or None."""
    content = model.metadata.get(RULES) if isinstance(model, ColumnsModel) else None
    return None if content is None else rules_in(content)


def _of_no_rows(job: Job, method: Method, passes: Passes) -> Result:
    """A result of no rows, which has the origin of all that follow."""
    return next(_blocks(replace(job, total=0), method, passes, None))


def _truth_of(rows: Rows, job: Job, *, came_along: bool) -> Any:
    """The true answers of all rows as the result keeps them, read before work begins, or None."""
    labels = rows.truth(job.outcome.truth_names)
    if labels is None:
        return None
    with _labels_that_came() if came_along else nullcontext():
        return job.outcome.check_truth(labels, job.total)


@contextmanager
def _labels_that_came() -> Iterator[None]:
    """In this scope an `InputError` says that it is about the labels that came with the rows."""
    try:
        yield
    except InputError as error:
        whom, hint = (
            "The labels that came with the rows",
            "To assess rows without labels, give them alone; with ids as a dict, {'x': rows, 'id': ids}",
        )
        raise error.told_of(whom, hint) from error


def _with_what_came(block: Result, rows: Rows, truth: Any) -> Result:
    """A block of results with the ids and labels of its rows."""
    if not isinstance(block, results.Result):  # the outcome is of a package that has results of its own
        return block
    if rows.frame_index is not None and block.has(results.INDEX):
        named: dict[str, Any] = {results.INDEX: rows.frame_index[vars(block)["row"]]}
        block = block._changed(named)
    if rows.ids is not None and block.has("ids"):
        block = block.with_ids(
            rows.ids[vars(block)["row"]], rows.id_name if block.can_call(rows.id_name) else ID
        )
    if truth is not None and block.has("truth"):
        columns: dict[str, Any] = {"truth": block._one_each(truth[vars(block)["row"]])}
        block = block._changed(columns)
    return block


def _blocks(job: Job, method: Method, passes: Passes, progress: Progress) -> Iterator[Result]:
    """Results block by block; one of none for no rows."""
    kind, version = row_kind(job.model.info.inputs), _version()
    with progress_callback(progress, "Assessing") as tell:
        done = 0

        def finished(count: int) -> None:
            nonlocal done
            done += count
            if tell is not None and count:
                tell(done, job.total)

        # Each number of a row has a histogram, as each of the tracked classes has.
        size = max(1, tuning.BLOCK // (max(1, job.outcome.answers // 3) if job.outcome.has_unit else 1))
        if len(job.outcome.columns) > 1:
            size = max(1, tuning.BLOCK_AT_POSITIONS // math.prod(job.outcome.columns))
        settings = job.settings_of(method, passes)
        for start in range(0, max(1, job.total), size):
            numbers = np.arange(start, min(start + size, job.total))
            of_block = ResultMetadata(numbers, kind, settings, job.seed, passes.plan, version)
            yield passes.result(numbers, finished, job.outcome, of_block)


@functools.cache
def _version() -> str:
    return importlib.metadata.version("howsure")


@accept_alias
@redirect_method_kwargs
def plan(
    model: Any,
    x: Any,
    method: MCDropout | None = None,
    *,
    seed: int = 0,
    batch_size: int = 256,
    outputs: str | None = None,
    levels: Sequence[float] | None = None,
    precision: str | None = None,
    output: str | int | None = None,
    outcome: Outcome | type[Outcome] | None = None,
    class_axis: int | None = None,
) -> Plan:
    """Decide from a pilot how many masks each random layer gets, once and for all rows to come.

    `assess` makes a plan from the rows it is given. With `MCDropout(plan=plan)` it uses this one: then
    a row's numbers depend on nothing but the row, the plan and the seed, and a single row costs no pilot.

    Args:
        model: A trained network, as `assess` takes it.
        x: (N, …) rows like those to come, as for `assess`; some 500 suffice, and their order does not matter.
        method: How passes will be drawn.
        seed: Seed of the pilot's masks, ≥ 0.
        batch_size: Rows that run together.
        outputs: As in `assess`.
        levels: As in `assess`.
        precision: `float32` for a plan that holds on every machine. Default: also bfloat16 for heavy layers
            if the processor is faster in it; a machine that is not refuses such a plan.
        output: As in `assess`.
        outcome: As in `assess`.
        class_axis: As in `assess`.

    Returns:
        A frozen `Plan`; an empty one if `method` asks for a fixed number of passes or independent ones, or if
        there is a class at each position, as passes there follow no plan.
    """
    return planned(model, x, method, Request.of(locals()), precision)


def planned(
    model: Any, x: Any, method: MCDropout | None, request: Request, precision: str | None = None
) -> Plan:
    """As `plan`, with all that is wished in one object."""
    method = MCDropout() if method is None else method
    check_type(method, MCDropout, "method", "howsure.MCDropout(…)")
    check_choice(precision, (FLOAT32, None), "precision")
    handle = resolve_model(model)
    rows = handle.rows(x)
    rows = Rows(rows.x.most[1]) if isinstance(rows.x, RowsOfSizes) else rows
    return method.make_plan(prepare(handle, rows, method, request), precision)


def predict_with_uncertainty(
    model: Any, x: Any, n_iter: int = 10, *, seed: int = 0, batch_size: int = 256
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of `n_iter` passes with dropout on: the function everybody copies, made right.

    Only the random layers are switched (BatchNorm is not), the passes are independent, as in the
    textbook, and both arrays have the shape of the model's output, not of its input.

    Args:
        model: A trained network with dropout.
        x: (N, …) rows to predict, as the model takes them.
        n_iter: Number of passes, ≥ 2.
        seed: Seed of the masks, ≥ 0.
        batch_size: Rows that run together.

    Returns:
        mean (N, K) and variance (N, K) of the model's output over the passes (divided by n_iter, as
        `numpy.var` does), whatever that output is: probabilities or logits are not converted.
    """
    check_whole(n_iter, "n_iter", least=2)
    method = MCDropout(passes=n_iter, balanced=False)
    job = prepare(model, x, method, Request.of(locals()), raw=True)
    mean, variance = zip(*_blocks(job, method, method.begin(job), None), strict=True)
    return np.concatenate(mean), np.concatenate(variance)
