"""Calibration agrees with scikit-learn and plain loops, knows its own error, and says what it cannot do."""

import inspect
import json
import pickle
import re
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV

import howsure
from howsure.errors import HowsureWarning
from howsure.evaluation import temperature as tempering
from howsure.evaluation.calibrate import calibrate
from howsure.evaluation.temperature import losses
from howsure.statistics import entropy_of
from howsure.tasks.classification import maps
from howsure.tasks.classification.calibrate import (
    Calibrator,
    shares_in_words,
    simplest,
    supported_in_words,
    temperature_ends,
)
from tests import made
from tests.sampling.enumerated import softmax

TEMPERATURE = 1.8


def certainty_of(p):
    return made.certainty_of(
        p,
        mc_error=0.004,
        passes=50,
        class_names=tuple("abcdefghijkl"[: p.shape[1]]),
        expected_entropy=0.6 * entropy_of(p),
        method={"name": "MCDropout", "passes": 50},
    )


def draw(rows=400, classes=3, temperature=TEMPERATURE, seed=0):
    """Probabilities, and labels drawn from what they are at this temperature."""
    random = np.random.default_rng(seed)
    logits = 3 * random.normal(size=(rows, classes))
    below = np.cumsum(softmax(logits / temperature), axis=1)
    return softmax(logits), np.sum(below[:, :-1] < random.random((rows, 1)), axis=1)


def nll_of(q, labels):
    return -np.mean(np.log(q[np.arange(len(q)), labels]))


def weight_of_the_model(p, labels):
    """What the model's own percentages count beside the answers: as 1 to the mistakes, seen or claimed."""
    return 1 / max(np.sum(p.argmax(axis=1) != labels), np.sum(1 - p.max(axis=1)), 1)


def with_what_the_model_says(p, labels):
    """Rows, labels and weights of the same fit, for libraries: each row, and a part of it as claimed."""
    rows, classes = p.shape
    own = weight_of_the_model(p, labels)
    weights = np.concatenate([np.ones(rows), own * p.T.ravel()])
    return np.tile(p, (classes + 1, 1)), np.append(labels, np.repeat(np.arange(classes), rows)), weights


def prior(fit):
    """What offsets cost, as if every class had one row more that is just as claimed."""
    offsets = fit.get("offsets", np.zeros(0))
    return np.sum(np.exp(offsets) - offsets)


def bounded(q, rows):
    """No probability above (n + 1) / (n + 2), what lies above spread over all classes."""
    spread = 1 / ((rows + 2) * (q.shape[1] - 1))
    return q * (1 - q.shape[1] * spread) + spread


