"""Calibrate how far answers lie from the numbers of a result, with true numbers of held-out rows.

    noise    where nothing says how far answers scatter: one σ for each target that maximises
             Σ log N(y; mean, spread² + σ²)
    factor   where `std` is known: the c that maximises Σ log N(y; mean, c² std²), c² = mean of (e / std)²

Recalibrated quantiles (Kuleshov and others 2018) are left out: a result holds a mean and a standard
deviation. docs/numbers.md says what they would gain. Where answers are not normal, a warning names
`prediction_intervals`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import minimize_scalar

from howsure.answers.numbers.evaluate import (
    RegressionEvaluation,
    ScoreAtLevels,
    TargetScores,
    at_levels,
    evaluate_numbers,
)
from howsure.answers.numbers.result import RegressionCertainty
from howsure.answers.numbers.scores import Loss, root_of
from howsure.answers.numbers.sentence import SHOWN
from howsure.answers.numbers.truth import check_result, truth_of
from howsure.data.rows import in_rows, quoted
from howsure.data.targets import target_names
from howsure.errors import InputError
from howsure.judge.calibrator_files import Kept, plain_scores, read_scores
from howsure.judge.paired import Paired
from howsure.judge.scores import Score
from howsure.sampling.outcome import Floats
from howsure.words import rate

NOISE, FACTOR = "noise", "factor"
"""What can be learnt of a target: a standard deviation in its unit, or a factor of `std`."""

FOLDS = 5
"""Parts of the rows; each is calibrated by what the others teach."""

GRID = 200
"""Variances tried, evenly in their logarithm, before the best is refined: there may be two maxima."""

FROM = "held-out rows"
"""Where `noise` comes from, in sentences."""


@dataclass(frozen=True, eq=False, repr=False)
class RegressionCalibrator(Kept):
    """What held-out rows teach of the scatter of answers; call it with a `RegressionCertainty`.

    Attributes:
        learnt: `noise`, or `factor`, the same for all targets.
        values: By name of each target the noise, in its unit, or the factor of `std`, each with its 95 %
            interval over rows.
        rows: Number of labelled rows.
        before: Scores of the labelled rows as they were.
        after: Scores of the same rows calibrated, each by what folds teach that it is not in.
        warnings: Sentences; empty where nothing is amiss.
    """

    learnt: str
    values: Mapping[str, Score]
    rows: int
    before: RegressionEvaluation
    after: RegressionEvaluation
    warnings: tuple[str, ...]
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
        multiplies `std`, and with it `noise`, `spread` and the distance of `quantiles` from the mean: how
        doubt is split is the model's, how much there is the calibration's. `mean` and `mc_error` stay.

        Args:
            result: N ≥ 0 rows of the same targets, not calibrated yet.

        Raises:
            InputError: Another kind of result, other targets, calibrated already, or rows whose `std` is
                known where the noise was learnt, and the other way round.
        """
        check_result(result, self.target_names)
        if len(result) and _learnt_of(result) != self.learnt:
            raise InputError(
                "These rows say something else of the scatter of answers than the labelled ones",
                expected="rows whose `std` is " + ("unknown" if self.learnt == NOISE else "known"),
                hint="Give rows of the same method",
            )
        values = np.array([score.value for score in self.values.values()])
        return _changed(result, self.learnt, values, self.rows)

    def in_words(self) -> str:
        """Sentences for a reader who knows no statistics."""
        one = len(self.values) == 1
        said = [f"Calibration of numbers, learnt from {self.rows:,} rows with known answers."]
        for name, score in self.values.items():
            what = f"The noise{'' if one else f' of {name!r}'} is {score}"
            if self.learnt == FACTOR:
                what = f"The std{'' if one else f' of {name!r}'} is multiplied by {score}"
            said.append(f"{what}. {self._held_in_words(name)}")
        return " ".join(
            [
                *said,
                *self.warnings,
                "Whether the model was trained on these rows cannot be known; if so, none of this holds.",
            ]
        )

    def _held_in_words(self, name: str) -> str:
        """What the intervals of one target held, in rows that it had not learnt from."""
        before, after = (of.of_target[name].coverage for of in (self.before, self.after))
        assert after is not None  # std is known now
        was = "" if before is None else f" {rate(before.value)} before and"
        now = " now" if before is not None else ""
        return (
            f"Of answers in rows that it had not learnt from, {100 * SHOWN:g}\u00a0% intervals held{was} "
            f"{rate(after.value)}{now}."
        )

    def __repr__(self) -> str:
        return f"<RegressionCalibrator of {quoted(self.target_names)} from {self.rows:,} rows: {self.learnt}>"

    def _plain(self) -> dict[str, Any]:
        return {
            "learnt": self.learnt,
            "rows": self.rows,
            "target_names": list(self.target_names),
            "values": plain_scores(self.values),
            "before": _plain_evaluation(self.before),
            "after": _plain_evaluation(self.after),
            "differences": plain_scores(self.differences),
            "warnings": list(self.warnings),
        }


