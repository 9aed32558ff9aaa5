"""What scores, calibrators, sets, rules, familiarity and hand-over refuse, and in which words."""

import dataclasses
import functools

import numpy as np
import pytest

import howsure
from howsure.adapters.features import Features, features_of
from howsure.errors import FileError, HowsureError
from howsure.tasks.classification import maps
from tests.made import certainty_of

RANDOM = np.random.default_rng(0)
P = RANDOM.dirichlet(np.ones(3), size=300)
LABELS = np.array([RANDOM.choice(3, p=p) for p in P])
MADE, TOP = certainty_of(P), np.linspace(0.7, 0.99, 500)
SURE = certainty_of(np.stack([TOP, 1 - TOP], axis=1))
RIGHT = SURE.label
SEVERAL = howsure.MultilabelCertainty.from_probabilities(P, ["rain", "wind", "snow"]).with_truth(P > 0.4)
FLAT = certainty_of(np.tile([[0.2, 0.3, 0.5]], (300, 1)))
OTHER = dataclasses.replace(MADE, class_names=("x", "b", "c"))
MASKED = np.ma.masked_array([0, 2], mask=[0, 1])
Z = RANDOM.normal(size=(600, 5)) + 6 * np.eye(3, 5)[np.arange(600) % 3]
TRAIN, OF_TRAIN = Features(Z[:300], Z[:300, :3]), np.arange(300) % 3
HELD_OUT = Features(Z[300:], Z[300:, :3])
ONE_FEATURE, TWO_LOGITS = Features(Z[300:, :1], Z[300:, :3]), Features(Z[300:], Z[300:, :2])
METHODS = ", ".join(map(repr, [maps.AUTO, *maps.METHODS]))
NOT_ASSESSED = "not an assessed set.*Received: ndarray"


@functools.cache
def fitted(make, *given, **more):
    """What is fitted once for many cases."""
    return make(*(FITTED_ON[each] for each in given), **more)


FITTED_ON = {"p": MADE, "labels": LABELS, "several": SEVERAL, "sure": SURE, "right": RIGHT}
calibrated = functools.partial(fitted, howsure.calibrate, "p", "labels")
sets = functools.partial(fitted, howsure.prediction_sets, "p", "labels")
rule = functools.partial(fitted, howsure.abstain, "sure", "right", risk=0.01)
of_labels = functools.partial(fitted, howsure.calibrate, "several")


@functools.cache
def known():
    return howsure.familiarity(TRAIN, OF_TRAIN, HELD_OUT)


def familiar(train=TRAIN, labels=OF_TRAIN, held_out=HELD_OUT, **more):
    return howsure.familiarity(train, labels, held_out, **more)


def hand_over(rows, path="rows.csv", made=MADE):
    howsure.hand_over(made, rows, path)


def covering(coverage):
    return howsure.prediction_sets(MADE, LABELS, coverage=coverage)


CALLS = (lambda given: calibrated()(given),)
ASKED = (lambda z: known()(z), lambda z: known().unfamiliar(z), lambda z: known().percentile(z))
OTHER_LABELS = dataclasses.replace(SEVERAL, label_names=("a", "b", "c"))
NO_SHARES = (0, 1, -0.1, 5, np.nan, 1e-300, 1 - 1e-16)
BAD, FEW = (np.nan, np.inf, 1e300), np.zeros((4, 3))


def with_bad(value):
    z = np.zeros((4, 2))
    z[2] = value
    return z


def masked_features():
    masked = np.ma.masked_array(Z[:6], mask=False)
    masked[4, 1] = np.ma.masked
    return Features(masked, Z[:6, :3])


def another_truth():
    one = howsure.evaluate(MADE, LABELS)
    return one.minus(howsure.evaluate(MADE, (LABELS + 1) % 3))


def each(values, call, words):
    """A case for each of some values."""
    return [(functools.partial(call, value), words) for value in values]


