"""Means over classes without the background: against scikit-learn and nnU-Net's way of leaving out."""

import re

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

import howsure
from howsure.report import render
from tests.answers.maps import certainty_of, drawn
from tests.commands import run
from tests.report.made import Page
from tests.report.test_report import table_rows

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


def test_every_door_says_which_mean_it_shows():
    text = str(howsure.evaluate(RESULT, TRUTH, background=0))
    assert text.count("classes but 'background'") == 3
    assert "of the classes, over all" in str(howsure.evaluate(RESULT, TRUTH))
    result = RESULT.with_truth(TRUTH)
    page = render(result, background="background")
    dice = howsure.evaluate(result).dice
    rows = {cells[0]: cells for cells in table_rows(page, "Classes")}
    assert {name: rows[name][3] for name in NAMES} == {name: f"{dice[name].value:.2f}" for name in NAMES}
    mean = (dice["liver"].value + dice["lesion"].value) / 2
    assert f"The mean Dice of the classes but 'background' is {mean:.2f}" in Page(page).words
    assert "Means of Dice and IoU are over the classes but 'background'" in Page(page).words
    assert re.search(r"mean_dice\s*0\.\d+", Page(page).words)
    assert "of all 3 classes is" in Page(render(result)).words


def test_methods_are_compared_without_it(tmp_path):
    other, _ = made(seed=1)
    comparison = howsure.Comparison.of_results({"a": RESULT, "b": other}, TRUTH, background="background")
    one = howsure.evaluate(RESULT, TRUTH, background=0)
    assert comparison.score("a", "row_dice").value == pytest.approx(one.row_dice.value)
    assert comparison.score("a", "aurc").value == pytest.approx(one.aurc.value)
    comparison.report(tmp_path / "page.html")
    assert "without ‘background’" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_command_line_takes_it(tmp_path):
    RESULT.with_truth(TRUTH).save(tmp_path / "one")
    made(seed=1)[0].with_truth(TRUTH).save(tmp_path / "two")
    expected = howsure.evaluate(RESULT, TRUTH, background=0)
    ran = run("evaluate", tmp_path / "one", "--set", "background=background")
    assert ran.exit_code == 0, ran.stderr
    assert ran.stdout.strip() == str(expected).strip()
    ran = run("report", tmp_path / "one", "--set", "background=0", "--report", tmp_path / "page.html")
    assert ran.exit_code == 0, ran.stderr
    assert "classes but" in (tmp_path / "page.html").read_text(encoding="utf-8")
    ran = run("compare", tmp_path / "one", tmp_path / "two", "--set", "background=background")
    assert ran.exit_code == 0, ran.stderr
    assert f"{100 * expected.row_dice.value:.0f}" in ran.stdout


@pytest.mark.parametrize("wrong", ["lung", 3, -1, True])
def test_what_is_no_class_is_refused(wrong, tmp_path):
    for call in (
        lambda: howsure.evaluate(RESULT, TRUTH, background=wrong),
        lambda: RESULT.report(tmp_path / "page.html", labels=TRUTH, background=wrong),
        lambda: howsure.Comparison.of_results({"a": RESULT}, TRUTH, background=wrong),
    ):
        with pytest.raises(howsure.InputError, match="is no class of this result"):
            call()


def test_rows_with_one_class_have_no_background():
    result = howsure.Certainty.from_probabilities(np.full((20, 2), 0.5))
    with pytest.raises(howsure.InputError, match="There are no means without a background class"):
        howsure.evaluate(result, np.arange(20) % 2, background=0)


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
