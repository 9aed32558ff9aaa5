"""What an audit says that a module computes, against what its shapes tell."""

import numpy as np
import pytest
import torch
from torch import nn

import howsure

T, IN, H = 6, 5, 8


class Head(nn.Module):
    """A layer, and dropout and three classes behind it."""

    def __init__(self, layer, width):
        super().__init__()
        self.layer, self.drop, self.head = layer, nn.Dropout(0.5), nn.Linear(width, 3)

    def forward(self, x):
        found = self.layer(x)
        found = found[0] if isinstance(found, tuple) else found
        return self.head(self.drop(found[:, -1]))


class OwnAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(H, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class Score(nn.Module):
    """A product with a vector at every place."""

    def __init__(self):
        super().__init__()
        self.vector = nn.Parameter(torch.ones(H))

    def forward(self, x):
        return x * (x @ self.vector)[..., None]


ENCODER = T * (4 * H * H + 2 * 16 * H) + 2 * T * T * H


def encoder(rate):
    return nn.TransformerEncoderLayer(H, 2, 16, dropout=rate, batch_first=True)


@pytest.mark.parametrize(
    ("layer", "inputs", "width", "expected"),
    [
        (nn.LSTM(IN, H, batch_first=True), IN, H, T * 4 * H * (IN + H)),
        (
            nn.LSTM(IN, H, 2, batch_first=True, bidirectional=True, dropout=0.2),
            IN,
            2 * H,
            T * 2 * 4 * H * (IN + H + 2 * H + H),
        ),
        (nn.GRU(IN, H, batch_first=True), IN, H, T * 3 * H * (IN + H)),
        (nn.RNN(IN, H, batch_first=True), IN, H, T * H * (IN + H)),
        (OwnAttention(), H, H, T * 4 * H * H + 2 * T * T * H),
        (encoder(0.0), H, H, ENCODER),
        (encoder(0.1), H, H, ENCODER),
        (Score(), H, H, T * H),
    ],
    ids=["lstm", "lstm of two", "gru", "rnn", "attention", "fused encoder", "encoder", "vector"],
)
def test_multiply_adds_are_those_of_the_shapes(layer, inputs, width, expected):
    module = Head(layer, width).eval()
    audit = howsure.audit(module, np.zeros((2, T, inputs), np.float32))
    assert audit.multiply_adds == expected + 3 * width
    assert audit.multiply_adds == sum(each.multiply_adds for each in audit.layers)
