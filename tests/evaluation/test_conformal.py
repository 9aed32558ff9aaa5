"""Sets cover as promised, agree with MAPIE; bad input is said."""

import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from scipy.stats import binom

from howsure.errors import HowsureWarning, InputError
from howsure.evaluation.prediction_sets import prediction_sets
from tests.made import certainty_of


def draw(rows, classes=4, seed=0, sharpness=1.5):
    """Percentages that are too high: the labels follow softer ones."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(rows, classes)) * 1.5 + np.linspace(0, 1, classes)
    p, true = (np.exp(power * logits) for power in (sharpness, 1.0))
    p, true = p / p.sum(axis=1, keepdims=True), true / true.sum(axis=1, keepdims=True)
    labels = (random.random(rows)[:, None] > np.cumsum(true, axis=1)).sum(axis=1)
    return certainty_of(p), np.minimum(labels, classes - 1)


# --- agreement --------------------------------------------------------------------------------


def mapie_sets(certainty, labels, new, coverage):
    """What MAPIE makes of the same probabilities."""
    pytest.importorskip("mapie", reason="MAPIE is not installed")
    from mapie.classification import SplitConformalClassifier
    from sklearn.base import BaseEstimator, ClassifierMixin

    class PassThrough(ClassifierMixin, BaseEstimator):
        def __init__(self, classes=4):
            self.classes = classes
            self.classes_ = np.arange(classes)
            self.fitted_ = True

        def predict_proba(self, x):
            return x

        def predict(self, x):
            return np.argmax(x, axis=1)

    fitted = SplitConformalClassifier(PassThrough(), coverage, "lac")
    fitted.conformalize(certainty.probabilities, labels)
    _, actual = fitted.predict_set(new.probabilities)
    return actual[:, :, 0]


@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_agrees_with_mapie(coverage):
    (certainty, labels), (new, _) = draw(333), draw(500, seed=1)
    theirs = mapie_sets(certainty, labels, new, coverage)
    theirs[np.arange(500), new.label] = True  # ours are never empty
    ours = prediction_sets(certainty, labels, coverage=coverage)(new)
    np.testing.assert_array_equal(ours, theirs)
    assert len(np.unique(ours.sum(axis=1))) > 1


# --- what is promised -------------------------------------------------------------------------


def test_the_coverage_holds():
    """Over 400 draws of 30 labelled rows; without the + 1 in the rank it would be three points less."""
    covered = []
    for seed in range(400):
        certainty, labels = draw(130, seed=seed)
        sets = prediction_sets(certainty[:30], labels[:30], coverage=0.9)
        covered.append(np.mean(sets(certainty[30:])[np.arange(100), labels[30:]]))
    error = np.std(covered) / np.sqrt(400)
    assert np.mean(covered) >= 0.9 - error
    assert np.mean(covered) <= 28 / 31 + 3 * error


def test_the_coverage_holds_for_every_class():
    covered = []
    for seed in range(150):
        certainty, labels = draw(600, classes=3, seed=seed)
        sets = prediction_sets(certainty[:200], labels[:200], coverage=0.9, by_class=True)
        inside = sets(certainty[200:])[np.arange(400), labels[200:]]
        covered.append([np.mean(inside[labels[200:] == k]) for k in range(3)])
    assert np.all(np.mean(covered, axis=0) >= 0.9 - np.std(covered, axis=0) / np.sqrt(150))


def test_one_threshold_for_all_leaves_the_rare_class_short():
    certainty, labels = draw(4000, classes=3)
    everybody, each = (prediction_sets(certainty, labels, by_class=by_class) for by_class in (False, True))
    new, truth = draw(20_000, classes=3, seed=1)
    rare = truth == 0
    shares = [np.mean(sets(new)[rare, 0]) for sets in (everybody, each)]
    assert shares[0] < 0.95 - 3 * np.sqrt(0.95 * 0.05 / rare.sum())
    assert shares[1] > shares[0]


@pytest.mark.parametrize("by_class", [False, True])
def test_what_is_surely_covered_follows_from_the_binomial_distribution(by_class):
    """Fewer than r of n rows lie in the least share: as likely as the confidence says."""
    certainty, labels = draw(500)
    sets = prediction_sets(certainty, labels, coverage=0.9, by_class=by_class)
    sizes = np.bincount(labels) if by_class else np.array([500])
    ranks = np.ceil(0.9 * (sizes + 1))
    missed = binom.sf(ranks - 1, sizes, sets.least)  # each at most its part, and one of them just that
    assert missed.max() == pytest.approx(0.05 / len(sizes), rel=1e-6)


def test_a_coin_flip_reads_as_two_classes():
    certainty, labels = draw(500, sharpness=1.0)
    sets = prediction_sets(certainty, labels, coverage=0.8)
    flip = certainty_of(np.array([[0.47, 0.01, 0.01, 0.51], [0.01, 0.97, 0.01, 0.01]]))
    assert sets.in_words(flip) == ["{3, 0}", "{1}"]
    inside = sets(certainty).sum(axis=1)
    assert (sets.size, sets.full) == (inside.mean(), np.mean(inside == 4))
    assert str(sets).startswith(
        "Sets hold the true class of at least 80 % of the rows on average. With these 500 labelled rows "
        f"they hold it for {np.floor(1000 * sets.least) / 10:g}\u00a0% or more, with 95 % confidence. "
        f"On average they hold {sets.size:.2g} of 4 classes."
    )


def test_sets_of_all_classes_are_said_to_be_useless():
    """A saturated model: 100 % for one class, and nothing to tell the others apart where that is wrong."""
    labels = np.random.default_rng(0).integers(0, 10, 400)
    wrong = np.arange(400) % 10 == 0
    saturated = certainty_of(np.eye(10)[np.where(wrong, (labels + 1) % 10, labels)])
    sets = prediction_sets(saturated, labels)
    assert sets(saturated).all()
    assert (sets.size, sets.full) == (10, 1)
    assert "On average they hold 10 of 10 classes. On 100\u00a0% of these rows they hold all classes" in str(
        sets
    )
    assert "Ask for less coverage" in str(sets)
    fine = prediction_sets(saturated, labels, coverage=0.85)
    assert fine.full == 0
    assert "all classes" not in str(fine)


def test_no_set_is_empty_and_the_top_class_is_in_each():
    certainty, _ = draw(500, sharpness=4.0)
    sets = prediction_sets(certainty, certainty.label, coverage=0.5)(certainty)
    assert np.all(sets[np.arange(500), certainty.label])
    assert np.all(sets.sum(axis=1) == 1)


def test_a_row_has_the_same_set_alone_and_among_others():
    (certainty, labels), (new, _) = draw(300), draw(100, seed=1)
    sets = prediction_sets(certainty, labels)
    together = sets(new)
    np.testing.assert_array_equal(np.concatenate([sets(new[[i]]) for i in range(100)]), together)
    np.testing.assert_array_equal(sets(new[::-1])[::-1], together)
    assert pickle.loads(pickle.dumps(sets)) == sets
    with pytest.raises(FrozenInstanceError):
        sets.coverage = 0.5


def test_rounding_does_not_part_equals():
    """Rows of one kind: their scores are those of the threshold, up to rounding."""
    p = np.tile([0.5, 0.3, 0.2], (100, 1))
    labels = np.array([0] * 50 + [1] * 30 + [2] * 20)
    sets = prediction_sets(certainty_of(p), labels, coverage=0.75)
    noisy = p * (1 + np.random.default_rng(0).normal(size=p.shape) * 1e-15)
    assert sets.in_words(certainty_of(noisy)) == ["{0, 1}"] * 100


# --- edges and bad input ----------------------------------------------------------------------


def test_two_classes_and_no_rows():
    certainty, labels = draw(200, classes=2)
    sets = prediction_sets(certainty, labels)
    assert sets(certainty).shape == (200, 2)
    assert sets(certainty[:0]).shape == (0, 2)
    assert sets.in_words(certainty[:0]) == []


@pytest.mark.parametrize(("coverage", "least"), [(0.95, 19), (0.9, 9), (0.99, 99), (0.999, 999), (0.5, 1)])
def test_the_least_number_of_rows(coverage, least):
    certainty, labels = draw(least)
    prediction_sets(certainty, labels, coverage=coverage)
    with pytest.raises(InputError, match=rf"at least {least}\. Received: {least - 1}\."):
        prediction_sets(certainty[:-1], labels[:-1], coverage=coverage)


def test_fewer_rows_than_classes_do():
    certainty, labels = draw(19, classes=40)
    assert prediction_sets(certainty, labels)(certainty)[np.arange(19), labels].mean() >= 0.95


def test_a_class_without_rows():
    certainty, labels = draw(400)
    labels[labels == 2] = 1
    assert prediction_sets(certainty, labels).rows == 400
    with pytest.raises(InputError, match=r"of class '2' .* at least 19 of every class\. Received: 0"):
        prediction_sets(certainty, labels, by_class=True)


def test_labels_in_the_wrong_order_are_said_aloud():
    certainty, _ = draw(400)
    labels = certainty.probabilities.argmin(axis=1)
    with pytest.warns(HowsureWarning, match="below chance: are the labels in the order"):
        sets = prediction_sets(certainty, labels)
    assert sets(certainty)[np.arange(400), labels].mean() >= 0.95
