"""Modules as people write them by hand, for `validation.torch_models`: plain PyTorch alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from validation.torch_zoo import CLASSES, Kind, Made, in_training, mlp, stack, through, usual

Tensor = torch.Tensor

# --- masks of true and false --------------------------------------------------------------------------


def _assigned(h: Tensor) -> Tensor:
    h = h.clone()
    h[torch.rand_like(h) < 0.3] = 0
    return h / 0.7


BY_HAND: dict[str, Callable[[Tensor], Tensor]] = {
    "masked_fill": lambda h: h.masked_fill(torch.rand_like(h) < 0.3, 0) / 0.7,
    "where": lambda h: torch.where(torch.rand_like(h) < 0.3, 0.0, h / 0.7),
    "times not": lambda h: h * (~(torch.rand_like(h) < 0.3)) / 0.7,
    "put at places": _assigned,
    "bernoulli, bool": lambda h: h * torch.empty_like(h).bernoulli_(0.7).bool() / 0.7,
    "a rate in a tensor": lambda h: h * (torch.tensor(0.3) < torch.rand_like(h)) / 0.7,
    "a rate in a vector of one": lambda h: h * (torch.rand_like(h) > torch.tensor([0.3])) / 0.7,
}


def _two_masks(h: Tensor) -> Tensor:
    numbers = torch.rand_like(h)
    return (h * (numbers > 0.2) / 0.8 + h * (numbers > 0.5) / 0.5) / 2


def _rates_of_units(h: Tensor) -> Tensor:
    rates = torch.linspace(0.1, 0.6, h.shape[1])
    return h * (torch.rand_like(h) > rates) / (1 - rates)


def _bernoulli_of_units(h: Tensor) -> Tensor:
    kept = torch.linspace(0.9, 0.4, h.shape[1]).expand_as(h)
    return h * torch.bernoulli(kept) / kept


def _of_python(h: Tensor) -> Tensor:
    return h * torch.tensor([[float(random.random() > 0.5) for _ in row] for row in h]) / 0.5


def _of_numpy(h: Tensor) -> Tensor:
    return h * torch.from_numpy(np.random.random(tuple(h.shape)) > 0.5) / 0.5


BESIDE: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "two masks of one draw": (_two_masks, "more than one mask"),
    "a rate for each unit": (_rates_of_units, "compared with more than one rate"),
    "a rate for each unit, bernoulli": (_bernoulli_of_units, "rates of their own"),
    "a layer that draws by numpy": (_of_numpy, "numbers of numpy or Python"),
    "a layer that draws by Python": (_of_python, "numbers of numpy or Python"),
}
"""In training, before a dropout, and what its refusal says."""


# --- what is the same in every call -----------------------------------------------------------------------


def _projected(m: nn.Module, h: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return h + h @ torch.randn(h.shape[1], h.shape[1], generator=generator) / 3


def _seeded(fork: bool) -> nn.Module:
    def projected(m: nn.Module, h: Tensor) -> Tensor:
        with torch.random.fork_rng(enabled=fork):
            torch.manual_seed(0)
            return h + h @ torch.randn(h.shape[1], h.shape[1]) / 3

    return Made(projected)


def _masked_by_a_seed(h: Tensor) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return h * (torch.rand(h.shape[1]) > 0.3) / 0.7


def _kept(m: nn.Module, h: Tensor) -> Tensor:
    if not hasattr(m, "projection"):
        m.projection = torch.randn(h.shape[1], h.shape[1])
    return h @ m.projection


# --- noise -----------------------------------------------------------------------------------------------


class NoisedWeights(nn.Linear):
    """Noise on its weights, in training."""

    def forward(self, x: Tensor) -> Tensor:
        noise = 0.3 * torch.randn_like(self.weight) if self.training else 0
        return nn.functional.linear(x, self.weight + noise, self.bias)


def _noised_words(m: nn.Module, x: Tensor) -> Tensor:
    words = x.transpose(0, 1)
    return m.net(words + 0.5 * torch.randn_like(words) if m.training else words).mean(0)


# --- rows by their number -------------------------------------------------------------------------------


class Words(nn.Module):
    """What it makes of the last word of each row, or of all of its words."""

    def __init__(self, picked: Callable[[Tensor, int, int, Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 16), nn.Linear(16, CLASSES)
        self.drop, self.picked = nn.Dropout(0.5), picked

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        n, words, _ = x.shape
        last = lengths.flatten().long().abs() % words
        return self.last(self.picked(self.drop(torch.relu(self.first(x))), n, words, last))


def _added(h: Tensor, n: int, words: int, last: Tensor) -> Tensor:
    row = torch.arange(n).repeat_interleave(words) + 0 * last.repeat_interleave(words)
    return h.new_zeros(n, 16).index_add(0, row, h.reshape(n * words, -1))


PICKED: dict[str, Callable[[Tensor, int, int, Tensor], Tensor]] = {
    "flat": lambda h, n, words, last: h.reshape(n * words, -1)[torch.arange(n) * words + last],
    "two indices": lambda h, n, words, last: h[torch.arange(n), last],
    "added up": _added,
}


def _multiplied(h: Tensor) -> Tensor:
    for start in range(0, len(h), 64):
        h[start : start + 64].mul_(3)
    return h


def _put(h: Tensor) -> Tensor:
    out = torch.empty_like(h)
    for start in range(0, len(h), 64):
        out[start : start + 64] = torch.tanh(h[start : start + 64])
    return out


def _split(h: Tensor) -> Tensor:
    return torch.cat([torch.tanh(part) for part in h.split(64)])


def _in_chunks(function: Callable[[Tensor], Tensor], before: str) -> nn.Module:
    """It works on 64 rows at a time."""

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        h = torch.relu(m.first(x))
        return m.last(m.drop(function(h)) if before == "before" else function(m.drop(h)))

    return Made(forward, first=nn.Linear(8, 16), last=nn.Linear(16, CLASSES), drop=nn.Dropout(0.3))


# --- rows beside the usual order ------------------------------------------------------------------------


class Twins(nn.Module):
    """Both parts of each row go through one network, the second of all rows after the first of all."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.3))
        self.last = nn.Linear(16, CLASSES)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        one, other = self.body(torch.cat([one, other])).chunk(2)
        return self.last((one - other).abs())


