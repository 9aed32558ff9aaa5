"""What is called the truth is the truth: other libraries, the labels drawn and closed forms agree."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

import howsure
from tests.made import certainty_of
from validation import digits as module
from validation.digits import REGULARISED, coin_flip_scores, known_digits

SHARED = Path(__file__).parents[2] / "shared" / "data" / "mnist.npz"
COMPONENTS = 20


def scribbles(count=5000, spread=2.0, seed=0):
    """Stand-ins for MNIST: each digit is four blots around places of its own; 0 is twice as often."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 11 % 10
    places = np.random.default_rng(1).uniform(7, 20, size=(10, 4, 2))[labels]
    places = places + random.normal(0, spread, size=places.shape)
    along = np.exp(-((np.arange(28) - places[..., None]) ** 2) / 8)
    ink = np.einsum("nbi,nbj->nij", along[:, :, 0], along[:, :, 1])
    return np.minimum(255 * ink, 255).astype(np.uint8), labels


@pytest.fixture(scope="module", autouse=True)
def fewer_draws():
    """A Bayes error to 0.2 points is enough here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "DRAWS", 10_000)
        yield


@pytest.fixture(scope="module")
def source():
    return scribbles()


@pytest.fixture(scope="module")
def digits(source):
    return known_digits(*source, bayes_error=0.1, components=COMPONENTS, train=20_000, test=8_000)


def within(difference, standard_error, times=3.0):
    return np.all(np.abs(difference) <= times * np.asarray(standard_error))


# --- the posterior ----------------------------------------------------------------------------


def test_shapes_and_types(digits):
    assert digits.x_train.shape == (20_000, 28, 28)
    assert digits.x_test.shape == (8_000, 28, 28)
    assert digits.x_train.dtype == digits.x_test.dtype == np.float32
    assert digits.y_train.shape == (20_000,)
    assert digits.p_train.shape == (20_000, 10)
    assert digits.y_test.shape == digits.entropy.shape == digits.coin_flips.shape == (8_000,)
    assert digits.p_test.shape == (8_000, 10)
    np.testing.assert_allclose(digits.p_train.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(digits.p_test.sum(axis=1), 1, rtol=1e-12)
    assert digits.p_test.min() >= 0


def test_the_posterior_is_that_of_scikit_learn_and_scipy(source, digits):
    """From the images given, the images drawn and the ambiguity, with nothing of howsure's in between."""
    images, labels = source
    every = images.reshape(len(images), -1) / 255
    pca = PCA(COMPONENTS, svd_solver="covariance_eigh").fit(every)
    z, drawn = pca.transform(every), pca.transform(digits.x_test.reshape(8_000, -1).astype(float))
    a, overall = digits.ambiguity, np.cov(z.T, bias=True)
    joint = []
    for digit in range(10):
        own = z[labels == digit]
        covariance = (1 - REGULARISED) * np.cov(own.T, bias=True) + REGULARISED * overall
        covariance = (1 - a) * covariance + a * overall
        of_digit = multivariate_normal(np.sqrt(1 - a) * own.mean(axis=0), covariance)
        joint.append(np.mean(labels == digit) * np.exp(of_digit.logpdf(drawn)))
    expected = np.stack(joint, axis=1) / np.sum(joint, axis=0)[:, None]
    np.testing.assert_allclose(digits.p_test, expected, atol=1e-4)
    assert np.all(digits.p_test.max(axis=0) > 0.9)  # every digit is found somewhere


def test_the_labels_drawn_bear_the_posterior_out(digits):
    p = np.concatenate([digits.p_train, digits.p_test])
    y = np.concatenate([digits.y_train, digits.y_test])
    top = (p.max(axis=1), p.argmax(axis=1) == y)
    for claimed, came_true in [top, *((p[:, k], y == k) for k in range(10))]:
        for low in np.arange(0, 1, 0.1):
            rows = (claimed >= low) & (claimed < low + 0.1 if low < 0.85 else claimed >= low)
            if rows.sum() < 50:
                continue
            error = np.sqrt(np.mean(claimed[rows] * (1 - claimed[rows])) / rows.sum())
            # 3 standard errors in a single bin; 3.5 as there are a hundred of them.
            assert within(came_true[rows].mean() - claimed[rows].mean(), error, 3.5)


