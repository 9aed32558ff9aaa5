"""From what a caller gives to a job for a method: everything that is checked before work begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from howsure.arguments import check_type, check_whole
from howsure.data.rows import cast_rows
from howsure.errors import InputError, ModelError
from howsure.methods.protocol import Job, Method, is_method
from howsure.models.adapt import adapt, capable, check_prediction, rows_for, warn_of_raw_images
from howsure.models.protocol import PassModel
from howsure.models.several import check_output_choice
from howsure.outcomes import outcome_of
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
    outcome = Raw(ready.info.output_shape) if raw else outcome_of(ready.info, outputs, names, limits)

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
