"""The error of means over passes: every `mc_error` comes from `error_of`, in numpy and in exported graphs.

    units of a row (cells, or balanced groups of flat passes), added up
      │ error_of
      ├── without a plan: `replicated`, the variance between the units
      └── with a plan:    `EarlyError`, the row's own variance and constants that a pilot fitted
      ▼
    squared error as expected, and the standard error that is told (`widened`, floored)

With a plan, passes are nested Monte Carlo samples: early masks are the outer samples, late masks the inner
samples. The inner samples of a row show their own error. The outer samples do not: a single early mask has no
replicate, and balanced (stratified) early masks compensate each other, so their variance is no estimate of
the error. The pilot therefore fits constants over many rows (`howsure.sampling.fit`). A row multiplies them
by its variance over passes and by its between-cell variance.

Balance cancels the first-order part of the between-cell variance. The remaining part depends on how certain
a row is. So each constant has two ends, one for certain and one for undecided rows, and is linear between
them in w = 2√(p(1−p)). The sample variances of a nearly certain row, also those of its late masks, are
mostly chance: few passes differ, and most such rows have not met one. Its whole error therefore follows from
p alone.

These functions use operators and functions of numpy alone, and work on any arrays that have them. So
`howsure.onnx` can write the same formulas as nodes of a graph.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howsure import tuning
from howsure.inputs.typed_json import COUNT, FROM_0, POSITIVE
from howsure.statistics import widening

UNSEEN = 0.0001
"""Added to p (1 − p) for nearly certain rows: one that happens to have seen none of the rare passes that
differ cannot tell 1 from 0.9999, so it must not report the error of the former."""

Floats = NDArray[np.float64]

Ends = tuple[Annotated[float, FROM_0], Annotated[float, FROM_0]]
"""One constant: its values for certain rows (w = 0) and for undecided rows (w = 1)."""

NONE: Ends = (0.0, 0.0)
ONE: Ends = (1.0, 1.0)

Usual = tuple[Annotated[float, FROM_0], Annotated[float, FROM_0], Annotated[float, FROM_0]]
"""a, b and c of a usual error a q² + b q + c."""

KNOWN = 4.0
"""A row may stop once its error has more degrees of freedom than this. Student's t with as many or fewer has
no fourth moment: nothing bounds, even on average, how far the square of such an error is off."""

PAIR = 0.1
"""How much two units do together at least, as a share of what one does alone, both squared. docs/positions.md
shows what errors cover with it."""

MOST_ALIKE = 1e8
"""Degrees of freedom of constants that hold for every row alike."""


class Columns(Protocol):
    """The quantities that the errors of C columns follow; an `Outcome` gives them for its own columns."""

    @property
    def families(self) -> tuple[int, ...]:
        """(C,) as `Outcome.families`."""
        ...

    @property
    def least_error(self) -> tuple[float, ...]:
        """(C,) as `Outcome.least_error`."""
        ...

    def error_driver(self, mean: Any) -> Any:
        """(…, C) as `Outcome.error_driver`."""
        ...

    def sensitivity(self, q: Any) -> Any:
        """(…, C) as `Outcome.sensitivity`."""
        ...

    def spread(self, spread: Any) -> Any:
        """(…, C) as `Outcome.spread`."""
        ...


class ErrorDesign(Protocol):
    """The cells of passes whose errors were measured in a pilot; a `Design` has them."""

    @property
    def cells(self) -> int:
        """Cells in a group."""
        ...

    @property
    def one(self) -> EarlyError:
        """As `Design.one`."""
        ...

    @property
    def group(self) -> EarlyError:
        """As `Design.group`."""
        ...

    @property
    def is_flat(self) -> bool:
        """As `Design.is_flat`."""
        ...


@dataclass(frozen=True)
class Pairs:
    """Pairs of units that are dropped together, where few units of a network are dropped.

    Attributes:
        alone: Σ p (1 − p) over the units, with p the rate of a unit.
        together: p p' of two units, and how many pairs have it.
        in_logits: Whether units add up in the logit of a probability, which bends what they do together.
            False where the answer is a number, and where `unmet` counts what bends it.
    """

    alone: float
    together: tuple[tuple[float, int], ...]
    in_logits: bool = True

    def missed(self, units: Units) -> Floats:
        """(n, …, C) squared error of a mean from pairs that no pass has dropped together.

        In balanced groups every unit is dropped as often as its rate says, so the mean of T passes is off by
        Σ b (N / T − p p'), if N passes drop a pair and b is what it does beyond its units (Efron and Stein
        1981). A pair that passes have dropped shows in the variance between groups. One that they have not,
        which happens with probability exp(−T p p'), is off by b p p'. Groups that agree to the last digit do
        not show that no pair does anything: where layers are linear in parts, they often agree by luck.

        A unit alone does a: the variance over passes is Σ p (1 − p) a². b² is at least `PAIR` a². If units
        add up in the logit of a probability m, two of them do b = a a' (1 − 2m) / (m (1 − m)) together, as
        the second derivative of the logistic function says. The square of that counts up to m (1 − m), the
        largest variance that numbers from 0 to 1 with this mean can have (Bhatia and Davis 2000).
        """
        mean, passes = units.mean, units.passes
        alone = (units.within + units.between) / (passes * self.alone)
        b_squared = PAIR * alone
        if self.in_logits:
            q = np.maximum(mean * (1 - mean), 0) + UNSEEN
            b_squared = b_squared + np.minimum(((1 - 2 * mean) * alone / q) ** 2, q)
        missed: Floats = b_squared * sum(
            count * both**2 * np.exp(-passes * both) for both, count in self.together
        )
        return missed


@dataclass(frozen=True, eq=False)
class Estimate:
    """The statistics of the passes of one unit (cell or balanced group) over n rows.

    Attributes:
        mean: (n, …, C) mean of the passes.
        late: (n, …, C) squared error of `mean` from the masks of the last branching (the inner samples); 0 if
            it is not estimated separately.
        variance: (n, …, C) variance over the passes.
        passes: Number of passes.
    """

    mean: Floats
    late: Floats
    variance: Floats
    passes: int


@dataclass(frozen=True, eq=False)
class Units:
    """The statistics of several units over n rows, added up.

    Attributes:
        count: R, number of units, or (n, …, 1) one for each row.
        passes: T, passes of all units together, or (n, …, 1) likewise.
        mean: (n, …, C) mean over all passes.
        between: (n, …, C) Σ B (m − mean)² over units of B passes with mean m: between-unit sum of squares.
        within: (n, …, C) Σ B · variance over units: within-unit sum of squares.
        late: (n, …, C) Σ of the units' squared errors from the last branching.
        pairs: Pairs of balanced groups if few units are dropped; else None. See `seen`.
        rare: Whether passes may be missing that are too rare to have been met. See `unmet`.
    """

    count: Any
    passes: Any
    mean: Floats
    between: Floats
    within: Floats
    late: Floats
    pairs: Pairs | None = None
    rare: bool = False

    @classmethod
    def of_members(cls, columns: Floats) -> Units:
        """Units of one pass each, from columns (R, n, …, C)."""
        mean = columns.mean(axis=0)
        nothing = np.zeros_like(mean)
        return cls(len(columns), len(columns), mean, np.sum((columns - mean) ** 2, axis=0), nothing, nothing)

    def plus(self, unit: Estimate) -> Units:
        """These units and one more (Chan, Golub & LeVeque 1979)."""
        size, before = unit.passes, self.passes
        step = unit.mean - self.mean
        return Units(
            self.count + 1,
            before + size,
            self.mean + step * (size / (before + size)),
            self.between + step**2 * (before * size / (before + size)),
            self.within + size * unit.variance,
            self.late + unit.late,
            self.pairs,
            self.rare,
        )


def seen(units: Units) -> tuple[Floats, Any]:
    """(n, …, C) squared standard error of a mean by what its units show, and how many units that is worth.

    The variance between the units. If few units of a network are dropped, what balance leaves may have missed
    all groups, which then agree by luck. So what they may have missed counts too, and is worth one group more
    (Smyth 2004).
    """
    squared = replicated(units.between, units.count, units.passes)
    if units.pairs is None:
        return squared, units.count
    return squared * ((units.count - 1) / units.count) + units.pairs.missed(units), units.count + 1


def unmet(units: Units, columns: Columns) -> Floats:
    """(n, …, C) squared error of a mean from passes that are too rare to have been met.

    A probability near 0 is the mean of many small values and a few large ones. T passes that meet none of
    these are off, and they agree, so the variance between their groups tells nothing of it: mean and variance
    of skewed numbers are too small together (Johnson 1978). Then the error is about κ / (v T), with v the
    variance of a pass and κ its third central moment. Probabilities whose logits are normal are nearly
    log-normal there: κ = v² (v/q² + 3) / q, with q = p (1 − p), times |1 − 2p|, as κ is 0 at p = 0.5. One
    pass moves the mean by no more than max(p, 1 − p) / T.
    """
    p = columns.error_driver(units.mean)
    q, far = unseen(p), np.maximum(p, 1 - p)
    moved = columns.sensitivity(q)
    variance = (units.within + units.between) / (units.passes * moved**2)
    skewed = variance / q * (variance / q**2 + 3) * (2 * far - 1)
    missed: Floats = (moved * np.minimum(skewed, far) / units.passes) ** 2
    return missed


def error_of(units: Units, columns: Columns, design: ErrorDesign | None = None) -> tuple[Floats, Floats]:
    """The error of the mean over all passes of some rows.

    Args:
        units: Statistics of their units. With a design, `count` is a number: the same for all rows, less than
            a group of cells or whole groups.
        columns: The quantities that the errors of the columns follow.
        design: Design of the cells; None for replicates whose variance shows the error.

    Returns:
        (n, …, C) the squared standard error as it is expected to be. And (n, …, C) the standard error that
        is told: widened so that ± 1.96 of it covers 95 %, and at least `least_error`. NaN for one replicate.
    """
    if design is None:
        squared, count = seen(units)
        widened = squared * widening(count) ** 2
        if units.rare:
            widened = widened + unmet(units, columns)
        return squared, np.maximum(np.sqrt(widened), columns.least_error)
    cells = units.count
    groups = max(1, cells // design.cells)
    error = design.one if cells < design.cells else design.group
    late, within = units.late / cells, units.within / units.passes
    # Flat cells are independent, and their whole error is early.
    freedom = cells - 1 if design.is_flat else cells - groups
    spread = np.zeros_like(units.mean)
    if freedom:
        spread = columns.spread(units.between * (cells / units.passes / freedom))
    own = error.own(units.mean, within, spread, freedom, columns)
    late_of_group = late * (groups / cells)
    widened = error.squared(units.mean, late_of_group, own, freedom, units.passes, columns) / groups
    return late / cells + own / groups, np.maximum(np.sqrt(widened), columns.least_error)


def replicated(between: Floats, count: Any, passes: Any) -> Floats:
    """(n, …, C) squared standard error of a mean, from the variance between the means of R units.

    Σ B (m − mean)² / ((R − 1) T) for units of B passes with mean m, T passes in all. NaN with fewer than two
    units: one unit shows no error.
    """
    squared: Floats = between / (np.where(count > 1, count - 1, np.nan) * passes)
    return squared


@dataclass(frozen=True)
class EarlyError:
    """Constants for the squared errors of means over passes, all ≥ 0.

    The squared error of a column is

        widened · (v · late + w · own) + widened' · ((1 − v) · usual late + (1 − w) · usual early)

    late         error of the late (inner) masks, estimated from the row's own passes
    own          error of the early (outer) masks, estimated from the row's own passes:
                 f/(f + F) · s · between-cell variance + F/(f + F) · d · variance over passes,
                 with f degrees of freedom between the cells of the row
    usual …      the same two errors as functions of p, pooled over the pilot's rows: a q² + b q + c with
                 q = p(1−p) + `UNSEEN` and p the probability of the class as the passes so far show it
    w, v         w = 2√(p(1−p)), and v = w + w², at most 1
    F            what the constants are worth for one row: 1/F = 1/(R − 1) + 1/`alike`, R = `replicates`
    widened      (t/1.96)² of Student's t with f + 1/(1/(2(R − 1)) + 1/`alike`) degrees of freedom: the rows
                 of a pilot share masks, so R groups of n rows have between R − 1 and n (R − 1) of them; at
                 most T − 1, those of a variance over the T passes of the row
    widened'     the same with `alike`

    Balance leaves a share of a row's variance, and d is that share in all rows. In a network with few random
    units it differs much between rows. `alike` says how much: it is the degrees of freedom of a variance that
    scatters as the rows of the pilot do around the constants (Smyth 2004). If it is small, errors are wider,
    and soon go by what the cells of the row itself show.

    Near p = 0 or 1, an entropy changes by about log q when p changes by one. So for the entropy, the expected
    entropy and the mutual information, the usual errors are multiplied by log² q, and p and w are those of
    the top class. The fits use weights that match the use: w for s and d, 1 − w for a, b and c.

    Attributes:
        usual_early: a, b and c for the early masks: for probabilities, entropy, expected entropy and mutual
            information.
        usual_late: The same for the late masks.
        of_variance: Both ends of d, for the same four.
        of_spread: Both ends of s, for the same four; not used if a row has one cell.
        alike: Degrees of freedom of one row's errors around the constants, for the same four.
        replicates: R, independent groups of cells from which they were measured.
        undecided: Squared error, late masks included, that a probability of 0.5 is expected to have; of a
            number as a share of its variance between networks. 0 where it was not measured.
    """

    usual_early: tuple[Usual, ...]
    usual_late: tuple[Usual, ...]
    of_variance: tuple[Ends, ...]
    of_spread: tuple[Ends, ...]
    alike: tuple[Annotated[float, POSITIVE], ...] = (MOST_ALIKE,)
    replicates: Annotated[int, COUNT] = tuning.REPLICATES
    undecided: Annotated[float, FROM_0] = 0.0

    def plus(self, other: EarlyError, own_share: float, other_share: float) -> EarlyError:
        """A weighted sum of these constants and others."""

        def added(one: Any, two: Any) -> Any:
            if not isinstance(one, tuple):
                return own_share * one + other_share * two
            return tuple(itertools.starmap(added, zip(one, two, strict=True)))

        names = ("usual_early", "usual_late", "of_variance", "of_spread", "undecided")
        sums = {name: added(getattr(self, name), getattr(other, name)) for name in names}
        return replace(self, **sums, alike=tuple(map(min, self.alike, other.alike)))

    def own(self, mean: Floats, variance: Floats, spread: Floats, freedom: int, columns: Columns) -> Floats:
        """(…, C) squared error of the early (outer) masks, estimated from the row's own passes.

        It is also accurate for sums of probabilities over many classes near 0.

        Args:
            mean: (…, C) columns.
            variance: (…, C) variance over passes.
            spread: (…, C) between-cell variance, within one group.
            freedom: Degrees of freedom of `spread`; 0 for one cell.
            columns: The quantities that the errors of the columns follow.
        """
        w = undecided(columns.error_driver(mean))
        share = freedom / (freedom + _worth(self.replicates - 1, _of_each(self.alike, columns)))
        own: Floats = _between(self.of_variance, 1 - share, w, columns) * variance
        return own + _between(self.of_spread, share, w, columns) * spread if freedom else own

    def squared(
        self, mean: Floats, late: Floats, own: Floats, freedom: int, passes: int, columns: Columns
    ) -> Floats:
        """(…, C) squared error of the columns.

        Args:
            mean: (…, C) columns.
            late: (…, C) squared error of the late (inner) masks.
            own: (…, C) result of `own`.
            freedom: As for `own`.
            passes: T of the row.
            columns: The quantities that the errors of the columns follow.
        """
        p = columns.error_driver(mean)
        w, q = undecided(p), unseen(p)
        v = np.minimum(w + w**2, 1)
        moved = columns.sensitivity(q) ** 2
        late_usual = _usual(self.usual_late, q, moved, columns)
        early_usual = _usual(self.usual_early, q, moved, columns)
        by_own, by_usual = _both_widened(
            self.replicates, self.alike, tuple(columns.families), freedom, passes
        )
        return by_own * (v * late + w * own) + by_usual * ((1 - v) * late_usual + (1 - w) * early_usual)

    @property
    def units_until_known(self) -> int:
        """How many units show the error of a row well enough, so that it has more than `KNOWN` degrees."""
        worth = float(_worth(2 * (self.replicates - 1), self.alike[0]))
        return 1 + max(0, math.floor(KNOWN - worth) + 1)


def _worth(measured: int, alike: ArrayLike) -> Floats:
    """Degrees of freedom that the pilot's constants are worth for one row.

    Args:
        measured: Degrees of freedom with which the pilot measured the constants.
        alike: `EarlyError.alike`, of one column or of each.
    """
    return np.asarray(1 / (1 / measured + 1 / np.asarray(alike)))


def widened(degrees: ArrayLike) -> Floats:
    """(t/1.96)²: widens a squared error that is estimated, by Student's t.

    Args:
        degrees: Degrees of freedom; those of the whole error that R replicates measure are 2 (R − 1).
    """
    return np.asarray(widening(1 + np.asarray(degrees)) ** 2)


@functools.lru_cache
def _both_widened(
    replicates: int, alike: tuple[float, ...], families: tuple[int, ...], freedom: int, passes: int
) -> tuple[Floats, Floats]:
    """(C,) `widened` and `widened'` of `EarlyError`, which are the same in every round of every call."""
    of_each = _constants_of_each(alike, families)
    of_own = np.minimum(freedom + _worth(2 * (replicates - 1), of_each), passes - 1)
    return widened(of_own), widened(of_each)


_UNKNOWN, _UNUSUAL = ((np.nan,) * 2,), ((np.nan,) * 3,)
UNMEASURED = EarlyError(_UNUSUAL, _UNUSUAL, _UNKNOWN, _UNKNOWN)
"""All NaN, so that an error that was not measured is never read as 0."""


def undecided(p: Floats) -> Floats:
    """Closeness to p = 0.5: w = 2√(p(1−p)), which is 0 at p = 0 or 1, and 1 at p = 0.5."""
    return 2 * np.sqrt(np.maximum(p * (1 - p), 0))


def unseen(p: Floats) -> Floats:
    """(…, C) q = p (1 − p) + `UNSEEN`, by which the usual errors of nearly certain rows go."""
    q: Floats = p * (1 - p) + UNSEEN
    return q


def _usual(constants: Sequence[Usual], q: Floats, moved: Floats, columns: Columns) -> Floats:
    """(…, C) a q² + b q + c, times log² q for entropies."""
    quadratic, linear, least = _of_each(constants, columns)
    usual: Floats = moved * ((quadratic * q + linear) * q + least)
    return usual


def _between(constants: Sequence[Ends], share: Any, w: Floats, columns: Columns) -> Floats:
    """(…, C) a share of a constant, between its two ends."""
    certain, half = share * _of_each(constants, columns)
    constant: Floats = (1 - w) * certain + w * half
    return constant


def _of_each(constants: Sequence[Usual] | Sequence[Ends] | Sequence[float], columns: Columns) -> Floats:
    """(C,), (2, C) or (3, C) the constants of each column; a family without its own takes the last ones."""
    return _constants_of_each(tuple(constants), tuple(columns.families))


@functools.lru_cache
def _constants_of_each(constants: tuple[Any, ...], families: tuple[int, ...]) -> Floats:
    return np.array([constants[min(family, len(constants) - 1)] for family in families]).T
