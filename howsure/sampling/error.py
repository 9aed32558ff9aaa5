"""The part of its error that a row cannot tell: that of early masks, and all of it for a nearly certain row.

One early mask has no replicate, and a few balanced ones make up for each other. So a pilot pools constants
over rows, and a row applies them to what it does tell: the variance over its passes, and the spread of its
cells. Balance cancels the first-order part of the spread, and what is left of it depends on how near to
certain a row is; so each constant has two ends, for rows that are certain and for undecided ones, with
straight lines between them in w = 2√(p(1−p)). All variances of a nearly certain row are luck (most have seen
none of the few passes that differ), those of its late masks too, so its whole errors follow from p alone.
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
"""A constant for rows that are certain, and for undecided ones."""

NONE: Ends = (0.0, 0.0)


@dataclass(frozen=True)
class EarlyError:
    """Constants for the squared errors of means over passes, all ≥ 0.

    Each error is v · late + w · own, widened, plus (1 − v) · usual late + (1 − w) · usual early, where v is
    w + w², at most 1, and late is what the late masks leave as the row tells it. Own is what the early masks
    leave: with f degrees of freedom in the spread of a row's cells and F = R − 1 (R is `REPLICATES`),
    f/(f + F) · c · spread + F/(f + F) · d · variance. With q = p(1−p) + `UNSEEN`, each usual one is
    a q² + b q for the probability p of a class. An entropy moves by about log q where a nearly certain p
    moves by one, so for the entropy, the expected entropy and the mutual information it is log² q times
    that, with the p and the w of the top class. Each constant is fitted where it is used: c and d to rows
    that count by w, a and b to rows that count by 1 − w.

    Attributes:
        usual_early: a and b of what early masks leave in nearly certain rows, for probabilities, entropy,
            expected entropy and mutual information.
        usual_late: The same for late masks.
        of_variance: Ends of d likewise.
        of_spread: Ends of c likewise; not used where a row has one cell.
    """

    usual_early: tuple[Ends, ...]
    usual_late: tuple[Ends, ...]
    of_variance: tuple[Ends, ...]
    of_spread: tuple[Ends, ...]

    def own(self, mean: Floats, variance: Floats, spread: Floats, freedom: int, outcome: Outcome) -> Floats:
        """(…, C) squared error that the early levels leave, from what a row tells alone.

        For probabilities also right in sums over many classes that are nearly 0.

        Args:
            mean: (…, C) columns.
            variance: (…, C) over passes.
            spread: (…, C) variance over cells, of those of one group.
            freedom: Its degrees of freedom, 0 for one cell.
            outcome: Whose columns they are.
        """
        w = undecided(outcome.goes_by(mean))
        of_spread, of_variance = _for_each(self.of_spread, outcome), _for_each(self.of_variance, outcome)
        share = freedom / (freedom + tuning.REPLICATES - 1)
        return np.asarray(
            share * ((1 - w) * of_spread[:, 0] + w * of_spread[:, 1]) * spread
            + (1 - share) * ((1 - w) * of_variance[:, 0] + w * of_variance[:, 1]) * variance
        )

    def squared(self, mean: Floats, late: Floats, own: Floats, outcome: Outcome) -> Floats:
        """(…, C) squared error of the columns.

        Args:
            mean: (…, C) columns.
            late: (…, C) what the late masks leave.
            own: (…, C) what `own` gave.
            outcome: Whose columns they are.
        """
        w = undecided(outcome.goes_by(mean))
        v = np.minimum(w + w**2, 1)
        terms = _nearly_certain(mean, outcome)
        usual_late = np.sum(terms * _for_each(self.usual_late, outcome), axis=-1)
        usual_early = np.sum(terms * _for_each(self.usual_early, outcome), axis=-1)
        return np.asarray(widened() * (v * late + w * own) + (1 - v) * usual_late + (1 - w) * usual_early)


def widened() -> float:
    """(t/1.96)², by which a squared error is widened that goes by what a row tells.

    As the rows of a pilot share masks, R groups of n rows have between R − 1 and n (R − 1) degrees of
    freedom; 2 (R − 1) is used. They are those of the whole error, not of its early part alone: a pilot sees
    the whole and subtracts the late part.
    """
    return float(widening(2 * tuning.REPLICATES - 1)) ** 2


UNMEASURED = EarlyError(*[((np.nan, np.nan),)] * 4)
"""Gives NaN, so that nobody takes it for no error."""


def fit_early_error(
    mean: Floats,
    squared: Floats,
    late: Floats,
    variance: Floats,
    spread: Floats,
    outcome: Outcome,
) -> EarlyError:
    """The constants that fit what a pilot saw best.

    Args:
        mean: (n, C) columns.
        squared: (n, C) their squared error.
        late: (n, C) what the late masks leave of it.
        variance: (n, C) over passes.
        spread: (n, C) over the cells of a group; zeros where it has one.
        outcome: Whose columns they are.
    """
    w, terms, left = undecided(outcome.goes_by(mean)), _nearly_certain(mean, outcome), squared - late
    families, usable = np.array(outcome.families), outcome.fitted_on(mean)
    fitted = [usable & (families == family) for family in range(max(outcome.families) + 1)]
    return EarlyError(
        tuple(_fit_nearly_certain(w[of], terms[of], left[of]) for of in fitted),
        tuple(_fit_nearly_certain(w[of], terms[of], late[of]) for of in fitted),
        tuple(_fit_ends(w[of], left[of], variance[of]) for of in fitted),
        tuple(_fit_ends(w[of], left[of], spread[of]) for of in fitted),
    )


def _for_each(constants: tuple[Ends, ...], outcome: Outcome) -> Floats:
    """(C, 2) the constants of each column; those of the first family where there are no others."""
    return np.array([constants[min(family, len(constants) - 1)] for family in outcome.families])


def undecided(p: Floats) -> Floats:
    """w, from 0 where a probability is 0 or 1 to 1 where it is a half."""
    return np.asarray(2 * np.sqrt(np.maximum(p * (1 - p), 0)))


def _nearly_certain(mean: Floats, outcome: Outcome) -> Floats:
    """(…, C, 2) what a and b multiply."""
    p = outcome.goes_by(mean)
    q = p * (1 - p) + tuning.UNSEEN
    moved = outcome.moves(q) ** 2
    return np.stack([moved * q**2, moved * q], axis=-1)


def _fit_nearly_certain(w: Floats, terms: Floats, squared: Floats) -> Ends:
    # Variances over few replicates are Gamma distributed: Fisher scoring for their likelihood, in which each
    # counts by how far it goes by these constants. It starts from errors that grow as q^1.5.
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
