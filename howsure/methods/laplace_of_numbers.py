"""Last-layer Laplace for a regression, in closed form: nothing is drawn, so nothing has an error.

The last layer is linear, and answers are taken to scatter normally around what it says. Then the posterior
of its weights is exactly normal, and so is what they say of a row. This is Bayesian linear regression on the
features, around the weights that were trained (MacKay 1992; Bishop 2006, sections 3.3 to 3.5).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri

from howsure.arguments import check_flag
from howsure.data.align import aligned
from howsure.data.targets import check_numbers, target_names
from howsure.errors import InputError, ModelError
from howsure.judge.learnt import LearntRows, digests_of
from howsure.methods.last_layer import check_features, chunks, squared_norm
from howsure.models.features import Features
from howsure.models.protocol import VALUES, ModelInfo
from howsure.sampling.between import LEVELS
from howsure.sampling.outcome import Estimates, Floats, Outcome

ROUNDING = float(np.finfo(np.float32).eps)
"""Share of the largest number by which a network in single precision misses the training rows at least."""

NOT_APART = "Output {name} of the network is the same number for every row"


@dataclass(frozen=True, eq=False)
class LaplaceOfNumbers:
    """A normal distribution over the weights of a last layer with K numbers, from `fit_laplace_of_numbers`.

    Number k has a scatter σ and a prior precision δ of its own, as each number has a unit of its own. With
    inputs φ of the layer less their mean over the training rows, its weights have the covariance
    (Σ φ φᵀ / σ² + δ)⁻¹, and its bias, whose prior is flat, the variance σ²/N. Arrays are read-only.

    Attributes:
        noise: (K,) σ > 0, standard deviation of an answer around the network's, in the unit of the number.
        prior_precision: (K,) δ > 0, inverse prior variance of a weight, in 1 / unit².
        log_marginal_likelihood: log p(answers) in nats, with weights and bias integrated out. It compares
            networks on the same training rows; higher is better.
        train_rows: N, number of rows used for the fit.
        bias: True if the layer has a bias.
        centre: (F,) mean of the features over the training rows; 0 without a bias.
        input_vectors: V (F, F), eigenvectors of Σ φ φᵀ.
        variances: (K, F) of the weights in this basis, 1 / (b_j / σ² + δ) with b the eigenvalues.
        fingerprint: Fingerprint of the model of the fit, as in `Laplace`.
        learnt_rows: The training rows, as there.
    """

    noise: Floats
    prior_precision: Floats
    log_marginal_likelihood: float
    train_rows: int
    bias: bool
    centre: Floats = field(repr=False)
    input_vectors: Floats = field(repr=False)
    variances: Floats = field(repr=False)
    fingerprint: str = field(default="", repr=False)
    learnt_rows: LearntRows | None = field(default=None, repr=False)

    outputs = VALUES

    def __post_init__(self) -> None:
        for array in (self.noise, self.prior_precision, self.centre, self.input_vectors, self.variances):
            array.flags.writeable = False

    @property
    def width(self) -> int:
        """K."""
        return len(self.noise)

    @property
    def settings(self) -> dict[str, Any]:
        """The fit, as saved with a result."""
        return {"prior_precision": self.prior_precision.tolist(), "noise": self.noise.tolist()}

    def count(self, passes: object, link_approx: str) -> None:
        """None, or an `InputError` if a number of passes, or another way to probabilities, is given."""
        if passes is not None:
            raise no_effect("passes", None, passes)
        if link_approx != "mc":
            raise no_effect("link_approx", "mc", link_approx)

    def check(self, info: ModelInfo, outcome: Outcome) -> None:
        """Raise an error unless the answers for a row are numbers that a linear layer puts out."""
        if not outcome.has_unit:
            raise InputError(
                "This last-layer Laplace was fitted to a model whose answers are numbers",
                expected=f"{self.width} numbers per row (outputs='{VALUES}')",
                received=f"an output of {outcome.width} {outcome.name}",
            )
        check_numbers_alone(info, outcome)

    def spread(self, features: Features) -> Floats:
        """(N, K) standard deviation of each number, from what the training rows leave open of the last layer.

        √(Σ_j (V_jᵀ φ)² / (b_j / σ² + δ) + σ² / N), where φ are the features less `centre`; without a bias the
        last term is 0. Zero rows are allowed.

        Raises:
            InputError: Not `Features`, or those of another model.
        """
        given = check_features(features, len(self.centre), self.width, "numbers", self.fingerprint)
        variance = np.empty((len(given), self.width))
        for rows in chunks(len(given), *self.variances.shape):
            rotated = (given.features[rows] - self.centre) @ self.input_vectors
            variance[rows] = rotated**2 @ self.variances.T
        return np.sqrt(variance + (self.noise**2 / self.train_rows if self.bias else 0.0))

    def estimates(self, features: Features, seed: int, outcome: Outcome, passes: int | None) -> Estimates:
        """Mean, spread and quantiles of these rows; all errors are 0, and the one pass is the prediction."""
        spread, mean = self.spread(features), features.logits.astype(np.float64)
        exact = np.zeros_like(mean)
        quantiles = mean[..., None] + spread[..., None] * ndtri(np.array(LEVELS))
        return Estimates(
            mean=mean,
            error=exact,
            squared_error=exact,
            variance=spread**2,
            passes=np.ones(len(mean), dtype=np.int64),
            spread=spread,
            spread_error=exact,
            quantiles=quantiles,
            quantiles_error=np.zeros_like(quantiles),
        )


def no_effect(name: str, usual: object, given: object) -> InputError:
    """The error for an argument that matters for classes only."""
    return InputError(
        f"`{name}` would have no effect: for numbers, last-layer Laplace is exact and draws none",
        expected=repr(usual),
        received=repr(given),
    )


def check_numbers_alone(info: ModelInfo, outcome: Outcome) -> None:
    """Raise an error unless a model ends in a linear layer that puts out numbers and no variances.

    Raises:
        InputError: There are variances among its outputs.
        ModelError: An activation follows its last layer.
    """
    if outcome.width != outcome.answers:
        raise InputError(
            "Last-layer Laplace learns the scatter of answers itself, from the training rows",
            expected="a model that puts out numbers and no variances",
            received=f"model '{info.name}', which puts out a variance for each of {outcome.answers} numbers",
            hint="`howsure.Ensemble` and `howsure.MCDropout` use its variances",
        )
    if info.ending != "linear":
        raise ModelError(
            "Last-layer Laplace is exact only for numbers that a linear layer puts out, and model "
            f"'{info.name}' ends otherwise",
            expected="nothing after the last layer",
            received="something unknown" if info.ending is None else f"'{info.ending}'",
        )


def fit_laplace_of_numbers(features: Features, numbers: Floats, *, bias: bool = True) -> LaplaceOfNumbers:
    """Fit a normal distribution over the last layer's weights to the training rows of a regression.

    Scatter σ and prior precision δ of each number maximise the marginal likelihood of the answers y. With the
    squared residuals R = Σ (y − f)² around the network's f, the squared norm |w|² of the weights, eigenvalues
    b of Σ φ φᵀ, and N' = N, or N − 1 with a bias, it is (MacKay 1992; Immer and others 2021)

        log p(y) = constant − ½ (N' log σ² + R/σ² + δ |w|² + Σ_j log(1 + b_j/(σ² δ))).

    With γ = Σ_j b_j / (b_j + σ² δ), the number of weights that the rows determine, it is highest where
    σ² = R / (N' − γ) and δ = γ / |w|². Put together these are one equation of σ² δ, with one root. A unit a
    thousand times larger makes σ and the spread a thousand times larger, and nothing else.

    The layers before the last count as given. If they fit the training rows closely, σ is too small for new
    rows; `howsure.calibrate` learns it from held-out ones.

    Args:
        features: Features of all N rows that the model was trained on. With fewer rows, weights seem less
            certain than they are.
        numbers: (N, K) the answers, or (N,) for one; finite.
        bias: True if the last layer has a bias.

    Raises:
        InputError: Too few rows; answers that do not fit; outputs that no linear layer makes of these
            features, that are the same for every row, or that are the answers themselves.
    """
    check_features(features)
    check_flag(bias, "bias")
    rows, width = features.logits.shape
    if rows < 1 + bias:
        raise InputError("There are too few training rows", expected=f"at least {1 + bias}", received=rows)
    answers = check_numbers(
        aligned(numbers, features.called, "The numbers", "numbers", "x.index"),
        rows,
        target_names(None, width),
    )
    centre: Floats = np.zeros(features.features.shape[1])
    middle: Floats = np.zeros(width)
    if bias:
        centre, middle = (
            each.astype(np.float64).mean(axis=0) for each in (features.features, features.logits)
        )
    gram, cross = np.zeros((len(centre),) * 2), np.zeros((len(centre), width))
    squares, residuals = np.zeros(width), np.zeros(width)
    for chunk in chunks(rows, width, len(centre)):
        inputs, said = features.features[chunk] - centre, features.logits[chunk].astype(np.float64)
        gram += inputs.T @ inputs
        cross += inputs.T @ (said - middle)
        squares += ((said - middle) ** 2).sum(axis=0)
        residuals += ((answers[chunk] - said) ** 2).sum(axis=0)
    values, vectors = np.linalg.eigh(gram)
    values, freedom = np.maximum(values, 0), rows - bias
    found, evidence = [], 0.0
    for k in range(width):
        told = cross[:, k : k + 1] / rows
        norm = squared_norm(values / rows, vectors.T @ told, squares[k] / rows, NOT_APART.format(name=k))
        _check_residuals(residuals[k] / rows, float(np.abs(answers[:, k]).max()), k)
        ratio = _most_probable_ratio(values, residuals[k] / norm, freedom)
        determined = float(np.sum(values / (values + ratio)))
        precision = determined / norm
        variance = ratio / precision  # R / (N' − γ), without the difference of nearly equal numbers
        found.append((np.sqrt(variance), precision, 1 / (values / variance + precision)))
        evidence -= (
            rows * np.log(2 * np.pi * variance)
            + residuals[k] / variance
            + precision * norm
            + np.sum(np.log1p(values / ratio))
            - (np.log(2 * np.pi * variance / rows) if bias else 0.0)
        ) / 2
    noise, precisions, variances = (np.array(each) for each in zip(*found, strict=True))
    return LaplaceOfNumbers(
        *(noise, precisions, float(evidence), rows, bool(bias), centre, vectors, variances),
        fingerprint=features.fingerprint,
        learnt_rows=LearntRows.of_digests(digests_of(features.logits)),
    )


def _check_residuals(mean_square: float, largest: float, k: int) -> None:
    """Raise an `InputError` if the network misses no training row, but for rounding."""
    if mean_square <= (ROUNDING * largest) ** 2:
        raise InputError(
            f"Output {k} of the network is the answer itself in every training row, so these rows do not "
            "tell how far answers scatter",
            expected="training rows of which the network misses some",
        )


def _most_probable_ratio(values: Floats, ratio: float, freedom: int) -> float:
    """λ = σ² δ, which solves λ (N' − γ) = γ R/|w|², γ = Σ b / (b + λ), over the eigenvalues b.

    The left side rises with λ, and the right side falls. With T = Σ b and q = T R / (N' |w|²), the root is at
    least the positive root of λ (λ + max b) = q, and at most the larger of 2 T/N' and √(2 q).
    """
    total, largest = float(values.sum()), float(values.max())
    q = total * ratio / freedom
    low = 2 * q / (largest + np.sqrt(largest**2 + 4 * q))
    high = max(2 * total / freedom, np.sqrt(2 * q))
    ends = np.log([low, high]) + [-1e-6, 1e-6]  # widened for rounding

    def apart(log: float) -> float:
        determined = np.sum(values / (values + np.exp(log)))
        return float(np.exp(log) * (freedom - determined) - determined * ratio)

    return float(np.exp(brentq(apart, *ends, xtol=1e-13)))