# --- agreement ----------------------------------------------------------------------------------------


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose features are its probabilities."""

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, x):
        return x

    def predict(self, x):
        return self.classes_[x.argmax(axis=1)]


@pytest.mark.parametrize("classes", [2, 4])
def test_temperature_agrees_with_scikit_learn(classes):
    pytest.importorskip("sklearn", minversion="1.8", reason="temperature scaling is new in scikit-learn 1.8")
    from sklearn.frozen import FrozenEstimator

    p, labels = draw(classes=classes)
    theirs = CalibratedClassifierCV(FrozenEstimator(Given().fit(p, labels)), method="temperature")
    x, y, weights = with_what_the_model_says(p, labels)
    with pytest.warns(UserWarning, match="sample weights will only be used for the calibration itself"):
        theirs.fit(x, y, sample_weight=weights)  # and there is nothing else to use them for
    ours = calibrate(certainty_of(p), labels, method="temperature")(certainty_of(p))
    np.testing.assert_allclose(ours.probabilities, bounded(theirs.predict_proba(p), len(p)), atol=1e-5)


def test_temperature_agrees_with_a_search_over_it():
    p, labels = draw()
    x, y, weights = with_what_the_model_says(p, labels)
    best = minimize_scalar(
        lambda temperature: -weights @ np.log(softmax(np.log(x) / temperature)[np.arange(len(x)), y]),
        bounds=(0.1, 10),
        method="bounded",
    )
    fitted = calibrate(certainty_of(p), labels, method="temperature").parameters["temperature"]
    assert float(fitted) == pytest.approx(best.x, rel=1e-4)


def test_temperature_on_probabilities_is_temperature_on_logits():
    random = np.random.default_rng(3)
    logits = 4 * random.normal(size=(300, 3)) + 5 * random.normal(size=(300, 1))
    labels = random.integers(0, 3, 300)
    temperature = float(maps.fitted(softmax(logits), labels)["temperature"])
    mapped = maps.mapped({"temperature": np.array(temperature)}, softmax(logits))
    np.testing.assert_allclose(mapped, softmax(logits / temperature), atol=1e-12)


def test_temperature_never_changes_a_label():
    p, _ = draw(rows=300)
    p = np.concatenate([p, np.eye(3), [[0.5, 0.5, 0.0], [0.4, 0.2, 0.4]]])
    for temperature in (1 / maps.LIMIT, 0.5, 3.0, maps.LIMIT):
        mapped = maps.mapped({"temperature": np.array(temperature)}, p)
        np.testing.assert_array_equal(certainty_of(mapped).label, certainty_of(p).label)


@pytest.mark.parametrize("name", maps.METHODS)
def test_classes_and_rows_may_come_in_any_order(name):
    p, labels = draw()
    order, random = np.array([2, 0, 1]), np.random.default_rng(0)
    rows = random.permutation(len(p))
    one = maps.fitted(p, labels, method=name)
    other = maps.fitted(p[rows][:, order], np.argsort(order)[labels[rows]], method=name)
    np.testing.assert_allclose(maps.mapped(other, p[:, order]), maps.mapped(one, p)[:, order], atol=1e-8)


@pytest.mark.parametrize("name", maps.METHODS)
def test_each_method_is_explained_saved_and_learns_what_it_says(name, tmp_path):
    docs = (Path(__file__).parents[2] / "docs" / "calibrate.md").read_text(encoding="utf-8")
    (row,) = (line for line in docs.splitlines() if line.startswith("| classes, several labels, "))
    reported = [row.split("|")[2], *re.findall(r" method: ([^;]*);", inspect.getdoc(calibrate))]
    assert [re.findall(r"`(\w+)`", each) for each in reported] == 2 * [[maps.AUTO, *maps.METHODS]]
    (reported,) = re.findall(r" method: ([^.]*)\.", inspect.getdoc(Calibrator))
    assert re.findall(r"`(\w+)`", reported) == [*maps.METHODS]
    p, labels = draw()
    learnt = calibrate(certainty_of(p), labels, method=name)
    shapes = {key: shape for key, (shape, _) in maps.ranges(name, 3).items()}
    assert {key: item.shape for key, item in learnt.parameters.items()} == shapes
    learnt.save(tmp_path / "learnt.json")
    again = Calibrator.load(tmp_path / "learnt.json")
    for one in (again, pickle.loads(pickle.dumps(learnt))):
        changed = one(certainty_of(p)).probabilities
        np.testing.assert_array_equal(changed, learnt(certainty_of(p)).probabilities)


@pytest.mark.parametrize("name", maps.METHODS)
def test_no_number_of_a_fit_can_be_moved_for_less_loss_however_often_rows_count(name):
    p, labels = draw()
    labels = np.where(np.arange(400) % 4, labels, 0)  # a class that is truly more frequent than claimed
    random = np.random.default_rng(0)
    x, y, counted = with_what_the_model_says(p, labels)
    for weight in (None, random.exponential(size=400)):
        fit = maps.fitted(p, labels, weight, method=name)
        # Each row and what the model says of it count together as one.
        of_rows = counted * np.tile(np.ones(400) if weight is None else weight, 4)
        of_rows /= 1 + weight_of_the_model(p, labels)

        def loss(parameters, of_rows=of_rows):
            q = maps.mapped({**parameters, "most": 1.0}, x)
            return -of_rows @ np.log(q[np.arange(len(x)), y]) + prior(parameters)

        for key in {*fit} - {"most"}:
            for place in np.ndindex(np.shape(fit[key])):
                for step in (-0.02, 0.02):
                    moved = np.array(fit[key], dtype=float)
                    moved[place] += step
                    assert loss({**fit, key: moved}) > loss(fit), (key, place, step)


@pytest.mark.parametrize("name", maps.METHODS)
def test_the_words_tell_each_number_that_was_learnt(name):
    p, labels = draw()
    learnt = calibrate(certainty_of(p), labels, method=name)
    words = learnt.in_words()
    assert f"by '{name}'" in words
    said = f"temperature {float(learnt.parameters.get('temperature', 0)):.2f}" in words
    assert said == ("temperature" in learnt.parameters)
    assert ("Another answer comes first in" in words) == ("offsets" in learnt.parameters)


@pytest.mark.parametrize("name", maps.METHODS)
def test_the_rows_move_a_fit_as_leaving_each_out_does(name):
    """The jackknife of the NLL of all rows, which knows nothing of slopes (Efron 1982)."""
    p, labels = draw(rows=120)
    fit = maps.fitted(p, labels, method=name)

    def mean_nll(parameters):
        return nll_of(maps.mapped(parameters, fresh), of_fresh)

    fresh, of_fresh = draw(rows=500, temperature=0.8, seed=5)
    of_fresh = np.where(np.arange(500) % 4, of_fresh, 0)  # a fit to others is far from the best one here
    without = [
        maps.fitted(np.delete(p, row, axis=0), np.delete(labels, row), method=name) for row in range(120)
    ]
    jackknifed = mean_nll(fit) - np.array([mean_nll(each) for each in without])
    slopes = maps.slopes(fit, fresh, of_fresh)[0][0].mean(axis=0)
    moved = maps.moves(fit, p, labels) @ slopes
    assert np.corrcoef(moved, jackknifed)[0, 1] > 0.99
    assert np.linalg.norm(moved) == pytest.approx(np.linalg.norm(jackknifed), rel=0.1)


# --- offsets ------------------------------------------------------------------------------------------

PRIOR_SHIFT = np.array([0.0, 0.0, -3.0])


def draw_shifted(rows=1000, sharp=1.0, shift=PRIOR_SHIFT, seed=0):
    """Probabilities of a model that learnt from as many rows of each class, and labels as they truly are."""
    random = np.random.default_rng(seed)
    logits = 2 * random.normal(size=(rows, len(shift)))
    labels = [random.choice(len(shift), p=p) for p in softmax(logits + shift)]
    return softmax(sharp * logits), np.array(labels)


def test_both_of_two_classes_are_the_sigmoid_of_scikit_learn():
    """Platt's, with his targets; the priors weigh less than a row of 20,000."""
    from sklearn.frozen import FrozenEstimator

    p, labels = draw_shifted(20_000, sharp=1.5, shift=np.array([0.0, -2.0]))

    class LogOdds(Given):
        def decision_function(self, x):
            return np.log(x[:, 1] / x[:, 0])

    theirs = CalibratedClassifierCV(FrozenEstimator(LogOdds().fit(p, labels)), method="sigmoid").fit(
        p, labels
    )
    ours = maps.mapped(maps.fitted(p, labels, method="both"), p)
    np.testing.assert_allclose(ours, theirs.predict_proba(p), atol=1e-3)


