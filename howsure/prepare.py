"""From what a caller gives to a job for a method: everything that is checked before work begins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from howsure.adapters.protocol import ModelInfo, PassModel
from howsure.adapters.resolve import resolve_model, warn_of_raw_images
from howsure.errors import InputError, ModelError
from howsure.inputs.rows import cast_rows, quoted
from howsure.inputs.transforms import Change
from howsure.methods.protocol import Job, Method, is_method
from howsure.request import Request
from howsure.sampling.outcome import Outcome
from howsure.sampling.randomness import check_random
from howsure.tasks.output_semantics import infer_outcome
from howsure.tasks.raw import Raw


def check_method(method: object) -> None:
    """Raise an `InputError` unless this is a method."""
    if not is_method(method):
        raise InputError(
            "`method` cannot be used",
            expected="howsure.MCDropout(), Softmax(), Ensemble([…]), Augmentation([…]) or LastLayerLaplace; "
            "of a model of scikit-learn PlainPrediction() or Members()",
            received=repr(method),
        )


def prepare(
    model: Any,
    x: Any,
    method: Method,
    request: Request,
    *,
    raw: bool = False,
    first: Job | None = None,
    undo: Change | None = None,
) -> Job:
    """Everything a method begins with.

    Args:
        model: As a caller gives it, or its handle.
        x: The rows, as a caller gives them.
        method: The method that will begin.
        request: The wishes of the caller.
        raw: Whether the raw outputs are wanted, whatever they mean.
        first: The job whose answers are to be put together with those of this one.
        undo: Moves outputs (n, …) for moved rows back; None if none moved.

    Raises:
        InputError: Rows, names or outputs that cannot be used.
        ModelError: The model cannot do what the method needs, or does not say what its outputs are.
    """
    needs = method.needs
    handle = resolve_model(model)
    all_rows = handle.rows(x)
    ready, rows = handle.ready(
        all_rows,
        needs.model,
        type(method).__name__,
        gaussian_noise=needs.gaussian_noise,
        keep_off=needs.keep_off,
        output=request.assessed_output,
    )
    if needs.model is PassModel:
        check_random(ready)
    warn_of_raw_images(ready, rows)
    order = None if first is None else _order_of_classes(ready.info, first)
    if order is not None:  # names in the request are in the order of the first model
        request = replace(request, class_names=None)
    if raw:
        outcome: Outcome = Raw(ready.info.output_shape)
    else:
        outcome = infer_outcome(ready, rows, request, all_rows, None if first is None else first.model.info)
    wished = request
    if request.class_names is None and ready.info.class_names is None:
        wished = replace(request, class_names=all_rows.class_names)

    before = undo

    def again(
        method: Method, *, model: Any = handle, change: Change | None = None, undo: Change | None = None
    ) -> Job:
        x = all_rows.x if change is None else change(all_rows.x)
        both = before if undo is None else undo if before is None else lambda raw: before(undo(raw))
        return prepare(model, x, method, wished, first=job, undo=both)

    if order is not None:
        outcome = outcome.in_order(order)
    if undo is not None:
        outcome = outcome.moved_back(undo)
    casted = cast_rows(rows, ready.info.inputs)
    outcome = outcome.of_rows(ready, casted, len(rows[0]), request.positions)
    seed, batch_size = int(request.seed), int(request.batch_size)
    job = Job(ready, casted, len(rows[0]), outcome, seed, batch_size, again, derived=first is not None)
    if first is not None:
        _check_alike(job, first)
    return job


def _order_of_classes(own: ModelInfo, first: Job) -> list[int] | None:
    """The places of a first job's classes in the outputs of a model; None if both are in order.

    Raises:
        ModelError: Both name their classes, and they are others.
    """
    names, order = first.model.info.class_names, getattr(first.outcome, "order", None)
    if own.class_names is None or names is None:
        return None
    names = names if order is None else tuple(names[place] for place in order)
    if sorted(own.class_names) != sorted(names):
        raise ModelError(
            f"Model '{own.name}' knows other classes than the first, '{first.model.info.name}'",
            expected=quoted(names),
            received=quoted(own.class_names),
            hint="Give it the same classes in training, or leave it out",
        )
    return None if own.class_names == names else [own.class_names.index(name) for name in names]


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
            f"Model '{job.model.info.name}' has other outputs than the first, '{first.model.info.name}'",
            expected=f"an output of {first.outcome.width} {first.outcome.name}",
            received=f"one of {job.outcome.width} {job.outcome.name}",
        )
