"""One temperature for the probabilities at positions, against a search for the least NLL."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import howsure
from tests.tasks.maps import certainty_of, drawn

TRUE_P, TRUTH = drawn(30, sharp=1.5)
CLAIMED = TRUE_P.astype(np.float64) ** 2  # claims too much: the temperature that mends it is 2
CLAIMED = (CLAIMED / CLAIMED.sum(-1, keepdims=True)).astype(np.float32)
RESULT = certainty_of(CLAIMED, all_errors=np.full_like(CLAIMED, 0.01))
IGNORED = np.random.default_rng(5).random(TRUTH.shape) < 0.2
LABELS = np.where(IGNORED, 255, TRUTH)


def tempered(temperature):
    q = CLAIMED.astype(np.float64) ** (1 / temperature)
    return q / q.sum(-1, keepdims=True)


def nll(temperature):
    return -np.log(np.take_along_axis(tempered(temperature), TRUTH[..., None], -1)[..., 0][~IGNORED]).mean()


@pytest.fixture(scope="module")
def calibrator():
    return howsure.calibrate(RESULT, LABELS)


def test_the_temperature_is_that_of_the_least_nll(calibrator):
    found = minimize_scalar(nll, bounds=(0.2, 10), method="bounded", options={"xatol": 1e-8})
    assert calibrator.temperature.value == pytest.approx(found.x, rel=1e-5)
    assert calibrator.temperature.low < 2 < calibrator.temperature.high
    assert calibrator.before.value == pytest.approx(nll(1), rel=1e-6)
    assert nll(calibrator.temperature.value) < calibrator.after.value < nll(1)
    assert calibrator.difference.high < 0
    assert "claimed too much" in calibrator.in_words()


def test_a_calibrated_result_has_the_probabilities_that_follow(calibrator):
    found = calibrator(RESULT)
    expected = tempered(calibrator.temperature.value)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    np.testing.assert_allclose(found.probability, expected.max(-1), atol=1e-6)
    np.testing.assert_allclose(found.gap, np.diff(np.sort(expected, -1)[..., -2:])[..., 0], atol=1e-6)
    assert (found.label == RESULT.label).all()
    assert (found.entropy > RESULT.entropy - 1e-6).all()
    np.testing.assert_allclose(found.expected_entropy, 0.9 * found.entropy, rtol=1e-4)
    with pytest.warns(howsure.HowsureWarning, match="learnt from all these 30 images"):
        scored = howsure.evaluate(found, LABELS)
    assert scored.nll.value == pytest.approx(nll(calibrator.temperature.value))
    with pytest.raises(howsure.InputError, match="calibrated already"):
        calibrator(found)
    with pytest.raises(howsure.InputError, match="calibrated already"):
        howsure.calibrate(found, LABELS)


def test_two_classes_need_no_probabilities_kept():
    p, truth = drawn(20, names=("no", "yes"))
    results = [certainty_of(p, ("no", "yes"), keep=keep) for keep in (True, False)]
    kept, other = (howsure.calibrate(each, truth) for each in results)
    assert other.temperature.value == pytest.approx(kept.temperature.value, rel=1e-4)
    one, two = kept(results[0]), other(results[1])
    np.testing.assert_allclose(two.probability, one.probability, atol=1e-4)
    assert two.all_probabilities is None


def test_the_interval_holds_the_true_temperature():
    held = []
    for split in range(20):
        p, truth = drawn(12, positions=(5, 4), sharp=1.0, seed=split)
        score = howsure.calibrate(certainty_of(p), truth).temperature
        held.append(score.low <= 1 <= score.high)
    assert np.mean(held) >= 0.85
