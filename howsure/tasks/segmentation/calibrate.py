"""Calibrate probabilities at positions by a temperature, learnt from labelled rows.

It has the least NLL over all positions that count; see `howsure.evaluation.temperature`. Newton's method
needs the sums over each row alone, so memory holds one row. A temperature keeps every label.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np

from howsure.errors import InputError
from howsure.evaluation.calibrator_files import (
    LEARNT,
    UNLESS_TRAINED_ON,
    SavedCalibrator,
    check_method,
    check_not_calibrated,
    check_rows,
    read_rows_and_names,
    read_scores,
    scores_as_json,
)
from howsure.evaluation.cross_fit import FOLDS, fit_influence, random_folds
from howsure.evaluation.fitted_rows import FittedRows
from howsure.evaluation.score import SMALLEST, Score, through_cross_fits
from howsure.evaluation.temperature import Losses, changed, least, losses
from howsure.inputs.typed_json import POSITIVE
from howsure.results.columns import MAP, WIDE_MAP, Column, is_in_files
from howsure.results.lazy_maps import LazyMap
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.statistics import entropy_of, symmetric_interval
from howsure.tasks.classification import maps as of_classes
from howsure.tasks.classification.calibrate import HELPS, helps_in, temperature_in_words
from howsure.tasks.segmentation.result import DenseCertainty, of_counted
from howsure.tasks.segmentation.scores import are_known, known_probabilities, loss_of, truths_of
from howsure.tasks.verdict import judge, pick, too_few

TEMPERATURE = "temperature"
"""The method of calibration."""


@dataclass(frozen=True, eq=False, repr=False)
class DenseCalibrator(SavedCalibrator):
    """A temperature for the probabilities at positions; call it with a `DenseCertainty`.

    Attributes:
        temperature: T, above 1 if it lowers percentages, with its 95 % interval over rows.
        rows: Number of labelled rows with a position that counts.
        class_names: K names.
        before: NLL of the labelled rows as they were, nats at a position.
        after: NLL of the same rows calibrated, each by what folds teach that it is not in.
        difference: `after` less `before`, row by row.
        learnt_rows: The labelled rows, as it knows them again.
    """

    temperature: Score
    rows: int
    class_names: tuple[str, ...]
    before: Score
    after: Score
    difference: Score
    learnt_rows: FittedRows
    answer: ClassVar[str] = "positions"

    def __call__(self, result: DenseCertainty) -> DenseCertainty:
        """The same rows with calibrated probabilities, and what follows from them.

        Labels stay, and with them shares and overlap. Errors are propagated. `expected_entropy` keeps its
        share of the entropy: how doubt is split is the model's, how much there is the calibration's. The maps
        of a row of a saved result are made when they are read.

        Args:
            result: N ≥ 0 rows of the same classes, not calibrated yet.

        Raises:
            InputError: Another kind of result, other classes, calibrated already, or the probabilities of all
                classes were not kept.
        """
        self._check(result, DenseCertainty, self.class_names)
        _check_usable(result)
        settings = {"method": TEMPERATURE, "rows": self.rows, "temperature": self.temperature.value}
        method = {**result.method, "calibration": settings}
        maps = _calibrated(result, np.array([1 / self.temperature.value]))
        return self._marked(result, replace(result, **maps, method=method))

    def in_words(self) -> str:
        """Sentences for a reader who knows no statistics."""
        change_in_numbers = f"(temperature {self.temperature}, where 1 changes nothing)"
        change = temperature_in_words(self.temperature.low, self.temperature.high, change_in_numbers)
        return (
            f"{HELPS[helps_in(self.difference)]} The NLL was {self.before}. Now it is {self.after}, in rows "
            f"that it had not learnt from. {self._learnt_in_words} {change} {UNLESS_TRAINED_ON}"
        )

    @property
    def _learnt_in_words(self) -> str:
        return LEARNT.format("by one temperature", self.rows)

    def __repr__(self) -> str:
        made_from = f"{self.rows:,} rows, {len(self.class_names)} classes"
        return f"<{type(self).__name__} from {made_from}: temperature {self.temperature}>"

    def _as_json(self) -> dict[str, Any]:
        names = ("temperature", "before", "after", "difference")
        return {
            "rows": self.rows,
            "class_names": list(self.class_names),
            "scores": scores_as_json({name: getattr(self, name) for name in names}),
            "learnt_rows": self.learnt_rows.as_json,
        }


def calibrate(result: DenseCertainty, labels: Any, *, method: str | None, seed: int) -> DenseCalibrator:
    """The part `calibrate` of positions; see `howsure.evaluation.calibrate.calibrate`."""
    check_method(method, (TEMPERATURE, None))
    truths_of(result, labels)  # raises where the labels do not fit
    _check_usable(result)

    counted = counted_in(result, labels)[:, 0]
    scored = np.flatnonzero(counted)
    check_rows(len(scored))
    as_given = losses_in(result, labels, lambda at: np.ones(1)).value
    theta, best = _least(result, labels)
    fits = _cross_fitted(result, labels, theta, best, counted, seed)
    held_out = losses_in(result, labels, lambda at: fits.of_folds[at : at + 1])
    to_mean = len(scored) / counted.sum()
    slopes = held_out.slope[scored] * to_mean, held_out.curvature[scored, 0] * to_mean
    through = {"nll": fit_influence(fits.fold[scored], fits.moves[:, scored], *slopes)}
    before, after = (loss_of(values[scored], counted[scored]) for values in (as_given, held_out.value))
    parts = best.step(best.slope)[scored, 0] / theta[0] * math.sqrt(len(scored) / (len(scored) - 1))
    low, high = np.exp(symmetric_interval(-math.log(theta[0]), parts))
    return DenseCalibrator(
        temperature=Score(1 / float(theta[0]), float(low), float(high)),
        rows=len(scored),
        class_names=result.class_names,
        before=before.score(0.95),
        after=after.score(0.95),
        difference=through_cross_fits({"nll": after}, through)["nll"].minus(before),
        learnt_rows=FittedRows.of(result, scored),
    )


def _folds(counted: Floats, seed: int) -> Integers:
    """(N,) the fold of each row with positions that count (N,); 0 of others."""
    scored = np.flatnonzero(counted)
    fold = np.zeros(len(counted), dtype=np.int64)
    fold[scored] = random_folds(len(scored), seed)
    return fold


@dataclass(frozen=True, eq=False)
class Fits:
    """The β of least NLL, of all rows and cross-fitted.

    Attributes:
        overall: β of all rows.
        of_folds: (N,) that of the folds that each row is not in.
        fold: (N,) the fold of each row.
        moves: (FOLDS, N, 1) by how much each row moves β of the fit that scores a fold, to first order.
    """

    overall: float
    of_folds: Floats
    fold: Integers
    moves: Floats


def _cross_fitted(
    result: DenseCertainty, labels: Any, theta: Floats, best: Losses, counted: Floats, seed: int
) -> Fits:
    """For each row the β of least NLL of the folds that it is not in.

    Two steps of Newton's method away from θ of all rows: to fourth order in what a fold changes.
    """
    fold = _folds(counted, seed)

    def stepped(start: float, at_start: Losses, others: Booleans) -> float:
        return max(float(start - at_start.slope[others].sum() / at_start.curvature[others].sum()), start / 2)

    second, moves = np.ones(FOLDS), np.zeros((FOLDS, len(fold), 1))
    for number in range(FOLDS):
        others = fold != number
        start = stepped(theta[0], best, others)
        at_start = losses_in(result, labels, lambda at, start=start: np.array([start]))  # type: ignore[misc]
        second[number] = stepped(start, at_start, others)
        moves[number, others] = -at_start.slope[others] / at_start.curvature[others].sum()
    return Fits(float(theta[0]), second[fold], fold, moves)


def cross_fitted(result: DenseCertainty, truth: Any, seed: int) -> Fits:
    """β of least NLL, cross-fitted over rows.

    All are 1 if there is none, or if fewer rows have a position that counts than `calibrate` takes.

    Args:
        result: N rows.
        truth: As for `truths_of`.
        seed: Seed of the folds.
    """
    rows, counted = len(result), counted_in(result, truth)[:, 0]
    try:
        theta, best = _least(result, truth)
    except InputError:  # no label is wrong, or the probabilities say nothing
        counted = np.zeros(rows)
    if np.count_nonzero(counted) < 2 * FOLDS:
        return Fits(1.0, np.ones(rows), np.zeros(rows, dtype=np.int64), np.zeros((FOLDS, rows, 1)))
    return _cross_fitted(result, truth, theta, best, counted, seed)


def tempered(result: DenseCertainty, beta: Floats) -> DenseCertainty:
    """Rows with the probabilities p^β / Σ p^β, and without errors: enough to be scored.

    The maps of a row are made when they are read.

    Args:
        result: N rows.
        beta: (N,) 1/T of each.
    """
    names = ("probability", "gap", "all_probabilities")
    maps = _maps_when_read(result, names, partial(_tempered_row, beta=beta))
    return replace(result, **maps, all_errors=None)


def read(content: Mapping[str, Any]) -> DenseCalibrator:
    """The part `read_calibrator` of positions: the inverse of `DenseCalibrator._as_json`."""
    if content.get("offsets"):
        raise ValueError("it has offsets of classes, which howsure no longer learns")
    rows, names = read_rows_and_names(content, "class")
    scores = read_scores(content["scores"], "scores", ("before", "after", "difference"))
    return DenseCalibrator(
        rows=rows,
        class_names=names,
        temperature=read_scores(content["scores"], "scores", ("temperature",), POSITIVE, known=True)[
            "temperature"
        ],
        before=scores["before"],
        after=scores["after"],
        difference=scores["difference"],
        learnt_rows=FittedRows.read(content["learnt_rows"]),
    )


def counted_in(result: DenseCertainty, labels: Any) -> Floats:
    """(N, 2) how many positions of each row count, and how many of these have a wrong label."""
    numbers = np.zeros((len(result), 2))
    for at, truth in enumerate(truths_of(result, labels)):
        counts = truth >= 0
        wrong = np.asarray(result.label[at]).reshape(-1)[counts] != truth[counts]
        numbers[at] = np.count_nonzero(counts), np.count_nonzero(wrong)
    return numbers


def losses_in(
    result: DenseCertainty,
    labels: Any,
    theta: Callable[[int], Floats],
) -> Losses:
    """The losses of rows, each the sum over its positions that count; memory holds one row.

    Args:
        result: N rows.
        labels: As for `truths_of`.
        theta: From the place of a row to its θ.
    """
    value, slope = np.zeros(len(result)), np.zeros((len(result), 1))
    curvature = np.zeros((len(result), 1, 1))
    for at, truth in enumerate(truths_of(result, labels)):
        counts = truth >= 0
        if not counts.any():
            continue
        logs = np.log(np.maximum(known_probabilities(result, at)[counts], SMALLEST))
        of_positions = losses(theta(at), logs, np.take_along_axis(logs, truth[counts][:, None], axis=1)[:, 0])
        value[at], slope[at] = of_positions.value.sum(), of_positions.slope.sum(axis=0)
        curvature[at] = of_positions.curvature.sum(axis=0)
    return Losses(value, slope, curvature)


def _least(result: DenseCertainty, labels: Any) -> tuple[Floats, Losses]:
    def at(theta: Floats) -> Losses:
        return losses_in(result, labels, lambda row: theta)

    if at(np.zeros(1)).slope.sum() >= 0:
        raise InputError(
            "The probabilities say nothing of the true classes, so no temperature makes them true",
            expected="probabilities that are higher for true classes than for others",
            hint="Are the labels in the order of the model's outputs?",
        )
    if not counted_in(result, labels)[:, 1].sum():
        raise InputError(
            "Every label is right, so these rows do not say how far to change percentages",
            expected="rows with a position whose label is wrong",
            hint="Label more rows",
        )
    return least(at, np.ones(1))


def _calibrated(result: DenseCertainty, theta: Floats) -> dict[str, Any]:
    """The changed fields of all rows, with 1/T.

    If the maps of the result lie in files, the maps of a row are made when they are read.
    """
    names = ["probability", "gap", "mc_error", "entropy", "expected_entropy", "settled"]
    if result.all_probabilities is not None:
        names += ["all_probabilities", "all_errors"]
    maps = _maps_when_read(result, names, partial(_calibrated_row, theta=theta))
    if is_in_files(result.label):
        return maps
    in_memory = {name: np.empty(lazy_map.shape, lazy_map.dtype) for name, lazy_map in maps.items()}
    for at in range(len(result)):
        for name, array in in_memory.items():
            array[at] = maps[name][at]
    return in_memory


MapsOfRow = Callable[[DenseCertainty, int], dict[str, Any]]
"""From a result and the place of a row to maps of the row by name, (P,) or (P, K)."""


def _maps_when_read(result: DenseCertainty, names: Sequence[str], maps_of: MapsOfRow) -> dict[str, Any]:
    """Maps (N, …) by name, of which a row is made when it is read."""
    make, rows = _RowByRow(result, maps_of), np.arange(len(result))
    columns = [column for column in result.columns if column.name in names]
    classes = {WIDE_MAP: (len(result.class_names),), MAP: ()}
    return {
        column.name: LazyMap(
            partial(make.map_of, column),
            (*result.positions, *classes[column.shape]),
            np.dtype(column.type),
            rows,
        )
        for column in columns
    }


@dataclass(eq=False)
class _RowByRow:
    """Makes the maps of one row; it keeps those of the last one."""

    result: DenseCertainty
    maps_of: MapsOfRow
    last: tuple[int, dict[str, Any]] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.result, self.maps_of)

    def map_of(self, column: Column, at: int) -> Any:
        """One of the maps of a row."""
        last, counts = self.last, self.result.counts
        if last is None or last[0] != at:
            self.last = last = at, self.maps_of(self.result, at)
        values = last[1][column.name]
        return values if counts is None else of_counted(column, values, counts[at].reshape(-1))


def _tempered_row(result: DenseCertainty, at: int, beta: Floats) -> dict[str, Any]:
    return _changed_row(result, at, _changed(known_probabilities(result, at), beta[at : at + 1]))


def _changed(p: Floats, theta: Floats) -> Floats:
    return changed(np.log(np.maximum(p, SMALLEST)), theta)


def _changed_row(result: DenseCertainty, at: int, q: Floats) -> dict[str, Any]:
    """The maps of a row that follow from its new probabilities (P, K) alone."""
    label, runner_up = (np.asarray(maps[at]).reshape(-1) for maps in (result.label, result.runner_up))
    top = pick(q, label.astype(np.int64))
    gap = np.maximum(top - pick(q, runner_up.astype(np.int64)), 0)
    return {"probability": top, "gap": gap, "all_probabilities": q}


def _calibrated_row(result: DenseCertainty, at: int, theta: Floats) -> dict[str, Any]:
    classes, p = len(result.class_names), known_probabilities(result, at)
    q = _changed(p, theta)
    if result.all_errors is None:
        error = np.repeat(np.reshape(result.mc_error[at], (-1, 1)).astype(np.float64), classes, axis=1)
    else:
        error = np.reshape(result.all_errors[at], p.shape).astype(np.float64)
    error = of_classes.propagated(partial(_changed, theta=theta), p, error)
    old = np.reshape(result.entropy[at], -1).astype(np.float64)
    correction = np.maximum(old - entropy_of(p), 0)
    entropy = np.minimum(entropy_of(q) + correction, np.log(classes))
    share = np.where(old > 0, np.reshape(result.expected_entropy[at], -1) / np.where(old > 0, old, 1), 1)
    return {
        **_changed_row(result, at, q),
        "mc_error": pick(error, np.reshape(result.label[at], -1).astype(np.int64)),
        "entropy": entropy,
        "expected_entropy": np.minimum(share, 1) * entropy,
        "settled": judge(q, error, result.thresholds, too_few(result.method, result.passes[at]))[1],
        "all_errors": error,
    }


def _check_usable(result: DenseCertainty) -> None:
    check_not_calibrated(result)
    if len(result) and not are_known(result):
        raise InputError(
            "Calibration needs the probabilities of all classes, which were not kept",
            expected="rows that were assessed with keep='probabilities'",
            hint="Rules do without them: howsure.fit_rules(…, calibrate=False)",
        )
