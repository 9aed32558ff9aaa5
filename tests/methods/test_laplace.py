import json
import pickle

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax

import howsure
from howsure.adapters.features import Features
from howsure.adapters.protocol import PROBABILITIES, ModelInfo
from howsure.inputs.rows import InputSpec
from howsure.methods.laplace import LastLayerLaplace, fit_laplace
from howsure.request import Request
from howsure.sampling.outcome import ResultMetadata
from howsure.statistics import entropy_of
from howsure.tasks.task import outcome_of
from tests.support.arrays import ArrayModel
from tests.support.cases import dense, two_layers


def layer(width=5, classes=3, seed=0):
    """A kernel and a bias that add up to 0 over the classes, as the posterior sees them."""
    kernel, bias = np.split(np.random.default_rng(seed).normal(size=(width + 1, classes)), [width])
    return kernel - kernel.mean(axis=1, keepdims=True), bias[0] - bias.mean()


def simulated(rows=200, width=5, classes=3, seed=1, scale=1.0):
    """Features, logits that the layer makes of them, and labels drawn from these."""
    random = np.random.default_rng(seed)
    kernel, bias = layer(width, classes)
    z = random.normal(size=(rows, width)).astype(np.float32)
    logits = scale * (z @ kernel + bias)
    labels = np.array([random.choice(classes, p=p) for p in softmax(logits, axis=1)], dtype=int)
    return Features(z, logits), labels


def with_ones(features):
    return np.hstack([features.features.astype(float), np.ones((len(features), 1))])


def dense_curvature(features):
    """(K D, K D) generalised Gauss-Newton matrix, by its definition, weights of a class together."""
    total = 0.0
    for inputs, p in zip(with_ones(features), softmax(features.logits.astype(float), axis=1), strict=True):
        total = total + np.kron(np.diag(p) - np.outer(p, p), np.outer(inputs, inputs))
    return total


def kronecker_curvature(features):
    """The same with both factors averaged apart, by their definitions."""
    inputs, p = with_ones(features), softmax(features.logits.astype(float), axis=1)
    of_classes = sum(np.diag(each) - np.outer(each, each) for each in p)
    return np.kron(of_classes, inputs.T @ inputs / len(inputs))


def logit_covariance(fitted, features):
    """(N, K, K) covariance of the logits of each row."""
    rotated = features.features.astype(float)
    if fitted.bias:
        rotated = with_ones(features)
    of_weights = (rotated @ fitted.input_vectors) ** 2 @ fitted.variances.T
    vectors = fitted.class_vectors
    return np.einsum("ki,ni,li->nkl", vectors, of_weights, vectors)


def dense_covariance(curvature, precision, features):
    """(N, K, K) of the logits less their mean over the classes, by the explicit Jacobian."""
    covariance = np.linalg.inv(curvature + precision * np.eye(len(curvature)))
    classes = features.logits.shape[1]
    centre = np.eye(classes) - 1 / classes
    actual = []
    for inputs in with_ones(features):
        jacobian = centre @ np.kron(np.eye(classes), inputs)
        actual.append(jacobian @ covariance @ jacobian.T)
    return np.array(actual)


def dense_evidence(features, labels, weights, log_precision, curvature):
    """log p(labels) by Laplace's approximation, by the log-determinant of the whole precision matrix."""
    precision = np.exp(log_precision)
    likelihood = log_softmax(features.logits.astype(float), axis=1)[np.arange(len(labels)), labels].sum()
    determinant = np.linalg.slogdet(curvature + precision * np.eye(len(curvature)))[1]
    return likelihood + (weights.size * log_precision - precision * np.sum(weights**2) - determinant) / 2


