"""What the masks of early levels leave in the error of a row that has few of them.

A row cannot tell this part by itself: one early mask has no replicate, and a few balanced ones make up for
each other. So a pilot pools constants over rows, and a row applies them to what it does tell: the variance
over its passes, and the spread of its cells. Balance cancels the first-order part of the spread, and what is
left of it depends on how near to certain a row is; so each constant has two ends, for rows that are certain
and for undecided ones, with straight lines between them in w = 2√(p(1−p)). The variances of a nearly certain
row are luck (most have seen none of the few passes that differ), so its error follows from p alone.
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
"""(t/1.96)², by which a squared error is widened. As the rows of a pilot share masks, R groups of n rows have
between R − 1 and n (R − 1) degrees of freedom; 2 (R − 1) is used. They are those of the whole error, not of
its early part alone: a pilot sees the whole and subtracts the late part from it."""

LEAST_LINEAR = 1 / 100
"""b is at least this times a for nearly certain rows, which are too skewed for a pilot to tell b. Whether it
suffices, docs/coverage.md says for random rows."""

UNSEEN = 0.0005
"""Added to p(1−p) for nearly certain rows: one that happens to have seen none of the rare passes that differ
cannot tell 0.9999 from 0.9995, so it must not report the error of the former."""

Ends = tuple[float, float]
"""A constant for rows that are certain, and for undecided ones."""

NONE: Ends = (0.0, 0.0)


@dataclass(frozen=True)
class EarlyError:
    """Constants for the squared error that early levels leave in a mean over passes, all ≥ 0.

    For the probability p of a class it is w · own + (1 − w) · (a q² + b q), where q is p(1−p) + `UNSEEN`.
    For the entropy, the expected entropy and the mutual information it is own, with the w of the top class.
    With f degrees of freedom in the spread of a row's cells and F = R − 1 (R is `REPLICATES`), own is
    f/(f + F) · c · spread + F/(f + F) · d · variance.

    Attributes:
        nearly_certain: a and b.
        of_variance: Ends of d for probabilities, entropy, expected entropy and mutual information.
        of_spread: Ends of c likewise; not used where a row has one cell.
    """

    nearly_certain: Ends
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

    def of_probabilities(self, probabilities: Floats, own: Floats) -> Floats:
        """(…, K) the same, with what is usual where a probability is nearly certain.

        Args:
            probabilities: (…, K).
            own: (…, K) what `of_own_variance` gave.
        """
        undecided = _undecided(probabilities)
        certain = _nearly_certain(probabilities) @ self.nearly_certain
        return np.asarray(undecided * own + (1 - undecided) * certain)

    def of_entropies(self, probabilities: Floats, variance: Floats, spread: Floats, freedom: int) -> Floats:
        """(…, 3) the same for entropy, expected entropy and mutual information.

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


UNMEASURED = EarlyError((np.nan, np.nan), ((np.nan, np.nan),) * 4, ((np.nan, np.nan),) * 4)
"""Gives NaN, so that nobody takes it for no error."""


def fit_early_error(
    mean: Floats,
    left: Floats,
    variance: Floats,
    spread: Floats,
) -> EarlyError:
    """The constants that fit what is left best, each row weighing alike.

    Args:
        mean: (n, K) probabilities.
        left: (n, K + 3) squared error that early levels leave in probabilities and entropies.
        variance: (n, K + 3) over passes.
        spread: (n, K + 3) over the cells of a group; zeros where it has one.
    """
    classes = mean.shape[1]
    two = mean >= np.partition(mean, -2, axis=-1)[..., -2, None]
    pairs = [(mean[two], *(values[:, :classes][two] for values in (left, variance, spread)))]
    for column in range(classes, left.shape[1]):
        pairs.append((mean.max(axis=-1), left[:, column], variance[:, column], spread[:, column]))
    return EarlyError(
        _fit_nearly_certain(*pairs[0][:2]),
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


def _fit_nearly_certain(p: Floats, left: Floats) -> Ends:
    # `left` grows about as (p(1−p))^1.5, between the two terms; so relative errors weigh alike.
    terms = _nearly_certain(p)
    terms[:, 0] += LEAST_LINEAR * terms[:, 1]
    weight = np.maximum(terms[:, 1], 1e-9) ** -1.5
    (quadratic, more), _ = nnls(terms * weight[:, None], left * weight)
    return float(quadratic), float(LEAST_LINEAR * quadratic + more)


def _fit_ends(p: Floats, left: Floats, own: Floats) -> Ends:
    if not own.any():
        return NONE
    undecided, scale = _undecided(p), np.maximum(own, 1e-12)
    (certain, half), _ = nnls(np.stack([1 - undecided, undecided], axis=-1), left / scale)
    return float(certain), float(half)
