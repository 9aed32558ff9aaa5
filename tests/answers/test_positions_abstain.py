"""Rules of abstention over images whose Dice may be too low."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

import howsure
from tests.answers.maps import certainty_of, drawn

P, TRUTH = drawn(80, sharp=3.0)
RESULT = certainty_of(P)


def dice_of(truth, label):
    pairs = zip(truth.reshape(len(truth), -1), label.reshape(len(label), -1), strict=True)
    return np.array([f1_score(*each, labels=np.union1d(*each), average="macro") for each in pairs])


def test_the_images_kept_are_the_least_doubtful():
    rule = howsure.abstain(RESULT, TRUTH, risk=0.2, tolerance=0.3)
    handed, low = rule(RESULT), dice_of(TRUTH, RESULT.label) < 0.7
    assert 0 < handed.sum() < len(TRUTH)
    assert RESULT.doubt[handed].min() > RESULT.doubt[~handed].max()
    assert rule.accepted == np.sum(~handed)
    assert rule.mistakes == np.sum(low[~handed])
    assert [bool(rule(RESULT[at : at + 1])[0]) for at in range(10)] == handed[:10].tolist()
    assert "at most 20 % of the rest are below a Dice of 0.7" in str(rule)


def test_all_are_kept_where_the_promise_allows_it():
    assert not howsure.abstain(RESULT, TRUTH, risk=0.3, tolerance=0.99)(RESULT).any()


def test_a_dice_of_exactly_the_limit_is_no_mistake():
    p = np.full((20, 1, 10, 2), [0.9, 0.1], np.float32)
    truth = np.zeros((20, 1, 10), int)
    result = certainty_of(p, ("no", "yes"))
    truth[:, 0, :2] = -1
    truth[:, 0, 2:4] = 1
    dice = dice_of(truth[:, :, 2:], result.label[:, :, 2:])[0]
    assert howsure.abstain(result, truth, risk=0.2, tolerance=1 - dice).mistakes == 0
    with pytest.raises(howsure.InputError, match="do not allow to promise"):
        howsure.abstain(result, truth, risk=0.2, tolerance=0.999 - dice)


def test_images_without_a_position_that_counts_teach_nothing():
    labels = np.concatenate([TRUTH, np.full_like(TRUTH[:5], -1)])
    more = howsure.abstain(certainty_of(np.concatenate([P, P[:5]])), labels, risk=0.2, tolerance=0.3)
    assert more == howsure.abstain(RESULT, TRUTH, risk=0.2, tolerance=0.3)


def test_what_cannot_be_promised_is_refused():
    with pytest.raises(howsure.InputError, match=r"tolerance=0\.2 for a Dice of 0\.8"):
        howsure.abstain(RESULT, TRUTH, risk=0.3)
    with pytest.raises(howsure.InputError, match="`tolerance` is out of range"):
        howsure.abstain(RESULT, TRUTH, risk=0.3, tolerance=20)
    with pytest.raises(howsure.InputError, match="Too few labelled rows"):
        howsure.abstain(RESULT, TRUTH, tolerance=0.2)
    rule = howsure.abstain(RESULT, TRUTH, risk=0.2, tolerance=0.3)
    with pytest.raises(howsure.InputError, match="other classes"):
        rule(certainty_of(P, ("a", "b", "c")))
    with pytest.raises(howsure.InputError, match="answers of another kind"):
        rule(RESULT.of_row(0))