def _packed() -> nn.Module:
    """A recurrent layer over packed sequences, with dropout between its layers."""

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        lengths = (x[:, :, 0] != 0).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return m.last(4 * m.body(packed)[1][0][-1])

    body = nn.LSTM(4, 8, 2, batch_first=True, dropout=0.4)
    return Made(forward, body=body, last=nn.Linear(8, CLASSES))


def _of_other_lengths(x: Any) -> Any:
    for number, row in enumerate(x):
        row[2 + number :] = 0
    return x


# --- endings, and rows of other types -------------------------------------------------------------------


def _sigmoids(logits: Tensor) -> Tensor:
    p = torch.sigmoid(logits[:, :1])
    return torch.cat([1 - p, p], 1)


ENDINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "exp of log_softmax": lambda logits: torch.log_softmax(logits, 1).exp(),
    "the mean of two softmaxes": lambda logits: (logits.softmax(1) + (2 * logits).softmax(1)) / 2,
    "a sigmoid and the rest": _sigmoids,
    "a softmax clamped": lambda logits: logits.softmax(1).clamp(1e-6, 1),
    "softplus and 1, as evidence": lambda logits: nn.functional.softplus(logits) + 1,
    "relu and 1": lambda logits: logits.relu() + 1,
    "a clamp from 0 to 1": lambda logits: logits.clamp(0, 1),
    "distances": lambda logits: torch.cdist(logits, torch.eye(CLASSES)),
    "labels of experts by a gate": lambda logits: torch.einsum(
        "nm,nmk->nk", logits[:, :2].softmax(1), torch.stack([logits, 2 * logits], 1).sigmoid()
    ),
}


def _bag(m: nn.Module, words: Tensor) -> Tensor:
    return torch.zeros(len(words), 20).scatter_add_(1, words, torch.ones_like(words, dtype=torch.float))


def _loudness(m: nn.Module, x: Tensor) -> Tensor:
    return torch.stft(x, 16, 8, window=torch.hann_window(16), return_complex=True).abs().flatten(1)


ROWS_OF: dict[str, tuple[Callable[[nn.Module, Tensor], Tensor], tuple[int, ...], int, int]] = {
    "pixels below 256": (lambda m, x: x.float().flatten(1) / 255, (1, 6, 6), 256, 36),
    "one_hot": (lambda m, x: nn.functional.one_hot(x, 12).float().flatten(1), (5,), 12, 60),
    "words counted": (_bag, (9,), 20, 20),
    "a complex spectrum": (_loudness, (40,), 0, 54),
}
"""What is made of rows, their shape, the integers that they are below, and how many numbers are made."""


# --- what two rows may hide --------------------------------------------------------------------------------


def _ending(function: Callable[[Tensor], Tensor], network: nn.Module | None = None) -> nn.Module:
    return nn.Sequential(network or usual(), Made(lambda m, h: function(h)))


def _masked(h: Tensor) -> Tensor:
    return torch.cat([h, torch.full_like(h[:, :1], -1e9)], 1)


def _by_the_batch() -> nn.Module:
    return mlp(nn.BatchNorm1d(16, track_running_stats=False), nn.Dropout(0.3))


def _alike(x: Any) -> Any:
    x[1] = x[0]
    return x


def _inferring(m: nn.Module, x: Tensor) -> Tensor:
    with torch.inference_mode():
        h = m.backbone(x)
    return m.last(m.drop(h))


