"""Networks of text and series."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from validation.architectures.core import Model, add, classes, stack


class TransformerBlock(layers.Layer):
    """Attention and two dense layers, each behind a Dropout."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attention = layers.MultiHeadAttention(2, 6)
        self.dense = keras.Sequential([layers.Dense(8, "relu"), layers.Dense(6)])
        self.norms = [layers.LayerNormalization(epsilon=1e-6) for _ in range(2)]
        self.drops = [layers.Dropout(rate) for _ in range(2)]

    def call(self, x: Any) -> Any:
        """Both with a residual."""
        x = self.norms[0](x + self.drops[0](self.attention(x, x)))
        return self.norms[1](x + self.drops[1](self.dense(x)))


class Tokens(layers.Layer):
    """Tokens and their positions."""

    def __init__(self, length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.token, self.position = layers.Embedding(9, 6), layers.Embedding(length, 6)

    def call(self, x: Any) -> Any:
        """Look both up and add."""
        return self.token(x) + self.position(ops.arange(ops.shape(x)[-1]))


@add("keras.io, text classification with transformer")
def text_transformer(on: float) -> Model:
    """A transformer block over tokens."""
    x = keras.Input((7,), dtype="int32")
    y = layers.GlobalAveragePooling1D()(TransformerBlock(0.2 * on)(Tokens(7)(x)))
    y = layers.Dense(8, "relu")(layers.Dropout(0.2 * on)(y))
    return keras.Model(x, classes(layers.Dropout(0.2 * on)(y), 2))


@add()
def masked_attention(on: float) -> Model:
    """Embedding with a mask, Dropout, attention."""
    x = keras.Input((7,), dtype="int32")
    y = layers.SpatialDropout1D(0.3 * on)(layers.Embedding(9, 6, mask_zero=True)(x))
    y = layers.MultiHeadAttention(2, 3, dropout=0.2 * on)(y, y)
    return keras.Model(x, classes(layers.GlobalAveragePooling1D()(y)))


@add("keras.io, timeseries classification with a transformer")
def series_transformer(on: float) -> Model:
    """Series transformer."""
    x = y = keras.Input((10, 2))
    for _ in range(2):
        z = layers.MultiHeadAttention(2, 4, dropout=0.25 * on)(y, y)
        z = layers.LayerNormalization(epsilon=1e-6)(layers.Dropout(0.25 * on)(z)) + y
        f = layers.Dropout(0.25 * on)(layers.Conv1D(4, 1, activation="relu")(z))
        y = layers.LayerNormalization(epsilon=1e-6)(layers.Conv1D(2, 1)(f)) + z
    y = layers.GlobalAveragePooling1D(data_format="channels_last")(y)
    return keras.Model(x, classes(layers.Dropout(0.4 * on)(layers.Dense(8, "relu")(y))))


@add("keras-team/keras 2, imdb_lstm example")
def lstm_sentiment(on: float) -> Model:
    """LSTM for sentiment, dropout and recurrent_dropout."""
    steps = layers.Embedding(9, 4), layers.LSTM(5, dropout=0.2 * on, recurrent_dropout=0.2 * on)
    model = keras.Sequential([keras.Input((7,), dtype="int32"), *steps, layers.Dense(1, "sigmoid")])
    return model


@add("many Kaggle notebooks")
def masked_lstm(on: float) -> Model:
    """The same with a mask and SpatialDropout1D."""
    steps = layers.Embedding(9, 4, mask_zero=True), layers.SpatialDropout1D(0.3 * on)
    return stack((7,), *steps, layers.LSTM(5, dropout=0.2 * on, recurrent_dropout=0.2 * on), dtype="int32")


@add("keras.io, bidirectional LSTM on IMDB")
def stacked_bidirectional(on: float) -> Model:
    """Stacked bidirectional LSTM."""
    both = [
        layers.Bidirectional(layers.LSTM(4, return_sequences=first, dropout=0.2 * on))
        for first in (True, False)
    ]
    return stack((7,), layers.Embedding(9, 4), *both, layers.Dropout(0.3 * on), dtype="int32")


@add("F. Chollet, Deep Learning with Python, ch. 10")
def gru_series(on: float) -> Model:
    """GRU over a series."""
    first = layers.GRU(5, recurrent_dropout=0.4 * on, return_sequences=True)
    return stack((6, 3), first, layers.GRU(4, recurrent_dropout=0.4 * on), layers.Dropout(0.4 * on))


@add()
def simple_rnn(on: float) -> Model:
    """SimpleRNN with both kinds of dropout."""
    return stack((6, 3), layers.SimpleRNN(5, dropout=0.3 * on, recurrent_dropout=0.3 * on))


@add()
def stacked_cells(on: float) -> Model:
    """RNN of two stacked cells."""
    cells = layers.LSTMCell(4, dropout=0.3 * on), layers.GRUCell(4, recurrent_dropout=0.3 * on)
    return stack((6, 3), layers.RNN(cells))


@add(one_draw=True)
def stateful_lstm(on: float) -> Model:
    """A stateful LSTM."""
    x = keras.Input(batch_shape=(3, 6, 3))
    return keras.Model(x, classes(layers.LSTM(4, dropout=0.3 * on, stateful=True)(x)))


@add("keras.io, next-frame prediction")
def conv_lstm(on: float) -> Model:
    """ConvLSTM2D with dropout."""
    cell = layers.ConvLSTM2D(2, 3, padding="same", dropout=0.3 * on, recurrent_dropout=0.2 * on)
    return stack((3, 4, 4, 1), cell, layers.Flatten())


@add("van den Oord and others 2016")
def wavenet(on: float) -> Model:
    """WaveNet: gated, dilated, causal convolutions."""
    x = keras.Input((12, 2))
    y, skips = layers.Conv1D(4, 1)(x), []
    for dilation in (1, 2, 4):
        of = {"padding": "causal", "dilation_rate": dilation}
        gate = layers.Conv1D(4, 2, activation="sigmoid", **of)(y)
        z = layers.Dropout(0.2 * on)(layers.multiply([layers.Conv1D(4, 2, activation="tanh", **of)(y), gate]))
        skips.append(layers.Conv1D(4, 1)(z))
        y = layers.add([y, skips[-1]])
    y = layers.GlobalAveragePooling1D()(layers.ReLU()(layers.add(skips)))
    return keras.Model(x, classes(y))


@add("Salinas and others 2020; a head of classes")
def deepar_like(on: float) -> Model:
    """DeepAR's encoder: covariates, embedding, stacked LSTM with dropout."""
    series, item = keras.Input((6, 2), name="series"), keras.Input((1,), dtype="int32", name="item")
    of_item = layers.RepeatVector(6)(layers.Flatten()(layers.Embedding(9, 3)(item)))
    y = layers.Concatenate()([series, of_item])
    for again in (True, False):
        y = layers.LSTM(4, dropout=0.2 * on, return_sequences=again)(y)
    return keras.Model({"series": series, "item": item}, classes(y))


@add("keras.io, structured data with GRN and VSN")
def gated_residual(on: float) -> Model:
    """Gated residual networks over columns."""
    x = keras.Input((6,))
    y = x
    for _ in range(2):
        z = layers.Dropout(0.3 * on)(layers.Dense(6)(layers.Dense(6, "elu")(y)))
        z = layers.Dense(6)(z) * layers.Dense(6, "sigmoid")(z)
        y = layers.LayerNormalization()(y + z)
    return keras.Model(x, classes(y))


@add(backends=("tensorflow",))
def text(on: float) -> Model:
    """Text in, TextVectorization first."""
    words = layers.TextVectorization(vocabulary=["good", "bad", "film"], output_sequence_length=5)
    steps = words, layers.Embedding(5, 4), layers.Dropout(0.4 * on), layers.GlobalAveragePooling1D()
    return stack((1,), *steps, dtype="string")
