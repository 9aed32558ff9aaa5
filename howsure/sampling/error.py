"""Squared error of means over passes: pooled constants from the pilot, combined with a row's own variance.

Passes are nested Monte Carlo samples: early masks are the outer samples, late masks the inner samples. The
inner samples of a row show their own error. The outer samples do not: a single early mask has no replicate,
and balanced (stratified) early masks compensate each other, so their variance is no estimate of the error.
The pilot therefore fits constants over many rows. A row multiplies them by its variance over passes and by
its between-cell variance.

Balance cancels the first-order part of the between-cell variance. The remaining part depends on how certain
a row is. So each constant has two ends, one for certain and one for undecided rows, and is linear between
them in w = 2√(p(1−p)). The sample variances of a nearly certain row, also those of its late masks, are
mostly chance: few passes differ, and most such rows have not met one. Its whole error therefore follows from
p alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from howsure import tuning
from howsure.sampling.outcome import Outcome
from howsure.statistics import widening

Floats = NDArray[np.float64]

Ends = tuple[float, float]
"""One constant: its values for certain rows (w = 0) and for undecided rows (w = 1)."""

NONE: Ends = (0.0, 0.0)


@dataclass(frozen=True)
class EarlyError:
    """Constants for the squared errors of means over passes, all ≥ 0.

    The squared error of a column is

        widened · (v · late + w · own) + (1 − v) · usual late + (1 − w) · usual early

    late         error of the late (inner) masks, estimated from the row's own passes
    own          error of the early (outer) masks, estimated from the row's own passes:
                 f/(f + F) · c · between-cell variance + F/(f + F) · d · variance over passes,
                 with f degrees of freedom between the cells of the row, F = R − 1 and R = `REPLICATES`
    usual …      the same two errors as functions of p, pooled over the pilot's rows: a q² + b q with
                 q = p(1−p) + `UNSEEN` and p the probability of the class
    w, v         w = 2√(p(1−p)), and v = w + w², at most 1

    Near p = 0 or 1, an entropy changes by about log q when p changes by one. So for the entropy, the expected
    entropy and the mutual information, the usual errors are multiplied by log² q, and p and w are those of
    the top class. The fits use weights that match the use: w for c and d, 1 − w for a and b.

    Attributes:
        usual_early: a and b for the early masks: for probabilities, entropy, expected entropy and mutual
            information.
        usual_late: The same for the late masks.
        of_variance: Both ends of d, for the same four.
        of_spread: Both ends of c, for the same four; not used if a row has one cell.
    """

    usual_early: tuple[Ends, ...]
    usual_late: tuple[Ends, ...]
    of_variance: tuple[Ends, ...]
    of_spread: tuple[Ends, ...]

    def own(self, mean: Floats, variance: Floats, between: Floats, freedom: int, outcome: Outcome) -> Floats:
        """(…, C) squared error of the early (outer) masks, estimated from the row's own passes.

        It is also accurate for sums of probabilities over many classes near 0.

        Args:
            mean: (…, C) columns.
            variance: (…, C) variance over passes.
            between: (…, C) between-cell variance, within one group.
            freedom: Degrees of freedom of `between`; 0 for one cell.
            outcome: The outcome that defines the columns.
        """
        w = undecided(outcome.goes_by(mean))
        of_spread, of_variance = _for_each(self.of_spread, outcome), _for_each(self.of_variance, outcome)
        share = freedom / (freedom + tuning.REPLICATES - 1)
        return np.asarray(
            share * ((1 - w) * of_spread[:, 0] + w * of_spread[:, 1]) * between
            + (1 - share) * ((1 - w) * of_variance[:, 0] + w * of_variance[:, 1]) * variance
        )

    def squared(self, mean: Floats, late: Floats, own: Floats, outcome: Outcome) -> Floats:
        """(…, C) squared error of the columns.

        Args:
            mean: (…, C) columns.
            late: (…, C) squared error of the late (inner) masks.
            own: (…, C) result of `own`.
            outcome: The outcome that defines the columns.
        """
        w = undecided(outcome.goes_by(mean))
        v = np.minimum(w + w**2, 1)
        terms = _nearly_certain(mean, outcome)
        usual_late = np.sum(terms * _for_each(self.usual_late, outcome), axis=-1)
        usual_early = np.sum(terms * _for_each(self.usual_early, outcome), axis=-1)
        return np.asarray(widened() * (v * late + w * own) + (1 - v) * usual_late + (1 - w) * usual_early)


def widened() -> float:
    """(t/1.96)²: widens a squared error that is estimated from a row's own passes, by Student's t.

    The rows of a pilot share masks. So R groups of n rows have between R − 1 and n (R − 1) degrees of
    freedom; 2 (R − 1) is used. These belong to the whole error, not to its early part alone: the pilot
    measures the whole error and subtracts the late part.
    """
    return float(widening(2 * tuning.REPLICATES - 1)) ** 2


UNMEASURED = EarlyError(*[((np.nan, np.nan),)] * 4)
"""All NaN, so that an error that was not measured is never read as 0."""


def fit_early_error(
    mean: Floats,
    squared: Floats,
    late: Floats,
    variance: Floats,
    between: Floats,
    outcome: Outcome,
) -> EarlyError:
    """Fit the constants to what a pilot measured.

    Args:
        mean: (n, C) columns.
        squared: (n, C) their squared error.
        late: (n, C) the part of it that late (inner) masks cause.
        variance: (n, C) variance over passes.
        between: (n, C) between-cell variance within a group; zeros if a group has one cell.
        outcome: The outcome that defines the columns.
    """
    w, terms, left = undecided(outcome.goes_by(mean)), _nearly_certain(mean, outcome), squared - late
    families, usable = np.array(outcome.families), outcome.fitted_on(mean)
    fitted = [usable & (families == family) for family in range(max(outcome.families) + 1)]
    return EarlyError(
        tuple(_fit_nearly_certain(w[of], terms[of], left[of]) for of in fitted),
        tuple(_fit_nearly_certain(w[of], terms[of], late[of]) for of in fitted),
        tuple(_fit_ends(w[of], left[of], variance[of]) for of in fitted),
        tuple(_fit_ends(w[of], left[of], between[of]) for of in fitted),
    )


def _for_each(constants: tuple[Ends, ...], outcome: Outcome) -> Floats:
    """(C, 2) the constants of each column; a family without its own constants takes the last ones."""
    return np.array([constants[min(family, len(constants) - 1)] for family in outcome.families])


def undecided(p: Floats) -> Floats:
    """Closeness to p = 0.5: w = 2√(p(1−p)), which is 0 at p = 0 or 1, and 1 at p = 0.5."""
    return np.asarray(2 * np.sqrt(np.maximum(p * (1 - p), 0)))


def _nearly_certain(mean: Floats, outcome: Outcome) -> Floats:
    """(…, C, 2) the terms that a and b multiply: q² and q, times log² q for entropies."""
    p = outcome.goes_by(mean)
    q = p * (1 - p) + tuning.UNSEEN
    moved = outcome.moves(q) ** 2
    return np.stack([moved * q**2, moved * q], axis=-1)


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