def test_evaluate_finds_the_posterior_calibrated_and_others_not(digits):
    rows, y = slice(0, 4000), digits.y_test[:4000]
    evaluation = howsure.evaluate(certainty_of(digits.p_test[rows]), y)
    assert evaluation.ece.low < 0.003
    assert evaluation.nll.low < digits.entropy[rows].mean() < evaluation.nll.high
    sharpened = digits.p_test[rows] ** 2
    sharpened /= sharpened.sum(axis=1, keepdims=True)
    assert howsure.evaluate(certainty_of(sharpened), y).ece.low > 0.01


def test_train_and_test_are_different_draws_of_the_same(digits):
    assert not np.array_equal(digits.x_train[:100], digits.x_test[:100])
    together = np.corrcoef(digits.x_train[:8_000, 14, 14], digits.x_test[:, 14, 14])[0, 1]
    assert within(together, 1 / np.sqrt(8_000))
    shares = np.bincount(digits.y_train) / 20_000
    same, expected = np.mean(digits.y_train[:8_000] == digits.y_test), np.sum(shares**2)
    assert within(same - expected, np.sqrt(expected * (1 - expected) / 8_000))


def test_the_drawn_are_as_bright_and_varied_as_the_given(source, digits):
    given = source[0] / 255
    error = digits.x_train.std(axis=0) / np.sqrt(20_000)
    assert within(digits.x_train.mean(axis=0) - given.mean(axis=0), error + 1e-9, 4.5)  # of 784 pixels
    kept = digits.x_train.var(axis=0).sum() / given.var(axis=0).sum()
    expected = PCA(COMPONENTS, svd_solver="covariance_eigh").fit(given.reshape(len(given), -1))
    assert kept == pytest.approx(expected.explained_variance_ratio_.sum(), rel=0.03)


def test_the_digits_are_as_often_as_given(source, digits):
    shares = np.bincount(source[1]) / len(source[1])
    actual = np.bincount(digits.y_train, minlength=10) / 20_000
    assert within(actual - shares, np.sqrt(shares * (1 - shares) / 20_000))


# --- the Bayes error --------------------------------------------------------------------------


def test_the_bayes_error_is_the_one_asked_for(digits):
    """Of two independent draws: counted mistakes of the exact classifier, and the error it states."""
    wrong = np.mean(digits.p_train.argmax(axis=1) != digits.y_train)
    counted = np.sqrt(0.1 * 0.9 / 20_000)
    assert within(wrong - 0.1, np.hypot(counted, digits.standard_error))
    assert within(wrong - digits.bayes_error, np.hypot(counted, digits.standard_error))
    assert within(digits.bayes_error - 0.1, np.sqrt(2) * digits.standard_error)
    doubt = 1 - digits.p_train.max(axis=1)
    assert digits.standard_error == pytest.approx(doubt.std() / np.sqrt(10_000), rel=0.05)


def test_one_number_sets_it_monotonically(source):
    wanted = np.array([0.05, 0.15, 0.5])
    made = [
        known_digits(*source, bayes_error=each, components=COMPONENTS, train=1, test=4000) for each in wanted
    ]
    assert np.all(np.diff([each.ambiguity for each in made]) > 0.01)
    reached, errors = (
        np.array([getattr(each, name) for each in made]) for name in ("bayes_error", "standard_error")
    )
    assert within(reached - wanted, np.sqrt(2) * errors)
    assert np.all(np.diff(reached) > 3 * np.hypot(errors[1:], errors[:-1]))
    entropies = [each.entropy for each in made]
    spread = np.array([entropy.std() for entropy in entropies]) / np.sqrt(4000)
    assert np.all(np.diff([entropy.mean() for entropy in entropies]) > 3 * np.hypot(spread[1:], spread[:-1]))


