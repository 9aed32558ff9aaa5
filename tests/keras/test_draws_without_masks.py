"""What a layer draws for which no masks can be given is refused, or named with its line."""

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
    "truncated": (Truncated, "hidden", "keras.random.truncated_normal"),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_no_masks_can_be_given_for_is_named_with_its_line(name):
    make, path, said = LEFT[name]
    with pytest.raises(howsure.ModelError, match=f"stay as in predicting: .*'{path}': {said} {LINE}"):
        howsure.assess(over_numbers(make(name="hidden")), X)
    model = over_numbers(make(name="hidden"), layers.Dropout(0.3))
    with pytest.warns(howsure.HowsureWarning, match=f"understated.*'{path}': {said} {LINE}"):
        howsure.assess(model, X)
    assert said in str(howsure.audit(model))


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch runs every turn of a loop, and each has its masks")
def test_a_draw_in_a_loop_is_refused_with_its_line():
    said = rf"'rnn/cell' cannot be done right: keras.random.dropout {LINE}, in a loop"
    model = over_numbers(layers.RNN(InALoop(name="cell"), name="rnn"), layers.Dropout(0.3))
    if BACKEND == "jax":
        pytest.skip("Keras's own draws in a loop of JAX leak")
    with pytest.raises(howsure.ModelError, match=said):
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
    said = rf"'rnn/cell/drop' .*right: Dropout {LINE}, in a loop"
    with pytest.raises(howsure.ModelError, match=said):
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
    said = "on a tensor whose first side is not the rows alone"
    with pytest.raises(howsure.ModelError, match=f"'windows/.*{said}"):
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
    with pytest.raises(howsure.ModelError, match=f"'both' cannot be done right: .* {LINE}"):
        howsure.assess(over_numbers(Both(numbers, name="both")), X)
