"""Regressions in Keras: read from the loss, or declared; means and variances in one output or two."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

import howsure
from howsure.adapters.keras.files import load
from howsure.errors import HowsureWarning
from tests.tasks import mean_and_variance

x = np.random.default_rng(0).normal(size=(12, 4)).astype("float32")
PLAIN = howsure.Softmax()


def network(outputs=1, activation=None):
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(6, "relu"), layers.Dropout(0.3), layers.Dense(outputs, activation)]
    )


def numbers_of(model):
    return keras.ops.convert_to_numpy(model(x))


LOSSES = {
    "a word": "mse",
    "a long word": "mean_absolute_error",
    "a word in capitals": "MAPE",
    "the name of a class": "MeanSquaredLogarithmicError",
    "an object": keras.losses.Huber(),
    "an object with a name": keras.losses.MeanSquaredError(name="mine"),
    "a class": keras.losses.LogCosh,
    "a function": keras.losses.log_cosh,
    "in a list": ["mae"],
}


def test_the_loss_says_that_outputs_are_numbers():
    model = network()
    wanted = numbers_of(model)
    for name, loss in LOSSES.items():
        model.compile(loss=loss)
        result = howsure.assess(model, x, method=PLAIN)
        assert isinstance(result, howsure.RegressionCertainty), name
        np.testing.assert_allclose(result.mean, wanted, rtol=1e-5, err_msg=name)
        assert np.isnan(result.noise).all()


def test_a_poisson_loss_names_the_words_for_counts():
    model = network(activation="softplus")
    model.compile(loss=keras.losses.Poisson())
    with pytest.warns(HowsureWarning, match=r"Poisson loss.*outputs='rates' reads"):
        plain = howsure.assess(model, x, method=PLAIN)
    result = howsure.assess(model, x, method=PLAIN, outputs="rates")
    np.testing.assert_array_equal(result.mean, plain.mean)
    np.testing.assert_allclose(result.std, np.sqrt(result.mean))


def quantile_loss(share):
    def loss(y, predicted):
        return keras.ops.maximum(share * (y - predicted), (share - 1) * (y - predicted))

    return loss


def pinball(y, predicted):
    return quantile_loss(0.9)(y, predicted)


@pytest.mark.parametrize("loss", [pinball, quantile_loss(0.9), functools.partial(pinball)])
def test_a_quantile_is_no_mean(loss):
    model = network()
    model.compile(loss=loss)
    with pytest.raises(howsure.ModelError, match=r"for quantiles.*outputs='values' reads each quantile"):
        howsure.assess(model, x, method=PLAIN)
    assert howsure.assess(model, x, method=PLAIN, outputs="values").target_names == ("value",)


def test_heads_of_quantiles_are_read_in_both_layouts():
    inputs = keras.Input((4,))
    hidden = layers.Dropout(0.3)(layers.Dense(6, "relu")(inputs))
    flat = layers.Dense(6)(hidden)
    for model in (keras.Model(inputs, flat), keras.Model(inputs, layers.Reshape((2, 3))(flat))):
        model.compile(loss=pinball)
        wanted = np.sort(numbers_of(model).reshape(12, 2, 3), axis=-1)
        with pytest.warns(howsure.HowsureWarning, match="Quantiles cross"):
            result = howsure.assess(
                model, x, method=PLAIN, outputs="quantiles", levels=(0.1, 0.5, 0.9), class_names=["a", "b"]
            )
        np.testing.assert_allclose(result.answer_quantiles, wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(result.mean, result.answer_quantiles[..., 1])
        assert result.target_names == ("a", "b")


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="the same on every backend")
def test_the_loss_of_the_chosen_output_says_what_it_is(tmp_path):
    inputs = keras.Input((4,))
    hidden = layers.Dropout(0.3)(layers.Dense(6, "relu")(inputs))
    price, kind = layers.Dense(1, name="price")(hidden), layers.Dense(3, name="kind")(hidden)
    of_kind = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for outputs, losses, names in (
        ([price, kind], {"price": "mse", "kind": of_kind}, ("price", "kind")),
        ([price, kind], {"kind": of_kind, "price": "mse"}, (0, 1)),
        ([price, kind], ["mse", of_kind], ("price", "kind")),
        ([price, kind], ["mse", of_kind], (0, np.int64(1))),
        ({"b": price, "a": kind}, {"b": "mse", "a": of_kind}, ("b", "a")),
        ({"b": price, "a": kind}, {"b": "mse", "a": of_kind}, (np.int64(1), 0)),
    ):
        model = keras.Model(inputs, outputs)
        model.compile(loss=losses)
        model.save(tmp_path / "m.keras")
        for network in (model, load(tmp_path / "m.keras")):
            one, other = (howsure.assess(network, x, method=PLAIN, output=name) for name in names)
            assert isinstance(one, howsure.RegressionCertainty)
            assert isinstance(other, howsure.Certainty)
    model.compile(loss={"b": quantile_loss(0.9), "a": of_kind})
    with pytest.raises(howsure.ModelError, match="for quantiles"):
        howsure.assess(model, x, method=PLAIN, output="b")


def test_endings_in_probabilities():
    softmax, sigmoid = network(3, "softmax"), network(1, "sigmoid")
    for model in (softmax, sigmoid):
        model.compile(loss="mse")
    assert isinstance(howsure.assess(softmax, x, method=PLAIN), howsure.Certainty)
    assert isinstance(howsure.assess(softmax, x, method=PLAIN, outputs="values"), howsure.RegressionCertainty)
    with pytest.warns(howsure.HowsureWarning, match=r"read as numbers. outputs='probabilities'"):
        assert isinstance(howsure.assess(sigmoid, x, method=PLAIN), howsure.RegressionCertainty)
    assert isinstance(howsure.assess(sigmoid, x, method=PLAIN, outputs="probabilities"), howsure.Certainty)


@pytest.mark.parametrize(
    ("shape", "names"),
    [((), ("value",)), ((1,), ("value",)), ((3, 1), tuple("012")), ((2, 2), ("0_0", "0_1", "1_0", "1_1"))],
)
def test_outputs_of_any_shape(shape, names):
    inputs = keras.Input((4,))
    output = layers.Dense(int(np.prod(shape)))(inputs)
    output = output[:, 0] if shape == () else layers.Reshape(shape)(output)
    model = keras.Model(inputs, output)
    model.compile(loss="mse")
    result = howsure.assess(model, x, method=PLAIN)
    assert result.target_names == names
    np.testing.assert_allclose(result.mean, numbers_of(model).reshape(len(x), -1), rtol=1e-5)


# --- means and variances --------------------------------------------------------------------------


class Two(keras.Model):
    """A class of a user whose `call` returns a mean and a variance, in one of several forms."""

    def __init__(self, form):
        super().__init__()
        self.form, self.hidden, self.drop = form, layers.Dense(6, "relu"), layers.Dropout(0.3)
        self.mean, self.variance = layers.Dense(2), layers.Dense(2, "softplus")

    def call(self, x):
        hidden = self.drop(self.hidden(x))
        return self.form(self.mean(hidden), self.variance(hidden))


def joined(mean, variance):
    return keras.ops.concatenate([mean, variance], axis=-1)


def test_a_model_of_a_users_class_may_return_a_mean_and_a_variance():
    one = Two(joined)
    one(x)
    method = howsure.MCDropout(passes=6)
    wanted = howsure.assess(one, x, method=method, outputs="mean-variance")
    for form in (
        lambda mean, variance: (mean, variance),
        lambda mean, variance: [mean, variance],
        lambda mean, variance: {"variance": variance, "mean": mean},
    ):
        model = Two(form)
        model(x)
        model.set_weights(one.get_weights())
        result = howsure.assess(model, x, method=method, outputs="mean-variance")
        for column in ("mean", "spread", "noise"):
            np.testing.assert_allclose(getattr(result, column), getattr(wanted, column), rtol=1e-4, atol=1e-5)
        with pytest.raises(howsure.ModelError, match=r"returns 2 outputs from its `call`.*output=0"):
            howsure.assess(model, x, method=PLAIN, outputs="values")
        mean = howsure.assess(model, x, method=PLAIN, outputs="values", output=0).mean
        np.testing.assert_allclose(mean, howsure.assess(one, x, method=PLAIN, outputs="mean-variance").mean)
    three = Two(lambda mean, variance: (mean, variance, mean))
    three(x)
    with pytest.raises(howsure.ModelError, match="Received: 3 outputs"):
        howsure.assess(three, x, method=PLAIN, outputs="mean-variance")


def test_steps_with_a_mean_and_a_variance_each_are_cut_along_their_last_axis():
    model = keras.Sequential([keras.Input((5, 4)), layers.Dropout(0.3), layers.Dense(2, "softplus")])
    result = howsure.assess(
        model, np.random.default_rng(0).normal(size=(9, 5, 4)), method=PLAIN, outputs="mean-variance"
    )
    both = numbers_of_all(model)
    np.testing.assert_allclose(result.mean, both[..., 0], rtol=1e-5)
    np.testing.assert_allclose(result.noise, np.sqrt(both[..., 1]), rtol=1e-5)


def numbers_of_all(model):
    return keras.ops.convert_to_numpy(
        model(np.random.default_rng(0).normal(size=(9, 5, 4)).astype("float32"))
    )


def test_every_thinned_network_is_enumerated(random):
    weights, rows = mean_and_variance.weights_of(random), mean_and_variance.rows_of(random)
    made = {
        name: layers.Dense(weights[name][1].size, "relu" if name in ("one", "two") else None, name=name)
        for name in mean_and_variance.LAYERS
    }
    inputs = keras.Input((mean_and_variance.INPUTS,))
    hidden = layers.Dropout(0.25)(made["one"](inputs))
    hidden = layers.Dropout(0.4)(made["two"](hidden))
    model = keras.Model(inputs, [made["log_variance"](hidden), made["mean"](hidden)])
    for name, layer in made.items():
        layer.set_weights(weights[name])
    mean_and_variance.check_against_enumeration(model, weights, rows)
