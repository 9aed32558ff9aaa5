"""Digits with known answers: images whose p(digit | image) is known exactly, to hold an uncertainty against.

MNIST ─► PCA ─► a Gaussian for each digit ─► blended with one that all share ─► drawn ─► back to pixels

As each Gaussian is known, so is what Bayes' rule says of each image drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh, solve_triangular
from scipy.optimize import brentq
from scipy.special import softmax
from scipy.stats import binomtest

from howsure.evaluation.score import SMALLEST, Score
from howsure.results.thresholds import Thresholds
from howsure.statistics import entropy_of
from howsure.tasks.classification.result import Certainty
from howsure.tasks.verdict import COIN_FLIP, judge

Floats = NDArray[np.float64]
Images = NDArray[np.float32]
Integers = NDArray[np.int64]

DIGITS = 10
SIDE = 28
"""Height and width of an image, in pixels."""

REGULARISED = 0.01
"""Share of the overall covariance in that of each digit, so that none is singular."""

DRAWS = 50_000
"""Draws behind a Bayes error; at 5 %, its standard error is then about 0.05 points."""


@dataclass(frozen=True, eq=False)
class KnownDigits:
    """Images drawn from a known distribution, and the truth about each, to train on and to judge a model by.

    Pixels are brightness, about 0 to 1. Some lie outside, most by less than 0.1, and are left there: an image
    that is clipped, or rounded to bytes, has another posterior.

    `x` (N, 28, 28) are images, `y` (N,) the digits that they were drawn as, and `p` (N, 10) the exact
    p(digit | image). `bayes_error` is the share of mistakes of the best classifier there can be, measured on
    draws of its own, with its `standard_error`. It is set by `ambiguity`, the share of the variance that
    knows nothing of the digit, 0 to 1.
    """

    x_train: Images
    y_train: Integers
    p_train: Floats
    x_test: Images
    y_test: Integers
    p_test: Floats
    bayes_error: float
    standard_error: float
    ambiguity: float

    @cached_property
    def entropy(self) -> Floats:
        """(M,) nats, entropy of `p_test`: the true aleatoric uncertainty, which no training removes."""
        return entropy_of(self.p_test)

    @cached_property
    def coin_flips(self) -> NDArray[np.bool_]:
        """(M,) whether the two largest of `p_test` differ by at most 0.20: what a `coin flip` truly is."""
        return _are_coin_flips(self.p_test, Thresholds())

    def kl_from(self, probabilities: ArrayLike) -> Floats:
        """(M,) nats from the truth on `x_test`: KL(p ‖ q) = Σ p log(p/q) (Kullback, Leibler 1951).

        Below 2·10⁻¹⁶ a model's (M, 10) q count as that: a digit that it rules out costs 36 nats at most.
        """
        crossed = -np.sum(self.p_test * np.log(np.maximum(probabilities, SMALLEST)), axis=1)
        return np.asarray(np.maximum(crossed - self.entropy, 0.0))


def known_digits(
    images: ArrayLike,
    labels: ArrayLike,
    *,
    bayes_error: float = 0.05,
    components: int = 30,
    train: int,
    test: int,
    seed: int = 0,
) -> KnownDigits:
    """New digits like those given, with exact p(digit | image) and as much ambiguity as asked for.

    In the space of the first D principal components, where all images together have mean 0 and variances Λ,
    digit k has mean μ_k and covariance Σ_k. With ambiguity a, images of k are drawn from

        N(√(1 − a) μ_k, (1 − a) Σ_k + a Λ),

    and k comes as often as in `labels`; Bayes' rule then gives the posterior. A larger a adds noise that
    knows nothing of the digit, so the Bayes error E[1 − max p(k | image)] can only rise (Blackwell 1951), up
    to that of a guess. a is found by bracketing (Brent 1973), with the same random numbers for each a; the
    error it comes to is measured with others.

    Given are (N, 28, 28) bytes, such as MNIST's. More components D allow smaller errors, but what is drawn
    then looks less like digits; with MNIST's, 30 allow an error of 1 %.

    Raises:
        ValueError: A Bayes error that these images cannot have.
    """
    fitted = _fit(np.asarray(images), np.asarray(labels, np.int64), components)
    ambiguity = _ambiguity_for(bayes_error, fitted, seed)
    gaussians = fitted.at(ambiguity)
    reached, standard_error = _bayes_error(gaussians, [seed, 1])
    y_train, z_train = gaussians.draw(train, [seed, 2])
    y_test, z_test = gaussians.draw(test, [seed, 3])
    return KnownDigits(
        *(gaussians.images(z_train), y_train, gaussians.posterior(z_train)),
        *(gaussians.images(z_test), y_test, gaussians.posterior(z_test)),
        *(reached, standard_error, ambiguity),
    )


def coin_flip_scores(truth: ArrayLike, certainty: Certainty) -> tuple[Score, Score]:
    """Precision and recall of the rows called `coin flip`, given (N, K) exact p(class | row).

    Intervals are Wilson's at 95 % (1927). Of no rows: NaN, from 0 to 1.
    """
    true = _are_coin_flips(np.asarray(truth), certainty.thresholds)
    called = certainty.verdict == COIN_FLIP
    found = int(np.sum(true & called))
    return _share(found, int(called.sum())), _share(found, int(true.sum()))


# --- the distribution -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Gaussians:
    """One for each digit, in D principal components."""

    center: Floats  # (784,) mean image
    basis: Floats  # (784, D) orthonormal columns
    variances: Floats  # (D,) of all images
    prior: Floats  # (10,)
    means: Floats  # (10, D)
    covariances: Floats  # (10, D, D)

    def at(self, ambiguity: float) -> _Gaussians:
        """These, blended with the one of all images."""
        kept = 1 - ambiguity
        covariances = kept * self.covariances + ambiguity * np.diag(self.variances)
        return replace(self, means=np.sqrt(kept) * self.means, covariances=covariances)

    @cached_property
    def _factors(self) -> Floats:
        return np.asarray(np.linalg.cholesky(self.covariances))

    def draw(self, count: int, seed: Sequence[int]) -> tuple[Integers, Floats]:
        """Digits (N,) and coordinates (N, D)."""
        random = np.random.default_rng(seed)
        labels = random.choice(DIGITS, size=count, p=self.prior).astype(np.int64)
        z = random.standard_normal((count, len(self.variances)))
        for digit in range(DIGITS):
            rows = labels == digit
            z[rows] = self.means[digit] + z[rows] @ self._factors[digit].T
        return labels, z

    def posterior(self, z: Floats) -> Floats:
        """(N, 10) of coordinates (N, D)."""
        logs = np.empty((len(z), DIGITS))
        for digit, factor in enumerate(self._factors):
            whitener = solve_triangular(factor, np.eye(len(factor)), lower=True)
            squares = np.sum(((z - self.means[digit]) @ whitener.T) ** 2, axis=1)
            logs[:, digit] = np.log(self.prior[digit]) - np.sum(np.log(np.diag(factor))) - squares / 2
        return np.asarray(softmax(logs, axis=1))

    def images(self, z: Floats) -> Images:
        """(N, 28, 28) of coordinates (N, D)."""
        flat = np.empty((len(z), SIDE * SIDE), dtype=np.float32)
        for rows in _blocks(len(z)):
            flat[rows] = self.center + z[rows] @ self.basis.T
        return flat.reshape(-1, SIDE, SIDE)


def _fit(pixels: NDArray[np.uint8], labels: Integers, components: int) -> _Gaussians:
    flat = pixels.reshape(-1, SIDE * SIDE)
    center = flat.mean(axis=0) / 255
    covariance = np.zeros((SIDE * SIDE, SIDE * SIDE))
    for rows in _blocks(len(flat)):
        centred = flat[rows] / 255 - center
        covariance += centred.T @ centred / len(flat)
    last = SIDE * SIDE - 1
    variances, basis = eigh(covariance, subset_by_index=[last + 1 - components, last])
    variances, basis = variances[::-1], basis[:, ::-1]
    basis = basis * np.sign(basis[np.argmax(np.abs(basis), axis=0), np.arange(components)])
    z = np.concatenate([(flat[rows] / 255 - center) @ basis for rows in _blocks(len(flat))])
    each = [z[labels == digit] for digit in range(DIGITS)]
    own = np.stack([np.cov(of_digit.T, bias=True).reshape(components, components) for of_digit in each])
    prior, means = np.bincount(labels) / len(labels), np.stack([of_digit.mean(axis=0) for of_digit in each])
    covariances = (1 - REGULARISED) * own + REGULARISED * np.diag(variances)
    return _Gaussians(center, basis, variances, prior, means, covariances)


def _bayes_error(gaussians: _Gaussians, seed: Sequence[int]) -> tuple[float, float]:
    """Mean of 1 − max p over draws, and its standard error."""
    doubt = 1 - gaussians.posterior(gaussians.draw(DRAWS, seed)[1]).max(axis=1)
    return float(doubt.mean()), float(doubt.std(ddof=1) / np.sqrt(DRAWS))


def _ambiguity_for(wanted: float, fitted: _Gaussians, seed: int) -> float:
    least, most = _bayes_error(fitted, [seed, 0])[0], 1 - float(fitted.prior.max())
    if not least <= wanted < most:
        raise ValueError(f"These images cannot have a Bayes error of {wanted}, but {least:.2g} to {most:.2g}")
    return float(brentq(lambda a: _bayes_error(fitted.at(a), [seed, 0])[0] - wanted, 0.0, 1.0, xtol=1e-5))


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + 4096) for start in range(0, count, 4096))


# --- checks -----------------------------------------------------------------------------------


def _are_coin_flips(truth: Floats, thresholds: Thresholds) -> NDArray[np.bool_]:
    return np.asarray(judge(truth, np.zeros_like(truth), thresholds)[0] == COIN_FLIP)


def _share(count: int, total: int) -> Score:
    if total == 0:
        return Score(np.nan, 0.0, 1.0)
    interval = binomtest(count, total).proportion_ci(confidence_level=0.95, method="wilson")
    return Score(count / total, float(interval.low), float(interval.high))
