"""Last-layer Laplace: uncertainty about the weights of the last layer, given the training rows.

A network is trained as usual. Then the weights of its last layer get a normal distribution around their
trained values. The curvature of the training loss sets its width (MacKay 1992; Daxberger and others 2021).
For classes, every pass draws these weights once; everything before the last layer stays fixed. For numbers
nothing has to be drawn: see `howsure/methods/laplace_of_numbers.py`.
"""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import helmert
from scipy.optimize import brentq
from scipy.special import log_softmax, logsumexp, softmax

from howsure.answers.registry import outcome_of
from howsure.arguments import check_choice, check_flag, check_whole
from howsure.data.align import aligned
from howsure.data.labels import check_class_names, check_labels
from howsure.data.rows import cast_rows
from howsure.errors import HowsureWarning, InputError, ModelError
from howsure.judge.learnt import LearntRows, digests_of
from howsure.methods.laplace_of_numbers import (
    LaplaceOfNumbers,
    check_numbers_alone,
    fit_laplace_of_numbers,
    no_effect,
)
from howsure.methods.last_layer import FITTED, REFIT, check_features, chunks, inputs_of, squared_norm
from howsure.methods.misplaced_arguments import named_either_way
from howsure.methods.protocol import Job, Method, Needs, Passes, Progress
from howsure.models.adapt import opened
from howsure.models.features import Features, read_features
from howsure.models.fingerprint import check_fingerprint, fingerprint_of
from howsure.models.protocol import PROBABILITIES, FeatureModel, ModelInfo
from howsure.request import Request
from howsure.sampling.design import DesignEffect
from howsure.sampling.estimate import Sums
from howsure.sampling.outcome import Estimates, Floats, Integers, Outcome, Told
from howsure.sampling.sketch import with_networks

DEFAULT_PASSES = 100

BATCH_SIZE = 256
"""Training rows that run together, as in `howsure.assess`."""

NOT_APART = "The logits do not tell classes apart: they are equal"

SKEWED = 7.8
"""Errors of R pairs are widened by 1 + 7.8/R. The part of a pair that does not cancel is, at worst,
proportional to one squared normal number. The mean of such skewed numbers lies outside ± 1.96 t-errors too
often. The size of the correction follows from an Edgeworth expansion; tests show that the intervals then
cover."""

KRONECKER, EXACT = "kronecker", "exact"
"""How the curvature is represented."""

MC, PROBIT = "mc", "probit"
"""How probabilities follow from normal logits; the names are those of Daxberger and others 2021."""

MOST_WEIGHTS = 4_000
"""Weights of which the exact curvature is computed, (K − 1) D. A fit takes 0.5 GB and 30 s then, on a thread
of a busy machine; 2,000 weights took 0.2 GB and 5 s. Both grow with the square and the cube."""

IN_PAIRS = DesignEffect(spread=2.0)
"""The two passes of a pair lie about equally far from the mean, on opposite sides. For the standard deviation
they count as one pass; for the share below a quantile they count as at least two."""


