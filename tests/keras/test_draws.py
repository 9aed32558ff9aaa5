"""All that a model draws in training is found: given masks or named with its line, and off in prediction."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import howsure

from .networks import check_against_copies

X = np.random.default_rng(1).normal(size=(4, 5, 4)).astype("float32")
WORDS = np.random.default_rng(2).integers(0, 6, size=(4, 5)).astype("int32")


class Seeded(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.seeds = keras.random.SeedGenerator()  # of its own: equal seeds draw the same in Keras


class Functional(Seeded):
    def call(self, inputs, training=False):
        return keras.random.dropout(inputs, 0.4, seed=self.seeds) if training else inputs


class Shared(Seeded):
    """One mask for all positions."""

    def call(self, inputs, training=False):
        return keras.random.dropout(inputs, 0.4, (None, 1, 4), seed=self.seeds) if training else inputs


class StochasticDepth(Seeded):
    """As keras.io and keras.applications write it."""

    def __init__(self, inner, **options):
        super().__init__(**options)
        self.inner = inner

    def call(self, inputs, training=None):
        branch = self.inner(inputs)
        if training:
            shape = (ops.shape(inputs)[0], *[1] * (len(inputs.shape) - 1))
            kept = ops.floor(0.7 + keras.random.uniform(shape, 0, 1, seed=self.seeds))
            branch = branch / 0.7 * kept
        return inputs + branch


class Binomial(Seeded):
    def call(self, inputs, training=False):
        shape = (ops.shape(inputs)[0], 1, 1)
        return inputs * keras.random.binomial(shape, 1, 0.7, seed=self.seeds) / 0.7 if training else inputs


class OwnDraw(layers.Dropout):
    """A Dropout that drops by itself."""

    def call(self, inputs, training=False):
        if training:
            keep = keras.random.uniform(ops.shape(inputs), seed=self.seed_generator) > self.rate
            return inputs * ops.cast(keep, inputs.dtype)
        return inputs


class Reparametrised(Seeded):
    """Noise whose size is learned."""

    def build(self, shape):
        self.deviation = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, inputs):
        return inputs + keras.random.normal(ops.shape(inputs), 0.0, 0.5, seed=self.seeds) * self.deviation


class AlwaysOn(layers.Dropout):
    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


class AlwaysFunctional(Seeded):
    def call(self, inputs):
        return keras.random.dropout(inputs, 0.4, seed=self.seeds)


class Block(layers.Layer):
    """Dropout behind `if training`, beside statistics that training would change."""

    def __init__(self, **options):
        super().__init__(**options)
        self.norm, self.drop = layers.BatchNormalization(), layers.Dropout(0.4, name="drop")

    def call(self, inputs, training=None):
        outputs = self.norm(inputs, training=training)
        if training:
            outputs = self.drop(outputs, training=training)
        return outputs


class OwnStatistics(layers.Layer):
    """A user's norm: in training it uses the batch, and keeps what it saw."""

    def build(self, shape):
        self.mean = self.add_weight(shape=(shape[-1],), initializer="ones", trainable=False)

    def call(self, inputs, training=False):
        if training:
            seen = ops.mean(inputs, (0, 1))
            self.mean.assign(seen)
            return inputs - seen
        return inputs - self.mean


