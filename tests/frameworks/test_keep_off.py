"""Random layers that a caller keeps off are as if they were not there."""

import numpy as np
import pytest

import howsure
from tests.frameworks.frameworks import MLP, X, near, probabilities

WITHOUT = {name: step for name, step in MLP.items() if name != "in"}


@pytest.mark.parametrize("settings", [{}, {"passes": 8}, {"passes": 8, "balanced": False}])
def test_a_layer_that_is_kept_off_is_as_if_it_were_not_there(framework, settings):
    model = framework.network()
    before = framework.state(model)
    result = howsure.assess(model, X, method=howsure.MCDropout(keep_off=["in"], **settings))
    near(result, howsure.assess(framework.network(WITHOUT), X, method=howsure.MCDropout(**settings)))
    assert result.method["keep_off"] == ["in"]
    with_it = howsure.assess(model, X, method=howsure.MCDropout(**settings))  # nothing of it is kept
    assert np.abs(with_it.probabilities - result.probabilities).max() > 1e-3
    assert "keep_off" not in with_it.method
    assert framework.state(model) == before


def test_a_plan_and_an_audit_know_what_is_kept_off(framework):
    model, method = framework.network(), howsure.MCDropout(keep_off=("in",))
    plan = howsure.plan(model, X, method)
    planned = howsure.assess(model, X, method=howsure.MCDropout(keep_off=["in"], plan=plan))
    near(planned, howsure.assess(model, X, method=method))
    with pytest.raises(howsure.InputError, match="plan was made for another model"):
        howsure.assess(model, X, method=howsure.MCDropout(plan=plan))
    first = howsure.audit(model, X, keep_off=["in"], plan=plan).layers[0]
    assert (first.name, first.random, first.note) == ("in", None, "stays fixed: `keep_off` names it")


@pytest.mark.filterwarnings("ignore:Change 0 leaves the rows as they are")
def test_changed_rows_keep_it_off_too(framework):
    model, method = framework.network(), howsure.MCDropout(passes=8, keep_off=["in"])
    versions = howsure.Augmentation([lambda rows: rows], each=method)
    near(probabilities(model, method=versions), probabilities(model, method=method))


@pytest.mark.parametrize(
    ("keep_off", "message"),
    [
        (["middle"], "names 'middle', which is no random layer. Expected: some of 'in', 'late'"),
        (["in", "late"], "leaves nothing random"),
        ("in", "Expected: a list of names"),
        ([1], "Expected: a list of names"),
        (None, "Expected: a list of names"),
    ],
)
def test_names_that_cannot_be_kept_off(framework, keep_off, message):
    with pytest.raises(howsure.InputError, match=message):
        howsure.assess(framework.network(), X, method=howsure.MCDropout(keep_off=keep_off))
