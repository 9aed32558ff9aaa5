"""`assess`: a trained model and rows in, a `Certainty` out. The page to read first.

model ─ adapter ─┐
                 ├─ passes ─ summary ─ Certainty
rows ─ checks ───┘
"""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.data.labels import check_class_names
from howsure.data.rows import InputSpec, check_rows, row_kind
from howsure.errors import HowsureWarning, InputError, ModelError
from howsure.methods.augmentation import Augmentation
from howsure.methods.ensemble import Ensemble, combined
from howsure.methods.laplace import LastLayerLaplace
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.softmax import Softmax, predict_rows
from howsure.models import StochasticModel, framework_of
from howsure.models.trained_for import check_trained_for
from howsure.outcomes.outputs import read_outputs, to_probabilities
from howsure.results.certainty import Certainty
from howsure.results.verdict import Thresholds
from howsure.sampling.pilot import make_plan
from howsure.sampling.plan import Plan
from howsure.sampling.rounds import Run, draw_passes, in_precision

Array = NDArray[Any]
Several = Ensemble | Augmentation
Single = MCDropout | Softmax | LastLayerLaplace
Method = Single | Several

BLOCK = 8192
"""Rows whose running sums are held at a time; bounds memory, whatever the number of rows."""


def assess(
    model: Any,
    x: Any,
    *,
    method: Method | None = None,
    seed: int = 0,
    batch_size: int = 256,
    outputs: str | None = None,
    class_names: Sequence[str] | None = None,
    thresholds: Thresholds | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Certainty:
    """Say for each row what the model predicts, how certain that is, and why it is unsure.

    The model is left exactly as found, also after an exception; what was compiled for it stays with it,
    for the next call. Same plan, same seed, same row: same numbers, whatever the batch size, row order or
    neighbours. Without a plan one is made from the rows given (see `plan`); `MCDropout(passes=T)` needs
    none.

    Args:
        model: A trained Keras 3 model whose output is a distribution over K classes (softmax, one
            sigmoid, or logits).
        x: (N, …) rows as the model takes them; a list or dict of arrays for several inputs.
        method: What produces the passes: `MCDropout()`, which None stands for and which draws as many as
            the rows need; `Softmax()`, the plain prediction; `Ensemble([…])`, `Augmentation([…])`, or what
            `LastLayerLaplace.fit` made.
        seed: Seed of the masks, a whole number ≥ 0.
        batch_size: Rows that run together, ≥ 1; changes speed and memory, not the result.
        outputs: `logits` or `probabilities`; None reads it from the last layer.
        class_names: K names in the order of the outputs; None stands for '0' … 'K−1'.
        thresholds: Where `sure` and `coin flip` lie; None stands for 0.95 and 0.20.
        progress: Called with (rows done, rows in all).

    Returns:
        A `Certainty` of N rows; of none for zero rows.

    Raises:
        InputError: Rows or arguments that cannot be used; names the rows.
        ModelError: Its output is no distribution over classes, or, with `MCDropout`, nothing in the model
            is random.

    Example:
        >>> certainty = howsure.assess(model, x)            # doctest: +SKIP
        >>> print(certainty[certainty.coin_flips()[0]])     # doctest: +SKIP
        51 ± 1 % '8', or '6' (46 %): coin flip. The image itself is ambiguous.
    """
    blocks = stream(
        model,
        x,
        method=method,
        seed=seed,
        batch_size=batch_size,
        outputs=outputs,
        class_names=class_names,
        thresholds=thresholds,
        progress=progress,
    )
    return Certainty.joined(list(blocks))


def stream(
    model: Any,
    x: Any,
    *,
    method: Method | None = None,
    seed: int = 0,
    batch_size: int = 256,
    outputs: str | None = None,
    class_names: Sequence[str] | None = None,
    thresholds: Thresholds | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Certainty]:
    """As `assess`, but block by block, for more rows than results fit in memory.

    Give `x` as a memory-mapped array (`numpy.load(path, mmap_mode="r")`), and memory does not grow with
    the number of rows. The plan is made once, from all rows, before the first block.

    Args:
        model: See `assess`, as for all arguments.
        x: (N, …) rows.
        method: How passes are drawn.
        seed: Seed of the masks.
        batch_size: Rows that run together.
        outputs: `logits` or `probabilities`.
        class_names: K names.
        thresholds: Where `sure` and `coin flip` lie.
        progress: Called with (rows done, rows in all).

    Returns:
        An iterator over `Certainty` objects of up to `BLOCK` rows each, in order, their `row` counting
        through; one of none for zero rows. `Certainty.joined` makes one of several.

    Raises:
        InputError: As in `assess`, before the first block is asked for.
        ModelError: Likewise, but for a model all whose passes are the same, which only a block can show.

    Example:
        >>> for number, block in enumerate(howsure.stream(model, x)):  # doctest: +SKIP
        ...     block.save(f"certainty-{number:04}.parquet")
    """
    method = MCDropout() if method is None else method
    _check_type(
        method,
        Method,
        "method",
        "howsure.MCDropout(), Softmax(), Ensemble([…]), Augmentation([…]) or LastLayerLaplace",
    )
    each = method.each if isinstance(method, Several) else method
    members = method.members(model, x) if isinstance(method, Several) else [(model, x)]
    prepared = [
        _prepare_run(member, rows, each, seed, batch_size, outputs, thresholds) for member, rows in members
    ]
    runs = [run for run, _ in prepared]
    run, specs = prepared[0]
    _check_members(runs)
    names = check_class_names(class_names, run.shape[-1])
    if isinstance(method, Several):
        return _blocks_of_several(runs, method, names, row_kind(specs), progress)
    return _blocks_of(run, each, names, row_kind(specs), progress)


def _check_members(runs: Sequence[Run]) -> None:
    """All members tell the same number of classes apart, of the same rows, or an error that says so."""
    for run in runs:
        if len(run.numbers) != len(runs[0].numbers):
            raise InputError(
                "A change of rows changes how many they are",
                expected=f"{len(runs[0].numbers)} rows, as there were",
                received=len(run.numbers),
            )
        if run.shape != runs[0].shape:
            raise ModelError(
                f"Model '{run.model.name}' is no member of an ensemble with '{runs[0].model.name}'",
                expected=f"an output of {runs[0].shape[-1]} classes",
                received=f"one of {run.shape[-1]}",
            )


def _blocks_of_several(
    runs: Sequence[Run],
    method: Several,
    class_names: tuple[str, ...],
    kind: str,
    progress: Callable[[int, int], None] | None,
) -> Iterator[Certainty]:
    done = [0] * len(runs)

    def of_member(number: int) -> Callable[[int, int], None]:
        def finished(rows: int, total: int) -> None:
            done[number] = rows
            if progress is not None:
                progress(sum(done) // len(done), total)

        return finished

    streams = [
        _blocks_of(run, method.each, class_names, kind, of_member(number)) for number, run in enumerate(runs)
    ]
    for blocks in zip(*streams, strict=True):
        yield combined(blocks, method.settings)


def _blocks_of(
    run: Run,
    method: Single,
    class_names: tuple[str, ...],
    kind: str,
    progress: Callable[[int, int], None] | None,
) -> Iterator[Certainty]:
    total, done = len(run.numbers), 0

    def finished(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None and count:
            progress(done, total)

    chosen = Plan()
    if isinstance(method, MCDropout):
        if method.plan is not None:
            method.plan.check_fits(run.model.sites, run.model.levels)
        chosen = make_plan(method, run) if method.plan is None else method.plan
        run = in_precision(run, chosen)
    for block in _blocks(run):
        if isinstance(method, MCDropout):
            passes = draw_passes(method, chosen, block, finished)
            if len(block.numbers) and not passes.variance.any():
                _check_that_passes_differ(run.model)
        elif isinstance(method, Softmax):
            passes = predict_rows(block, finished)
        else:
            inputs = [rows[block.numbers] for rows in block.rows]
            passes = method.summed_up(run.model.features(inputs, run.batch_size), run.seed)
            finished(len(block.numbers))
        entropy_error, expected_entropy_error, mutual_information_error = passes.entropies_error.T
        yield Certainty(
            probabilities=passes.probabilities,
            mc_error=passes.mc_error,
            expected_entropy=passes.expected_entropy,
            passes=passes.passes,
            class_names=class_names,
            row=block.numbers,
            entropy_correction=passes.entropy_correction,
            entropy_error=entropy_error,
            expected_entropy_error=expected_entropy_error,
            mutual_information_error=mutual_information_error,
            kind=kind,
            thresholds=run.thresholds,
            method=method.settings,
            seed=run.seed,
            plan=chosen.settings or None,
            version=importlib.metadata.version("howsure"),
        )


def plan(
    model: Any,
    x: Any,
    method: MCDropout | None = None,
    *,
    seed: int = 0,
    batch_size: int = 256,
    outputs: str | None = None,
) -> Plan:
    """Decide from a pilot how many masks each random layer gets, once and for all rows to come.

    `assess` makes a plan from the rows it is given. With `MCDropout(plan=plan)` it uses this one: then
    a row's numbers depend on nothing but the row, the plan and the seed, and a single row costs no pilot.

    Args:
        model: A trained Keras 3 model, as `assess` takes it.
        x: (N, …) rows like those to come; some 500 suffice, and their order does not matter.
        method: How passes will be drawn.
        seed: Seed of the pilot's masks, ≥ 0.
        batch_size: Rows that run together.
        outputs: As in `assess`.

    Returns:
        A frozen `Plan`; an empty one where `method` asks for a fixed number of passes or independent ones.
    """
    method = MCDropout() if method is None else method
    _check_type(method, MCDropout, "method", "howsure.MCDropout(…)")
    run, _ = _prepare_run(model, x, method, seed, batch_size, outputs, thresholds=None)
    return make_plan(method, run)


def predict_with_uncertainty(
    model: Any, x: Any, n_iter: int = 10, *, seed: int = 0, batch_size: int = 256
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of `n_iter` passes with dropout on: the function everybody copies, made right.

    Only the random layers are switched (BatchNorm is not), the passes are independent, as in the
    textbook, and both arrays have the shape of the model's output, not of its input.

    Args:
        model: A trained Keras 3 model with dropout.
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
    check_whole(seed, "seed", least=0)
    check_whole(batch_size, "batch_size", least=1)
    adapter, rows, specs = prepare(model, x, method)
    run = Run(
        adapter,
        _cast(rows, specs),
        np.arange(len(rows[0])),
        lambda raw, _: raw,
        adapter.output_shape,
        seed,
        batch_size,
        Thresholds(),
    )
    blocks = [draw_passes(method, Plan(), block, lambda count: None) for block in _blocks(run)]
    mean = np.concatenate([block.probabilities for block in blocks])
    return mean, np.concatenate([block.variance for block in blocks])


def _prepare_run(
    model: Any,
    x: Any,
    method: Single,
    seed: int,
    batch_size: int,
    outputs: str | None,
    thresholds: Thresholds | None,
) -> tuple[Run, list[InputSpec]]:
    """All arguments checked, and everything that drawing passes needs."""
    check_whole(seed, "seed", least=0)
    check_whole(batch_size, "batch_size", least=1)
    if thresholds is not None:
        _check_type(thresholds, Thresholds, "thresholds", "howsure.Thresholds(sure=0.95, coin_flip=0.2)")
    adapter, rows, specs = prepare(model, x, method)
    kind = read_outputs(outputs, adapter.output_activation, adapter.output_shape, adapter.name)
    if outputs is None:
        check_trained_for(adapter, kind)

    def convert(raw: NDArray[np.float32], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        return to_probabilities(raw, kind, adapter.name, numbers, adapter.output_dtype)

    run = Run(
        model=adapter,
        rows=_cast(rows, specs),
        numbers=np.arange(len(rows[0])),
        convert=convert,
        shape=(max(2, adapter.output_shape[-1]),),
        seed=int(seed),
        batch_size=int(batch_size),
        thresholds=Thresholds() if thresholds is None else thresholds,
    )
    return run, specs


def prepare(model: Any, x: Any, method: Single) -> tuple[StochasticModel, list[Array], list[InputSpec]]:
    """Examine a model and check rows; says aloud what in the model stays fixed though it should vary.

    Returns:
        The adapter, the checked rows in the order of the inputs, and the inputs.

    Raises:
        InputError: The rows do not fit.
        ModelError: Not a model, nothing random in it, or a random layer that cannot be done right.
    """
    if framework_of(model) == "keras":
        from howsure.models.keras.model import adapt

        noise = isinstance(method, MCDropout) and method.gaussian_noise
        adapter, rows, specs = adapt(model, x, gaussian_noise=noise)
        if not isinstance(method, MCDropout):
            adapter.check_prediction()
    else:
        specs = model.inputs
        adapter, rows = model, check_rows(x, specs)
    if isinstance(method, MCDropout):
        _check_random(adapter)
    if not adapter.rescales:
        _warn_of_raw_images(rows, specs)
    return adapter, rows, specs


def _check_random(adapter: StochasticModel) -> None:
    unswitchable = adapter.unswitchable()
    refused = [found for found in unswitchable if found.refused]
    if refused:
        raise ModelError(
            f"Layer '{refused[0].name}' cannot be done right: {refused[0].what}",
            expected="layers that leave the drawing to Keras's random layers",
            mend="In a subclass of Dropout draw through super().call(inputs, training=True); elsewhere use a "
            "Dropout layer",
        )
    left_fixed = "; ".join(f"'{found.name}': {found.what}" for found in unswitchable)
    if not adapter.sites:
        raise ModelError(
            f"Model '{adapter.name}' has no random layer that can be switched on, so all its passes would be "
            "the same" + (f", and what is random in it is out of reach ({left_fixed})" if left_fixed else ""),
            expected="Dropout (rate above 0), SpatialDropout, AlphaDropout or GaussianDropout",
            received=f"layers {', '.join(adapter.layer_names) or 'none'}",
            mend="What needs no random layer: method=howsure.Softmax(), or howsure.Ensemble([…]) of networks "
            "trained from different seeds. To use dropout, train a network that has it",
        )
    if left_fixed:
        warnings.warn(
            f"Part of what is random in model '{adapter.name}' cannot be switched on yet and stays off, so "
            f"its uncertainty may be understated: {left_fixed}.",
            HowsureWarning,
            stacklevel=4,
        )


def _warn_of_raw_images(rows: Sequence[Array], specs: Sequence[InputSpec]) -> None:
    for array, spec in zip(rows, specs, strict=True):
        if not (array.dtype == np.uint8 and spec.dtype.startswith(("float", "bfloat")) and len(array)):
            continue
        seen = array[: min(len(array), 1024)]
        if seen.max() > 1:
            warnings.warn(
                f"The rows of '{spec.name}' are uint8, from {seen.min()} to {seen.max()}, and nothing in the "
                "model rescales them. If it was trained on values from 0 to 1, divide them by 255 first "
                "(on the command line: --divide-by 255).",
                HowsureWarning,
                stacklevel=4,
            )


def _check_that_passes_differ(adapter: StochasticModel) -> None:
    """Zero spread over all rows is an error, unless the rows are to blame and not the model."""
    if adapter.probe() == 0:
        raise ModelError(
            f"All passes of model '{adapter.name}' are the same, although it has random layers",
            expected="outputs that depend on what "
            + ", ".join(f"'{site.name}'" for site in adapter.sites)
            + " drops",
            mend="howsure.audit(model) shows where the randomness is lost",
        )


class _CastRows:
    """Rows that are cast to what the input takes only when they are looked at."""

    def __init__(self, array: Array, dtype: str) -> None:
        self._array, self._dtype = array, dtype

    def __getitem__(self, positions: Any) -> Array:
        return np.asarray(self._array[positions]).astype(self._dtype)


def _cast(rows: Sequence[Array], specs: Sequence[InputSpec]) -> list[_CastRows]:
    return [_CastRows(array, spec.dtype) for array, spec in zip(rows, specs, strict=True)]


def _blocks(run: Run) -> Iterator[Run]:
    """The same with `BLOCK` rows at a time, whose running sums fit in memory; one of none for no rows."""
    for start in range(0, max(1, len(run.numbers)), BLOCK):
        yield replace(run, numbers=run.numbers[start : start + BLOCK])


def _check_type(value: object, wanted: Any, name: str, example: str) -> None:
    if not isinstance(value, wanted):
        raise InputError(f"`{name}` cannot be used", expected=example, received=repr(value))


def check_whole(value: object, name: str, *, least: int) -> None:
    """Raise an `InputError` unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(
            f"`{name}` cannot be used", expected=f"a whole number of at least {least}", received=repr(value)
        )
