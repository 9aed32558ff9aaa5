"""Parts of a comparison for results of numbers per row: true numbers, scores, noise, calibration and words.

The negative log-likelihood (NLL) and the continuous ranked probability score (CRPS) judge what a method says
of a new answer, so they need its scatter. Each method gets the same chance: where it does not say how far
answers scatter, one noise for each target is learned from the rows with true numbers, by maximum likelihood.
Fits are cross-fitted, so no row is scored with a noise that was learned from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from howsure.answers.classes.evaluate import told_apart
from howsure.answers.numbers.calibrate import (
    FACTOR,
    FOLDS,
    FROM,
    NOISE,
    SLOPED,
    moves,
    noise_of,
    slopes,
    spread_of,
)
from howsure.answers.numbers.comparison_words import NUMBER_WORDS
from howsure.answers.numbers.parts import claims, parts
from howsure.answers.numbers.result import RegressionCertainty
from howsure.answers.numbers.scores import METRICS, crps, nll
from howsure.answers.numbers.truth import truth_of
from howsure.compare.protocol import Comparing
from howsure.data.rows import quoted
from howsure.data.targets import check_numbers
from howsure.errors import InputError
from howsure.judge.cross_fit import Through, through_fits
from howsure.judge.paired import Compared, Paired, check_enough, with_outside
from howsure.judge.scores import OUTSIDE, Mean, Measured, centred, through_cross_fits
from howsure.methods.choices import OWN
from howsure.sampling.outcome import Floats, Integers
from howsure.shifts import UNMOVED

COMPARED = {name: METRICS[name] for name in ("nll", "crps", "rmse", "mae", *OUTSIDE)}
"""Scores in which methods are compared, of several targets on average.

