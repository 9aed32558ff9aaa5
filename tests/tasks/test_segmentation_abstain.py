"""Rules of abstention over images whose Dice may be too low."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

import howsure
from tests.tasks.maps import certainty_of, drawn

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
    assert "At most 20 % of the rest are below a Dice of 0.7" in str(rule)


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


NAMES = ("background", "lesion")


def lesions(rows, seed):
    """Small lesions in much background: the doubtful images are those whose lesion is found badly."""
    random = np.random.default_rng(seed)
    truth, of_lesion = np.zeros((rows, 4, 16), int), np.full((rows, 4, 16), 0.01)
    for at, found in enumerate(random.uniform(size=rows)):
        if at % 4 == 3:
            continue  # a lesion neither in the truth nor in the label
        truth[at, 2, :10] = 1
        hit = random.uniform(size=10) < found
        hit[:2] = True
        of_lesion[at, 2, :10] = np.where(hit, 0.5 + 0.5 * found, 0.4 * (1 - found))
    return certainty_of(np.stack([1 - of_lesion, of_lesion], -1).astype(np.float32), NAMES), truth


def dice_of_lesions(truth, label):
    both = np.sum((truth == 1) & (label == 1), axis=(1, 2))
    sizes = np.sum(truth == 1, axis=(1, 2)) + np.sum(label == 1, axis=(1, 2))
    return np.where(sizes > 0, 2 * both / np.maximum(sizes, 1), np.nan)


def test_without_the_background_the_promise_is_about_the_other_classes():
    result, truth = lesions(200, seed=0)
    dice = dice_of_lesions(truth, result.label)
    known = np.isfinite(dice)
    with_it = howsure.abstain(result, truth, risk=0.25, tolerance=0.35)
    assert np.mean(dice[~with_it(result) & known] < 0.65) > 0.25  # which the mean with the background hides
    rule = howsure.abstain(result, truth, risk=0.25, tolerance=0.35, background="background")
    assert rule == howsure.abstain(result, truth, risk=0.25, tolerance=0.35, background=0)
    handed = rule(result)
    assert rule.rows == known.sum() == 150
    assert rule.accepted == np.sum(~handed & known)
    assert rule.mistakes == np.sum(dice[~handed & known] < 0.65)
    assert rule.handed_over.value == handed.mean()
    assert "over its classes but 'background'" in str(rule)
    assert "all its classes, a background too" in str(with_it)


def test_a_promise_without_the_background_is_kept_over_repeated_draws():
    """Risks of 4,000 further images stand for the true ones: 90 % confidence, so 10 % may be broken.

    Where images allow no promise, none is broken.
    """
    result, truth = lesions(4000, seed=1)
    low, known = dice_of_lesions(truth, result.label) < 0.65, truth.any(axis=(1, 2))
    broken = []
    for seed in range(200):
        some, labels = lesions(120, seed=100 + seed)
        try:
            rule = howsure.abstain(some, labels, risk=0.25, confidence=0.9, tolerance=0.35, background=0)
        except howsure.InputError:
            continue
        broken.append(low[known & ~rule(result)].mean() > 0.25)
    assert len(broken) > 150
    assert np.mean(broken) <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / 200)
