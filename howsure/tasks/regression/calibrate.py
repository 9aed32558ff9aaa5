"""Calibrate how far answers lie from the numbers of a result, with true numbers of held-out rows.

    noise    where nothing says how far answers scatter: one σ for each target that maximises
             Σ log N(y; mean, spread² + σ²)
    factor   where `std` is known: the c that maximises Σ log N(y; mean, c² std²), c² = mean of (e / std)²
    dispersion  of counts: the a that maximises Σ log NB(y; mean, std²), see `counts`

With features of the rows, the `std` after that gets a factor for each row; see `by_row`.

Recalibrated quantiles (Kuleshov and others 2018) are left out: a result holds a mean and a standard
deviation. If answers are not normal, a warning names `prediction_intervals`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import scipy  # `scipy.optimize` takes long to load, and loads when it is used

from howsure.arguments import check_choice
from howsure.digits import exactly
from howsure.errors import InputError
from howsure.evaluation.calibrator_files import (
    LEARNT,
    UNLESS_TRAINED_ON,
    ScoredCalibrator,
    check_not_calibrated,
    check_rows,
    read_rows_and_names,
    read_scores,
    read_words,
    scores_as_json,
)
from howsure.evaluation.cross_fit import CrossFit, FitInfluence, fit_influence, random_folds
from howsure.evaluation.fitted_rows import FittedRows
from howsure.evaluation.score import Score
from howsure.inputs.rows import in_rows, quoted
from howsure.inputs.typed_json import FROM_0
from howsure.sampling.outcome import Booleans, Floats
from howsure.tasks.regression import counts
from howsure.tasks.regression.by_row import ByRow, features_of
from howsure.tasks.regression.evaluate import RegressionEvaluation, evaluate_numbers
from howsure.tasks.regression.quantiles import refuse
from howsure.tasks.regression.rescale import moved
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.regression.scores import Loss, root_of
from howsure.tasks.regression.sentence import SHOWN
from howsure.tasks.truth import truth_of
from howsure.words import counted, rate

SLOPED = ("nll", "crps")
"""Scores that change with a noise or a factor."""

GRID = 200
"""Variances tried, evenly in their logarithm, before the best is refined: there may be two maxima."""

LEFT_OUT = "These intervals leave out that other labelled rows would have taught other factors."
"""The note below scores after `scale_by`."""

FROM = "held-out rows"
"""The source of `noise`, in sentences."""


@dataclass(frozen=True, eq=False, repr=False)
class RegressionCalibrator(ScoredCalibrator):
    """The scatter of answers learnt from held-out rows; call it with a `RegressionCertainty`.

    Attributes:
        learnt: `noise`, or `factor`, or `dispersion` of counts, the same for all targets.
        values: By name of each target the noise, in its unit, the factor of `std`, or the over-dispersion,
            each with its 95 % interval over rows.
        rows: Number of labelled rows.
        before: Scores of the labelled rows as they were; None if it was read from a file.
        after: Scores of the same rows calibrated, each by what folds teach that it is not in; None likewise.
            With `by_row`, their intervals leave out that other rows would have taught other factors.
        said: Sentences for a reader who knows no statistics, which `in_words` gives.
        warnings: Sentences; empty if nothing is amiss.
        learnt_rows: The labelled rows, as it knows them again.
        by_row: A factor for each row, learnt from features; None if it was not asked for.
    """

    learnt: str
    values: Mapping[str, Score]
    rows: int
    before: RegressionEvaluation | None
    after: RegressionEvaluation | None
    said: str
    warnings: tuple[str, ...]
    learnt_rows: FittedRows
    by_row: ByRow | None = None
    answer: ClassVar[str] = "numbers"

    @property
    def target_names(self) -> tuple[str, ...]:
        """K names, in order."""
        return tuple(self.values)

    @property
    def _learnt_in_words(self) -> str:
        return LEARNT.format("of numbers", self.rows)

    def __call__(self, result: RegressionCertainty, scale_by: Any = None) -> RegressionCertainty:
        """The same rows with a calibrated `std`.

        A noise is added: `noise` is what was learnt, and `std` follows from it and `spread`. A factor
        multiplies `std`, and with it `noise`, `spread` and the distance of networks from the mean: how doubt
        is split is the model's, how much there is the calibration's. `mean` and `mc_error` stay.

        Args:
            result: N ≥ 0 rows of the same targets, not calibrated yet.
            scale_by: (N, F) features of these rows, if it was learnt with features.

        Raises:
            InputError: Another kind of result, other targets, calibrated already, or rows whose `std` is
                known where the noise was learnt, and the other way round; or features that do not fit.
        """
        self._check(result, RegressionCertainty, self.target_names)
        scatter = SCATTERS[self.learnt]
        if len(result) and _scatter_to_learn(result) is not scatter:
            raise InputError(
                "These rows say something else of the scatter of answers than the labelled ones",
                expected=f"rows whose `std` is {scatter.std}",
                hint="Give rows of the same method",
            )
        fit = np.array([score.value for score in self.values.values()])
        calibrated = _calibrated(scatter, result, fit, self.rows)
        if (self.by_row is None) != (scale_by is None):
            raise InputError(
                "The calibrator and `scale_by` do not fit each other",
                expected="no `scale_by`, as it was learnt without"
                if self.by_row is None
                else f"`scale_by` with {counted(len(self.by_row.columns), 'feature')} of each row",
                received="features" if self.by_row is None else "none",
                hint="`howsure.calibrate(result, y, scale_by=features)(new, scale_by=features_of_new)`",
            )
        if self.by_row is not None:
            features, _ = features_of(scale_by, result, self.by_row.columns)
            scaled = scatter.use(result, scatter.by_row(result, fit, self.by_row(features)))
            told = {**calibrated.method["calibration"], "by_row": self.by_row.settings}
            calibrated = replace(scaled, method={**calibrated.method, "calibration": told})
        return self._marked(result, calibrated)

    def __repr__(self) -> str:
        return f"<RegressionCalibrator of {quoted(self.target_names)} from {self.rows:,} rows: {self.learnt}>"

    def _as_json(self) -> dict[str, Any]:
        return {
            "learnt": self.learnt,
            "rows": self.rows,
            "target_names": list(self.target_names),
            "values": scores_as_json(self.values),
            **({} if self.by_row is None else {"by_row": self.by_row.as_json}),
            **super()._as_json(),
        }


def calibrate(
    result: RegressionCertainty, labels: Any, *, method: str | None, seed: int, scale_by: Any = None
) -> RegressionCalibrator:
    """The part `calibrate` of numbers; see `howsure.evaluation.calibrate.calibrate`."""
    if method is not None:
        raise InputError(
            "Numbers are calibrated by their noise, or by a factor of `std` where it is known",
            expected="method=None",
            received=repr(method),
            hint="`result.rescaled(2.5, 1.0)` adds 2.5 to means that are too low by that",
        )
    refuse(result, "There is nothing to calibrate")
    if scale_by is not None:
        counts.refuse(
            result,
            "Nothing is learnt from `scale_by`",
            "`howsure.calibrate(result, y)` learns over-dispersion. outputs='values' allows `scale_by`",
        )
    truth = truth_of(result, labels)
    scatter, error = _scatter_to_learn(result), truth - result.mean
    check_rows(len(truth))
    wrong = np.flatnonzero((result.std == 0).any(axis=-1))
    if scatter is FACTOR and len(wrong):
        raise InputError(
            f"The `std` is 0 {in_rows(len(wrong), wrong[:5].tolist())}, so no factor makes it true",
            expected="a `std` above 0",
        )
    never = np.flatnonzero(((result.mean == 0) & (truth > 0)).any(axis=-1))
    if scatter is DISPERSION and len(never):
        raise InputError(
            f"The expected count is 0, and the true one is not, {in_rows(len(never), never[:5].tolist())}",
            expected="expected counts above 0",
        )
    values, by_row = scatter.fit(result, error), None
    before = evaluate_numbers(result, truth, seed)
    if scale_by is None:
        after = _held_out_scores(scatter, result, truth, seed)
    else:
        by_row, after = _by_row(scatter, result, truth, *features_of(scale_by, result), seed)
    scores = {
        name: scatter.score(result, k, error[:, k], float(values[k]))
        for k, name in enumerate(result.target_names)
    }
    differences = {} if scatter is NOISE else after.minus(before)
    warnings = _warnings_of(scatter, scores, differences, after)
    return RegressionCalibrator(
        learnt=scatter.name,
        values=scores,
        rows=len(truth),
        before=before,
        after=after,
        said=_explanation(scatter, scores, before, after, warnings, by_row),
        warnings=tuple(warnings),
        learnt_rows=FittedRows.of(result),
        by_row=by_row,
    )


def _explanation(
    scatter: Scatter,
    values: Mapping[str, Score],
    before: RegressionEvaluation,
    after: RegressionEvaluation,
    warnings: Sequence[str],
    by_row: ByRow | None,
) -> str:
    sentences, changes = list[str](), list[str]()
    for name, score in values.items():
        of = "" if len(values) == 1 else f" of {name!r}"
        coverages = [of.of_target[name].coverage for of in (before, after)]
        shares = [rate(coverage.value) for coverage in coverages if coverage is not None]
        held = f"{100 * SHOWN:g}\u00a0% intervals{of} hold {shares[0]} of the answers"
        if len(shares) == 2:
            held = f"Before calibration, {held.replace(' hold ', ' held ')}; now they hold {shares[1]}"
        sentences.append(f"{held}, in rows that it had not learnt from.")
        changes.append(f"{scatter.said.format(of, score)}.")
    sentences.append(LEARNT.format("of numbers", after.rows))
    sentences += changes
    if by_row is not None:
        alike = [name for name, of in zip(values, by_row.of_targets, strict=True) if not of.trees]
        none = f", but for {quoted(alike)}: held-out rows show no difference there" if alike else ""
        sentences.append(
            f"Then each row has a factor of its own, from {counted(len(by_row.columns), 'feature')}{none}."
        )
    return " ".join([*sentences, *warnings, UNLESS_TRAINED_ON])


def read(content: Mapping[str, Any]) -> RegressionCalibrator:
    """The part `read_calibrator` of numbers: the inverse of `RegressionCalibrator._as_json`."""
    rows, names = read_rows_and_names(content, "target")
    check_choice(content["learnt"], tuple(SCATTERS), "learnt")
    return RegressionCalibrator(
        learnt=content["learnt"],
        values=read_scores(content["values"], "values", names, FROM_0, known=True),
        rows=rows,
        by_row=ByRow.read(content.get("by_row"), len(names)),
        **read_words(content),
    )


# --- fitting ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scatter:
    """A quantity that is learnt of how far the answers of each target scatter.

    Attributes:
        name: Name in calibrators and their files.
        std: Rows that teach it: those whose `std` is `known`, or `unknown`.
        said: The sentence about its value, with places for the target and for the value.
        fit: From N rows and their errors (N, K) to the number (K,) of maximum likelihood.
        use: From rows and such a number to the calibrated rows.
        variances: From rows and such a number to the variance (N, K) that it makes, and what is beside it.
        score: From rows, a target, its errors (N,) and the number to the number with its 95 % interval.
        by_row: From rows, such a number and factors (N, K) of the `std` after that to the number (N, K) that
            has their effect.
    """

    name: str
    std: str
    said: str
    fit: Callable[[RegressionCertainty, Floats], Floats]
    use: Callable[[RegressionCertainty, Floats], RegressionCertainty]
    variances: Callable[[RegressionCertainty, Floats], tuple[Floats, Any]]
    score: Callable[[RegressionCertainty, int, Floats, float], Score]
    by_row: Callable[[RegressionCertainty, Floats, Floats], Floats]


def _scatter_to_learn(result: RegressionCertainty) -> Scatter:
    """The quantity that these rows can teach, or an `InputError`."""
    check_not_calibrated(result)
    unknown = np.isnan(result.std).any(axis=-1)
    if counts.is_counts(result):
        return DISPERSION
    if unknown.all():
        return NOISE
    if unknown.any():
        rows = np.flatnonzero(unknown)
        raise InputError(
            f"The `std` is unknown {in_rows(len(rows), rows[:5].tolist())}, and known in others",
            expected="rows of one method",
        )
    return FACTOR


def _calibrated(scatter: Scatter, result: RegressionCertainty, fit: Floats, rows: int) -> RegressionCertainty:
    """Rows calibrated by a fit to so many rows; see `RegressionCalibrator.__call__`."""
    of_targets = dict(zip(result.target_names, fit.tolist(), strict=True))
    method = {**result.method, "calibration": {"rows": rows, scatter.name: of_targets}}
    return replace(scatter.use(result, fit), method=method)


def cross_fitted(scatter: Scatter, result: RegressionCertainty, truth: Floats, seed: int) -> CrossFit:
    """The quantity (K,) of each target, cross-fitted over folds drawn at random."""
    error = truth - result.mean
    fold = random_folds(len(truth), seed)
    return CrossFit.of(lambda rows: scatter.fit(result[rows], error[rows]), fold)


def _held_out_scores(
    scatter: Scatter, result: RegressionCertainty, truth: Floats, seed: int
) -> RegressionEvaluation:
    """Scores of the same rows, each calibrated by what folds teach that it is not in."""
    cross = cross_fitted(scatter, result, truth, seed)
    through: dict[str, dict[str, FitInfluence]] = {}
    moved = moves(scatter, cross, result, truth)
    by_score = slopes(scatter, result, np.array(cross.of_folds)[cross.fold], truth)
    for k, name in enumerate(result.target_names):
        of_target = zip(SLOPED, by_score[..., [k]], strict=True)
        through[name] = {
            score: fit_influence(cross.fold, moved[..., [k]], *of, unbounded=True) for score, of in of_target
        }
    held_out = cross.held_out(partial(_calibrated, scatter), result)
    return evaluate_numbers(held_out, truth, seed, through=through)


def _by_row(
    scatter: Scatter,
    result: RegressionCertainty,
    truth: Floats,
    features: Floats,
    columns: tuple[str, ...],
    seed: int,
) -> tuple[ByRow, RegressionEvaluation]:
    """Factors learnt from all rows, and scores of the rows of each fold by those of the others."""

    def fitted(rows: Booleans) -> tuple[Floats, ByRow]:
        known, error = result[rows], truth[rows] - result.mean[rows]
        fit = scatter.fit(known, error)
        variance = np.broadcast_to(sum(scatter.variances(known, fit)), error.shape)
        squares = np.divide(error**2, variance, out=np.zeros_like(error), where=variance > 0)
        return fit, ByRow.fitted(columns, features[rows], squares, seed)

    cross, held_out = CrossFit.of(fitted, random_folds(len(truth), seed)), np.empty_like(truth)
    for number, (fit, by_row) in enumerate(cross.of_folds):
        rows = cross.fold == number
        held_out[rows] = scatter.by_row(result[rows], fit, by_row(features[rows]))
    after = evaluate_numbers(scatter.use(result, held_out), truth, seed)
    return cross.overall[1], replace(after, note=LEFT_OUT)


def moves(scatter: Scatter, cross: CrossFit, result: RegressionCertainty, truth: Floats) -> Floats:
    """(FOLDS, N, K) by how much each row moves the logarithm of the fit that scores each fold.

    To first order, −u / Σ ∂u/∂θ with the slope u of the NLL (Hampel 1974); 0 of the rows of the fold.
    """

    def of_fit(fit: Floats, known: Booleans) -> Floats:
        slope, curvature = slopes(scatter, result[known], fit, truth[known])[0]
        total = curvature.sum(axis=0)
        return np.asarray(-np.divide(slope, total, out=np.zeros_like(slope), where=total > 0))

    return cross.moves(of_fit)


def slopes(scatter: Scatter, result: RegressionCertainty, fit: Floats, truth: Floats) -> Floats:
    """(2, 2, N, K) first and second derivative of the scores `SLOPED` by θ, the logarithm of a fit.

    With z = (y − mean)/std, r = noise²/std², 1 for a factor, and g = 2 φ(z) − 1/√π:

        NLL   r (1 − z²)     2 r² z² + 2 r (1 − r) (1 − z²)
        CRPS  r std g        r std ((2 − r) g + 2 r z² φ(z))

    Those of counts are differences.

    Args:
        scatter: The quantity learnt.
        result: N rows as they were.
        fit: (K,) or (N, K) the noise, or the factor.
        truth: (N, K).
    """
    if scatter is DISPERSION:
        return _slopes_of_counts(result, fit, truth)
    own, between = scatter.variances(result, fit)
    variance = own + between
    known = variance > 0
    r = np.divide(own, variance, out=np.zeros_like(truth), where=known)
    square = np.divide((truth - result.mean) ** 2, variance, out=np.ones_like(truth), where=known)
    density, width = np.exp(-square / 2) / np.sqrt(2 * np.pi), r * np.sqrt(variance)
    g = 2 * density - 1 / np.sqrt(np.pi)
    of_nll = r * (1 - square), 2 * r**2 * square + 2 * r * (1 - r) * (1 - square)
    return np.array([of_nll, (width * g, width * ((2 - r) * g + 2 * r * square * density))])


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
    best_variance = _least(loss, most * np.geomspace(np.finfo(float).eps, 1.0, GRID))
    if (between > 0).all() and loss(0.0) <= loss(best_variance):
        return 0.0
    return math.sqrt(best_variance)


def _least(loss: Callable[[float], float], tried: Floats) -> float:
    """The number > 0 that makes a loss least: the best of those tried, refined."""
    losses = [loss(value) for value in tried]
    best = int(np.argmin(losses))
    near = (math.log(tried[max(best - 1, 0)]), math.log(tried[min(best + 1, len(tried) - 1)]))
    refined = scipy.optimize.minimize_scalar(
        lambda log: loss(math.exp(log)), bounds=near, method="bounded", options={"xatol": 1e-10}
    )
    return math.exp(refined.x)


def _fitted_noise(result: RegressionCertainty, error: Floats) -> Floats:
    return np.array([noise_of(*target) for target in zip(error.T, spread_of(result).T, strict=True)])


def _score_of_noise(result: RegressionCertainty, k: int, error: Floats, value: float) -> Score:
    """Its interval over rows is that of an M-estimator; an end below 0 is 0.

    Rows with a variance v = spread² + σ² count by (e² − v) / v².
    """
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


NOISE = Scatter(
    *("noise", "unknown", "The noise{} is {}", _fitted_noise),
    use=lambda result, values: result.with_noise(values, FROM),
    variances=lambda result, values: (values**2, spread_of(result) ** 2),
    score=_score_of_noise,
    by_row=lambda result, values, factors: np.sqrt(
        np.maximum((values * factors) ** 2 + spread_of(result) ** 2 * (factors**2 - 1), 0.0)
    ),
)


def _fitted_factor(result: RegressionCertainty, error: Floats) -> Floats:
    """The root of the mean of (e / std)² of rows with a std above 0; 1 where there is none, or no error."""
    known = result.std > 0
    away, count = np.divide(error, result.std, out=np.zeros_like(error), where=known), known.sum(axis=0)
    square = np.divide((away**2).sum(axis=0), count, out=np.ones(error.shape[1]), where=count > 0)
    return np.asarray(np.where(square > 0, np.sqrt(square), 1.0))


def _multiplied(result: RegressionCertainty, values: Floats) -> RegressionCertainty:
    columns = moved(result, result.mean * (1 - values), values)
    columns |= {"mean": result.mean, "mc_error": result.mc_error}
    if not np.isnan(result.noise).any():
        columns["noise_from"] = FROM
    return replace(result, **columns)


def _score_of_factor(result: RegressionCertainty, k: int, error: Floats, value: float) -> Score:
    score = root_of((error / result.std[:, k]) ** 2).score(0.95)
    return score if score.value else Score(value, np.nan, np.nan)


FACTOR = Scatter(
    *("factor", "known", "The std{} is multiplied by {}", _fitted_factor, _multiplied),
    variances=lambda result, values: ((result.std * values) ** 2, 0.0),
    score=_score_of_factor,
    by_row=lambda result, values, factors: values * factors,
)

DISPERSIONS = np.geomspace(1e-6, 1e4, 41)
"""Over-dispersions tried, beside 0: at the least, counts of 1,000 vary by .1 % more than Poisson ones."""

STEP = 1e-3
"""Slopes are differences over this step of the logarithm of an over-dispersion."""


def _fitted_dispersion(result: RegressionCertainty, error: Floats) -> Floats:
    """By target; 0 where a Poisson distribution, of networks that differ, is as likely."""

    def of_target(k: int) -> float:
        target = result.of_target(k)
        y = np.rint(target.mean + error[:, [k]])
        telling = target.mean > 0  # a count that is never more than 0 has no dispersion

        def loss(value: float) -> float:
            dispersed = counts.with_dispersion(target, value, FROM)
            return float(counts.nll(target.mean, dispersed.std, y)[telling].sum())

        best = _least(loss, DISPERSIONS)
        return 0.0 if loss(0.0) <= loss(best) else best

    return np.array([of_target(k) for k in range(error.shape[1])])


def _slopes_of_counts(result: RegressionCertainty, fit: Floats, truth: Floats) -> Floats:
    """See `slopes`."""
    scores = []
    for step in (-STEP, 0.0, STEP):
        std = counts.with_dispersion(result, fit * math.exp(step), FROM).std
        of_crps = [counts.crps(*of_target) for of_target in zip(result.mean.T, std.T, truth.T, strict=True)]
        of_nll = np.where(result.mean > 0, counts.nll(result.mean, std, truth), 0.0)
        scores.append([of_nll, np.transpose(of_crps)])
    before, at, after = np.array(scores)
    return np.stack([(after - before) / (2 * STEP), (after - 2 * at + before) / STEP**2], axis=1)


def _score_of_dispersion(result: RegressionCertainty, k: int, error: Floats, value: float) -> Score:
    """Its interval is that of an M-estimator of its logarithm; unknown at 0."""
    target = result.of_target(k)
    y = np.rint(target.mean + error[:, None])
    slope, curvature = _slopes_of_counts(target, np.array([value]), y)[0]
    if not curvature.sum() > 0 or value == 0:
        return Score(value, np.nan, np.nan)
    logs = Loss(math.log(value), -(slope - slope.mean())[:, 0] / curvature.sum(), len(y), least=-np.inf)
    low, high = np.exp(logs.interval(0.95))
    return Score(value, float(low), float(high))


DISPERSION = Scatter(
    *("dispersion", "known", "The over-dispersion{} is {}", _fitted_dispersion),
    use=lambda result, values: counts.with_dispersion(result, values, FROM),
    variances=lambda result, values: (values * (result.mean**2 + spread_of(result) ** 2), result.mean),
    score=_score_of_dispersion,
    by_row=lambda result, values, factors: values,
)

SCATTERS = {scatter.name: scatter for scatter in (NOISE, FACTOR, DISPERSION)}


def _warnings_of(
    scatter: Scatter,
    values: Mapping[str, Score],
    differences: Mapping[str, Score],
    after: RegressionEvaluation,
) -> list[str]:
    sentences = []
    for name, scores in after.of_target.items():
        if scores.miscalibration is None or not scores.miscalibration.low > 0:
            continue
        if scores.bias.excludes_zero:
            which = "high" if scores.bias.value > 0 else "low"
            added = [
                exactly(float(f"{-scores.bias.value:.4g}")) if name == target else "0" for target in values
            ]
            by = added[0] if len(added) == 1 else f"[{', '.join(added)}]"
            mended = "" if scatter is DISPERSION else f" `result.rescaled({by}, 1.0)` takes that off."
            sentences.append(f"Predictions of '{name}' are too {which}: their bias is {scores.bias}.{mended}")
        elif scatter is DISPERSION:
            sentences.append(
                f"Counts of '{name}' scatter otherwise than a negative binomial distribution, by more than "
                "chance explains: `howsure.prediction_intervals` gives intervals that hold all the same."
            )
        else:
            sentences.append(
                f"Answers of '{name}' are not normally distributed around the mean, by more than chance "
                "explains: `howsure.prediction_intervals` gives intervals that hold all the same."
            )
    none_left = [name for name, score in values.items() if score.value == 0]
    if none_left and scatter is NOISE:
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
