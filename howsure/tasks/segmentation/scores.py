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

Everything here is a sum over the positions of a row. So scores are exact over all positions of all rows, and
memory holds one row and a few numbers of every other.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np

from howsure.errors import InputError
from howsure.evaluation.metrics import Metric, by_name, of_outside
from howsure.evaluation.score import (
    LEAST_MISTAKES,
    OUTSIDE,
    SMALLEST,
    CalibrationError,
    Mean,
    Measured,
    area_under_risk,
    interval_by_odds,
    noise_of_signs,
    wider,
)
from howsure.inputs.align import aligned
from howsure.inputs.rows import quoted
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.statistics import widening
from howsure.tasks.classification.scores import BRIER_TERM, ECE_TERM
from howsure.tasks.regression.scores import Loss, of_ranking
from howsure.tasks.segmentation.result import DenseCertainty
from howsure.tasks.segmentation.truth import IGNORED, Ignore, Ignored, check_map, check_no_mask, class_map

# --- the true classes at positions, as they are scored ------------------------------------------------


def background_of(result: DenseCertainty, background: int | str) -> int:
    """The part `background`: number of the class that means over classes leave out, from its number or name.

    Raises:
        InputError: There is no such class, or no other one.
    """
    names = result.class_names
    text = str(background)
    of_name = {name: number for number, name in enumerate(names)} if isinstance(background, str) else {}
    number = of_name.get(text, int(text) if text.isdecimal() else len(names))
    if isinstance(background, bool) or number >= len(names) or len(names) == 1:
        raise InputError(
            "`background` is no class of this result",
            expected=f"one of {quoted(names)}, or its number from 0",
            received=repr(background),
        )
    return number


def check_given(result: DenseCertainty, labels: Any) -> None:
    """Raise an `InputError` where neither labels are given nor a result has true classes."""
    if labels is None and result.truth is None:
        raise InputError(
            "The true classes are not known",
            expected=f"labels, one class number for each {result.position_name}",
            received="none",
        )


def truths_of(result: DenseCertainty, labels: Any) -> Iterator[Integers]:
    """True classes (P,) of one row after the other, −1 where a position does not count, also of `counts`.

    One row is held at a time, as labels may lie in a file. Shapes are checked at once, values with each row.

    Args:
        result: Result of N rows.
        labels: As for `check_map`, or `Ignored`. Default: `result.truth`.

    Raises:
        InputError: No labels, or labels that do not fit.
    """
    ignore: Ignore = None
    if isinstance(labels, Ignored):
        labels, ignore = labels.labels, labels.ignore
    check_given(result, labels)
    names, shape = result.class_names, (len(result), *result.positions)
    truth: Any = result.truth  # which may lie in a file
    if labels is not None:
        truth = class_map(aligned(labels, result), shape, names, result.counts)
    check_no_mask(truth, names, ignore)
    shape_of_row = (1, *result.positions)

    def of_row(at: int) -> Integers:
        numbers = check_map(truth[at : at + 1], shape_of_row, names, ignore, at)[0]
        counted_numbers = numbers if result.counts is None else np.where(result.counts[at], numbers, IGNORED)
        return counted_numbers.reshape(-1)

    return map(of_row, range(len(result)))


# --- sums over positions ------------------------------------------------------------------------------


def are_known(result: DenseCertainty) -> bool:
    """Whether the probabilities of all classes are known: they were kept, or there are two classes."""
    return result.all_probabilities is not None or len(result.class_names) == 2


def check_known(result: DenseCertainty) -> None:
    """An `InputError` that says how to keep the probabilities, unless they are known."""
    if len(result) and not are_known(result):
        known_probabilities(result, 0)


def known_probabilities(result: DenseCertainty, at: int) -> Floats:
    """(P, K) probabilities at the positions of the row at a place, in double precision.

    Raises:
        InputError: They were not kept, and there are more than two classes.
    """
    classes = len(result.class_names)
    if result.all_probabilities is None and classes == 2:
        top = np.asarray(result.probability[at], np.float64).reshape(-1)
        second = np.asarray(result.label[at]).reshape(-1) == 1
        of_second = np.where(second, top, 1 - top)
        return np.stack([1 - of_second, of_second], axis=1)
    return np.asarray(result.probabilities[at], np.float64).reshape(-1, classes)


BINS = 15
"""Bins of equal width, for the calibration error (Guo and others 2017)."""


