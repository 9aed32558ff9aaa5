"""From what a caller gives to a job for a method: everything that is checked before work begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from howsure.adapters.protocol import Array, ColumnsModel, ModelInfo, PassModel
from howsure.adapters.resolve import ModelHandle, resolve_model, warn_of_raw_images
from howsure.errors import InputError, ModelError
from howsure.inputs.rows import Rows, cast_rows, quoted
from howsure.inputs.transforms import Change
from howsure.methods.protocol import Job, Method
from howsure.request import Request
from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Outcome
from howsure.sampling.randomness import check_random
from howsure.tasks.output_semantics import infer_outcome
from howsure.tasks.raw import Raw


def prepare(model: Any, x: Any, method: Method, request: Request, *, raw: bool = False) -> Job:
    """The input of a method: the model adapted, the rows checked, and what the outputs are.

    Args:
        model: As a caller gives it, or its handle.
        x: The rows, as a caller gives them.
        method: The method that will begin.
        request: The wishes of the caller.
        raw: Whether the raw outputs are wanted, whatever they mean.

    Raises:
        InputError: Rows, names or outputs that cannot be used.
        ModelError: The model cannot do what the method needs, or does not say what its outputs are.
    """
    handle = resolve_model(model)
    rows = handle.rows(x)
    ready, arrays = _adapted(handle, rows, method, request)
    if isinstance(ready, ColumnsModel):
        request = _of_graph(ready, request)
    if raw:
        outcome: Outcome = Raw(ready.info.output_shape)
    else:
        outcome = infer_outcome(ready, arrays, request, rows)
    if request.class_names is None and ready.info.class_names is None:
        request = replace(request, class_names=rows.class_names)
    return _job(ready, arrays, outcome, CallArguments(handle, rows.x, request))


FIXED = ("outputs", "outcome", "class_axis", "keep", "tile", "positions")
"""Wishes that a graph cannot follow: its export has settled them."""


def _of_graph(graph: ColumnsModel, request: Request) -> Request:
    """The wishes, with the thresholds of a graph where the caller has none; an error for one of `FIXED`."""
    asked = [name for name in FIXED if getattr(request, name) is not None]
    seed = int(graph.metadata["seed"])
    if request.seed not in (0, seed):
        asked.append("seed")
    if asked:
        raise InputError(
            f"`{asked[0]}` has no effect on a graph: its export has settled it",
            expected=f"no `{asked[0]}`",
            received=getattr(request, asked[0]),
            hint="Assess the model from which the graph was exported, or export it so",
        )
    limits = graph.metadata.get("thresholds")
    if limits is None or request.thresholds is not None:
        return request
    return replace(request, thresholds=Thresholds(**limits))


@dataclass(frozen=True, eq=False)
class CallArguments:
    """The model, rows and wishes that a job was made from, to make more jobs like it.

    Attributes:
        handle: The handle of the caller's model.
        x: The rows, in the form that the model takes.
        request: The wishes of the caller.
        undo: Moves outputs (n, …) for moved rows back; None if none moved.
    """

    handle: ModelHandle
    x: Any
    request: Request
    undo: Change | None = None

    def job(self, first: Job, method: Method, model: Any, change: Change | None, undo: Change | None) -> Job:
        """As `Job.again` of the job `first` that was made from this.

        Raises:
            InputError: A change makes other rows of them than the model takes.
            ModelError: The model is not of the same kind as the first.
        """
        handle = self.handle if model is None else resolve_model(model)
        rows = handle.rows(self.x if change is None else change(self.x))
        ready, arrays = _adapted(handle, rows, method, self.request)
        order = _order_of_classes(ready.info, first)
        # Names in the request are in the order of the first model.
        request = self.request if order is None else replace(self.request, class_names=None)
        outcome = infer_outcome(ready, arrays, request, rows, first.model.info)
        if order is not None:
            outcome = outcome.in_order(order)
        undo = _one_after_the_other(undo, self.undo)
        if undo is not None:
            outcome = outcome.moved_back(undo)
        job = _job(ready, arrays, outcome, CallArguments(handle, rows.x, request, undo), derived=True)
        _check_alike(job, first)
        return job


def _adapted(handle: ModelHandle, rows: Rows, method: Method, request: Request) -> tuple[Any, list[Array]]:
    """The adapted model, able to do what the method needs, and its checked rows."""
    needs = method.needs
    ready, arrays = handle.ready(
        rows,
        needs.model,
        type(method).__name__,
        gaussian_noise=needs.gaussian_noise,
        keep_off=needs.keep_off,
        output=request.assessed_output,
    )
    if needs.model is PassModel:
        check_random(ready)
    warn_of_raw_images(ready, arrays)
    return ready, arrays


def _job(
    model: Any, arrays: Sequence[Array], outcome: Outcome, origin: CallArguments, *, derived: bool = False
) -> Job:
    """The job of an adapted model, its checked rows, and what its outputs are."""
    request, casted = origin.request, cast_rows(arrays, model.info.inputs)
    outcome = outcome.of_rows(model, casted, len(arrays[0]), request.positions)
    seed, batch_size = int(request.seed), int(request.batch_size)
    return Job(model, casted, len(arrays[0]), outcome, seed, batch_size, origin, derived=derived)


def _one_after_the_other(first: Change | None, second: Change | None) -> Change | None:
    if first is None or second is None:
        return second if first is None else first
    return lambda raw: second(first(raw))


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
