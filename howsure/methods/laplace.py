"""Last-layer Laplace: uncertainty about the weights of the last layer, given the training rows.

A network is trained as usual. Then the weights of its last layer get a normal distribution around their
trained values. The curvature of the training loss sets its width (MacKay 1992; Daxberger and others 2021).
Every pass draws these weights once; everything before the last layer stays fixed. It is for models that put
each row into one class.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy  # `scipy.optimize` takes long to load, and loads when it is used
from numpy.typing import ArrayLike
from scipy.linalg import helmert
from scipy.special import log_softmax, softmax

from howsure.adapters.features import Features, read_features
from howsure.adapters.fingerprint import check_fingerprint, fingerprint_of
from howsure.adapters.protocol import FeatureModel, ModelInfo
from howsure.adapters.resolve import resolve_model
from howsure.arguments import accept_alias, check_flag, check_whole
from howsure.errors import HowsureWarning, InputError, ModelError
from howsure.evaluation.fitted_rows import FittedRows, digests_of
from howsure.inputs.align import aligned
from howsure.inputs.labels import check_class_names, check_labels
from howsure.inputs.rows import cast_rows
from howsure.methods.protocol import Job, Needs, OwnMethod, Passes, Progress
from howsure.request import Request
from howsure.sampling.design import DesignEffect
from howsure.sampling.estimate import RunningMoments
from howsure.sampling.outcome import Estimates, Floats, Integers, Outcome
from howsure.sampling.sketch import with_networks
from howsure.tasks.task import outcome_of

DEFAULT_PASSES = 100

BATCH_SIZE = 256
"""Training rows that run together, as in `howsure.assess`."""

AT_ONCE = 1 << 22
"""Numbers in an array of intermediate results, 32 MiB; limits memory."""

LEAST_VALUE = 1e-10
"""Least eigenvalue, relative to the largest, that still determines weights; float32 rounds to 1e-7."""

LARGEST_RESIDUAL = 0.02
"""Share of the variation of logits that a linear layer may leave unexplained; bfloat16 leaves 0.004."""

FITTED = "This last-layer Laplace was fitted to"
REFIT = "Fit it again: LastLayerLaplace.fit(model, x, labels)"

SKEWED = 7.8
"""Errors of R pairs are widened by 1 + 7.8/R. The part of a pair that does not cancel is, at worst,
proportional to one squared normal number. The mean of such skewed numbers lies outside ± 1.96 t-errors too
often. The size of the correction follows from an Edgeworth expansion; tests show that the intervals then
cover."""

IN_PAIRS = DesignEffect(spread=2.0)
"""The two passes of a pair lie about equally far from the mean, on opposite sides. For the standard deviation
they count as one pass; for the share below a quantile they count as at least two."""


@dataclass(frozen=True, eq=False)
class Laplace:
    """A normal distribution over the weights of a last layer, made by `fit_laplace`. Arrays are read-only.

    Its covariance is (A ⊗ B + δ)⁻¹. It is stored for differences between classes: a shift shared by all
    classes changes nothing.

    Attributes:
        prior_precision: δ > 0, the inverse prior variance of a weight.
        log_marginal_likelihood: log p(labels) in nats, with the weights integrated out. It compares networks
            on the same training rows; higher is better.
        train_rows: N, number of rows used for the fit.
        bias: True if the layer has a bias.
        class_vectors: U (K, K − 1), eigenvectors of A; each sums to 0.
        input_vectors: V (D, D), eigenvectors of B; D is F, or F + 1 with a bias.
        variances: (K − 1, D) of the weights in this basis, which are independent: 1 / (a_i b_j + δ), with
            a, b the eigenvalues.
        fingerprint: Fingerprint of the model of the fit, as in `howsure.adapters.fingerprint`. Features of
            another model, or of this one trained further, are refused. Empty if it is not known: as for
            features that you made yourself, or that an older version pickled.
        learnt_rows: The training rows, as it knows them again; None if they were not kept.
    """

    prior_precision: float
    log_marginal_likelihood: float
    train_rows: int
    bias: bool
    class_vectors: Floats = field(repr=False)
    input_vectors: Floats = field(repr=False)
    variances: Floats = field(repr=False)
    fingerprint: str = field(default="", repr=False)
    learnt_rows: FittedRows | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for array in (self.class_vectors, self.input_vectors, self.variances):
            array.flags.writeable = False

    def pairs(self, features: Features, count: int, seed: int) -> Iterator[tuple[int, slice, Floats]]:
        """Number of a pair, a slice of rows, and their (2, n, K) probabilities.

        A pass is the same network for every row. The two of an antithetic pair are drawn with Z and −Z, so
        errors of first order cancel. Pairs are independent.

        Weights are drawn as U (Z ∘ √variances) Vᵀ (Ritter and others 2018). Instead of each draw, the rows
        are rotated by V. Memory does not grow with `count`.

        Args:
            features: Features of N rows, from the fitted model; zero rows are allowed.
            count: Number of pairs.
            seed: Seed of the weights, ≥ 0.

        Raises:
            InputError: Not `Features`, those of another model, or a seed out of range.
        """
        check_whole(seed, "seed", least=0)
        shape, deviations = self.variances.shape, np.sqrt(self.variances)
        for rows in chunks(len(features), *self.variances.shape):
            rotated, logits = self._rotated(features, rows), _of_classes(features.logits[rows])
            for pair in range(count):
                drawn = deviations * np.random.default_rng([seed, pair]).standard_normal(shape)
                change = rotated @ drawn.T @ self.class_vectors.T
                yield pair, rows, softmax(np.stack([logits + change, logits - change]), axis=-1)

    def estimates(self, features: Features, seed: int, outcome: Outcome, passes: int) -> Estimates:
        """Estimates from the passes over a block of rows, each pair a group of its own."""
        moments = RunningMoments.of(len(features), outcome)
        for _, rows, values in self.pairs(features, passes // 2, seed):
            moments.add_group(values, outcome, rows)
        estimates = moments.estimates(outcome)
        estimates = replace(estimates, error=(1 + 2 * SKEWED / passes) * estimates.error)
        return with_networks(estimates, moments.sketch, outcome, IN_PAIRS)

    def _rotated(self, features: Features, rows: slice = slice(None)) -> Floats:
        """(n, D) inputs of the layer in the eigenbasis of B."""
        width, classes = len(self.input_vectors) - self.bias, len(self.class_vectors)
        check_features(features, width, classes, self.fingerprint)
        return inputs_of(features.features[rows], self.bias) @ self.input_vectors


def fit_laplace(
    features: Features,
    labels: Any,
    *,
    bias: bool = True,
    class_names: Sequence[str] | None = None,
) -> Laplace:
    """Fit a normal distribution over the last layer's weights to the training rows.

    With inputs φ of the layer (the features, and 1 for the bias) and probabilities p of N training rows, the
    curvature of the loss is approximated by A ⊗ B, A = Σ (diag p − p pᵀ) and B = Σ φ φᵀ / N. This is the
    generalised Gauss-Newton matrix, here equal to Fisher's, with A and B averaged separately (Ritter and
    others 2018). All weights W have the prior N(0, 1/δ). δ maximises the marginal likelihood of the labels
    (Daxberger and others 2021):

        log p(y) ≈ Σ log p_y − ½ (δ |W|² + Σ_ij log(1 + a_i b_j / δ)), a and b being the eigenvalues.

    W is computed from logits and features, without the part shared by all classes. Labels enter only the
    first term. The curvature uses the probabilities, so a class may be missing among the labels.

    Args:
        features: Features of all N rows that the model was trained on. With fewer rows, weights seem less
            certain than they are.
        labels: (N,) true classes in [0, K), or 0 and 1 for one sigmoid; or names, or one-hot.
        bias: True if the last layer has a bias.
        class_names: K names in the order of the outputs, if labels are names.

    Raises:
        InputError: No rows; labels that do not fit; logits that no linear layer makes of these features. Or
            logits that do not separate classes, or are so large that the loss has no curvature.
    """
    check_features(features)
    check_flag(bias, "bias")
    rows, classes = len(features), max(2, features.logits.shape[1])
    if not rows:
        raise InputError("There are no training rows", expected="at least 1")
    labels = aligned(labels, features.called, of="x.index")
    truth = check_labels(labels, rows, classes, check_class_names(class_names, classes))
    contrasts = helmert(classes).T  # (K, K − 1), orthonormal, each column sums to 0
    width = features.features.shape[1] + bias
    both, gram, cross = np.zeros((classes,) * 2), np.zeros((width,) * 2), np.zeros((width, classes - 1))
    squares = log_likelihood = 0.0
    for chunk in chunks(rows, classes, width):
        inputs, logits = inputs_of(features.features[chunk], bias), _of_classes(features.logits[chunk])
        log_p, apart = log_softmax(logits, axis=1), (logits - logits[:, :1]) @ contrasts
        p = np.exp(log_p)
        both += p.T @ p
        gram += inputs.T @ inputs / rows
        cross += inputs.T @ apart / rows
        squares += float(np.sum(apart**2)) / rows
        log_likelihood += float(log_p[np.arange(len(log_p)), truth[chunk]].sum())
    b, vectors = np.linalg.eigh(gram)
    norm = squared_norm(b, vectors.T @ cross, squares)
    a, within = np.linalg.eigh(_fisher(both, contrasts))
    curvatures = np.outer(np.maximum(a, 0), np.maximum(b, 0))
    precision = _most_probable_precision(curvatures, norm)
    evidence = log_likelihood - (precision * norm + float(np.sum(np.log1p(curvatures / precision)))) / 2
    variances = 1 / (curvatures + precision)
    posterior = precision, evidence, rows, bool(bias), contrasts @ within, vectors, variances
    return Laplace(*posterior, features.fingerprint, FittedRows.of_digests(digests_of(features.logits)))


def _fisher(products: Floats, contrasts: Floats) -> Floats:
    """(K − 1, K − 1) Σ (diag p − p pᵀ) in a basis of contrasts (K, K − 1), from Σ p pᵀ (K, K)."""
    apart = products * (1 - np.eye(len(contrasts)))
    # p_k (1 − p_k) is the sum of p_k p_l over other l: avoids cancellation.
    own = np.diag(apart.sum(axis=-1))
    return np.asarray(contrasts.T @ (own - apart) @ contrasts)


def _most_probable_precision(curvature: Floats, norm: float) -> float:
    """The most probable δ, which solves δ · norm = Σ c / (c + δ) over the curvatures c.

    With T = Σ c, it is at most √(T / norm), and at least the positive root of δ (δ + max c) = T / norm.
    """
    ratio, largest = float(curvature.sum()) / norm, float(curvature.max())
    if not ratio > 0:
        raise InputError(
            "The loss has no curvature: all rows are predicted with a probability of exactly 1",
            expected="logits that leave a doubt about some training rows",
            hint="Check that these are logits, and not far larger than in training",
        )
    low, high = 2 * ratio / (largest + np.sqrt(largest**2 + 4 * ratio)), np.sqrt(ratio)
    ends = np.log([low, high]) + [-1e-6, 1e-6]  # widened for rounding
    root = scipy.optimize.brentq(
        lambda log: np.exp(log) * norm - np.sum(curvature / (curvature + np.exp(log))), *ends
    )
    return float(np.exp(root))


@dataclass(frozen=True, eq=False)
class LastLayerLaplace(OwnMethod):
    """Networks with different last layers, distributed as a Laplace approximation says.

    It is for models that put each row into one class. It needs neither random layers nor a second training.
    It cannot see uncertainty in the layers before the last.

    Args:
        posterior: The normal distribution from which the weights of networks are drawn, as `fit` learns it.
            `posterior.prior_precision` is the inverse prior variance of a weight, and `posterior.variances`
            are those after training. `posterior.log_marginal_likelihood`, log p(labels) in nats, compares
            networks on the same training rows. `posterior.train_rows` is their number.
        passes: S, even and ≥ 4, since the error is estimated from differences between pairs.
    """

    posterior: Laplace
    passes: int = DEFAULT_PASSES

    def __post_init__(self) -> None:
        if not isinstance(self.posterior, Laplace):
            raise InputError(
                "`posterior` cannot be used",
                expected="what `fit_laplace` made",
                received=type(self.posterior).__name__,
            )
        check_whole(self.passes, "passes", least=4, even=True)

    @classmethod
    @accept_alias
    def fit(
        cls,
        model: Any,
        x: Any,
        labels: Any = None,
        *,
        bias: bool = True,
        passes: int = DEFAULT_PASSES,
        class_names: Sequence[str] | None = None,
        outputs: str | None = None,
    ) -> LastLayerLaplace:
        """Fit to a model and its (N, …) training rows, at the cost of one plain prediction for them.

        Labels may come with the rows, as for `howsure.assess`. `outputs` says what the model puts out, where
        nothing else does. For the rest see `fit_laplace`.

        Raises:
            InputError: The model does not put each row into one class. Or as in `fit_laplace`.
            ModelError: It does not end in a linear layer; activations may follow it.
        """
        handle = resolve_model(model)
        all_rows = handle.rows(x)
        reader, rows = handle.ready(all_rows, FeatureModel, cls.__name__)
        _check_classes_of(reader.info, outputs, class_names)
        names = handle.class_names(all_rows, class_names)
        labels = all_rows.truth(names) if labels is None else aligned(labels, all_rows, of="x.index")
        if labels is None:
            raise InputError("The true answers are not known", expected="labels, one for each row")
        inputs = cast_rows(rows, reader.info.inputs)
        read = read_features(reader, inputs, BATCH_SIZE)
        features = replace(read, fingerprint=fingerprint_of(reader))
        return cls(fit_laplace(features, labels, bias=bias, class_names=names), passes)

    @property
    def settings(self) -> dict[str, Any]:
        """Name and settings, as saved with a result."""
        words = {
            "pass": "your model with other weights in its last layer",
            "more": "passes={passes}",
            "shows": "its passes tell what the training rows leave open in the last layer",
        }
        return {
            "name": "last-layer Laplace",
            "passes": int(self.passes),
            "prior_precision": self.posterior.prior_precision,
            "train_rows": self.posterior.train_rows,
            "words": words,
        }

    in_words = "The mean over networks whose last layers differ, as far as the training rows leave them open."

    @property
    def needs(self) -> Needs:
        """Features of the last layer."""
        return Needs(FeatureModel, fitted=True)

    def begin(self, job: Job) -> Passes:
        """Prepare the passes. Features are computed once for each block.

        Raises:
            InputError: The model does not put each row into one class; or it was fitted to another model, or
                to this one before it was trained further.
        """
        _check_classes(job.model.info, job.outcome)
        check_fingerprint(FITTED, self.posterior.fingerprint, fingerprint_of(job.model), REFIT)
        fitted_rows, logits = self.posterior.learnt_rows, list[Any]()

        def draw(numbers: Integers, progress: Progress) -> Estimates:
            inputs = [rows[numbers] for rows in job.rows]
            features = read_features(job.model, inputs, job.batch_size)
            logits[:] = [features.logits]
            estimates = self.posterior.estimates(features, job.seed, job.outcome, self.passes)
            job.paid(len(numbers))
            progress(len(numbers))
            return estimates

        learnt = None if fitted_rows is None else lambda: fitted_rows.among_digests(digests_of(logits[0]))
        return Passes(draw, learnt_from=learnt)


def _check_classes_of(info: ModelInfo, outputs: str | None, names: Sequence[str] | None) -> None:
    """Raise an `InputError` unless a model puts each row into one class, as far as the model says it."""
    try:
        # Warnings come when rows are assessed.
        with warnings.catch_warnings(action="ignore", category=HowsureWarning):
            outcome = outcome_of(info, Request(outputs=outputs, class_names=names))
    except ModelError:
        if outputs is not None:
            raise
        return  # the labels tell
    _check_classes(info, outcome)


def _check_classes(info: ModelInfo, outcome: Outcome) -> None:
    """Raise an `InputError` unless the answer for a row is one class."""
    if outcome.are_probabilities and outcome.has_one_top:
        return
    raise InputError(
        "Last-layer Laplace is for models that put each row into one class",
        expected="a softmax, one sigmoid, or logits",
        received=f"model '{info.name}', with an output of {outcome.width} {outcome.name}",
        hint="For a regression in PyTorch there is the package laplace-torch. howsure.calibrate(result, y) "
        "learns the noise from held-out rows"
        if outcome.has_unit
        else None,
    )


def _of_classes(logits: ArrayLike) -> Floats:
    """(n, K) logits in double precision; a single sigmoid's logit gets a 0 beside it."""
    values = np.asarray(logits, dtype=np.float64)
    return np.concatenate([np.zeros_like(values), values], axis=1) if values.shape[1] == 1 else values