def test_offsets_undo_a_shift_of_priors():
    p, labels = draw_shifted(5000, sharp=1.5)
    fit = maps.fitted(p, labels, method="both")
    assert float(fit["temperature"]) == pytest.approx(1.5, rel=0.1)
    np.testing.assert_allclose(fit["offsets"] - fit["offsets"][0], PRIOR_SHIFT, atol=0.3)
    assert np.exp(fit["offsets"]).mean() == pytest.approx(1, rel=1e-4)
    fit = maps.fitted(*draw_shifted(5000), method="offsets")
    np.testing.assert_allclose(fit["offsets"] - fit["offsets"][0], PRIOR_SHIFT, atol=0.3)


@pytest.mark.parametrize(("classes", "claimed", "seen"), [(4, 20, 0), (4, 0.5, 0), (4, 2, 9), (50, 8, 2)])
def test_a_class_of_few_rows_is_multiplied_as_if_it_had_one_more(classes, claimed, seen):
    rows = 2000
    rest = np.full((rows, classes - 1), (1 - claimed / rows) / (classes - 1))
    p = np.column_stack([np.full(rows, claimed / rows), rest])
    labels = np.append(np.zeros(seen, dtype=int), 1 + np.arange(rows - seen) % (classes - 1))
    offsets = maps.fitted(p, labels, method="offsets")["offsets"]
    factor = np.exp(offsets[0] - offsets[1])
    assert factor == pytest.approx((seen + 1) / (claimed + 1), rel=0.2)