@dataclass(frozen=True, eq=False)
class Laplace:
    """A normal distribution over the weights of a last layer, made by `fit_laplace`. Arrays are read-only.

    Its covariance is (A ⊗ B + δ)⁻¹, or (H + δ)⁻¹ with the exact curvature H. It is stored for differences
    between classes: a shift shared by all classes changes nothing.

    Attributes:
        prior_precision: δ > 0, the inverse prior variance of a weight.
        log_marginal_likelihood: log p(labels) in nats, with the weights integrated out. It compares networks
            on the same training rows; higher is better.
        train_rows: N, number of rows used for the fit.
        bias: True if the layer has a bias.
        class_vectors: U (K, K − 1), eigenvectors of A; each sums to 0. Any such basis for exact curvature.
        input_vectors: V (D, D), eigenvectors of B; D is F, or F + 1 with a bias.
        variances: (K − 1, D) of the weights in this basis. They are 1 / (a_i b_j + δ), with a, b the
            eigenvalues, and independent, unless the curvature is exact.
        factor: L (P, P) with L Lᵀ = (H + δ)⁻¹ in this basis, P being (K − 1) D; None if the curvature is a
            Kronecker product.
        fingerprint: Fingerprint of the model of the fit, as in `howsure.models.fingerprint`. Features of
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
    factor: Floats | None = field(default=None, repr=False)
    fingerprint: str = field(default="", repr=False)
    learnt_rows: LearntRows | None = field(default=None, repr=False)

    outputs = PROBABILITIES
    noise = None

    def __post_init__(self) -> None:
        for array in (self.class_vectors, self.input_vectors, self.variances, self.factor):
            if array is not None:
                array.flags.writeable = False

    @property
    def width(self) -> int:
        """K."""
        return len(self.class_vectors)

    @property
    def settings(self) -> dict[str, Any]:
        """The fit, as saved with a result."""
        exact = {} if self.factor is None else {"curvature": EXACT}
        return {"prior_precision": self.prior_precision, **exact}

    def count(self, passes: int | None, link_approx: str) -> int | None:
        """How many passes to draw, None for none; or an `InputError` unless that is even and at least 4."""
        if link_approx == PROBIT:
            if passes is not None:
                raise InputError(
                    f"`passes` would have no effect: with link_approx='{PROBIT}' none are drawn",
                    expected="None",
                    received=repr(passes),
                )
            return None
        wanted = DEFAULT_PASSES if passes is None else passes
        check_whole(wanted, "passes", least=4, even=True)
        return wanted

    def check(self, info: ModelInfo, outcome: Outcome) -> None:
        """Raise an `InputError` unless the answer for a row is one class."""
        if not (outcome.are_probabilities and outcome.has_one_top):
            raise InputError(
                "This last-layer Laplace was fitted to a model that puts each row into one class",
                expected="a softmax, one sigmoid, or logits",
                received=f"an output of {outcome.width} {outcome.name}",
            )

    def _covariance(self, rotated: Floats) -> Floats:
        """(n, K, K) covariance of logits, from inputs of the layer in the basis V.

        U diag_i(Σ_j variances_ij (V_jᵀφ)²) Uᵀ; with the exact curvature J L Lᵀ Jᵀ, J being U ⊗ φᵀ.
        """
        if self.factor is None:
            turned = self.class_vectors * (rotated**2 @ self.variances.T)[:, None]
            return np.asarray(turned @ self.class_vectors.T)
        found = np.empty((len(rotated), self.width, self.width))
        factor = np.tensordot(self.class_vectors, self.factor.reshape(*self.variances.shape, -1), axes=1)
        for rows in chunks(len(rotated), self.width * self.variances.size):
            each = np.tensordot(rotated[rows], factor, axes=(1, 1))  # (n, K, P)
            found[rows] = each @ each.swapaxes(1, 2)
        return found

    def probit(self, features: Features) -> Floats:
        """(N, K) mean probabilities by the probit approximation; they add up to 1. Zero rows are allowed.

        With the mean f and the covariance C of a row's logits, p_k is proportional to

            1 / Σ_l exp(κ_kl (f_l − f_k)),   κ_kl = 1 / √(1 + π σ²_kl / 8),   σ²_kl = C_kk + C_ll − 2 C_kl.

        With two classes this is MacKay's (1992) approximation. With more it is the mean field of Lu and
        others (2020, "mf2"), which no shift of all logits changes.

        Raises:
            InputError: Not `Features`, or those of another model.
        """
        found = np.empty((len(features), self.width))
        for rows in chunks(len(features), self.width**2, len(self.input_vectors)):
            covariance = self._covariance(self._rotated(features, rows))
            of_each, logits = np.einsum("nkk->nk", covariance), _of_classes(features.logits[rows])
            apart = of_each[:, :, None] + of_each[:, None] - 2 * covariance
            ahead = (logits[:, None] - logits[:, :, None]) / np.sqrt(1 + np.pi / 8 * np.maximum(apart, 0))
            found[rows] = softmax(-logsumexp(ahead, axis=2), axis=1)
        return found

    def passes(self, features: Features, count: int, seed: int = 0) -> Floats:
        """(S, N, K) probabilities of S passes; pass t is the same network for every row.

        Passes 2i and 2i + 1 are an antithetic pair, drawn with Z and −Z, in which errors of first order
        cancel. Pairs are independent.

        Args:
            features: Features of N rows, from the fitted model; zero rows are allowed.
            count: S, even and ≥ 2.
            seed: Seed of the weights, ≥ 0.

        Raises:
            InputError: Not `Features`, or those of another model; a count or seed out of range.
        """
        check_whole(count, "count", least=2, even=True)
        drawn = np.empty((count, len(features), len(self.class_vectors)))
        for pair, rows, values in self.pairs(features, count // 2, seed):
            drawn[2 * pair : 2 * pair + 2, rows] = values
        return drawn

    def pairs(self, features: Features, count: int, seed: int) -> Iterator[tuple[int, slice, Floats]]:
        """Number of a pair, a slice of rows, and their (2, n, K) probabilities; see `passes`.

        Weights are drawn as U (Z ∘ √variances) Vᵀ (Ritter and others 2018), and with the exact curvature L z
        takes the place of the product in brackets. Instead of each draw, the rows are rotated by V. Memory
        does not grow with `count`.
        """
        check_whole(seed, "seed", least=0)
        shape, deviations = self.variances.shape, np.sqrt(self.variances)
        for rows in chunks(len(features), *self.variances.shape):
            rotated, logits = self._rotated(features, rows), _of_classes(features.logits[rows])
            for pair in range(count):
                drawn = np.random.default_rng([seed, pair]).standard_normal(shape)
                if self.factor is None:
                    drawn *= deviations
                else:
                    drawn = (self.factor @ drawn.ravel()).reshape(shape)
                change = rotated @ drawn.T @ self.class_vectors.T
                yield pair, rows, softmax(np.stack([logits + change, logits - change]), axis=-1)

    def estimates(self, features: Features, seed: int, outcome: Outcome, passes: int | None) -> Estimates:
        """Estimates from the passes over a block of rows, each pair a group of its own; or the probit."""
        if passes is None:
            return Estimates.alone(self.probit(features), outcome)
        sums = Sums.of(len(features), outcome)
        for _, rows, values in self.pairs(features, passes // 2, seed):
            sums.add_group(values, outcome, rows)
        found = sums.estimates(outcome)
        found = replace(found, error=(1 + 2 * SKEWED / passes) * found.error)
        return with_networks(found, sums.sketch, outcome, IN_PAIRS)

    def _rotated(self, features: Features, rows: slice = slice(None)) -> Floats:
        """(n, D) inputs of the layer in the eigenbasis of B."""
        width, classes = len(self.input_vectors) - self.bias, len(self.class_vectors)
        check_features(features, width, classes, "classes", self.fingerprint)
        return inputs_of(features.features[rows], self.bias) @ self.input_vectors


def fit_laplace(
    features: Features,
    labels: Any,
    *,
    bias: bool = True,
    class_names: Sequence[str] | None = None,
    curvature: str = KRONECKER,
) -> Laplace:
    """Fit a normal distribution over the last layer's weights to the training rows.

    With inputs φ of the layer (the features, and 1 for the bias) and probabilities p of N training rows, the
    curvature of the loss is approximated by A ⊗ B, A = Σ (diag p − p pᵀ) and B = Σ φ φᵀ / N. This is the
    generalised Gauss-Newton matrix, here equal to Fisher's, with A and B averaged separately (Ritter and
    others 2018). Without the approximation it is H = Σ (diag p − p pᵀ) ⊗ φ φᵀ. All weights W have the prior
    N(0, 1/δ). δ maximises the marginal likelihood of the labels (Daxberger and others 2021):

        log p(y) ≈ Σ log p_y − ½ (δ |W|² + Σ_ij log(1 + a_i b_j / δ)), a and b being the eigenvalues,

    or those of H in place of the a_i b_j.

    W is computed from logits and features, without the part shared by all classes. Labels enter only the
    first term. The curvature uses the probabilities, so a class may be missing among the labels.

    Args:
        features: Features of all N rows that the model was trained on. With fewer rows, weights seem less
            certain than they are.
        labels: (N,) true classes in [0, K), or 0 and 1 for one sigmoid; or names, or one-hot.
        bias: True if the last layer has a bias.
        class_names: K names in the order of the outputs, if labels are names.
        curvature: `kronecker` for A ⊗ B, or `exact` for H, with up to 4,000 weights, (K − 1) D.

    Raises:
        InputError: No rows; labels that do not fit; logits that no linear layer makes of these features. Or
            logits that do not separate classes, or are so large that the loss has no curvature. Or too many
            weights for the exact curvature.
    """
    check_choice(curvature, (KRONECKER, EXACT), "curvature")
    check_features(features)
    check_flag(bias, "bias")
    rows, classes = len(features), max(2, features.logits.shape[1])
    if not rows:
        raise InputError("There are no training rows", expected="at least 1")
    labels = aligned(labels, features.called, of="x.index")
    truth = check_labels(labels, rows, classes, check_class_names(class_names, classes))
    contrasts = helmert(classes).T  # (K, K − 1), orthonormal, each column sums to 0
    width = features.features.shape[1] + bias
    whole = None if curvature == KRONECKER else _no_curvature(classes - 1, width)
    both, gram, cross = np.zeros((classes,) * 2), np.zeros((width,) * 2), np.zeros((width, classes - 1))
    squares = log_likelihood = 0.0
    for chunk in chunks(rows, classes if whole is None else classes**2, width):
        inputs, logits = inputs_of(features.features[chunk], bias), _of_classes(features.logits[chunk])
        log_p, apart = log_softmax(logits, axis=1), (logits - logits[:, :1]) @ contrasts
        p = np.exp(log_p)
        both += p.T @ p
        gram += inputs.T @ inputs / rows
        cross += inputs.T @ apart / rows
        squares += float(np.sum(apart**2)) / rows
        log_likelihood += float(log_p[np.arange(len(log_p)), truth[chunk]].sum())
        if whole is not None:
            _add_curvature(whole, inputs, _fisher(p[:, :, None] * p[:, None], contrasts))
    b, vectors = np.linalg.eigh(gram)
    norm = squared_norm(b, vectors.T @ cross, squares, NOT_APART)
    if whole is None:
        a, within = np.linalg.eigh(_fisher(both, contrasts))
        curvatures = np.outer(np.maximum(a, 0), np.maximum(b, 0))
    else:
        values, weights = np.linalg.eigh(whole.reshape((whole.shape[0] * width,) * 2))
        curvatures = np.maximum(values, 0)
    precision = _most_probable_precision(curvatures, norm)
    evidence = log_likelihood - (precision * norm + float(np.sum(np.log1p(curvatures / precision)))) / 2
    variances, factor = 1 / (curvatures + precision), None
    if whole is None:
        contrasts = contrasts @ within
    else:
        vectors, factor = np.eye(width), weights * np.sqrt(variances)
        variances = np.sum(factor**2, axis=1).reshape(-1, width)
    found = precision, evidence, rows, bool(bias), contrasts, vectors, variances
    learnt = LearntRows.of_digests(digests_of(features.logits))
    return Laplace(*found, factor, features.fingerprint, learnt)


def _fisher(products: Floats, contrasts: Floats) -> Floats:
    """(…, K − 1, K − 1) Σ (diag p − p pᵀ) in a basis of contrasts (K, K − 1), from Σ p pᵀ (…, K, K)."""
    apart = products * (1 - np.eye(len(contrasts)))
    # p_k (1 − p_k) is the sum of p_k p_l over other l: avoids cancellation.
    own = apart.sum(axis=-1)[..., None] * np.eye(len(contrasts))
    return np.asarray(contrasts.T @ (own - apart) @ contrasts)


def _no_curvature(classes: int, width: int) -> Floats:
    """Zeros (K − 1, D, K − 1, D), or an `InputError` if they are too many."""
    if classes * width > MOST_WEIGHTS:
        raise InputError(
            "The exact curvature of this last layer is too large to compute",
            expected=f"at most {MOST_WEIGHTS:,} weights: (classes − 1) × (features + 1 for the bias)",
            received=f"{classes * width:,}",
            hint=f"Take curvature='{KRONECKER}', which approximates it",
        )
    return np.zeros((classes, width, classes, width))


def _add_curvature(whole: Floats, inputs: Floats, fisher: Floats) -> None:
    """Add the sum over rows of products of `_fisher` (n, K − 1, K − 1) and φ φᵀ, φ being inputs (n, D)."""
    for i in range(len(whole)):
        for j in range(i + 1):
            block = (inputs * fisher[:, i, j, None]).T @ inputs
            whole[i, :, j] += block
            if i != j:
                whole[j, :, i] += block


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
    root = brentq(lambda log: np.exp(log) * norm - np.sum(curvature / (curvature + np.exp(log))), *ends)
    return float(np.exp(root))


@dataclass(frozen=True, eq=False)
class LastLayerLaplace(Method):
    """Networks with different last layers, distributed as a Laplace approximation says.

    It needs neither random layers nor a second training. It cannot see uncertainty in the layers before the
    last. For classes it draws passes, or approximates their mean in closed form. For numbers it is exact:
    `passes` is 1 in the result, `mc_error` is 0, `spread` and `quantiles` are those of a normal distribution,
    and `noise` comes from the training rows.

    Args:
        posterior: Result of `fit_laplace`, or of `fit_laplace_of_numbers`.
        passes: S, even and ≥ 4, since the error is estimated from differences between pairs. Default: 100 for
            classes. Numbers have none, nor has `link_approx="probit"`.
        link_approx: For classes: `mc` draws passes; `probit` approximates their mean, see `Laplace.probit`.
            It is the same each time and has `mc_error` 0, but an error of its own that is not told: with more
            than two classes the top probability is too low. Only the mean is known:
            `mutual_information` is 0 with an error of NaN, `spread` is None, and no row has a `reason`.
    """

    posterior: Laplace | LaplaceOfNumbers
    passes: int | None = None
    link_approx: str = MC

    def __post_init__(self) -> None:
        if not isinstance(self.posterior, (Laplace, LaplaceOfNumbers)):
            raise InputError(
                "`posterior` cannot be used",
                expected="what `fit_laplace` or `fit_laplace_of_numbers` made",
                received=type(self.posterior).__name__,
            )
        check_choice(self.link_approx, (MC, PROBIT), "link_approx")
        object.__setattr__(self, "passes", self.posterior.count(self.passes, self.link_approx))

    @classmethod
    @named_either_way
    def fit(
        cls,
        model: Any,
        x: Any,
        labels: Any = None,
        *,
        bias: bool = True,
        passes: int | None = None,
        class_names: Sequence[str] | None = None,
        outputs: str | None = None,
        curvature: str = KRONECKER,
        link_approx: str = MC,
    ) -> LastLayerLaplace:
        """Fit to a model and its (N, …) training rows, at the cost of one plain prediction for them.

        Labels may come with the rows, as for `howsure.assess`. They are (N, K) numbers if the loss of the
        model or `outputs="values"` says that its answers are numbers, otherwise classes. A `ModelError` is
        raised unless the model ends in a linear layer; activations may follow it, but none if answers are
        numbers. For the rest see `fit_laplace` and `fit_laplace_of_numbers`; for numbers, `curvature` and
        `link_approx` have no effect, since all is exact, and are refused.
        """
        door = opened(model)
        given = door.rows(x)
        reader, rows = door.ready(given, FeatureModel, cls.__name__)
        outcome = _outcome_of_numbers(reader.info, outputs, class_names)
        names = door.class_names(given, class_names)
        labels = given.truth(names) if labels is None else aligned(labels, given, of="x.index")
        if labels is None:
            raise InputError("The true answers are not known", expected="labels, one for each row")
        inputs = cast_rows(rows, reader.info.inputs)
        answers = None if outcome is None else outcome.check_truth(labels, len(inputs[0]))
        found = read_features(reader, inputs, BATCH_SIZE)
        features = replace(found, fingerprint=fingerprint_of(reader))
        if answers is None:
            fitted = fit_laplace(features, labels, bias=bias, class_names=names, curvature=curvature)
            return cls(fitted, passes, link_approx)
        if curvature != KRONECKER:
            raise no_effect("curvature", KRONECKER, curvature)
        return cls(fit_laplace_of_numbers(features, answers, bias=bias), passes, link_approx)

    @property
    def settings(self) -> dict[str, Any]:
        """Name and settings, as saved with a result."""
        drawn: dict[str, Any] = {} if self.passes is None else {"passes": int(self.passes)}
        words = {"pass": "the network with other weights in its last layer"}
        what = "what the training rows leave open in the last layer"
        if self.passes is None:
            words["shows"] = f"it tells {what}"
        else:
            words |= {"more": "passes={passes}", "shows": f"its passes tell {what}"}
        if self.link_approx == PROBIT:
            drawn = {"link_approx": PROBIT}
            words["pass"] = "the mean over networks with other last layers, by the probit approximation"
        fitted = {**self.posterior.settings, "train_rows": self.posterior.train_rows}
        return {"name": "last-layer Laplace", **drawn, **fitted, "words": words}

    in_words = "The mean over networks whose last layers differ, as far as the training rows leave them open."

    @property
    def needs(self) -> Needs:
        """Features of the last layer."""
        return Needs(FeatureModel, fitted=True)

    def begin(self, job: Job) -> Passes:
        """Prepare the passes. Features are computed once for each block.

        Raises:
            InputError: The answers for a row are of another kind than those of the model it was fitted to; or
                it was fitted to another model, or to this one before it was trained further.
            ModelError: The answers are numbers, and an activation follows the last layer.
        """
        self.posterior.check(job.model.info, job.outcome)
        check_fingerprint(FITTED, self.posterior.fingerprint, fingerprint_of(job.model), REFIT)

        known, logits = self.posterior.learnt_rows, list[Any]()

        def draw(numbers: Integers, progress: Progress) -> Estimates:
            inputs = [rows[numbers] for rows in job.rows]
            found = read_features(job.model, inputs, job.batch_size)
            logits[:] = [found.logits]
            estimates = self.posterior.estimates(found, job.seed, job.outcome, self.passes)
            job.paid(len(numbers))
            progress(len(numbers))
            return estimates

        learnt = None if known is None else lambda: known.among_digests(digests_of(logits[0]))
        return Passes(draw, noise=self.posterior.noise, learnt_from=learnt)

    def assess(self, features: Features, seed: int = 0) -> Any:
        """The result of N ≥ 0 rows whose features are known."""
        width = self.posterior.width
        info = ModelInfo("", "", (), (width,), "float64", None, None, rescales=False, layers=())
        outcome = outcome_of(info, Request(seed, outputs=self.posterior.outputs))
        version = importlib.metadata.version("howsure")
        told = Told(np.arange(len(features)), "row", self.settings, int(seed), None, version)

        def draw(numbers: Integers, progress: Progress) -> Estimates:
            return self.posterior.estimates(features, seed, outcome, self.passes)

        return Passes(draw, noise=self.posterior.noise).result(told.row, lambda done: None, outcome, told)


def _outcome_of_numbers(info: ModelInfo, outputs: str | None, names: Sequence[str] | None) -> Outcome | None:
    """The outcome of a model whose answers are numbers; None if they are classes.

    Without `outputs`, labels may tell what outputs are of which the model does not say it.
    """
    try:
        # Warnings come when rows are assessed.
        with warnings.catch_warnings(action="ignore", category=HowsureWarning):
            outcome = outcome_of(info, Request(outputs=outputs, class_names=names))
    except ModelError:
        if outputs is not None:
            raise
        return None
    if not outcome.has_unit:
        return None
    check_numbers_alone(info, outcome)
    return outcome


def _of_classes(logits: ArrayLike) -> Floats:
    """(n, K) logits in double precision; a single sigmoid's logit gets a 0 beside it."""
    given = np.asarray(logits, dtype=np.float64)
    return np.concatenate([np.zeros_like(given), given], axis=1) if given.shape[1] == 1 else given
