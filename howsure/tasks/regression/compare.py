"""Parts of a comparison for results of numbers per row: true numbers, scores, noise, calibration and words.

The negative log-likelihood (NLL) and the continuous ranked probability score (CRPS) judge what a method says
of a new answer, so they need its scatter. Each method gets the same chance: where it does not say how far
answers scatter, one noise for each target is learned from the rows with true numbers, by maximum likelihood.
Fits are cross-fitted, so no row is scored with a noise that was learned from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy.special import ndtri

from howsure.compare.comparison import (
    AS_THEY_ARE,
    LEAST_CALIBRATED,
    Comparing,
    Comparison,
    ShiftWording,
    Wording,
)
from howsure.compare.parts import (
    ACCURACY,
    CALIBRATION,
    DISCRIMINATION,
    OFFSETS,
    ORDER,
    SURENESS,
    Claims,
    Parts,
    Scale,
    at_best,
    halved,
    left_out,
    less,
    nothing,
)
from howsure.compare.sentences import besides, joined, the, with_interval
from howsure.digits import measured, significant
from howsure.evaluation.cross_fit import FitInfluence, fit_influence, random_folds
from howsure.evaluation.paired import Comparable, Compared, Paired, check_enough, with_outside
from howsure.evaluation.score import OUTSIDE, Mean, Measured, Score, centred, through_cross_fits
from howsure.inputs.rows import quoted
from howsure.inputs.targets import check_numbers
from howsure.methods.plain import PLAIN
from howsure.sampling.outcome import Floats, Integers
from howsure.tasks.classification.compare import in_order_of
from howsure.tasks.regression.calibrate import (
    FACTOR,
    NOISE,
    SCATTERS,
    SLOPED,
    Scatter,
    cross_fitted,
    moves,
    slopes,
)
from howsure.tasks.regression.quantiles import width_of
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.regression.scores import METRICS, crps, nll
from howsure.tasks.truth import truth_of
from howsure.words import listed, rate, upper

# --- words --------------------------------------------------------------------------------------------


LEVEL = 0.95
"""Level of the central intervals whose coverage is counted."""


class NumberWords:
    """The words of numbers per row; see `howsure.compare.comparison.Words`.

    Attributes:
        called: Name of the main score in a sentence, with its article.
        beside: Name of the score that is told beside it, and that in a sentence.
        notes: By score, what it is, with places for its unit and for over how many targets it is averaged.
    """

    main = "nll"
    called: tuple[str, str] = ("an", "NLL")
    beside: tuple[str, str] = ("rmse", "RMSE")
    questions: Mapping[str, Wording] = {
        "nll": Wording(
            "Which method says best where an answer lies?", "the best score", "{it} has an NLL of {value}"
        ),
        "crps": Wording(
            "Whose predictions lie closest to the answers, with their uncertainty?",
            "the best score",
            "{it} has a CRPS of {value}",
        ),
        "rmse": Wording(
            "Whose predictions lie closest to the answers, without it?",
            "the best score",
            "{it} has an RMSE of {value}",
        ),
    }
    changed: Sequence[str] = ("nll", "rmse")
    short: Sequence[tuple[str, str]] = (("NLL", "nll"), ("CRPS", "crps"), ("RMSE", "rmse"))
    advantage = "a lower NLL"
    scale = ("factor", "the best one of standard deviations; 1 changes nothing")
    given = "Numbers that were given."
    notes: Mapping[str, str] = {
        "nll": "This is the NLL (negative log-likelihood) in nats{averaged}: the lower, the more probability "
        "a method gave to where the answers are. It depends on the prediction and on its standard deviation. "
        "Differences do not depend on the unit of the target.",
        "crps": "This is the CRPS (continuous ranked probability score), {unit}{averaged}. For a prediction "
        "without uncertainty it is the mean absolute error.",
        "rmse": "This is the RMSE (root mean squared error) of the predictions alone, {unit}{averaged}.",
    }
    shift = ShiftWording(
        "The NLL of {baseline}",
        "which method has the lowest, among those that are lower by more than chance",
        "{method} is {gap}",
        "no method is lower by more than chance",
    )
    reasons: Mapping[tuple[str, bool], str] = {
        (CALIBRATION, True): "its standard deviations fit its errors better",
        (CALIBRATION, False): "its standard deviations fit its errors worse",
        (ACCURACY, True): "its predictions lie closer to the answers",
        (ACCURACY, False): "its predictions lie farther from the answers",
        (ORDER, True): "it knows better which errors are large",
        (ORDER, False): "it knows less well which errors are large",
        (DISCRIMINATION, True): "its predictions say more, also once both are calibrated",
        (DISCRIMINATION, False): "its predictions say less, also once both are calibrated",
    }
    one_number = "One factor for all rows of a target does not change which of them are the widest."
    page = "regression/comparison.html.j2"

    def take(self, comparison: Comparison, method: str, worse: Sequence[str]) -> str:
        """See `Words`."""
        baseline = comparison.methods[0]
        gap, score = comparison.difference(method, baseline, self.main), self.called[1]
        value, interval = apart(gap)
        than = f"than that of {the(comparison, baseline)} (95\u00a0% interval {interval})"
        text = f"Take {the(comparison, method)}: its {score} is {value} {than}."
        where = f"But if {comparison.kind}s are {quoted(worse)}, its {score} is higher." if worse else ""
        also = besides(comparison, method, *self.beside, apart)
        return joined(text, also, where, _heavy_tails(comparison, method))

    def nothing(self, comparison: Comparison) -> str:
        """See `Words`."""
        rows = comparison.rows
        if rows < LEAST_CALIBRATED:
            return (
                f"Nothing could be compared: to learn how far answers scatter takes {LEAST_CALIBRATED} "
                f"{comparison.kind}s with true numbers, and here are {rows:,}."
            )
        return "Nothing could be compared: no method says how far answers scatter, or all say they do not."

    def doubt(self, comparison: Comparison, name: str) -> str:
        """See `Words`."""
        return ""

    def value(self, comparison: Comparison, method: str, name: str, rows: str) -> str:
        """See `Words`."""
        return with_interval(*in_unit(comparison.score(method, name, rows)))

    def gap(self, comparison: Comparison, gap: Score, name: str, than: str) -> str:
        """See `Words`."""
        value, interval = apart(gap)
        return with_interval(f"{value} than that of {than}" if than else value, interval)

    def note(self, comparison: Comparison, name: str) -> str:
        """See `Words`."""
        if comparison.ranked(name).best is None:
            return ""
        targets = comparison.truth.shape[1]
        averaged = f", averaged over {targets} targets" if targets > 1 else ""
        unit = "in standard deviations of the true numbers" if averaged else "in the unit of the target"
        learned = _learned(comparison) if name == self.main else ""
        return joined(self.notes[name].format(unit=unit, averaged=averaged), learned)

    def cell(self, score: Score, per_cent: bool) -> tuple[str, str]:
        """See `Words`."""
        del per_cent  # none is a share
        return in_unit(score) if np.isfinite(score.value) else ("–", "")

    def shifted_value(self, comparison: Comparison, rows: str) -> str:
        """The NLL of the baseline, and how large its errors are beside what it claims."""
        value, _ = in_unit(comparison.score(comparison.methods[0], self.main, rows))
        claims = comparison.claims.get((comparison.methods[0], rows))
        if claims is None:
            return value
        return (
            f"{value}, with errors {significant(claims.true / claims.claimed, 2)} times as large as claimed"
        )

    def claimed(self, claims: Claims) -> str:
        """See `Words`."""
        return f"{rate(LEVEL, 0)} intervals contain {rate(claims.within)} of answers"

    def does(self, comparison: Comparison, gap: Score, than: str = "") -> str:
        """See `Words`."""
        return f"has {' '.join(self.called)} that is {self.gap(comparison, gap, self.main, than)}"

    def does_together(self, comparison: Comparison, gap: Score, than: str) -> str:
        """See `Words`."""
        return f"have a mean squared error that is {self.gap(comparison, gap, self.main, than)}"

    def amount(self, comparison: Comparison, gap: Score) -> str:
        """See `Words`: in nats."""
        return apart(gap)[0]

    def of_calibration(self, comparison: Comparison, method: str, cause: str, it: str) -> str:
        """See `Words`."""
        off_by = comparison.claims[method, AS_THEY_ARE].tilted
        if cause == OFFSETS and len(off_by) == 1:
            (off,) = off_by
            return f"{it} is {significant(abs(off), 2)} too {'high' if off > 0 else 'low'} on average"
        if cause == OFFSETS:
            return f"{it} is too high or too low on average"
        if cause == SURENESS:
            scale = comparison.parts[method].scale.value
            times = significant(float(np.exp(scale)), 3, 1.0)
            sure = "sure" if scale > 0 else "modest"
            return f"{it} is too {sure}: its errors are {times} times as large as its standard deviations say"
        return f"the standard deviations of {it} do not fit its errors"

    def gains(self, gaps: Mapping[Any, Score]) -> Mapping[Any, tuple[str, str]]:
        """How much lower the NLL of each method is."""
        return {key: apart(gap) for key, gap in gaps.items()}


def _learned(comparison: Comparison) -> str:
    """The methods that were given noise, a sentence; empty if none was."""
    names = [
        the(comparison, name)
        for name, result in comparison.certainties.items()
        if result.method.get("calibration", {}).get("method") == "noise"
    ]
    if not names:
        return ""
    does, their = ("do", "their") if len(names) > 1 else ("does", "its")
    return (
        f"{upper(listed(names))} {does} not say how far answers scatter, so howsure learned {their} noise "
        f"from the {comparison.kind}s with true numbers, by maximum likelihood. No {comparison.kind} is "
        "scored with noise that was learned from it."
    )


# --- numbers in sentences -----------------------------------------------------------------------------


def apart(gap: Score) -> tuple[str, str]:
    """A difference of two scores in words and its interval: `0.12 lower` and `0.08 to 0.16`."""
    if not any((gap.value, gap.low, gap.high)):
        return "0", ""
    if gap.value > 0:
        value, interval = in_unit(gap)
        return f"{value} higher", interval
    value, interval = in_unit(Score(-gap.value, -gap.high, -gap.low))
    return f"{value} lower", interval


def in_unit(score: Score) -> tuple[str, str]:
    """A number and its interval, or an empty text, with decimals that tell two digits of its width.

    A unit of the target that is a thousand times larger changes no digit.
    """
    texts = measured(score.value, score.low, score.high)
    value, low, high = (text.replace("-", "−") for text in texts)
    return value, f"{low}\u00a0to\u00a0{high}" if low else ""


LIGHT, FEWEST = 2.5, 50
"""Least tail index of differences whose intervals hold, and least parts that it is estimated from. With 2,500
rows, 0.6 % of estimates from squares of normal errors are below, and all of those of a t with 3 degrees."""


def _heavy_tails(comparison: Comparison, method: str) -> str:
    """That a few rows decide a difference, by the tail index of its √N largest parts (Hill 1975)."""
    one, two = (comparison.measured(name, comparison.words.main) for name in (method, comparison.methods[0]))
    sizes = np.sort(np.abs(one.parts - two.parts))[::-1]
    count = int(np.sqrt(len(sizes)))
    if count < FEWEST or not sizes[count] or np.mean(np.log(sizes[:count] / sizes[count])) < 1 / LIGHT:
        return ""
    return f"Few {comparison.kind}s decide this (heavy tails): others may say otherwise."


NUMBER_WORDS = NumberWords()


# --- parts --------------------------------------------------------------------------------------------


FAR = 0.01
"""Share of normal answers that lie far out. If as many do, or more, standard deviations are not called too
wide. For normal errors this costs little power; docs/reasons.md covers errors with heavy tails."""


def parts(result: RegressionCertainty, truth: Floats, evaluation: Comparable) -> Parts | None:
    """The parts of the NLL of normal distributions, targets on average; None if it is not defined.

    At the best constant b and factor f of the standard deviations, f² = mean ((y − μ − b)/σ)², with b the
    mean of y − μ, weighted by 1/σ². The plain one has the same standard deviation in every row.
    """
    nll, std, error = evaluation.measured("nll"), result.std, truth - result.mean
    if not np.isfinite(nll.value) or not (std > 0).all() or not np.ptp(error, axis=0).all():
        return None
    best, scale = _mended(error, std)
    width, _ = _mended(error, std, middle=False)
    middle, _ = _mended(error, std, width=False)
    plain, _ = _mended(error, np.ones_like(std))
    return Parts(
        nll=nll,
        best=best,
        accuracy=plain,
        alternatives=nothing(nll),
        zeros=nothing(nll),
        offsets=halved(less(nll, middle), less(width, best)),
        scale=scale,
    )


def _mended(error: Floats, std: Floats, middle: bool = True, width: bool = True) -> tuple[Measured, Measured]:
    """The NLL of errors (N, K) less their best `middle`, at the best factor of `std`, targets on average.

    And the logarithm of that factor.
    """
    rows = len(error)
    off = error - np.average(error, axis=0, weights=std**-2) if middle else error
    squares = (off / std) ** 2
    size = squares.mean(axis=0) if width else np.ones(error.shape[1])
    losses = np.log(std) + (np.log(2 * np.pi * size) + squares / size) / 2
    slopes = np.stack([-off / std**2 / size * middle, (1 - squares / size) * width], axis=2)  # in b, log f
    curvatures = np.stack([std**-2 / size, 2 * squares / size], axis=2)
    total = curvatures.sum(axis=0)
    mended, scales = list[Measured](), list[Measured]()
    far = bool(np.mean(squares > ndtri(FAR / 2) ** 2) >= FAR)
    for k in range(error.shape[1]):
        steps, leverage = slopes[:, k] / total[k], curvatures[:, k] / total[k]
        mended.append(at_best(losses[:, k], steps, slopes[:, k], leverage, rows))
        moved = -steps[:, 1] * left_out(leverage[:, 1])
        scales.append(
            Scale(float(np.log(size[k]) / 2), moved, rows, skewed=True, far=far, leverage=leverage[:, 1])
        )
    return Measured.mean(mended, rows), Scale.mean(scales, rows)


def claims(result: RegressionCertainty, truth: Floats, evaluation: Comparable) -> Claims | None:
    """Standard deviations beside errors, and the share of answers within central intervals."""
    del evaluation
    error, std = truth - result.mean, result.std
    if not (std > 0).all() or not error.any(axis=0).all():
        return None
    unit = np.sqrt((error**2).mean(axis=0)) if truth.shape[1] > 1 else np.ones(1)
    claimed, true = (float(np.sqrt(((sizes / unit) ** 2).mean())) for sizes in (std, error))
    within = np.mean(np.abs(error) / std <= ndtri((1 + LEVEL) / 2))
    return Claims(claimed, true, float(within), tilted=tuple(-error.mean(axis=0)))


COMPARED = {name: METRICS[name] for name in ("nll", "crps", "rmse", "mae", *OUTSIDE)}
"""Scores in which methods are compared, of several targets on average.