def test_the_simplest_method_is_chosen_that_no_other_beats_by_more_than_chance():
    random = np.random.default_rng(0)
    loss, noise = random.exponential(size=200), 0.1 * random.normal(size=200)
    noise -= noise.mean()
    error = noise.std(ddof=1) / np.sqrt(200)
    for gain, chosen in ((0.0, "temperature"), (1.9, "temperature"), (2.1, "offsets")):
        losses_of = {"temperature": loss, "offsets": loss + noise - gain * error, "both": loss + noise}
        assert simplest(losses_of) == chosen


@pytest.mark.parametrize(
    ("drawn", "chosen"),
    [
        (draw(1000), "temperature"),
        (draw(1000, temperature=1.0), "temperature"),
        (draw_shifted(), "offsets"),
        (draw_shifted(sharp=2.0), "both"),
    ],
)
def test_auto_chooses_what_is_needed(drawn, chosen):
    p, labels = drawn
    calibrator = calibrate(certainty_of(p), labels)
    assert calibrator.method == chosen
    expected = calibrate(certainty_of(p), labels, method=chosen)
    for name, array in expected.parameters.items():
        np.testing.assert_array_equal(calibrator.parameters[name], array)
    assert str(calibrate(certainty_of(p), labels, method="auto").after) == str(calibrator.after)


def test_scores_after_offsets_are_those_of_fresh_rows():
    """The gain that is claimed of rows that also chose the method, in intervals that hold."""
    held, bias, fresh = 0, [], draw_shifted(20_000, sharp=1.3, shift=np.array([0.0, 0.3, -0.8]), seed=99)
    for seed in range(60):
        p, labels = draw_shifted(150, sharp=1.3, shift=np.array([0.0, 0.3, -0.8]), seed=seed)
        calibrator = calibrate(certainty_of(p), labels, seed=seed)
        claimed = calibrator.differences["nll"]
        actual = nll_of(maps.mapped(calibrator.parameters, fresh[0]), fresh[1]) - nll_of(*fresh)
        held += claimed.low <= actual <= claimed.high
        bias.append(claimed.value - actual)
    assert np.mean(bias) > -3 * np.std(bias, ddof=1) / np.sqrt(60)
    assert held >= 52  # 57 are 95 %


def test_an_answer_may_change_and_verdicts_follow():
    p, labels = draw_shifted()
    certainty = certainty_of(p)
    calibrator = calibrate(certainty, labels)
    mended = calibrator(certainty)
    q = mended.probabilities
    assert 0.05 < np.mean(mended.label != certainty.label) < 0.5
    order = np.argsort(-q, axis=1)
    np.testing.assert_array_equal(mended.label, order[:, 0])
    np.testing.assert_array_equal(mended.runner_up, order[:, 1])
    again = replace(certainty, probabilities=q, mc_error=mended.mc_error)
    np.testing.assert_array_equal(mended.verdict, again.verdict)
    np.testing.assert_array_equal(mended.settled, again.settled)
    assert calibrator.differences["accuracy"].low > 0
    share = 100 * np.mean(mended.label != certainty.label)
    assert f"Another answer comes first in {share:.1f}\u00a0% of these rows." in calibrator.in_words()


def test_the_words_name_the_classes_that_are_said_too_often_or_too_rarely():
    p, labels = draw_shifted()
    words = calibrate(certainty_of(p), labels).in_words()
    claimed, true = 100 * p[:, 2].mean(), 100 * np.mean(labels == 2)
    assert f"On average, the model says 'c' in {claimed:.1f}\u00a0% (true: {true:.1f}\u00a0%), " in words
    p, labels = draw_shifted(shift=np.array([0.0, -2.0]))
    words = calibrate(certainty_of(p), labels).in_words()
    assert words.count("(true: ") == 1
    assert "On average, the model says 'b' in" in words
    chance = calibrate(certainty_of(draw()[0]), draw()[1], method="offsets").in_words()
    assert "No class is claimed more often, or more rarely, than it is true, by more than chance." in chance


def test_classes_are_rarely_named_where_claims_are_true():
    named = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        p = random.dirichlet(0.3 * np.array([10, 3, 1, 0.1]), size=100)
        labels = np.array([random.choice(4, p=each) for each in p])
        named += "the model says" in shares_in_words(p, labels, tuple("abcd"))
    assert named / 400 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


# --- how much work it is ------------------------------------------------------------------------------


