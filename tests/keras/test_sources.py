"""Sources of batches of the frameworks themselves give what an array of the rows gives."""

import keras
import numpy as np
import pandas
import pytest
from keras import layers

import howsure
from howsure import HowsureWarning, InputError

from .networks import build

METHOD = howsure.MCDropout(passes=8)
ROWS = 23
BACKEND = keras.backend.backend()
NAMES = ("cat", "dog", "hen")

on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="needs TensorFlow")


@pytest.fixture
def model():
    middle = [layers.Dense(8, activation="relu"), layers.Dropout(0.4)]
    return keras.Sequential([keras.Input((4,)), *middle, layers.Dense(3, activation="softmax")])


@pytest.fixture
def two():
    a, b = keras.Input((4,), name="size"), keras.Input((2,), name="place")
    joined = layers.Dropout(0.4)(layers.Dense(8, activation="relu")(layers.Concatenate()([a, b])))
    return keras.Model([a, b], layers.Dense(3, activation="softmax")(joined))


@pytest.fixture
def x(random):
    return random.normal(size=(ROWS, 4)).astype("float32")


@pytest.fixture
def truth(random):
    return random.integers(0, 3, ROWS)


def assess(model, x, **arguments):
    return howsure.assess(model, x, method=METHOD, **arguments)


def the_same(one, other):
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


class Batches(keras.utils.PyDataset):
    def __init__(self, *parts, size=5):
        super().__init__()
        self.parts, self.size = parts, size

    def __len__(self):
        return -(-len(self.parts[0]) // self.size)

    def __getitem__(self, number):
        some = slice(number * self.size, (number + 1) * self.size)
        return tuple(part[some] for part in self.parts)


def test_a_pydataset(model, x, truth):
    plain = assess(model, x)
    certainty = assess(model, Batches(x, truth))
    the_same(certainty, plain)
    assert certainty.truth.tolist() == truth.tolist()
    with pytest.raises(InputError, match=r"3 parts does not say.*Leave out weights of rows"):
        assess(model, Batches(x, truth, np.ones(ROWS)))
    assert assess(model, Batches(x)).truth is None


def test_a_pydataset_without_an_end_is_refused(model, x):
    class Endless(Batches):
        num_batches = None

    with pytest.raises(InputError, match=r"no end.*PyDataset"):
        assess(model, Endless(x))


def test_a_frame_by_the_names_of_inputs(two, x, truth):
    place = x[:, :2]
    frame = pandas.DataFrame({"place": [*place], "size": [*x], "y": np.array(NAMES)[truth]})
    frame.index = frame.index + 1000
    certainty = assess(two, frame, class_names=NAMES)
    the_same(certainty, assess(two, {"size": x, "place": place}))
    assert certainty.ids.tolist() == [*range(1000, 1000 + ROWS)]
    assert certainty.truth.tolist() == truth.tolist()


def test_a_subclassed_model_that_does_not_say_what_it_takes(x, truth):

    model = build("subclassed")
    plain = assess(model, x)
    the_same(assess(model, pandas.DataFrame(x)), plain)
    certainty = assess(model, ((x[k : k + 9], truth[k : k + 9]) for k in range(0, ROWS, 9)))
    the_same(certainty, plain)
    assert certainty.truth.tolist() == truth.tolist()


def test_tensors_of_the_backend(model, x):
    the_same(assess(model, keras.ops.convert_to_tensor(x)), assess(model, x))
    parts = (keras.ops.convert_to_tensor(part) for part in np.split(x, [9]))
    the_same(assess(model, parts), assess(model, x))


@on_tensorflow
@pytest.mark.parametrize("size", [None, 7, ROWS])
def test_a_dataset_of_tensorflow_batched_or_not(model, x, truth, size):
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((x, truth))
    certainty = assess(model, dataset if size is None else dataset.batch(size))
    the_same(certainty, assess(model, x))
    assert certainty.truth.tolist() == truth.tolist()
    alone = dataset.map(lambda rows, labels: rows)
    assert assess(model, alone if size is None else alone.batch(size)).truth is None


@on_tensorflow
def test_a_dataset_that_shuffles_says_so(model, x, truth):
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((x, truth)).shuffle(ROWS, seed=1).batch(5)
    with pytest.warns(HowsureWarning, match=r"tf.data.Dataset shuffles.*as they were drawn"):
        drawn = assess(model, dataset)
    assert drawn.truth.tolist() != truth.tolist()
    assert str(howsure.evaluate(drawn).accuracy) == str(howsure.evaluate(assess(model, x), truth).accuracy)


@on_tensorflow
def test_a_dataset_that_repeats_is_refused(model, x):
    import tensorflow as tf

    with pytest.raises(InputError, match=r"no end.*repeats"):
        assess(model, tf.data.Dataset.from_tensor_slices(x).batch(4).repeat())
