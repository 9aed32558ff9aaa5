"""Sets of classes at each position, against the formula of conformal risk control."""

import numpy as np
import pytest

import howsure
from tests.tasks.maps import certainty_of, drawn

P, TRUTH = drawn(40, sharp=1.5)
RESULT = certainty_of(P)
IGNORED = np.random.default_rng(5).random(TRUTH.shape) < 0.2
LABELS = np.where(IGNORED, 255, TRUTH)


def loss_of(p, truth, kept, threshold):
    """(N,) share of the positions that count whose true class is neither likely enough nor the first."""
    of_true = np.take_along_axis(p, truth[..., None], -1)[..., 0]
    missed = (of_true < threshold) & (p.argmax(-1) != truth)
    return (missed & kept).sum(axis=(1, 2)) / kept.sum(axis=(1, 2))


def test_the_threshold_is_the_largest_that_the_formula_allows():
    for coverage in (0.9, 0.95):
        found = howsure.prediction_sets(RESULT, LABELS, coverage=coverage)

        def risk(threshold):
            return (loss_of(P, TRUTH, ~IGNORED, np.float32(threshold)).sum() + 1) / (len(P) + 1)

        assert risk(found.threshold) <= 1 - coverage
        assert risk(found.threshold * (1 + 1 / 1024)) > 1 - coverage


def test_sets_hold_what_is_likely_enough_and_always_the_label():
    fitted = howsure.prediction_sets(RESULT, LABELS, coverage=0.9)
    sets = fitted(RESULT)
    expected = (np.float32(fitted.threshold) <= P) | (np.arange(3) == RESULT.label[..., None])
    assert (np.stack(list(sets)) == expected).all()
    np.testing.assert_allclose(sets.size, expected.sum(-1).mean(axis=(1, 2)))
    assert fitted.size == pytest.approx(expected.sum(-1).mean())
    assert (sets[3:5][1] == expected[4]).all()
    assert "at 90 % or more of the positions" in str(fitted)


def test_the_promise_is_kept_on_average_over_new_images():
    losses = []
    for split in range(60):
        p, truth = drawn(19 + 40, positions=(4, 3), sharp=1.5, seed=split)
        fitted = howsure.prediction_sets(certainty_of(p[:19]), truth[:19])
        losses.append(loss_of(p[19:], truth[19:], np.ones_like(truth[19:], bool), fitted.threshold).mean())
    error = np.std(losses) / np.sqrt(len(losses))
    assert 0 < np.mean(losses) < 0.05 + 2 * error


def test_two_classes_need_no_probabilities_kept():
    p, truth = drawn(30, names=("no", "yes"))
    kept, other = (
        howsure.prediction_sets(certainty_of(p, ("no", "yes"), keep=keep), truth) for keep in (True, False)
    )
    assert other.threshold == pytest.approx(kept.threshold, rel=1e-3)
