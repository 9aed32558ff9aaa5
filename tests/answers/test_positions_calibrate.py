"""One temperature for the probabilities at positions, against a search for the least NLL."""

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

import howsure
from tests.answers.maps import certainty_of, drawn

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


# --- offsets ------------------------------------------------------------------------------------------

SHIFTED = TRUE_P.astype(np.float64) ** 1.25 * np.exp(
    [1.0, -1.0, 0.0]
)  # the offsets that mend it: −0.8, 0.8, 0
SHIFTED = (SHIFTED / SHIFTED.sum(-1, keepdims=True)).astype(np.float32)
OFF = certainty_of(SHIFTED, all_errors=np.full_like(SHIFTED, 0.01))


def with_offsets(p, beta, b):
    q = p.astype(np.float64) ** beta * np.exp(b)
    return q / q.sum(-1, keepdims=True)


@pytest.fixture(scope="module")
def offsets():
    return howsure.calibrate(OFF, LABELS, method="offsets")


def test_offsets_are_those_of_the_least_nll_with_a_prior_of_one_row(offsets):
    there, n = ~IGNORED, len(OFF)
    hot = np.eye(3)[TRUTH][there]
    p = SHIFTED[there] / SHIFTED[there].sum(-1, keepdims=True)
    targets = (hot + p / n) / (1 + 1 / n)

    def loss(theta):
        q = with_offsets(SHIFTED[there], theta[0], np.append(theta[1:], -theta[1:].sum()))
        return -np.sum(targets * np.log(q), axis=-1).mean()

    found = minimize(loss, [1.0, 0.0, 0.0], method="BFGS", options={"gtol": 1e-9}).x
    assert offsets.temperature.value == pytest.approx(1 / found[0], rel=1e-4)
    np.testing.assert_allclose(offsets.offsets[:2], found[1:], atol=1e-4)
    np.testing.assert_allclose(offsets.offsets, [-0.8, 0.8, 0], atol=0.35)
    alone = howsure.calibrate(OFF, LABELS)
    assert alone.offsets is None
    assert offsets.after.value < alone.after.value - 0.05
    assert offsets.difference.high < 0
    assert offsets.temperature.low < 1.25 < offsets.temperature.high
    assert "an offset for each class" in offsets.in_words()
    assert "'car' is raised most beside the other classes, and 'road' is lowered most" in offsets.in_words()


def test_a_result_with_offsets_has_the_labels_and_shares_that_follow(offsets):
    found = offsets(OFF)
    expected = with_offsets(SHIFTED, 1 / offsets.temperature.value, offsets.offsets)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    assert (found.label == expected.argmax(-1)).mean() > 0.999
    assert (found.label != OFF.label).any()
    share = np.stack([(found.label == k).mean(axis=(1, 2)) for k in range(3)], axis=1)
    np.testing.assert_allclose(found.share, share)
    assert np.isnan(found.overlap).all()
    with pytest.warns(howsure.HowsureWarning, match="learnt from all these 30 images"):
        scored = howsure.evaluate(found, TRUTH)
    assert scored.accuracy.value > howsure.evaluate(OFF, TRUTH).accuracy.value
    assert "calibration" in found.method
    assert str(found[0])


def test_no_row_is_scored_with_offsets_that_were_learnt_from_it():
    labels = np.zeros_like(TRUTH)
    labels[4] = 1  # one row alone has this class
    others = np.arange(30) != 4
    without = howsure.calibrate(OFF[others], labels[others], method="offsets")
    assert np.isfinite(without.offsets).all(), "a class that no label has keeps a finite offset"
    of_row = with_offsets(SHIFTED[4], 1 / without.temperature.value, without.offsets)[..., 1]
    assert howsure.calibrate(OFF, labels, method="offsets").after.value > 0.7 * -np.log(of_row).mean() / 30


def test_offsets_are_saved_and_read(offsets, tmp_path):
    offsets.save(tmp_path / "c.json")
    read = howsure.DenseCalibrator.load(tmp_path / "c.json")
    assert read.in_words() == offsets.in_words()
    assert read.offsets == offsets.offsets
    assert (read(OFF).probability == offsets(OFF).probability).all()
