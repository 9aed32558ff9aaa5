"""Promises and scores made with rows that a calibrator has learnt from are told; others are not."""

import dataclasses
import warnings

import numpy as np
import pytest

import howsure
from howsure.evaluation.calibrator_files import read_calibrator
from howsure.evaluation.fitted_rows import KEPT, FittedRows
from tests.tasks.maps import certainty_of

N = 60
LEARNT = "The calibrator has learnt from "


def warned(ask, *args, **options):
    """What a call warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ask(*args, **options)
    return [str(warning.message) for warning in caught if LEARNT in str(warning.message)]


def classes(random, rows=2 * N, digits=None):
    logits = 2 * random.normal(size=(rows, 2))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (random.random(rows) < 0.2 + 0.6 * p[:, 1]).astype(int)
    if digits is not None:
        p[:, 1] = np.round(p[:, 1], digits)
        p[:, 0] = 1 - p[:, 1]
    return howsure.Certainty.from_probabilities(p, ["a", "b"]).with_truth(truth)


def labels(random, rows=2 * N):
    p = 1 / (1 + np.exp(-2 * random.normal(size=(rows, 2))))
    truth = random.random((rows, 2)) < 0.2 + 0.6 * p
    return howsure.MultilabelCertainty.from_probabilities(p, ["rain", "wind"]).with_truth(truth)


def numbers(random, rows=2 * N, std=True):
    mean = random.normal(size=(rows, 1))
    scale = np.exp(0.3 * random.normal(size=(rows, 1)))
    truth = mean + scale * random.normal(size=(rows, 1))
    if std:
        return howsure.RegressionCertainty.from_mean_std(mean, 2 * scale).with_truth(truth)
    samples = mean + 0.1 * random.normal(size=(10, rows, 1))
    return howsure.RegressionCertainty.from_samples(samples).with_truth(truth)


def positions(random, rows=2 * N):
    logits = 2 * random.normal(size=(rows, 4, 4, 2))
    p = (np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)).astype(np.float32)
    truth = random.random((rows, 4, 4)) < 0.2 + 0.6 * p[..., 1]
    return certainty_of(p, ("a", "b")).with_truth(truth.astype(int))


PROMISES = {
    "sets": (howsure.prediction_sets, {"coverage": 0.9}),
    "abstain": (howsure.abstain, {"risk": 0.6, "confidence": 0.5}),
    "intervals": (howsure.prediction_intervals, {"coverage": 0.9}),
    "off_by": (howsure.abstain, {"risk": 0.6, "confidence": 0.5, "tolerance": 2.0}),
    "dice": (howsure.abstain, {"risk": 0.6, "confidence": 0.5, "tolerance": 0.9}),
    "evaluate": (howsure.evaluate, {}),
}


def without_std(random):
    return numbers(random, std=False)


OF_METHODS = (
    (classes, (None,), ("sets", "abstain", "evaluate")),
    (labels, (None,), ("evaluate",)),
    (numbers, (None,), ("intervals", "off_by", "evaluate")),
    (without_std, (None,), ("intervals", "off_by", "evaluate")),
    (positions, ("temperature",), ("sets", "dice", "evaluate")),
)
CASES = [(make, method, door) for make, methods, doors in OF_METHODS for method in methods for door in doors]


@pytest.mark.parametrize(("make", "method", "door"), CASES)
def test_a_promise_with_the_rows_of_the_calibrator_warns_and_one_with_others_does_not(
    make, method, door, tmp_path
):
    result = make(np.random.default_rng(1))
    howsure.calibrate(result[:N], method=method).save(tmp_path / "c.json")
    calibrator = read_calibrator(tmp_path / "c.json")
    ask, options = PROMISES[door]

    def told(rows):
        return warned(ask, rows, **options)

    learnt, others = calibrator(result[:N]), calibrator(result[N:])
    kind = f"{result.kind}s"
    assert [text[: text.index(",")] for text in told(learnt)] == [f"{LEARNT}all these {N} {kind}"]
    assert told(others) == []
    assert told(result[:N]) == []  # as the model gave it, nothing has learnt from it
    half = calibrator(result[N // 2 : 3 * N // 2])
    (warning,) = told(half)
    assert warning.startswith(f"{LEARNT}at least {N // 2} of these {N} {kind}")
    both = type(result).joined([learnt, others])
    assert both.learnt_from.tolist() == [True] * N + [False] * N
    assert told(both[N:]) == []
    both.save(tmp_path / "saved.parquet")
    read = howsure.load(tmp_path / "saved.parquet")
    assert told(read[: N // 2 + 4])
    assert not told(read[N:])


def test_other_questions_about_calibrated_rows_know_which_were_learnt_from():
    random = np.random.default_rng(2)
    for make, ask in (
        (labels, lambda result: result.of_label("wind")),
        (numbers, lambda result: result.above(0.3)),
        (numbers, lambda result: result.rescaled(20.0, 3.0, truth="standardised")),
        (numbers, lambda result: result.with_ids(np.arange(len(result)) + 5)),
    ):
        result = make(random)
        calibrator = howsure.calibrate(result[:N])
        assert ask(calibrator(result[:N])).learnt_from.all()
        assert not ask(calibrator(result[N:])).learnt_from.any()
    result = positions(random)
    assert howsure.calibrate(result[:N])(result).of_row(3).learnt_from.all()


def test_a_calibrator_of_one_label_knows_its_rows():
    result = labels(np.random.default_rng(3))
    of_wind = howsure.calibrate(result[:N]).of_label["wind"]
    assert of_wind(result.of_label("wind")).learnt_from.tolist() == [True] * N + [False] * N


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_probabilities_of_few_digits_are_known_again_only_beyond_chance(digits):
    """Of two classes with so few digits many rows look alike: 100 pairs of sets, and never a false alarm."""
    alarms = 0
    for seed in range(100):
        result = classes(np.random.default_rng(seed), rows=300, digits=digits)
        learnt = FittedRows.of(result[:150])
        assert learnt.among(result[:150]).all(), "the same rows are known again, however coarse"
        assert learnt.among(result[:150][::-1]).all()
        alarms += learnt.among(result[150:]).any()
    assert alarms == 0


def test_rows_read_from_32_bits_are_the_same_rows():
    result = classes(np.random.default_rng(4))
    learnt = FittedRows.of(result[:N])
    rounded = np.asarray(result.probabilities, np.float32)
    again = howsure.Certainty.from_probabilities(rounded, ["a", "b"])
    assert learnt.among(again)[:N].mean() > 0.9
    assert not learnt.among(again)[N:].any()


def test_of_many_rows_a_sample_is_kept():
    random = np.random.default_rng(5)
    result = classes(random, rows=100 * KEPT)
    learnt = FittedRows.of(result[: 50 * KEPT])
    assert len(learnt.kept) == KEPT
    actual = learnt.among(result[20 * KEPT : 60 * KEPT])
    assert 0.8 * 30 / 50 * KEPT < actual[: 30 * KEPT].sum() < 1.2 * 30 / 50 * KEPT
    assert actual[30 * KEPT :].mean() < 1e-3
    assert not learnt.among(result[50 * KEPT :]).any()


def test_one_row_alone_is_known_again():
    result = classes(np.random.default_rng(6))
    calibrator = howsure.calibrate(result[:N])
    assert calibrator(result[7:8]).learnt_from.tolist() == [True]
    assert calibrator(result[N + 7 : N + 8]).learnt_from.tolist() == [False]
    assert calibrator(result[:0]).learnt_from.tolist() == []


def test_the_page_says_it_beside_true_answers(tmp_path):
    for make in (classes, labels, numbers, positions):
        result = make(np.random.default_rng(8))
        learnt = howsure.calibrate(result[:N])(result[:N])
        unknown = dataclasses.replace(learnt, truth=None)
        for rows, reported in ((learnt, True), (unknown, False), (learnt[:0], False)):
            rows.report(tmp_path / "page.html")
            assert (LEARNT in (tmp_path / "page.html").read_text()) == reported
