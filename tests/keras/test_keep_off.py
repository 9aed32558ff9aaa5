"""Random layers that a caller keeps off are as if they were not there."""

import keras
import numpy as np
import pytest
from keras import layers

import howsure

x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)


def network(*, nested=False):
    keras.utils.set_random_seed(0)
    late = layers.Dropout(0.5, name="late")
    first = keras.Sequential([layers.Dropout(0.3, name="in"), layers.Dense(16, "relu")], name="first")
    first = [first] if nested else first.layers
    model = keras.Sequential([keras.Input((4,)), *first, late, layers.Dense(3, "softmax")])
    model(x)
    return model


def without(model):
    kept = [layer for layer in model.layers if layer.name not in ("in", "first")]
    inner = [layer for layer in model.layers if layer.name == "first"]
    dense = [layer for layer in (inner[0].layers if inner else []) if layer.name != "in"]
    return keras.Sequential([keras.Input((4,)), *dense, *kept])


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("method", [{}, {"passes": 8}, {"passes": 8, "balanced": False}])
def test_a_layer_that_is_kept_off_is_as_if_it_were_not_there(nested, method):
    model = network(nested=nested)
    name = "first/in" if nested else "in"
    found = howsure.assess(model, x, method=howsure.MCDropout(keep_off=[name], **method))
    wanted = howsure.assess(without(model), x, method=howsure.MCDropout(**method))
    np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=1e-6)
    np.testing.assert_allclose(found.mc_error, wanted.mc_error, atol=1e-6)
    assert found.method["keep_off"] == [name]
    with_it = howsure.assess(model, x, method=howsure.MCDropout(**method))  # nothing of it is kept
    assert np.abs(with_it.probabilities - found.probabilities).max() > 1e-3
    assert "keep_off" not in with_it.method


def test_a_plan_and_an_audit_know_what_is_kept_off():
    model, method = network(), howsure.MCDropout(keep_off=("in",))
    plan = howsure.plan(model, x, method)
    planned = howsure.assess(model, x, method=howsure.MCDropout(keep_off=["in"], plan=plan))
    alone = howsure.assess(model, x, method=method)  # rows of its pilot come in a batch of their own
    np.testing.assert_allclose(planned.probabilities, alone.probabilities, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(planned.passes, alone.passes)
    with pytest.raises(howsure.InputError, match="plan was made for another model"):
        howsure.assess(model, x, method=howsure.MCDropout(plan=plan))
    first = howsure.audit(model, keep_off=["in"], plan=plan).layers[0]
    assert (first.name, first.random, first.note) == ("in", None, "stays fixed: `keep_off` names it")


@pytest.mark.filterwarnings("ignore:Change 0 leaves the rows as they are")
def test_ensembles_and_changed_rows_keep_it_off_too():
    model, each = network(), howsure.MCDropout(passes=8, keep_off=["in"])
    same = howsure.assess(model, x, method=each).probabilities
    versions = howsure.Augmentation([lambda rows: rows], each=each)
    np.testing.assert_allclose(howsure.assess(model, x, method=versions).probabilities, same, atol=1e-6)


class Noisy(layers.Layer):
    def call(self, inputs, training=False):
        return keras.random.dropout(inputs, 0.5) if training else inputs


@pytest.mark.parametrize(
    ("keep_off", "said"),
    [
        (["middle"], "names 'middle', which is no random layer. Expected: some of 'in', 'late'"),
        (["in", "late"], "leaves nothing random"),
        ("in", "Expected: a list of names"),
        ([1], "Expected: a list of names"),
        (None, "Expected: a list of names"),
    ],
)
def test_names_that_cannot_be_kept_off(keep_off, said):
    with pytest.raises(howsure.InputError, match=said):
        howsure.assess(network(), x, method=howsure.MCDropout(keep_off=keep_off))
    with pytest.raises(TypeError, match=r"MCDropout\(keep_off=keep_off\)"):
        howsure.assess(network(), x, keep_off=["in"])


def test_a_layer_that_draws_itself_says_so():
    steps = [Noisy(name="own"), layers.Dropout(0.5, name="late"), layers.Dense(3, "softmax")]
    model = keras.Sequential([keras.Input((4,)), *steps])
    with pytest.raises(
        howsure.ModelError, match="Layer 'own' draws in its own call, so it cannot be kept off"
    ):
        howsure.assess(model, x, method=howsure.MCDropout(keep_off=["own"]))