def test_a_calibration_goes_over_the_rows_a_few_times(monkeypatch):
    """Not ten times for each of 18 fits: those to other folds begin at the first."""
    p, labels = draw(rows=20_000)
    rows = 0

    def counted(theta, logs, *others, **more):
        nonlocal rows
        rows += len(logs)
        return losses(theta, logs, *others, **more)

    for module in (maps, tempering):
        monkeypatch.setattr(module, "losses", counted)
    calibrate(certainty_of(p), labels)
    assert len(p) < rows < 100 * len(p)


def test_a_calibration_does_not_carry_errors_that_no_score_needs(monkeypatch):
    """They take K² operations a row."""
    p, labels = draw()
    monkeypatch.setattr(maps, "propagated", None)
    calibrate(certainty_of(p), labels)


# --- its own uncertainty ------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "temperature"), [(60, 1.8), (400, 1.8), (400, 0.6)])
def test_the_interval_of_a_temperature_holds_over_fresh_data_sets(rows, temperature):
    held = 0
    for seed in range(300):
        p, labels = draw(rows, temperature=temperature, seed=seed)
        fit = maps.fitted(p, labels)
        mistakes = int(np.sum(p.argmax(axis=1) != labels))
        _, low, high = temperature_ends(fit, maps.moves(fit, p, labels)[:, 0], mistakes)
        held += low <= temperature <= high
    assert held / 300 >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / 300)


# --- what a map does to errors ------------------------------------------------------------------------


def means_of_passes(classes, noise, rows=25, repetitions=400, passes=60):
    """(N, repetitions, K) what repeated assessments of the same rows would give."""
    random = np.random.default_rng(7)
    actual = []
    for logits in 3 * random.normal(size=(rows, classes)):
        drawn = logits + noise * random.normal(size=(repetitions * passes, classes))
        actual.append(softmax(drawn).reshape(repetitions, passes, classes).mean(axis=1))
    return np.array(actual)


@pytest.mark.parametrize("noise", [0.3, 1.0])
@pytest.mark.parametrize("classes", [2, 4, 10])
def test_errors_are_those_of_repeated_assessments(classes, noise):
    parameters = {"temperature": np.array(1.7)}
    means = means_of_passes(classes, noise)
    rows, repetitions, _ = means.shape

    def change(p):
        return maps.mapped(parameters, p)

    actual = change(means.reshape(-1, classes)).reshape(means.shape).std(axis=1, ddof=1)
    claimed = maps.propagated(change, means.mean(axis=1), means.std(axis=1, ddof=1))
    # Together, and of each probability that passes move; 400 repetitions know an error to 3.5 %. What
    # correlations between classes are not known leaves a tenth, and a quarter of a single one.
    error = np.sqrt(1 / (2 * (repetitions - 1)))
    ratio = np.sqrt(np.sum(claimed**2) / np.sum(actual**2))
    assert abs(np.log(ratio)) < (0 if classes == 2 else 0.1) + 4 * error / np.sqrt(rows)
    each = (claimed / actual)[actual > 1e-3]
    assert len(each) > rows
    assert np.all(np.abs(np.log(each)) < 0.25 + 4 * error)


def test_errors_stay_as_they_were_where_nothing_changes():
    p, _ = draw(rows=60, classes=4)
    error = np.random.default_rng(0).uniform(0, 0.02, p.shape)
    nothing = {"temperature": np.array(1.0)}
    actual = maps.propagated(lambda some: maps.mapped(nothing, some), p, error)
    # Chords, not tangents: apart by a share as large as the errors, and by squares of a row's largest.
    allowed = 0.04 * error + error.max(axis=1, keepdims=True) ** 2
    assert np.all(np.abs(actual - error) < allowed)
    assert np.median(np.abs(actual / error - 1)) < 0.001


def test_errors_of_two_classes_are_equal_and_those_of_the_derivative():
    p = np.array([[0.3, 0.7], [0.9, 0.1]])
    parameters = {"temperature": np.array(2.0)}
    error = np.full((2, 2), 1e-5)
    actual = maps.propagated(lambda some: maps.mapped(parameters, some), p, error)
    q = maps.mapped(parameters, p)
    expected = (q.prod(axis=1) / (2 * p.prod(axis=1)))[:, None] * error
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_errors_near_zero_stay_within_what_the_probability_can_reach():
    p = np.array([[1 - 1e-12, 1e-12]])
    parameters = {"temperature": np.array(2.0)}
    actual = maps.propagated(lambda some: maps.mapped(parameters, some), p, np.full((1, 2), 5e-4))
    reached = maps.mapped(parameters, np.array([[1 - 5e-4, 5e-4]]))[0, 1]
    np.testing.assert_allclose(actual, reached, rtol=0.05)


