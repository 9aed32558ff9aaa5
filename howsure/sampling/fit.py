"""Fit the constants of an error to what a pilot measured: see `howsure.sampling.error.EarlyError`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, nnls
from scipy.special import polygamma

from howsure.sampling.error import MOST_ALIKE, NONE, ONE, EarlyError, Ends, Floats, Usual, undecided, unseen
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
    p = outcome.goes_by(mean)
    w, q = undecided(p), unseen(p)
    terms = (outcome.moves(q) ** 2)[..., None] * np.stack([q**2, q, np.ones_like(q)], axis=-1)
    weights = (1 - w) * stands_for.reshape(-1, *[1] * (variance.ndim - 1))

    def of_family(of: NDArray[np.bool_]) -> tuple[Usual, Usual, Ends, Ends, float]:
        every = np.broadcast_to(of, mean.shape)
        weight = weights[every]
        usual = _fit_nearly_certain(weight, terms[every], (squared - late)[every])
        usual_late = _fit_nearly_certain(weight, terms[every], late[every])
        undecided, of_rows, late_of_rows = (each.mean(axis=0)[of] for each in (w, squared, late))
        left = of_rows - late_of_rows
        low, high = of_variance = _fit_ends(undecided, left, variance[of])
        of_spread = _fit_ends(undecided, left, spread[of]) if spread.any() else ONE
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
    told = (squared > 0) & (expected > 0) & (w > 0)
    if np.count_nonzero(told) < 2:
        return MOST_ALIKE
    off = np.log(squared[told] / expected[told])
    weights = w[told] / w[told].sum()
    scatter = weights @ (off - weights @ off) ** 2
    usual, fourth = polygamma(1, (replicates - 1) / 2), polygamma(3, (replicates - 1) / 2)
    left = scatter - usual
    if left <= 2 * np.sqrt((fourth + 2 * usual**2) * (weights @ weights)):
        return MOST_ALIKE
    if left >= polygamma(1, LEAST_ALIKE / 2):
        return LEAST_ALIKE
    return float(brentq(lambda degrees: polygamma(1, degrees / 2) - left, LEAST_ALIKE, MOST_ALIKE))


def _fit_nearly_certain(weights: Floats, terms: Floats, squared: Floats) -> Usual:
    # Variances from few replicates are Gamma distributed. This is Fisher scoring of that likelihood. It
    # starts from errors that grow as q^1.5.
    used = np.sqrt(weights)
    expected, constants = np.sqrt(terms[:, 0] * terms[:, 1]), (0.0, 0.0, 0.0)
    for _ in range(SCORING_STEPS):
        weight = used / expected
        (quadratic, linear, least), _ = nnls(terms * weight[:, None], squared * weight)
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
    (certain, half), _ = nnls(terms * weight[:, None], left * weight)
    return float(certain), float(half)
