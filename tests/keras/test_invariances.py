"""What must not change a row's numbers does not, and the model is left as found."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

import howsure
from tests.sampling.networks import same as close

from .networks import HERE, build, rows_for

METHOD = howsure.MCDropout(passes=12)


def assess(model, x, **arguments):
    return howsure.assess(model, x, **{"method": METHOD, **arguments})


@pytest.fixture(scope="module")
def network():
    return build("sequential")


@pytest.fixture(scope="module")
def many(network):
    return rows_for(network, rows=40)


def test_row_order_and_neighbours_do_not_matter(network, many):
    order = np.random.default_rng(0).permutation(len(many))
    whole = assess(network, many)
    close(whole[order], assess(network, many[order]))
    close(whole[5:6], assess(network, many[5:6]))


@pytest.mark.parametrize("batch_size", [1, 7, 256])
def test_batch_size_does_not_matter(network, many, batch_size):
    close(assess(network, many, batch_size=16), assess(network, many, batch_size=batch_size))


@pytest.mark.parametrize("name", [name for name in HERE if name != "subclassed"])
def test_saving_and_loading_does_not_matter(name, tmp_path):
    model = build(name)
    x = rows_for(model)
    model.save(tmp_path / "model.keras")
    close(assess(model, x), assess(keras.models.load_model(tmp_path / "model.keras"), x))


@pytest.mark.slow
def test_same_seed_same_numbers_in_a_new_process_and_another_seed_others(network, many, tmp_path):
    network.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", many)
    code = (
        "import sys, keras, numpy, howsure; folder = sys.argv[1]\n"
        "model, x = keras.models.load_model(folder + '/model.keras'), numpy.load(folder + '/x.npy')\n"
        "c = howsure.assess(model, x, method=howsure.MCDropout(passes=12), seed=5)\n"
        "c.save(folder + '/certainty.parquet')"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, env=dict(os.environ), timeout=300)
    here = assess(network, many, seed=5)
    there = howsure.load(tmp_path / "certainty.parquet")
    close(here, there)
    assert np.abs(assess(network, many, seed=6).probabilities - here.probabilities).max() > 1e-3


def snapshot(model):
    layers_ = [model, *model._flatten_layers(include_self=False)]
    return (
        [ops.convert_to_numpy(variable).copy() for variable in model.variables],
        [(layer.trainable, layer.built, len(layer.losses), "call" in vars(layer)) for layer in layers_],
        [module.training for module in model.modules()] if keras.backend.backend() == "torch" else [],
        [
            vars(cls)["call"]
            for cls in (layers.Dropout, layers.AlphaDropout, layers.GaussianDropout, layers.GaussianNoise)
        ],
    )


def same(before, after):
    for a, b in zip(before[0], after[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert before[1:] == after[1:]


@pytest.mark.parametrize("name", HERE)
def test_model_is_left_as_found(name):
    model = build(name)
    x = rows_for(model)
    before = snapshot(model)
    assess(model, x)
    howsure.audit(model, x)
    same(before, snapshot(model))


class Fails(layers.Layer):
    armed = False

    def call(self, inputs):
        if self.armed:
            raise ZeroDivisionError("the user's own mistake")
        return inputs


@pytest.mark.parametrize("functional", [True, False])
def test_model_is_left_as_found_after_an_exception_which_passes_through(functional, monkeypatch):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, activity_regularizer="l2"),
            layers.Dropout(0.3),
            Fails(),
            layers.Dense(3, "softmax"),
        ]
    )
    if not functional:
        inner = model

        class Wrapped(keras.Model):
            def call(self, inputs):
                return inner(inputs)

        model = Wrapped()
        model.inner = inner
        model(np.zeros((2, 4), "float32"))
    before = snapshot(model)
    monkeypatch.setattr(Fails, "armed", True)
    with pytest.raises(ZeroDivisionError, match="the user's own mistake"):
        assess(model, np.zeros((8, 4), "float32"), outputs="probabilities")
    same(before, snapshot(model))


def test_model_is_the_same_for_training_afterwards(network, many):
    """A plain prediction and Keras's own dropout work as before."""
    before = ops.convert_to_numpy(network(many))
    assess(network, many)
    np.testing.assert_array_equal(before, ops.convert_to_numpy(network(many)))
    noisy = ops.convert_to_numpy(network(many, training=True))
    assert np.abs(noisy - before).max() > 1e-3