def test_blocks_of_rows_do_not_show_and_unknown_errors_stay_unknown(monkeypatch):
    p, labels = draw(rows=120, classes=4)
    calibrator, certainty = calibrate(certainty_of(p), labels), certainty_of(p)
    whole = calibrator(certainty).mc_error
    monkeypatch.setattr(maps, "NUMBERS_AT_ONCE", 7 * 16)
    np.testing.assert_array_equal(calibrator(certainty).mc_error, whole)
    some = certainty.mc_error.copy()
    some[3] = np.nan
    actual = calibrator(replace(certainty, mc_error=some)).mc_error
    assert np.all(np.isnan(actual[3]))
    np.testing.assert_array_equal(np.delete(actual, 3, axis=0), np.delete(whole, 3, axis=0))
    none = calibrator(replace(certainty, mc_error=np.zeros_like(p))).mc_error
    assert np.all(none == 0)


# --- the calibrated certainty -------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 5])
def test_what_always_holds(classes):
    p, labels = draw(rows=200, classes=classes)
    calibrator = calibrate(certainty_of(p), labels)
    corners = np.concatenate([np.eye(classes), np.full((1, classes), 1 / classes), p])
    certainty = replace(certainty_of(corners), entropy_correction=np.full(len(corners), 0.01))
    mended = calibrator(certainty)
    np.testing.assert_allclose(mended.probabilities.sum(axis=1), 1, atol=1e-12)
    assert np.all((mended.probabilities >= 0) & (mended.probabilities <= 1))
    assert np.all(np.isfinite(mended.mc_error) & (mended.mc_error >= 0))
    assert np.all(mended.mutual_information >= 0)
    assert np.all(mended.mutual_information <= mended.entropy)
    assert np.all(mended.entropy <= np.log(classes))
    nothing = calibrator(certainty[:0])
    assert len(nothing) == 0
    assert nothing.probabilities.shape == nothing.mc_error.shape == (0, classes)
    one = calibrator(certainty[7:8])
    np.testing.assert_allclose(one.probabilities[0], mended.probabilities[7], rtol=1e-12)


def test_the_share_of_each_doubt_is_the_models():
    p, labels = draw()
    certainty = replace(certainty_of(p), entropy_correction=np.full(len(p), 0.002))
    mended = calibrate(certainty, labels)(certainty)
    free = mended.entropy < np.log(3) - 1e-9
    assert free.mean() > 0.9
    np.testing.assert_allclose(
        (mended.mutual_information / mended.entropy)[free],
        (certainty.mutual_information / certainty.entropy)[free],
        atol=1e-12,
    )
    assert np.all(np.isnan(mended.entropy_error))
    assert np.all(np.isnan(mended.expected_entropy_error) & np.isnan(mended.mutual_information_error))
    # No doubt has no shares: what there is now counts as the input's.
    sure = calibrate(certainty, labels)(certainty_of(np.eye(3)))
    assert np.all(sure.mutual_information == 0)
    assert np.all(sure.expected_entropy > 0)


def test_settings_are_kept_and_the_calibration_is_written_down(tmp_path):
    p, labels = draw(rows=200)
    certainty = replace(
        certainty_of(p),
        row=np.arange(200) + 5,
        truth=labels,
        kind="image",
        thresholds=howsure.Thresholds(sure=0.9),
        seed=3,
        plan={"masks": [1, 2]},
        version="0.1.0",
    )
    calibrator = calibrate(certainty, labels)
    mended = calibrator(certainty)
    for name in ("kind", "thresholds", "seed", "plan", "version", "class_names"):
        assert getattr(mended, name) == getattr(certainty, name)
    np.testing.assert_array_equal(mended.row, certainty.row)
    np.testing.assert_array_equal(mended.truth, labels)
    np.testing.assert_array_equal(mended.passes, certainty.passes)
    assert {name: mended.method[name] for name in certainty.method} == certainty.method
    mended.save(tmp_path / "mended.parquet")
    written = howsure.load(tmp_path / "mended.parquet").method["calibration"]
    assert json.loads(json.dumps(mended.method["calibration"])) == written
    assert (written.pop("method"), written.pop("rows")) == ("temperature", 200)
    read = {name: np.array(numbers) for name, numbers in written.items()}
    np.testing.assert_array_equal(maps.mapped(read, p), mended.probabilities)


