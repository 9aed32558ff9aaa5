"""The plain softmax and ensembles, beside Keras's own predict."""

import keras
import numpy as np
import pytest
from keras import layers

import howsure
from howsure import shifts
from tests.methods.test_laplace import result_of

from . import networks

NETWORKS = (
    "sequential",
    "functional_skip",
    "nested_twice",
    "two_inputs",
    "dict_inputs",
    "subclassed",
    "attention",
)


def without_dropout(outputs=3, seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(6, activation="relu"), layers.Dense(outputs, activation="softmax")]
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_softmax_is_what_predict_says(name):
    model = networks.build(name)
    x = networks.rows_for(model)
    found = howsure.assess(model, x, method=howsure.Softmax())
    np.testing.assert_allclose(found.probabilities, model.predict(x, verbose=0), atol=2e-6)
    np.testing.assert_array_equal(found.mc_error, 0)
    np.testing.assert_array_equal(found.mutual_information, 0)
    np.testing.assert_allclose(found.expected_entropy, found.entropy)
    assert set(found.passes) == {1}
    assert found.settled.all()
    assert set(found.reason) == {None}  # a single pass cannot tell
    assert "±" not in str(found[0])


def test_softmax_needs_no_random_layer_and_knows_logits_and_one_sigmoid():
    random = np.random.default_rng(0)
    x = random.normal(size=(7, 4)).astype("float32")
    model = without_dropout()
    found = howsure.assess(model, x, method=howsure.Softmax(), batch_size=3)
    np.testing.assert_allclose(found.probabilities, model.predict(x, verbose=0), atol=2e-6)
    one = keras.Sequential([keras.Input((4,)), layers.Dense(1, activation="sigmoid")])
    found = howsure.assess(one, x, method=howsure.Softmax())
    np.testing.assert_allclose(found.probabilities[:, 1:], one.predict(x, verbose=0), atol=2e-6)
    assert len(howsure.assess(model, x[:0], method=howsure.Softmax())) == 0


@pytest.mark.parametrize("name", ["sequential", "nested_twice"])
def test_an_ensemble_is_the_mean_of_its_members(name):
    members = [networks.build(name, seed=seed) for seed in (1, 2, 3)]
    x = networks.rows_for(members[0])
    seen = []
    found = howsure.assess(
        members[0], x, method=howsure.Ensemble(members[1:]), progress=lambda *now: seen.append(now)
    )
    predicted = np.stack([model.predict(x, verbose=0) for model in members])
    np.testing.assert_allclose(found.probabilities, predicted.mean(axis=0), atol=2e-6)
    assert set(found.passes) == {3}
    assert found.method["name"] == "ensemble"
    assert (found.method["members"], found.method["each"]["name"]) == (3, "plain prediction")
    assert seen[-1] == (len(x), len(x))
    assert (found.mutual_information <= found.entropy).all()


def test_dropout_of_an_ensemble_is_the_mean_of_what_dropout_says():
    members = [networks.build("sequential", seed=seed) for seed in (1, 2)]
    x = networks.rows_for(members[0])
    each = howsure.MCDropout(passes=20)
    found = howsure.assess(members[0], x, method=howsure.Ensemble(members[1:], each=each))
    parts = [howsure.assess(model, x, method=each) for model in members]
    np.testing.assert_allclose(found.probabilities, np.mean([p.probabilities for p in parts], axis=0))
    np.testing.assert_allclose(found.expected_entropy, np.mean([p.expected_entropy for p in parts], axis=0))
    assert set(found.passes) == {40}
    assert found.method["each"]["name"] == "MC dropout"


def test_augmentation_is_the_mean_over_versions():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Flatten(), layers.Dropout(0.5), layers.Dense(3, activation="softmax")]
    )
    x = np.random.default_rng(0).uniform(size=(9, 6, 6, 1)).astype("float32")
    changes = [shifts.rotated(90), lambda images: images[:, ::-1]]
    found = howsure.assess(model, x, method=howsure.Augmentation(changes))
    versions = [x, np.rot90(x, axes=(1, 2)), x[:, ::-1]]
    predicted = [model.predict(np.ascontiguousarray(each), verbose=0) for each in versions]
    np.testing.assert_allclose(found.probabilities, np.mean(predicted, axis=0), atol=2e-6)
    assert found.method["name"] == "augmentation"
    assert (found.method["versions"], found.method["each"]["name"]) == (3, "plain prediction")
    each = howsure.MCDropout(passes=20)
    both = howsure.assess(model, x, method=howsure.Augmentation(changes[:1], each=each))
    assert set(both.passes) == {40}


@pytest.mark.parametrize("name", ["sequential", "two_inputs"])
def test_last_layer_laplace_is_what_its_posterior_says_of_the_features(name):
    model = networks.build(name)
    x = networks.rows_for(model)
    count = len(x[0]) if isinstance(x, list) else len(x)
    method = howsure.LastLayerLaplace.fit(model, x, np.arange(count) % 3, passes=20)
    found = howsure.assess(model, x, method=method, batch_size=4)
    alone = result_of(method, howsure.features_of(model, x))
    np.testing.assert_allclose(found.probabilities, alone.probabilities, atol=1e-6)
    np.testing.assert_allclose(found.mc_error, alone.mc_error, atol=1e-5)
    assert set(found.passes) == {20}
    assert found.mutual_information.max() > 0
    other = without_dropout(outputs=4)
    with pytest.raises(howsure.InputError, match="another model"):
        howsure.assess(other, np.zeros((3, 4), dtype="float32"), method=method)
