"""A score and its uncertainty: a value, the contribution of each row, and an interval.

The contributions are those of the influence function (Hampel 1974): by how much the score would change, to
first order, if the row counted a little more. The sum of their squares is the squared standard error; those
of a difference of two scores of the same rows are differences. Only the noise of calibration errors is drawn.

If rows depend on each other within groups, the contributions of a group are added up, and the same intervals
are over groups (cluster-robust variance, Liang and Zeger 1986).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr, ndtri, stdtrit

from howsure.digits import exactly, measured
from howsure.evaluation.cross_fit import FitInfluence
from howsure.sampling.outcome import Floats, Integers
from howsure.statistics import (
    degrees_of_freedom,
    proportion_interval,
    skewed_interval,
    symmetric_interval,
    widening,
)

LEAST_MISTAKES = 5
"""Mistakes below which scores that they decide have no interval: docs/intervals.md shows what fewer do."""

OUTSIDE = ("outside_auroc", "outside_fpr95", "outside_auroc_by_disagreement")
"""Scores of telling OOD rows from others; a familiarity, which is no probability, has the first two."""

SMALLEST = float(np.finfo(np.float64).eps)
"""Probabilities below count as this in the NLL, as in scikit-learn, so that a row costs 36 nats at most."""

ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""Share of the most that a row adds up to which differences are rounding: frameworks predict in float32."""

SIGNS_AT_ONCE = 50
"""Draws of signs that are held at a time."""

UNKNOWN = (np.nan, np.nan)

NORMAL = float(ndtri(0.975))


@dataclass(frozen=True, eq=False)
class Score:
    """A score with its 95 % interval over rows.

    Attributes:
        value: Value for these rows; NaN if it is not defined, as for a ranking without mistakes.
        low: Lower end; NaN if these rows cannot tell, as with too few mistakes.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __eq__(self, other: object) -> bool:
        """Whether all three are the same; NaN is the same as NaN, as it is never by itself."""
        if not isinstance(other, Score):
            return NotImplemented
        return self._compared == other._compared

    def __hash__(self) -> int:
        return hash(self._compared)

    @property
    def _compared(self) -> tuple[float | None, ...]:
        return tuple(None if np.isnan(number) else number for number in (self.value, self.low, self.high))

    def __str__(self) -> str:
        if not np.isfinite(self.value):
            return "infinite" if self.value > 0 else "not defined"
        if not np.isfinite(self.low + self.high) or self.low == self.high:
            return exactly(float(f"{self.value:.4g}"))
        value, low, high = measured(self.value, self.low, self.high)
        return f"{value} ({low} to {high})" if low else value

    @property
    def known(self) -> bool:
        """Whether there is an interval: not if too few mistakes decide the score."""
        return bool(np.isfinite(self.low + self.high))

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside the interval: for a difference, whether the rows can tell."""
        return bool(self.low > 0 or self.high < 0)


@dataclass(frozen=True, eq=False)
class Measured:
    """A score with a value and no interval.

    Attributes:
        value: Value for these rows.
        parts: (N,) what each row contributes, less its share of the value; with rows from outside after them
            where there are any. The root of the sum of squares is the standard error.
        mistakes: How many rows decide it: mistakes, or the rarer kind of rows that it tells apart.
        sizes: (G,) share of the rows in each group, where `parts` are those of groups; else None.
    """

    value: float
    parts: Floats
    mistakes: int
    sizes: Floats | None = field(default=None, kw_only=True)

    def interval(self, confidence: float) -> tuple[float, float]:
        """Ends between which the score of all rows like these lies, with this confidence; NaN if unknown."""
        del confidence
        return UNKNOWN

    @property
    def added(self) -> Floats:
        """(N,) what each row adds to the score, its share of the value included."""
        return self.parts + self.value * (1 / len(self.parts) if self.sizes is None else self.sizes)

    def difference(self, other: Measured, reach: float | None) -> tuple[float, float]:
        """95 % ends of this less another score of the same rows.

        Args:
            other: A score of the same rows.
            reach: Standard errors that it takes, where several differences are to hold together; None alone.
        """
        del other, reach
        return UNKNOWN

    def with_masks(self, parts: Floats) -> Self:
        """The same with what masks contribute (R,), after the rows."""
        sizes = None if self.sizes is None else np.pad(self.sizes, (0, len(parts)))
        return replace(self, parts=np.concatenate([self.parts, parts]), sizes=sizes)

    def by_group(self, groups: Integers) -> Measured:
        """The same score of rows that depend on each other.

        Args:
            groups: (n,) the group of each row, numbered from 0 without gaps. Rows from outside, which stand
                after these, are independent.
        """
        count, alone = int(groups.max()) + 1, len(self.parts) - len(groups)
        groups = np.append(groups, count + np.arange(alone))
        groups_in_all = count + alone
        few = np.sqrt(groups_in_all / max(groups_in_all - 1, 1))
        return replace(
            self,
            parts=few * np.bincount(groups, self.parts),
            mistakes=min(self.mistakes, count),
            sizes=np.bincount(groups) / len(groups),
        )

    def score(self, confidence: float) -> Score:
        """Value and interval."""
        return Score(self.value, *self.interval(confidence))

    def minus(self, other: Measured, reach: float | None = None) -> Score:
        """The difference and its interval; see `difference`."""
        value = self.value - other.value
        low, high = self.difference(other, reach)
        return Score(value, low, high) if np.isfinite(low + high) else Score(value, *UNKNOWN)

    @staticmethod
    def mean(of: Sequence[Measured], mistakes: int) -> Measured:
        """The mean of scores of the same rows, which the same rows may decide together."""
        value, parts = _means(of)
        return replace(of[0], value=value, parts=parts, mistakes=mistakes)


