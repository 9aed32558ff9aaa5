"""Methods that give a class at each position, side by side: scores, sentences, and how often these lie."""

import tempfile
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import howsure
from howsure import Comparison
from howsure.compare.findings import chosen, findings
from howsure.report.comparison import render_comparison
from howsure.shifts import UNMOVED
from howsure.tasks.segmentation.calibrate import cross_fitted, tempered
from tests import pixels
from tests.tasks.maps import NAMES, certainty_of, drawn
from validation.compare_numbers import is_too_often, share_of, taken
from validation.compare_positions import WORLDS, World

N = 40
P, TRUTH = drawn(N, sharp=3.0)
SHARP = P**1.7 / np.sum(P**1.7, axis=-1, keepdims=True)
POOR, GOOD = certainty_of(SHARP), certainty_of(P)
PARTLY = TRUTH.copy()
PARTLY[::3, :6] = -1
"""Images of which few positions count."""


@pytest.fixture(scope="module")
def comparison():
    return Comparison.of_results({"poor": POOR, "good": GOOD}, PARTLY)


def by_image(p, truth):
    """NLL, Brier, Dice and IoU of each image, one at a time and by definition."""
    found = []
    for one, right in zip(p.astype(float), truth, strict=True):
        q, t = one[right >= 0], right[right >= 0]
        label, hot = q.argmax(-1), np.eye(len(NAMES))[t]
        dice, iou = [], []
        for k in range(len(NAMES)):
            both, either = np.sum((label == k) & (t == k)), np.sum((label == k) | (t == k))
            if either:
                dice.append(2 * both / (np.sum(label == k) + np.sum(t == k)))
                iou.append(both / either)
        nll = -np.log(q[np.arange(len(t)), t]).mean()
        found.append((nll, np.sum((q - hot) ** 2, axis=-1).mean(), np.mean(dice), np.mean(iou)))
    return dict(zip(("nll", "brier", "row_dice", "row_iou"), np.transpose(found), strict=True))


def test_scores_are_means_over_images(comparison):
    poor, good = by_image(SHARP, PARTLY), by_image(P, PARTLY)
    for name in good:
        assert comparison.score("good", name).value == pytest.approx(good[name].mean(), rel=1e-6)
        gap = comparison.difference("good", "poor", name)
        assert gap.value == pytest.approx((good[name] - poor[name]).mean(), abs=1e-7)
    assert comparison.rows == N
    np.testing.assert_array_equal(comparison.truth, PARTLY)


def test_the_interval_of_a_difference_is_that_of_the_bootstrap_over_images():
    comparison = Comparison.of_results({"poor": POOR, "good": GOOD}, PARTLY, calibrated=False)
    gap = comparison.difference("good", "poor", "nll")
    apart = by_image(P, PARTLY)["nll"] - by_image(SHARP, PARTLY)["nll"]
    low, high = np.quantile(
        apart[np.random.default_rng(0).integers(N, size=(4000, N))].mean(axis=1), [0.025, 0.975]
    )
    assert (gap.high - gap.low) / (high - low) == pytest.approx(1, abs=0.2)


def test_scores_are_those_of_an_evaluation_where_images_have_as_many_positions():
    comparison = Comparison.of_results({"good": GOOD}, TRUTH, calibrated=False)
    evaluation = howsure.evaluate(GOOD, TRUTH)
    for name in ("nll", "brier", "row_dice", "ece", "aurc"):
        for end in ("value", "low", "high"):
            own, its = (
                getattr(each, end) for each in (comparison.score("good", name), getattr(evaluation, name))
            )
            assert own == pytest.approx(its, rel=1e-9)


def test_calibration_is_that_of_calibrate_and_keeps_the_maps(comparison):
    whole = Comparison.of_results({"poor": POOR}, TRUTH)
    calibrator = howsure.calibrate(POOR, TRUTH)
    assert whole.score("poor, calibrated", "nll").value == pytest.approx(calibrator.after.value, rel=1e-6)
    told = whole.certainties["poor, calibrated"].method["calibration"]
    assert told["temperature"] == pytest.approx(calibrator.temperature.value, rel=1e-9)
    assert comparison.difference("poor, calibrated", "poor", "row_dice").value == 0
    one = tempered(POOR[3:4], np.array([0.6]))
    np.testing.assert_allclose(
        one.all_probabilities,
        SHARP[3:4] ** 0.6 / np.sum(SHARP[3:4] ** 0.6, axis=-1, keepdims=True),
        rtol=1e-5,
    )
    np.testing.assert_array_equal(one.label, POOR.label[3:4])


def test_no_image_is_scored_with_a_temperature_learnt_from_it():
    fits = cross_fitted(POOR, TRUTH, 0)
    other = TRUTH.copy()
    other[7] = (other[7] + 1) % 3
    changed = cross_fitted(POOR, other, 0)
    assert changed.of_folds[7] == pytest.approx(fits.of_folds[7], rel=0.02)
    assert changed.overall < 0.97 * fits.overall
    assert cross_fitted(POOR, POOR.label, 0).overall == 1, "no label is wrong"


# --- methods of a model ---------------------------------------------------------------------------


def x_of(count, seed=0):
    return (pixels.images(count, seed) / 255).astype("float32")