class Inferred(nn.Module):
    """All of it in inference mode."""

    def __init__(self) -> None:
        super().__init__()
        self.net = usual()

    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class DroppingNorm(nn.BatchNorm1d):
    """A norm that drops what it has made."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(x), 0.5, self.training)


def _counting(m: nn.Module, x: Tensor) -> Tensor:
    """It counts its calls in a tensor that is no buffer."""
    m.calls += 1
    return m.net(x)


SEEDED = "seeded anew in every call"
HANDWRITTEN: dict[str, Kind] = {
    **{
        f"by hand: {name}": Kind(lambda f=function: through(in_training(f)))
        for name, function in BY_HAND.items()
    },
    **{
        f"{name}, beside Dropout": Kind(lambda f=function: usual(Made(in_training(f))), refused=words)
        for name, (function, words) in BESIDE.items()
    },
    "a projection by a seeded generator": Kind(lambda: mlp(nn.Dropout(0.3), Made(_projected))),
    "a projection by a seed, forked": Kind(lambda: mlp(nn.Dropout(0.3), _seeded(True))),
    "a projection by a seed, then Dropout": Kind(
        lambda: mlp(_seeded(False), nn.Dropout(0.3)), refused=SEEDED
    ),
    "a mask by a seed, in training alone": Kind(
        lambda: mlp(Made(in_training(_masked_by_a_seed)), nn.Dropout(0.3)), refused=SEEDED
    ),
    "a projection drawn at the first call": Kind(
        lambda: mlp(Made(_kept), nn.Dropout(0.3)), refused="in its first call that later ones use again"
    ),
    "noise times a weight": Kind(
        lambda: usual(Made(in_training(lambda h: h + torch.tensor(0.7) * torch.randn_like(h)))),
        left="adds noise",
        oracle=lambda m: m[1],
    ),
    **{
        name: kind
        for n in (4, 6)
        for name, kind in {
            f"noise on weights, {n} units": Kind(
                lambda n=n: stack(NoisedWeights(8, n), nn.Tanh(), nn.Dropout(0.2), width=n), calls=True
            ),
            f"noise on rows that lie second, {n} words": Kind(
                lambda: Made(_noised_words, net=usual()),
                (n, 8),
                left="adds noise",
                oracle=lambda m: nn.Sequential(m.net, Made(lambda m, h: h.mean(1))),  # words are rows
            ),
        }.items()
    },
    **{
        f"rows by their number, {name}": Kind(lambda f=picked: Words(f), {"x": (5, 4), "lengths": (1,)})
        for name, picked in PICKED.items()
    },
    **{
        f"64 rows at a time, {name} {before} Dropout": Kind(
            lambda f=function, before=before: _in_chunks(f, before), rows=150, copies=1000
        )
        for name, function in {"multiplied": _multiplied, "put": _put, "split": _split}.items()
        for before in ("before", "after")
    },
    "twins in one batch": Kind(Twins, {"one": (8,), "other": (8,)}),
    "packed sequences of one length": Kind(_packed, (5, 4)),
    "packed sequences of other lengths": Kind(
        _packed, (5, 4), changed=_of_other_lengths, refused="assess rows of one length at a time"
    ),
    **{
        f"ends in {name}": Kind(
            lambda f=end: _ending(f), refused="does not end in a distribution over classes"
        )
        for name, end in ENDINGS.items()
    },
    "distances turned": Kind(lambda: _ending(lambda h: -torch.cdist(h, torch.eye(CLASSES)))),
    **{
        f"rows as {name}": Kind(
            lambda f=first, inputs=inputs: usual(Made(f), inputs=inputs), shape, whole=whole
        )
        for name, (first, shape, whole, inputs) in ROWS_OF.items()
    },
    "a backbone in inference mode": Kind(
        lambda: Made(
            _inferring,
            backbone=nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.4)),
            drop=nn.Dropout(0.2),
            last=nn.Linear(16, CLASSES),
        )
    ),
    "a forward in inference mode": Kind(Inferred),
    "a norm that drops, beside Dropout": Kind(
        lambda: mlp(DroppingNorm(16), nn.Dropout(0.1)), refused="a norm draws it"
    ),
    "a class masked with −1e9": Kind(lambda: _ending(_masked)),
    "a class masked, a norm by the batch": Kind(
        lambda: _ending(_masked, _by_the_batch()), refused="on the rows beside it"
    ),
    "a norm by the batch, rows of which the first two are alike": Kind(
        _by_the_batch, refused="on the rows beside it", changed=_alike
    ),
    "louder in training, rows of zeros": Kind(
        lambda: through(lambda m, h: nn.functional.dropout(3 * h if m.training else h, 0.3, m.training)),
        refused="in training more is computed",
        changed=np.zeros_like,
    ),
    "a counter that is no buffer": Kind(lambda: Made(_counting, net=usual(), calls=torch.zeros(1))),
}