@dataclass(frozen=True)
class Counts:
    """Sums over the positions that count, of each of N rows.

    Attributes:
        counted: (N,) positions that count.
        right: (N,) of these, those whose label is true.
        both: (N, K) positions whose label and truth are that class.
        there: (N, K) positions truly of that class.
        taken: (N, K) positions with that label.
        bins: (N, BINS, 3) positions, right ones, and Σ probability, by the probability of the label.
        nll: (N,) Σ −log p(true class), nats; None if it is not known.
        brier: (N,) Σ Σ_k (p − y)²; None if it is not known.
        digest: (N,) of the true classes, to tell whether two evaluations are of the same.
    """

    counted: Floats
    right: Floats
    both: Floats
    there: Floats
    taken: Floats
    bins: Floats
    nll: Floats | None
    brier: Floats | None
    digest: Integers

    def of(self, rows: Booleans) -> Counts:
        """Those of some rows (N,) alone."""
        counts: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        chosen = {name: values[rows] for name, values in counts.items() if values is not None}
        return replace(self, **chosen)

    def without(self, background: int | None) -> Counts:
        """The same with all classes but one, or all of them."""
        if background is None:
            return self
        fewer = {name: np.delete(getattr(self, name), background, axis=1) for name in _OF_CLASSES}
        return replace(self, **fewer)

    @property
    def dice(self) -> Floats:
        """(N,) mean of 2 TP / (2 TP + FP + FN) over the classes that truth or label have; NaN of none."""
        return _mean_over_classes(2 * self.both, self.there + self.taken)

    @property
    def iou(self) -> Floats:
        """(N,) mean of TP / (TP + FP + FN) over the same classes."""
        return _mean_over_classes(self.both, self.there + self.taken - self.both)


_OF_CLASSES = ("both", "there", "taken")
"""Counts with a value for each class."""


def counted_of(result: DenseCertainty, labels: Any) -> Counts:
    """Count all rows, one at a time; labels as for `truths_of`."""
    rows, classes, are_all_known = len(result), len(result.class_names), are_known(result)
    counted, right, nll, brier = np.zeros((4, rows))
    hits, truly, labelled = np.zeros((3, rows, classes))
    bins, digest = np.zeros((rows, BINS, 3)), np.zeros(rows, dtype=np.int64)
    for at, truth in enumerate(truths_of(result, labels)):
        hashed = hashlib.blake2b(truth.astype(np.int16).tobytes(), digest_size=8).digest()
        digest[at] = int.from_bytes(hashed, "little", signed=True)
        counts = truth >= 0
        true, label, top = (
            truth[counts],
            _flat_map(result.label, at)[counts],
            _flat_map(result.probability, at)[counts],
        )
        hit = label == true
        counted[at], right[at] = len(true), np.count_nonzero(hit)
        truly[at], labelled[at] = (np.bincount(labels, minlength=classes) for labels in (true, label))
        hits[at] = np.bincount(true[hit], minlength=classes)
        place = np.clip(np.ceil(top.astype(np.float64) * BINS).astype(np.int64) - 1, 0, BINS - 1)
        for column, weight in enumerate((None, hit, top)):
            bins[at, :, column] = np.bincount(place, weight, BINS)
        if are_all_known:
            p = known_probabilities(result, at)[counts]
            of_true = np.take_along_axis(p, true[:, None], axis=1)[:, 0]
            nll[at] = -np.log(np.maximum(of_true, SMALLEST)).sum()
            brier[at] = np.einsum("nk,nk->", p, p) + np.sum(1 - 2 * of_true)
    losses = {"nll": nll, "brier": brier} if are_all_known else {"nll": None, "brier": None}
    return Counts(counted, right, hits, truly, labelled, bins, digest=digest, **losses)


def _mean_over_classes(top: Floats, bottom: Floats) -> Floats:
    has_class = bottom > 0
    of_class = np.where(has_class, top, 0) / np.where(has_class, bottom, 1)
    with np.errstate(invalid="ignore"):
        return np.asarray(of_class.sum(axis=-1) / has_class.sum(axis=-1))


def rows_that_decide(weights: Floats) -> int:
    """How many rows of equal weight would vary as much as rows of these (N,): (Σ w)² / Σ w² (Kish 1965)."""
    squares = float(np.sum(weights**2))
    return int(np.sum(weights) ** 2 / squares + 1e-9) if squares else 0


def _flat_map(maps: Any, at: int) -> Any:
    return np.asarray(maps[at]).reshape(-1)