class BlockWithOwnStatistics(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.norm, self.drop = OwnStatistics(), layers.Dropout(0.4, name="drop")

    def call(self, inputs, training=False):
        outputs = self.norm(inputs, training=training)
        return self.drop(outputs, training=training) if training else outputs


class Subclassed(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.block, self.drop = Block(), layers.Dropout(0.3)
        self.flat, self.out = layers.Flatten(), layers.Dense(3, "softmax")

    def call(self, inputs, training=False):
        hidden = self.flat(self.block(inputs))
        return self.out(self.drop(hidden) if training else hidden)


def ends(inputs, hidden):
    if len(hidden.shape) > 2:
        hidden = layers.Flatten()(hidden)
    return keras.Model(inputs, layers.Dense(3, "softmax")(hidden), name="net")


def over_numbers(*parts):
    inputs = hidden = keras.Input((5, 4))
    for part in parts:
        hidden = part(hidden)
    return ends(inputs, hidden)


def over_words(*parts):
    inputs = keras.Input((5,), dtype="int32")
    hidden = layers.Embedding(6, 4, keras.initializers.RandomNormal(stddev=2.0), mask_zero=True)(inputs)
    for part in parts:
        hidden = part(hidden)
    return ends(inputs, hidden)


def subclassed():
    model = Subclassed(name="own")
    model(X)
    return model


def attended(cls, *heads, words=False):
    def look(hidden):
        return cls(*heads, dropout=0.4)(*([hidden, hidden] if heads else [[hidden, hidden]]))

    return (
        over_words(layers.Dropout(0.3), look, layers.GlobalAveragePooling1D())
        if words
        else over_numbers(look)
    )


NUMBERS = {
    "SimpleRNN": lambda: over_numbers(layers.SimpleRNN(6, dropout=0.3, recurrent_dropout=0.2)),
    "GRU": lambda: over_numbers(layers.GRU(6, dropout=0.3, recurrent_dropout=0.2)),
    "LSTM": lambda: over_numbers(layers.LSTM(6, dropout=0.3, recurrent_dropout=0.2)),
    "LSTM, unrolled": lambda: over_numbers(layers.LSTM(6, dropout=0.2, recurrent_dropout=0.3, unroll=True)),
    "Bidirectional, stacked": lambda: over_numbers(
        layers.Bidirectional(layers.LSTM(5, dropout=0.3, recurrent_dropout=0.2, return_sequences=True)),
        layers.GRU(5, dropout=0.2),
    ),
    "functional": lambda: over_numbers(Functional()),
    "functional, shared": lambda: over_numbers(Shared()),
    "stochastic depth": lambda: over_numbers(
        StochasticDepth(layers.Dense(4, "tanh")), StochasticDepth(layers.Dense(4))
    ),
    "binomial": lambda: over_numbers(StochasticDepth(layers.Dense(4)), Binomial()),
    "a subclass of Dropout": lambda: over_numbers(OwnDraw(0.4)),
    "normal numbers": lambda: over_numbers(Reparametrised()),
    "always on, a subclass": lambda: over_numbers(AlwaysOn(0.4)),
    "always on, functional": lambda: over_numbers(AlwaysFunctional()),
    "always on, Lambda": lambda: over_numbers(
        layers.Lambda(lambda x: keras.random.dropout(x, 0.4, seed=SEEDS), output_shape=(5, 4))
    ),
    "told to train": lambda: over_numbers(lambda x: layers.Dropout(0.4)(x, training=True)),
    "if training": lambda: over_numbers(Block(), layers.Dropout(0.2)),
    "beside statistics of a user's": lambda: over_numbers(BlockWithOwnStatistics()),
    "if training, subclassed": subclassed,
    "Attention": lambda: attended(layers.Attention),
    "AdditiveAttention": lambda: attended(layers.AdditiveAttention),
    "MultiHeadAttention": lambda: attended(layers.MultiHeadAttention, 2, 3),
    "GroupQueryAttention": lambda: attended(layers.GroupQueryAttention, 3, 2, 1),
}
MASKED = {
    "LSTM": lambda: over_words(layers.LSTM(6, dropout=0.3, recurrent_dropout=0.2)),
    "SpatialDropout1D, Bidirectional": lambda: over_words(
        layers.SpatialDropout1D(0.3), layers.Bidirectional(layers.GRU(6, recurrent_dropout=0.2))
    ),
    "Dropout, MultiHeadAttention": lambda: attended(layers.MultiHeadAttention, 2, 3, words=True),
}
SEEDS = keras.random.SeedGenerator(1)
CASES = [(name, make, X) for name, make in NUMBERS.items()]
CASES += [(f"masked: {name}", make, WORDS) for name, make in MASKED.items()]


def statistics_frozen(model):
    """Use learned statistics in training too, as howsure does."""
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
        if isinstance(layer, OwnStatistics):
            layer.call = lambda inputs, layer=layer, **settings: inputs - layer.mean


@pytest.mark.parametrize(("name", "make", "x"), CASES, ids=[name for name, *_ in CASES])
def test_passes_are_those_of_keras_in_training(name, make, x):
    model = make()
    try:
        model(x)
    except ValueError as error:
        pytest.skip(f"this Keras does not run it: {str(error)[:80]}")
    before = [ops.convert_to_numpy(variable) for variable in model.variables]
    result = howsure.assess(model, x, method=howsure.MCDropout(passes=512))
    assert howsure.audit(model, x).warnings == ()
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)
    statistics_frozen(model)
    check_against_copies(result, model, x, passes=512)


OFF = {
    "a subclass": lambda: AlwaysOn(0.4),
    "functional": AlwaysFunctional,
    "normal numbers": Reparametrised,
    "Activation": lambda: layers.Activation(lambda x: keras.random.dropout(x, 0.4, seed=SEEDS)),
}


@pytest.mark.parametrize("name", OFF)
def test_the_plain_prediction_has_all_of_it_off(name):
    inputs, last = keras.Input((5, 4)), layers.Dense(3, "softmax")
    model = keras.Model(inputs, last(layers.Flatten()(OFF[name]()(inputs))))
    without = keras.Model(inputs, last(layers.Flatten()(inputs)))
    expected = ops.convert_to_numpy(without(X))
    probabilities = howsure.assess(model, X, method=howsure.Softmax()).probabilities
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)


