"""Models that take rows of any size: sequences of every length, images of every side."""

import keras
import numpy as np
import pytest
from keras import layers

import howsure
from howsure.adapters.keras import model as adapter_of

from .networks import check_against_copies

METHOD = howsure.MCDropout(passes=600)


class Mean(keras.Model):
    """A subclassed model of sequences of whole numbers."""

    def __init__(self):
        super().__init__()
        self.embedding = layers.Embedding(9, 4)
        self.drop = layers.Dropout(0.4)
        self.pool = layers.GlobalAveragePooling1D()
        self.out = layers.Dense(3, activation="softmax")

    def call(self, inputs, training=None):
        return self.out(self.pool(self.drop(self.embedding(inputs), training=training)))


def sequential():
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(9, 4),
            layers.Conv1D(4, 2, activation="relu"),
            layers.Dropout(0.4),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def functional():
    x = keras.Input((None,), dtype="int32")
    y = layers.Dropout(0.4)(layers.Embedding(9, 4)(x))
    return keras.Model(x, layers.Dense(3, activation="softmax")(layers.GRU(4)(y)))


def subclassed():
    model = Mean()
    model(np.ones((2, 5), "int32"))
    return model


def built(make):
    model = make()
    random = np.random.default_rng(3)
    model.set_weights([random.normal(0, 0.8, weight.shape) for weight in model.get_weights()])
    return model


@pytest.mark.parametrize("make", [sequential, functional, subclassed])
def test_every_length_is_right_whatever_came_before(make):
    model = built(make)
    howsure.audit(model)
    for length in (5, 3):
        x = np.random.default_rng(length).integers(1, 9, (2, length))
        check_against_copies(howsure.assess(model, x, method=METHOD), model, x, passes=600)


def test_what_was_compiled_for_a_length_serves_that_length_again(monkeypatch):
    seen = []
    original = adapter_of.examine
    monkeypatch.setattr(
        adapter_of, "examine", lambda *args, **kwargs: seen.append(1) or original(*args, **kwargs)
    )
    model = built(functional)
    results = [
        howsure.assess(model, np.ones((2, length), "int32"), method=METHOD).probabilities
        for length in (4, 7, 4, 7)
    ]
    assert len(seen) == 2
    np.testing.assert_array_equal(results[0], results[2])
    np.testing.assert_array_equal(results[1], results[3])


def test_rows_of_several_lengths_have_the_numbers_of_each_length_by_the_same_plan():
    model = built(functional)
    rows = [np.random.default_rng(n).integers(1, 9, length) for n, length in enumerate([4, 7, 4, 5, 7, 4])]
    method = howsure.MCDropout(plan=howsure.plan(model, rows))
    result = howsure.assess(model, rows, method=method)
    assert howsure.assess(model, rows).row.tolist() == result.row.tolist() == list(range(6))
    for length in (4, 5, 7):
        same = [number for number, row in enumerate(rows) if len(row) == length]
        alone = howsure.assess(model, np.stack([rows[number] for number in same]), method=method)
        np.testing.assert_array_equal(result.probabilities[same], alone.probabilities)
        np.testing.assert_array_equal(result.mc_error[same], alone.mc_error)


def of_pixels(norm):
    x = keras.Input((None, None, 1))
    y = layers.SpatialDropout2D(0.3)(layers.ReLU()(norm(layers.Conv2D(8, 3, padding="same")(x))))
    return keras.Model(x, layers.Conv2D(3, 1, activation="softmax")(y))


@pytest.mark.parametrize("groups", [-1, 2])
def test_images_in_a_list_have_the_shares_of_each_by_itself_and_padding_is_said(groups):
    model = built(lambda: of_pixels(layers.GroupNormalization(groups)))
    random = np.random.default_rng(0)
    rows = [random.normal(size=(*sides, 1)).astype("float32") for sides in ((6, 8), (9, 5), (6, 8), (4, 7))]
    method = howsure.MCDropout(passes=20)
    together = howsure.assess(model, rows, method=method)
    alone = np.concatenate([howsure.assess(model, row[None], method=method).share for row in rows])
    assert np.ptp(alone[:, 0]) > 0.01
    np.testing.assert_allclose(together.share, alone, rtol=1e-6)
    pads = [[(0, 9 - len(row)), (0, 8 - row.shape[1]), (0, 0)] for row in rows[:3]]
    padded = np.stack([np.pad(row, pad) for row, pad in zip(rows, pads, strict=False)])
    full = random.normal(size=(1, 9, 8, 1)).astype("float32")
    with pytest.warns(howsure.HowsureWarning, match=r"Row \d was padded, and that changes its plain"):
        howsure.assess(model, iter([np.concatenate([padded, full]), rows[3][None]]), method=method)


def images():
    x = y = keras.Input((None, None, 3))
    for _ in range(4):
        y = layers.Conv2D(2, 3, strides=2)(y)
    y = layers.GlobalAveragePooling2D()(layers.Dropout(0.3)(y))
    return keras.Model(x, layers.Dense(3, activation="softmax")(y))


def test_an_audit_tries_sizes_and_says_which_it_took():
    audit = howsure.audit(images())  # of 16 pixels nothing would be left
    assert audit.any_size == 32
    assert audit.passes_differ
    assert "multiply-adds a row with 32 where the model takes any size, of which" in str(audit)
    assert howsure.audit(images(), np.zeros((1, 40, 40, 3))).any_size is None


def test_an_audit_that_cannot_guess_asks_for_rows():
    x = keras.Input((None, 4))
    y = layers.Dropout(0.3)(layers.Reshape((100,))(x))
    model = keras.Model(x, layers.Dense(3, activation="softmax")(y), name="hundred")
    with pytest.raises(
        howsure.ModelError,
        match=r"which sizes model 'hundred' takes .* none of 16, 32, 60, 128, 224 fits \(.*"
        r"Give some: howsure\.audit\(model, x\)",
    ):
        howsure.audit(model)
    assert howsure.audit(model, np.zeros((1, 25, 4))).passes_differ


class Unpacking(keras.Model):
    def __init__(self):
        super().__init__()
        self.last = layers.Dense(3, activation="softmax")

    def call(self, x):
        first, second, third = x
        return self.last(first + second + third)


@pytest.mark.parametrize("door", [howsure.assess, howsure.audit])
def test_the_exception_of_a_call_says_what_it_was_called_with(door):
    model = Unpacking()
    model([np.zeros((6, 8), "float32")] * 3)
    with pytest.raises(Exception) as caught:  # noqa: PT011  # each backend has one of its own
        door(model, np.zeros((6, 8), "float32"))
    assert not isinstance(caught.value, howsure.HowsureError)
    note = "".join(caught.value.__notes__)
    assert "howsure called the model with one input of shape (n, 8), for n rows" in note
    assert "wrap it in a model that takes one tensor for each input" in note
