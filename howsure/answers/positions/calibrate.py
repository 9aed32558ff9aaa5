"""Calibrate the probabilities at positions by one temperature, learnt from labelled rows.

q = p^(1/T) / Σ_k p_k^(1/T), with the T of least NLL over all positions that count (Guo and others 2017). In
β = 1/T that NLL is convex, with the slope g = Σ_k q_k log p_k − log p_true and the curvature
h = Σ_k q_k (log p_k)² − (Σ_k q_k log p_k)² at a position. Newton's method needs their sums over each row
alone, so memory holds one row. Every label stays.

A temperature for each class is left out: nobody has measured yet that it helps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from howsure.answers.classes import maps
from howsure.answers.positions.kept import are_known, known_probabilities
from howsure.answers.positions.result import DenseCertainty
from howsure.answers.positions.scores import loss_of
from howsure.answers.positions.truth import check_result, truths_of
from howsure.answers.verdict import judge, pick
from howsure.data.labels import check_names
from howsure.errors import InputError
from howsure.judge.calibrator_files import Kept, plain_scores, read_scores
from howsure.judge.scores import SMALLEST, Score
from howsure.results.lazy_maps import LazyMap, MadeMap
from howsure.sampling.outcome import Floats, Integers
from howsure.statistics import entropy_of, symmetric_interval

FOLDS = 5
"""Parts of the rows; each is scored by what the others teach."""

STEPS = 60
"""Steps of Newton's method at most; halving alone would find β to nine digits in half of them."""


@dataclass(frozen=True, eq=False, repr=False)
class DenseCalibrator(Kept):
    """A temperature for the probabilities at positions; call it with a `DenseCertainty`.

    Attributes:
        temperature: T, above 1 where percentages are lowered, with its 95 % interval over rows.
        rows: Number of labelled rows with a position that counts.
        class_names: K names.
        before: NLL of the labelled rows as they were, nats at a position.
        after: NLL of the same rows calibrated, each by what folds teach that it is not in.
        difference: `after` less `before`, row by row.
    """

    temperature: Score
    rows: int
    class_names: tuple[str, ...]
    before: Score
    after: Score
    difference: Score
    answer: ClassVar[str] = "positions"

    def __call__(self, result: DenseCertainty) -> DenseCertainty:
        """The same rows with calibrated probabilities, and what follows from them.

        Labels stay, and with them shares and overlap. Errors are propagated. `expected_entropy` keeps its
        share of the entropy: how doubt is split is the model's, how much there is the calibration's. Of a
        saved result, the maps of a row are made where they are looked at.

        Args:
            result: N ≥ 0 rows of the same classes, not calibrated yet.

        Raises:
            InputError: Another kind of result, other classes, calibrated already, or the probabilities of all
                classes were not kept.
        """
        check_result(result, self.class_names)
        _check_usable(result)
        told = {"method": "temperature", "rows": self.rows, "temperature": self.temperature.value}
        method = {**result.method, "calibration": told}
        return replace(result, **_calibrated(result, 1 / self.temperature.value), method=method)

    def in_words(self) -> str:
        """Sentences for a reader who knows no statistics."""
        low, high = self.temperature.low, self.temperature.high
        shown = f"(temperature {self.temperature}, where 1 changes nothing)"
        if not self.temperature.known or low <= 1 <= high:
            change = f"The model's percentages need no change that these rows could show {shown}."
        elif low > 1:
            change = f"The model claimed too much, so its highest percentages are lowered {shown}."
        else:
            change = f"The model claimed too little, so its highest percentages are raised {shown}."
        better = "Whether they became better, these rows cannot tell."
        if self.difference.excludes_zero:
            better = "They became better" if self.difference.value < 0 else "They became worse"
            better += ", by more than chance explains."
        return (
            f"Calibration by one temperature, learnt from {self.rows:,} rows with known answers. {change} On "
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
        }