CRPS, RMSE and MAE of one target are in its unit. Those of several are in standard deviations of the true
numbers of each, as targets have units of their own.
"""

CrossFitted = tuple[list[RegressionCertainty], list[RegressionCertainty], list[Mapping[str, FitInfluence]]]
"""See `Comparing.calibrated`."""


# --- scores -------------------------------------------------------------------------------------------


def scored(
    result: RegressionCertainty,
    truth: Floats,
    seed: int,
    through: Mapping[str, FitInfluence] | None = None,
    groups: Integers | None = None,
    *,
    of_answers: Callable[[RegressionCertainty, Floats, Floats], dict[str, Measured]],
) -> Compared:
    """See `Comparing.scored`; `of_answers` scores what a result says of new answers, by truth and units."""
    del seed  # nothing is drawn
    check_enough(truth)
    unit = units(truth)
    error = (result.mean - truth) / unit
    measured = {
        **of_answers(result, truth, unit),
        "rmse": _root_mean_square(error),
        "mae": mean_loss(np.abs(error)),
        **dict.fromkeys(OUTSIDE, _undefined(len(truth))),
    }
    scores = Paired.of(through_cross_fits(measured, through or {}), result, truth, groups=groups)
    return Compared(scores)


def _of_normal(result: RegressionCertainty, truth: Floats, unit: Floats) -> dict[str, Measured]:
    mean, std = result.mean, result.std
    return {
        "nll": mean_loss(nll(mean, std, truth), least=-np.inf),
        "crps": mean_loss(crps(mean, std, truth) / unit),
    }


def units(truth: Floats) -> Floats:
    """(K,) what scores are divided by: 1 for one target, else the standard deviation of its true numbers."""
    if truth.shape[1] == 1:
        return np.ones(1)
    scatter = truth.std(axis=0)
    return np.where(scatter > 0, scatter, 1.0)


def mean_loss(losses: Floats, least: float = 0.0) -> Measured:
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


def scored_outside(
    evaluation: Compared, result: RegressionCertainty, outside: RegressionCertainty
) -> Compared:
    """An evaluation with the scores of rows from outside added; their `std` is of the fit to all rows."""
    alike = _by_one_fit(result)
    near, far = (
        (_relative_width(width_of(rows), width_of(alike)), _relative_width(_spread(rows), _spread(alike)))
        for rows in (alike, outside)
    )
    return with_outside(evaluation, near, far, outside.row)


def _spread(result: RegressionCertainty) -> Floats:
    return np.full_like(result.mean, np.nan) if result.spread is None else result.spread


def _relative_width(width: Floats, usual: Floats) -> Floats:
    """(N,) widths (N, K) averaged over targets, each in its median over the usual rows; 0 where unknown."""
    if np.isnan(width).all() or np.isnan(usual).all():
        return np.zeros(len(width))
    middle = np.nanmedian(usual, axis=0)
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
    return cross_calibrated(NOISE, known(result), truth, near, far, seed=seed)


def cross_calibrated(
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
    unit = np.stack([np.ones(truth.shape[1]), units(truth)]) * truth.shape[1]
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
    if fit["method"] != FACTOR.name:
        return SCATTERS[fit["method"]].use(result, overall)
    own = np.array(fit["folds"])[random_folds(len(result), fit["seed"])]
    return FACTOR.use(result, overall / own)


# --- what is compared ---------------------------------------------------------------------------------


def _losses_of_values(values: Floats, truth: Floats, rows: Integers) -> tuple[Floats, Floats]:
    losses = (((values[:, : truth.shape[1]] - truth[rows]) / units(truth)) ** 2).mean(axis=1)
    return losses, np.full(len(losses), np.nan)


COMPARING = Comparing(
    truth=lambda labels, rows, probe: check_numbers(labels, rows, probe.target_names),
    known=truth_of,
    aligned=partial(in_order_of, what="targets"),
    scored=partial(scored, of_answers=_of_normal),
    beside=scored_outside,
    calibrated=partial(cross_calibrated, FACTOR),
    completed=_completed,
    parts=parts,
    claims=claims,
    alone=_losses_of_values,
    metrics=COMPARED,
    plain=PLAIN,
    needs="true numbers",
    words=NUMBER_WORDS,
)