CRPS, RMSE and MAE of one target are in its unit. Those of several are in standard deviations of the true
numbers of each, as targets have units of their own.
"""

Fit = Callable[[RegressionCertainty, Floats], Floats]
"""From a result of some rows and their true numbers to one number for each target."""

Use = Callable[[RegressionCertainty, Floats], RegressionCertainty]
"""From a result and such numbers to the result that they give."""

CrossFitted = tuple[list[RegressionCertainty], list[RegressionCertainty], list[Mapping[str, Through]]]
"""See `Comparing.calibrated`."""


# --- scores -------------------------------------------------------------------------------------------


def _scored(
    result: RegressionCertainty, truth: Floats, seed: int, through: Mapping[str, Through] | None = None
) -> Compared:
    """Scores of N ≥ 2 rows with true numbers (N, K)."""
    del seed  # nothing is drawn
    check_enough(truth)
    mean, std, unit = result.mean, result.std, _units(truth)
    measured = {
        "nll": _mean(nll(mean, std, truth), least=-np.inf),
        "crps": _mean(crps(mean, std, truth) / unit),
        "rmse": _root_mean_square((mean - truth) / unit),
        "mae": _mean(np.abs(mean - truth) / unit),
        **dict.fromkeys(OUTSIDE, _undefined(len(truth))),
    }
    found = Paired.of(through_cross_fits(measured, through or {}), result, truth)
    return Compared(found)


def _units(truth: Floats) -> Floats:
    """(K,) what scores are divided by: 1 for one target, else the standard deviation of its true numbers."""
    if truth.shape[1] == 1:
        return np.ones(1)
    scatter = truth.std(axis=0)
    return np.where(scatter > 0, scatter, 1.0)


def _mean(losses: Floats, least: float = 0.0) -> Measured:
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


def _beside(evaluation: Compared, result: RegressionCertainty, outside: RegressionCertainty) -> Compared:
    """An evaluation with the scores of rows from outside added; their `std` is of the fit to all rows."""
    alike = _by_one_fit(result)
    near, far = ((_width(each, alike, "std"), _width(each, alike, "spread")) for each in (alike, outside))
    return with_outside(evaluation, near, far, outside.row)


def _width(result: RegressionCertainty, usual: RegressionCertainty, name: str) -> Floats:
    """(N,) how wide a result is, averaged over targets, each in its median over the usual rows."""
    given, of_usual = (getattr(each, name) for each in (result, usual))
    if given is None or of_usual is None or np.isnan(of_usual).all():
        return np.zeros(len(result))
    middle = np.nanmedian(of_usual, axis=0)
    return np.asarray(np.nan_to_num(given / np.where(middle > 0, middle, 1.0)).mean(axis=1))


# --- noise and calibration ----------------------------------------------------------------------------


def _noise(result: RegressionCertainty, truth: Floats) -> Floats:
    """(K,) noise by maximum likelihood: s of √(spread² + s²), one for all rows."""
    error, spread = truth - result.mean, spread_of(result)
    return np.array([noise_of(*each) for each in zip(error.T, spread.T, strict=True)])


def _with_noise(result: RegressionCertainty, noise: Floats) -> RegressionCertainty:
    known = replace(result, spread=None if result.spread is None else np.nan_to_num(result.spread))
    return known.with_noise(noise, FROM)


def _factor(result: RegressionCertainty, truth: Floats) -> Floats:
    """(K,) factor of `std` by maximum likelihood: the root of the mean of ((y − mean)/std)²."""
    known = result.std > 0
    away = np.divide(truth - result.mean, result.std, out=np.zeros_like(truth), where=known)
    count = known.sum(axis=0)
    square = np.divide((away**2).sum(axis=0), count, out=np.ones(truth.shape[1]), where=count > 0)
    return np.where(square > 0, np.sqrt(square), 1.0)


def _scaled(result: RegressionCertainty, factor: Floats) -> RegressionCertainty:
    return replace(result, std=result.std * factor)


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
    return _cross_fitted(NOISE, _noise, _with_noise, result, truth, changed, others, seed)


def _calibrated(
    result: RegressionCertainty,
    truth: Floats,
    changed: Sequence[RegressionCertainty] = (),
    others: Sequence[RegressionCertainty] = (),
    *,
    seed: int = 0,
) -> CrossFitted:
    """The same with `std` times a factor; see `Comparing.calibrated`."""
    return _cross_fitted(FACTOR, _factor, _scaled, result, truth, changed, others, seed)


def _cross_fitted(
    name: str,
    fit: Fit,
    use: Use,
    result: RegressionCertainty,
    truth: Floats,
    changed: Sequence[RegressionCertainty],
    others: Sequence[RegressionCertainty],
    seed: int,
) -> CrossFitted:
    """Each row by a fit to the folds that it is not in; rows without true numbers by a fit to all rows.

    `method` keeps the fit to all rows, and for the unchanged rows the fits of the folds.
    """
    fold = _fold_of(len(truth), seed)
    places = [np.flatnonzero(fold == number) for number in range(FOLDS)]
    fits = [fit(result[fold != number], truth[fold != number]) for number in range(FOLDS)]
    order = np.argsort(np.concatenate(places), kind="stable")
    overall = fit(result, truth)
    told = {"method": name, "rows": len(truth), name: overall.tolist()}
    of_folds = {"folds": [each.tolist() for each in fits], "seed": seed}

    def called(each: RegressionCertainty, more: Mapping[str, Any]) -> RegressionCertainty:
        return replace(each, method={**each.method, "calibration": {**told, **more}})

    def fitted(each: RegressionCertainty) -> RegressionCertainty:
        parts = [use(each[place], one) for place, one in zip(places, fits, strict=True)]
        return RegressionCertainty.joined(parts)[order]

    near = [called(fitted(result), of_folds), *(called(fitted(each), {}) for each in changed)]
    through = _through(name, np.array(fits), fold, [result, *changed], truth)
    return near, [called(use(each, overall), {}) for each in others], through


def _fold_of(rows: int, seed: int) -> Integers:
    """(N,) number of the fold of each row."""
    return np.random.default_rng(seed).permutation(rows) % FOLDS


def _by_one_fit(result: RegressionCertainty) -> RegressionCertainty:
    """A cross-fitted result with the fit to all rows: what folds differ by tells rows apart by no merit."""
    told = result.method.get("calibration", {})
    if "folds" not in told:
        return result
    overall = np.array(told[told["method"]])
    if told["method"] == NOISE:
        return _with_noise(result, overall)
    own = np.array(told["folds"])[_fold_of(len(result), told["seed"])]
    return _scaled(result, overall / own)


def _through(
    name: str, fits: Floats, fold: Integers, results: Sequence[RegressionCertainty], truth: Floats
) -> list[Mapping[str, Through]]:
    """Influence of rows on NLL and CRPS of results, the first of which learned the `fits` (FOLDS, K)."""
    moved, unit = (
        moves(name, results[0], fits, fold, truth),
        np.stack([np.ones_like(_units(truth)), _units(truth)]),
    )
    found = list[Mapping[str, Through]]()
    for each in results:
        by_score = slopes(name, each, fits[fold], truth) / (unit[:, None, None] * truth.shape[1])
        found.append(
            {
                score: through_fits(fold, moved, *of, unbounded=True)
                for score, of in zip(SLOPED, by_score, strict=True)
            }
        )
    return found


# --- what is compared ---------------------------------------------------------------------------------


def _aligned(
    name: str, result: RegressionCertainty, first: str, baseline: RegressionCertainty
) -> RegressionCertainty:
    """A result with its targets in the order of the baseline's, by their names."""
    names = baseline.target_names
    if result.target_names == names:
        return result
    if sorted(result.target_names) != sorted(names):
        raise InputError(
            f"'{name}' has other targets than '{first}'",
            expected=quoted(names),
            received=quoted(result.target_names),
        )
    order = [result.target_names.index(each) for each in names]
    wide = {each.name: getattr(result, each.name) for each in result.columns}
    turned: Any = {key: a[:, order] for key, a in wide.items() if a is not None and np.ndim(a) > 1}
    return replace(result, target_names=names, **turned)


def _alone(values: Floats, truth: Floats, rows: Integers) -> tuple[Floats, Floats]:
    """Squared errors of one network, targets on average; see `howsure.compare.members.Alone`."""
    losses = (((values[:, : truth.shape[1]] - truth[rows]) / _units(truth)) ** 2).mean(axis=1)
    return losses, np.full(len(losses), np.nan)


COMPARING = Comparing(
    truth=lambda labels, rows, probe: check_numbers(labels, rows, probe.target_names),
    known=truth_of,
    aligned=_aligned,
    scored=_scored,
    beside=_beside,
    familiar=told_apart,
    calibrated=_calibrated,
    completed=_completed,
    parts=parts,
    claims=claims,
    alone=_alone,
    metrics=COMPARED,
    plain=OWN,
    needs="true numbers",
    shifts=UNMOVED,
    words=NUMBER_WORDS,
)