def calibrate(result: DenseCertainty, labels: Any, *, method: str | None, seed: int) -> DenseCalibrator:
    """The part `calibrate` of positions; see `howsure.judge.calibrate.calibrate`."""
    if method not in (None, "temperature"):
        raise InputError(
            "Positions are calibrated by one temperature",
            expected='method="temperature", or None',
            received=repr(method),
        )
    truths_of(result, labels)  # raises where the labels do not fit
    _check_usable(result)

    def sums(of_row: Callable[[int], float]) -> Floats:
        each = enumerate(truths_of(result, labels))
        return np.array([_sums_of(result, at, truth, of_row(at)) for at, truth in each])

    as_given = sums(lambda at: 1.0)
    counted = as_given[:, 3]
    there = np.flatnonzero(counted)
    if len(there) < 2 * FOLDS:
        raise InputError(
            "Too few labelled rows to calibrate with",
            expected=f"at least {2 * FOLDS}, for {FOLDS} folds",
            received=len(there),
            hint="Label more rows",
        )
    fold = np.zeros(len(result), dtype=np.int64)
    fold[there] = np.random.default_rng(seed).permutation(len(there)) % FOLDS
    beta, at_best = _least(sums)
    slope, curvature = at_best[:, 1], at_best[:, 2]
    # One step of Newton's method away from the best of all rows is the best without a fold, to second order.
    others = [fold != number for number in range(FOLDS)]
    without = np.array([beta - slope[kept].sum() / curvature[kept].sum() for kept in others])
    held_out = sums(lambda at: float(max(without[fold[at]], beta / 2)))[:, 0]
    before, after = (loss_of(each[there], counted[there]) for each in (as_given[:, 0], held_out))
    parts = slope[there] / (beta * curvature.sum()) * math.sqrt(len(there) / (len(there) - 1))
    low, high = np.exp(symmetric_interval(-math.log(beta), parts))
    return DenseCalibrator(
        temperature=Score(1 / beta, float(low), float(high)),
        rows=len(there),
        class_names=result.class_names,
        before=before.score(0.95),
        after=after.score(0.95),
        difference=after.minus(before),
    )


def read(content: Mapping[str, Any]) -> DenseCalibrator:
    """The part `read_calibrator` of positions: the inverse of `DenseCalibrator._plain`."""
    scores = read_scores(content["scores"])
    names = check_names(content["class_names"], "class", "The class names")
    temperature = scores["temperature"].value
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"a temperature of {temperature}")
    given = {name: scores[name] for name in ("temperature", "before", "after", "difference")}
    return DenseCalibrator(rows=int(content["rows"]), class_names=names, **given)