def test_a_calibrator_is_frozen_repeatable_and_can_be_sent():
    p, labels = draw(rows=150)
    one, other = (calibrate(certainty_of(p), labels, seed=2) for _ in range(2))
    assert str(one.after) == str(other.after)
    fresh = certainty_of(draw(seed=8)[0])
    sent = pickle.loads(pickle.dumps(other))
    np.testing.assert_array_equal(one(fresh).probabilities, sent(fresh).probabilities)
    with pytest.raises(FrozenInstanceError):
        one.method = "none"
    for array in one.parameters.values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


# --- does it help, and what it says -------------------------------------------------------------------


def test_too_high_percentages_are_mended():
    p, labels = draw(rows=1500)
    calibrator = calibrate(certainty_of(p), labels)
    fresh, fresh_labels = draw(rows=4000, seed=77)
    gained = howsure.evaluate(calibrator(certainty_of(fresh)), fresh_labels).minus(
        howsure.evaluate(certainty_of(fresh), fresh_labels)
    )
    assert gained["nll"].high < 0
    assert gained["ece"].high < 0
    assert calibrator.helps == "better"
    assert calibrator.differences["nll"].high < 0
    assert calibrator.differences["nll"].value == pytest.approx(
        calibrator.after.nll.value - calibrator.before.nll.value
    )


def test_scores_are_not_optimistic_where_nothing_is_to_be_gained():
    claimed, actual, verdicts, seeds = [], [], [], 24
    fresh, fresh_labels = draw(rows=5000, temperature=1.0, seed=999)
    for seed in range(seeds):
        p, labels = draw(rows=60, temperature=1.0, seed=seed)
        calibrator = calibrate(certainty_of(p), labels, seed=seed)
        claimed.append(calibrator.differences["nll"].value)
        mapped = maps.mapped(calibrator.parameters, fresh)
        actual.append(nll_of(mapped, fresh_labels) - nll_of(fresh, fresh_labels))
        verdicts.append(calibrator.helps)
    error = np.std(claimed, ddof=1) / np.sqrt(seeds)
    assert np.mean(actual) > 0
    assert np.mean(claimed) > np.mean(actual) - 4 * error
    # One-sided 2.5 %, and four standard errors.
    assert verdicts.count("better") <= seeds * 0.025 + 4 * np.sqrt(seeds * 0.025 * 0.975)


def test_folds_hold_a_fifth_of_every_class():
    labels = np.repeat([0, 1, 2], [50, 20, 10])
    fold = maps.folds(labels, seed=0)
    held = [np.bincount(labels[fold == number], minlength=3).tolist() for number in range(5)]
    assert held == [[10, 4, 2]] * 5


def test_few_rows_and_rare_classes_are_said_aloud():
    p, labels = draw(rows=60)
    labels = np.where(labels == 2, 0, labels)
    missing = calibrate(certainty_of(p), labels)
    assert "There are 60 labelled rows; there should be 100 or more." in missing.warnings
    assert "No labelled row is of 'c'." in missing.warnings
    labels[:2] = 2
    rare = calibrate(certainty_of(p), labels)
    assert "Fewer than 5 labelled rows each are of 'c'." in rare.warnings
    assert all(warning in rare.in_words() for warning in rare.warnings)
    p, labels = draw(rows=500)
    assert calibrate(certainty_of(p), labels).warnings == ()


def test_labels_in_the_wrong_order_and_fits_at_their_limit_are_said_aloud():
    p, _ = draw(rows=200)
    wrong = calibrate(certainty_of(p), p.argmin(axis=1))
    assert any("below chance" in warning for warning in wrong.warnings)
    assert any("ended at its limit" in warning for warning in wrong.warnings)
    assert float(wrong.parameters["temperature"]) == pytest.approx(maps.LIMIT)


