"""Means over classes without the background: against scikit-learn and nnU-Net's way of leaving out."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

import howsure
from tests.tasks.maps import certainty_of, drawn

NAMES = ("background", "liver", "lesion")
ROWS = 40


def made(seed=0):
    """Much background, a liver in most images, and a lesion in some, which the model never finds."""
    random = np.random.default_rng(seed)
    p, _ = drawn(ROWS, positions=(10, 8), names=NAMES, sharp=1.0, seed=seed)
    truth = np.zeros((ROWS, 10, 8), int)
    for at in range(ROWS):
        if at % 5:
            truth[at, 2:7, 2 : 3 + at % 4] = 1
        if at % 3 == 1:
            truth[at, 3:5, 5:7] = 2
    p = 0.02 * p
    guess = np.where(random.random(truth.shape) < 0.1, 1 - np.minimum(truth, 1), np.minimum(truth, 1))
    guess[::5] = 0
    p += 0.98 * np.eye(3)[guess]
    p[..., 2] = np.minimum(p[..., 2], 1e-3)
    p /= p.sum(-1, keepdims=True)
    return certainty_of(p.astype(np.float32), NAMES), truth


RESULT, TRUTH = made()


def test_means_are_over_the_other_classes_and_a_class_never_found_counts_as_0():
    found = howsure.evaluate(RESULT, TRUTH, background=0)
    labels = RESULT.label.reshape(-1)
    dice = f1_score(TRUTH.reshape(-1), labels, labels=[0, 1, 2], average=None, zero_division=0)
    iou = jaccard_score(TRUTH.reshape(-1), labels, labels=[0, 1, 2], average=None, zero_division=0)
    assert [found.dice[name].value for name in NAMES] == pytest.approx(dice)
    assert dice[2] == 0
    assert found.mean_dice.value == pytest.approx(dice[1:].mean())
    assert found.mean_iou.value == pytest.approx(iou[1:].mean())
    with_it = howsure.evaluate(RESULT, TRUTH)
    assert with_it.mean_dice.value == pytest.approx(dice.mean())
    assert with_it.accuracy == found.accuracy
    assert with_it.ece == found.ece
    for same in ("background", "0", np.int64(0)):
        assert howsure.evaluate(RESULT, TRUTH, background=same).mean_dice == found.mean_dice


def test_the_dice_of_an_image_leaves_out_classes_in_neither_map_as_nnu_net_does():
    found = howsure.evaluate(RESULT, TRUTH, background="background")
    of_images = np.full(ROWS, np.nan)
    for at, (truth, label) in enumerate(zip(TRUTH, RESULT.label, strict=True)):
        there = [k for k in (1, 2) if (truth == k).any() or (label == k).any()]
        if there:
            dice = f1_score(truth.ravel(), label.ravel(), labels=there, average=None, zero_division=0)
            of_images[at] = dice.mean()
    assert 0 < np.isnan(of_images).sum() < ROWS
    assert found.row_dice.value == pytest.approx(np.nanmean(of_images))
    known = np.isfinite(of_images)
    order = np.argsort(RESULT.doubt[known], kind="stable")
    risk = np.cumsum((1 - of_images[known])[order]) / np.arange(1, known.sum() + 1)
    assert found.aurc.value == pytest.approx(risk.mean(), abs=0.02)  # of equals, a random order
    assert f"leave out {np.isnan(of_images).sum()} images with none of these classes" in str(found)
    some = howsure.evaluate(RESULT[known], TRUTH[known], background=0)
    for name in ("row_dice", "aurc", "aurg"):
        one, other = getattr(found, name), getattr(some, name)
        assert one.value == pytest.approx(other.value)
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.001)


def test_methods_are_compared_without_it(tmp_path):
    other, _ = made(seed=1)
    comparison = howsure.Comparison.of_results({"a": RESULT, "b": other}, TRUTH, background="background")
    one = howsure.evaluate(RESULT, TRUTH, background=0)
    assert comparison.score("a", "row_dice").value == pytest.approx(one.row_dice.value)
    assert comparison.score("a", "aurc").value == pytest.approx(one.aurc.value)
    comparison.report(tmp_path / "page.html")
    assert "without ‘background’" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_where_nothing_but_background_is_there_nothing_is_made_up():
    truth = np.zeros_like(TRUTH)
    result = certainty_of(
        np.repeat(np.float32([[[[0.9, 0.06, 0.04]]]]), 5, 0) * np.ones((5, 10, 8, 1), np.float32), NAMES
    )
    found = howsure.evaluate(result, truth[:5], background=0)
    assert np.isnan([found.mean_dice.value, found.row_dice.value, found.aurc.value]).all()
    assert found.aurg is None
    assert found.accuracy.value == 1
    assert "0" in str(found)


def test_a_number_is_the_number_of_a_class_also_where_names_are_numbers():
    crossed = certainty_of(RESULT.probabilities, ("1", "0", "2"))
    assert (
        howsure.evaluate(crossed, TRUTH, background=0).mean_dice
        == howsure.evaluate(RESULT, TRUTH, background=0).mean_dice
    )
    by_name = howsure.evaluate(crossed, TRUTH, background="0")
    assert by_name.mean_dice == howsure.evaluate(RESULT, TRUTH, background=1).mean_dice
