"""The numbers behind the report's figures, pure functions on arrays, and counted shares in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from howsure.statistics import at_least, at_most, proportion_interval
from howsure.words import UNIT, decimals_of, rate

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_LEAST_ROWS_PER_BIN = 20
_MOST_BINS = 10


@dataclass(frozen=True)
class Proportion:
    """A share that was counted, with its 95 % interval.

    Attributes:
        count: Rows that have the property.
        total: Rows that were looked at; with 0 the share is NaN and the interval is [0, 1].
        low: Lower end of the interval, in [0, 1].
        high: Upper end of the interval, in [0, 1].
    """

    count: int
    total: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """`count` ÷ `total`, NaN where `total` is 0."""
        return self.count / self.total if self.total else float("nan")


def proportion(count: int, total: int) -> Proportion:
    """`count` out of `total` with its exact interval at 95 % (Clopper and Pearson 1934).

    It is the one that `howsure.evaluate` gives the same share, and a claim lies outside of it exactly where
    `differs_from_claim` says so.

    Example:
        >>> found = proportion(9, 10)
        >>> f"{found.share:.2f}, {found.low:.2f} to {found.high:.2f}"
        '0.90, 0.55 to 1.00'
    """
    return Proportion(count, total, *proportion_interval(count, total))


def differs_from_claim(claim: float, right: Proportion, among: int = 1) -> int:
    """Whether a share of right answers differs from what was claimed by more than chance.

    An exact binomial test at 5 %, half of it for each side (Clopper & Pearson 1934). If the claims of rows
    differ, their number of right answers varies less than a binomial one (Hoeffding 1956), so it errs more
    rarely.

    Args:
        claim: Mean claimed probability, in [0, 1].
        right: The counted share of right answers.
        among: How many such tests are made side by side; all of them together err in one of twenty cases
            at most (Bonferroni).

    Returns:
        −1 where fewer are right than claimed, 1 where more are, 0 where chance may be all there is.
    """
    if not right.total:
        return 0
    level = 0.025 / among
    if at_most(right.count, right.total, claim) <= level:
        return -1
    return int(at_least(right.count, right.total, claim) <= level)


@dataclass(frozen=True)
class Reliability:
    """The claims of the model and its share of right answers, in groups of like certainty.

    Attributes:
        confidence: (B,) mean top probability of each group, rising.
        right: B shares of right rows with their intervals.
    """

    confidence: Floats
    right: tuple[Proportion, ...]


def reliability(probability: Floats, correct: NDArray[np.bool_]) -> Reliability:
    """Group rows by top probability into bins of equal size and see how often each is right.

    Bins of equal size ("equal mass", Nguyen & O'Connor 2015) give every interval the same worth, where bins
    of equal width leave most of them empty. Up to 10 bins of at least 20 rows. Rows of exactly the same
    probability are never parted, so that the order of rows does not matter; there may be fewer bins for it.

    Args:
        probability: (N,) top probabilities.
        correct: (N,) whether the label is the true class.

    Returns:
        One group for fewer than 40 rows, none for zero rows.
    """
    rows = len(probability)
    if rows == 0:
        return Reliability(np.empty(0), ())
    order = np.argsort(probability, kind="stable")
    ordered, right = probability[order], correct[order]
    bins = min(_MOST_BINS, max(1, rows // _LEAST_ROWS_PER_BIN))
    wanted = np.round(np.arange(bins) * rows / bins).astype(np.int64)
    starts = np.unique(np.searchsorted(ordered, ordered[wanted], side="left"))
    stops = np.append(starts[1:], rows)
    groups = [slice(start, stop) for start, stop in zip(starts, stops, strict=True)]
    return Reliability(
        np.array([ordered[group].mean() for group in groups]),
        tuple(proportion(int(right[group].sum()), len(right[group])) for group in groups),
    )


@dataclass(frozen=True)
class RiskCoverage:
    """The gain from setting the least certain rows aside.

    Attributes:
        kept: (P,) rows that are kept, rising; the last is N.
        wrong: (P,) wrong rows among them.
        least: (P,) the top probability from which rows are kept.
    """

    kept: Integers
    wrong: Integers
    least: Floats

    @property
    def coverage(self) -> Floats:
        """(P,) share of rows kept, in (0, 1]."""
        return np.asarray(self.kept / self.kept[-1]) if len(self.kept) else np.empty(0)

    @property
    def risk(self) -> Floats:
        """(P,) share of wrong rows among those kept, in [0, 1]."""
        return np.asarray(self.wrong / self.kept)

    def at(self, coverage: float) -> int:
        """Position of the point that keeps most rows without passing `coverage`; 0 if none does."""
        most = coverage * self.kept[-1] + 1e-9
        return max(int(np.searchsorted(self.kept, most, side="right")) - 1, 0)


def risk_coverage(probability: Floats, correct: NDArray[np.bool_]) -> RiskCoverage:
    """The risk-coverage curve of the top probability (El-Yaniv & Wiener 2010).

    Rows are kept from the most certain down. There is a point for each probability that occurs:
    rows of the same probability can only be kept or set aside together. The arguments are those of
    `reliability`.

    Returns:
        As many points as distinct probabilities; none for zero rows.
    """
    order = np.argsort(-probability, kind="stable")
    ordered = probability[order]
    last_of_its_kind = np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]
    kept = np.flatnonzero(last_of_its_kind) + 1
    wrong = np.cumsum(~correct[order])[kept - 1]
    return RiskCoverage(kept.astype(np.int64), wrong.astype(np.int64), ordered[kept - 1])


# --- counted shares as pages write them ----------------------------------------------------------------


def decimals(proportion: Proportion) -> int:
    """Decimals of a share in per cent: as many as a `Score` with this interval has."""
    return decimals_of(100 * (proportion.high - proportion.low))


def _decimals_of_ends(proportion: Proportion) -> int:
    """The same, and up to 3 where an end, or the share, would else be rounded to 0 or 100 %."""
    least = decimals(proportion)
    ends = [end for end in (proportion.low, proportion.high, proportion.share) if 0 < end < 1]
    while least < 3 and not all(0 < round(100 * end, least) < 100 for end in ends):
        least += 1
    return least


def beside(claim: float, proportion: Proportion) -> str:
    """A claim with as many decimals as the interval of the share that it is held against allows."""
    return rate(claim, decimals(proportion))


def share_of(proportion: Proportion) -> str:
    """A counted share, with as many decimals as its interval allows; a dash for a share of nothing."""
    return rate(proportion.share, _decimals_of_ends(proportion)) if proportion.total else "–"


def interval_of(proportion: Proportion) -> str:
    """The 95 % interval of a counted share: `98.0 to 99.1 %`; a dash for a share of nothing."""
    if not proportion.total:
        return "–"
    shown = _decimals_of_ends(proportion)
    low, high = rate(proportion.low, shown), rate(proportion.high, shown)
    return f"{low.removesuffix(UNIT)} to {high}"