def by_group(measured: Mapping[str, Measured], groups: Integers | None) -> dict[str, Measured]:
    """Scores by name, as they are of rows that depend on each other within groups (N,); None without."""
    return {name: score if groups is None else score.by_group(groups) for name, score in measured.items()}


def _means(of: Sequence[Measured]) -> tuple[float, Floats]:
    value, parts = (
        np.mean(arrays, axis=0) for arrays in zip(*((one.value, one.parts) for one in of), strict=True)
    )
    return float(value), np.asarray(parts)


@dataclass(frozen=True, eq=False)
class Mean(Measured):
    """A mean over rows, or nearly one, within `least` and `most`.

    Attributes:
        by_odds: Whether the interval is made in log-odds, as for areas under ROC curves (Pepe 2003);
            otherwise it corrects for skewness.
        through: Influence of rows through cross-fits, of which `parts` have their part; None without fits.
    """

    least: float = -np.inf
    most: float = np.inf
    by_odds: bool = False
    through: FitInfluence | None = None

    def interval(self, confidence: float) -> tuple[float, float]:
        """See `Measured`."""
        if self.mistakes < LEAST_MISTAKES or not self.parts.any():
            return UNKNOWN
        if not self.by_odds:
            low, high = skewed_interval(self.value, self.parts, confidence)
            if self.sizes is not None:  # groups may be few
                low, high = wider((low, high), symmetric_interval(self.value, self.parts, confidence))
            return max(low, self.least), min(high, self.most)
        return interval_by_odds(self.value, self.parts, confidence) if 0 < self.value < 1 else UNKNOWN

    def with_masks(self, parts: Floats) -> Self:
        """See `Measured`: fits do not depend on masks."""
        mean, through = super().with_masks(parts), self.through
        if through is None:
            return mean
        bends = np.pad(through.bends, ((0, 0), (0, len(parts))))
        return replace(mean, through=replace(through, bends=bends))

    def by_group(self, groups: Integers) -> Measured:
        """See `Measured`; so the influence of rows through fits."""
        mean, through = super().by_group(groups), self.through
        if through is None:
            return mean
        bends = np.array([np.bincount(groups, bend) for bend in through.bends], dtype=np.float64)
        return replace(mean, through=replace(through, bends=bends))  # type: ignore[call-arg]

    def minus(self, other: Measured, reach: float | None = None) -> Score:
        """See `Measured`; exactly 0 where each row adds the same to both, but for rounding of float32."""
        if self.parts.any() and len(self.parts) == len(other.parts):
            rounding = ROUNDING * float(np.abs(self.added).max())
            if np.all(np.abs(self.added - other.added) <= rounding):
                return Score(0.0, 0.0, 0.0)
        return super().minus(other, reach)

    def difference(self, other: Measured, reach: float | None) -> tuple[float, float]:
        """See `Measured`; the wider of two intervals, as differences may be skewed or seem so by chance.

        Exactly 0 where all rows contribute the same to both, and not nothing.
        """
        value = self.value - other.value
        if self.parts.any() and np.array_equal(self.parts, other.parts):
            return value, value
        if not _comparable(self, other):
            return UNKNOWN
        low, high = skewed_interval(value, self.parts - other.parts)
        stretched = 1.0 if reach is None else max(reach / NORMAL, 1.0)
        skewed = value - stretched * (value - low), value + stretched * (high - value)
        low, high = wider(skewed, _symmetric(self, other, reach))
        down, up = (
            _curvature_correction(self, other, stretched * NORMAL) if isinstance(other, Mean) else (0.0, 0.0)
        )
        return low - down, high + up


