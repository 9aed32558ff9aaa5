"""Every outcome keeps to the outcome seam."""

import numpy as np
import pytest

import howsure
from howsure.answers.classes.outcome import Classes
from howsure.answers.labels.outcome import Labels
from howsure.answers.numbers.outcome import Numbers
from howsure.answers.positions.outcome import Positions
from howsure.answers.registry import answers
from howsure.conformance import check_outcome

LIMITS = howsure.Thresholds()
NAMES = tuple("abcde")


def raw(classes, end, passes=7, rows=9):
    logits = np.random.default_rng(3).normal(0, 2, (passes, rows, classes))
    if end == "softmax":
        powers = np.exp(logits)
        logits = powers / powers.sum(axis=-1, keepdims=True)
    if end == "sigmoid":
        logits = 1 / (1 + np.exp(-logits))
    return logits.astype(np.float32)


OUTCOMES = {
    "classes of probabilities": (Classes("m", "probabilities", "float32", NAMES, LIMITS), raw(5, "softmax")),
    "classes of logits": (Classes("m", "logits", "float32", NAMES, LIMITS), raw(5, "linear")),
    "classes of one sigmoid": (
        Classes("m", "probabilities", "float32", ("no", "yes"), LIMITS),
        raw(1, "sigmoid"),
    ),
    "classes of one logit": (Classes("m", "logits", "float32", ("no", "yes"), LIMITS), raw(1, "linear")),
    "labels of probabilities": (Labels("m", "label-probabilities", NAMES, LIMITS), raw(5, "sigmoid")),
    "labels of logits": (Labels("m", "label-logits", NAMES, LIMITS), raw(5, "linear")),
    "numbers": (Numbers("m", "values", NAMES), 1e6 * raw(5, "linear")),
    "means and variances": (Numbers("m", "mean-variance", NAMES[:2]), raw(4, "sigmoid")),
    "positions": (
        Positions("m", "logits", "float32", NAMES, LIMITS, (2, 3), 2),
        raw(30, "linear").reshape(7, 9, 2, 3, 5),
    ),
    "means and log variances": (Numbers("m", "mean-log-variance", NAMES[:2]), raw(4, "linear")),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_outcome_keeps_to_the_seam(name):
    check_outcome(*OUTCOMES[name])


def test_every_kind_has_its_outcome_here():
    assert {each.outcome_type for each in answers()} == {type(outcome) for outcome, _ in OUTCOMES.values()}
