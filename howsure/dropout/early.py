"""What a row cannot tell of its error: the part of early masks, and all of it where it is nearly certain.

One early mask has no replicate, and a few balanced ones make up for each other. So a pilot pools constants
over rows, and a row applies them to what it does tell: the variance over its passes, and the spread of its
cells. Balance cancels the first-order part of the spread, and what is left of it depends on how near to
certain a row is; so each constant has two ends, for rows that are certain and for undecided ones, with
straight lines between them in w = 2√(p(1−p)). All variances of a nearly certain row are luck (most have seen
none of the few passes that differ), those of its late masks too, so its whole error follows from p alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from howsure.dropout.groups import widening

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
    """Constants for the squared error of a mean over passes, all ≥ 0.

    For the probability p of a class it is v · late + w · own, widened, plus (1 − v) · usual late + (1 −
    w) · usual early, where v is w + w², at most 1, late is what the late masks leave as the row tells it,
    and each usual one is a q² + b q with q = p(1−p) + `UNSEEN`. For the entropy, the expected entropy and
    the mutual information it is late + own, widened, with the w of the top class. Own is what the early
    masks leave: with f degrees of freedom in the spread of a row's cells and F = R − 1 (R is
    `REPLICATES`), f/(f + F) · c · spread + F/(f + F) · d · variance. Each constant is fitted where it is
    used: c and d to rows that count by w, a and b to rows that count by 1 − w.

    Attributes:
        usual_early: a and b of what early masks leave in nearly certain rows.
        usual_late: The same for late masks.
        of_variance: Ends of d for probabilities, entropy, expected entropy and mutual information.
        of_spread: Ends of c likewise; not used where a row has one cell.
    """

    usual_early: Ends
    usual_late: Ends
    of_variance: tuple[Ends, ...]
    of_spread: tuple[Ends, ...]

    def of_own_variance(
        self, probabilities: Floats, variance: Floats, spread: Floats, freedom: int
    ) -> Floats:
        """(…, K) squared error that the early levels leave in probabilities, from what a row tells alone.

        Also right for sums over many classes that are nearly 0.

        Args:
            probabilities: (…, K).
            variance: (…, K) over passes.
            spread: (…, K) variance over cells, of those of one group.
            freedom: Its degrees of freedom, 0 for one cell.
        """
        undecided = _undecided(probabilities)[..., None]
        own = self._own(slice(0, 1), undecided, variance[..., None], spread[..., None], freedom)
        return np.asarray(own[..., 0])

    def of_probabilities(self, probabilities: Floats, late: Floats, own: Floats) -> Floats:
        """(…, K) squared error of probabilities.

        Args:
            probabilities: (…, K).
            late: (…, K) what the late masks leave.
            own: (…, K) what `of_own_variance` gave.
        """
        w = _undecided(probabilities)
        v = np.minimum(w + w**2, 1)
        terms = _nearly_certain(probabilities)
        usual = (1 - v) * (terms @ self.usual_late) + (1 - w) * (terms @ self.usual_early)
        return np.asarray(WIDENED * (v * late + w * own) + usual)

    def of_entropies(self, probabilities: Floats, variance: Floats, spread: Floats, freedom: int) -> Floats:
        """(…, 3) squared error that the early levels leave in entropy, expected entropy, mutual information.

        Args:
            probabilities: (…, K).
            variance: (…, 3) over passes.
            spread: (…, 3) over cells; for the mutual information the sum of the other two.
            freedom: As in `of_own_variance`.
        """
        undecided = _undecided(probabilities.max(axis=-1, keepdims=True))
        return self._own(slice(1, 4), undecided, variance, spread, freedom)

    def _own(self, which: slice, undecided: Floats, variance: Floats, spread: Floats, freedom: int) -> Floats:
        of_spread, of_variance = (
            (1 - undecided) * ends[:, 0] + undecided * ends[:, 1]
            for ends in (np.array(self.of_spread[which]), np.array(self.of_variance[which]))
        )
        share = freedom / (freedom + REPLICATES - 1)
        return np.asarray(share * of_spread * spread + (1 - share) * of_variance * variance)


UNMEASURED = EarlyError((np.nan, np.nan), (np.nan, np.nan), ((np.nan, np.nan),) * 4, ((np.nan, np.nan),) * 4)
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
    classes = mean.shape[1]
    two = mean >= np.partition(mean, -2, axis=-1)[..., -2, None]
    left = squared - late
    pairs = [(mean[two], *(values[:, :classes][two] for values in (left, variance, spread)))]
    for column in range(classes, left.shape[1]):
        pairs.append((mean.max(axis=-1), left[:, column], variance[:, column], spread[:, column]))
    return EarlyError(
        _fit_nearly_certain(*pairs[0][:2]),
        _fit_nearly_certain(mean[two], late[:, :classes][two]),
        tuple(_fit_ends(p, left, variance) for p, left, variance, _ in pairs),
        tuple(_fit_ends(p, left, spread) for p, left, _, spread in pairs),
    )


def _undecided(probabilities: Floats) -> Floats:
    """w, from 0 where a probability is 0 or 1 to 1 where it is a half."""
    return np.asarray(2 * np.sqrt(np.maximum(probabilities * (1 - probabilities), 0)))


def _nearly_certain(probabilities: Floats) -> Floats:
    """(…, 2) what a and b multiply."""
    both = probabilities * (1 - probabilities) + UNSEEN
    return np.stack([both**2, both], axis=-1)


def _fit_nearly_certain(p: Floats, squared: Floats) -> Ends:
    # Variances over few replicates are Gamma distributed: Fisher scoring for their likelihood, in which each
    # counts by how far it goes by these constants. It starts from errors that grow as (p(1−p))^1.5.
    terms, used = _nearly_certain(p), np.sqrt(1 - _undecided(p))
    expected, constants = terms[:, 1] ** 1.5, NONE
    for _ in range(SCORING_STEPS):
        weight = used / expected
        (quadratic, linear), _ = nnls(terms * weight[:, None], squared * weight)
        constants = float(quadratic), float(linear)
        expected = terms @ constants
        if not expected.any():
            break
    return constants


def _fit_ends(p: Floats, left: Floats, own: Floats) -> Ends:
    if not own.any():
        return NONE
    undecided = _undecided(p)
    weight = np.sqrt(undecided) / np.maximum(own, 1e-12)
    terms = np.stack([1 - undecided, undecided], axis=-1) * own[:, None]
    (certain, half), _ = nnls(terms * weight[:, None], left * weight)
    return float(certain), float(half)
