"""Costs of methods are counted: they are the same at each call, and those that the layers have."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

import howsure
from howsure.compare.findings import lead
from tests.golden.cases import network, rows


def turned():
    """The network with the signs of its weights turned: another one of the same costs."""
    model = network("classes")
    for weights in model.weights():
        weights *= -1
    return model


def compared(methods, count=40, **settings):
    model, x = network("classes"), rows("classes", count)
    labels = howsure.assess(model, x, method=howsure.PlainPrediction()).label
    labels = (labels + (np.arange(count) % 3 == 0)) % 3
    return howsure.compare(model, x, labels, methods=methods, shifts={}, **settings)


def test_costs_are_those_that_layers_and_passes_have():
    model = network("classes")
    shared, *others = model.levels
    methods = {
        "plain": howsure.PlainPrediction(),
        "dropout": howsure.MCDropout(passes=16),
        "ensemble": howsure.Ensemble([turned()] * 4),
        "both": howsure.Ensemble([turned()], each=howsure.MCDropout(passes=16)),
    }
    with pytest.warns(howsure.HowsureWarning):
        comparison = compared(methods)
    of_dropout = shared.cost + 16 * sum(level.cost for level in others)
    expected = {"plain": 1, "dropout": of_dropout, "ensemble": 5, "both": 2 * of_dropout}
    assert {name: comparison.costs[name] for name in methods} == pytest.approx(expected)
    lines = {line.split("  ")[0]: line.split()[-1] for line in str(comparison).splitlines() if line}
    assert float(lines["ensemble"]) == expected["ensemble"]
    assert lines["ensemble, calibrated"] == lines["ensemble"]


def test_a_budget_is_what_is_spent_at_most():
    methods = {"plain": howsure.PlainPrediction(), "dropout": howsure.MCDropout(budget=12)}
    first, second = compared(methods, 400), compared(methods, 400)
    assert first.costs == second.costs
    assert 2 < first.costs["dropout"] <= 12 * 1.05


def test_a_forest_costs_what_its_prediction_costs():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(200, 4)), random.integers(0, 2, 200)
    forest = RandomForestClassifier(10, random_state=0).fit(x[:100], y[:100])
    comparison = howsure.compare(forest, x[100:], y[100:], shifts={}, calibrated=False)
    assert set(comparison.costs.values()) == {1.0}
    assert "costs" not in lead(comparison)


def test_costs_need_no_plain_prediction():
    comparison = compared({"one": howsure.MCDropout(passes=16), "two": howsure.MCDropout(passes=32)})
    assert np.isfinite([*comparison.costs.values()]).all()
    assert comparison.costs["two"] > comparison.costs["one"] > 1
