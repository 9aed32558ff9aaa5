"""What is examined, drawn and fitted once serves the next call, the same model, and never another one."""

from dataclasses import replace

import numpy as np
import pytest

import howsure
from howsure.adapters import networks
from howsure.adapters.resolve import adapt
from howsure.sampling import flat, tree
from tests import fitted
from tests.frameworks.frameworks import FRAMEWORKS, X, near, probabilities

HEAD = {"hidden": (600, "relu"), "late": 0.5, "last": (3, "softmax")}
"""What all passes share is nearly all of its work."""


@fitted.each_fit
def test_what_was_fitted_serves_its_model_alone(framework, what, tmp_path):
    fitted.check(
        what,
        framework.network(),
        lambda model: [framework.copied(model), framework.stored(model, tmp_path)],
        lambda model: [framework.trained(model), framework.network(seed=1)],
        X,
    )


def planned(model):
    """A method with a plan that does not say for which weights it was made."""
    return howsure.MCDropout(plan=replace(howsure.plan(model, X), fingerprint=""))


@pytest.mark.parametrize("steps", [None, HEAD])
def test_a_row_alone_is_what_it_is_among_many_and_its_masks_are_drawn_once(framework, steps, monkeypatch):
    model = framework.network() if steps is None else framework.network(steps)
    method = planned(model)
    among = howsure.assess(model, X, method=method)
    alone = [howsure.assess(model, X[[number]], method=method) for number in (0, 7, 39)]
    for number, row in zip((0, 7, 39), alone, strict=True):
        near(row, among[[number]])
        assert row.passes == among.passes[number]

    def drawn(*args, **kwargs):
        raise AssertionError("masks were drawn again")

    monkeypatch.setattr(tree, "draw", drawn)
    monkeypatch.setattr(flat, "draw", drawn)
    again = probabilities(model, X[[0]], method)
    np.testing.assert_array_equal(again, alone[0].probabilities)
    with pytest.raises(AssertionError, match="drawn again"):
        howsure.assess(model, X[[0]], method=method, seed=1)


@pytest.mark.parametrize("change", ["weights", "rate", "trained"])
def test_a_change_counts(framework, change):
    model = framework.network()
    methods = [howsure.MCDropout(passes=12), planned(model)][: 1 if change == "rate" else 2]
    own = howsure.MCDropout(plan=howsure.plan(model, X))

    def said(model):
        return [probabilities(model, rows, method) for rows in (X, X[:1]) for method in methods]

    before = said(model)
    if change == "weights":
        framework.shrink(model)
    elif change == "rate":
        framework.rate(model, "late", 0.9)
    else:
        model = framework.trained(model)
    for one, now, expected in zip(before, said(model), said(framework.copied(model)), strict=True):
        assert np.abs(one - now).max() > 1e-5
        np.testing.assert_allclose(now, expected, atol=3e-6)
    with pytest.raises(howsure.InputError, match=r"another model(\.|, or this one before it was)"):
        howsure.assess(model, X, method=own)


def test_what_is_kept_is_bounded(framework, monkeypatch):
    model = framework.network()
    method = planned(model)
    kept = adapt(model, X[:1])[0].networks
    results = [probabilities(model, X[:1], method, seed=seed) for seed in range(8)]
    of_all = kept._bytes
    assert 0 < of_all == sum(size for _, size in kept._found.values()) <= networks.KEPT_BYTES
    monkeypatch.setattr(networks, "KEPT_BYTES", of_all // 4)
    probabilities(model, X[:1], method, seed=8)
    again = [probabilities(model, X[:1], method, seed=seed) for seed in range(8)]
    np.testing.assert_array_equal(results, again)
    assert kept._bytes == sum(size for _, size in kept._found.values()) <= of_all // 4


def test_a_round_of_keras_is_one_call():
    model = FRAMEWORKS["keras"].network()
    method = planned(model)
    adapter, _ = adapt(model, X[:1])
    calls = []

    def counted(name):
        call = getattr(adapter, name)
        return lambda *args, **kwargs: calls.append(name) or call(*args, **kwargs)

    for name in ("run_shared", "run_passes"):
        setattr(adapter, name, counted(name))
    result = howsure.assess(adapter, X[:1], method=method)
    rounds = int(result.passes[0]) // method.plan.design.passes
    assert calls == ["run_shared"] + ["run_passes"] * rounds
