"""Scores of a class at each position against true classes, with what each row contributes.

Scores of positions are ratios of sums over rows, a = Σ t_i / Σ b_i, so that every position counts the same.
Positions of a row depend on each other and rows do not: row i contributes (t_i − a b_i) / Σ b to first order
(the delta method for a ratio of means, Cochran 1977), and intervals are over rows. With TP, FP and FN of one
class over all rows:

    accuracy     right positions / positions
    dice         2 TP / (2 TP + FP + FN)                                           (Dice 1945)
    iou          TP / (TP + FP + FN)                                               (Jaccard 1901)
    nll          Σ −log p(true class) / positions, nats                            (Good 1952)
    brier        Σ Σ_k (p_k − y_k)² / positions, 0 to 2                            (Brier 1950)
    ece          Σ over 15 bins |right positions − Σ p(label)| / positions         (Guo and others 2017)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from howsure.answers.classes.scores import BRIER_TERM, ECE_TERM
from howsure.answers.numbers.scores import Loss, of_ranking
from howsure.answers.positions.counts import Counts, rows_that_decide
from howsure.judge.metrics import Metric, by_name, of_outside
from howsure.judge.scores import (
    LEAST_MISTAKES,
    OUTSIDE,
    CalibrationError,
    Mean,
    Measured,
    area_under_risk,
    interval_by_odds,
    wider,
)
from howsure.sampling.outcome import Floats
from howsure.statistics import widening

DRAWS = 500
"""Draws of chance behind the interval of `ece`."""

_OVERLAP = (
    "How far the labels overlap with the truth, in per cent: for each class, 2 TP / (2 TP + FP + FN) and "
    "TP / (TP + FP + FN). The mean is over the classes that the truth or the label of one {{ kind }} has"
    "{% if comparison.background is not none %}, without ‘{{ comparison.background }}’{% endif %}, then over "
    "{{ kinds }}."
)

METRICS = by_name(
    Metric("accuracy", "accuracy", "higher is better; share of the {positions} that are right", None),
    Metric("mean_dice", "mean Dice", "higher is better; of {classes}, over all {positions}", None),
    Metric("mean_iou", "mean IoU", "higher is better; of {classes}, over all {positions}", None),
    Metric(
        "nll",
        "NLL",
        "lower is better; nats at a {position}",
        "Negative log-likelihood: the mean over the positions of a {{ kind }}, then over {{ kinds }}. It "
        "is 0 if every true class got 100 %, 0.69 if it got 50 %, and 4.6 if it got 1 %. Confident "
        "mistakes cost most. It is least for percentages that are true, so it answers the main question.",
    ),
    Metric("brier", "Brier score", "lower is better; from 0 to 2", BRIER_TERM, called="Brier"),
    Metric("ece", "ECE", "lower is better; chance alone makes it more than 0", ECE_TERM),
    Metric(
        "error_auroc",
        "error AUROC",
        "higher is better; 0.5 is a guess, 1 ranks every wrong {position} last",
        None,
    ),
    Metric(
        "row_dice",
        "Dice of {a_row}",
        "higher is better; of {those} that it has, mean over {rows}",
        _OVERLAP,
        per_cent=True,
        alone=True,
        called="Dice",
    ),
    Metric(
        "aurc",
        "AURC of {rows}",
        "lower is better; mean 1 − Dice of the {rows} kept, by `doubt`",
        "Area under the risk-coverage curve: the mean 1 − Dice of the {{ kinds }} that a method keeps if "
        "it sets aside those with the largest doubt, averaged over how many it sets aside. It is low if "
        "the labels are good and doubt is largest where they are not.",
        called="AURC",
    ),
    Metric(
        "aurg",
        "AURG of {rows}",
        "higher is better; 0 orders {rows} no better than chance",
        None,
    ),
    *of_outside(last="all OOD {rows}", row="{row}"),
)
"""The scores of a `DenseEvaluation`; its kind of row and of position fill the gaps."""

COMPARED = by_name(
    *(METRICS[name] for name in ("nll", "brier", "row_dice")),
    Metric(
        "row_iou",
        "IoU of {a_row}",
        "higher is better; of {those} that it has, mean over {rows}",
        _OVERLAP,
        per_cent=True,
        alone=True,
        called="IoU",
    ),
    *(METRICS[name] for name in ("ece", "aurc", *OUTSIDE)),
)
"""Scores of rows in which methods are compared. NLL and Brier score are means over rows there."""

LEAST_ROWS, LEAST_RANKED = 20, 30
"""Rows below which means over classes and `ece` have no interval, and rows below which scores of their order
have none: docs/positions.md shows what fewer do."""


@dataclass(frozen=True, eq=False)
class RatioOfSums(Loss):
    """A share, from 0 to 1, of what rows have in different numbers.

    `mistakes` is how many rows of equal weight would vary as much: with fewer than five there is no interval.
    """

    def interval(self, confidence: float) -> tuple[float, float]:
        """See `Measured`: the widest of `Loss` and of a t in log-odds, as shares near 0 or 1 are skewed."""
        found = super().interval(confidence)
        if not np.isfinite(found).all() or not 0 < self.value < 1:
            return found
        return wider(found, interval_by_odds(self.value, self.parts, confidence))


def share_of(top: Floats, bottom: Floats) -> RatioOfSums:
    """Σ t / Σ b of rows (N,) with 0 ≤ t ≤ b; NaN of no position."""
    value, parts = _ratio(top, bottom)
    least = rows_that_decide(bottom)
    return RatioOfSums(value, parts, least, least=0.0, most=1.0, least_mistakes=LEAST_MISTAKES)


def loss_of(losses: Floats, counted: Floats) -> Loss:
    """Σ losses / positions (N,)."""
    value, parts = _ratio(losses, counted)
    worst = float(np.max(parts, initial=0.0))
    least = rows_that_decide(counted)
    return Loss(value, parts, least, least=0.0, worst=worst, least_mistakes=LEAST_MISTAKES)


def _ratio(top: Floats, bottom: Floats) -> tuple[float, Floats]:
    """The ratio of two sums over rows, and what each of n contributes, times √(n/(n − 1)) as n are few."""
    total, rows = float(bottom.sum()), int(np.sum(bottom > 0))
    if not total:
        return math.nan, np.zeros(len(bottom))
    value = float(top.sum()) / total
    return value, (top - value * bottom) / total * math.sqrt(rows / max(rows - 1, 1))


def of_counts(
    counts: Counts, names: tuple[str, ...], seed: int, background: int | None = None
) -> dict[str, Measured]:
    """Scores of positions by name, and those of each class as `named_of` names them.

    A class that neither the truth nor the label of any row has no Dice, and is left out of means, as is the
    `background`.
    """
    found: dict[str, Measured] = {"accuracy": share_of(counts.right, counts.counted)}
    union = counts.there + counts.taken - counts.both
    of_class = {
        "dice": [
            share_of(2 * counts.both[:, k], (counts.there + counts.taken)[:, k]) for k in range(len(names))
        ],
        "iou": [share_of(counts.both[:, k], union[:, k]) for k in range(len(names))],
    }
    for name, each in of_class.items():
        found[f"mean_{name}"] = _mean_of_classes([s for k, s in enumerate(each) if k != background])
    if counts.nll is not None and counts.brier is not None:
        found["nll"], found["brier"] = (loss_of(each, counts.counted) for each in (counts.nll, counts.brier))
    found["ece"] = calibration_error(counts.bins, seed)
    for name, each in of_class.items():
        found |= {named_of(name, names[k]): score for k, score in enumerate(each)}
    return found


def named_of(score: str, name: str) -> str:
    """The name of a score of one class: `dice of road`."""
    return f"{score} of {name}"


def _mean_of_classes(each: list[RatioOfSums]) -> RatioOfSums:
    """The mean over classes that are there; known no better than the class of the fewest rows, n of them.

    So its contributions count t/1.96 times, with n − 1 degrees of freedom.
    """
    there = [score for score in each if np.isfinite(score.value)]
    if not there:
        return share_of(*np.zeros((2, len(each[0].parts))))
    value, parts = (np.mean([getattr(one, of) for one in there], axis=0) for of in ("value", "parts"))
    least, enough = min(one.mistakes for one in there), len(parts) >= LEAST_ROWS
    if least >= LEAST_MISTAKES:
        parts = parts * float(widening(least))
    given = {"least": 0.0, "most": 1.0, "least_mistakes": LEAST_MISTAKES}
    return RatioOfSums(float(value), parts, least if enough else 0, **given)  # type: ignore[arg-type]


def calibration_error(bins: Floats, seed: int) -> CalibrationError:
    """Mean distance between probability and share right, in bins of equal width, over all positions.

    Chance is drawn by rows, as positions of a row are right together: each row's right positions less those
    claimed, less its part of what its bin is off by, times a sign at random (wild bootstrap, Liu 1988). As
    rows may be few, that counts √(n/(n − 1)) · t/1.96 times.

    Args:
        bins: (N, BINS, 3) as in `Counts`.
        seed: Seed of the signs.
    """
    rows, mass = len(bins), bins[..., 0].sum(axis=0)
    signed = bins[..., 1] - bins[..., 2]
    gap, total = signed.sum(axis=0), float(mass.sum())
    value = float(np.abs(gap).sum() / total)
    own = bins[..., 0] / np.maximum(mass, 1)
    left = (signed - own * gap) * math.sqrt(rows / (rows - 1)) * float(widening(rows))
    signs = 2.0 * np.random.default_rng(seed).integers(0, 2, size=(DRAWS, rows)) - 1
    noise = np.sort(np.abs(signs @ left).sum(axis=1) / total)
    counted = bins[..., 0].sum(axis=1)
    parts = (signed @ np.sign(gap) - value * counted) / total
    known = noise if rows >= LEAST_ROWS else np.full(DRAWS, np.nan)
    return CalibrationError(value, parts, rows_that_decide(counted), known)


def of_rows(doubt: Floats, dice: Floats) -> dict[str, Measured]:
    """Scores of the order of `doubt` (N,) for telling rows of low Dice (N,) from others.

    Rows whose Dice is NaN are left out.
    """
    known = np.isfinite(dice)
    if not known.any():
        return dict.fromkeys(("row_dice", "aurc"), mean_of(dice))
    loss = 1 - dice[known]
    area, parts = area_under_risk(-doubt[known], loss)
    found: dict[str, Measured] = {"aurc": Mean(area, parts, len(loss), least=0.0, most=1.0)}
    if "aurg" in (ranked := of_ranking(doubt[known], loss)):
        found["aurg"] = ranked["aurg"]
    if len(loss) < LEAST_RANKED:
        found = {name: replace(each, mistakes=0) for name, each in found.items()}
    for name, each in found.items():
        of_all = np.zeros(len(dice))
        of_all[known] = each.parts
        found[name] = replace(each, parts=of_all)
    return {"row_dice": mean_of(dice), **found}


def mean_of(shares: Floats) -> RatioOfSums:
    """The mean of one share for each of N rows, of those where it is not NaN."""
    return share_of(np.nan_to_num(shares), np.isfinite(shares).astype(np.float64))


def held(share_interval: Floats, counts: Counts) -> Floats:
    """(N,) for how many classes of a row, 0 to 1, the interval (N, K, 2) holds the true share.

    They are those that its truth or its label has; NaN of none.
    """
    share = counts.there / counts.counted[:, None]
    inside = (share_interval[..., 0] <= share) & (share <= share_interval[..., 1])
    there = counts.there + counts.taken > 0
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sum(inside & there, axis=1) / there.sum(axis=1))
