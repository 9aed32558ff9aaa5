"""Sums over all positions of a `DenseCertainty`, counted one row at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from howsure.answers.positions.result import DenseCertainty
from howsure.answers.sentences import percent
from howsure.answers.verdict import VERDICTS
from howsure.judge.scores import LEAST_MISTAKES, interval_by_odds
from howsure.report.figures import RiskCoverage
from howsure.sampling.outcome import Floats, Integers
from howsure.words import UNIT, decimals_of, points, rate

_LEAST_DOUBT = 1e-6
"""The least 1 − probability that the curve of kept positions tells from 0; single precision ends at 6e-8."""

_STEPS = 400
"""Thresholds of that curve."""

_LEAST_SPREAD = 5e-5
"""The least that does not round to 0.00 points."""


@dataclass(frozen=True)
class PositionCounts:
    """Positions of N rows.

    Attributes:
        of_verdict: (N, 3) positions with each verdict, in the order of `VERDICTS`.
        known: (N, 3) of these, those whose true class is known; all 0 without labels.
        right: (N, 3) of those, the right ones.
        labelled: (K,) positions with each label.
        flips: (K,) of these, coin flips.
        truly: (K,) positions truly of each class.
        dice: (K,) Dice of each class over all positions whose true class is known; NaN of a class that is not
            among them, neither true nor as the label.
        least: (B,) probabilities, rising: thresholds of the positions that are kept.
        kept: (B + 1, 2) positions below the first threshold, from it on, from the next one on, …: those whose
            true class is known, and of these the wrong ones.
    """

    of_verdict: Integers
    known: Integers
    right: Integers
    labelled: Integers
    flips: Integers
    truly: Integers
    dice: Floats
    least: Floats
    kept: Integers


def counts_of(result: DenseCertainty) -> PositionCounts:
    """Count the positions of all rows; memory holds the maps of one."""
    rows, classes, sure = len(result), len(result.class_names), result.thresholds.sure
    found = np.zeros((3, rows, 3), dtype=np.int64)
    labelled, flips, truly, taken, both = np.zeros((5, classes), dtype=np.int64)
    least = np.unique(np.append(1 - np.geomspace(_LEAST_DOUBT, 1, _STEPS), sure).astype(np.float32))
    kept = np.zeros((len(least) + 1, 2), dtype=np.int64)
    for at in range(rows):
        part = result[at : at + 1]
        label, flip, verdict = np.asarray(part.label[0]), part.is_coin_flip[0], part.verdict_number[0]
        found[0, at] = np.bincount(verdict[label >= 0], minlength=3)
        labelled += np.bincount(label[label >= 0], minlength=classes)
        flips += np.bincount(label[flip], minlength=classes)
        if part.truth is None:
            continue
        truth = np.asarray(part.truth[0])
        known = truth >= 0
        wrong = label[known] != truth[known]
        found[1, at] = np.bincount(verdict[known], minlength=3)
        found[2, at] = np.bincount(verdict[known][~wrong], minlength=3)
        truly += np.bincount(truth[known], minlength=classes)
        taken += np.bincount(label[known], minlength=classes)
        both += np.bincount(truth[known][~wrong], minlength=classes)
        place = np.searchsorted(least, np.asarray(part.probability[0], np.float32)[known], side="right")
        kept[:, 0] += np.bincount(place, minlength=len(kept))
        kept[:, 1] += np.bincount(place[wrong], minlength=len(kept))
    with np.errstate(invalid="ignore"):
        dice = 2 * both / (truly + taken)
    return PositionCounts(
        found[0], found[1], found[2], labelled, flips, truly, dice, least.astype(np.float64), kept
    )


def curve_of(counts: PositionCounts) -> RiskCoverage:
    """The risk-coverage curve of the positions whose true class is known, at least one."""
    kept, wrong = counts.kept[::-1].cumsum(axis=0).T
    least = np.append(counts.least[::-1], 0.0)
    new = np.diff(kept, prepend=0) > 0
    return RiskCoverage(kept[new], wrong[new], least[new])


@dataclass(frozen=True)
class VerdictPositions:
    """The positions of one verdict.

    Attributes:
        verdict: The word.
        count: Positions.
        share: Share of all positions.
        start: Start of its part of the bar, in per cent.
        right: Share of those that are right, in words; empty without labels, a dash where none is known.
        interval: Its 95 % interval over rows, in words; empty if it is unknown.
    """

    verdict: str
    count: int
    share: float
    start: float
    right: str
    interval: str


def groups_of(counts: PositionCounts) -> list[VerdictPositions]:
    """The positions by verdict."""
    total, before, found = int(counts.of_verdict.sum()), 0, []
    for number, word in enumerate(VERDICTS):
        count = int(counts.of_verdict[:, number].sum())
        right, interval = "", ""
        if counts.known.any():
            right, interval = share_over_rows(counts.right[:, number], counts.known[:, number])
        found.append(VerdictPositions(word, count, count / total, 100 * before / total, right, interval))
        before += count
    return found


def share_over_rows(some: Integers, all_of_them: Integers) -> tuple[str, str]:
    """A share of positions and its 95 % interval over rows (N,), in words.

    Positions of a row go wrong together and rows do not. So row i contributes (s_i − share · a_i) / Σ a to
    the ratio of sums Σ s / Σ a (Cochran 1977), and the interval is Student's in log-odds.

    Returns:
        The share, a dash of nothing; the interval, empty with fewer than five rows that have such positions,
        or where all, or none, are among the `some`.
    """
    total, rows = int(all_of_them.sum()), int(np.sum(all_of_them > 0))
    if not total:
        return "–", ""
    share = float(some.sum() / total)
    if rows < LEAST_MISTAKES or not 0 < share < 1:
        return rate(share), ""
    parts = (some - share * all_of_them) / total * np.sqrt(rows / (rows - 1))
    low, high = interval_by_odds(share, parts)
    decimals = min(decimals_of(100 * (high - low)), 3)
    ends = rate(low, decimals).removesuffix(UNIT), rate(high, decimals)
    return rate(share, decimals), " to ".join(ends)


@dataclass(frozen=True)
class ClassShare:
    """One class in the table of all rows.

    Attributes:
        name: Name of the class.
        colour: On the maps.
        share: Mean over rows of the share of positions, with what the passes leave open, in words.
        spread: Mean over rows of the standard deviation between networks; a dash where unknown.
        overlap: Mean over rows of the mean Dice of pairs of networks; a dash where unknown.
        flips: Share of the positions with that label that are coin flips; a dash where there are none.
        truth: Share of the positions truly of that class; empty without labels.
        dice: Over all positions whose true class is known; a dash where unknown.
        length: The share, in per cent.
    """

    name: str
    colour: str
    share: str
    spread: str
    overlap: str
    flips: str
    truth: str
    dice: str
    length: float


def class_lines(result: DenseCertainty, counts: PositionCounts, colours: tuple[str, ...]) -> list[ClassShare]:
    """Class by class, the largest share first.

    Errors of rows need not be independent, as the same networks see all of them, so the error of a mean is
    bounded by the mean of the errors.
    """
    share, error = result.share.mean(axis=0), result.share_error.mean(axis=0)
    truly = int(counts.truly.sum())
    found = []
    for k in np.argsort(-share, kind="stable").tolist():
        spread, overlap = (_mean(values[:, k]) for values in (result.share_spread, result.overlap))
        labelled = int(counts.labelled[k])
        found.append(
            ClassShare(
                result.class_names[k],
                colours[k],
                percent(float(share[k]), float(error[k])).replace(" %", UNIT),
                _spread(spread),
                f"{overlap:.2f}" if np.isfinite(overlap) else "–",
                rate(int(counts.flips[k]) / labelled) if labelled else "–",
                rate(int(counts.truly[k]) / truly) if truly else "",
                f"{counts.dice[k]:.2f}" if np.isfinite(counts.dice[k]) else "–",
                100 * float(share[k]),
            )
        )
    return found


def _spread(spread: float) -> str:
    if not np.isfinite(spread):
        return "–"
    return points(spread) if spread >= _LEAST_SPREAD or spread == 0 else "< 0.01\u00a0points"


def _mean(values: Floats) -> float:
    """Mean of the known values; NaN if none is known."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
