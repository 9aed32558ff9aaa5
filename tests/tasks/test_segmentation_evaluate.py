"""Scores of a class at each position, against scikit-learn and direct formulas."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score, log_loss

import howsure
from tests.tasks.maps import NAMES, certainty_of, drawn

P, TRUTH = drawn(32)
RESULT = certainty_of(P)
IGNORED = np.random.default_rng(5).random(TRUTH.shape) < 0.2
LABELS = np.where(IGNORED, 255, TRUTH)


@pytest.fixture(scope="module")
def evaluation():
    return howsure.evaluate(RESULT, LABELS)


def flat(maps):
    return np.asarray(maps)[~IGNORED]


def test_scores_of_positions_are_those_of_scikit_learn(evaluation):
    true, label, p = flat(TRUTH), flat(RESULT.label), flat(P).astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    assert evaluation.rows == len(TRUTH)
    assert evaluation.positions == len(true)
    assert evaluation.accuracy.value == pytest.approx(np.mean(true == label))
    for of_class, function in ((evaluation.dice, f1_score), (evaluation.iou, jaccard_score)):
        found = [of_class[name].value for name in NAMES]
        np.testing.assert_allclose(found, function(true, label, average=None))
    assert evaluation.mean_dice.value == pytest.approx(f1_score(true, label, average="macro"))
    assert evaluation.mean_iou.value == pytest.approx(jaccard_score(true, label, average="macro"))
    assert evaluation.nll.value == pytest.approx(log_loss(true, p), rel=1e-6)
    assert evaluation.brier.value == pytest.approx(np.mean(np.sum((p - np.eye(3)[true]) ** 2, -1)), rel=1e-6)


def test_the_calibration_error_is_that_of_fifteen_bins_over_all_positions(evaluation):
    top, right = flat(RESULT.probability).astype(np.float64), flat(TRUTH) == flat(RESULT.label)
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (top > low) & (top <= low + 1 / 15)
        expected += abs(np.sum(right[inside]) - np.sum(top[inside])) / len(top)
    assert evaluation.ece.value == pytest.approx(expected)
    assert evaluation.ece.low == 0.0


def test_images_are_ranked_by_their_dice(evaluation):
    dice = []
    for true, label, kept in zip(TRUTH, RESULT.label, ~IGNORED, strict=True):
        there = np.union1d(true[kept], label[kept])
        dice.append(f1_score(true[kept], label[kept], labels=there, average="macro"))
    assert evaluation.row_dice.value == pytest.approx(np.mean(dice))
    kept = 1 - np.array(dice)[np.argsort(RESULT.doubt)]
    assert evaluation.aurc.value == pytest.approx(np.mean(np.cumsum(kept) / np.arange(1, len(kept) + 1)))
    assert evaluation.aurg.value > 0


def test_what_an_image_contributes_is_what_the_scores_lose_without_it():
    rows = 8
    evaluation = howsure.evaluate(RESULT[:rows], LABELS[:rows])
    others = [np.delete(np.arange(rows), at) for at in range(rows)]
    without = [howsure.evaluate(RESULT[each], LABELS[each]) for each in others]
    for name in ("accuracy", "dice of car", "nll"):
        left = np.array([each.measured(name).value for each in without])
        jackknife = (evaluation.measured(name).value - left) * (rows - 1) / rows
        assert np.corrcoef(jackknife, evaluation.measured(name).parts)[0, 1] > 0.98
        ratio = np.linalg.norm(jackknife) / np.linalg.norm(evaluation.measured(name).parts)
        assert ratio == pytest.approx(1, abs=0.15)


def test_intervals_are_over_images_not_positions():
    p, truth = drawn(rows=20)
    many = [np.repeat(np.repeat(each, 3, axis=1), 3, axis=2) for each in (p, truth)]
    small, large = howsure.evaluate(certainty_of(p), truth), howsure.evaluate(certainty_of(many[0]), many[1])
    for name in ("accuracy", "mean_iou", "nll", "ece"):
        one, other = getattr(small, name), getattr(large, name)
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


def test_too_few_images_have_no_interval():
    few = howsure.evaluate(RESULT[:4], LABELS[:4])
    assert not few.accuracy.known
    assert np.isfinite(few.accuracy.value)
    some = howsure.evaluate(RESULT[:19], LABELS[:19])
    known = ("accuracy", "mean_dice", "ece", "aurc", "aurg")
    assert [getattr(some, name).known for name in known] == [True, False, False, False, False]
    whole = howsure.evaluate(RESULT, LABELS)
    assert all(getattr(whole, name).known for name in known)


def test_ignored_numbers_may_be_said(evaluation):
    other = np.where(IGNORED, 17, TRUTH)
    assert howsure.evaluate(RESULT, other, ignore=17).accuracy == evaluation.accuracy
    assert howsure.evaluate(RESULT.with_truth(LABELS)).accuracy == evaluation.accuracy
    assert howsure.evaluate(RESULT, LABELS, ignore=-1).accuracy == evaluation.accuracy
    without_roads = howsure.evaluate(RESULT.with_truth(TRUTH), ignore=0)
    assert without_roads.positions_of_class["road"] == 0
    with pytest.raises(howsure.InputError, match=r"out of range in row 0"):
        howsure.evaluate(RESULT, other)
    late = TRUTH.copy()
    late[7, 3, 3] = 9
    with pytest.raises(howsure.InputError, match="out of range in row 7"):
        howsure.evaluate(RESULT, late)
    with pytest.raises(howsure.InputError, match="`ignore` cannot be used"):
        howsure.evaluate(RESULT, TRUTH, ignore="void")


def test_probabilities_that_were_not_kept_are_named():
    found = howsure.evaluate(certainty_of(P, keep=False), LABELS)
    assert found.nll is None
    assert found.brier is None
    assert 'keep="probabilities"' in str(found)
    p, truth = drawn(names=("no", "yes"))
    kept, other = (howsure.evaluate(certainty_of(p, ("no", "yes"), keep=k), truth) for k in (True, False))
    assert other.nll.value == pytest.approx(kept.nll.value, rel=1e-5)
    assert other.brier.value == pytest.approx(kept.brier.value, rel=1e-5)


def test_an_image_without_a_position_that_counts_is_left_out():
    labels = LABELS.copy()
    labels[4] = -100
    found, without = howsure.evaluate(RESULT, labels), np.arange(len(TRUTH)) != 4
    assert found.accuracy == howsure.evaluate(RESULT[without], LABELS[without]).accuracy
    assert "1 image without a pixel that counts is left out." in str(found)


def test_two_evaluations_of_the_same_labels_are_compared_image_by_image(evaluation):
    other = howsure.evaluate(certainty_of(drawn(32, sharp=1.0)[0]), LABELS)
    difference = evaluation.minus(other)["accuracy"]
    assert difference.value == pytest.approx(evaluation.accuracy.value - other.accuracy.value)
    with pytest.raises(howsure.InputError, match="cannot be compared row by row"):
        evaluation.minus(howsure.evaluate(RESULT, TRUTH))