def inputs_of(features: ArrayLike, bias: bool) -> Floats:
    """(n, D) inputs of the last layer: the features, and 1 for the bias."""
    values = np.asarray(features, dtype=np.float64)
    return np.concatenate([values, np.ones((len(values), 1))], axis=1) if bias else values


def chunks(rows: int, *widths: int) -> Iterator[slice]:
    """Slices of rows whose intermediate results, of these widths, fit into memory."""
    size = max(1, AT_ONCE // max(widths))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


def check_features(
    features: object, width: int | None = None, classes: int = 0, fingerprint: str = ""
) -> Features:
    """The features, or an `InputError` unless these are `Features`, and of the model of the fit.

    Args:
        features: The argument of the caller.
        width: How many features a row has; None for any number.
        classes: How many classes, two for one sigmoid.
        fingerprint: Fingerprint of the model of the fit.
    """
    expected = "`Features`" + ("" if width is None else f" of {width} features and {classes} classes")
    if not isinstance(features, Features):
        raise InputError("These are no features of rows", expected=expected, received=type(features).__name__)
    sizes = features.features.shape[1], max(2, features.logits.shape[1])
    if width is not None and sizes != (width, classes):
        raise InputError("These rows are of another model", expected=expected, received=sizes)
    check_fingerprint(FITTED, fingerprint, features.fingerprint, REFIT)
    return features


def squared_norm(values: Floats, cross: Floats, squares: float) -> float:
    """|W|² of the smallest weights that map inputs to logits, or an `InputError`.

    Computed from eigenvalues of the inputs' mean products (D,), mean products of inputs and logits (D, K − 1)
    in that basis, and the mean squared logits.

    Args:
        values: The eigenvalues, of which at least one is positive.
        cross: The mean products.
        squares: The mean squares, summed over differences of logits.
    """
    large = values > LEAST_VALUE * values.max()
    weights = cross[large] / values[large, None]
    explained = float(np.sum(weights * cross[large]))
    if squares == 0 or not explained > 0:
        raise InputError("The logits do not tell classes apart: they are equal", expected="a trained model")
    if squares - explained > LARGEST_RESIDUAL**2 * squares:
        raise InputError(
            "The logits are not what a linear layer makes of these features",
            received=f"{100 * (1 - explained / squares):.2g} % of their variance unexplained",
            hint="Take what the last layer puts out before its activation, as in `predict`, and check `bias`",
        )
    return float(np.sum(weights**2))