def _least(sums: Callable[[Callable[[int], float]], Floats]) -> tuple[float, Floats]:
    """β of least NLL by Newton's method within a bracket, and the sums of each row there.

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
    found = at(1.0)
    if not found[:, 4].sum():
        raise InputError(
            "Every label is right, so these rows do not say how far to change percentages",
            expected="rows with a position whose label is wrong",
            hint="Label more rows",
        )
    low, high, beta = 0.0, math.inf, 1.0
    for _ in range(STEPS):
        slope, curvature = found[:, 1].sum(), found[:, 2].sum()
        low, high = (beta, high) if slope < 0 else (low, beta)
        step = beta - slope / curvature if curvature > 0 else beta
        inside = low < step < min(high, 4 * beta)
        following = float(step) if inside else (low + high) / 2 if math.isfinite(high) else 2 * beta
        if abs(following - beta) <= 1e-9 * beta:
            break
        beta = following
        found = at(beta)
    return beta, found


def _sums_of(result: DenseCertainty, at: int, truth: Integers, beta: float) -> tuple[float, ...]:
    """NLL, its slope and curvature in β, positions that count, and wrong ones, of one row."""
    counts = truth >= 0
    true = truth[counts]
    if not len(true):
        return (0.0,) * 5
    logs = np.log(np.maximum(known_probabilities(result, at)[counts], SMALLEST))
    q = _tempered(logs, beta)
    of_true = np.take_along_axis(logs, true[:, None], axis=1)[:, 0]
    mean = np.einsum("nk,nk->n", q, logs)
    total = beta * logs.max(axis=1) + np.log(np.exp(beta * (logs - logs.max(axis=1, keepdims=True))).sum(1))
    curvature = np.einsum("nk,nk,nk->", q, logs, logs) - np.sum(mean**2)
    wrong = np.count_nonzero(np.asarray(result.label[at]).reshape(-1)[counts] != true)
    nll, slope = np.sum(total - beta * of_true), np.sum(mean - of_true)
    return float(nll), float(slope), float(curvature), float(len(true)), float(wrong)


def _tempered(logs: Floats, beta: float) -> Floats:
    """(P, K) p^β / Σ p^β from log p."""
    q = np.exp(beta * (logs - logs.max(axis=1, keepdims=True)))
    return np.asarray(q / q.sum(axis=1, keepdims=True))


def _calibrated(result: DenseCertainty, beta: float) -> dict[str, Any]:
    """The maps that change, of all rows. Where maps of the result lie in files, these are made row by row."""
    names = ["probability", "gap", "mc_error", "entropy", "expected_entropy", "settled"]
    if result.all_probabilities is not None:
        names += ["all_probabilities", "all_errors"]
    rows, old = np.arange(len(result)), {name: getattr(result, name) for name in names}
    make = _Calibrated(result, beta)
    made: dict[str, Any] = {
        name: MadeMap(make, name, array.shape[1:], array.dtype, rows) for name, array in old.items()
    }
    if isinstance(result.label, (np.memmap, LazyMap)):
        return made
    given: dict[str, Any] = {name: np.empty(array.shape, array.dtype) for name, array in made.items()}
    for at in range(len(result)):
        for name, array in made.items():
            given[name][at] = array[at]
    return given


@dataclass(frozen=True)
class _Calibrated:
    """Makes the maps of one row; it keeps those of the last one."""

    result: DenseCertainty
    beta: float
    last: dict[int, dict[str, Any]] = field(default_factory=dict, repr=False)

    def __call__(self, at: int) -> dict[str, Any]:
        if at not in self.last:
            found = _maps_of_row(self.result, at, self.beta)
            self.last.clear()
            self.last[at] = found
            return found
        return self.last[at]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.result, self.beta)


def _maps_of_row(result: DenseCertainty, at: int, beta: float) -> dict[str, Any]:
    classes, p = len(result.class_names), known_probabilities(result, at)
    flat = {name: np.asarray(getattr(result, name)[at]).reshape(-1) for name in ("label", "runner_up")}
    label, runner_up = (each.astype(np.int64) for each in flat.values())
    if result.all_errors is None:
        error = np.repeat(np.reshape(result.mc_error[at], (-1, 1)).astype(np.float64), classes, axis=1)
    else:
        error = np.reshape(result.all_errors[at], p.shape).astype(np.float64)
    q = _tempered(np.log(np.maximum(p, SMALLEST)), beta)
    error = maps.propagated(lambda some: _tempered(np.log(np.maximum(some, SMALLEST)), beta), p, error)
    old = np.reshape(result.entropy[at], -1).astype(np.float64)
    correction = np.maximum(old - entropy_of(p), 0)
    entropy = np.minimum(entropy_of(q) + correction, np.log(classes))
    share = np.where(old > 0, np.reshape(result.expected_entropy[at], -1) / np.where(old > 0, old, 1), 1)
    top = pick(q, label)
    return {
        "probability": top,
        "gap": np.maximum(top - pick(q, runner_up), 0),
        "mc_error": pick(error, label),
        "entropy": entropy,
        "expected_entropy": np.minimum(share, 1) * entropy,
        "settled": judge(q, error, result.thresholds)[1],
        "all_probabilities": q,
        "all_errors": error,
    }


def _check_usable(result: DenseCertainty) -> None:
    """An `InputError` for what is calibrated already, or lacks probabilities."""
    if "calibration" in result.method:
        raise InputError(
            "These rows are calibrated already", expected="a `DenseCertainty` as the model gave it"
        )
    if len(result) and not are_known(result):
        known_probabilities(result, 0)
