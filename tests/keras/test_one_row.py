"""One row with a ready plan: masks are drawn once, a round is one call, and nothing kept grows stale."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

import howsure
from howsure.models import networks
from howsure.models.adapt import adapt
from howsure.sampling import flat, tree

from .networks import build, rows_for


def mlp(**noise):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.5, **noise),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.25),
            layers.Dense(3, activation="softmax"),
        ]
    )


def head():
    keras.utils.set_random_seed(2)
    backbone = [layers.Dense(600, activation="relu"), layers.Dense(600, activation="relu")]
    return keras.Sequential(
        [keras.Input((8,)), *backbone, layers.Dropout(0.5), layers.Dense(3, activation="softmax")]
    )


def some(count=40):
    return np.random.default_rng(0).normal(size=(count, 8)).astype("float32")


def planned(model, x, seed=0):
    """A method with a plan that does not say for which weights it was made."""
    return howsure.MCDropout(plan=replace(howsure.plan(model, x, seed=seed), fingerprint=""))


def like_a_new_one(model, row, method):
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    found, expected = (howsure.assess(each, row, method=method) for each in (model, other))
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=3e-6)
    assert found.passes == expected.passes
    return found.probabilities


@pytest.mark.parametrize("make", [mlp, head])
def test_a_row_alone_is_what_it_is_among_many(make):
    model, x = make(), some()
    method = planned(model, x)
    among = howsure.assess(model, x, method=method)
    for number in (0, 7, 39):
        for _ in range(2):
            alone = howsure.assess(model, x[number : number + 1], method=method)
            np.testing.assert_allclose(alone.probabilities, among.probabilities[[number]], atol=3e-6)
            np.testing.assert_allclose(alone.mc_error, among.mc_error[[number]], atol=3e-6)
            assert alone.passes == among.passes[number]


@pytest.mark.parametrize("make", [mlp, head])
def test_masks_are_drawn_once(make, monkeypatch):
    model, x = make(), some()
    method = planned(model, x)
    first = howsure.assess(model, x[:1], method=method)

    def drawn(*args, **kwargs):
        raise AssertionError("masks were drawn again")

    monkeypatch.setattr(tree, "draw", drawn)
    monkeypatch.setattr(flat, "draw", drawn)
    again = howsure.assess(model, x[:1], method=method)
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    with pytest.raises(AssertionError, match="drawn again"):
        howsure.assess(model, x[:1], method=method, seed=1)


def test_a_round_is_one_call():
    model, x = mlp(), some()
    method = planned(model, x)
    adapter, _ = adapt(model, x[:1])
    calls = []

    def counted(name):
        call = getattr(adapter, name)
        return lambda *args, **kwargs: calls.append(name) or call(*args, **kwargs)

    for name in ("run_shared", "run_passes"):
        setattr(adapter, name, counted(name))
    found = howsure.assess(model, x[:1], method=method)
    rounds = int(found.passes[0]) // method.plan.design.passes
    assert calls == ["run_shared"] + ["run_passes"] * rounds


def test_new_weights_count():
    model, x = mlp(), some()
    own, method = howsure.MCDropout(plan=howsure.plan(model, x)), planned(model, x)
    row = x[:1]
    before = [howsure.assess(model, row, method=each).probabilities for each in (own, method)]
    np.testing.assert_array_equal(*before)
    model.layers[2].kernel.assign(0.3 * np.asarray(model.get_weights()[2]))
    assert np.abs(like_a_new_one(model, row, method) - before[0]).max() > 0.01
    with pytest.raises(howsure.InputError, match="another model, or this one before it was trained further"):
        howsure.assess(model, row, method=own)
    model.compile("sgd", "categorical_crossentropy")
    model.fit(x, np.eye(3)[np.arange(40) % 3], epochs=20, verbose=0)
    like_a_new_one(model, row, method)


@pytest.mark.parametrize("change", ["rate", "shape", "activation", "policy", "added"])
def test_new_settings_count(change):
    model, x = mlp(noise_shape=(None, 16)), some()
    method = howsure.MCDropout(passes=60)
    before = howsure.assess(model, x[:1], method=method).probabilities
    if change == "rate":
        model.layers[1].rate = 0.9
    elif change == "shape":
        model.layers[1].noise_shape = (None, 1)
    elif change == "activation":
        model.layers[2].activation = keras.activations.tanh
    elif change == "policy":
        model.layers[2].dtype_policy = keras.DTypePolicy("mixed_bfloat16")
    else:
        model.add(layers.Softmax())
    assert np.abs(like_a_new_one(model, x[:1], method) - before).max() > 1e-6


def test_what_is_kept_is_bounded(monkeypatch):
    model, x = mlp(), some()
    method = planned(model, x)
    kept = adapt(model, x[:1])[0].networks
    found = [howsure.assess(model, x[:1], method=method, seed=seed).probabilities for seed in range(30)]
    of_all = kept._bytes
    assert 0 < of_all == sum(size for _, size in kept._found.values()) <= networks.KEPT_BYTES
    monkeypatch.setattr(networks, "KEPT_BYTES", of_all // 10)
    howsure.assess(model, x[:1], method=method, seed=30)
    again = [howsure.assess(model, x[:1], method=method, seed=seed).probabilities for seed in range(30)]
    np.testing.assert_array_equal(found, again)
    assert kept._bytes == sum(size for _, size in kept._found.values()) <= of_all // 10


@pytest.mark.parametrize("name", ["attention", "masked_embedding", "two_inputs", "gaussian_noise"])
def test_other_layers_are_kept_too(name):
    model = build(name)
    x = rows_for(model)
    x = [each[:1] for each in x] if isinstance(x, list) else x[:1]
    method = howsure.MCDropout(passes=20)
    for _ in range(2):
        like_a_new_one(model, x, method)
