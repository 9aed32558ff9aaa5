"""A network says the same in both frameworks, is as it was afterwards, and no number depends on company."""

import numpy as np
import pytest

import howsure
from howsure import shifts
from tests.frameworks.frameworks import FRAMEWORKS, MLP, X, near, probabilities
from tests.methods.test_laplace import result_of
from tests.sampling.enumerated import softmax
from tests.support.conformance import check_adapter

Y = np.arange(len(X)) % 3
METHODS = {
    "softmax": lambda build: howsure.Softmax(),
    "planned": lambda build: howsure.MCDropout(),
    "fixed": lambda build: howsure.MCDropout(passes=40),
    "independent": lambda build: howsure.MCDropout(balanced=False, max_passes=40),
    "ensemble": lambda build: howsure.Ensemble([build(seed=1), build(seed=2)]),
    "ensemble of dropout": lambda build: howsure.Ensemble([build(seed=1)], howsure.MCDropout(passes=8)),
    "augmentation": lambda build: howsure.Augmentation([lambda rows: 1.1 * rows]),
    "laplace": lambda build: howsure.LastLayerLaplace.fit(build(), X, Y, passes=20),
}


@pytest.mark.parametrize("name", METHODS)
def test_both_give_the_same_numbers_and_stay_as_they_were(name):
    results = {}
    for framework in FRAMEWORKS.values():
        model = framework.network()
        before = framework.state(model)
        results[framework.name] = howsure.assess(model, X, method=METHODS[name](framework.network))
        assert framework.state(model) == before
    one, other = results.values()
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
    np.testing.assert_allclose(one.expected_entropy, other.expected_entropy, atol=1e-5)
    assert (one.passes == other.passes).mean() > 0.9
    if name == "softmax":
        assert not one.mc_error.any()
        assert not one.mutual_information.any()
        assert set(one.reason) == {None}
        assert "±" not in str(one[0])


def test_plain_predictions_and_their_means_are_those_of_the_framework(framework):
    members = [framework.network(seed=seed) for seed in range(3)]
    own = np.stack([framework.says(member) for member in members])
    near(probabilities(members[0], method=howsure.Softmax(), batch_size=7), own[0])
    near(probabilities(members[0], method=howsure.Ensemble(members[1:])), own.mean(axis=0))
    versions = np.stack([framework.says(members[0], x) for x in (X, 0.5 * X)])
    near(probabilities(members[0], method=howsure.Augmentation([lambda x: 0.5 * x])), versions.mean(axis=0))


def test_images_are_turned_as_numpy_turns_them(framework):
    model = framework.network({"drop": 0.5, "last": (3, "softmax")}, sides=36)
    x = np.random.default_rng(0).uniform(size=(9, 6, 6, 1)).astype("float32")
    flat = [np.ascontiguousarray(images).reshape(9, 36) for images in (x, np.rot90(x, axes=(1, 2)))]

    def turned(rows):
        return shifts.rotated(90)(rows.reshape(-1, 6, 6, 1)).reshape(rows.shape)

    expected = np.mean([framework.says(model, images) for images in flat], axis=0)
    near(probabilities(model, flat[0], howsure.Augmentation([turned])), expected)


def test_features_are_what_the_last_layer_gets(framework):
    model = framework.network()
    features = howsure.features_of(model, X)
    before = framework.network({name: step for name, step in MLP.items() if name != "last"})
    np.testing.assert_allclose(features.features, framework.says(before), atol=1e-5)
    np.testing.assert_allclose(softmax(features.logits), framework.says(model), atol=1e-5)
    for size in (1, 7):
        near(howsure.features_of(model, X[::-1], batch_size=size).logits[::-1], features.logits)
    none = howsure.features_of(model, X[:0])
    assert (none.features.shape, none.logits.shape) == ((0, 16), (0, 3))
    framework.shrink(model)
    np.testing.assert_allclose(
        softmax(howsure.features_of(model, X).logits), framework.says(model), atol=1e-5
    )


def test_laplace_is_what_its_posterior_says_of_the_features(framework):
    model = framework.network()
    method = howsure.LastLayerLaplace.fit(model, X, Y, passes=20)
    result = howsure.assess(model, X, method=method, batch_size=4)
    near(result, result_of(method, howsure.features_of(model, X)), atol=1e-5)
    assert result.mutual_information.max() > 0
    with pytest.raises(howsure.InputError, match="another model"):
        howsure.assess(framework.network({"last": (4, "softmax")}), X, method=method)


def test_order_company_and_batches_do_not_matter(framework):
    model, order = framework.network(), np.random.default_rng(0).permutation(len(X))
    whole = howsure.assess(model, X, method=howsure.MCDropout(passes=12))
    for rows, size in ((order, 256), (order[:1], 256), (np.arange(len(X)), 1), (np.arange(len(X)), 7)):
        near(
            howsure.assess(model, X[rows], method=howsure.MCDropout(passes=12), batch_size=size), whole[rows]
        )
    assert len(howsure.assess(model, X[:0])) == 0
    again = probabilities(model, seed=1)
    assert np.abs(again - whole.probabilities).max() > 1e-3


def test_the_adapter_of_a_regression_keeps_to_its_protocols(framework):
    """Two numbers per row, whose units are a million apart."""
    steps = {"hidden": (6, "relu"), "drop": 0.3, "last": (2,)}

    def made():
        model = framework.network(steps)
        framework.scale_units(model)
        return howsure.adapters.resolve.adapt(model, X[:9])[0]

    assert check_adapter(made, [X[:9]]) == ("Model", "PassModel", "FeatureModel")
    with pytest.raises(howsure.InputError, match=r"one class.*with an output of 2 numbers.*laplace-torch"):
        howsure.LastLayerLaplace.fit(framework.network(steps), X, np.zeros((40, 2)), outputs="values")