def passes_of(fitted, features, count, seed=0):
    """(S, N, K) probabilities; pass t is the same network for every row."""
    drawn = np.empty((count, len(features), len(fitted.class_vectors)))
    for pair, rows, values in fitted.pairs(features, count // 2, seed):
        drawn[2 * pair : 2 * pair + 2, rows] = values
    return drawn


def result_of(method, features, seed=0):
    """The result of rows whose features are known."""
    classes = len(method.posterior.class_vectors)
    info = ModelInfo("", "", (), (classes,), "float64", None, None, rescales=False, layers=())
    outcome = outcome_of(info, Request(seed, outputs=PROBABILITIES))
    metadata = ResultMetadata(np.arange(len(features)), "row", method.settings, seed, None, "")
    return outcome.result(method.posterior.estimates(features, seed, outcome, method.passes), metadata)


# --- against dense algebra ---------------------------------------------------------------------


def test_with_one_row_the_covariance_is_that_of_the_whole_gauss_newton_matrix():
    one, labels = simulated(rows=1)
    fitted, (others, _) = fit_laplace(one, labels), simulated(rows=4, seed=2)
    expected = dense_covariance(dense_curvature(one), fitted.prior_precision, others)
    np.testing.assert_allclose(logit_covariance(fitted, others), expected, rtol=1e-9)


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_the_covariance_is_that_of_the_dense_kronecker_product(classes):
    (train, labels), (others, _) = simulated(classes=classes), simulated(rows=4, classes=classes, seed=2)
    fitted = fit_laplace(train, labels)
    expected = dense_covariance(kronecker_curvature(train), fitted.prior_precision, others)
    np.testing.assert_allclose(logit_covariance(fitted, others), expected, rtol=1e-8)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_prior_makes_the_labels_most_probable(classes):
    train, labels = simulated(classes=classes)
    weights = np.vstack(layer(classes=classes))
    fitted, dense = fit_laplace(train, labels), kronecker_curvature(train)
    actual = minimize_scalar(
        lambda log: -dense_evidence(train, labels, weights, log, dense), bounds=(-7, 7), method="bounded"
    )
    assert np.log(fitted.prior_precision) == pytest.approx(actual.x, abs=1e-4)
    assert fitted.log_marginal_likelihood == pytest.approx(-actual.fun, rel=1e-6)


def test_without_a_bias_nothing_else_changes_than_the_column_of_ones():
    train, labels = simulated()
    z = np.hstack([train.features, np.ones((len(train), 1))])
    inside, apart = fit_laplace(Features(z, train.logits), labels, bias=False), fit_laplace(train, labels)
    assert inside.prior_precision == pytest.approx(apart.prior_precision, rel=1e-9)
    np.testing.assert_allclose(
        logit_covariance(inside, Features(z, train.logits)), logit_covariance(apart, train), rtol=1e-7
    )


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_laplace_torch_says_the_same():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    laplace = pytest.importorskip("laplace", reason="laplace-torch is not installed")
    (train, labels), (others, _) = simulated(), simulated(rows=6, seed=2)
    fitted, weights = fit_laplace(train, labels), np.vstack(layer())
    last = torch.nn.Linear(*weights.shape, bias=False, dtype=torch.float64)
    last.weight.data = torch.tensor(weights.T.copy())
    rows = torch.utils.data.TensorDataset(torch.tensor(with_ones(train)), torch.tensor(labels))
    theirs = laplace.Laplace(
        torch.nn.Sequential(torch.nn.Identity(), last),
        "classification",
        subset_of_weights="last_layer",
        hessian_structure="kron",
        prior_precision=torch.tensor(fitted.prior_precision, dtype=torch.float64),
    )
    theirs.fit(torch.utils.data.DataLoader(rows, batch_size=len(rows)))
    evidence = float(theirs.log_marginal_likelihood())
    assert fitted.log_marginal_likelihood == pytest.approx(evidence, rel=1e-6)
    _, covariance = theirs._glm_predictive_distribution(torch.tensor(with_ones(others)))
    centre = np.eye(3) - 1 / 3
    expected = centre @ covariance.detach().numpy() @ centre
    np.testing.assert_allclose(logit_covariance(fitted, others), expected, rtol=1e-6)
    samples = theirs(torch.tensor(with_ones(others)), link_approx="mc", n_samples=20_000).detach().numpy()
    ours = result_of(LastLayerLaplace(fitted, passes=20_000), others)
    # Their error is that of 20,000 independent draws, at most √(p (1 − p) / S).
    error = np.sqrt(ours.mc_error**2 + samples * (1 - samples) / 20_000)
    assert np.all(np.abs(ours.probabilities - samples) < 4 * error)


# --- what is drawn -----------------------------------------------------------------------------


def drawn_logits(fitted, features, count, seed=0):
    """(S, N, K) logits of passes less their mean over the classes, told from the probabilities."""
    logits = np.log(passes_of(fitted, features, count, seed))
    return logits - logits.mean(axis=-1, keepdims=True)


def test_logits_are_drawn_around_the_trained_ones_with_the_covariance():
    (train, labels), (others, _) = simulated(), simulated(rows=3, seed=2)
    fitted, pairs = fit_laplace(train, labels), 5000
    around = drawn_logits(fitted, others, 2 * pairs)
    trained = others.logits.astype(float)
    trained -= trained.mean(axis=1, keepdims=True)
    first, second = around[::2] - trained, around[1::2] - trained
    np.testing.assert_allclose(first, -second, atol=1e-9)  # so their mean is the trained logits, exactly
    expected = logit_covariance(fitted, others)
    variance = np.einsum("nkk->nk", expected)
    actual = np.einsum("snk,snl->nkl", first, first) / pairs
    error = np.sqrt((variance[:, :, None] * variance[:, None, :] + expected**2) / pairs)
    assert np.all(np.abs(actual - expected) < 4 * error)
    assert np.all(np.abs(first.mean(axis=0)) < 4 * np.sqrt(variance / pairs))


def test_a_pass_is_the_same_network_for_every_row():
    train, labels = simulated()
    fitted = fit_laplace(train, labels)
    logits = drawn_logits(fitted, train, 6)
    for each in logits:  # more rows than weights: only a linear layer fits them without a rest
        weights, rest, _, _ = np.linalg.lstsq(with_ones(train), each)
        assert rest.max() < 1e-9
        assert np.abs(weights - np.vstack(layer())).max() > 0.01


@pytest.mark.parametrize("passes", [20, 100])
def test_errors_cover_the_exact_integral(passes):
    (train, labels), (others, _) = simulated(rows=30, classes=2), simulated(rows=40, classes=2, seed=2)
    fitted = fit_laplace(train, labels)
    covariance = logit_covariance(fitted, others)
    difference = others.logits[:, 1] - others.logits[:, 0]
    spread = np.sqrt(covariance[:, 0, 0] + covariance[:, 1, 1] - 2 * covariance[:, 0, 1])
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    p = expit(difference[:, None] + spread[:, None] * nodes)
    mean = p @ weights / weights.sum()
    ambiguous = entropy_of(np.stack([1 - p, p], axis=-1)) @ weights / weights.sum()
    disagreement = entropy_of(np.stack([1 - mean, mean], axis=1)) - ambiguous
    assert disagreement.max() > 0.05
    inside = []
    for seed in range(100):
        actual = result_of(LastLayerLaplace(fitted, passes=passes), others, seed)
        inside.append(
            [
                np.abs(actual.probabilities[:, 1] - mean) < 1.96 * actual.mc_error[:, 1],
                np.abs(actual.expected_entropy - ambiguous) < 1.96 * actual.expected_entropy_error,
                np.abs(actual.mutual_information - disagreement) < 1.96 * actual.mutual_information_error,
            ]
        )
    # Rows of a seed share their passes, so a seed counts as one observation.
    covered, error = np.mean(inside, axis=(0, 2)), np.std(np.mean(inside, axis=2), axis=0, ddof=1) / 10
    assert np.all(np.abs(covered - 0.95) < 0.02 + 3 * error)  # exact only for skewness as expected


def test_mean_and_error_are_those_of_the_passes(monkeypatch):
    train, labels = simulated()
    fitted = fit_laplace(train, labels)
    passes = passes_of(fitted, train, 20, seed=3)
    whole = result_of(LastLayerLaplace(fitted, passes=20), train, seed=3)
    np.testing.assert_allclose(whole.probabilities, passes.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(whole.expected_entropy, entropy_of(passes).mean(axis=0), atol=1e-12)
    monkeypatch.setattr("howsure.methods.laplace.AT_ONCE", 7 * 6)  # seven rows at a time
    chunked = result_of(LastLayerLaplace(fit_laplace(train, labels), passes=20), train, seed=3)
    np.testing.assert_allclose(chunked.probabilities, whole.probabilities, atol=1e-9)
    np.testing.assert_allclose(chunked.mutual_information, whole.mutual_information, atol=1e-9)


# --- what it should do -------------------------------------------------------------------------


def test_what_all_classes_share_changes_nothing():
    train, labels = simulated()
    shared = train.logits + train.features @ np.arange(5.0)[:, None]
    fitted, moved = fit_laplace(train, labels), fit_laplace(Features(train.features, shared), labels)
    assert moved.prior_precision == pytest.approx(fitted.prior_precision, rel=1e-4)
    assert moved.log_marginal_likelihood == pytest.approx(fitted.log_marginal_likelihood, rel=1e-5)


def test_one_sigmoid_is_two_classes():
    train, labels = simulated(classes=2)
    one = Features(train.features, train.logits[:, 1:] - train.logits[:, :1])
    both = [LastLayerLaplace(fit_laplace(each, labels)) for each in (train, one)]
    assert both[1].posterior.prior_precision == pytest.approx(both[0].posterior.prior_precision, rel=1e-4)
    np.testing.assert_allclose(
        logit_covariance(both[1].posterior, one), logit_covariance(both[0].posterior, train), rtol=1e-3
    )
    actual = result_of(both[1], one)
    assert actual.probabilities.shape == (200, 2)
    higher = one.logits[:, 0] > 0
    assert np.mean((actual.label == 1) == higher) > 0.98


def test_features_that_never_vary_or_are_many_are_fine():
    train, labels = simulated(rows=60)
    fitted = fit_laplace(train, labels)
    z = np.hstack([train.features, np.zeros((60, 100)), np.ones((60, 2))])
    wide = fit_laplace(Features(z, train.logits), labels)
    moved = z.copy()
    moved[:, 5] = 3  # a feature that was always 0 in training: nothing is known of its weight
    more = logit_covariance(wide, Features(moved, train.logits)) - logit_covariance(
        wide, Features(z, train.logits)
    )
    expected = np.broadcast_to(9 / wide.prior_precision * (np.eye(3) - 1 / 3), more.shape)
    np.testing.assert_allclose(more, expected, rtol=1e-9)
    assert np.isfinite(fitted.prior_precision)
    assert np.isfinite(wide.log_marginal_likelihood)


def test_what_was_fitted_stays_as_it_is():
    train, labels = simulated()
    method = LastLayerLaplace(fit_laplace(train, labels), passes=6)
    with pytest.raises(ValueError, match="read-only"):
        method.posterior.variances[0] = 1
    copy = pickle.loads(pickle.dumps(method))
    np.testing.assert_array_equal(
        result_of(copy, train).probabilities, result_of(method, train).probabilities
    )
    assert json.loads(json.dumps(method.settings))["passes"] == 6
    assert result_of(method, train).method == method.settings
    assert not np.array_equal(
        result_of(method, train, 1).probabilities, result_of(method, train).probabilities
    )


# --- what is refused ---------------------------------------------------------------------------


def test_what_cannot_be_fitted_is_refused():
    train, labels = simulated()
    with pytest.raises(howsure.InputError, match="200 labels"):
        fit_laplace(train, labels[:-1])
    with pytest.raises(howsure.InputError, match="out of range"):
        fit_laplace(train, labels + 1)
    with pytest.raises(howsure.InputError, match="no training rows"):
        fit_laplace(Features(np.zeros((0, 5)), np.zeros((0, 3))), [])
    with pytest.raises(howsure.InputError, match="Received: ndarray"):
        fit_laplace(train.features, labels)
    with pytest.raises(howsure.InputError, match="NaN"):
        fit_laplace(Features(np.full((200, 5), np.nan), train.logits), labels)
    with pytest.raises(howsure.InputError, match="check `bias`"):
        fit_laplace(train, labels, bias=False)
    with pytest.raises(howsure.InputError, match="check `bias`"):
        fit_laplace(Features(train.features, softmax(train.logits, axis=1)), labels)
    with pytest.raises(howsure.InputError, match="do not tell classes apart"):
        fit_laplace(Features(train.features, np.full((200, 3), 7.3)), labels)
    with pytest.raises(howsure.InputError, match="no curvature"):
        fit_laplace(Features(np.ones((9, 1)), np.tile([0.0, 5000.0, 0.0], (9, 1))), np.ones(9))


@pytest.mark.parametrize("logit", [20.0, 40.0, 300.0])
def test_the_surest_of_networks_still_has_curvature(logit):
    """Exact to the last digits although 1 − p is far below rounding: that of p (1 − p) is Σ of p_k p_l."""
    features = np.linspace(0.9, 1.1, 9)[:, None]
    fitted = fit_laplace(Features(features, features * [0.0, logit]), np.ones(9), bias=False)
    p = 1 / (1 + np.exp(features[:, 0] * logit))
    curvature = 2 * np.sum(p / (1 + np.exp(-features[:, 0] * logit))) * np.mean(features**2)
    norm = logit**2 / 2  # one weight: δ · norm = c / (c + δ)
    precision = (np.sqrt(curvature**2 + 4 * curvature / norm) - curvature) / 2
    assert fitted.prior_precision == pytest.approx(precision, rel=1e-6)


def test_what_cannot_be_predicted_is_refused():
    train, labels = simulated()
    fitted = fit_laplace(train, labels)
    other = Features(np.zeros((2, 4)), np.zeros((2, 3)))
    with pytest.raises(howsure.InputError, match="5 features and 3 classes"):
        passes_of(fitted, other, 4)
    with pytest.raises(howsure.InputError, match="5 features and 3 classes"):
        result_of(LastLayerLaplace(fitted), other)
    with pytest.raises(howsure.InputError, match="`seed`"):
        passes_of(fitted, train, 4, seed=-1)
    assert LastLayerLaplace(fitted).passes == 100
    for passes in (2, 5, 4.0):
        with pytest.raises(howsure.InputError, match="`passes` cannot be used"):
            LastLayerLaplace(fitted, passes=passes)
    with pytest.raises(howsure.InputError, match="what `fit_laplace` made"):
        LastLayerLaplace(train)


@pytest.mark.parametrize(
    ("end", "trained_for", "outputs", "received"),
    [
        ("linear", "regression", None, "model 'two', with an output of 3 numbers"),
        ("linear", "classes", "values", "model 'two', with an output of 3 numbers"),
        ("sigmoid", "several labels", None, "model 'two', with an output of 3 labels"),
    ],
)
def test_what_puts_no_row_into_one_class_is_refused(end, trained_for, outputs, received):
    """By a fit, and by a fit of features that is then used with such a model."""
    spec = [InputSpec("x", (4,), "float32")]
    model = ArrayModel("two", spec, two_layers(dense(6, 6), end), trained_for=trained_for)
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    fitted = LastLayerLaplace(fit_laplace(howsure.features_of(model, x), np.arange(30) % 3))
    for use in (
        lambda: LastLayerLaplace.fit(model, x, np.arange(30) % 3, outputs=outputs),
        lambda: howsure.assess(model, x, method=fitted, outputs=outputs),
    ):
        with pytest.raises(howsure.InputError, match="for models that put each row into one class") as error:
            use()
        assert received in str(error.value)
        assert ("laplace-torch" in str(error.value)) == ("numbers" in received)
        assert ("howsure.calibrate" in str(error.value)) == ("numbers" in received)
