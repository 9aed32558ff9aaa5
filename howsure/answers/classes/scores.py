"""Scores of the probabilities of classes against true classes, with what each row contributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

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


def of_probabilities(p: Floats, label: Integers, truth: Integers, seed: int) -> dict[str, Measured]:
    """All scores of probabilities (N, K), labels (N,) and true classes (N,), by name."""
    rows, classes = p.shape
    right = (label == truth).astype(np.float64)
    mistakes = int(rows - right.sum())
    true = np.zeros_like(p)
    true[np.arange(rows), truth] = 1
    of_true, top = p[np.arange(rows), truth], p[np.arange(rows), label]

    def mean(losses: Floats, most: float = np.inf) -> Mean:
        return Mean(float(losses.mean()), centred(losses), mistakes, least=0.0, most=most)

    shares = true.mean(axis=0)
    reliability, resolution = _decomposed(p, true)
    random = np.random.default_rng(seed)
    expected, debiased = _calibration_error([(top, right)], mistakes, random)
    by_class, _ = _calibration_error([(p[:, k], true[:, k]) for k in range(classes)], mistakes, random)
    nothing = np.zeros(rows)
    return {
        "accuracy": share_of_rows(label == truth),
        "nll": mean(-np.log(np.maximum(of_true, SMALLEST))),
        "brier": mean(np.sum((p - true) ** 2, axis=1), most=2.0),
        "brier_reliability": Measured(reliability, nothing, mistakes),
        "brier_resolution": Measured(resolution, nothing, mistakes),
        "brier_uncertainty": Measured(float(np.sum(shares * (1 - shares))), nothing, mistakes),
        "ece": expected,
        "ece_debiased": debiased,
        "classwise_ece": by_class,
        **of_ranking(top, right),
    }


def _calibration_error(
    claims: Sequence[tuple[Floats, Floats]], mistakes: int, random: np.random.Generator
) -> tuple[CalibrationError, CalibrationError]:
    """Mean distance in bins of equal width (Guo and others 2017), and that less what chance adds to it.

    Several series of claims and outcomes (0 or 1) give the mean of their errors. Chance adds E|N(gap, σ²)| −
    |gap| in each bin (Kumar and others 2019).

    Chance is drawn twice: as if the claims were true, and as if shares were those seen, with half a row more
    of either kind in each bin (Jeffreys). The larger noise counts, and of several series as if it were large
    in all of them at once.
    """
    rows = len(claims[0][0])
    value, added, parts = 0.0, 0.0, np.zeros(rows)
    noise = np.zeros((2, DRAWS))
    for claimed, came_true in claims:
        place = np.clip(np.ceil(claimed * BINS).astype(np.int64) - 1, 0, BINS - 1)
        mass = np.bincount(place, minlength=BINS)
        filled = mass > 0
        least = np.maximum(mass, 1)
        claim, hits = np.bincount(place, claimed, BINS) / least, np.bincount(place, came_true, BINS)
        signed = hits / least - claim
        gap, share = np.abs(signed), mass / rows
        claim = np.clip(claim, 0.0, 1.0)
        seen = (hits + 0.5) / (mass + 1)
        sigma = np.maximum(np.sqrt(seen * (1 - seen) / least), 1e-12)
        by_chance = 2 * sigma * normal_density(gap / sigma) - 2 * gap * ndtr(-gap / sigma)
        value += float(share @ gap)
        added += float(share @ by_chance)
        parts += np.sign(signed)[place] * (came_true - claimed)
        for kind, true in enumerate((claim, seen)):
            drawn = random.binomial(mass[filled], true[filled], size=(DRAWS, filled.sum()))
            noise[kind] += np.sort(np.sum(np.abs(drawn - mass[filled] * true[filled]), axis=1) / rows)
    count = len(claims)
    reach = noise.max(axis=0) / count
    parts = centred(parts / count)
    expected = CalibrationError(value / count, parts, mistakes, reach)
    return expected, replace(expected, value=max((value - added) / count, 0.0))


def _decomposed(p: Floats, true: Floats) -> tuple[float, float]:
    """Reliability and resolution of the Brier score (Murphy 1973) in bins of equal mass, over classes."""
    reliability, resolution = 0.0, 0.0
    for claimed, came_true in zip(p.T, true.T, strict=True):
        edges = np.unique(np.quantile(claimed, np.arange(1, BINS) / BINS))
        place = np.searchsorted(edges, claimed, side="right")
        mass = np.bincount(place, minlength=len(edges) + 1)
        claim, hit = (np.bincount(place, each) / np.maximum(mass, 1) for each in (claimed, came_true))
        share = mass / len(claimed)
        reliability += float(share @ (claim - hit) ** 2)
        resolution += float(share @ (hit - came_true.mean()) ** 2)
    return reliability, resolution


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