def test_seeds_repeat_and_differ(source):
    first, again, other = (
        known_digits(*source, bayes_error=0.5, components=5, train=50, test=50, seed=seed)
        for seed in (3, 3, 4)
    )
    for name in ("x_train", "y_train", "p_train", "x_test", "y_test", "p_test", "bayes_error", "ambiguity"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
        assert not np.array_equal(getattr(first, name), getattr(other, name))


# --- held against the truth -------------------------------------------------------------------


def test_entropy_is_that_of_the_posterior(digits):
    p = np.maximum(digits.p_test, 1e-300)
    np.testing.assert_allclose(digits.entropy, -np.sum(digits.p_test * np.log(p), axis=1), atol=1e-12)
    loss = -np.log(digits.p_test[np.arange(8_000), digits.y_test])
    assert within(loss.mean() - digits.entropy.mean(), loss.std() / np.sqrt(8_000))


def test_divergences_with_known_values(digits):
    assert np.all(digits.kl_from(digits.p_test) == 0)
    uniform = np.full((8_000, 10), 0.1)
    np.testing.assert_allclose(digits.kl_from(uniform), np.log(10) - digits.entropy, atol=1e-12)
    assert digits.kl_from(uniform).min() >= 0
    certain = np.eye(10)[digits.p_test.argmax(axis=1)]
    doubt = 1 - digits.p_test.max(axis=1)
    floor = -np.log(np.finfo(float).eps)
    np.testing.assert_allclose(
        digits.kl_from(certain), np.maximum(doubt * floor - digits.entropy, 0), atol=1e-9
    )


def test_a_quadratic_discriminant_learns_the_truth(digits):
    """The true model is among those it can be, so it gets there: about in proportion to 1/N."""
    pca = PCA(COMPONENTS, svd_solver="covariance_eigh").fit(digits.x_train.reshape(20_000, -1).astype(float))
    z = pca.transform(digits.x_train.reshape(20_000, -1))
    z_test = pca.transform(digits.x_test.reshape(8_000, -1))
    divergences = []
    for rows in (1_250, 5_000, 20_000):
        model = QuadraticDiscriminantAnalysis().fit(z[:rows], digits.y_train[:rows])
        divergences.append(digits.kl_from(model.predict_proba(z_test)))
    means = [divergence.mean() for divergence in divergences]
    errors = [divergence.std() / np.sqrt(8_000) for divergence in divergences]
    assert means[1] + 3 * errors[1] < means[0] / 2
    assert means[2] + 3 * errors[2] < means[1] / 2
    assert means[2] < 0.02
    wrong = QuadraticDiscriminantAnalysis().fit(z, np.roll(digits.y_train, 1))
    assert digits.kl_from(wrong.predict_proba(z_test)).mean() > 1


def test_coin_flips_are_those_of_the_verdict(digits):
    top = np.sort(digits.p_test, axis=1)
    np.testing.assert_array_equal(digits.coin_flips, top[:, -1] - top[:, -2] <= 0.2)
    assert 0.02 < digits.coin_flips.mean() < 0.5


def test_the_truth_finds_all_coin_flips_and_no_others(digits):
    flips = int(digits.coin_flips.sum())
    for score in coin_flip_scores(digits.p_test, certainty_of(digits.p_test)):
        assert score.value == score.high == 1
        assert score.low == pytest.approx(flips / (flips + 1.959964**2), rel=1e-6)  # Wilson, all of them


def test_coin_flips_counted_by_hand():
    flip, clear, sure = [0.5, 0.4, 0.1], [0.7, 0.2, 0.1], [0.98, 0.01, 0.01]
    truth = np.array([flip, flip, flip, clear, sure, sure])
    said = np.array([flip, flip, clear, flip, sure, clear])
    precision, recall = coin_flip_scores(truth, certainty_of(said))
    assert precision.value == recall.value == pytest.approx(2 / 3)
    assert (precision.low, precision.high) == pytest.approx((0.2077, 0.9385), abs=1e-4)  # Wilson, 2 of 3
    precision, recall = coin_flip_scores(truth[3:], certainty_of(said[3:]))
    assert precision.value == 0
    assert np.isnan(recall.value)
    assert (recall.low, recall.high) == (0, 1)
    strict = howsure.Thresholds(coin_flip=0.05)  # by it, none of these is a coin flip
    assert np.isnan(coin_flip_scores(truth, certainty_of(said, thresholds=strict))[1].value)


def test_a_bayes_error_that_images_cannot_have(source):
    with pytest.raises(ValueError, match=r"cannot have a Bayes error of 0\.99"):
        known_digits(*source, bayes_error=0.99, components=5, train=1, test=1)