CASES = [
    # --- scores
    (lambda: howsure.evaluate(MADE), "true answers are not known"),
    (lambda: howsure.evaluate(MADE, LABELS[:-1]), "labels do not fit"),
    (lambda: howsure.evaluate(MADE[:1], LABELS[:1]), "Too few rows to score"),
    (another_truth, "cannot be compared row by row"),
    (lambda: howsure.evaluate(MADE, LABELS, outside=MADE[:0]), "no rows from outside"),
    (lambda: howsure.evaluate(MADE, LABELS, outside=OTHER), "other classes"),
    (lambda: howsure.evaluate(MADE, LABELS, outside=P), "not an assessed set"),
    (lambda: howsure.evaluate(dataclasses.replace(SEVERAL, truth=None)), "true answers are not known"),
    (lambda: howsure.evaluate(SEVERAL, np.zeros(300)), r"do not fit the rows.*\(300, 3\)"),
    (lambda: howsure.evaluate(SEVERAL[:1]), "Too few rows"),
    (lambda: howsure.evaluate(SEVERAL, outside=SEVERAL.of_label(0)), "outside are for one class per row"),
    # --- calibration
    *each(
        ("vector", "isotonic"),
        lambda method: howsure.calibrate(MADE, LABELS, method=method),
        rf"does not calibrate by.*{METHODS}\. .*docs/calibrate\.md",
    ),
    (lambda: howsure.calibrate(MADE, LABELS, method="platt"), rf"one of {METHODS}\. .*'platt'"),
    (lambda: howsure.calibrate(P, LABELS), NOT_ASSESSED),
    (lambda: howsure.calibrate(MADE, LABELS[:-1]), "labels do not fit"),
    (lambda: howsure.calibrate(MADE, LABELS + 1), "out of range"),
    (lambda: howsure.calibrate(MADE[:9], LABELS[:9]), r"Too few labelled rows.*at least 10.*Received: 9"),
    (lambda: howsure.calibrate(certainty_of(np.full((11, 12), 1 / 12)), np.arange(11)), "least 12.*: 11"),
    (lambda: howsure.calibrate(FLAT, LABELS), "same probabilities"),
    (lambda: howsure.calibrate(calibrated()(MADE), LABELS), "calibrated already"),
    *each(CALLS, lambda use: use(OTHER), r"other classes.*'0', '1', '2'.*'x', 'b', 'c'"),
    *each(
        CALLS,
        lambda use: use(certainty_of(np.full((9, 4), 0.25))),
        "Received: '0', '1', '2', '3'",
    ),
    *each(CALLS, lambda use: use(P), "not an assessed set"),
    *each(CALLS, lambda use: use(calibrated()(MADE)), "calibrated already"),
    (lambda: of_labels()(OTHER_LABELS), r"other labels.*Expected: 'rain'.*Received: 'a'"),
    (lambda: of_labels()(SEVERAL.of_label("rain")), r"several labels per row.*`calibrator.of_label\[name\]`"),
    # --- sets
    (lambda: howsure.prediction_sets(MADE), "true answers are not known"),
    (lambda: howsure.prediction_sets(MADE, LABELS[:-1]), "labels do not fit"),
    *each((0, 1, 95, np.nan, 1e-300, 1e-12, 1 - 1e-12, np.inf), covering, "from 1e-09 to 1 − 1e-09"),
    *each(("0.9", True, None, 0.9j, np.complex64(0.9), np.array(0.9), 10**400), covering, "cannot be used"),
    (lambda: howsure.prediction_sets(P, LABELS), NOT_ASSESSED),
    (lambda: sets()(P), NOT_ASSESSED),
    (lambda: sets()(OTHER), "other classes"),
    # --- abstention
    (lambda: howsure.abstain(SURE), "true answers are not known"),
    (lambda: howsure.abstain(SURE, RIGHT[:-1]), "labels do not fit"),
    *each(NO_SHARES, lambda risk: howsure.abstain(SURE, RIGHT, risk=risk), "`risk` is out of range"),
    *each(NO_SHARES, lambda share: howsure.abstain(SURE, RIGHT, confidence=share), "`confidence` is out"),
    (lambda: howsure.abstain(SURE, RIGHT, risk="1 %"), "`risk` cannot be used.*Received: '1 %'"),
    (lambda: howsure.abstain(P, LABELS), NOT_ASSESSED),
    (lambda: rule()([0.9, 0.1]), "not an assessed set.*Received: list"),
    (lambda: rule()(MADE), "other classes"),
    (lambda: howsure.abstain(SURE[:0], RIGHT[:0]), r"at least 2,995\. Received: 0"),
    # --- several labels, where one class per row is asked for
    *each(
        (
            howsure.prediction_sets,
            lambda several: sets()(several),
            lambda several: rule()(several),
            lambda several: hand_over([0], made=several),
            lambda several: calibrated()(several),
            lambda several: howsure.evaluate(MADE, LABELS, outside=several),
        ),
        lambda call: call(SEVERAL),
        r"one class per row.*several labels.*`certainty\.of_label\('rain'\)`",
    ),
    # --- hand-over
    (lambda: hand_over([0], "rows.xlsx"), r"rows\.xlsx.*a name that ends in \.csv"),
    (lambda: hand_over([0], made=P), NOT_ASSESSED),
    (lambda: hand_over([0, 300, -1]), "index 300 is out of bounds"),
    *each(([True, False], [0.5], [[0]], 0, ["a"]), hand_over, "Rows cannot be taken by this"),
    (lambda: hand_over(MASKED), "The positions are masked in row 1"),
    # --- familiarity
    (lambda: familiar(score="relative"), "`score` cannot be used.*'density', .*Received: 'relative'"),
    *each((0, 1, -0.1, np.nan, 1e-300), lambda share: familiar(share=share), "`share` is out of range"),
    (lambda: familiar(labels=OF_TRAIN[1:]), "labels do not fit the rows"),
    (lambda: familiar(labels=OF_TRAIN + 1), "out of range"),
    (lambda: familiar(Features(Z[:0], Z[:0, :3]), OF_TRAIN[:0], score="energy"), "no training rows"),
    *each(ASKED, lambda ask: ask(ONE_FEATURE), r"5 features and 3 logits\. Received: 1 and 3\."),
    *each(ASKED, lambda ask: ask(TWO_LOGITS), r"5 features and 3 logits\. Received: 5 and 2\."),
    *each(ASKED, lambda ask: ask(Z), "not features of rows.*Received: ndarray"),
    (lambda: familiar(held_out=ONE_FEATURE), "other features or logits"),
    (lambda: familiar(Z), "not features of rows"),
    (lambda: familiar(held_out=None), "not features of rows.*Received: NoneType"),
    *each(BAD, lambda bad: Features(with_bad(bad), FEW), "features hold NaN, infinite or too large.* row 2"),
    *each(BAD, lambda bad: Features(FEW, with_bad(bad)), "logits hold NaN"),
    (lambda: Features(np.full((4, 2), 1e-200), FEW), "features are too small to be squared"),
    *each(
        (np.zeros(4), np.zeros((4, 2, 2)), np.zeros((4, 0)), np.array([["a"]] * 4), None),
        lambda z: Features(z, FEW),
        r"These features cannot be used.*\(rows, features\)",
    ),
    (lambda: Features(np.zeros((5, 2)), FEW), "differ in their number of rows.*Received: 5 and 4"),
    (masked_features, "The features are masked in row 4"),
    (lambda: features_of("model.keras", np.zeros((2, 4))), "not a model howsure knows"),
]


@pytest.mark.parametrize(("call", "words"), CASES)
def test_it_is_refused_in_these_words(call, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HowsureError, match=words):
        call()
    assert not [*tmp_path.iterdir()]


def test_a_file_that_cannot_be_written_is_an_error_of_files(tmp_path):
    with pytest.raises(FileError, match="Cannot write to"):
        hand_over([0], tmp_path / "missing" / "rows.csv")


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.longdouble])
def test_numbers_of_any_precision_are_taken_as_they_are(kind):
    few = howsure.prediction_sets(MADE, LABELS, coverage=kind(0.5))
    assert few == howsure.prediction_sets(MADE, LABELS, coverage=0.5)
    assert howsure.abstain(SURE, RIGHT, risk=kind(0.25)) == howsure.abstain(SURE, RIGHT, risk=0.25)
    assert howsure.abstain(SURE.with_truth(RIGHT), risk=0.25) == howsure.abstain(SURE, RIGHT, risk=0.25)
