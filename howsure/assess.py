"""`assess`: a trained model and rows in, a `Certainty` out. The page to read first.

model ─ adapter ─┐
                 ├─ passes ─ summary ─ Certainty
rows ─ checks ───┘
"""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.certainty import Certainty, check_class_names
from howsure.data import InputSpec, check_rows, row_kind
from howsure.dropout.method import MCDropout
from howsure.errors import HowsureWarning, InputError, ModelError
from howsure.models import StochasticModel, framework_of
from howsure.outputs import read_outputs, to_probabilities
from howsure.verdict import Thresholds

Array = NDArray[Any]

BLOCK = 8192
"""Rows whose running sums are held at a time; bounds memory, whatever the number of rows."""


def assess(
    model: Any,
    x: Any,
    *,
    method: MCDropout | None = None,
    seed: int = 0,
    batch_size: int = 256,
    outputs: str | None = None,
    class_names: Sequence[str] | None = None,
    thresholds: Thresholds | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Certainty:
    """Say for each row what the model predicts, how certain that is, and why it is unsure.

    The model is left exactly as found, also after an exception. Same seed, same row: same numbers,
    whatever the batch size, row order or neighbours.

    Args:
        model: A trained Keras 3 model whose output is a distribution over K classes (softmax, one
            sigmoid, or logits).
        x: (N, …) rows as the model takes them; a list or dict of arrays for several inputs.
        method: How passes are drawn; None stands for `MCDropout()`, as many as the rows need.
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
        ModelError: Nothing in the model is random, or its output is no distribution over classes.

    Example:
        >>> certainty = howsure.assess(model, x)            # doctest: +SKIP
        >>> print(certainty[certainty.coin_flips()[0]])     # doctest: +SKIP
        51 ± 1 % '8', or '6' (46 %): coin flip. The image itself is ambiguous.
    """
    method = MCDropout() if method is None else method
    thresholds = Thresholds() if thresholds is None else thresholds
    check_whole(seed, "seed", least=0)
    check_whole(batch_size, "batch_size", least=1)
    adapter, rows, specs = prepare(model, x, method)
    output_kind = read_outputs(outputs, adapter.output_activation, adapter.output_shape, adapter.name)
    classes = max(2, adapter.output_shape[-1])
    names = check_class_names(class_names, classes)

    total = len(rows[0])
    done = 0

    def finished(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, total)

    def to_sum_up(raw: NDArray[np.float32], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        return to_probabilities(raw, output_kind, adapter.name, numbers)

    blocks = [
        method.assess_block(
            adapter,
            block,
            numbers,
            seed=seed,
            batch_size=batch_size,
            convert=to_sum_up,
            shape=(classes,),
            thresholds=thresholds,
            progress=finished,
        )
        for numbers, block in _blocks(rows, specs)
    ]
    if total and not any(summary.variance.any() for summary in blocks):
        _check_that_passes_differ(adapter)
    return Certainty(
        probabilities=_joined([summary.probabilities for summary in blocks], (0, classes)),
        mc_error=_joined([summary.mc_error for summary in blocks], (0, classes)),
        expected_entropy=_joined([summary.expected_entropy for summary in blocks], (0,)),
        passes=_joined([summary.passes for summary in blocks], (0,)).astype(np.int64),
        class_names=names,
        row=np.arange(total),
        kind=row_kind(specs),
        thresholds=thresholds,
        method=method.settings,
        seed=int(seed),
        version=importlib.metadata.version("howsure"),
    )


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
    method = MCDropout(passes=n_iter, balanced=False)
    check_whole(seed, "seed", least=0)
    check_whole(batch_size, "batch_size", least=1)
    adapter, rows, specs = prepare(model, x, method)
    blocks = [
        method.assess_block(
            adapter,
            block,
            numbers,
            seed=seed,
            batch_size=batch_size,
            convert=lambda raw, _: raw,
            shape=adapter.output_shape,
            thresholds=Thresholds(),
            progress=lambda count: None,
        )
        for numbers, block in _blocks(rows, specs)
    ]
    empty = (0, *adapter.output_shape)
    return _joined([block.probabilities for block in blocks], empty), _joined(
        [block.variance for block in blocks], empty
    )


def prepare(model: Any, x: Any, method: MCDropout) -> tuple[StochasticModel, list[Array], list[InputSpec]]:
    """Examine a model and check rows; says aloud what in the model stays fixed though it should vary.

    Returns:
        The adapter, the checked rows in the order of the inputs, and the inputs.

    Raises:
        InputError: The rows do not fit.
        ModelError: Not a model, nothing random in it, or a random layer that cannot be done right.
    """
    if framework_of(model) == "keras":
        from howsure.models.keras import adapt

        adapter, rows, specs = adapt(model, x, gaussian_noise=method.gaussian_noise)
    else:
        specs = model.inputs
        adapter, rows = model, check_rows(x, specs)
    _check_random(adapter)
    if adapter.sites and not adapter.rescales:
        _warn_of_raw_images(rows, specs)
    return adapter, rows, specs


def _check_random(adapter: StochasticModel) -> None:
    unswitchable = adapter.unswitchable()
    refused = [found for found in unswitchable if found.refused]
    if refused:
        raise ModelError(
            f"Layer '{refused[0].name}' cannot be done right: {refused[0].what}",
            expected="a Dropout subclass that draws only through super().call",
            mend="Let its call end in super().call(inputs, training=True) instead of drawing itself",
        )
    left_fixed = "; ".join(f"'{found.name}': {found.what}" for found in unswitchable)
    if not adapter.sites:
        raise ModelError(
            f"Model '{adapter.name}' has no random layer that can be switched on, so all its passes would be "
            "the same" + (f", and what is random in it is out of reach ({left_fixed})" if left_fixed else ""),
            expected="Dropout (rate above 0), SpatialDropout, AlphaDropout or GaussianDropout",
            received=f"layers {', '.join(adapter.layer_names) or 'none'}",
            mend="What needs no random layer: the plain softmax of model.predict, or the mean of several "
            "networks trained from different seeds. To use dropout, train a network that has it",
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


def _blocks(
    rows: Sequence[Array], specs: Sequence[InputSpec]
) -> Iterator[tuple[NDArray[np.int64], list[Array]]]:
    """Numbers of the rows of a block and the rows, cast to what the inputs take, a block at a time."""
    for start in range(0, len(rows[0]), BLOCK):
        parts = zip(rows, specs, strict=True)
        block = [np.asarray(array[start : start + BLOCK]).astype(spec.dtype) for array, spec in parts]
        yield np.arange(start, start + len(block[0])), block


def _joined(parts: Sequence[NDArray[Any]], empty: tuple[int, ...]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(empty)


def check_whole(value: object, name: str, *, least: int) -> None:
    """Raise an `InputError` unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(
            f"`{name}` cannot be used", expected=f"a whole number of at least {least}", received=repr(value)
        )
