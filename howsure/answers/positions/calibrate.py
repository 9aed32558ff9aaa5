"""Calibrate probabilities at positions by a temperature, and offsets of classes, learnt from labelled rows.

q = p^(1/T) / Σ_k p_k^(1/T), with the T of least NLL over all positions that count (Guo and others 2017). In β
= 1/T that NLL is convex, with the slope g = Σ_k q_k log p_k − log p_true and the curvature h = Σ_k q_k (log
p_k)² − (Σ_k q_k log p_k)² at a position. Newton's method needs their sums over each row alone, so memory
holds one row. Every label stays. `howsure.answers.positions.offsets` adds an offset for each class.

A temperature for each class is left out: docs/positions.md shows that it helps less than offsets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from howsure.answers.classes import maps
from howsure.answers.classes.calibration_words import temperature_in_words
from howsure.answers.positions import offsets
from howsure.answers.positions.columns import of_counted
from howsure.answers.positions.kept import check_known, known_probabilities
from howsure.answers.positions.result import DenseCertainty
from howsure.answers.positions.scores import loss_of
from howsure.answers.positions.truth import truths_of
from howsure.answers.registry import POSITIONS, check_kind
from howsure.answers.verdict import judge, pick, top_two
from howsure.data.typed import FINITE, POSITIVE, numbers
from howsure.errors import InputError
from howsure.judge.calibrator_files import (
    Kept,
    check_method,
    check_not_calibrated,
    check_rows,
    plain_scores,
    read_rows_and_names,
    read_scores,
)
from howsure.judge.cross_fit import FOLDS, Through, random_folds, through_fits
from howsure.judge.learnt import LearntRows
from howsure.judge.scores import SMALLEST, Score, through_cross_fits
from howsure.judge.temperature import least, losses
from howsure.results.columns import is_in_files
from howsure.results.lazy_maps import MadeMap
from howsure.sampling.outcome import Floats, Integers
from howsure.statistics import entropy_of, symmetric_interval

METHODS = ("temperature", "offsets")


@dataclass(frozen=True, eq=False, repr=False)
class DenseCalibrator(Kept):
    """A temperature for the probabilities at positions, maybe with offsets; call it with a `DenseCertainty`.

    Attributes:
        temperature: T, above 1 if it lowers percentages, with its 95 % interval over rows.
        rows: Number of labelled rows with a position that counts.
        class_names: K names.
        before: NLL of the labelled rows as they were, nats at a position.
        after: NLL of the same rows calibrated, each by what folds teach that it is not in.
        difference: `after` less `before`, row by row.
        offsets: K numbers, added to the logarithms of the probabilities of each class over T; their mean is
            0. None for a temperature alone.
        learnt_rows: The labelled rows, as it knows them again.
    """

    temperature: Score
    rows: int
    class_names: tuple[str, ...]
    before: Score
    after: Score
    difference: Score
    offsets: tuple[float, ...] | None
    learnt_rows: LearntRows
    answer: ClassVar[str] = "positions"

    def __call__(self, result: DenseCertainty) -> DenseCertainty:
        """The same rows with calibrated probabilities, and what follows from them.

        Without offsets labels stay, and with them shares and overlap. With them labels may change: `share` is
        then that of the new labels, and its errors and all that is of networks are NaN, as they would
        need the passes. Errors are propagated. `expected_entropy` keeps its share of the entropy: how doubt
        is split is the model's, how much there is the calibration's. The maps of a row of a saved result are
        made when they are read.

        Args:
            result: N ≥ 0 rows of the same classes, not calibrated yet.

        Raises:
            InputError: Another kind of result, other classes, calibrated already, or the probabilities of all
                classes were not kept.
        """
        check_kind(result, POSITIONS, self.class_names)
        _check_usable(result)
        told = {"method": self.method, "rows": self.rows, "temperature": self.temperature.value}
        if self.offsets is not None:
            told["offsets"] = list(self.offsets)
        method = {**result.method, "calibration": told}
        added = np.zeros(len(self.class_names)) if self.offsets is None else np.array(self.offsets)
        theta = np.append(1 / self.temperature.value, added)
        given = _calibrated(result, theta, relabelled=self.offsets is not None)
        return self._marked(result, replace(result, **given, method=method))

    @property
    def method(self) -> str:
        """`temperature` or `offsets`."""
        return METHODS[0] if self.offsets is None else METHODS[1]

    def in_words(self) -> str:
        """Sentences for a reader who knows no statistics."""
        shown = f"(temperature {self.temperature}, where 1 changes nothing)"
        change = temperature_in_words(self.temperature.low, self.temperature.high, shown)
        better = "These rows cannot tell whether they became better."
        if self.difference.excludes_zero:
            better = "They became better" if self.difference.value < 0 else "They became worse"
            better += ", by more than chance explains."
        by = "one temperature"
        if self.offsets is not None:
            by = "one temperature and an offset for each class"
            most, least = (self.class_names[place(self.offsets)] for place in (np.argmax, np.argmin))
            change += f" '{most}' is raised most beside the other classes, and '{least}' is lowered most."
        return (
            f"Calibration by {by}, learnt from {self.rows:,} rows with known answers. {change} On "
            f"rows it had not learnt from, the NLL is {self.before} before and {self.after} after. {better} "
            "Whether the model was trained on these rows cannot be known; if so, none of this holds."
        )

    __str__ = in_words

    def __repr__(self) -> str:
        made_from = f"{self.rows:,} rows, {len(self.class_names)} classes"
        return f"<{type(self).__name__} from {made_from}: temperature {self.temperature}>"

    def _plain(self) -> dict[str, Any]:
        names = ("temperature", "before", "after", "difference")
        return {
            "rows": self.rows,
            "class_names": list(self.class_names),
            "scores": plain_scores({name: getattr(self, name) for name in names}),
            **({} if self.offsets is None else {"offsets": list(self.offsets)}),
            "learnt_rows": self.learnt_rows.plain,
        }


def calibrate(result: DenseCertainty, labels: Any, *, method: str | None, seed: int) -> DenseCalibrator:
    """The part `calibrate` of positions; see `howsure.judge.calibrate.calibrate`."""
    method = METHODS[0] if method is None else method
    check_method(method, METHODS)
    truths_of(result, labels)  # raises where the labels do not fit
    _check_usable(result)

    sums = sums_in(result, labels)
    as_given = sums(lambda at: 1.0)
    counted = as_given[:, 3]
    there = np.flatnonzero(counted)
    check_rows(len(there))
    beta, at_best = _least(sums)
    through: dict[str, Through] = {}
    moved, added = at_best[:, 1] / at_best[:, 2].sum(), None
    if method == METHODS[0]:
        fits = _cross_fitted(sums, beta, at_best, seed)
        at_fits = sums(lambda at: float(fits.of_folds[at]))
        held_out, slopes = at_fits[:, 0], at_fits[there, 1:3].T[..., None] * len(there) / counted.sum()
        through = {"nll": through_fits(fits.fold[there], fits.moves[:, there], *slopes)}
    else:
        start, some = np.append(beta, np.zeros(len(result.class_names))), counted > 0
        theta, found = offsets.least(result, labels, start, some)
        thetas = offsets.without_folds(result, labels, theta, some, _folds(counted, seed))
        held_out = offsets.sums(result, labels, lambda at: thetas[at], some).nll
        moved = offsets.step_of(found, found.slope)[:, 0]
        beta, added = float(theta[0]), tuple(theta[1:].tolist())
    before, after = (loss_of(each[there], counted[there]) for each in (as_given[:, 0], held_out))
    parts = moved[there] / beta * math.sqrt(len(there) / (len(there) - 1))
    low, high = np.exp(symmetric_interval(-math.log(beta), parts))
    return DenseCalibrator(
        temperature=Score(1 / beta, float(low), float(high)),
        rows=len(there),
        class_names=result.class_names,
        before=before.score(0.95),
        after=after.score(0.95),
        difference=through_cross_fits({"nll": after}, through)["nll"].minus(before),
        offsets=added,
        learnt_rows=LearntRows.of(result, there),
    )


def _folds(counted: Floats, seed: int) -> Integers:
    """(N,) the fold of each row with positions that count (N,); 0 of others."""
    there = np.flatnonzero(counted)
    fold = np.zeros(len(counted), dtype=np.int64)
    fold[there] = random_folds(len(there), seed)
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


def _cross_fitted(sums: Sums, beta: float, at_best: Floats, seed: int) -> Fits:
    """For each row the β of least NLL of the folds that it is not in.

    Two steps of Newton's method away from the best of all rows: to fourth order in what a fold changes.

    Args:
        sums: As in `_least`.
        beta: β of all rows.
        at_best: (N, 5) the sums of each row there.
        seed: Seed of the folds.
    """
    fold = _folds(at_best[:, 3], seed)

    def stepped(start: float, found: Floats, number: int) -> float:
        slope, curvature = found[fold != number, 1:3].sum(axis=0)
        return max(float(start - slope / curvature), start / 2)

    second, moves = np.ones(FOLDS), np.zeros((FOLDS, len(fold), 1))
    for number in range(FOLDS):
        start = stepped(beta, at_best, number)
        found = sums(lambda at, start=start: start)  # type: ignore[misc]
        second[number] = stepped(start, found, number)
        others = fold != number
        moves[number, others, 0] = -found[others, 1] / found[others, 2].sum()
    return Fits(beta, second[fold], fold, moves)


def cross_fitted(result: DenseCertainty, truth: Any, seed: int) -> Fits:
    """β of least NLL, cross-fitted over rows.

    All are 1 where there is none, or where fewer rows have a position that counts than `calibrate` takes.

    Args:
        result: N rows.
        truth: As for `truths_of`.
        seed: Seed of the folds.
    """
    sums, rows = sums_in(result, truth), len(result)
    unchanged = Fits(1.0, np.ones(rows), np.zeros(rows, dtype=np.int64), np.zeros((FOLDS, rows, 1)))
    try:
        beta, at_best = _least(sums)
    except InputError:  # no label is wrong, or the probabilities say nothing
        return unchanged
    if np.count_nonzero(at_best[:, 3]) < 2 * FOLDS:
        return unchanged
    return _cross_fitted(sums, beta, at_best, seed)


def tempered(row: DenseCertainty, beta: float) -> DenseCertainty:
    """One row with the probabilities p^β / Σ p^β, and without errors: enough to be scored."""
    q = _tempered(np.log(np.maximum(known_probabilities(row, 0), SMALLEST)), beta)
    label, runner_up = (np.reshape(each, -1).astype(np.int64) for each in (row.label, row.runner_up))
    top = pick(q, label)
    given: dict[str, Any] = {
        "probability": top.reshape(row.label.shape),
        "gap": np.maximum(top - pick(q, runner_up), 0).reshape(row.label.shape),
        "all_probabilities": q.reshape(*row.label.shape, -1),
        "all_errors": None,
    }
    return replace(row, **given)


def read(content: Mapping[str, Any]) -> DenseCalibrator:
    """The part `read_calibrator` of positions: the inverse of `DenseCalibrator._plain`."""
    rows, names = read_rows_and_names(content, "class")
    added = content.get("offsets")
    if added is not None:
        added = tuple(numbers(added, (len(names),), FINITE, "offsets").tolist())
    return DenseCalibrator(
        rows=rows,
        class_names=names,
        **read_scores(content["scores"], "scores", ("temperature",), POSITIVE, known=True),
        **read_scores(content["scores"], "scores", ("before", "after", "difference")),
        offsets=added,
        learnt_rows=LearntRows.read(content["learnt_rows"]),
    )


Sums = Callable[[Callable[[int], float]], Floats]
"""From the β of each row, given its place, to (N, 5) sums over the positions of each; see `_sums_of`."""


def sums_in(result: DenseCertainty, labels: Any) -> Sums:
    """The sums over a result with labels as `truths_of` takes them."""

    def sums(of_row: Callable[[int], float]) -> Floats:
        each = enumerate(truths_of(result, labels))
        return np.array([_sums_of(result, at, truth, of_row(at)) for at, truth in each]).reshape(-1, 5)

    return sums


def _least(sums: Sums) -> tuple[float, Floats]:
    """β of least NLL, and the sums of each row there.

    Raises:
        InputError: There is none: no label is wrong, or the probabilities say nothing of the truth.
    """

    def at(beta: float) -> Floats:
        return sums(lambda row: beta)

    if at(0.0)[:, 1].sum() >= 0:
        raise InputError(
            "The probabilities say nothing of the true classes, so no temperature makes them true",
            expected="probabilities that are higher for true classes than for others",
            hint="Are the labels in the order of the model's outputs?",
        )
    if not at(1.0)[:, 4].sum():
        raise InputError(
            "Every label is right, so these rows do not say how far to change percentages",
            expected="rows with a position whose label is wrong",
            hint="Label more rows",
        )
    return least(at)


def _sums_of(result: DenseCertainty, at: int, truth: Integers, beta: float) -> tuple[float, ...]:
    """NLL, its slope and curvature in β, positions that count, and wrong ones, of one row."""
    counts = truth >= 0
    true = truth[counts]
    if not len(true):
        return (0.0,) * 5
    logs = np.log(np.maximum(known_probabilities(result, at)[counts], SMALLEST))
    of_true = np.take_along_axis(logs, true[:, None], axis=1)[:, 0]
    wrong = np.count_nonzero(np.asarray(result.label[at]).reshape(-1)[counts] != true)
    return (*losses(beta, logs, of_true).sum(axis=0).tolist(), float(len(true)), float(wrong))


def _tempered(logs: Floats, beta: float) -> Floats:
    """(P, K) p^β / Σ p^β from log p."""
    q = np.exp(beta * (logs - logs.max(axis=1, keepdims=True)))
    return np.asarray(q / q.sum(axis=1, keepdims=True))


def _calibrated(result: DenseCertainty, theta: Floats, *, relabelled: bool) -> dict[str, Any]:
    """The changed fields of all rows, with 1/T and offsets; labels if `relabelled`.

    If the maps of the result lie in files, the maps of a row are made when they are read.
    """
    names = ["label", "runner_up"] if relabelled else []
    names += ["probability", "gap", "mc_error", "entropy", "expected_entropy", "settled"]
    if result.all_probabilities is not None:
        names += ["all_probabilities", "all_errors"]
    rows, old = np.arange(len(result)), {name: getattr(result, name) for name in names}
    make = _Calibrated(result, theta, relabelled)
    given: dict[str, Any] = {
        name: MadeMap(make, name, array.shape[1:], array.dtype, rows) for name, array in old.items()
    }
    if not is_in_files(result.label):
        made, given = given, {name: np.empty(array.shape, array.dtype) for name, array in given.items()}
        for at in rows:
            for name, array in made.items():
                given[name][at] = array[at]
    return given | _shares_of(result, given["label"]) if relabelled else given


def _shares_of(result: DenseCertainty, label: Any) -> dict[str, Any]:
    """Shares of labels (N, *P), without anything of networks."""
    classes = len(result.class_names)
    share = np.empty((len(result), classes))
    for at in range(len(result)):
        there = label[at].reshape(-1) if result.counts is None else label[at][result.counts[at]]
        share[at] = np.bincount(there, minlength=classes) / len(there)
    unknown = ("share_error", "share_spread", "share_spread_error", "share_quantiles", "overlap")
    return {"share": share} | {name: np.full_like(getattr(result, name), np.nan) for name in unknown}


@dataclass(frozen=True)
class _Calibrated:
    """Makes the maps of one row; it keeps those of the last one."""

    result: DenseCertainty
    theta: Floats
    relabelled: bool
    last: dict[int, dict[str, Any]] = field(default_factory=dict, repr=False)

    def __call__(self, at: int) -> dict[str, Any]:
        if at not in self.last:
            found = _maps_of_row(self.result, at, self.theta, self.relabelled)
            self.last.clear()
            self.last[at] = found
            return found
        return self.last[at]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.result, self.theta, self.relabelled)


def _maps_of_row(result: DenseCertainty, at: int, theta: Floats, relabelled: bool) -> dict[str, Any]:
    def changed(p: Floats) -> Floats:
        return offsets.changed(np.log(np.maximum(p, SMALLEST)), theta)

    classes, p = len(result.class_names), known_probabilities(result, at)
    flat = {name: np.asarray(getattr(result, name)[at]).reshape(-1) for name in ("label", "runner_up")}
    label, runner_up = (each.astype(np.int64) for each in flat.values())
    q = changed(p)
    if relabelled:
        label, runner_up = top_two(q)
    if result.all_errors is None:
        error = np.repeat(np.reshape(result.mc_error[at], (-1, 1)).astype(np.float64), classes, axis=1)
    else:
        error = np.reshape(result.all_errors[at], p.shape).astype(np.float64)
    error = maps.propagated(changed, p, error)
    old = np.reshape(result.entropy[at], -1).astype(np.float64)
    correction = np.maximum(old - entropy_of(p), 0)
    entropy = np.minimum(entropy_of(q) + correction, np.log(classes))
    share = np.where(old > 0, np.reshape(result.expected_entropy[at], -1) / np.where(old > 0, old, 1), 1)
    top = pick(q, label)
    found = {
        "label": label,
        "runner_up": runner_up,
        "probability": top,
        "gap": np.maximum(top - pick(q, runner_up), 0),
        "mc_error": pick(error, label),
        "entropy": entropy,
        "expected_entropy": np.minimum(share, 1) * entropy,
        "settled": judge(q, error, result.thresholds)[1],
        "all_probabilities": q,
        "all_errors": error,
    }
    if result.counts is None:
        return found
    flat, columns = result.counts[at].reshape(-1), {column.name: column for column in result.columns}
    return {name: of_counted(columns[name], array, flat) for name, array in found.items()}


def _check_usable(result: DenseCertainty) -> None:
    """An `InputError` for what is calibrated already, or lacks probabilities."""
    check_not_calibrated(result)
    check_known(result)
