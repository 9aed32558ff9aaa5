"""Several labels per row, drawn from known probabilities, scored and calibrated; against scikit-learn."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

import howsure
from howsure.errors import InputError
from howsure.statistics import entropy_of
from howsure.tasks.multilabel.calibrate import MultilabelCalibrator
from howsure.tasks.multilabel.result import MultilabelCertainty

NAMES = ("rain", "wind", "snow")


def drawn(rows=600, labels=3, sharpened=1.0, seed=0, **arguments):
    """Labels that hold with known probabilities; claimed are these with log-odds times `sharpened`."""
    random = np.random.default_rng(seed)
    odds = random.normal(0, 2, (rows, labels)) + np.linspace(-1, 1, labels)
    p = 1 / (1 + np.exp(-odds * sharpened))
    settings = {
        "probabilities": p,
        "mc_error": np.full(p.shape, 0.01),
        "expected_entropy": 0.6 * entropy_of(np.stack([1 - p, p], axis=-1)),
        "passes": np.full(rows, 50),
        "label_names": NAMES[:labels] if labels <= 3 else [f"label {k}" for k in range(labels)],
        "row": np.arange(rows),
        "truth": random.random((rows, labels)) < 1 / (1 + np.exp(-odds)),
        "method": {"name": "MC dropout"},
    }
    return MultilabelCertainty(**{**settings, **arguments})


# --- evaluate ---------------------------------------------------------------------------------


def test_scores_of_each_label_are_those_of_scikit_learn():
    c = drawn()
    evaluation = howsure.evaluate(c)
    assert evaluation.rows == 600
    assert tuple(evaluation.of_label) == NAMES
    for k, name in enumerate(NAMES):
        truth, p = c.truth[:, k], c.probabilities[:, k]
        scores = evaluation.of_label[name]
        assert scores.accuracy.value == pytest.approx(accuracy_score(truth, c.yes[:, k]), rel=1e-12)
        assert scores.nll.value == pytest.approx(log_loss(truth, p), rel=1e-9)
        assert scores.brier.value == pytest.approx(2 * brier_score_loss(truth, p), rel=1e-9)
        right = c.yes[:, k] == truth
        assert scores.error_auroc.value == pytest.approx(roc_auc_score(right, np.maximum(p, 1 - p)), rel=1e-9)


def test_a_label_is_scored_as_it_is_alone():
    c = drawn(rows=120)
    evaluation = howsure.evaluate(c, seed=3)
    for k, name in enumerate(NAMES):
        alone = howsure.evaluate(c.of_label(k), seed=3)
        for field in dataclasses.fields(alone):
            if field.name != "_found":
                np.testing.assert_equal(
                    vars(evaluation.of_label[name])[field.name], vars(alone)[field.name], field.name
                )
        assert alone.minus(evaluation.of_label[name])["nll"].value == 0


def test_means_are_of_the_labels_and_their_interval_of_the_rows():
    c = drawn(rows=500)
    evaluation = howsure.evaluate(c)
    for name in ("accuracy", "nll", "brier", "ece"):
        values = [getattr(one, name).value for one in evaluation.of_label.values()]
        assert evaluation.mean[name].value == pytest.approx(np.mean(values), rel=1e-12)
    # The mean of rows has the standard error of a mean of rows, here of each row's mean loss.
    losses = np.mean(-np.log(np.where(c.truth, c.probabilities, 1 - c.probabilities)), axis=1)
    width = evaluation.mean["nll"].high - evaluation.mean["nll"].low
    standard_error = losses.std(ddof=1) / np.sqrt(len(losses))
    # What skewness adds to the width is of second order, 1/n of it.
    assert width / (2 * 1.96 * standard_error) == pytest.approx(1, abs=0.02)


def test_labels_that_are_wrong_together_make_the_mean_less_certain():
    one = drawn(labels=1)
    columns = [0] * 4
    arrays = {
        name: getattr(one, name)[:, columns]
        for name in ("probabilities", "mc_error", "expected_entropy", "truth", "entropy_correction")
    }
    unknown = np.full((600, 4), np.nan)
    same = dataclasses.replace(
        one,
        **arrays,
        label_names=tuple("abcd"),
        entropy_error=unknown,
        expected_entropy_error=unknown,
        mutual_information_error=unknown,
    )
    together, alone = howsure.evaluate(same).mean["nll"], howsure.evaluate(one).mean["nll"]
    assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=1e-9)
    apart = howsure.evaluate(drawn(labels=4)).mean["nll"]
    assert apart.high - apart.low < 0.75 * (together.high - together.low)


def test_true_percentages_score_better_than_sharpened_ones():
    fair, sharp = drawn(rows=1000), drawn(rows=1000, sharpened=3.0)
    difference = howsure.evaluate(sharp).minus(howsure.evaluate(fair))
    assert difference["nll"].low > 0
    assert difference["ece"].low > 0
    assert difference["accuracy"].value == 0
    with pytest.raises(InputError, match="cannot be compared row by row"):
        howsure.evaluate(sharp).minus(howsure.evaluate(drawn(rows=1000, seed=1)))


def test_a_score_that_a_label_does_not_have_is_left_out_of_the_mean():
    c = drawn(rows=100)
    truth = c.truth.copy()
    truth[:, 0] = c.yes[:, 0]  # no mistakes, so nothing tells them from right answers
    evaluation = howsure.evaluate(c, truth)
    assert np.isnan(evaluation.of_label["rain"].error_auroc.value)
    others = [evaluation.of_label[name].error_auroc.value for name in ("wind", "snow")]
    assert evaluation.mean["error_auroc"].value == pytest.approx(np.mean(others), rel=1e-12)


# --- calibrate --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def calibrator():
    return howsure.calibrate(drawn(rows=600, sharpened=3.0))


def test_each_label_gets_the_calibrator_it_gets_alone(calibrator):
    c = drawn(rows=600, sharpened=3.0)
    assert isinstance(calibrator, MultilabelCalibrator)
    assert calibrator.label_names == NAMES
    new = drawn(rows=50, sharpened=3.0, seed=9)
    mended = calibrator(new)
    for k, name in enumerate(NAMES):
        alone = howsure.calibrate(c.of_label(k))
        assert alone.parameters == calibrator.of_label[name].parameters
        expected = alone(new.of_label(k))
        np.testing.assert_array_equal(mended.probabilities[:, k], expected.probabilities[:, 1])
        np.testing.assert_array_equal(mended.mc_error[:, k], expected.mc_error[:, 1])
        np.testing.assert_array_equal(mended.expected_entropy[:, k], expected.expected_entropy)
        np.testing.assert_allclose(mended.entropy[:, k], expected.entropy, rtol=1e-12)


def test_the_sharpening_is_found_and_taken_back(calibrator):
    for one in calibrator.of_label.values():
        assert abs(one.parameters["temperature"] - 3) < 0.6
        assert one.helps == "better"
    new, fair = (drawn(rows=1000, sharpened=by, seed=9) for by in (3.0, 1.0))
    gain = howsure.evaluate(calibrator(new)).minus(howsure.evaluate(new))["nll"]
    assert gain.high < 0
    assert np.abs(calibrator(new).probabilities - fair.probabilities).max() < 0.1


def test_what_is_kept_and_what_is_not_known(calibrator):
    new = drawn(rows=10, sharpened=3.0, seed=9)
    mended = calibrator(new)
    np.testing.assert_array_equal(mended.truth, new.truth)
    assert np.isnan(mended.entropy_error).all()
    assert set(mended.method["calibration"]) == set(NAMES)
    assert mended.method["calibration"]["rain"]["method"] == "temperature"
    assert len(calibrator(new[:0])) == 0
    with pytest.raises(InputError, match="calibrated already"):
        calibrator(mended)


def test_in_words(calibrator):
    assert calibrator.in_words().startswith(
        "Calibration makes the percentages of 'rain', 'wind', 'snow' truer, by more than chance explains. "
        "Calibration of 3 labels by 'temperature', each by itself, learnt from 600 rows with known answers."
    )
    assert repr(calibrator) == "<MultilabelCalibrator of 3 labels, 3 of them better>"
    assert calibrator.warnings == ()


def test_each_label_chooses_its_method():
    """Of these, 'snow' is claimed by a log-odds of 3 too much."""
    c = drawn(rows=900)
    odds = np.log(c.probabilities / (1 - c.probabilities)) + [0, 0, 3]
    moved = dataclasses.replace(c, probabilities=1 / (1 + np.exp(-odds)))
    calibrator = howsure.calibrate(moved)
    methods = {name: one.method for name, one in calibrator.of_label.items()}
    assert methods == {"rain": "temperature", "wind": "temperature", "snow": "offsets"}
    words = (
        "Calibration of 3 labels by 'temperature' for 'rain', 'wind'; 'offsets' for 'snow', each by itself"
    )
    assert words in calibrator.in_words()
    assert "On average, the model says 'no' in" in calibrator.of_label["snow"].in_words()
    mended = calibrator(moved)
    assert np.abs(mended.probabilities - c.probabilities).max() < 0.1
    assert np.mean(mended.yes[:, 2] != moved.yes[:, 2]) > 0.1
    right = [np.mean(result.yes[:, 2] == c.truth[:, 2]) for result in (moved, mended)]
    assert right[1] > right[0] + 0.1
    settings = mended.method["calibration"]["snow"]
    assert len(settings["offsets"]) == 2


def test_a_label_that_cannot_be_calibrated_is_named():
    c = drawn(rows=60)
    flat = c.probabilities.copy()
    flat[:, 1] = 0.5
    with pytest.raises(InputError, match=r"Label 'wind' cannot be calibrated: all rows have the same prob"):
        howsure.calibrate(dataclasses.replace(c, probabilities=flat))
    truth = c.truth.copy()
    truth[:, 2] = False
    with pytest.raises(InputError, match="does not calibrate by 'vector'"):
        howsure.calibrate(c, truth, method="vector")
    calibrator = howsure.calibrate(c, truth)
    assert "'snow': No labelled row is of 'yes'." in calibrator.warnings


# --- what is for one class per row ------------------------------------------------------------


def test_one_label_is_for_all_of_them(tmp_path):
    one = drawn(rows=400).of_label("rain")
    assert howsure.prediction_sets(one).in_words(one[:1])[0] in ("{no}", "{yes}", "{no, yes}", "{yes, no}")
    assert howsure.abstain(one, risk=0.2)(one).any()
    howsure.hand_over(one, one.coin_flips(), tmp_path / "rows.csv")
    assert "yes" in (tmp_path / "rows.csv").read_text()