@pytest.mark.parametrize("stateful", [False, True])
def test_a_fixed_number_of_rows(stateful):
    """From the state as found, which is that of a layer without one."""

    def network(inputs, **state):
        return ends(inputs, layers.LSTM(6, dropout=0.3, recurrent_dropout=0.2, **state)(inputs))

    model, free = network(keras.Input(batch_shape=(4, 5, 4)), stateful=stateful), network(keras.Input((5, 4)))
    for here, there in zip(model.trainable_variables, free.trainable_variables, strict=True):
        there.assign(here)
    # Passes of so few rows run one after the other.
    result = howsure.assess(model, X, method=howsure.MCDropout(passes=128))
    check_against_copies(result, free, X, passes=128)


def test_a_state_that_predict_would_carry_on_is_said_aloud():
    inputs = keras.Input(batch_shape=(2, 5, 4))
    model = ends(inputs, layers.LSTM(6, dropout=0.3, stateful=True, name="keeper")(inputs))
    howsure.assess(model, X[:2])
    with pytest.warns(
        howsure.HowsureWarning, match="'keeper' .* every batch of 2 rows starts from the state"
    ):
        howsure.assess(model, X)


class WantsMore(layers.Layer):
    """Trains on more than its inputs, as with a loss inside its call."""

    def __init__(self, **options):
        super().__init__(**options)
        self.drop = layers.Dropout(0.4)

    def call(self, inputs, targets=None, training=False):
        outputs = self.drop(inputs, training=training)
        return outputs + 0 * targets if training else outputs


def test_a_layer_that_fails_in_training_without_more_is_named():
    message = "'wants': WantsMore fails when it is called as in training"
    with pytest.raises(howsure.ModelError, match=message):
        howsure.assess(over_numbers(WantsMore(name="wants")), X)
    model = over_numbers(layers.Dropout(0.3), WantsMore(name="wants"))
    with pytest.warns(howsure.HowsureWarning, match=f"understated: {message}"):
        result = howsure.assess(model, X)
    assert result.mutual_information.min() > 0
    plain = howsure.assess(model, X, method=howsure.Softmax()).probabilities
    np.testing.assert_allclose(plain, ops.convert_to_numpy(model(X)), atol=1e-6)


def test_of_what_is_nested_a_layer_is_kept_off_by_its_path_and_one_that_draws_itself_is_not():
    inner = keras.Sequential([keras.Input((5, 4)), layers.Dropout(0.3, name="in")], name="first")
    model = over_numbers(inner, layers.Dropout(0.5, name="late"), Functional(name="own"))
    with pytest.raises(howsure.ModelError, match="Layer 'own' draws in its own call, so it cannot be kept"):
        howsure.assess(model, X, method=howsure.MCDropout(keep_off=["own"]))
    names = [layer.name for layer in howsure.audit(model, keep_off=["first/in"]).random_layers]
    assert names == ["late", "own"]


class DropConnect(Seeded):
    """Drops weights: one draw for all rows of a batch."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 6))

    def call(self, inputs, training=False):
        kernel = ops.convert_to_tensor(self.kernel)
        if training:
            kernel = keras.random.dropout(kernel, 0.4, seed=self.seeds)
        return inputs @ kernel


@pytest.mark.parametrize("sides", [4, 2, 3])
def test_dropped_weights(sides):
    """Also where the weights have as many rows as the examination gives the model."""
    inputs = keras.Input((5, sides))
    model, x = ends(inputs, DropConnect(name="connect")(inputs)), X[..., :sides]
    result = howsure.assess(model, x, method=howsure.MCDropout(passes=256))
    passes = [ops.convert_to_numpy(model(x, training=True)) for _ in range(200)]
    error = np.std(passes, axis=0) / np.sqrt(len(passes))
    assert np.all(np.abs(result.probabilities - np.mean(passes, 0)) <= 4 * np.hypot(error, result.mc_error))
    (layer,) = howsure.audit(model).random_layers
    assert (layer.name, layer.random) == ("connect", "drops 40 %")