def test_methods_of_a_model_are_scored_from_files_that_go(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("howsure.tuning.BLOCK_AT_POSITIONS", 6000)  # a few images at a time
    model, x, truth = pixels.make(), x_of(12), pixels.truths(12)
    methods = {"softmax": howsure.Softmax(), "MC dropout": pixels.DROPOUT}
    comparison = howsure.compare(model, x, truth, methods=methods, class_names=pixels.NAMES, shifts=UNMOVED)
    assert list(tmp_path.iterdir()) == []
    assert comparison.sets == ("as they are", "with noise", "blurred"), "labels move with the pixels"
    assert {len(each) for each in comparison.certainties.values()} == {0}
    assert comparison.has_costs
    whole = {
        name: howsure.assess(model, x, method=method, class_names=pixels.NAMES, keep="probabilities")
        for name, method in methods.items()
    }
    given = Comparison.of_results(whole, truth)
    for method in given.methods:
        assert comparison.score(method, "nll") == given.score(method, "nll")
        assert comparison.score(method, "aurc") == given.score(method, "aurc")
    assert len({comparison.score("softmax", "nll", rows).value for rows in comparison.sets}) == 3
    assert "With noise: " in " ".join(each.answer for each in findings(comparison))
    assert list(howsure.compare(model, x, truth, shifts={}, calibrated=False).methods) == list(methods)


def test_images_larger_than_the_model_are_compared_in_tiles():
    model, tiles, heard = pixels.make(), {"tile": pixels.SIDE, "overlap": 0}, []
    x, truth = (
        np.concatenate(
            [np.concatenate([each[0::4], each[1::4]], 1), np.concatenate([each[2::4], each[3::4]], 1)], 2
        )
        for each in (x_of(48), pixels.truths(48))
    )
    comparison = howsure.compare(
        model, x, truth, shifts={}, calibrated=False, progress=lambda *each: heard.append(each), **tiles
    )
    assert comparison.methods == ("softmax", "MC dropout")
    assert heard[-1] == (24, 24)
    assert comparison.truth.shape == (12, 32, 32)
    whole = howsure.assess(model, x, method=howsure.Softmax(), keep="probabilities", **tiles)
    given = Comparison.of_results({"softmax": whole}, truth, calibrated=False)
    for name in ("nll", "row_dice", "aurc"):
        assert comparison.score("softmax", name) == given.score("softmax", name)


def test_images_from_outside_are_told_apart_by_doubt():
    model, x, truth = pixels.make(), x_of(30), pixels.truths(30)
    noise = np.random.default_rng(3).random((20, *x.shape[1:])).astype("float32")
    methods = {"softmax": howsure.Softmax(), "MC dropout": pixels.DROPOUT}
    given = {"class_names": pixels.NAMES, "shifts": {}, "outside": {"noise": noise}}
    comparison = howsure.compare(model, x, truth, methods=methods, **given)
    near, far = (
        howsure.assess(model, each, method=pixels.DROPOUT, class_names=pixels.NAMES) for each in (x, noise)
    )
    evaluation = howsure.evaluate(near, truth, outside=far)
    of_noise = np.repeat([0, 1], [30, 20])
    for name, of in (
        ("outside_auroc", "doubt"),
        ("outside_auroc_by_disagreement", "mean_mutual_information"),
    ):
        area = roc_auc_score(of_noise, np.concatenate([getattr(near, of), getattr(far, of)]))
        assert getattr(evaluation, name).value == pytest.approx(area, abs=1e-9)
        assert comparison.score("MC dropout", name, "noise") == getattr(evaluation, name)
        assert np.isnan(comparison.score("softmax", name).value), "of rows without any from outside"
    np.testing.assert_allclose(
        near.mean_mutual_information, near.mutual_information.mean(axis=(1, 2)), rtol=1e-5
    )
    assert comparison.score("softmax", "outside_auroc_by_disagreement", "noise").value == 0.5
    assert comparison.score("MC dropout, calibrated", "outside_auroc", "noise").known
    assert "outside AUROC" in str(evaluation)
    assert "Which method notices 'noise'?" in [each.question for each in findings(comparison)]
    assert "unlike those that the model learned from" in render_comparison(comparison)
    with pytest.raises(howsure.InputError, match="no rows from outside"):
        howsure.evaluate(near, truth, outside=far[:0])
    with pytest.raises(howsure.InputError, match="other classes"):
        howsure.evaluate(near, truth, outside=replace(far, class_names=("a", "b", "c")))


def test_positions_that_do_not_count_are_left_out_of_all_that_labels_decide():
    counts = np.ones(TRUTH.shape, dtype=bool)
    counts[:, :3] = False
    result = replace(GOOD, counts=counts)
    masked = np.where(counts, TRUTH, -1)
    assert howsure.evaluate(result, TRUTH).positions == counts.sum()
    one, other = (howsure.calibrate(result, truth) for truth in (TRUTH, masked))
    assert one.temperature == other.temperature
    one, other = (howsure.prediction_sets(result, truth) for truth in (TRUTH, masked))
    assert one.threshold == other.threshold
    one, other = (Comparison.of_results({"a": result}, truth) for truth in (TRUTH, masked))
    assert one.score("a", "nll") == other.score("a", "nll")


# --- how often a sentence is false (all of it: python -m validation.compare_positions) ----------------


def test_methods_that_are_alike_are_seldom_told_apart():
    assert not is_too_often(share_of(World(8), 25), 25)


def test_a_method_that_is_better_is_found():
    world = WORLDS["one method sees twice as much"]
    assert [taken(replace(world, images=60), seed)[0] for seed in range(4)].count("b") >= 3
    assert chosen(Comparison.of_results({"poor": POOR, "good": GOOD}, TRUTH)) == "poor, calibrated"
