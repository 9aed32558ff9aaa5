"""A few rows from many places: what a plan is made from, and what model, plan and options are tried on.

Rows that cannot be read, that do not fit, or on which the model fails are passed over here. They are named
when their turn comes, so one of them does not keep the others from being assessed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from howsure.data.rows import Array, Rows
from howsure.errors import InputError
from howsure.methods.softmax import Softmax
from howsure.prepare import prepare
from howsure.sampling.plan import Plan
from howsure.scale.recipe import Assessor
from howsure.scale.sources import SourceFile
from howsure.scale.work import SAMPLE, Part, spread
from howsure.scale.worker import Recipe, Worker, failing_alone

PROBED = 2
"""Rows on which every worker tries model and plan before it begins."""


def readable(worker: Worker, files: Sequence[SourceFile], count: int = SAMPLE) -> Iterator[tuple[Part, Rows]]:
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
        if shape is None or _shape(rows.x) == shape:
            shape = _shape(rows.x)
            yield place, rows
    if shape is None:
        raise fault or InputError("There are no rows", expected="at least one")


def follows_a_plan(assessor: Assessor, rows: Rows) -> bool:
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


def tried(worker: Worker, places: Iterable[Part]) -> tuple[Part, Any]:
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


def planned(recipe: Recipe, assessor: Assessor, pieces: Sequence[Rows]) -> tuple[Recipe, int]:
    """The recipe with a plan that is made from a sample, and how many rows that has.

    It is made in float32, so that it holds on every machine.

    Args:
        recipe: The settings.
        assessor: The model.
        pieces: Rows from many places; where the model fails on some, the plan is made from the others, and
            where rows are skipped, from all rows on which it does not.

    Raises:
        Exception: The common fault of all of them.
    """
    try:
        return with_plan(recipe, _plan_from(recipe, assessor, pieces)), sum(map(_count, pieces))
    except Exception:  # whatever the model itself may raise
        kept = [piece for piece in pieces if _is_predicted(assessor, piece)]
        if recipe.rows.skip_rows:
            kept = [piece for each in pieces if (piece := _predicted_of(assessor, each)) is not None]
        if not 0 < sum(map(_count, kept)) < sum(map(_count, pieces)):
            raise
    return with_plan(recipe, _plan_from(recipe, assessor, kept)), sum(map(_count, kept))


def with_plan(recipe: Recipe, plan: Plan) -> Recipe:
    """The recipe with a plan."""
    return replace(recipe, dropout=replace(recipe.dropout, plan=plan))


def _plan_from(recipe: Recipe, assessor: Assessor, pieces: Sequence[Rows]) -> Plan:
    return assessor.plan(replace(pieces[0], x=_joined([piece.x for piece in pieces])), recipe.dropout)


def _is_predicted(assessor: Assessor, piece: Rows) -> bool:
    """Whether the model gives a plain prediction of rows that are divided already."""
    plain = replace(assessor, method=Softmax(), asked=replace(assessor.asked, divide_by=None))
    try:
        with warnings.catch_warnings(action="ignore"):  # said when the rows are assessed
            plain.assess(piece, np.arange(_count(piece)))
    except Exception:  # whatever the model itself may raise
        return False
    return True


def _predicted_of(assessor: Assessor, piece: Rows) -> Rows | None:
    """The rows of which the model gives a plain prediction, or None if there is none."""

    def fails(start: int, stop: int) -> str | None:
        return None if _is_predicted(assessor, _some(piece, slice(start, stop))) else "no prediction"

    failing = failing_alone(0, _count(piece), fails)
    kept = [row for row in range(_count(piece)) if row not in failing]
    return _some(piece, kept) if kept else None


def _some(rows: Rows, which: Any) -> Rows:
    x = rows.x
    return replace(rows, x={name: a[which] for name, a in x.items()} if isinstance(x, dict) else x[which])


def _shape(x: Array | dict[str, Array]) -> Any:
    return {name: a.shape[1:] for name, a in x.items()} if isinstance(x, dict) else x.shape[1:]


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], dict):
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return np.concatenate(parts)


def _count(rows: Rows) -> int:
    return len(next(iter(rows.x.values())) if isinstance(rows.x, dict) else rows.x)
