"""What a layer draws for which no masks can be given is refused, or named with its line."""

import re

import keras
import pytest
from keras import layers, ops

import howsure

from .test_draws import Functional, Seeded, X, over_numbers
from .test_others_mistakes import backend_uniform

BACKEND = keras.backend.backend()
LINE = r"\(test_\w+\.py, line \d+\)"


class OfTheBackend(Seeded):
    def call(self, inputs, training=False):
        if training:
            return inputs * ops.cast(backend_uniform(ops.shape(inputs), self.seeds) > 0.5, inputs.dtype)
        return inputs


class Truncated(Seeded):
    def call(self, inputs, training=False):
        if training:
            return inputs + keras.random.truncated_normal(ops.shape(inputs), seed=self.seeds)
        return inputs


class InALoop(Seeded):
    """A cell that draws anew in every time step, which Keras's own do not."""

    state_size = 6

    def build(self, shape):
        self.dense = layers.Dense(6, "tanh")
        self.dense.build((None, shape[-1] + 6))

    def call(self, inputs, states, training=False):
        both = ops.concatenate([inputs, states[0]], axis=-1)
        state = self.dense(keras.random.dropout(both, 0.4, seed=self.seeds) if training else both)
        return state, [state]


LEFT = {
    "of the backend": (OfTheBackend, "hidden", "OfTheBackend draws random numbers inside its call"),
    "truncated": (Truncated, "hidden", rf"keras.random.truncated_normal {LINE}"),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_no_masks_can_be_given_for_is_named(name):
    make, path, message = LEFT[name]
    with pytest.raises(howsure.ModelError, match=f"stay as in predicting: .*'{path}': {message}"):
        howsure.assess(over_numbers(make(name="hidden")), X)
    model = over_numbers(make(name="hidden"), layers.Dropout(0.3))
    with pytest.warns(howsure.HowsureWarning, match=f"understated.*'{path}': {message}"):
        howsure.assess(model, X)
    assert re.search(message, str(howsure.audit(model)))


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch runs every turn of a loop, and each has its masks")
def test_a_draw_in_a_loop_is_refused_with_its_line():
    message = rf"'rnn/cell' cannot be done right: keras.random.dropout {LINE}, in a loop"
    model = over_numbers(layers.RNN(InALoop(name="cell"), name="rnn"), layers.Dropout(0.3))
    if BACKEND == "jax":
        pytest.skip("Keras's own draws in a loop of JAX leak")
    with pytest.raises(howsure.ModelError, match=message):
        howsure.assess(model, X)


class CellWithDropout(layers.Layer):
    state_size = 4

    def __init__(self, **options):
        super().__init__(**options)
        self.dense, self.drop = layers.Dense(4, "tanh"), layers.Dropout(0.4, name="drop")

    def build(self, shape):
        self.dense.build((None, shape[-1] + 4))

    def call(self, inputs, states, training=False):
        state = self.drop(self.dense(ops.concatenate([inputs, states[0]], axis=-1)), training=training)
        return state, [state]


@pytest.mark.skipif(
    BACKEND != "tensorflow", reason="draws of the other backends are no loop, or leak from it"
)
def test_a_dropout_layer_in_a_loop_is_no_mask_for_all_its_turns():
    message = rf"'rnn/cell/drop' .*right: Dropout {LINE}, in a loop"
    with pytest.raises(howsure.ModelError, match=message):
        howsure.assess(over_numbers(layers.RNN(CellWithDropout(name="cell"), name="rnn")), X)


class InWindows(layers.Layer):
    """Looks at parts of a row, with the parts of all rows on the first axis."""

    def __init__(self, drop, **options):
        super().__init__(**options)
        self.drop = drop

    def call(self, inputs, training=False):
        parts = self.drop(ops.reshape(inputs, (-1, 2)), training=training)
        return ops.reshape(parts, (-1, 5, 4))


@pytest.mark.parametrize("drop", [lambda: layers.Dropout(0.4), Functional])
def test_dropout_that_is_another_for_each_part_of_a_row_is_not_the_same_for_all(drop):
    message = "on a tensor whose first side is not the rows alone"
    with pytest.raises(howsure.ModelError, match=f"'windows/.*{message}"):
        howsure.assess(over_numbers(InWindows(drop(), name="windows")), X)


class UsesTheBatch(layers.Layer):
    """Dropout and something else that training does, in one call."""

    def __init__(self, **options):
        super().__init__(**options)
        self.drop = layers.Dropout(0.4)

    def call(self, inputs, training=False):
        outputs = self.drop(inputs, training=training)
        return outputs - ops.mean(outputs, axis=0) if training else outputs


def test_a_layer_that_does_more_in_training_than_draw_is_refused():
    with pytest.raises(
        howsure.ModelError, match="'both' cannot be done right: UsesTheBatch computes something"
    ):
        howsure.assess(over_numbers(UsesTheBatch(name="both")), X)


class Both(Seeded):
    def __init__(self, numbers, **options):
        super().__init__(**options)
        self.numbers = numbers

    def call(self, inputs, training=False):
        if not training:
            return inputs
        dropped = keras.random.dropout(inputs, 0.3, seed=self.seeds)
        return dropped + self.numbers(ops.shape(inputs), self.seeds)


@pytest.mark.parametrize(
    "numbers", [backend_uniform, lambda shape, seeds: keras.random.truncated_normal(shape, seed=seeds)]
)
def test_beside_a_draw_that_is_switched_another_that_is_not_is_refused(numbers):
    """The call would have to train for one and not for the other."""
    with pytest.raises(howsure.ModelError, match="'both' cannot be done right: "):
        howsure.assess(over_numbers(Both(numbers, name="both")), X)


class Augmenting(Seeded):
    """Changes rows in training alone."""

    def __init__(self, change, **options):
        super().__init__(**options)
        self.change = change

    def call(self, inputs, training=False):
        return self.change(inputs, ops.shape(inputs)[0], self.seeds) if training else inputs


class AugmentingModel(keras.Model):
    """The same, and dropout, in one call."""

    def __init__(self, change):
        super().__init__(name="net")
        self.change, self.seeds = change, keras.random.SeedGenerator()
        self.flat, self.drop, self.last = layers.Flatten(), layers.Dropout(0.3), layers.Dense(3, "softmax")

    def call(self, inputs, training=False):
        if training:
            inputs = self.change(inputs, ops.shape(inputs)[0], self.seeds)
        return self.last(self.drop(self.flat(inputs), training=training))


def _mirrored(x, rows, seeds):
    return ops.where(keras.random.uniform((rows, 1, 1), seed=seeds) < 0.5, ops.flip(x, 1), x)


AUGMENTED = {
    "mirrored": (_mirrored, "one number for each row, which changes the inputs"),
    "mirrored, all or none": (
        lambda x, rows, seeds: ops.where(keras.random.uniform((), seed=seeds) < 0.5, ops.flip(x, 1), x),
        "one number for each row, which changes the inputs",
    ),
    "mirrored, binomial": (
        lambda x, rows, seeds: ops.where(
            keras.random.binomial((rows, 1, 1), 1, 0.5, seed=seeds) > 0.5, ops.flip(x, 1), x
        ),
        "one number for each row, which changes the inputs",
    ),
    "brighter": (
        lambda x, rows, seeds: x * keras.random.uniform((rows, 1, 1), 0.8, 1.2, seed=seeds),
        "one number for each row, which changes the inputs",
    ),
    "noise": (
        lambda x, rows, seeds: x + keras.random.normal(ops.shape(x), seed=seeds),
        r"adds noise to the inputs, which is random with MCDropout\(gaussian_noise=True\)",
    ),
}


@pytest.mark.parametrize("name", AUGMENTED)
def test_augmentation_of_a_layer_of_a_user_stays_off_and_is_named(name):
    change, message = AUGMENTED[name]
    model = over_numbers(Augmenting(change, name="augment"), layers.Dropout(0.3, seed=1))
    plain = over_numbers(layers.Dropout(0.3, seed=1))
    plain.set_weights([ops.convert_to_numpy(variable) for variable in model.trainable_variables])
    with pytest.warns(howsure.HowsureWarning, match=f"'augment': keras.random.\\w+ {LINE}, {message}"):
        passes = howsure.passes(model, X, 20)
    assert passes == pytest.approx(howsure.passes(plain, X, 20), abs=1e-6)


@pytest.mark.parametrize("name", AUGMENTED)
def test_augmentation_in_the_call_that_drops_is_refused_with_its_line(name):
    change, message = AUGMENTED[name]
    model = AugmentingModel(change)
    model(X)
    with pytest.raises(
        howsure.ModelError, match=f"'net' cannot be done right: .* {LINE}, {message}"
    ) as error:
        howsure.assess(model, X)
    assert "put what else training does into a layer of its own" in str(error.value)
