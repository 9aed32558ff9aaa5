"""Parts of a comparison for results of numbers per row: true numbers, scores, noise, calibration and words.

The negative log-likelihood (NLL) and the continuous ranked probability score (CRPS) judge what a method says
of a new answer, so they need its scatter. Each method gets the same chance: where it does not say how far
answers scatter, one noise for each target is learned from the rows with true numbers, by maximum likelihood.
Fits are cross-fitted, so no row is scored with a noise that was learned from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy.special import ndtri

from howsure.compare.comparison import Comparing
from howsure.compare.parts import Claims, Parts, at_best, of_scale
from howsure.evaluation.cross_fit import FitInfluence, fit_influence, random_folds
from howsure.evaluation.paired import Comparable, Compared, Paired, check_enough, with_outside
from howsure.evaluation.score import OUTSIDE, Mean, Measured, centred, through_cross_fits
from howsure.inputs.targets import check_numbers
from howsure.methods.plain import PLAIN
from howsure.sampling.outcome import Floats, Integers
from howsure.tasks.classification.compare import in_order_of
from howsure.tasks.regression.calibrate import FACTOR, NOISE, SLOPED, Scatter, cross_fitted, moves, slopes
from howsure.tasks.regression.comparison_words import LEVEL, NUMBER_WORDS
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.regression.scores import METRICS, crps, nll
from howsure.tasks.truth import truth_of

FAR = 0.01
"""Share of normal answers that lie far out. If as many do, or more, standard deviations are not called too
wide. For normal errors this costs little power; docs/reasons.md covers errors with heavy tails."""


def parts(result: RegressionCertainty, truth: Floats, evaluation: Comparable) -> Parts | None:
    """The parts of the NLL of normal distributions, targets on average; None if it is not defined.

    At the best factor f of the standard deviations, f² = mean ((y − μ)/σ)², and for the plain one, which has
    the same standard deviation in every row, σ² = mean (y − μ)².
    """
    nll, std, error = evaluation.measured("nll"), result.std, truth - result.mean
    if not np.isfinite(nll.value) or not (std > 0).all() or not error.any(axis=0).all():
        return None
    best, scale = _at_best_width(error, std)
    plain, _ = _at_best_width(error, np.ones_like(std))
    return Parts(nll=nll, best=best, plain=plain, scale=scale)


def _at_best_width(error: Floats, std: Floats) -> tuple[Measured, Measured]:
    """The NLL of errors (N, K) at the best factor of `std`, and its logarithm, targets on average."""
    squares = (error / std) ** 2
    size = squares.mean(axis=0)
    losses = np.log(std) + (np.log(2 * np.pi * size) + squares / size) / 2
    slopes, curvatures = 1 - squares / size, 2 * squares / size  # in log f
    rows = len(error)
    losses_at_best = [
        at_best(losses[:, k], slopes[:, k], curvatures[:, k], rows) for k in range(error.shape[1])
    ]
    far = bool(np.mean(squares > ndtri(FAR / 2) ** 2) >= FAR)
    scales = [
        of_scale(np.log(size[k]) / 2, slopes[:, k], curvatures[:, k], rows, skewed=True, far=far)
        for k in range(error.shape[1])
    ]
    return Measured.mean(losses_at_best, rows), Measured.mean(scales, rows)


def claims(result: RegressionCertainty, truth: Floats, evaluation: Comparable) -> Claims | None:
    """Standard deviations beside errors, and the share of answers within central intervals."""
    del evaluation
    error, std = truth - result.mean, result.std
    if not (std > 0).all() or not error.any(axis=0).all():
        return None
    unit = np.sqrt((error**2).mean(axis=0)) if truth.shape[1] > 1 else np.ones(1)
    claimed, true = (float(np.sqrt(((sizes / unit) ** 2).mean())) for sizes in (std, error))
    within = np.mean(np.abs(error) / std <= ndtri((1 + LEVEL) / 2))
    return Claims(claimed, true, float(within))


COMPARED = {name: METRICS[name] for name in ("nll", "crps", "rmse", "mae", *OUTSIDE)}
"""Scores in which methods are compared, of several targets on average.

