"""What results with a class at each position refuse: the call, and the words."""

import numpy as np
import pytest

import howsure
from howsure import Certainty, Comparison
from howsure.report.page import render
from tests.tasks.maps import certainty_of, drawn

N, H, W = 40, 8, 6
P, TRUTH = drawn(N, (H, W))
RESULT, UNKEPT, OTHER = certainty_of(P), certainty_of(P, keep=False), certainty_of(P, ("a", "b", "c"))
ONE_ROW_COUNTS = np.where(np.arange(N)[:, None, None] == 3, TRUTH, -1)
COMPARED = Comparison.of_results


def fitted(fit):
    return lambda other: fit(RESULT, TRUTH)(other)


ABSTAIN = fitted(lambda result, truth: howsure.abstain(result, truth, risk=0.4, tolerance=0.7))
SETS, CALIBRATE = fitted(howsure.prediction_sets), fitted(howsure.calibrate)

REFUSED = {
    "labels of one row too few axes": (
        lambda: RESULT.with_truth(np.zeros((N, H))),
        "do not fit the positions",
    ),
    "labels out of range": (lambda: RESULT.with_truth(np.full((N, H, W), 3)), "out of range"),
    "labels that are halves": (
        lambda: RESULT.with_truth(np.full((N, H, W), 0.5)),
        "neither class numbers nor names",
    ),
    "labels of other names": (
        lambda: RESULT.with_truth(np.full((N, H, W), "see")),
        "no class names.*'road', 'car'.*'see'",
    ),
    "booleans of three classes": (lambda: RESULT.with_truth(np.zeros((N, H, W), bool)), "booleans"),
    "probabilities that were not kept": (lambda: UNKEPT.probabilities, "keep='probabilities'"),
    "a row without probabilities": (lambda: UNKEPT.of_row(0), "keep='probabilities'"),
    "scores without labels": (lambda: howsure.evaluate(RESULT), "The true classes are not known"),
    "scores of other positions": (lambda: howsure.evaluate(RESULT, TRUTH[:, :3]), "do not fit the positions"),
    "scores beside another kind": (
        lambda: howsure.evaluate(RESULT, TRUTH, outside=Certainty.from_probabilities(np.full((4, 2), 0.5))),
        "another kind",
    ),
    "scores of one row": (lambda: howsure.evaluate(RESULT, ONE_ROW_COUNTS), "Too few rows to score"),
    "ignored numbers of rows with one class": (
        lambda: howsure.evaluate(Certainty.from_probabilities(np.full((40, 2), 0.5)), [0, 1] * 20, ignore=0),
        "positions that are left out of scores",
    ),
    "a background by another name": (
        lambda: howsure.evaluate(RESULT, TRUTH, background="lung"),
        "is no class of this result",
    ),
    "a background out of range": (
        lambda: COMPARED({"a": RESULT}, TRUTH, background=3),
        "is no class of this result",
    ),
    "a background that is no number": (
        lambda: render(RESULT.with_truth(TRUTH), background=True),
        "is no class of this result",
    ),
    "temperature without probabilities": (
        lambda: howsure.fit_rules(UNKEPT, TRUTH, tolerance=0.7),
        r"keep='probabilities'.*calibrate=False",
    ),
    "temperature of labels all right": (
        lambda: howsure.calibrate(RESULT, RESULT.label),
        "Every label is right",
    ),
    "temperature of the reverse": (
        lambda: howsure.calibrate(RESULT, P.argmin(-1)),
        "say nothing of the true classes",
    ),
    "temperature of few rows": (lambda: howsure.calibrate(RESULT[:9], TRUTH[:9]), "Too few labelled rows"),
    "another method of calibration": (
        lambda: howsure.calibrate(RESULT, TRUTH, method="isotonic"),
        r"'temperature'\. .*docs/calibrate\.md",
    ),
    "a calibrator of other classes": (lambda: CALIBRATE(OTHER), "other classes"),
    "sets without probabilities": (lambda: howsure.prediction_sets(UNKEPT, TRUTH), "were not kept"),
    "sets of few rows": (lambda: howsure.prediction_sets(RESULT[:18], TRUTH[:18]), "Too few labelled rows"),
    "sets by class": (
        lambda: howsure.prediction_sets(RESULT, TRUTH, by_class=True),
        "by one threshold",
    ),
    "sets of other classes": (lambda: SETS(OTHER), "other classes"),
    "sets of rows without probabilities": (lambda: SETS(UNKEPT), "were not kept"),
    "abstention without a tolerance": (
        lambda: howsure.abstain(RESULT, TRUTH, risk=0.3),
        r"tolerance=0\.2 for a Dice of 0\.8",
    ),
    "abstention with a tolerance in per cent": (
        lambda: howsure.abstain(RESULT, TRUTH, risk=0.3, tolerance=20),
        "`tolerance` is out of range",
    ),
    "abstention of few rows": (
        lambda: howsure.abstain(RESULT[:9], TRUTH[:9], tolerance=0.2),
        "Too few labelled rows",
    ),
    "abstention from other classes": (lambda: ABSTAIN(OTHER), "other classes"),
    "abstention from another kind": (lambda: ABSTAIN(RESULT.of_row(0)), "answers of another kind"),
    "a comparison without probabilities": (lambda: COMPARED({"a": UNKEPT}, TRUTH), "were not kept"),
    "a comparison without labels": (lambda: COMPARED({"a": RESULT}), "The true classes are not known"),
    "a comparison of other classes": (
        lambda: COMPARED({"a": RESULT, "b": OTHER}, TRUTH),
        "'b' has other classes than 'a'",
    ),
    "a comparison of other positions": (
        lambda: COMPARED({"a": RESULT, "b": certainty_of(P[:, :5])}, TRUTH),
        r"'b' has other positions than 'a'\. Expected: 8 × 6",
    ),
    "a comparison of one row": (lambda: COMPARED({"a": RESULT}, ONE_ROW_COUNTS), "Too few rows"),
    "a page of rows with other axes": (
        lambda: render(RESULT, np.ones((N, 7))),
        r"The rows do not fit the maps of the result\. Expected: images: \(N, H, W\)",
    ),
    "a page of other rows": (lambda: render(RESULT, np.ones((3, H, W))), "do not fit the certainty"),
    "a page of too many words": (
        lambda: render(certainty_of(P[:2, 0]), [["a"], ["a"] * 7]),
        "Row 1 has more words than the result has positions",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_words(case):
    call, said = REFUSED[case]
    with pytest.raises(howsure.InputError, match=said):
        call()
