"""Fit the constants of an error to what a pilot measured: see `howsure.sampling.error.EarlyError`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, nnls
from scipy.special import polygamma

from howsure import tuning
from howsure.sampling.error import MOST_ALIKE, NONE, ONE, EarlyError, Ends, Floats, undecided, unseen
from howsure.sampling.outcome import Outcome

LEAST_ALIKE = 3.0
"""Degrees of freedom at the least: with fewer, Student's t has no variance, and errors would grow for rows
whose own are far smaller than expected."""


def fit_early_error(
    mean: Floats,
    squared: Floats,
    late: Floats,
    variance: Floats,
    spread: Floats,
    outcome: Outcome,
) -> EarlyError:
    """Fit the constants to what a pilot measured.

    Args:
        mean: (n, C) columns.
        squared: (n, C) their squared error.
        late: (n, C) the part of it that late (inner) masks cause.
        variance: (n, C) variance over passes.
        spread: (n, C) between-cell variance within a group; zeros if a group has one cell.
        outcome: The outcome that defines the columns.
    """
    w, q, left = undecided(outcome.goes_by(mean)), unseen(mean, outcome), squared - late
    terms = (outcome.moves(q) ** 2 * q)[..., None] * np.stack([q, np.ones_like(q)], axis=-1)
    families, usable = np.array(outcome.families), outcome.fitted_on(mean)
    fitted = [usable & (families == family) for family in range(max(outcome.families) + 1)]

    def of_family(of: NDArray[np.bool_]) -> tuple[Ends, Ends, Ends, Ends, float]:
        undecided, certain = w[of], 1 - w[of]
        usual = _fit_nearly_certain(undecided, terms[of], left[of])
        low, high = of_variance = _fit_ends(undecided, left[of], variance[of])
        of_spread = _fit_ends(undecided, left[of], spread[of]) if spread.any() else ONE
        own = (certain * low + undecided * high) * variance[of]
        expected = late[of] + undecided * own + certain * (terms[of] @ usual)
        usual_late = _fit_nearly_certain(undecided, terms[of], late[of])
        return usual, usual_late, of_variance, of_spread, _alike(undecided, squared[of], expected)

    return EarlyError(*zip(*map(of_family, fitted), strict=True))


def _alike(w: Floats, squared: Floats, expected: Floats) -> float:
    """Degrees of freedom of the squared errors of single rows around those that the constants expect.

    The logarithm of a variance with f degrees of freedom has variance ψ′(f/2), ψ′ being the trigamma
    function. A pilot measures each row's with R − 1. What rows scatter beyond that is their own (Smyth 2004).

    Args:
        w: (n,) weights.
        squared: (n,) squared errors that were measured.
        expected: (n,) the same by the constants.
    """
    told = (squared > 0) & (expected > 0) & (w > 0)
    if np.count_nonzero(told) < 2:
        return MOST_ALIKE
    off = np.log(squared[told] / expected[told])
    scatter = np.average((off - np.average(off, weights=w[told])) ** 2, weights=w[told])
    left = scatter - polygamma(1, (tuning.REPLICATES - 1) / 2)
    if left <= polygamma(1, MOST_ALIKE / 2):
        return MOST_ALIKE
    if left >= polygamma(1, LEAST_ALIKE / 2):
        return LEAST_ALIKE
    return float(brentq(lambda degrees: polygamma(1, degrees / 2) - left, LEAST_ALIKE, MOST_ALIKE))


def _fit_nearly_certain(w: Floats, terms: Floats, squared: Floats) -> Ends:
    # Variances from few replicates are Gamma distributed. This is Fisher scoring of that likelihood, with
    # each row weighted by 1 − w. It starts from errors that grow as q^1.5.
    used = np.sqrt(1 - w)
    expected, constants = np.sqrt(terms[:, 0] * terms[:, 1]), NONE
    for _ in range(tuning.SCORING_STEPS):
        weight = used / expected
        (quadratic, linear), _ = nnls(terms * weight[:, None], squared * weight)
        constants = float(quadratic), float(linear)
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
