"""What an ensemble says follows from what its members say."""

import copy
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import howsure
from howsure.methods.members import combined as combined_estimates
from howsure.sampling.between import of_class, sampled
from howsure.sampling.estimate import RunningMoments
from howsure.sampling.outcome import Estimates, ResultMetadata
from howsure.tasks.classification.outcome import Classes
from tests.test_passes import rows_of, two_layers


def member(probabilities, expected_entropy=None):
    rows = len(probabilities)
    own = -np.sum(probabilities * np.log(probabilities), axis=1)
    expected = own if expected_entropy is None else expected_entropy
    columns = np.concatenate([probabilities, np.stack([own, expected, own - expected], axis=1)], axis=1)
    nothing = np.zeros_like(columns)
    return Estimates(columns, nothing, nothing, nothing, np.ones(rows, dtype=int))


def outcome(classes):
    return Classes("m", "probabilities", "float32", tuple(map(str, range(classes))), howsure.Thresholds())


def combined(members):
    of = outcome(members[0].mean.shape[1] - 3)
    rows = np.arange(len(members[0]))
    return of.result(combined_estimates(members, of), ResultMetadata(rows, "row", METHOD, 0, None, ""))


def draw(members=4, rows=6, classes=3, seed=0):
    random = np.random.default_rng(seed)
    centre = random.normal(size=(rows, classes))
    logits = centre + 0.7 * random.normal(size=(members, rows, classes))
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


METHOD = howsure.Ensemble([object()]).settings


def test_plain_members_count_as_independent_passes():
    p = draw()
    estimates = combined([member(each) for each in p])
    moments = RunningMoments(6, (6,))
    for each in p:
        moments.add_group(each[None], outcome(3))
    squared = moments.estimates(outcome(3)).squared_error[:, :3]
    widened = stats.t.ppf(0.975, 3) / stats.norm.ppf(0.975)
    np.testing.assert_allclose(estimates.probabilities, p.mean(axis=0))
    np.testing.assert_allclose(estimates.mc_error, np.maximum(widened * np.sqrt(squared), 0.0005))
    np.testing.assert_allclose(estimates.expected_entropy, moments.mean[:, 4])
    np.testing.assert_allclose(estimates.entropy_correction, np.sum(squared / (2 * p.mean(axis=0)), axis=1))
    assert estimates.passes.tolist() == [4] * 6


def test_errors_cover_ensembles_of_very_many():
    random = np.random.default_rng(5)
    # Logits that differ little between members, so that probabilities are nearly normal.
    truth = np.mean(1 / (1 + np.exp(-0.2 * random.normal(size=(100_000, 40)))), axis=0)
    inside = []
    for seed in range(200):
        p = 1 / (1 + np.exp(-0.2 * np.random.default_rng(seed).normal(size=(4, 40))))
        estimates = combined([member(np.stack([1 - each, each], axis=1)) for each in p])
        inside.append(np.abs(estimates.probabilities[:, 1] - truth) <= 1.96 * estimates.mc_error[:, 1])
    assert abs(np.mean(inside) - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 8000)


def test_members_with_passes_of_their_own_keep_their_expected_entropy():
    p = draw()
    inner = np.array([0.1, 0.2, 0.3, 0.1])[:, None] * np.ones((4, 6))
    estimates = combined([member(*each) for each in zip(p, inner, strict=True)])
    np.testing.assert_allclose(estimates.expected_entropy, 0.175)
    np.testing.assert_allclose(estimates.mutual_information, estimates.entropy - 0.175)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"others": []}, "at least one more model"),
        ({"others": object()}, "at least one more model"),
        ({"others": [1], "each": "softmax"}, "`each` cannot be used"),
        ({"others": [1], "each": howsure.Softmax}, "`each` cannot be used"),
        ({"others": [1], "each": howsure.Ensemble([2])}, "`each` cannot be used"),
    ],
)
def test_what_is_no_ensemble_is_refused(arguments, message):
    with pytest.raises(howsure.InputError, match=message):
        howsure.Ensemble(**arguments)


def test_members_lie_apart_as_numpy_says():
    p = draw(members=5)
    estimates = combined([member(each) for each in p])
    np.testing.assert_allclose(estimates.spread, p.std(axis=0))
    assert not estimates.spread_error.any()
    of_label = np.take_along_axis(p, estimates.label[None, :, None], axis=-1)[..., 0]
    np.testing.assert_allclose(estimates.interval(0.9), np.stack([of_label.min(0), of_label.max(0)], axis=-1))
    assert "most members say " in estimates[0].explain().lower()


