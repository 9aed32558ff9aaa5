"""What an audit says that a module computes, against what its shapes tell."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode  # loads triton, which conftest.py hides

import howsure
from howsure.adapters.resolve import adapt
from howsure.adapters.torch.tracer import multiply_adds, work
from tests.torch.modules import Layer, Watching

T, IN, H = 6, 5, 8


def with_head(layer, width):
    """A layer, and dropout and three classes behind it."""

    def last(_, outputs):
        return (outputs[0] if isinstance(outputs, tuple) else outputs)[:, -1]

    return nn.Sequential(layer, Layer(last), nn.Dropout(0.5), nn.Linear(width, 3)).eval()


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
    module = with_head(layer, width)
    audit = howsure.audit(module, np.zeros((2, T, inputs), np.float32))
    assert audit.multiply_adds == expected + 3 * width
    assert audit.multiply_adds == sum(layer.multiply_adds for layer in audit.layers)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (nn.Linear(5, 7), [(2, 5)]),
        (nn.Linear(5, 7, bias=False), [(2, 3, 5)]),
        (nn.Conv1d(4, 6, 3, stride=2, padding=1), [(2, 4, 11)]),
        (nn.Conv2d(4, 6, (3, 2), dilation=2, groups=2), [(2, 4, 9, 8)]),
        (nn.Conv3d(2, 3, 2), [(2, 2, 5, 4, 3)]),
        (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), [(2, 4, 5, 6)]),
        (nn.MultiheadAttention(8, 2, batch_first=True), [(2, 6, 8), (2, 4, 8), (2, 4, 8)]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_multiply_adds_are_half_of_what_pytorch_counts(layer, shapes):
    inputs = [torch.ones(shape) for shape in shapes]
    with torch.no_grad(), FlopCounterMode(display=False) as pytorch:
        layer.train()(*inputs)
    ours = []
    with torch.no_grad(), Watching(lambda *call: ours.append(multiply_adds(*call))):
        layer(*inputs)
    assert 0 < pytorch.get_total_flops() == 2 * sum(ours)


def test_a_pass_costs_what_it_writes_beyond_a_prediction():
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)).eval()
    model, _ = adapt(module, np.random.default_rng(0).normal(size=(3, 4)).astype("float32"))
    products, written = 4 * 8 + 8 * 3, 8 + 8 + 3
    expected = (products + 8 * (written + 8)) / (products + 8 * written)  # masks make 8 numbers more
    assert sum(level.cost for level in model.levels) == pytest.approx(expected)


def test_what_an_encoder_writes_inside_counts_where_it_runs_as_one_operation():
    layer, x = encoder(0.0).eval(), torch.randn(3, T, H)
    counted = []
    watching = Watching(lambda op, args, results: counted.append((op, work(op, args, results))))
    with torch.no_grad(), watching:
        layer(x)
    ((op, outcome),) = [entry for entry in counted if entry[1]]
    assert op is torch.ops.aten._transformer_encoder_layer_fwd.default
    # In each place twice the queries, keys and values, scores of two heads, what these weigh, what becomes of
    # it, a sum, two norms, 16 numbers between two products, and the result.
    written = T * (2 * 3 * H + 2 * T + 3 * H + 16 + H + H)
    assert outcome == 3 * (ENCODER + 8 * written)
