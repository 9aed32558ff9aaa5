"""From what a caller gives to a job for a method: everything that is checked before work begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from howsure.arguments import check_type, check_whole
from howsure.data.rows import cast_rows
from howsure.errors import InputError, ModelError
from howsure.methods.protocol import Job, Method, is_method
from howsure.models.adapt import adapt, capable, check_prediction, rows_for, warn_of_raw_images
from howsure.models.choose_output import check_output_choice
from howsure.models.protocol import Array, Model, PassModel
from howsure.models.wrapped import network_in
from howsure.outcomes import outcome_of
from howsure.outcomes.meant import check_meant
from howsure.outcomes.outcome import Outcome
from howsure.outcomes.raw import Raw
from howsure.results.verdict import Thresholds
from howsure.sampling.randomness import check_random


def check_method(method: object) -> None:
    """Raise an `InputError` unless this is a method."""
    if not is_method(method):
        raise InputError(
            "`method` cannot be used",
            expected="howsure.MCDropout(), Softmax(), Ensemble([…]), Augmentation([…]) or LastLayerLaplace; "
            "of a classifier PlainPrediction() or Members()",
            received=repr(method),
        )


def prepare(
    model: Any,
    x: Any,
    method: Method,
    seed: int,
    batch_size: int,
    outputs: str | None = None,
    names: Sequence[str] | None = None,
    thresholds: Thresholds | None = None,
    *,
    raw: bool = False,
    first: Job | None = None,
    output: str | int | None = None,
) -> Job:
    """All arguments checked, and everything a method begins with.

    Args:
        model: As a caller gives it.
        x: Rows, likewise.
        method: Which will begin.
        seed: As in `assess`.
        batch_size: As in `assess`.
        outputs: As in `assess`.
        names: As in `assess`.
        thresholds: As in `assess`.
        raw: Whether the raw outputs are wanted, whatever they mean.
        output: As in `assess`.
        first: The job whose answers are to be put together with those of this one.
    """
    check_whole(seed, "seed", least=0)
    check_whole(batch_size, "batch_size", least=1)
    check_output_choice(output)
    check_type(outputs, (str, type(None)), "outputs", "a text such as 'logits', or None")
    if thresholds is not None:
        check_type(thresholds, Thresholds, "thresholds", "howsure.Thresholds(sure=0.95, coin_flip=0.2)")
    needs = method.needs
    given = rows_for(model, x)
    adapted, rows = adapt(
        model, given, gaussian_noise=needs.gaussian_noise, keep_off=needs.keep_off, output=output
    )
    ready = capable(adapted, needs.model, type(method).__name__)
    if isinstance(ready, PassModel) and needs.model is PassModel:
        check_random(ready)
    else:
        check_prediction(ready)
    warn_of_raw_images(ready, rows)
    limits = Thresholds() if thresholds is None else thresholds
    if raw:
        outcome: Outcome = Raw(ready.info.output_shape)
    else:
        outcome = outcome_of(ready.info, outputs, names, limits, given.class_names)
        if outputs is None:
            check_wrapped(model, ready, rows, outcome)
        if outputs is None and first is None:
            named = names is not None or given.class_names is not None
            check_meant(ready, rows, batch_size, told=named or given.labels is not None)
    if names is None and ready.info.class_names is None:
        names = given.class_names

    def again(method: Method, *, model: Any = model, change: Callable[[Any], Any] | None = None) -> Job:
        changed = given.x if change is None else change(given.x)
        return prepare(
            model, changed, method, seed, batch_size, outputs, names, thresholds, first=job, output=output
        )

    job = Job(
        ready, cast_rows(rows, ready.info.inputs), len(rows[0]), outcome, int(seed), int(batch_size), again
    )
    if first is not None:
        _check_alike(job, first)
    return job


def check_wrapped(model: Any, ready: Model, rows: Sequence[Array], outcome: Outcome) -> None:
    """Raise a `ModelError` where what wraps a network predicts something else than is read of the network."""
    wrapped = network_in(model)

    def probabilities(raw: Array) -> Array:
        return outcome.values(raw, np.arange(raw.shape[1]))

    if wrapped is not None and not wrapped.is_predicted(ready, rows, probabilities):
        raise ModelError(
            f"`predict_proba` of this {type(model).__name__} says something else than its network "
            f"'{ready.info.name}' does",
            expected="a wrapper that makes of the outputs of its network what its loss says",
            received="other probabilities for the same rows",
            mend="Say what the network puts out: outputs='logits' if a softmax or sigmoid is still due, "
            "outputs='probabilities' if not",
        )


def _check_alike(job: Job, first: Job) -> None:
    """Two jobs have the same rows and outcome, or an error that says so."""
    if job.total != first.total:
        raise InputError(
            "A change of rows changes how many they are",
            expected=f"{first.total} rows, as there were",
            received=job.total,
        )
    if (job.outcome.name, job.outcome.width) != (first.outcome.name, first.outcome.width):
        raise ModelError(
            f"Model '{job.model.info.name}' is no member of an ensemble with '{first.model.info.name}'",
            expected=f"an output of {first.outcome.width} {first.outcome.name}",
            received=f"one of {job.outcome.width} {job.outcome.name}",
        )