def calibrate(
    result: RegressionCertainty, labels: Any, *, method: str | None, seed: int
) -> RegressionCalibrator:
    """The part `calibrate` of numbers; see `howsure.judge.calibrate.calibrate`."""
    if method is not None:
        raise InputError(
            "Numbers are calibrated in one way: by their noise, or by a factor of `std` where it is known",
            expected="method=None",
            received=repr(method),
        )
    truth = truth_of(result, labels)
    learnt = _learnt_of(result)
    if len(truth) < 2 * FOLDS:
        raise InputError(
            "Too few labelled rows to calibrate with",
            expected=f"at least {2 * FOLDS}, for {FOLDS} folds",
            received=len(truth),
            hint="Label more rows",
        )
    error = truth - result.mean
    values = _fitted(result, learnt, error)
    fold = np.random.default_rng(seed).permutation(len(truth)) % FOLDS
    parts = []
    for number in range(FOLDS):
        known = fold != number
        value = _fitted(result[known], learnt, error[known])
        parts.append(_changed(result[~known], learnt, value, int(known.sum())))
    alike = [replace(part, method=parts[0].method) for part in parts]
    order = np.argsort(np.concatenate([np.flatnonzero(fold == number) for number in range(FOLDS)]))
    held_out = RegressionCertainty.joined(alike)[order]
    before, after = (evaluate_numbers(each, truth, seed) for each in (result, held_out))
    scores = {
        name: _score_of(result, learnt, k, error[:, k], float(values[k]))
        for k, name in enumerate(result.target_names)
    }
    warnings = _warnings_of(learnt, scores, {} if learnt == NOISE else after.minus(before), after)
    return RegressionCalibrator(learnt, scores, len(truth), before, after, tuple(warnings))


def read(content: Mapping[str, Any]) -> RegressionCalibrator:
    """The part `read_calibrator` of numbers: the inverse of `RegressionCalibrator._plain`."""
    learnt, rows, names = content["learnt"], int(content["rows"]), content["target_names"]
    if learnt not in (NOISE, FACTOR):
        raise ValueError(f"howsure does not learn '{learnt}'")
    found = read_scores(content["values"])
    values = {name: found[name] for name in target_names(names, len(names))}
    if not all(np.isfinite(score.value) and score.value >= 0 for score in values.values()):
        raise ValueError("a value is not a number of at least 0")
    before, after = (_read_evaluation(content[which], rows, tuple(values)) for which in ("before", "after"))
    warnings = tuple(map(str, content["warnings"]))
    calibrator = RegressionCalibrator(learnt, values, rows, before, after, warnings)
    vars(calibrator)["differences"] = read_scores(content["differences"])  # which the rows are needed for
    return calibrator


# --- fitting ------------------------------------------------------------------------------------------


def _learnt_of(result: RegressionCertainty) -> str:
    """What can be learnt of these rows, or an `InputError`."""
    if "calibration" in result.method:
        raise InputError(
            "These rows are calibrated already", expected="a `RegressionCertainty` as the model gave it"
        )
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


def _fitted(result: RegressionCertainty, learnt: str, error: Floats) -> Floats:
    """(K,) the noise, or the factor, of each target, from errors (N, K)."""
    if learnt == NOISE:
        spread = spread_of(result)
        return np.array([noise_of(error[:, k], spread[:, k]) for k in range(error.shape[1])])
    wrong = np.flatnonzero((result.std == 0).any(axis=-1))
    if len(wrong):
        raise InputError(
            f"The `std` is 0 {in_rows(len(wrong), wrong[:5].tolist())}, so no factor makes it true",
            expected="a `std` above 0",
        )
    return np.asarray(np.sqrt(np.mean((error / result.std) ** 2, axis=0)))


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
    """What was learnt of a target, with its 95 % interval over rows: that of an M-estimator.

    Of a noise, rows with a variance v = spread² + σ² count by (e² − v) / v²; an end below 0 is 0.
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


def _changed(result: RegressionCertainty, learnt: str, values: Floats, rows: int) -> RegressionCertainty:
    """A calibrated result; see `RegressionCalibrator.__call__`."""
    told = {
        **result.method,
        "calibration": {
            "rows": rows,
            learnt: dict(zip(result.target_names, values.tolist(), strict=True)),
        },
    }
    if learnt == NOISE:
        return replace(result.with_noise(values, FROM), method=told)
    given: dict[str, Any] = {"method": told}
    for name in ("noise", "std", "spread", "spread_error"):
        if getattr(result, name) is not None:
            given[name] = getattr(result, name) * values
    if result.quantiles is not None:
        centre = result.mean[..., None]
        given["quantiles"] = centre + (result.quantiles - centre) * values[:, None]
    if result.quantiles_error is not None:
        given["quantiles_error"] = result.quantiles_error * values[:, None]
    if not np.isnan(result.noise).any():
        given["noise_from"] = FROM
    return replace(result, **given)


def _warnings_of(
    learnt: str,
    values: Mapping[str, Score],
    differences: Mapping[str, Score],
    after: RegressionEvaluation,
) -> list[str]:
    sentences = []
    for name, scores in after.of_target.items():
        if scores.miscalibration is not None and scores.miscalibration.low > 0:
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


def _read_evaluation(content: Mapping[str, Any], rows: int, names: tuple[str, ...]) -> RegressionEvaluation:
    """Scores without their rows, so that nothing can be compared with them row by row."""
    nothing = np.empty(0, dtype=np.int64)
    of_target = {}
    for name in names:
        given: dict[str, Any] = {}
        for score, value in content[name].items():
            if isinstance(value, Mapping):
                given[score] = at_levels({float(at): each for at, each in read_scores(value).items()})
            elif isinstance(value, list):
                given[score] = read_scores({score: value})[score]
            else:
                given[score] = float(value)
        of_target[name] = TargetScores(**given)
    return RegressionEvaluation(
        rows, of_target, _found=Paired({}, nothing, np.empty((0, len(names))), nothing, len(names))
    )
