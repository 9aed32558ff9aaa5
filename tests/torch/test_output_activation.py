"""What a layer with weights gives may be logits; what comes of anything else is asked for."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import howsure
from tests.torch.modules import Layer, numbers, own_outputs


class Ends(nn.Module):
    """A backbone with dropout, and a function of what it gives as head."""

    def __init__(self, head):
        super().__init__()
        self.first, self.drop, self.last, self.head = (
            nn.Linear(8, 12),
            nn.Dropout(0.3),
            nn.Linear(12, 3),
            head,
        )
        self.scale, self.others = nn.Parameter(torch.tensor(1.5)), nn.Parameter(torch.randn(3, 12))
        self.mixture = nn.Parameter(torch.randn(2))
        self.pointwise = nn.Conv2d(3, 4, 1)
        self.positive = nn.Parameter(torch.rand(3, 12))
        self.register_buffer("means", torch.rand(3, 12))

    def forward(self, x):
        return self.head(self, self.drop(torch.relu(self.first(x))))


def _sigmoids(m, h):
    p = torch.sigmoid(m.last(h)[:, :1])
    return torch.cat([1 - p, p], 1)


def _put_softmax(m, h):
    outputs = torch.zeros(len(h), 3)
    outputs[:, :] = m.last(h).softmax(1) * 0.9
    return outputs


def _by_hand(m, h):
    odds = m.last(h).exp()
    return odds / odds.sum(1, keepdim=True)


UNKNOWN = {
    "exp of log_softmax": lambda m, h: torch.log_softmax(m.last(h), 1).exp(),
    "mean of two softmaxes": lambda m, h: (m.last(h).softmax(1) + m.last(2 * h).softmax(1)) / 2,
    "a sigmoid and the rest": _sigmoids,
    "a softmax clamped": lambda m, h: m.last(h).softmax(1).clamp(1e-6, 1),
    "a softmax put into zeros": _put_softmax,
    "a softmax by hand": _by_hand,
    "1 / (1 + exp)": lambda m, h: 1 / (1 + torch.exp(-m.last(h))),
    "scaled sigmoids": lambda m, h: 0.5 * torch.sigmoid(m.last(h)),
    "a softmax in place, scaled": lambda m, h: m.last(h).sigmoid_().mul_(0.9),
    "a softmax times fixed noise": lambda m, h: m.last(h).softmax(1) @ (0.8 * torch.eye(3) + 0.2 / 3),
    "votes weighted": lambda m, h: torch.bmm(
        m.mixture.softmax(0).expand(len(h), 1, 2),
        torch.stack([m.last(h).softmax(1), m.last(2 * h).softmax(1)], 1),
    ).squeeze(1),
    "softplus and 1": lambda m, h: F.softplus(m.last(h)) + 1,
    "relu and 1": lambda m, h: F.relu(m.last(h)) + 1,
    "elu and 1": lambda m, h: F.elu(m.last(h)) + 1,
    "clamped from 0 to 1": lambda m, h: m.last(h).clamp(0, 1),
    "relu6 and 1": lambda m, h: F.relu6(m.last(h)) + 1,
    "the greater of 0": lambda m, h: torch.maximum(m.last(h), torch.tensor(0.0)),
    "squares and 1": lambda m, h: m.last(h) ** 2 + 1,
    "sizes": lambda m, h: m.last(h).abs(),
    "distances": lambda m, h: torch.cdist(h, m.others),
    "almost a share": lambda m, h: _share(m.last(h).relu() + 0.1, 0.05),
    "the mean of two evidences": lambda m, h: torch.stack([m.last(h).relu(), m.last(2 * h).relu()], 2).mean(
        1
    ),
    "pooled evidence and 1": lambda m, h: F.relu(m.pointwise(h.view(-1, 3, 2, 2))).mean((2, 3)) + 1,
    "experts of labels, by a gate": lambda m, h: torch.einsum(
        "nm,nmk->nk", F.linear(h, m.others[:2]).softmax(1), _experts(m, h).sigmoid()
    ),
    "labels by a table of shares": lambda m, h: (
        m.last(h).sigmoid()[:, :, None] * (0.8 * torch.eye(3) + 0.05)
    ).sum(1),
    "put into a slice": lambda m, h: _put(m.last(h)),
    "squared distances": lambda m, h: -((h[:, None] - m.others) ** 2).sum(2),
    "cdist": lambda m, h: -torch.cdist(h, m.others),
    "convolution, relu, pooled": lambda m, h: F.adaptive_avg_pool2d(
        F.relu(m.pointwise(h.view(-1, 3, 2, 2))), 1
    ).flatten(1),
    "clamped": lambda m, h: m.last(h).clamp(-30, 30),
    "a layer by hand": lambda m, h: (h[:, None] * m.others).sum(2),
    "cosine_similarity": lambda m, h: F.cosine_similarity(h[:, None], m.others, dim=2),
    "a difference of two": lambda m, h: m.last(h).relu() - m.last(2 * h).relu().flip(1),
    "cosine to means of features": lambda m, h: F.normalize(h, dim=1) @ F.normalize(m.means, dim=1).t(),
    "attention over labels": lambda m, h: F.scaled_dot_product_attention(
        *[_experts(m, h)[:, None]] * 2, _experts(m, h).sigmoid()[:, None]
    )[:, 0, 0],
}


def _share(values, more):
    return values / (values.sum(1, keepdim=True) + more)


def _experts(m, h):
    return torch.stack([m.last(h), m.last(2 * h)], 1)


LINEAR = {
    "linear": lambda m, h: m.last(h),
    "scaled": lambda m, h: m.last(h) * m.scale.exp() / 2 - 1,
    "cosine": lambda m, h: 5 * F.normalize(h, dim=1) @ F.normalize(m.others, dim=1).t(),
    "einsum": lambda m, h: torch.einsum("nf,kf->nk", h, m.others),
    "bmm": lambda m, h: torch.bmm(m.others.expand(len(h), 3, 12), h[:, :, None]).squeeze(2),
    "baddbmm": lambda m, h: torch.baddbmm(m.scale, h[:, None], m.others.t().expand(len(h), 12, 3))[:, 0],
    "mean over tokens": lambda m, h: m.last(torch.stack([h, h.flip(1)], 1)).mean(1),
    "the last token": lambda m, h: m.last(torch.stack([h, h.flip(1)], 1))[torch.arange(len(h)), -1],
    "a class masked": lambda m, h: m.last(h).masked_fill(torch.tensor([False, False, True]), -1e4),
    "a class replaced": lambda m, h: torch.where(
        torch.tensor([True, True, False]), m.last(h), torch.full_like(m.last(h), -1e4)
    ),
    "put into zeros": lambda m, h: torch.zeros(len(h), 3).index_add(1, torch.arange(3), m.last(h)),
    "two heads": lambda m, h: torch.cat([m.last(h), F.linear(h, m.others[:1])], 1),
    "experts": lambda m, h: sum(w * m.last(h * k) for k, w in enumerate(m.mixture.softmax(0), 1)),
    "gated": lambda m, h: m.last(h) * torch.sigmoid(F.linear(h, m.others)),
    "layer norm": lambda m, h: F.layer_norm(m.last(h), (3,)),
    "mean of two log_softmaxes": lambda m, h: (m.last(h).log_softmax(1) + m.last(2 * h).log_softmax(1)) / 2,
    "experts of logits, by a gate": lambda m, h: torch.einsum(
        "nm,nmk->nk", F.linear(h, m.others[:2]).softmax(1), _experts(m, h)
    ),
    "attention over logits": lambda m, h: F.scaled_dot_product_attention(*[_experts(m, h)[:, None]] * 3)[
        :, 0, 0
    ],
    "sigmoid features": lambda m, h: m.last(torch.sigmoid(h)),
    "softplus features": lambda m, h: F.linear(F.softplus(h), m.others),
    "bilinear": lambda m, h: F.bilinear(h, h.sigmoid(), m.others[:, :, None].expand(3, 12, 12)),
    "a number of weights drawn positive": lambda m, h: F.linear(h.sigmoid(), m.positive),
}


def _put(values):
    outputs = torch.zeros(len(values), 4)
    outputs[:, :3] = values
    return outputs


@pytest.mark.parametrize("name", list(UNKNOWN))
def test_what_no_layer_gives_is_not_read_as_logits(name, random):
    module, x = Ends(UNKNOWN[name]).eval(), numbers(random, 4, 8)
    with pytest.raises(
        howsure.ModelError, match=r"something that is not a layer's activation.*say so: outputs="
    ):
        howsure.assess(module, x)


def test_what_is_said_of_an_ending_holds(random):
    module, x = Ends(UNKNOWN["mean of two softmaxes"]).eval(), numbers(random, 4, 8)
    plain = howsure.assess(module, x, method=howsure.Softmax(), outputs="probabilities").probabilities
    assert plain == pytest.approx(own_outputs(module, x).numpy(), abs=1e-6)


@pytest.mark.parametrize("name", list(LINEAR))
def test_what_a_layer_gives_is_read_as_logits(name, random):
    module, x = Ends(LINEAR[name]).eval(), numbers(random, 4, 8)
    module.num_classes = module(torch.from_numpy(x)).shape[1]
    plain = howsure.assess(module, x, method=howsure.Softmax()).probabilities
    assert plain == pytest.approx(own_outputs(module, x).softmax(1).numpy(), abs=1e-6)


def _counted(words):
    return torch.zeros(len(words), 8).scatter_add_(1, words, torch.ones_like(words, dtype=torch.float))


def _loudness(x):
    return torch.stft(x, 14, 7, window=torch.hann_window(14), return_complex=True).abs()[:, :, 0]


ROWS = {
    "pixels": (lambda x: x.float() / 255, lambda random: random.integers(0, 256, (4, 8), "uint8")),
    "one_hot": (lambda x: F.one_hot(x, 8).float().mean(1), lambda random: random.integers(0, 8, (4, 5))),
    "words counted": (_counted, lambda random: random.integers(0, 8, (4, 5))),
    "a complex spectrum": (_loudness, lambda random: numbers(random, 4, 14)),
    "an inverse transform": (
        lambda x: torch.fft.irfft(torch.fft.rfft(x)),
        lambda random: numbers(random, 4, 8),
    ),
}


@pytest.mark.parametrize("name", list(ROWS))
def test_rows_of_any_type_are_followed_to_a_layer(name, random):
    first, rows = ROWS[name]
    layers = nn.Linear(8, 6), nn.ReLU(), nn.Dropout(0.3), nn.Linear(6, 3)
    module, x = nn.Sequential(Layer(lambda _, x: first(x)), *layers), rows(random)
    module.num_classes = 3
    plain = howsure.assess(module.eval(), x, method=howsure.Softmax()).probabilities
    assert plain == pytest.approx(own_outputs(module, x).softmax(1).numpy(), abs=1e-6)


@pytest.mark.parametrize("inplace", [False, True])
def test_one_sigmoid_is_one_also_in_place(inplace, random):
    sigmoid = Layer(lambda _, x: x.sigmoid_() if inplace else x.sigmoid())
    module = nn.Sequential(nn.Linear(8, 4), nn.Dropout(0.2), nn.Linear(4, 1), sigmoid).eval()
    x = numbers(random, 4, 8)
    plain = howsure.assess(module, x, method=howsure.Softmax()).probabilities[:, 1]
    assert plain == pytest.approx(np.ravel(own_outputs(module, x).numpy()), abs=1e-6)
