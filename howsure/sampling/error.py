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

from howsure.sampling.balance import widening

Floats = NDArray[np.float64]

REPLICATES = 10
"""Independent groups of cells in a pilot."""

WIDENED = float(widening(2 * REPLICATES - 1)) ** 2
"""(t/1.96)², by which a squared error is widened that goes by what a row tells. As the rows of a pilot share
masks, R groups of n rows have between R − 1 and n (R − 1) degrees of freedom; 2 (R − 1) is used. They are
those of the whole error, not of its early part alone: a pilot sees the whole and subtracts the late part."""

UNSEEN = 0.0001
"""Added to p(1−p) for nearly certain rows: one that happens to have seen none of the rare passes that differ
cannot tell 1 from 0.9999, so it must not report the error of the former."""

SCORING_STEPS = 20
"""Of a fit; by then the constants hardly change."""

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

    def own(self, probabilities: Floats, variance: Floats, spread: Floats, freedom: int) -> Floats:
        """(…, K + 3) squared error that the early levels leave, from what a row tells alone.

        For probabilities also right in sums over many classes that are nearly 0.

        Args:
            probabilities: (…, K).
            variance: (…, K + 3) over passes, of probabilities and entropies.
            spread: (…, K + 3) variance over cells, of those of one group; for the mutual information the
                sum of the other two entropies'.
            freedom: Its degrees of freedom, 0 for one cell.
        """
        w = _undecided(_goes_by(probabilities))
        of_spread, of_variance = _for_each(self.of_spread, w), _for_each(self.of_variance, w)
        share = freedom / (freedom + REPLICATES - 1)
        return np.asarray(
            share * ((1 - w) * of_spread[:, 0] + w * of_spread[:, 1]) * spread
            + (1 - share) * ((1 - w) * of_variance[:, 0] + w * of_variance[:, 1]) * variance
        )

    def squared(self, probabilities: Floats, late: Floats, own: Floats) -> Floats:
        """(…, K + 3) squared error of probabilities and entropies.

        Args:
            probabilities: (…, K).
            late: (…, K + 3) what the late masks leave.
            own: (…, K + 3) what `own` gave.
        """
        p = _goes_by(probabilities)
        w = _undecided(p)
        v = np.minimum(w + w**2, 1)
        terms = _nearly_certain(p)
        usual_late = np.sum(terms * _for_each(self.usual_late, p), axis=-1)
        usual_early = np.sum(terms * _for_each(self.usual_early, p), axis=-1)
        return np.asarray(WIDENED * (v * late + w * own) + (1 - v) * usual_late + (1 - w) * usual_early)


UNMEASURED = EarlyError(*[((np.nan, np.nan),) * 4] * 4)
"""Gives NaN, so that nobody takes it for no error."""


def fit_early_error(
    mean: Floats,
    squared: Floats,
    late: Floats,
    variance: Floats,
    spread: Floats,
) -> EarlyError:
    """The constants that fit what a pilot saw best.

    Args:
        mean: (n, K) probabilities.
        squared: (n, K + 3) squared error of probabilities and entropies.
        late: (n, K + 3) what the late masks leave of it.
        variance: (n, K + 3) over passes.
        spread: (n, K + 3) over the cells of a group; zeros where it has one.
    """
    p = _goes_by(mean)
    undecided, terms, left = _undecided(p), _nearly_certain(p), squared - late
    two = mean >= np.partition(mean, -2, axis=-1)[..., -2, None]
    fitted = np.zeros((4, *p.shape), dtype=bool)
    fitted[0, :, :-3] = two
    for number in (1, 2, 3):
        fitted[number, :, number - 4] = True
    return EarlyError(
        tuple(_fit_nearly_certain(undecided[of], terms[of], left[of]) for of in fitted),
        tuple(_fit_nearly_certain(undecided[of], terms[of], late[of]) for of in fitted),
        tuple(_fit_ends(undecided[of], left[of], variance[of]) for of in fitted),
        tuple(_fit_ends(undecided[of], left[of], spread[of]) for of in fitted),
    )


def _goes_by(probabilities: Floats) -> Floats:
    """(…, K + 3) the probability an error goes by: of the class, and for three entropies of the top class."""
    top = probabilities.max(axis=-1, keepdims=True)
    return np.concatenate([probabilities, top, top, top], axis=-1)


def _for_each(constants: tuple[Ends, ...], numbers: Floats) -> Floats:
    """(K + 3, 2) the constants of each of the numbers (…, K + 3), K probabilities and three entropies."""
    return np.array([constants[0]] * (numbers.shape[-1] - 3) + list(constants[1:]))


def _undecided(p: Floats) -> Floats:
    """w, from 0 where a probability is 0 or 1 to 1 where it is a half."""
    return np.asarray(2 * np.sqrt(np.maximum(p * (1 - p), 0)))


def _nearly_certain(p: Floats) -> Floats:
    """(…, K + 3, 2) what a and b multiply."""
    q = p * (1 - p) + UNSEEN
    moved = np.ones_like(q)
    moved[..., -3:] = np.log(q[..., -3:]) ** 2
    return np.stack([moved * q**2, moved * q], axis=-1)


def _fit_nearly_certain(undecided: Floats, terms: Floats, squared: Floats) -> Ends:
    # Variances over few replicates are Gamma distributed: Fisher scoring for their likelihood, in which each
    # counts by how far it goes by these constants. It starts from errors that grow as q^1.5.
    used = np.sqrt(1 - undecided)
    expected, constants = np.sqrt(terms[:, 0] * terms[:, 1]), NONE
    for _ in range(SCORING_STEPS):
        weight = used / expected
        (quadratic, linear), _ = nnls(terms * weight[:, None], squared * weight)
        constants = float(quadratic), float(linear)
        expected = terms @ constants
        if not expected.any():
            break
    return constants


def _fit_ends(undecided: Floats, left: Floats, own: Floats) -> Ends:
    if not own.any():
        return NONE
    weight = np.sqrt(undecided) / np.maximum(own, 1e-12)
    terms = np.stack([1 - undecided, undecided], axis=-1) * own[:, None]
    (certain, half), _ = nnls(terms * weight[:, None], left * weight)
    return float(certain), float(half)
