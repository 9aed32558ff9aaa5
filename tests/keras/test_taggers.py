"""Taggers of Keras: time steps that a mask leaves out do not count."""

import keras
import numpy as np
from keras import layers

import howsure

TEXTS, LENGTH, TAGS = 4, 6, 3
MASK = np.arange(LENGTH) < np.array([6, 2, 4, 1])[:, None]


def tagger(first, shape, **inputs):
    model = keras.Sequential(
        [
            keras.Input(shape, **inputs),
            first,
            layers.LSTM(8, return_sequences=True),
            layers.Dropout(0.5),
            layers.TimeDistributed(layers.Dense(TAGS, "softmax", kernel_initializer="random_normal")),
        ]
    )
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(3).normal(size=variable.shape))
    return model


def check(model, x, others):
    settings = {"method": howsure.MCDropout(passes=6), "outputs": "probabilities"}
    result = howsure.assess(model, x, **settings)
    assert result.label.shape == (TEXTS, LENGTH)
    np.testing.assert_array_equal(result.counts, MASK)
    for row in range(TEXTS):
        np.testing.assert_allclose(result.undecided[row], result.is_coin_flip[row, MASK[row]].mean())
    np.testing.assert_allclose(result.share.sum(axis=1), 1)
    np.testing.assert_array_equal(
        result.share[3] * 6, np.rint(result.share[3] * 6)
    )  # of six passes and a word
    whole = howsure.assess(model, others, **settings)
    assert whole.counts is None
    np.testing.assert_allclose(whole.share[0], result.share[0], atol=1e-6)
    masked = howsure.assess(model, others, positions=MASK, **settings)
    np.testing.assert_array_equal(masked.counts, MASK)


def test_words_that_an_embedding_masks():
    words = np.random.default_rng(0).integers(1, 9, MASK.shape)
    model = tagger(layers.Embedding(9, 4, mask_zero=True), (LENGTH,), dtype="int32")
    check(model, np.where(MASK, words, 0), words)


def test_time_steps_that_are_masked():
    x = np.random.default_rng(0).normal(size=(*MASK.shape, 2)).astype(np.float32)
    check(tagger(layers.Masking(), (LENGTH, 2)), np.where(MASK[..., None], x, 0), x)
