"""Calibrate how far answers lie from the numbers of a result, with true numbers of held-out rows.

    noise    where nothing says how far answers scatter: one σ for each target that maximises
             Σ log N(y; mean, spread² + σ²)
    factor   where `std` is known: the c that maximises Σ log N(y; mean, c² std²), c² = mean of (e / std)²
    shift    with `method="shift"`, before either: the mean of e = y − mean, which is added to `mean`

Recalibrated quantiles (Kuleshov and others 2018) are left out: a result holds a mean and a standard
deviation. docs/numbers.md says what they would gain. If answers are not normal, a warning names
`prediction_intervals`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from scipy.optimize import minimize_scalar

from howsure.answers.numbers.evaluate import (
    RegressionEvaluation,
    ScoreAtLevels,
    TargetScores,
    at_levels,
    evaluate_numbers,
)
from howsure.answers.numbers.rescale import moved
from howsure.answers.numbers.result import RegressionCertainty
from howsure.answers.numbers.scores import LEVELS, METRICS, Loss, root_of
from howsure.answers.numbers.sentence import SHOWN
from howsure.answers.numbers.truth import truth_of
from howsure.answers.registry import NUMBERS, check_kind
from howsure.data.rows import in_rows, quoted
from howsure.data.typed import FINITE, FROM_0, typed, types_of, wrong
from howsure.errors import InputError
from howsure.judge.calibrator_files import (
    NOT_MEASURED,
    Kept,
    check_not_calibrated,
    check_rows,
    plain_scores,
    read_rows_and_names,
    read_scores,
)
from howsure.judge.cross_fit import Through, through_fits
from howsure.judge.learnt import LearntRows
from howsure.judge.paired import Paired
from howsure.judge.scores import Score
from howsure.sampling.outcome import Floats, Integers
from howsure.words import rate

NOISE, FACTOR, SHIFT = "noise", "factor", "shift"
"""The quantities learnt for a target: a standard deviation in its unit, a factor of `std`, and a shift."""

WITH_SHIFT = f"{SHIFT} and "
"""Begins what was learnt in the file of a calibrator with a shift."""

FOLDS = 5
"""Parts of the rows; each is calibrated by what the others teach."""

SLOPED = ("nll", "crps")
"""Scores that change with a noise or a factor."""

GRID = 200
"""Variances tried, evenly in their logarithm, before the best is refined: there may be two maxima."""

FROM = "held-out rows"
"""The source of `noise`, in sentences."""


@dataclass(frozen=True, eq=False, repr=False)
class RegressionCalibrator(Kept):
    """The scatter of answers learnt from held-out rows; call it with a `RegressionCertainty`.

    Attributes:
        learnt: `noise`, or `factor`, the same for all targets.
        values: By name of each target the noise, in its unit, or the factor of `std`, each with its 95 %
            interval over rows.
        rows: Number of labelled rows.
        before: Scores of the labelled rows as they were.
        after: Scores of the same rows calibrated, each by what folds teach that it is not in.
        warnings: Sentences; empty if nothing is amiss.
        shifts: By name of each target the number added to `mean`, with its 95 % interval; empty without
            `method="shift"`.
        learnt_rows: The labelled rows, as it knows them again.
    """

    learnt: str
    values: Mapping[str, Score]
    rows: int
    before: RegressionEvaluation
    after: RegressionEvaluation
    warnings: tuple[str, ...]
    shifts: Mapping[str, Score]
    learnt_rows: LearntRows
    answer: ClassVar[str] = "numbers"

    @property
    def target_names(self) -> tuple[str, ...]:
        """K names, in order."""
        return tuple(self.values)

    @cached_property
    def differences(self) -> dict[str, Score]:
        """`after` less `before` of every score that both have, paired row by row."""
        return self.after.minus(self.before)

    def __call__(self, result: RegressionCertainty) -> RegressionCertainty:
        """The same rows with a calibrated `std`.

        A noise is added: `noise` is what was learnt, and `std` follows from it and `spread`. A factor
        multiplies `std`, and with it `noise`, `spread` and the distance of networks from the mean: how doubt
        is split is the model's, how much there is the calibration's. `mc_error` stays, and `mean` too unless
        a shift was learnt.

        Args:
            result: N ≥ 0 rows of the same targets, not calibrated yet.

        Raises:
            InputError: Another kind of result, other targets, calibrated already, or rows whose `std` is
                known where the noise was learnt, and the other way round.
        """
        check_kind(result, NUMBERS, self.target_names)
        if len(result) and _learnt_of(result) != self.learnt:
            raise InputError(
                "These rows say something else of the scatter of answers than the labelled ones",
                expected="rows whose `std` is " + ("unknown" if self.learnt == NOISE else "known"),
                hint="Give rows of the same method",
            )
        values = np.array([score.value for score in self.values.values()])
        shift = np.array([score.value for score in self.shifts.values()]) if self.shifts else None
        return self._marked(result, _changed(result, self.learnt, values, shift, self.rows))

    def in_words(self) -> str:
        """Sentences for a reader who knows no statistics."""
        one = len(self.values) == 1
        said = [f"Calibration of numbers, learnt from {self.rows:,} rows with known answers."]
        for name, score in self.values.items():
            what = f"The noise{'' if one else f' of {name!r}'} is {score}"
            if self.learnt == FACTOR:
                what = f"The std{'' if one else f' of {name!r}'} is multiplied by {score}"
            if self.shifts:
                said.append(f"{self.shifts[name]} is added to the mean{'' if one else f' of {name!r}'}.")
            said.append(f"{what}. {self._held_in_words(name)}")
        return " ".join(
            [
                *said,
                *self.warnings,
                "If the model was trained on these rows, none of this holds; howsure cannot know that.",
            ]
        )

    def _held_in_words(self, name: str) -> str:
        """Coverage of the intervals of one target, in rows that it had not learnt from."""
        before, after = (of.of_target[name].coverage for of in (self.before, self.after))
        assert after is not None  # std is known now
        now = "" if before is None else f" before and {rate(after.value)} now"
        first = after if before is None else before
        return (
            f"In rows that it had not learnt from, {100 * SHOWN:g}\u00a0% intervals held "
            f"{rate(first.value)} of the answers{now}."
        )

    def __repr__(self) -> str:
        return f"<RegressionCalibrator of {quoted(self.target_names)} from {self.rows:,} rows: {self.learnt}>"

    def _plain(self) -> dict[str, Any]:
        return {
            "learnt": (WITH_SHIFT if self.shifts else "") + self.learnt,
            **({SHIFT: plain_scores(self.shifts)} if self.shifts else {}),
            "rows": self.rows,
            "target_names": list(self.target_names),
            "values": plain_scores(self.values),
            "before": _plain_evaluation(self.before),
            "after": _plain_evaluation(self.after),
            "differences": plain_scores(self.differences),
            "warnings": list(self.warnings),
            "learnt_rows": self.learnt_rows.plain,
        }


def calibrate(
    result: RegressionCertainty, labels: Any, *, method: str | None, seed: int
) -> RegressionCalibrator:
    """The part `calibrate` of numbers; see `howsure.judge.calibrate.calibrate`."""
    if method not in (None, SHIFT):
        raise InputError(
            "Numbers are calibrated by their noise, or by a factor of `std` where it is known",
            expected=f"method=None, or '{SHIFT}' to mend a mean that is off by a constant as well",
            received=repr(method),
        )
    truth = truth_of(result, labels)
    learnt = _learnt_of(result)
    check_rows(len(truth), FOLDS)
    error = truth - result.mean
    values, shift = _fitted(result, learnt, error, shifted=method == SHIFT)

    def held_out(shifted: bool) -> RegressionEvaluation:
        return _held_out(result, learnt, truth, shifted, seed)

    before, after = evaluate_numbers(result, truth, seed), held_out(method == SHIFT)
    moved = error if shift is None else error - shift
    scores = {
        name: _score_of(result, learnt, k, moved[:, k], float(values[k]))
        for k, name in enumerate(result.target_names)
    }
    warnings = _warnings_of(learnt, scores, {} if learnt == NOISE else after.minus(before), after, held_out)
    shifts = {} if shift is None else {name: _bias(of, -1) for name, of in before.of_target.items()}
    told = (len(truth), before, after, tuple(warnings), shifts, LearntRows.of(result))
    return RegressionCalibrator(learnt, scores, *told)


def read(content: Mapping[str, Any]) -> RegressionCalibrator:
    """The part `read_calibrator` of numbers: the inverse of `RegressionCalibrator._plain`."""
    rows, names = read_rows_and_names(content, "target")
    with_shift = WITH_SHIFT if SHIFT in content else ""
    kinds = (with_shift + NOISE, with_shift + FACTOR)
    learnt = typed(Annotated[str, kinds], content["learnt"], "learnt").removeprefix(with_shift)
    values = read_scores(content["values"], "values", names, FROM_0, known=True)
    shifts = read_scores(content[SHIFT], SHIFT, names, FINITE, known=True) if with_shift else {}
    before, after = (_read_evaluation(content[which], rows, names, which) for which in ("before", "after"))
    if any(scores.coverage is None for scores in after.of_target.values()):
        raise wrong("after", "a `coverage` of each target", content["after"])
    warnings = typed(tuple[str, ...], content["warnings"], "warnings")
    known = LearntRows.read(content["learnt_rows"])
    calibrator = RegressionCalibrator(learnt, values, rows, before, after, warnings, shifts, known)
    # The rows would be needed for these.
    vars(calibrator)["differences"] = read_scores(content["differences"], "differences")
    return calibrator


# --- fitting ------------------------------------------------------------------------------------------


def _learnt_of(result: RegressionCertainty) -> str:
    """The quantity that these rows can teach, or an `InputError`."""
    check_not_calibrated(result)
    unknown = np.isnan(result.std).any(axis=-1)
    if unknown.all():
        return NOISE
    if unknown.any():
        rows = np.flatnonzero(unknown)
        raise InputError(
            f"The `std` is unknown {in_rows(len(rows), rows[:5].tolist())}, and known in others",
            expected="rows of one method",
        )
    return FACTOR


def _fitted(
    result: RegressionCertainty, learnt: str, error: Floats, *, shifted: bool
) -> tuple[Floats, Floats | None]:
    """(K,) the noise, or the factor, of each target, and the shift where asked for, from errors (N, K)."""
    shift = error.mean(axis=0) if shifted else None
    error = error if shift is None else error - shift
    if learnt == NOISE:
        pairs = zip(error.T, spread_of(result).T, strict=True)
        return np.array([noise_of(*each) for each in pairs]), shift
    wrong = np.flatnonzero((result.std == 0).any(axis=-1))
    if len(wrong):
        raise InputError(
            f"The `std` is 0 {in_rows(len(wrong), wrong[:5].tolist())}, so no factor makes it true",
            expected="a `std` above 0",
        )
    return np.asarray(np.sqrt(np.mean((error / result.std) ** 2, axis=0))), shift


def _held_out(
    result: RegressionCertainty, learnt: str, truth: Floats, shifted: bool, seed: int
) -> RegressionEvaluation:
    """Scores of the same rows, each calibrated by what folds teach that it is not in."""
    error, names = truth - result.mean, result.target_names
    fold = np.random.default_rng(seed).permutation(len(error)) % FOLDS
    parts, fits = list[RegressionCertainty](), list[Floats]()
    for number in range(FOLDS):
        known = fold != number
        fit = _fitted(result[known], learnt, error[known], shifted=shifted)
        fits.append(fit[0])
        parts.append(_changed(result[~known], learnt, *fit, int(known.sum())))
    alike = [replace(part, method=parts[0].method) for part in parts]
    order = np.argsort(np.concatenate([np.flatnonzero(fold == number) for number in range(FOLDS)]))
    through: dict[str, dict[str, Through]] = {}
    if not shifted:  # a shift moves with rows as well
        moved = moves(learnt, result, np.array(fits), fold, truth)
        by_score = slopes(learnt, result, np.array(fits)[fold], truth)
        for k, name in enumerate(names):
            of_target = zip(SLOPED, by_score[..., [k]], strict=True)
            through[name] = {
                score: through_fits(fold, moved[..., [k]], *of, unbounded=True) for score, of in of_target
            }
    return evaluate_numbers(RegressionCertainty.joined(alike)[order], truth, seed, through=through)


def moves(learnt: str, result: RegressionCertainty, fits: Floats, fold: Integers, truth: Floats) -> Floats:
    """(FOLDS, N, K) by how much each row moves the logarithm of the fit that scores each fold.

    To first order, −u / Σ ∂u/∂θ with the slope u of the NLL (Hampel 1974); 0 of the rows of the fold.

    Args:
        learnt: The quantity learnt.
        result: N rows as they were.
        fits: (FOLDS, K) what the other folds teach.
        fold: (N,) the fold of each row.
        truth: (N, K).
    """
    found = np.zeros((FOLDS, *truth.shape))
    for number, fit in enumerate(fits):
        others = fold != number
        slope, curvature = slopes(learnt, result[others], fit, truth[others])[0]
        total = curvature.sum(axis=0)
        found[number, others] = -np.divide(slope, total, out=np.zeros_like(slope), where=total > 0)
    return found


def slopes(learnt: str, result: RegressionCertainty, fit: Floats, truth: Floats) -> Floats:
    """(2, 2, N, K) first and second derivative of the scores `SLOPED` by θ, the logarithm of a fit.

    With z = (y − mean)/std, r = noise²/std², 1 for a factor, and g = 2 φ(z) − 1/√π:

        NLL   r (1 − z²)     2 r² z² + 2 r (1 − r) (1 − z²)
        CRPS  r std g        r std ((2 − r) g + 2 r z² φ(z))

    Args:
        learnt: The quantity learnt.
        result: N rows as they were.
        fit: (K,) or (N, K) the noise, or the factor.
        truth: (N, K).
    """
    own, between = (fit**2, spread_of(result) ** 2) if learnt == NOISE else ((result.std * fit) ** 2, 0.0)
    variance = own + between
    known = variance > 0
    r = np.divide(own, variance, out=np.zeros_like(truth), where=known)
    square = np.divide((truth - result.mean) ** 2, variance, out=np.ones_like(truth), where=known)
    density, width = np.exp(-square / 2) / np.sqrt(2 * np.pi), r * np.sqrt(variance)
    g = 2 * density - 1 / np.sqrt(np.pi)
    of_nll = r * (1 - square), 2 * r**2 * square + 2 * r * (1 - r) * (1 - square)
    return np.array([of_nll, (width * g, width * ((2 - r) * g + 2 * r * square * density))])


def _bias(scores: TargetScores, sign: int) -> Score:
    """The bias of a target, or with the sign −1 what has to be added to its mean."""
    low, high = sorted((sign * scores.bias.low, sign * scores.bias.high))
    return Score(sign * scores.bias.value, low, high)


def spread_of(result: RegressionCertainty) -> Floats:
    """(N, K) spread between networks; 0 where there is one."""
    return np.zeros_like(result.mean) if result.spread is None else np.nan_to_num(result.spread)


def noise_of(error: Floats, spread: Floats) -> float:
    """The σ ≥ 0 that maximises Σ log N(e; 0, spread² + σ²), for errors (N,) and spreads (N,)."""
    squares, between = error**2, spread**2
    most = float(squares.max())  # beyond it every term falls
    if most == 0 or not between.any():
        return math.sqrt(squares.mean())  # in closed form

    def loss(variance: float) -> float:
        total = between + variance
        return float(np.sum(np.log(total) + squares / total))

    # No error is told from a smaller share of the largest in double precision.
    tried = most * np.geomspace(np.finfo(float).eps, 1.0, GRID)
    losses = [loss(variance) for variance in tried]
    best = int(np.argmin(losses))
    near = (math.log(tried[max(best - 1, 0)]), math.log(tried[min(best + 1, GRID - 1)]))
    refined = minimize_scalar(
        lambda log: loss(math.exp(log)), bounds=near, method="bounded", options={"xatol": 1e-10}
    )
    found = math.exp(refined.x)
    if (between > 0).all() and loss(0.0) <= loss(found):
        return 0.0
    return math.sqrt(found)


def _score_of(result: RegressionCertainty, learnt: str, k: int, error: Floats, value: float) -> Score:
    """The quantity learnt for a target, with its 95 % interval over rows: that of an M-estimator.

    For a noise, rows with a variance v = spread² + σ² count by (e² − v) / v²; an end below 0 is 0.
    """
    if learnt == FACTOR:
        return root_of((error / result.std[:, k]) ** 2).score(0.95)
    variance = spread_of(result)[:, k] ** 2 + value**2
    if not (variance > 0).all():
        return Score(value, np.nan, np.nan)
    weights = 1 / variance**2
    slope = float(np.mean((2 * error**2 - variance) * weights / variance))
    parts = weights * (error**2 - variance) / len(error)
    if not slope > 0 or value == 0:
        return Score(value, np.nan, np.nan)
    square = Loss(value**2, (parts - parts.mean()) / slope, len(error), least=0.0)
    low, high = np.sqrt(square.interval(0.95))
    return Score(value, float(low), float(high))


def _changed(
    result: RegressionCertainty, learnt: str, values: Floats, shift: Floats | None, rows: int
) -> RegressionCertainty:
    """A calibrated result; see `RegressionCalibrator.__call__`."""
    learned = {learnt: values} if shift is None else {learnt: values, SHIFT: shift}
    of_targets = {
        name: dict(zip(result.target_names, each.tolist(), strict=True)) for name, each in learned.items()
    }
    told = {**result.method, "calibration": {"rows": rows, **of_targets}}
    if shift is not None:
        result = replace(result, **moved(result, shift, np.ones_like(shift)))
    if learnt == NOISE:
        return replace(result.with_noise(values, FROM), method=told)
    given = moved(result, result.mean * (1 - values), values)
    given |= {"mean": result.mean, "mc_error": result.mc_error, "method": told}
    if not np.isnan(result.noise).any():
        given["noise_from"] = FROM
    return replace(result, **given)


def _warnings_of(
    learnt: str,
    values: Mapping[str, Score],
    differences: Mapping[str, Score],
    after: RegressionEvaluation,
    held_out: Callable[[bool], RegressionEvaluation],
) -> list[str]:
    sentences = []
    off = [name for name, scores in after.of_target.items() if _is_off(scores)]
    biased = [name for name in off if _bias(after.of_target[name], 1).excludes_zero]
    without = held_out(True) if biased else after
    for name in off:
        if name in biased:
            high = _bias(after.of_target[name], 1).value > 0
            by = _bias(after.of_target[name], 1 if high else -1)
            sentences.append(
                f"Predictions of '{name}' are too {'high' if high else 'low'}, by {by} on average: "
                "`howsure.calibrate(result, y, method='shift')` takes that off."
            )
        if _is_off(without.of_target[name]):
            sentences.append(
                f"Answers of '{name}' are not normally distributed around the mean, by more than chance "
                "explains: `howsure.prediction_intervals` gives intervals that hold all the same."
            )
    none_left = [name for name, score in values.items() if score.value == 0]
    if none_left and learnt == NOISE:
        sentences.append(
            f"No noise is left for {quoted(none_left)}: the networks lie further apart than answers lie from "
            "their mean, so intervals are too wide."
        )
    for name in values:
        score = differences.get("nll" if len(values) == 1 else f"nll of {name}")
        if score is not None and score.low > 0:
            sentences.append(
                f"Calibration made the NLL of '{name}' worse in rows that it had not learnt from, as it does "
                "where there is nothing to correct: keep the model's own `std`."
            )
    return sentences


def _is_off(scores: TargetScores) -> bool:
    """Whether quantiles are off by more than chance explains."""
    return scores.miscalibration is not None and scores.miscalibration.low > 0


# --- files --------------------------------------------------------------------------------------------


def _plain_evaluation(evaluation: RegressionEvaluation) -> dict[str, Any]:
    return {name: _plain_target(scores) for name, scores in evaluation.of_target.items()}


def _plain_target(scores: TargetScores) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in fields(scores):
        value = getattr(scores, each.name)
        if isinstance(value, ScoreAtLevels):
            found[each.name] = plain_scores({str(level): score for level, score in value.items()})
        elif isinstance(value, Score):
            found[each.name] = plain_scores({each.name: value})[each.name]
        elif value is not None:
            found[each.name] = value
    return found


def _read_evaluation(given: Any, rows: int, names: tuple[str, ...], field: str) -> RegressionEvaluation:
    """Scores without their rows, so that nothing can be compared with them row by row."""
    content = typed(Mapping[str, Mapping[str, Any]], given, field)
    of_target = {name: _read_target(content[name], f"{field}[{name!r}]") for name in names}
    return RegressionEvaluation(rows, of_target, _found=Paired({}))


def _read_target(content: Mapping[str, Any], field: str) -> TargetScores:
    given: dict[str, Any] = {}
    for score, kind in types_of(TargetScores).items():
        value, name = content.get(score, NOT_MEASURED if kind is Score else None), f"{field}.{score}"
        if value is None and kind not in (Score, ScoreAtLevels, float):
            given[score] = None
        elif kind in (float, float | None):
            given[score] = typed(float, value, name)
        elif kind in (Score, Score | None):
            given[score] = read_scores({score: value}, field, limits=METRICS[score].limits)[score]
        else:
            found = {str(level): level for level in LEVELS}
            each = read_scores(value, name, found, METRICS[score].limits)
            given[score] = at_levels({level: each[said] for said, level in found.items()})
    return TargetScores(**given)