def test_rows_without_a_mistake_raise_nothing_above_what_they_support():
    p, _ = draw(rows=200, classes=4)
    p = np.maximum(p, 1e-4) / np.maximum(p, 1e-4).sum(axis=1, keepdims=True)
    text = "The 200 labelled rows contain no mistake. With fewer than 5, they cannot tell"
    with pytest.warns(HowsureWarning, match=text):
        calibrator = calibrate(certainty_of(p), p.argmax(axis=1))
    assert calibrator.helps == "cannot tell"
    assert any(text in warning for warning in calibrator.warnings)
    assert "makes the percentages truer:" not in calibrator.in_words()
    assert "highest percentages are raised" not in calibrator.in_words()
    assert "No percentage is above 99.5\u00a0%: so many rows support no more." in calibrator.in_words()
    extreme = certainty_of(np.concatenate([p, np.eye(4)]))
    mended = calibrator(extreme)
    assert mended.probability.max() <= 201 / 202 + 1e-12
    np.testing.assert_array_equal(mended.label, extreme.label)
    # The bound alone leaves about one mistake of 200 in the claims, and what the model says a few.
    assert 0.5 < np.sum(1 - mended.probability[:200]) < np.sum(1 - p.max(axis=1)) / 3


@pytest.mark.parametrize("mistakes", [0, 1, 3])
@pytest.mark.parametrize("rows", [40, 200, 1000])
def test_claims_from_few_mistakes_are_kept_on_fresh_rows(rows, mistakes):
    """A model that is too modest, and right so often that its rows show no more mistakes than these."""
    lost, claimed, actual, random = [], [], 0, np.random.default_rng(0)
    share = max(mistakes, 1) / rows  # of rows that are wrong, whatever the model says of them
    for _ in range(200):
        p = softmax(np.column_stack([random.uniform(0.5, 3, 2 * rows), np.zeros(2 * rows)]))
        labels = (random.random(2 * rows) < share).astype(int)
        if labels[:rows].sum() != mistakes:
            continue
        actual += 1
        parameters = maps.fitted(p[:rows], labels[:rows])
        q = maps.mapped(parameters, p[rows:])
        lost.append(nll_of(q, labels[rows:]) + share * np.log(share) + (1 - share) * np.log(1 - share))
        claimed.append(1 - q[:, 0].mean())
        if actual == 20:
            break
    # Nobody who sees so few mistakes can know their share to better than a few times; in nats that is little.
    assert np.mean(claimed) > share / 3
    assert np.mean(lost) < 4 * share


@pytest.mark.parametrize(
    ("rows", "shown"), [(10, "91.6"), (98, "99.0"), (200, "99.5"), (998, "99.90"), (99_998, "99.9990")]
)
def test_what_rows_support_is_never_rounded_up(rows, shown):
    assert supported_in_words(rows) == f"{shown}\u00a0%"
    assert float(shown) <= 100 * (1 - 1 / (rows + 2))


def test_a_calibration_that_makes_it_worse_says_so():
    # Rows that are right for sure cost what the bound on claims takes; the others leave the temperature at 1.
    p = np.repeat([[1.0, 0.0], [0.5, 0.5]], 50, axis=0)
    labels = np.concatenate([np.zeros(50), np.arange(50) % 2]).astype(int)
    calibrator = calibrate(certainty_of(p), labels)
    assert calibrator.differences["nll"].low > 0
    assert calibrator.helps == "worse"
    assert any("made rows worse" in warning for warning in calibrator.warnings)
    assert "makes the percentages less true:" in calibrator.in_words()
    assert repr(calibrator) == "<Calibrator by temperature from 100 rows, 2 classes: worse>"


def test_in_words():
    p, labels = draw(rows=1000)
    words = calibrate(certainty_of(p), labels).in_words()
    assert "learnt from 1,000 rows with known answers" in words
    assert "claimed too much, so its highest percentages are lowered" in words
    assert words.startswith("Calibration makes the percentages truer: the NLL falls")
    assert "If the model was trained on these rows, none of this holds" in words
    assert "too little" in calibrate(certainty_of(p), draw(rows=1000, temperature=0.5)[1]).in_words()
    assert "need no change" in calibrate(certainty_of(p), draw(rows=1000, temperature=1.0)[1]).in_words()


# --- bad input ----------------------------------------------------------------------------------------


def test_a_class_may_have_no_row():
    p, labels = draw(rows=50)
    assert isinstance(calibrate(certainty_of(p), np.minimum(labels, 1)), Calibrator)
