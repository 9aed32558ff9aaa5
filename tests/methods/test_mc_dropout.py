"""Settings of MC dropout, and what a plan may ask of a machine."""

from dataclasses import replace

import numpy as np
import pytest

import howsure
from tests.support.cases import array_cases


def test_a_plan_in_a_precision_that_is_not_to_be_had_is_refused():
    case = array_cases()["two_layers"]
    model, (x,) = case.make(), case.rows
    plan = replace(howsure.plan(model, x), precision="bfloat16")
    with pytest.raises(
        howsure.InputError,
        match=r"runs heavy layers in bfloat16.*Expected: a plan in float32.*precision='float32'",
    ):
        howsure.assess(model, x, method=howsure.MCDropout(plan=plan))


def test_a_plan_for_every_machine_is_in_float32():
    case = array_cases()["two_layers"]
    model, (x,) = case.make(), case.rows
    assert howsure.plan(model, x, precision="float32").precision == "float32"
    with pytest.raises(howsure.InputError, match="`precision` cannot be used"):
        howsure.plan(model, x, precision="bfloat16")


def test_the_audit_and_the_features_take_any_adapter():
    case = array_cases()["two_layers"]
    model, (x,) = case.make(), case.rows
    audit = howsure.audit(model, plan=howsure.plan(model, x))
    assert [layer.name for layer in audit.random_layers] == ["drop", "late_drop"]
    assert audit.passes_differ
    assert "on numpy" in str(audit)
    features = howsure.features_of(model, x)
    powers = np.exp(features.logits)
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), model.predict([x]), atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "plans"),
    [({}, True), ({"max_passes": 40}, True), ({"passes": 10}, False), ({"balanced": False}, False)],
)
def test_a_method_says_whether_it_would_make_a_plan(settings, plans):
    """Also one that runs it for each of its members, or of the changed rows."""
    dropout = howsure.MCDropout(**settings)
    methods = [dropout, howsure.Ensemble([object()], each=dropout), howsure.Augmentation([abs], each=dropout)]
    assert [method.needs.plan for method in methods] == [plans] * 3
    assert not howsure.Ensemble([object()]).needs.plan
    assert not howsure.Softmax().needs.plan


@pytest.mark.parametrize("name", ["passes", "max_passes"])
@pytest.mark.parametrize("value", [0, 1, -3, 2.5, True, "10", np.nan, 4.0])
def test_numbers_of_passes_that_cannot_be_used(name, value):
    with pytest.raises(howsure.InputError) as raised:
        howsure.MCDropout(**{name: value})
    assert f"`{name}` cannot be used. Expected: a whole number of at least 2" in str(raised.value)
    assert f"Received: {value!r}." in str(raised.value)


@pytest.mark.parametrize("value", [0, 0.0, -0.01, 0.5, 3, np.nan, np.inf])
def test_target_error_out_of_range(value):
    with pytest.raises(
        howsure.InputError, match=r"`target_error` is out of range.*above 0 and below 0.5.*Received: "
    ):
        howsure.MCDropout(target_error=value)


@pytest.mark.parametrize("more", [{"target_error": 0.01}, {"max_passes": 100}])
def test_passes_together_with_what_they_make_void(more):
    with pytest.raises(
        howsure.InputError, match=r"`passes` gives every row the same number.*Give either `passes`, or"
    ):
        howsure.MCDropout(passes=10, **more)
