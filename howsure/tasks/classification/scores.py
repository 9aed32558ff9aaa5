"""Scores of the probabilities of classes against true classes, with what each row contributes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from howsure.evaluation.metrics import Metric, by_name, of_outside
from howsure.evaluation.score import (
    SMALLEST,
    CalibrationError,
    Mean,
    Measured,
    Score,
    by_group,
    centred,
    in_cells,
    of_ranking,
    share_of_rows,
)
from howsure.sampling.outcome import Floats, Integers

BINS = 15
"""Bins of calibration errors, as in the literature."""

DRAWS = 500
"""Draws of the noise of a calibration error; the 95 % quantile of so many is the 94 to 96 % one."""

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
    Metric(
        "aurc",
        "AURC",
        "lower is better; 0 is never wrong",
        "Area under the risk-coverage curve: the share of mistakes among the {{ kinds }} that a method "
        "answers if it sets aside the most uncertain ones, averaged over how many it sets aside. It is "
        "low if there are few mistakes and the method is most uncertain about them.",
    ),
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

    return {
        "accuracy": share_of_rows(label == truth),
        "nll": mean(-np.log(np.maximum(of_true, SMALLEST))),
        "brier": mean(np.sum((p - true) ** 2, axis=1), most=2.0),
        "ece": _calibration_error(top, right, mistakes, np.random.default_rng(seed)),
        **of_ranking(top, right),
    }


def _calibration_error(
    claimed: Floats, right: Floats, mistakes: int, random: np.random.Generator
) -> CalibrationError:
    """Mean distance of claims (N,) and right answers (N,), 0 or 1, in equal bins (Guo and others 2017).

    Chance is drawn twice: as if the claims were true, and as if shares were those seen, with half a row more
    of either kind in each bin (Jeffreys). The larger noise counts.
    """
    rows = len(claimed)
    place = np.clip(np.ceil(claimed * BINS).astype(np.int64) - 1, 0, BINS - 1)
    mass, claim, hits = (np.bincount(place, weight, BINS) for weight in (None, claimed, right))
    parts = np.sign(hits - claim)[place] * (right - claimed)
    value = float(np.sum(np.abs(hits - claim))) / rows
    filled = mass > 0
    count = mass[filled].astype(np.int64)
    noise = np.zeros(DRAWS)
    for true in (np.clip(claim[filled] / count, 0.0, 1.0), (hits[filled] + 0.5) / (count + 1)):
        off = np.abs(random.binomial(count, true, size=(DRAWS, len(count))) - count * true)
        noise = np.maximum(noise, np.sort(np.sum(off, axis=1)))
    in_bins = partial(_deviations, place, claimed, right)
    return CalibrationError(value, centred(parts), mistakes, noise / rows, in_bins)


def _deviations(place: Integers, claimed: Floats, right: Floats, groups: Integers) -> Floats:
    """(G, BINS) right answers of each group less those claimed, less its part of what the bin is off by."""
    mass, off = (in_cells(groups, place, values, BINS) for values in (None, right - claimed))
    own = mass / np.maximum(mass.sum(axis=0), 1) * off.sum(axis=0)
    return np.asarray((off - own) / len(place))


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


def constant_of(correct: NDArray[np.bool_], truth: Integers, groups: Integers | None = None) -> Constant:
    """The accuracy of always answering the most frequent of the true classes (N,), N ≥ 1.

    `correct` (N,) says which of the compared answers are right, `groups` (N,) which rows are dependent.
    """
    most = int(np.bincount(truth).argmax())
    both = {"own": share_of_rows(correct), "constant": share_of_rows(truth == most)}
    own, constant = by_group(both, groups).values()
    return Constant(most, int(np.sum(truth == most)), own.minus(constant))


def found_of(label: Integers, truth: Integers, classes: int) -> tuple[Integers, Integers]:
    """(K,) how many rows of each true class get it as their label, and (K,) how many there are."""
    there = np.bincount(truth, minlength=classes)
    return np.bincount(truth[label == truth], minlength=classes), there
