"""The numbers that a pilot measures: the share of the variance by level, and the constants of the error.

The constants are those of `howsure.sampling.error.EarlyError`, fitted to what the pilot's passes show.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy  # `scipy.optimize` takes long to load, and loads when it is used
from numpy.typing import NDArray
from scipy.special import polygamma

from howsure.sampling.between import LEVELS, SMALLEST, spread_variance
from howsure.sampling.design import INDEPENDENT, DesignEffect
from howsure.sampling.error import (
    MOST_ALIKE,
    NONE,
    ONE,
    EarlyError,
    Ends,
    Estimate,
    Floats,
    Usual,
    undecided,
    unseen,
    widened,
)
from howsure.sampling.outcome import Outcome

SCORING_STEPS = 20
"""Steps of a fit; by then the constants hardly change."""

LEAST_ALIKE = 3.0
"""Degrees of freedom at the least: with fewer, Student's t has no variance, and errors would grow for rows
whose own are far smaller than expected."""


WHOLE = 300
"""Rows times replicates of a whole pilot, at least. With its constants errors hold (docs/fresh.md)."""


def missed_by(passes: int, seen: int) -> float:
    """Squared error of rows that look certain by luck, as far as a pilot meets fewer than a whole one.

    T flat `passes` miss a share π of all passes with probability (1 − π)^T. Then they are off by π, which
    weighs most at π = 2 / (T + 2). If none of n `seen` rows is one, ½ may be (Jeffreys).
    """
    return 0.5 * (2 / (passes + 2)) ** 2 * max(0.0, 1 / seen - 1 / WHOLE)


def fit_early_error(
    mean: Floats,
    squared: Floats,
    late: Floats,
    variance: Floats,
    spread: Floats,
    outcome: Outcome,
    stands_for: Floats,
    replicates: int,
    missed: float = 0.0,
) -> EarlyError:
    """Fit the constants to what a pilot measured.

    The usual errors are fitted to each replicate at the probability that this replicate shows. A row that
    gets as many passes knows no more: where passes that differ are rare, most replicates miss them, look
    certain, and are off for that very reason. How many of the rows that look so are so depends on all rows,
    so each row counts as many times as it stands for.

    Args:
        mean: (R, n, C) columns, as each of R replicates has them.
        squared: (R, n, C) their squared error.
        late: (R, n, C) the part of it that late (inner) masks cause.
        variance: (n, C) variance over passes.
        spread: (n, C) between-cell variance within a group; zeros if a group has one cell.
        outcome: The outcome that defines the columns.
        stands_for: (n,) how many rows each of these stands for.
        replicates: How many independent groups there are.
        missed: Added to the usual errors; see `missed_by`.
    """
    families, usable = np.array(outcome.families), outcome.fitted_on(mean.mean(axis=0))
    fitted = [usable & (families == family) for family in range(max(outcome.families) + 1)]
    p = outcome.error_driver(mean)
    w, q = undecided(p), unseen(p)
    terms = (outcome.sensitivity(q) ** 2)[..., None] * np.stack([q**2, q, np.ones_like(q)], axis=-1)
    weights = (1 - w) * stands_for.reshape(-1, *[1] * (variance.ndim - 1))

    def of_family(of: NDArray[np.bool_]) -> tuple[Usual, Usual, Ends, Ends, float]:
        every = np.broadcast_to(of, mean.shape)
        weight = weights[every]
        usual = _fit_nearly_certain(weight, terms[every], (squared - late)[every])
        usual_late = _fit_nearly_certain(weight, terms[every], late[every])
        undecided, of_rows, late_of_rows = (values.mean(axis=0)[of] for values in (w, squared, late))
        early = of_rows - late_of_rows
        low, high = of_variance = _fit_ends(undecided, early, variance[of])
        of_spread = _fit_ends(undecided, early, spread[of]) if spread.any() else ONE
        own = ((1 - w) * low + w * high)[:, of] * variance[of]
        expected = late_of_rows + (w[:, of] * own + (1 - w[:, of]) * (terms[:, of] @ usual)).mean(axis=0)
        alike = _alike(undecided, of_rows, expected, replicates)
        usual = (*usual[:2], usual[2] + missed)
        return usual, usual_late, of_variance, of_spread, alike

    of = np.broadcast_to(fitted[0], mean.shape)
    rise = w[of] ** 3  # errors grow as q^1.5, and the most undecided rows count most
    half = np.sum(rise * squared[of]) / np.sum(rise**2)
    if outcome.has_unit:
        half /= np.mean((variance + spread)[fitted[0]])
    usual, late_usual, variances, spreads, alike = zip(*map(of_family, fitted), strict=True)
    half = float(np.nan_to_num(half))
    return EarlyError(usual, late_usual, variances, spreads, alike, replicates, undecided=half)


def _alike(w: Floats, squared: Floats, expected: Floats, replicates: int) -> float:
    """Degrees of freedom of the squared errors of single rows around those that the constants expect.

    The logarithm of a variance with f degrees of freedom has variance ψ′(f/2), ψ′ being the trigamma
    function. A pilot measures each row's with R − 1. Scatter of rows beyond that is their own (Smyth 2004),
    if it is more than twice its standard error: a small pilot shows a large scatter by chance.

    Args:
        w: (n,) weights.
        squared: (n,) squared errors that were measured.
        expected: (n,) the same by the constants.
        replicates: R.
    """
    usable = (squared > 0) & (expected > 0) & (w > 0)
    if np.count_nonzero(usable) < 2:
        return MOST_ALIKE
    off = np.log(squared[usable] / expected[usable])
    weights = w[usable] / w[usable].sum()
    scatter = weights @ (off - weights @ off) ** 2
    usual, fourth = polygamma(1, (replicates - 1) / 2), polygamma(3, (replicates - 1) / 2)
    excess = scatter - usual
    if excess <= 2 * np.sqrt((fourth + 2 * usual**2) * (weights @ weights)):
        return MOST_ALIKE
    if excess >= polygamma(1, LEAST_ALIKE / 2):
        return LEAST_ALIKE
    return float(
        scipy.optimize.brentq(lambda degrees: polygamma(1, degrees / 2) - excess, LEAST_ALIKE, MOST_ALIKE)
    )


def _fit_nearly_certain(weights: Floats, terms: Floats, squared: Floats) -> Usual:
    # Variances from few replicates are Gamma distributed. This is Fisher scoring of that likelihood. It
    # starts from errors that grow as q^1.5.
    used = np.sqrt(weights)
    expected, constants = np.sqrt(terms[:, 0] * terms[:, 1]), (0.0, 0.0, 0.0)
    for _ in range(SCORING_STEPS):
        weight = used / expected
        (quadratic, linear, least), _ = scipy.optimize.nnls(terms * weight[:, None], squared * weight)
        constants = float(quadratic), float(linear), float(least)
        expected = terms @ constants
        if not expected.any():
            break
    return constants


def _fit_ends(w: Floats, left: Floats, own: Floats) -> Ends:
    if not own.any():
        return NONE
    weight = np.sqrt(w) / np.maximum(own, 1e-12)
    terms = np.stack([1 - w, w], axis=-1) * own[:, None]
    (certain, half), _ = scipy.optimize.nnls(terms * weight[:, None], left * weight)
    return float(certain), float(half)


# --- from the passes of the replicates ----------------------------------------------------------------


def measure_early_errors(
    replicates: Sequence[Sequence[Estimate]], outcome: Outcome, stands_for: Floats
) -> tuple[EarlyError, EarlyError]:
    """Fit the constants for the errors of one cell and of the mean over a group.

    Args:
        replicates: Independent groups of cells on the same rows; for each group the estimate of every cell.
        outcome: The outcome that defines the columns.
        stands_for: (n,) how many rows each of these stands for.
    """
    of_cells = np.asarray([[cell.mean for cell in group] for group in replicates])
    late = np.asarray([[cell.late for cell in group] for group in replicates])
    variance = np.mean([[cell.variance for cell in group] for group in replicates], axis=(0, 1))
    cells, means = of_cells.shape[1], of_cells.mean(axis=1)
    of_groups = outcome.regrouped(means, means[..., : outcome.width])
    between = np.zeros_like(variance)
    if cells > 1:
        between = outcome.spread(of_cells.var(axis=1, ddof=1)).mean(axis=0)
    if outcome.has_unit:
        # Each column in a unit of its own, so that no unit weighs more than another.
        usual = np.sqrt(variance.mean(axis=0))
        usual = np.where(usual > 0, usual, 1.0)
        of_cells, of_groups = of_cells / usual, of_groups / usual
        late, variance, between = (values / usual**2 for values in (late, variance, between))
    one = _squares(of_cells, _variance_of_one(of_cells))
    group = _squares(of_groups, of_groups.var(axis=0, ddof=1))
    of_one, one, late_of_one = (values.reshape(-1, *variance.shape) for values in (of_cells, one, late))
    of_group, more = late.mean(axis=1) / cells, (outcome, stands_for, len(replicates))
    missed = 0.0 if late.any() else missed_by(replicates[0][0].passes, len(replicates) * len(stands_for))
    whole = fit_early_error(of_groups, group, of_group, variance, between, *more, missed)
    if cells == 1:
        return whole, whole
    return fit_early_error(of_one, one, late_of_one, variance, np.zeros_like(between), *more, missed), whole


def _squares(values: Floats, variance: Floats) -> Floats:
    """(R, …, n, C) squared distances of values from their mean, on average their variance (n, C)."""
    replicates = tuple(range(values.ndim - variance.ndim))
    squares = np.square(values - values.mean(axis=replicates))
    return np.asarray(squares * (variance / np.maximum(squares.mean(axis=replicates), SMALLEST)))


def _variance_of_one(values: Floats) -> Floats:
    """Variance of a single cell's estimate, from R groups of S cells, as (R, S, n, C).

    The cells of one group are balanced against each other, so the between-cell variance within a group would
    be too large. The variance around the mean of all cells is not: balance makes that mean exact up to the
    variance between groups, which is added.
    """
    of_groups = values.mean(axis=1).var(axis=0, ddof=1)
    if values.shape[1] == 1:
        return np.asarray(of_groups)
    return np.asarray(values.var(axis=(0, 1)) + of_groups / len(values))


def measure_design_effects(
    replicates: Sequence[Sequence[Floats]], outcome: Outcome
) -> tuple[DesignEffect, DesignEffect]:
    """Design effects of the passes of one cell, and of a group, for estimates about networks.

    Two variances over replicates are measured: of the variance over passes, and of the share of passes below
    each quantile. Each is divided by its value for as many independent passes (`spread_variance`, p(1 − p)/T)
    and widened as errors are. The extra precision of balanced passes is ignored, so an effect is at least 1.
    Beyond the quantiles 0.05 and 0.95 a pilot has few passes; there the effect at 0.05 or 0.95 is used.

    Args:
        replicates: Independent groups of cells on the same rows; for each the passes (W, n, K) of every cell.
        outcome: The outcome that defines the values.
    """
    if outcome.has_unit:
        top = np.array(replicates)[..., : outcome.answers]
        top = top.reshape(*top.shape[:3], -1)
    elif outcome.are_probabilities:
        label = np.mean(replicates, axis=(0, 1, 2)).argmax(axis=-1)
        top = np.array([[_of_label(cell, label) for cell in group] for group in replicates])
    else:
        return INDEPENDENT, INDEPENDENT
    cells, passes = top.shape[1:3]
    mean, overall = top.mean(axis=(0, 1, 2)), top.var(axis=(0, 1, 2))
    kurtosis = ((top - mean) ** 4).mean(axis=(0, 1, 2)) / np.maximum(overall**2, SMALLEST)
    of_group = top.reshape(len(top), -1, len(mean)).var(axis=1)
    of_spread = (_variance_of_one(top.var(axis=2)), of_group.var(axis=0, ddof=1))
    quantiles = np.quantile(top, np.clip(LEVELS, 0.05, 0.95), axis=(0, 1, 2))
    below = np.stack([(top <= quantile).mean(axis=2) for quantile in quantiles], axis=-1)
    of_shares = (_variance_of_one(below), below.mean(axis=1).var(axis=0, ddof=1))
    share = below.mean(axis=(0, 1))
    binomial = np.maximum((share * (1 - share)).mean(axis=0), SMALLEST)
    # Balance makes the spread of a number better known: it has no ends that its passes may not have met.
    least, effects = 0.0 if outcome.has_unit else 1.0, []
    wider = float(widened(2 * (len(replicates) - 1)))
    for count, spread, shares in zip((passes, passes * cells), of_spread, of_shares, strict=True):
        of_independent = np.sqrt(overall)[:, None], np.full(len(mean), float(count)), kurtosis[:, None]
        of_one = spread_variance(*of_independent, None if outcome.has_unit else mean[:, None])
        alone = np.maximum(4 * overall * of_one[:, 0], SMALLEST)
        effects.append(
            DesignEffect(
                tuple(np.maximum(wider * shares.mean(axis=0) * count / binomial, 1).tolist()),
                max(least, wider * float(np.mean(spread / alone))),
            )
        )
    return effects[0], effects[1]


def _of_label(values: Floats, label: NDArray[np.int64]) -> Floats:
    """Passes (W, n) of one class for each row."""
    return values[:, np.arange(len(label)), label]


def measure_shares(passes: Sequence[Floats], ratios: Sequence[int]) -> tuple[float, ...]:
    """Share of the predictive variance that each level causes, pooled over rows and values.

    Args:
        passes: (W, n, K) passes of every cell of one group.
        ratios: Masks at each level for each mask at the level before.

    Returns:
        One share for each level: that of its branching. That of level 1 includes the between-cell variance.
    """
    sides = (len(passes), *ratios)
    means, brought = np.asarray(passes), np.zeros(len(sides))
    means = means.reshape(-1, *means.shape[2:])
    # One level at a time, because numpy has fewer axes than deep networks have levels. Levels that do not
    # branch are skipped.
    for level in reversed([number for number, side in enumerate(sides) if side > 1]):
        # Balanced masks vary more among themselves than alone. Dividing by their number, not by one less,
        # compensates for it.
        means = means.reshape(-1, sides[level], *means.shape[1:])
        brought[level] = means.var(axis=1).mean()
        means = means.mean(axis=1)
    brought[1] += brought[0]
    total = max(brought[1:].sum(), 1e-300)
    return tuple((brought[1:] / total).tolist())