# --- scores ---------------------------------------------------------------------------------------------


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
        interval = super().interval(confidence)
        if not np.isfinite(interval).all() or not 0 < self.value < 1:
            return interval
        return wider(interval, interval_by_odds(self.value, self.parts, confidence))


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
    scores: dict[str, Measured] = {"accuracy": share_of(counts.right, counts.counted)}
    union = counts.there + counts.taken - counts.both
    of_class = {
        "dice": [
            share_of(2 * counts.both[:, k], (counts.there + counts.taken)[:, k]) for k in range(len(names))
        ],
        "iou": [share_of(counts.both[:, k], union[:, k]) for k in range(len(names))],
    }
    for name, of_classes in of_class.items():
        scores[f"mean_{name}"] = _mean_of_classes([s for k, s in enumerate(of_classes) if k != background])
    if counts.nll is not None and counts.brier is not None:
        scores["nll"], scores["brier"] = (
            loss_of(losses, counts.counted) for losses in (counts.nll, counts.brier)
        )
    scores["ece"] = calibration_error(counts.bins, seed)
    for name, of_classes in of_class.items():
        scores |= {named_of(name, names[k]): score for k, score in enumerate(of_classes)}
    return scores


def named_of(score: str, name: str) -> str:
    """The name of a score of one class: `dice of road`."""
    return f"{score} of {name}"


def _mean_of_classes(of_classes: list[RatioOfSums]) -> RatioOfSums:
    """The mean over classes that are there; known no better than the class of the fewest rows, n of them.

    So its contributions count t/1.96 times, with n − 1 degrees of freedom.
    """
    scores_there = [score for score in of_classes if np.isfinite(score.value)]
    if not scores_there:
        return share_of(*np.zeros((2, len(of_classes[0].parts))))
    value, parts = (
        np.mean([getattr(score, of) for score in scores_there], axis=0) for of in ("value", "parts")
    )
    least, enough = min(score.mistakes for score in scores_there), len(parts) >= LEAST_ROWS
    if least >= LEAST_MISTAKES:
        parts = parts * float(widening(least))
    limits = {"least": 0.0, "most": 1.0, "least_mistakes": LEAST_MISTAKES}
    return RatioOfSums(float(value), parts, least if enough else 0, **limits)  # type: ignore[arg-type]


def calibration_error(bins: Floats, seed: int) -> CalibrationError:
    """Mean distance between probability and share right, in bins of equal width, over all positions.

    Chance is drawn by rows, as positions of a row are right together: each row's right positions less those
    claimed, less its part of what its bin is off by, times a sign at random; see `noise_of_signs`.

    Args:
        bins: (N, BINS, 3) as in `Counts`.
        seed: Seed of the signs.
    """
    rows, mass = len(bins), bins[..., 0].sum(axis=0)
    signed = bins[..., 1] - bins[..., 2]
    gap, total = signed.sum(axis=0), float(mass.sum())
    value = float(np.abs(gap).sum() / total)
    own = bins[..., 0] / np.maximum(mass, 1)
    residual = (signed - own * gap) / total
    noise = noise_of_signs(residual, np.random.default_rng(seed), DRAWS)
    counted = bins[..., 0].sum(axis=1)
    parts = (signed @ np.sign(gap) - value * counted) / total
    known_noise = noise if rows >= LEAST_ROWS else np.full(DRAWS, np.nan)
    return CalibrationError(
        value, parts, rows_that_decide(counted), known_noise, partial(_by_group, residual)
    )


def _by_group(residual: Floats, groups: Integers) -> Floats:
    """(G, C) sums of what rows (N, C) add, by group."""
    sums = np.zeros((int(groups.max()) + 1, residual.shape[1]))
    np.add.at(sums, groups, residual)
    return sums


def of_rows(doubt: Floats, dice: Floats) -> dict[str, Measured]:
    """Scores of the order of `doubt` (N,) for telling rows of low Dice (N,) from others.

    Rows whose Dice is NaN are left out.
    """
    has_dice = np.isfinite(dice)
    if not has_dice.any():
        return dict.fromkeys(("row_dice", "aurc"), mean_of(dice))
    loss = 1 - dice[has_dice]
    area, parts = area_under_risk(-doubt[has_dice], loss)
    scores: dict[str, Measured] = {"aurc": Mean(area, parts, len(loss), least=0.0, most=1.0)}
    if "aurg" in (ranked := of_ranking(doubt[has_dice], loss)):
        scores["aurg"] = ranked["aurg"]
    if len(loss) < LEAST_RANKED:
        scores = {name: replace(score, mistakes=0) for name, score in scores.items()}
    for name, score in scores.items():
        of_all = np.zeros(len(dice))
        of_all[has_dice] = score.parts
        scores[name] = replace(score, parts=of_all)
    return {"row_dice": mean_of(dice), **scores}


def mean_of(shares: Floats) -> RatioOfSums:
    """The mean of one share for each of N rows, of those where it is not NaN."""
    return share_of(np.nan_to_num(shares), np.isfinite(shares).astype(np.float64))
