"""Dropout that is written by hand is dropout, in whatever words."""

import pytest
import torch
import torch.nn.functional as F

import howsure
from tests.torch.modules import Through, rows_for
from tests.torch.textbook import assert_as_textbook


def _assigned(h):
    h = h.clone()
    h[torch.rand_like(h) < 0.3] = 0
    return h / 0.7


BY_HAND = {
    "masked_fill": lambda h: h.masked_fill(torch.rand_like(h) < 0.3, 0) / 0.7,
    "masked_fill, what is not kept": lambda h: h.masked_fill(~(torch.rand_like(h) >= 0.3), 0) / 0.7,
    "masked_fill, a column": lambda h: h.masked_fill((torch.rand(len(h)) < 0.3)[:, None], 0) / 0.7,
    "masked_fill, bernoulli": lambda h: h.masked_fill(torch.full_like(h, 0.7).bernoulli() == 0, 0) / 0.7,
    "where": lambda h: torch.where(torch.rand_like(h) < 0.3, 0.0, h / 0.7),
    "put at places": _assigned,
    "times not": lambda h: h * (~(torch.rand_like(h) < 0.3)) / 0.7,
    "times 1 minus": lambda h: h * (1 - (torch.rand_like(h) < 0.3).float()) / 0.7,
    "bernoulli, bool": lambda h: h * torch.empty_like(h).bernoulli_(0.7).bool() / 0.7,
}


@pytest.mark.parametrize("name", list(BY_HAND))
def test_passes_are_those_of_pytorch(name):
    module = Through(lambda m, h: BY_HAND[name](h) if m.training else h).eval()
    assert_as_textbook(module, rows_for("mlp", rows=3))


@pytest.mark.parametrize(
    "louder",
    [
        lambda h: h.masked_fill(torch.rand_like(h) < 0.3, 0) * 2,
        lambda h: torch.where(torch.rand_like(h) < 0.3, 1.0, h / 0.7),
        lambda h: F.dropout(h, 0.3) * (torch.rand_like(h) < 0.5),
    ],
)
def test_what_is_not_the_prediction_in_the_mean_is_refused(louder):
    module = Through(lambda m, h: louder(h) if m.training else h).eval()
    with pytest.raises(howsure.ModelError, match="in training more is computed than in predicting"):
        howsure.assess(module, rows_for("mlp"))