def test_passes_of_members_count_alike():
    """The variance of all is the mean of the members' own, plus that of their means."""
    passes = draw(members=80).reshape(4, 20, 6, 3)
    first = np.zeros(6, int)
    reported = [sampled(values, of_class(values, first), first) for values in passes]
    estimates = combined(
        [
            replace(member(each.mean(axis=0)), passes=np.full(6, 20), **known)
            for each, known in zip(passes, reported, strict=True)
        ]
    )
    exact = np.sqrt(passes.var(axis=1, ddof=1).mean(axis=0) + passes.mean(axis=1).var(axis=0))
    np.testing.assert_allclose(estimates.spread, exact)
    assert np.all(estimates.spread_error >= 0.0005)
    assert estimates.quantiles is None


# --- the same network twice -----------------------------------------------------------------------

TWICE = "the same network, so it counts twice"
ALL_ALIKE = "All members of the ensemble are the model that is assessed"


def test_a_network_that_is_a_member_twice_is_said():
    a, b = two_layers(), two_layers(seed=1)
    (x,) = rows_of((4,), rows=30)
    with pytest.warns(howsure.HowsureWarning, match=f"Members 1 and 2 of the ensemble are {TWICE}"):
        howsure.assess(a, x, method=howsure.Ensemble([b, b], each=howsure.MCDropout(passes=4)))
    howsure.assess(a, x, method=howsure.Ensemble([b]))


@pytest.mark.parametrize("each", [howsure.PlainPrediction(), howsure.MCDropout(passes=8)])
def test_the_assessed_model_counts_once_also_among_the_others(each):
    a, b, c = (two_layers(seed=seed) for seed in range(3))
    (x,) = rows_of((4,), rows=30)
    expected = howsure.assess(a, x, method=howsure.Ensemble([b, c], each=each))
    for others in ([a, b, c], [b, a, c], [copy.deepcopy(a), b, a, c]):
        result = howsure.assess(a, x, method=howsure.Ensemble(others, each=each))
        np.testing.assert_array_equal(result.probabilities, expected.probabilities)
        np.testing.assert_array_equal(result.mc_error, expected.mc_error)
        assert result.method["members"] == expected.method["members"] == 3
    with pytest.raises(howsure.InputError, match=ALL_ALIKE):
        howsure.assess(a, x, method=howsure.Ensemble([a], each=each))


def test_a_copy_of_a_module_or_an_estimator_is_the_same_network():
    torch = pytest.importorskip("torch")
    linear_model = pytest.importorskip("sklearn.linear_model")
    tree = pytest.importorskip("sklearn.tree")
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    module = torch.nn.Linear(4, 3).eval()
    with pytest.raises(howsure.InputError, match=ALL_ALIKE):
        howsure.assess(module, x, outputs="logits", method=howsure.Ensemble([copy.deepcopy(module)]))
    fitted = linear_model.LogisticRegression().fit(x, x[:, 0] > 0)
    with pytest.raises(howsure.InputError, match=ALL_ALIKE):
        howsure.assess(fitted, x, method=howsure.Ensemble([pickle.loads(pickle.dumps(fitted))]))
    trees = [tree.DecisionTreeClassifier(random_state=seed).fit(x, x[:, 0] > 0) for seed in range(3)]
    howsure.assess(trees[0], x, method=howsure.Ensemble(trees[1:]))  # which say the same, as trees often do


# --- members that are broken, untrained, or of other classes ---------------------------------------

ROWS = np.random.default_rng(3).normal(size=(300, 4))
CLASSES = np.array(["a", "b", "c"])
OF_ROWS = CLASSES[(ROWS[:, 0] > 0).astype(int) + (ROWS[:, 1] > 0.5)]


def logistic(strength=1.0, x=ROWS, y=OF_ROWS):
    linear_model = pytest.importorskip("sklearn.linear_model")
    return linear_model.LogisticRegression(C=strength).fit(x, y)


class Turned:
    """A classifier that has its classes in another order, as one that does not sort them."""

    def __init__(self, model, order):
        self._model, self._order = model, order
        self.classes_, self.n_features_in_ = model.classes_[order], model.n_features_in_

    def predict_proba(self, x):
        return self._model.predict_proba(x)[:, self._order]


def test_members_with_the_same_classes_in_another_order_are_put_in_order():
    members = [logistic(), logistic(0.3), logistic(0.1)]
    expected = np.mean([member.predict_proba(ROWS) for member in members], axis=0)
    method = howsure.Ensemble([Turned(members[1], [2, 0, 1]), Turned(members[2], [1, 0, 2])])
    for names in (None, ["a", "b", "c"]):
        result = howsure.assess(members[0], ROWS, method=method, class_names=names)
        np.testing.assert_allclose(result.probabilities, expected, atol=1e-6)
        assert result.class_names == ("a", "b", "c")
    each = howsure.Augmentation([lambda rows: rows + 0.1])
    result = howsure.assess(members[0], ROWS, method=howsure.Ensemble(method.others, each=each))
    moved = np.mean([member.predict_proba(ROWS + 0.1) for member in members], axis=0)
    np.testing.assert_allclose(result.probabilities, (expected + moved) / 2, atol=1e-6)


