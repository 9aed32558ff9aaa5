"""Numbers far from 0 and in any unit, and logits far from 0: right in double precision, or refused."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

import howsure
from howsure.digits import exactly, measured, significant, written
from howsure.tasks.classification.outcome import Classes
from howsure.tasks.regression.doubt import needs_passes
from howsure.tasks.regression.outcome import Numbers
from howsure.tasks.segmentation.outcome import Positions
from tests.kinds.kind import LIMITS, OUTCOME_NAMES

FAR = 1.7e9
SIZES = (0.0, 1.0, -1.0, 123.456, FAR, 1e30, -1e30, 1e70, 1e-70, 1e-320, 5e-324, 1.7e308)


def test_logits_far_from_0_give_the_same_probabilities():
    raw = np.random.default_rng(0).normal(size=(4, 5, 3)) * 3
    rows = np.arange(5)
    of_classes = Classes("m", "logits", "float64", OUTCOME_NAMES[:3], LIMITS)
    np.testing.assert_allclose(of_classes.values(raw + FAR, rows), of_classes.values(raw, rows), atol=1e-6)
    of_positions = Positions("m", "logits", "float64", OUTCOME_NAMES[:3], LIMITS, (5,), 1)
    expected = np.exp(raw) / np.exp(raw).sum(axis=-1, keepdims=True)
    for shift in (0.0, FAR):
        found = of_positions.values(raw[:, None] + shift, rows[:1])
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[:, 0], expected, atol=1e-6)


def test_forests_keep_double_precision():
    random = np.random.default_rng(0)
    x = random.normal(size=(80, 4))
    y = x @ [1.0, 2.0, 3.0, 4.0] + random.normal(size=80)
    regressor = RandomForestRegressor(20, random_state=0).fit(x, y + FAR)
    result = howsure.assess(regressor, x, method=howsure.Members())
    trees = np.stack([tree.predict(x) for tree in regressor.estimators_]) - FAR
    np.testing.assert_allclose(result.mean[:, 0] - FAR, trees.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(result.spread[:, 0], trees.std(axis=0), atol=1e-6)
    classifier = RandomForestClassifier(20, random_state=0).fit(x, y > 0)
    found = howsure.assess(classifier, x, method=howsure.Members()).probabilities
    np.testing.assert_allclose(found, classifier.predict_proba(x), atol=1e-14)


def test_passes_that_are_open_far_from_0_are_not_taken_for_rounding():
    """An error in double precision is below the rounding of single precision, and no rounding."""
    method, one = {"words": {"more": "up to {max_passes} passes"}}, np.ones(1)
    assert needs_passes(FAR * one, 0.2 * one, one, method)
    assert not needs_passes(FAR * one, 0.01 * one, one, method)
    rounding = 4 * 2.0**-23 * FAR * one  # what a result in single precision tells at the least
    assert not needs_passes(FAR * one, rounding, one, method)


def test_rows_that_vary_show_that_networks_agree():
    """Networks that are the same where rows differ by many steps of the type are no matter of precision."""
    outcome = Numbers("m", "values", ("value",))
    alike = np.full((100, 1), True)
    step = np.full((100, 1), 2.0**-23)
    outcome._warn_of_hidden(alike, np.linspace(1, 2, 100)[:, None], step)
    with pytest.warns(howsure.HowsureWarning, match="differ in 'value' by no more than float32 can tell"):
        outcome._warn_of_hidden(alike, 1 + np.linspace(0, 10, 100)[:, None] * step, step)


@pytest.mark.parametrize("value", SIZES)
def test_every_double_has_a_text(value):
    for said in (exactly(value), significant(value, 4), significant(value, 4, 0.5)):
        assert float(said.replace(",", "")) == pytest.approx(value, rel=1e-3)
    for width in (0.0, 1e-320, 1e-70, 1.0, 1e30, 1e70):
        ends = (value - width, value + width)
        for truth in (None, 0.0, ends[1]):
            assert written(value, width / 10, ends, ends, truth).number
        assert measured(value, *ends)[0]


def test_what_double_precision_cannot_tell_apart_is_at_one_number():
    result = howsure.RegressionCertainty.from_mean_std(np.full(3, 1e30), 1.0)
    assert str(result[0]) == "1e30; 95 % of answers at 1e30."
    assert "1,700,000,000" in str(howsure.RegressionCertainty.from_mean_std(np.full(3, FAR), 1.0)[0])


def test_a_variance_beyond_double_precision_is_too_large_and_not_nan():
    outcome = Numbers("m", "mean-log-variance", ("value",))
    with pytest.raises(howsure.ModelError, match="The deviations of model 'm' are too large to be squared"):
        outcome.values(np.array([[[0.0, 800.0]]]), np.arange(1))
