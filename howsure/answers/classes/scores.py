"""Scores of the probabilities of classes against true classes, with what each row contributes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from howsure.judge.metrics import Metric, by_name, of_outside
from howsure.judge.scores import (
    SMALLEST,
    CalibrationError,
    Mean,
    Measured,
    Score,
    centred,
    of_ranking,
    share_of_rows,
)
from howsure.sampling.outcome import Floats, Integers
from howsure.statistics import normal_density

BINS = 15
"""Bins of calibration errors, as in the literature."""

DRAWS = 500
"""Draws of the noise of a calibration error; the 95 % quantile of so many is the 94 to 96 % one."""

DRAWN = 1000
"""Series at most whose noise is drawn; of more, the others are as noisy as their standard errors say."""

NUMBERS_AT_ONCE = 2**20
"""Numbers of several series that are sorted into bins at a time; bounds memory."""

BRIER_TERM = (
    "Mean squared distance of the percentages from the truth, 0 to 2. It punishes confident mistakes less "
    "than the NLL."
)

ECE_TERM = (
    "Expected calibration error: the difference between the percentage of the answer and the share of right "
    "answers, on average over 15 groups of similar certainty. 0.02 is 2 points. Chance alone makes it more "
    "than 0."
)


METRICS = by_name(
    Metric(
        "accuracy",
        "accuracy",
        "higher is better; 1 is always right",
        "Share of {{ kinds }} on which the most probable class is the true one.",
        per_cent=True,
        alone=True,
    ),
    Metric(
        "nll",
        "NLL",
        "lower is better; 0 gives every true class 100 %",
        "Negative log-likelihood, averaged over {{ kinds }}: a penalty that is 0 if the true class got "
        "100 %, 0.69 if it got 50 %, and 4.6 if it got 1 %. Confident mistakes cost most. It is least "
        "for percentages that are true, so it answers the main question.",
    ),
    Metric("brier", "Brier", "lower is better; 0 gives every true class 100 %", BRIER_TERM),
    Metric(
        "ece",
        "ECE",
        "lower is better; chance alone makes it more than 0",
        f"{ECE_TERM} The percentages are off by more than chance only if the interval begins above 0.",
    ),
    Metric("ece_debiased", "ECE, debiased", "lower is better; 0 means percentages that are true", None),
    Metric("classwise_ece", "classwise ECE", "lower is better; chance alone makes it more than 0", None),
    Metric(
        "aurc",
        "AURC",
        "lower is better; 0 is never wrong",
        "Area under the risk-coverage curve: the share of mistakes among the {{ kinds }} that a method "
        "answers if it sets aside the most uncertain ones, averaged over how many it sets aside. It is "
        "low if there are few mistakes and the method is most uncertain about them.",
    ),
    Metric("excess_aurc", "E-AURC", "lower is better; 0 puts every mistake last", None),
    Metric(
        "error_auroc",
        "error AUROC",
        "higher is better; 0.5 is a guess, 1 puts every mistake last",
        "How often a method is more uncertain about a mistake than about a right answer: 0.5 is a guess, "
        "1 is always. It depends on the order alone, not on the number of mistakes.",
    ),
    Metric("error_fpr95", "error FPR95", "lower is better; 0 lets no mistake pass", None),
    *of_outside(),
)
"""The scores of an `Evaluation`, in which methods are compared too."""


def of_probabilities(p: Floats, label: Integers, truth: Integers, seed: int) -> dict[str, Measured]:
    """All scores of probabilities (N, K), labels (N,) and true classes (N,), by name."""
    rows = len(p)
    right = (label == truth).astype(np.float64)
    mistakes = int(rows - right.sum())
    true = np.zeros_like(p)
    true[np.arange(rows), truth] = 1
    of_true, top = p[np.arange(rows), truth], p[np.arange(rows), label]

    def mean(losses: Floats, most: float = np.inf) -> Mean:
        return Mean(float(losses.mean()), centred(losses), mistakes, least=0.0, most=most)

    random = np.random.default_rng(seed)
    expected, debiased = _calibration_error(top[:, None], right[:, None], mistakes, random)
    by_class, _ = _calibration_error(p, true, mistakes, random)
    return {
        "accuracy": share_of_rows(label == truth),
        "nll": mean(-np.log(np.maximum(of_true, SMALLEST))),
        "brier": mean(np.sum((p - true) ** 2, axis=1), most=2.0),
        "ece": expected,
        "ece_debiased": debiased,
        "classwise_ece": by_class,
        **of_ranking(top, right),
    }


def _calibration_error(
    claimed: Floats, came_true: Floats, mistakes: int, random: np.random.Generator
) -> tuple[CalibrationError, CalibrationError]:
    """Mean distance in bins of equal width (Guo and others 2017), and that less what chance adds to it.

    Several series of claims and outcomes, 0 or 1, (N, S) give the mean of their errors. Chance adds E|N(gap,
    σ²)| − |gap| in each bin (Kumar and others 2019).

    Chance is drawn twice: as if the claims were true, and as if shares were those seen, with half a row more
    of either kind in each bin (Jeffreys). The larger noise counts, and of several series as if it were large
    in all of them at once.
    """
    rows, series = claimed.shape
    mass, claim, hits = (np.empty((series, BINS)) for _ in range(3))
    parts = np.zeros(rows)
    for some in _at_once(rows, series):
        place = np.clip(np.ceil(claimed[:, some] * BINS).astype(np.int64) - 1, 0, BINS - 1)
        mass[some], claim[some], hits[some] = _in_bins(place, claimed[:, some], came_true[:, some])
        sign = np.sign(hits[some] - claim[some])
        off = came_true[:, some] - claimed[:, some]
        parts += np.sum(sign[np.arange(off.shape[1]), place] * off, axis=1)
    least, share = np.maximum(mass, 1), mass / rows
    claim = np.clip(claim / least, 0.0, 1.0)
    gap = np.abs(hits / least - claim)
    seen = (hits + 0.5) / (mass + 1)
    sigma = np.maximum(np.sqrt(seen * (1 - seen) / least), 1e-12)
    by_chance = 2 * sigma * normal_density(gap / sigma) - 2 * gap * ndtr(-gap / sigma)
    value, added = float(np.sum(share * gap)) / series, float(np.sum(share * by_chance)) / series
    noise = _noise(mass, np.stack([claim, seen]), random) / rows
    parts = centred(parts / series)
    expected = CalibrationError(value, parts, mistakes, noise.max(axis=0))
    return expected, replace(expected, value=max(value - added, 0.0))


def _noise(mass: Floats, true: Floats, random: np.random.Generator) -> Floats:
    """(2, DRAWS) by how many rows the hits in bins are off by chance, sorted, on average over series.

    Noise of `DRAWN` series is drawn at most. If there are more, a series is drawn as often
    as its standard error is large. Its noise, scaled by standard errors, stands for that of all series near
    it in order: noise differs mostly in size.

    Args:
        mass: (S, BINS) rows in each bin.
        true: (2, S, BINS) shares of hits that are taken to be true, of two kinds.
        random: Generator of the draws.
    """
    series = len(mass)
    drawn, weight = np.tile(np.arange(series), (2, 1)), np.ones((2, series))
    if series > DRAWN:
        size = np.sqrt(np.sum(mass * true * (1 - true), axis=-1))
        reached = np.cumsum(size, axis=1)
        even = (np.arange(DRAWN) + 0.5) / DRAWN
        drawn = np.array([np.searchsorted(each, even * each[-1]) for each in reached])
        weight = reached[:, -1:] / DRAWN / np.maximum(np.take_along_axis(size, drawn, axis=1), SMALLEST)
    noise = np.zeros((2, DRAWS))
    for number in range(drawn.shape[1]):
        for kind in range(2):
            which = drawn[kind, number]
            filled = mass[which] > 0
            count, share = mass[which, filled].astype(np.int64), true[kind, which, filled]
            off = np.abs(random.binomial(count, share, size=(DRAWS, len(count))) - count * share)
            noise[kind] += weight[kind, number] * np.sort(np.sum(off, axis=1))
    return noise / series


def _at_once(rows: int, series: int) -> Iterator[slice]:
    """Slices of several series of so many rows."""
    step = max(NUMBERS_AT_ONCE // rows, 1)
    return (slice(start, start + step) for start in range(0, series, step))


def _in_bins(place: NDArray[np.integer[Any]], *of: Floats) -> list[Floats]:
    """(S, BINS) rows in each bin of each series, and sums of other numbers (N, S), from the bins (N, S)."""
    series = place.shape[1]
    cell = (place + BINS * np.arange(series)).ravel()
    weights = (None, *(each.ravel() for each in of))
    sums = [np.bincount(cell, weight, BINS * series) for weight in weights]
    return [np.asarray(each, np.float64).reshape(series, BINS) for each in sums]


# --- right answers class by class -------------------------------------------------------------------


@dataclass(frozen=True)
class Constant:
    """The accuracy of always answering the most frequent class.

    Attributes:
        label: The class that most of these rows are of; of equals the lower number.
        right: On how many rows that is right.
        gain: Share of right answers less that of this one, on the same rows: McNemar's interval.
    """

    label: int
    right: int
    gain: Score


def constant_of(correct: NDArray[np.bool_], truth: Integers) -> Constant:
    """The accuracy of always answering the most frequent of the true classes (N,), N ≥ 1.

    `correct` (N,) says which of the compared answers are right.
    """
    most = int(np.bincount(truth).argmax())
    gain = share_of_rows(correct).minus(share_of_rows(truth == most))
    return Constant(most, int(np.sum(truth == most)), gain)


def found_of(label: Integers, truth: Integers, classes: int) -> tuple[Integers, Integers]:
    """(K,) how many rows of each true class get it as their label, and (K,) how many there are."""
    there = np.bincount(truth, minlength=classes)
    return np.bincount(truth[label == truth], minlength=classes), there
