"""Fit the constants of an error to what a pilot measured: see `howsure.sampling.error.EarlyError`."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from howsure import tuning
from howsure.sampling.error import NONE, EarlyError, Ends, Floats, undecided, unseen
from howsure.sampling.outcome import Outcome


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
    return EarlyError(
        tuple(_fit_nearly_certain(w[of], terms[of], left[of]) for of in fitted),
        tuple(_fit_nearly_certain(w[of], terms[of], late[of]) for of in fitted),
        tuple(_fit_ends(w[of], left[of], variance[of]) for of in fitted),
        tuple(_fit_ends(w[of], left[of], spread[of]) for of in fitted),
    )


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
