"""A few rows from many places: what a plan is made from, and what model, plan and options are tried on.

Rows that cannot be read, that do not fit, or on which the model fails are passed over here. They are named
when their turn comes, so one of them does not keep the others from being assessed.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from howsure.data.gather import length, of_each
from howsure.data.rows import Rows
from howsure.errors import InputError
from howsure.methods.softmax import Softmax
from howsure.models.adapt import opened
from howsure.prepare import prepare
from howsure.sampling.plan import Plan
from howsure.scale.folder import PLAN, Manifest
from howsure.scale.recipe import Assessor
from howsure.scale.sources import SourceFile
from howsure.scale.work import PLACES, SAMPLE, Part, spread
from howsure.scale.worker import Recipe, Worker, failing_alone, joined

PROBED = 2
"""Rows on which every worker tries model and plan before it begins."""


During = Callable[..., AbstractContextManager[Any]]
"""Shows that something takes time: called with its name and, as `waiting`, what is waited for."""


@dataclass(frozen=True, eq=False)
class TriedOut:
    """Model, plan and options, tried on a few rows.

    Attributes:
        recipe: The settings, with the plan and the class names.
        worker: Reads and assesses as they say.
        probe: The rows.
        result: Their result.
        plan_from: Rows from which the plan was made; None if one was given, or none is needed.
        made: The plan, if it was made here; else None.
    """

    recipe: Recipe
    worker: Worker
    probe: Part
    result: Any
    plan_from: int | None
    made: Plan | None


def tried_out(
    recipe: Recipe, models: list[Any], files: Sequence[SourceFile], before: Manifest | None, during: During
) -> TriedOut:
    """The trial of a model on rows from many places. Without a plan, the folder's is taken, or one is made.

    Raises:
        Exception: The fault of the first place, if no row can be read or assessed.
    """
    assessor = Assessor(models[0], recipe.method(models[1:]), recipe.asked)
    plan, plan_from, made = recipe.dropout.plan, None if before is None else before.plan_from, None
    if plan is None and plan_from is not None:
        plan = Plan.load(recipe.folder / PLAN)
    worker = Worker(recipe, assessor)
    found = _readable(worker, files, PROBED * PLACES)
    pieces = [next(found)]
    if plan is None and _follows_a_plan(assessor, pieces[0][1]) and recipe.needs_plan:
        pieces = list(_readable(worker, files))
        with during("Planning", waiting="compiling, and passes over a few rows"):
            made, plan_from = _planned(recipe, assessor, [rows for _, rows in pieces])
    request = recipe.asked.request
    names = opened(models[0]).class_names(pieces[0][1], request.class_names, request.output)
    ready = replace(
        recipe,
        asked=replace(recipe.asked, request=replace(request, class_names=names)),
        dropout=replace(recipe.dropout, plan=made or plan),
    )
    worker = Worker(ready, Assessor(models[0], ready.method(models[1:]), ready.asked))
    with during("Assessing", waiting="compiling"):
        probe, result = _tried(worker, (place for place, _ in itertools.chain(pieces, found)))
    return TriedOut(ready, worker, probe, result, plan_from, made)


def _readable(
    worker: Worker, files: Sequence[SourceFile], count: int = SAMPLE
) -> Iterator[tuple[Part, Rows]]:
    """Places spread over all rows, each with its rows, divided and without labels.

    Args:
        worker: Reads them, and has the model that they have to fit.
        files: In which they are.
        count: How many rows, of all places together.

    Raises:
        Exception: The fault of the first place, if none can be read.
    """
    fault: Exception | None = None
    shape = None
    for place in spread(files, count):
        try:
            rows = worker.fitting(place)
        except Exception as error:  # whatever the model itself may raise
            fault = fault or error
            failing = worker.failing(place, worker.fitting) if worker.skips_rows else {}
            if not 0 < len(failing) < len(place):
                continue
            rows = worker.fitting(place, failing)
        found = of_each(rows.x, lambda part: part.shape[1:])
        if shape is None or found == shape:
            shape = found
            yield place, rows
    if shape is None:
        raise fault or InputError("There are no rows", expected="at least one")


def _follows_a_plan(assessor: Assessor, rows: Rows) -> bool:
    """Whether passes over such rows may follow a plan: those at positions, and in tiles, never do.

    Args:
        assessor: The model.
        rows: A few, divided already.
    """
    request = assessor.asked.wished()
    if request.tile is not None:
        return False
    try:
        with warnings.catch_warnings(action="ignore"):  # said when the rows are assessed
            return prepare(assessor.model, rows, assessor.method, request).outcome.follows_plans
    except Exception:  # whatever is wrong is told when the plan is made
        return True


def _tried(worker: Worker, places: Iterable[Part]) -> tuple[Part, Any]:
    """A part of a few rows, and their result, so that what is wrong with plan or options shows at once.

    Args:
        worker: Assesses them.
        places: Candidates, of which the first that can be assessed counts.

    Raises:
        Exception: The fault at the first place, if none can be assessed.
    """
    fault: Exception | None = None
    for place in places:
        for start in range(place.start, place.stop, PROBED if worker.skips_rows else len(place)):
            probe = place.within(start, min(place.stop, start + PROBED))
            try:
                return probe, worker.check(probe)
            except Exception as error:  # whatever the model itself may raise
                fault = fault or error
    raise fault or InputError("There are no rows", expected="at least one")


def _planned(recipe: Recipe, assessor: Assessor, pieces: Sequence[Rows]) -> tuple[Plan, int]:
    """A plan that is made from a sample, and how many rows that has.

    Float32 lets it hold on every machine. Pieces, or rows, on which the model fails are left out. If it
    fails on all, their common fault is raised.
    """
    try:
        return assessor.plan(joined(pieces), recipe.dropout), _count(pieces)
    except Exception:  # whatever the model itself may raise
        kept = [piece for piece in pieces if _is_predicted(assessor, piece)]
        if recipe.rows.skip_rows:
            kept = [piece for each in pieces if (piece := _predicted_of(assessor, each)) is not None]
        if not 0 < _count(kept) < _count(pieces):
            raise
    return assessor.plan(joined(kept), recipe.dropout), _count(kept)


def _is_predicted(assessor: Assessor, piece: Rows) -> bool:
    """Whether the model gives a plain prediction of rows that are divided already."""
    plain = replace(assessor, method=Softmax(), asked=replace(assessor.asked, divide_by=None))
    try:
        with warnings.catch_warnings(action="ignore"):  # said when the rows are assessed
            plain.assess(piece, np.arange(length(piece.x)))
    except Exception:  # whatever the model itself may raise
        return False
    return True


def _predicted_of(assessor: Assessor, piece: Rows) -> Rows | None:
    """The rows of which the model gives a plain prediction, or None if there is none."""

    def fails(start: int, stop: int) -> str | None:
        return None if _is_predicted(assessor, some(slice(start, stop))) else "no prediction"

    def some(which: Any) -> Rows:
        return replace(piece, x=of_each(piece.x, lambda part: part[which]))

    failing = failing_alone(0, length(piece.x), fails)
    kept = [row for row in range(length(piece.x)) if row not in failing]
    return some(kept) if kept else None


def _count(pieces: Sequence[Rows]) -> int:
    return sum(length(piece.x) for piece in pieces)