CRPS, RMSE and MAE of one target are in its unit. Those of several are in standard deviations of the true
numbers of each, as targets have units of their own.
"""

CrossFitted = tuple[list[RegressionCertainty], list[RegressionCertainty], list[Mapping[str, FitInfluence]]]
"""See `Comparing.calibrated`."""


# --- scores -------------------------------------------------------------------------------------------


def _scored(
    result: RegressionCertainty, truth: Floats, seed: int, through: Mapping[str, FitInfluence] | None = None
) -> Compared:
    del seed  # nothing is drawn
    check_enough(truth)
    mean, std, unit = result.mean, result.std, _units(truth)
    measured = {
        "nll": _mean_loss(nll(mean, std, truth), least=-np.inf),
        "crps": _mean_loss(crps(mean, std, truth) / unit),
        "rmse": _root_mean_square((mean - truth) / unit),
        "mae": _mean_loss(np.abs(mean - truth) / unit),
        **dict.fromkeys(OUTSIDE, _undefined(len(truth))),
    }
    scores = Paired.of(through_cross_fits(measured, through or {}), result, truth)
    return Compared(scores)


def _units(truth: Floats) -> Floats:
    """(K,) what scores are divided by: 1 for one target, else the standard deviation of its true numbers."""
    if truth.shape[1] == 1:
        return np.ones(1)
    scatter = truth.std(axis=0)
    return np.where(scatter > 0, scatter, 1.0)


def _mean_loss(losses: Floats, least: float = 0.0) -> Measured:
    """The mean of losses (N, K), at least `least`; not defined where one of them is not finite."""
    if not np.isfinite(losses).all():
        return _undefined(len(losses))
    return Mean(float(losses.mean()), centred(losses.mean(axis=1)), len(losses), least=least)


def _root_mean_square(errors: Floats) -> Measured:
    """The root of the mean square of errors (N, K) over rows, averaged over targets."""
    squares = errors**2
    value = np.sqrt(squares.mean(axis=0))
    slope = np.divide(0.5, value, out=np.zeros_like(value), where=value > 0)
    parts = ((squares - squares.mean(axis=0)) * slope).mean(axis=1) / len(errors)
    return Mean(float(value.mean()), parts, len(errors), least=0.0)


def _undefined(rows: int) -> Measured:
    return Measured(np.nan, np.zeros(rows), 0)


def _scored_outside(
    evaluation: Compared, result: RegressionCertainty, outside: RegressionCertainty
) -> Compared:
    """An evaluation with the scores of rows from outside added; their `std` is of the fit to all rows."""
    alike = _by_one_fit(result)
    near, far = (
        (_relative_width(rows, alike, "std"), _relative_width(rows, alike, "spread"))
        for rows in (alike, outside)
    )
    return with_outside(evaluation, near, far, outside.row)


def _relative_width(result: RegressionCertainty, usual: RegressionCertainty, name: str) -> Floats:
    """(N,) how wide a result is, averaged over targets, each in its median over the usual rows."""
    width, of_usual = (getattr(rows, name) for rows in (result, usual))
    if width is None or of_usual is None or np.isnan(of_usual).all():
        return np.zeros(len(result))
    middle = np.nanmedian(of_usual, axis=0)
    return np.asarray(np.nan_to_num(width / np.where(middle > 0, middle, 1.0)).mean(axis=1))


# --- noise and calibration ----------------------------------------------------------------------------


def _completed(
    result: RegressionCertainty,
    truth: Floats,
    changed: Sequence[RegressionCertainty] = (),
    others: Sequence[RegressionCertainty] = (),
    *,
    seed: int = 0,
) -> CrossFitted:
    """The same with noise where none is known; see `Comparing.completed`."""
    if not np.isnan(result.std).all():
        return [result, *changed], list(others), [{} for _ in range(1 + len(changed))]

    def known(rows: RegressionCertainty) -> RegressionCertainty:  # a single pass tells no spread
        return rows if rows.spread is None else replace(rows, spread=np.nan_to_num(rows.spread))

    near, far = [*map(known, changed)], [*map(known, others)]
    return _cross_fitted(NOISE, known(result), truth, near, far, seed=seed)


def _cross_fitted(
    scatter: Scatter,
    result: RegressionCertainty,
    truth: Floats,
    changed: Sequence[RegressionCertainty] = (),
    others: Sequence[RegressionCertainty] = (),
    *,
    seed: int = 0,
) -> CrossFitted:
    """Each row by the fit to folds that it is not in; rows without true numbers by the fit to all rows.

    `method` keeps the fit to all rows, and for the unchanged rows the fits of the folds.
    """
    cross = cross_fitted(scatter, result, truth, seed)
    overall, of_folds = cross.overall, cross.of_folds
    overall_fit = {"method": scatter.name, "rows": len(truth), scatter.name: overall.tolist()}
    of_each = {"folds": [values.tolist() for values in of_folds], "seed": seed}

    def called(rows: RegressionCertainty, more: Mapping[str, Any]) -> RegressionCertainty:
        return replace(rows, method={**rows.method, "calibration": {**overall_fit, **more}})

    def use(rows: RegressionCertainty, fit: Floats, known: int) -> RegressionCertainty:
        return scatter.use(rows, fit)

    first, *shifted = (cross.held_out(use, rows) for rows in (result, *changed))
    near = [called(first, of_each), *(called(rows, {}) for rows in shifted)]
    moved, through = moves(scatter, cross, result, truth), list[Mapping[str, FitInfluence]]()
    unit = np.stack([np.ones(truth.shape[1]), _units(truth)]) * truth.shape[1]
    for evaluated in (result, *changed):
        by_score = slopes(scatter, evaluated, np.array(of_folds)[cross.fold], truth) / unit[:, None, None]
        pairs = zip(SLOPED, by_score, strict=True)
        through.append({score: fit_influence(cross.fold, moved, *of, unbounded=True) for score, of in pairs})
    return near, [called(scatter.use(rows, overall), {}) for rows in others], through


def _by_one_fit(result: RegressionCertainty) -> RegressionCertainty:
    """A cross-fitted result with the fit to all rows: what folds differ by tells rows apart by no merit."""
    fit = result.method.get("calibration", {})
    if "folds" not in fit:
        return result
    overall = np.array(fit[fit["method"]])
    if fit["method"] == NOISE.name:
        return NOISE.use(result, overall)
    own = np.array(fit["folds"])[random_folds(len(result), fit["seed"])]
    return FACTOR.use(result, overall / own)


# --- what is compared ---------------------------------------------------------------------------------


def _losses_of_values(values: Floats, truth: Floats, rows: Integers) -> tuple[Floats, Floats]:
    losses = (((values[:, : truth.shape[1]] - truth[rows]) / _units(truth)) ** 2).mean(axis=1)
    return losses, np.full(len(losses), np.nan)


COMPARING = Comparing(
    truth=lambda labels, rows, probe: check_numbers(labels, rows, probe.target_names),
    known=truth_of,
    aligned=partial(in_order_of, what="targets"),
    scored=_scored,
    beside=_scored_outside,
    calibrated=partial(_cross_fitted, FACTOR),
    completed=_completed,
    parts=parts,
    claims=claims,
    alone=_losses_of_values,
    metrics=COMPARED,
    plain=PLAIN,
    needs="true numbers",
    words=NUMBER_WORDS,
)
