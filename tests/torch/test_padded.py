"""Rows that are padded: `TransformerEncoder` packs them as a nested tensor, which has no shape."""

import numpy as np
import pytest
import torch
from torch import nn

import howsure
from tests.torch.modules import own_outputs

TOKENS, WIDTH = 20, 8


class Encoder(nn.Module):
    """An encoder with a mask of padding; what it gives at padded places is left out, or not."""

    def __init__(self, left_out):
        super().__init__()
        self.left_out = left_out
        self.emb = nn.Embedding(TOKENS, WIDTH, padding_idx=0)
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, batch_first=True, dropout=0.3)
        self.encoder, self.last = nn.TransformerEncoder(layer, 2), nn.Linear(WIDTH, 3)

    def forward(self, x):
        there = x != 0
        hidden = self.encoder(self.emb(x), src_key_padding_mask=~there)
        return self.last((hidden * there[..., None] if self.left_out else hidden).sum(1))


def padded(rows=8):
    random = np.random.default_rng(0)
    x = random.integers(1, TOKENS, (rows, 5))
    for row in x:
        row[random.integers(3, 6) :] = 0
    return x


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_padded_rows_have_the_numbers_of_the_module():
    torch.manual_seed(0)
    module, x = Encoder(left_out=True).eval(), padded()
    plain = own_outputs(module, x).softmax(-1).numpy()
    with torch.no_grad():
        softmax = howsure.assess(module, x, method=howsure.Softmax(), outputs="logits")
        passes = howsure.passes(module, x, 300, outputs="logits")
        module.train()
        drawn = np.stack([module(torch.from_numpy(x)).softmax(-1).numpy() for _ in range(500)])
    assert np.abs(softmax.probabilities - plain).max() < 1e-6
    error = np.sqrt(passes.var(0) / len(passes) + drawn.var(0) / len(drawn))
    assert (np.abs(passes.mean(0) - drawn.mean(0)) < 5 * error).all()
    assert "self_attn" in str(howsure.audit(module, x))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_where_padded_places_count_training_computes_something_else():
    module = Encoder(left_out=False).eval()
    with pytest.raises(howsure.ModelError, match="in training more is computed than in predicting"):
        howsure.assess(module, padded(), outputs="logits")