def interval_by_odds(share: float, parts: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Ends of a share between 0 and 1, as far to one side as to the other in log-odds."""
    slope = 1 / (share * (1 - share))
    low, high = expit(symmetric_interval(float(logit(share)), slope * parts, confidence))
    return float(low), float(high)


def _symmetric(one: Measured, other: Measured, reach: float | None) -> tuple[float, float]:
    """Ends of a difference as far to one side as to the other.

    With a reach c these are the values whose signs test at c, σ c / √(1 − c²/N) away.
    """
    value, parts = one.value - other.value, one.parts - other.parts
    if reach is None:
        return symmetric_interval(value, parts)
    left = 1 - reach**2 / len(parts)
    margin = reach * float(np.linalg.norm(parts)) / np.sqrt(left) if left > 0 else np.inf
    return value - margin, value + margin


def _curvature_correction(one: Mean, other: Mean, reach: float) -> tuple[float, float]:
    """How much farther out the ends of a difference D lie on either side, owing to fits; below 0 farther in.

    With weights 1 + ε the difference is D + φε − ½ (bε)² + ½ (b′ε)². Its expectation is that of true weights,
    which lie opposite to those that were drawn: D − φε − ½ ((bε)² − (b′ε)²) − ½ (|b|² − |b′|²), where the
    last term is what chance alone lets a fit gain, and what the fits to fewer rows lose. Along φ, where the
    ends are, (bε)² is reach² (bφ)² / |φ|² (as in the ABC intervals of DiCiccio and Efron 1992). An end moves
    in only as far as the parabola rises, and where the other score was not fitted as freely.

    Rows for which calibration does much are rare. So if only one of the two was fitted, the end on its side
    allows for one more row like the farthest; both ends, where a row may lose any amount.
    """
    influences = [mean.through for mean in (one, other) if mean.through is not None]
    if not influences:
        return 0.0, 0.0
    nothing = np.zeros((1, len(one.parts)))
    own, its = (nothing if mean.through is None else mean.through.bends for mean in (one, other))
    parts = one.parts - other.parts
    variance = float(np.sum(parts**2))
    along = float(np.sum((own @ parts) ** 2) - np.sum((its @ parts) ** 2)) / variance
    product = float(np.sum(np.linalg.norm(own - its, axis=1) * np.linalg.norm(own + its, axis=1)))
    more = float(np.sum(own**2) - np.sum(its**2))
    below, above = (product + more) / 2, (product - more) / 2
    far, near = reach**2, min(reach**2, variance / along**2) if along else 0.0
    down = (below + far * max(along, 0.0) - near * max(-along - below, 0.0)) / 2
    up = (above + far * max(-along, 0.0) - near * max(along - above, 0.0)) / 2
    if len(influences) == 1:
        down -= float(parts.min()) if other.through is None or influences[0].unbounded else 0.0
        up += float(parts.max()) if one.through is None or influences[0].unbounded else 0.0
    return down, up


def _comparable(one: Measured, other: Measured) -> bool:
    """Whether both rest on enough mistakes, and some rows tell them apart."""
    return min(one.mistakes, other.mistakes) >= LEAST_MISTAKES and bool(np.any(one.parts != other.parts))


def wider(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """The smallest interval around both; NaN where one is."""
    return float(np.minimum(one[0], other[0])), float(np.maximum(one[1], other[1]))


@dataclass(frozen=True, eq=False)
class Share(Measured):
    """A share of the rows, with its exact interval (Clopper and Pearson 1934).

    Attributes:
        hits: (N,) 0 or 1.
    """

    hits: Floats

    def interval(self, confidence: float) -> tuple[float, float]:
        """See `Measured`; of groups, that of as many independent rows as tell as much."""
        if self.sizes is None:
            return proportion_interval(int(self.hits.sum()), len(self.hits), confidence)
        rows = self._rows_that_tell_as_much(confidence)
        return proportion_interval(self.value * rows, rows, confidence)

    def _rows_that_tell_as_much(self, confidence: float) -> float:
        """Rows over the design effect of groups, and fewer as the variance has few degrees of freedom.

        So Korn and Graubard (1998). If all rows are hits, or none, nothing shows how alike those of a group
        are, and groups are counted.
        """
        variance, rows = float(np.sum(self.parts**2)), len(self.hits)
        if not variance or len(self.parts) < 2:
            return float(len(self.parts))
        tail = (1 + confidence) / 2
        few = float(stdtrit(rows - 1, tail) / stdtrit(degrees_of_freedom(self.parts), tail))
        return min(self.value * (1 - self.value) / variance, rows) * min(few, 1.0) ** 2

    def difference(self, other: Measured, reach: float | None) -> tuple[float, float]:
        """See `Measured`; of the rows that only one of the two has, an exact share (McNemar 1947)."""
        if not isinstance(other, Share):
            return UNKNOWN
        confidence = 0.95 if reach is None else max(float(1 - 2 * ndtr(-reach)), 0.95)
        total = len(self.hits)
        if self.sizes is not None:
            if np.array_equal(self.parts, other.parts):
                _, most = proportion_interval(0, len(self.parts), confidence)
                return -most, most
            one, two = (Mean(of.value, of.parts, LEAST_MISTAKES) for of in (self, other))
            return one.difference(two, reach)
        only, others = (int(np.sum(a > b)) for a, b in ((self.hits, other.hits), (other.hits, self.hits)))
        apart = only + others
        if not apart:
            _, most = proportion_interval(0, total, confidence)
            return -most, most
        low, high = proportion_interval(only, apart, confidence)
        exact = (2 * low - 1) * apart / total, (2 * high - 1) * apart / total
        return wider(exact, _symmetric(self, other, reach))

    @staticmethod
    def mean(of: Sequence[Measured], mistakes: int) -> Measured:
        """See `Measured`: a share of answers, of which several are of one row."""
        return Mean(*_means(of), mistakes, least=0.0, most=1.0)


@dataclass(frozen=True, eq=False)
class Accepted(Measured):
    """A share of the wrong answers above a threshold that the right answers set.

    Attributes:
        wrong: (m,) scores of the wrong answers, or of the rows from outside.
        right: (n,) scores of the right answers, of which 95 % are accepted.
    """

    wrong: Floats
    right: Floats

    def interval(self, confidence: float) -> tuple[float, float]:
        """See `Measured`; exact for either end of the threshold's interval."""
        total = len(self.wrong)
        strict, lax = _thresholds(self.right, float(ndtri((1 + confidence) / 2)))
        low, _ = proportion_interval(int(np.sum(self.wrong >= strict)), total, confidence)
        _, high = proportion_interval(int(np.sum(self.wrong >= lax)), total, confidence)
        return low, high

    def difference(self, other: Measured, reach: float | None) -> tuple[float, float]:
        """See `Measured`."""
        return _symmetric(self, other, reach) if _comparable(self, other) else UNKNOWN

    def by_group(self, groups: Integers) -> Measured:
        """See `Measured`; with an interval in log-odds."""
        share = Mean(self.value, self.parts, self.mistakes, least=0.0, most=1.0, by_odds=True)
        return share.by_group(groups)

    @staticmethod
    def mean(of: Sequence[Measured], mistakes: int) -> Measured:
        """See `Measured`."""
        return Mean(*_means(of), mistakes, least=0.0, most=1.0, by_odds=True)


@dataclass(frozen=True, eq=False)
class CalibrationError(Measured):
    """A mean distance between claims and what came true, in bins, or that less what chance adds to it.

    Attributes:
        noise: (DRAWS,) what chance alone moves the distances by, sorted.
        deviations: From groups (N,) to what each of G adds by chance to the distance in each of C cells,
            (G, C); their absolute sums over groups add up to a draw of noise.
    """

    noise: Floats
    deviations: Callable[[Integers], Floats] | None = None

    def interval(self, confidence: float) -> tuple[float, float]:
        """See `Measured`.

        Distances of shares that are seen and of true ones differ by no more, on average over bins, than the
        seen and the true shares do. So the interval holds at least as often as it says, and its lower end is
        above 0 only where true percentages would come so far off by chance in less than 1 − confidence.
        """
        reach = float(np.quantile(self.noise, confidence))
        return max(self.value - reach, 0.0), self.value + reach

    def difference(self, other: Measured, reach: float | None) -> tuple[float, float]:
        """See `Measured`; wider on either side by all that chance can add to one of the two on average."""
        if not isinstance(other, CalibrationError):
            return UNKNOWN
        low, high = _symmetric(self, other, reach)
        return low - float(self.noise.mean()), high + float(other.noise.mean())

    def by_group(self, groups: Integers) -> Measured:
        """See `Measured`; chance also moves whole groups, each with a sign at random."""
        assert self.deviations is not None
        noise = noise_of_signs(self.deviations(groups), np.random.default_rng(0), len(self.noise))
        return replace(super().by_group(groups), noise=np.maximum(self.noise, noise))  # type: ignore[call-arg]

    @staticmethod
    def mean(of: Sequence[Measured], mistakes: int) -> Measured:
        """See `Measured`; noise as if all were moved at once."""
        noise = np.mean([error.noise for error in of if isinstance(error, CalibrationError)], axis=0)
        return CalibrationError(*_means(of), mistakes, noise)


def noise_of_signs(deviations: Floats, random: np.random.Generator, draws: int) -> Floats:
    """(draws,) sums over cells of the distances that deviations (G, C) with signs at random have, sorted.

    A wild bootstrap (Liu 1988). As G may be few, that counts √(G/(G − 1)) · t/1.96 times.
    """
    count = len(deviations)
    scaled = deviations * (math.sqrt(count / max(count - 1, 1)) * float(widening(count)))
    noise = np.empty(draws)
    for start in range(0, draws, SIGNS_AT_ONCE):
        some = slice(start, start + SIGNS_AT_ONCE)
        signs = 2.0 * random.integers(0, 2, size=(len(noise[some]), count)) - 1
        noise[some] = np.abs(signs @ scaled).sum(axis=1)
    return np.sort(noise)


def in_cells(groups: Integers, cells: Integers, values: Floats | None, count: int) -> Floats:
    """(G, count) sums of values (N,), 1 by default, by group (N,) and cell (N,)."""
    size = int(groups.max()) + 1
    sums = np.bincount(groups * count + cells, values, minlength=size * count)
    return np.asarray(sums.reshape(size, count), dtype=np.float64)


def through_cross_fits(
    measured: Mapping[str, Measured], through: Mapping[str, FitInfluence]
) -> dict[str, Measured]:
    """Scores by name, those of `through` as they are of rows that were scored by fits to each other."""
    result = dict(measured)
    for name, fits in through.items():
        score = result[name]
        if isinstance(score, Mean):  # else it is not defined
            result[name] = replace(score, parts=score.parts + fits.parts, through=fits)
    return result


def share_of_rows(hits: NDArray[np.bool_]) -> Share:
    """The share of the rows (N,) that have something, as a score; what it misses are its mistakes."""
    shares = hits.astype(np.float64)
    return Share(float(shares.mean()), centred(shares), int(len(shares) - shares.sum()), shares)


# --- ranking ------------------------------------------------------------------------------------------


def centred(losses: Floats) -> Floats:
    """(N,) contributions to a mean."""
    return np.asarray((losses - losses.mean()) / len(losses))


def of_ranking(confidence: Floats, right: Floats) -> dict[str, Measured]:
    """Scores of the order of confidence (N,) for telling right answers (N,), 0 or 1, from mistakes."""
    rows, mistakes = len(right), int(len(right) - right.sum())
    area, parts = area_under_risk(confidence, 1 - right)
    auroc, fpr95 = told_apart(confidence[right == 1], confidence[right == 0])
    place = np.argsort(right == 0, kind="stable")

    def in_order(ranked: Measured) -> Measured:
        ordered = np.empty(rows)
        ordered[place] = ranked.parts
        return replace(ranked, parts=ordered)

    return {
        "aurc": Mean(area, parts, mistakes, least=0.0, most=1.0),
        "error_auroc": in_order(auroc),
        "error_fpr95": in_order(fpr95),
    }


def told_apart(inside: Floats, outside: Floats) -> tuple[Measured, Measured]:
    """How well a score, higher for `inside` (n,), tells it from `outside` (m,): AUROC and FPR95.

    The area and its contributions are those of DeLong and others (1988). FPR95 is the share of `outside` that
    is accepted where 95 % of `inside` are. Contributions are those of the n, then of the m. NaN where one of
    the two is empty.
    """
    n, m = len(inside), len(outside)
    fewer = min(n, m)
    if not fewer:
        undefined = np.zeros(n + m)
        return (
            Mean(np.nan, undefined, 0, least=0.0, most=1.0, by_odds=True),
            Accepted(np.nan, undefined, 0, outside, inside),
        )
    above, below = np.sort(inside), np.sort(outside)
    of_outside = 1 - _share_below(above, outside)
    of_inside = _share_below(below, inside)
    area = float(of_outside.mean())
    parts = np.concatenate([_scaled(of_inside - area), _scaled(of_outside - area)])
    threshold = _thresholds(inside, 0.0)[0]
    strict, lax = _thresholds(inside, 1.96)
    accepted = (outside >= threshold).astype(np.float64)
    share = float(accepted.mean())
    steps = np.mean(inside >= lax) - np.mean(inside >= strict)
    slope = (np.mean(outside >= lax) - np.mean(outside >= strict)) / steps if steps else 0.0
    kept = (inside >= threshold).astype(np.float64)
    moved = np.concatenate([-slope * _scaled(kept - kept.mean()), _scaled(accepted - share)])
    return (
        Mean(area, parts, fewer, least=0.0, most=1.0, by_odds=True),
        Accepted(share, moved, fewer, outside, inside),
    )


def _share_below(ordered: Floats, values: Floats) -> Floats:
    """Share of what is in order that lies below each value; equals count half."""
    left, through = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return np.asarray((left + through) / (2 * len(ordered)))


def _scaled(deviations: Floats) -> Floats:
    """Contributions to a mean of n; their squares add up to its unbiased variance, 0 of a single one."""
    n = len(deviations)
    return np.asarray(deviations / np.sqrt(n * max(n - 1, 1)))


def _thresholds(inside: Floats, z: float) -> tuple[float, float]:
    """Thresholds that accept 95 % of `inside`, z standard errors of their number to either side."""
    n = len(inside)
    rank, reach = np.ceil(round(0.95 * n, 9)), z * np.sqrt(0.95 * 0.05 * n)
    ordered = np.append(-np.sort(-inside), -np.inf)  # the last: no threshold at all
    strict, lax = (int(np.clip(number, 1, n + 1)) - 1 for number in (rank - reach, np.ceil(rank + reach)))
    return float(ordered[strict]), float(ordered[lax])


def area_under_risk(confidence: Floats, wrong: Floats) -> tuple[float, Floats]:
    """Mean risk over all numbers of rows kept, the most certain first, and the contributions (N,) to it.

    Within a group of equals, of a random order. With R_j the risk of the first j, a row of rank r contributes
    R_r − R̄ + Σ_{j ≥ r} (wrong − R_j) / j.
    """
    rows = len(wrong)
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    group = np.cumsum(np.append(False, ordered[1:] != ordered[:-1]))
    size = np.bincount(group)

    def averaged(values: Floats) -> Floats:
        return np.asarray((np.bincount(group, values) / size)[group])

    number = np.arange(1, rows + 1)
    risk = np.cumsum(averaged(wrong[order])) / number
    tail, of_risk = (np.cumsum((values / number)[::-1])[::-1] for values in (np.ones(rows), risk))
    area = float(risk.mean())
    ordered_parts = averaged(risk) - area + wrong[order] * averaged(tail) - averaged(of_risk)
    parts = np.empty(rows)
    parts[order] = ordered_parts / rows
    return area, parts


def in_columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Lines of cells as texts, so that the cells of a column stand below each other."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def value_and_interval(score: Score, *, per_cent: bool = False) -> tuple[str, str]:
    """A score, or a difference of two, as `0.0412` and `0.0371 to 0.0455`, or 100 times as much `per_cent`.

    A dash replaces a value that is not defined; the interval is empty if there is none.
    """
    factor = 100 if per_cent else 1
    value, low, high = (factor * number for number in (score.value, score.low, score.high))
    if not np.isfinite(value):
        return "–", ""
    shown, _, interval = str(Score(value, low, high)).removesuffix(")").replace("-", "−").partition(" (")
    return shown, interval
