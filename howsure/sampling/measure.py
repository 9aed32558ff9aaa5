"""Measurements of a pilot: the share of the variance by level, and the constants of the error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from howsure.sampling.between import LEVELS, SMALLEST, spread_variance
from howsure.sampling.between_numbers import spread_variance as number_spread_variance
from howsure.sampling.design import INDEPENDENT, DesignEffect
from howsure.sampling.error import EarlyError, Estimate, widened
from howsure.sampling.fit import fit_early_error, missed_by
from howsure.sampling.outcome import Outcome

Floats = NDArray[np.float64]


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
        late, variance, between = (each / usual**2 for each in (late, variance, between))
    one = _squares(of_cells, _variance_of_one(of_cells))
    group = _squares(of_groups, of_groups.var(axis=0, ddof=1))
    of_one, one, late_of_one = (each.reshape(-1, *variance.shape) for each in (of_cells, one, late))
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
        top = np.array([[_of(cell, label) for cell in group] for group in replicates])
    else:
        return INDEPENDENT, INDEPENDENT
    cells, passes = top.shape[1:3]
    mean, overall = top.mean(axis=(0, 1, 2)), top.var(axis=(0, 1, 2))
    kurtosis = ((top - mean) ** 4).mean(axis=(0, 1, 2)) / np.maximum(overall**2, SMALLEST)
    of_group = top.reshape(len(top), -1, len(mean)).var(axis=1)
    of_spread = (_variance_of_one(top.var(axis=2)), of_group.var(axis=0, ddof=1))
    quantiles = np.quantile(top, np.clip(LEVELS, 0.05, 0.95), axis=(0, 1, 2))
    below = np.stack([(top <= each).mean(axis=2) for each in quantiles], axis=-1)
    of_shares = (_variance_of_one(below), below.mean(axis=1).var(axis=0, ddof=1))
    share = below.mean(axis=(0, 1))
    binomial = np.maximum((share * (1 - share)).mean(axis=0), SMALLEST)
    # Balance makes the spread of a number better known: it has no ends that its passes may not have met.
    least, effects = 0.0 if outcome.has_unit else 1.0, []
    wider = float(widened(2 * (len(replicates) - 1)))
    for count, spread, shares in zip((passes, passes * cells), of_spread, of_shares, strict=True):
        known = np.sqrt(overall)[:, None], np.full(len(mean), float(count)), kurtosis[:, None]
        of_one = (
            number_spread_variance(*known) if outcome.has_unit else spread_variance(mean[:, None], *known)
        )
        alone = np.maximum(4 * overall * of_one[:, 0], SMALLEST)
        effects.append(
            DesignEffect(
                tuple(np.maximum(wider * shares.mean(axis=0) * count / binomial, 1).tolist()),
                max(least, wider * float(np.mean(spread / alone))),
            )
        )
    return effects[0], effects[1]


def _of(values: Floats, label: NDArray[np.int64]) -> Floats:
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