def test_members_with_other_classes_are_refused_by_their_number():
    others = logistic(y=np.where(OF_ROWS == "a", "d", OF_ROWS))
    fewer = logistic(x=ROWS[OF_ROWS != "a"], y=OF_ROWS[OF_ROWS != "a"])
    for member, named in ((others, "'b', 'c', 'd'"), (fewer, "'b', 'c'")):
        text = f"^Member 2 of the ensemble: .*other classes.*Expected: 'a', 'b', 'c'. Received: {named}\\."
        with pytest.raises(howsure.ModelError, match=text):
            howsure.assess(logistic(), ROWS, method=howsure.Ensemble([logistic(0.3), member]))
    renamed = logistic(0.3, y=np.searchsorted(CLASSES, OF_ROWS))
    numbered = logistic(y=np.searchsorted(CLASSES, OF_ROWS))
    result = howsure.assess(numbered, ROWS, method=howsure.Ensemble([renamed]), class_names=["x", "y", "z"])
    assert result.class_names == ("x", "y", "z")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_member_that_puts_out_no_numbers_is_named(value):
    broken = Turned(logistic(0.1), [0, 1, 2])
    broken.predict_proba = lambda x: np.full((len(x), 3), value)
    with pytest.raises(
        howsure.ModelError, match=r"^Member 2 of the ensemble: model .* put out NaN or infinity"
    ):
        howsure.assess(logistic(), ROWS, method=howsure.Ensemble([logistic(0.3), broken]))


def constant(member):
    member.coef_[:] = 0
    return member


def turned_about(member):
    member.coef_, member.intercept_ = member.coef_[[1, 2, 0]], member.intercept_[[1, 2, 0]]
    return member


def said_of(members, x=ROWS):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        howsure.assess(members[0], x, method=howsure.Ensemble(members[1:]))
    return [str(warning.message) for warning in caught]


def test_a_member_that_says_the_same_of_all_rows_is_named():
    (warning,) = said_of([logistic(), constant(logistic(0.3))])
    assert warning.startswith("Member 1 of the ensemble says the same of all 300 rows, and others do not.")
    (warning,) = said_of([constant(logistic(2.0)), logistic(), logistic(0.3)])
    assert warning.startswith("Member 0 of the ensemble says the same of all 300 rows")
    assert said_of([logistic(), constant(logistic(0.3))], ROWS[:8]) == []


def test_a_member_that_agrees_with_no_other_is_named():
    random = logistic(0.2)
    random.coef_ = np.random.default_rng(9).normal(size=random.coef_.shape) * [0, 0, 1, 1]  # of other columns
    for odd in (random, turned_about(logistic(0.2))):
        (warning,) = said_of([logistic(), logistic(0.3), odd, logistic(0.1)])
        assert warning.startswith(
            "Member 2 of the ensemble agrees with the others hardly more than chance does"
        )
        assert said_of([logistic(), logistic(0.3), odd, logistic(0.1)], ROWS[:60]) == []
    assert said_of([logistic(), odd]) == [], "of two nobody knows which"


def test_regressors_of_which_one_agrees_with_no_other():
    linear_model = pytest.importorskip("sklearn.linear_model")
    numbers = np.stack([ROWS[:, 0] - ROWS[:, 1], 1000 * ROWS[:, 0]], axis=1)
    members = [linear_model.Ridge(strength).fit(ROWS, numbers) for strength in (1, 30, 60)]
    assert said_of(members) == []
    members[0].coef_ = -members[0].coef_
    (warning,) = said_of(members)
    assert warning.startswith("Member 0 of the ensemble agrees with the others hardly more than chance does")


@pytest.mark.parametrize("classes", [2, 3])
def test_sound_members_are_not_called_odd(classes):
    """Small trees from resampled rows, on other rows: 50 ensembles and no false alarm."""
    tree = pytest.importorskip("sklearn.tree")
    random = np.random.default_rng(classes)
    for seed in range(50):
        x = random.normal(size=(400, 4))
        y = (x[:, 0] + 0.7 * random.normal(size=400) > 0).astype(int) + (classes - 2) * (x[:, 1] > 1)
        drawn = [random.integers(0, 300, 300) for _ in range(4)]
        members = [tree.DecisionTreeClassifier(max_depth=2, random_state=seed).fit(x[d], y[d]) for d in drawn]
        assert said_of(members, x[300:]) == []
