"""Modules as people write them by hand, for `validation.torch_models`: plain PyTorch alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from validation.torch_zoo import CLASSES, Kind, Layer, Through, mlp

Tensor = torch.Tensor

HANDWRITTEN: dict[str, Kind] = {}

MANY = 150
"""Rows of modules that work on 64 at a time."""

TWO_ALIKE = "rows of which the first two are alike"


def _in_training(function: Callable[[Tensor], Tensor]) -> Callable[[nn.Module, Tensor], Tensor]:
    return lambda module, h: function(h) if module.training else h


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
for _name, _function in BY_HAND.items():
    HANDWRITTEN[f"by hand: {_name}"] = Kind(lambda f=_function: Through(_in_training(f)))  # type: ignore[misc]


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
    kept = [[float(random.random() > 0.5) for _ in row] for row in h]
    return h * torch.tensor(kept) / 0.5


def _of_numpy(h: Tensor) -> Tensor:
    return h * torch.from_numpy(np.random.random(tuple(h.shape)) > 0.5) / 0.5


BESIDE: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "two masks of one draw": (_two_masks, "more than one mask"),
    "a rate for each unit": (_rates_of_units, "compared with more than one rate"),
    "a rate for each unit, bernoulli": (_bernoulli_of_units, "rates of their own"),
    "a layer that draws by numpy": (_of_numpy, "numbers of numpy or Python"),
    "a layer that draws by Python": (_of_python, "numbers of numpy or Python"),
}
for _name, (_function, _words) in BESIDE.items():
    HANDWRITTEN[f"{_name}, beside Dropout"] = Kind(
        lambda f=_function: nn.Sequential(Layer(_in_training(f)), mlp(nn.Dropout(0.3))),  # type: ignore[misc]
        refused=_words,
    )


# --- what is the same in every call -----------------------------------------------------------------------


def _projected(module: nn.Module, h: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return h + h @ torch.randn(h.shape[1], h.shape[1], generator=generator) / 3


HANDWRITTEN["a projection by a seeded generator"] = Kind(lambda: mlp(nn.Dropout(0.3), Layer(_projected)))


def _seeded(fork: bool) -> Callable[[nn.Module, Tensor], Tensor]:
    def projected(module: nn.Module, h: Tensor) -> Tensor:
        with torch.random.fork_rng(enabled=fork):
            torch.manual_seed(0)
            return h + h @ torch.randn(h.shape[1], h.shape[1]) / 3

    return projected


def _masked_by_a_seed(h: Tensor) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return h * (torch.rand(h.shape[1]) > 0.3) / 0.7


def _kept(module: nn.Module, h: Tensor) -> Tensor:
    if not hasattr(module, "projection"):
        module.projection = torch.randn(h.shape[1], h.shape[1])
    return h @ module.projection


HANDWRITTEN["a projection by a seed, forked"] = Kind(lambda: mlp(nn.Dropout(0.3), Layer(_seeded(True))))
HANDWRITTEN["a projection by a seed, then Dropout"] = Kind(
    lambda: mlp(Layer(_seeded(False)), nn.Dropout(0.3)), refused="seeded anew in every call"
)
HANDWRITTEN["a mask by a seed, in training alone"] = Kind(
    lambda: mlp(Layer(_in_training(_masked_by_a_seed)), nn.Dropout(0.3)), refused="seeded anew in every call"
)
HANDWRITTEN["a projection drawn at the first call"] = Kind(
    lambda: mlp(Layer(_kept), nn.Dropout(0.3)), refused="in its first call that later ones use again"
)
HANDWRITTEN["noise times a weight"] = Kind(
    lambda: nn.Sequential(
        Layer(_in_training(lambda h: h + torch.tensor(0.7) * torch.randn_like(h))), mlp(nn.Dropout(0.3))
    ),
    left="adds noise",
    oracle=lambda m: m[1],
)


# --- noise -----------------------------------------------------------------------------------------------


class NoisedWeights(nn.Linear):
    """Noise on its weights, in training."""

    def forward(self, x: Tensor) -> Tensor:
        noise = 0.3 * torch.randn_like(self.weight) if self.training else 0
        return nn.functional.linear(x, self.weight + noise, self.bias)


class NoisedWords(nn.Module):
    """Noise on rows that lie second, in training."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp(nn.Dropout(0.3))

    def forward(self, x: Tensor) -> Tensor:
        words = x.transpose(0, 1)
        if self.training:
            words = words + 0.5 * torch.randn_like(words)
        return self.net(words).mean(0)


def _quiet(module: nn.Module) -> nn.Module:
    """The same without noise: words are rows."""
    return nn.Sequential(module.net, Layer(lambda m, h: h.mean(1)))


for _count in (4, 6):
    HANDWRITTEN[f"noise on weights, {_count} units"] = Kind(
        lambda n=_count: nn.Sequential(  # type: ignore[misc]
            NoisedWeights(8, n), nn.Tanh(), nn.Dropout(0.2), nn.Linear(n, CLASSES)
        ),
        calls=True,
    )
    HANDWRITTEN[f"noise on rows that lie second, {_count} words"] = Kind(
        NoisedWords, (_count, 8), left="adds noise", oracle=_quiet
    )


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


def _flat(h: Tensor, n: int, words: int, last: Tensor) -> Tensor:
    return h.reshape(n * words, -1)[torch.arange(n) * words + last]


def _taken(h: Tensor, n: int, words: int, last: Tensor) -> Tensor:
    return h[torch.arange(n), last]


def _added(h: Tensor, n: int, words: int, last: Tensor) -> Tensor:
    row = torch.arange(n).repeat_interleave(words) + 0 * last.repeat_interleave(words)
    return h.new_zeros(n, 16).index_add(0, row, h.reshape(n * words, -1))


for _name, _picked in {"flat": _flat, "two indices": _taken, "added up": _added}.items():
    HANDWRITTEN[f"rows by their number, {_name}"] = Kind(
        lambda f=_picked: Words(f),  # type: ignore[misc]
        {"x": (5, 4), "lengths": (1,)},
    )


class Chunks(nn.Module):
    """It works on 64 rows at a time."""

    def __init__(self, function: Callable[[Tensor], Tensor], *, before: bool) -> None:
        super().__init__()
        self.first, self.last, self.drop = nn.Linear(8, 16), nn.Linear(16, CLASSES), nn.Dropout(0.3)
        self.function, self.before = function, before

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.first(x))
        return self.last(self.drop(self.function(h)) if self.before else self.function(self.drop(h)))


def _multiplied(h: Tensor) -> Tensor:
    for start in range(0, len(h), 64):
        h[start : start + 64].mul_(3)
    return h


def _put(h: Tensor) -> Tensor:
    out = torch.empty_like(h)
    for start in range(0, len(h), 64):
        out[start : start + 64] = torch.tanh(h[start : start + 64])
    return out


def _parts(h: Tensor) -> Tensor:
    return torch.cat([torch.tanh(part) for part in h.split(64)])


for _name, _cut in {"multiplied": _multiplied, "put": _put, "split": _parts}.items():
    for _before in (True, False):
        HANDWRITTEN[f"64 rows at a time, {_name} {'before' if _before else 'after'} Dropout"] = Kind(
            lambda f=_cut, before=_before: Chunks(f, before=before),  # type: ignore[misc]
            rows=MANY,
            copies=1000,
        )


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


class PackedWords(nn.Module):
    """A recurrent layer over packed sequences, with dropout between its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.last = nn.LSTM(4, 8, 2, batch_first=True, dropout=0.4), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        lengths = (x[:, :, 0] != 0).sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return self.last(4 * self.body(packed)[1][0][-1])


def _of_other_lengths(x: Any) -> Any:
    for number, row in enumerate(x):
        row[2 + number :] = 0
    return x


HANDWRITTEN["twins in one batch"] = Kind(Twins, {"one": (8,), "other": (8,)})
HANDWRITTEN["packed sequences of one length"] = Kind(PackedWords, (5, 4))
HANDWRITTEN["packed sequences of other lengths"] = Kind(
    PackedWords, (5, 4), changed=_of_other_lengths, refused="assess rows of one length at a time"
)


# --- endings --------------------------------------------------------------------------------------------


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
for _name, _end in ENDINGS.items():
    HANDWRITTEN[f"ends in {_name}"] = Kind(
        lambda f=_end: nn.Sequential(mlp(nn.Dropout(0.3)), Layer(lambda m, h: f(h))),  # type: ignore[misc]
        refused="does not end in a distribution over classes",
    )


HANDWRITTEN["distances turned"] = Kind(
    lambda: nn.Sequential(mlp(nn.Dropout(0.3)), Layer(lambda m, h: -torch.cdist(h, torch.eye(CLASSES))))
)


# --- rows of other types ------------------------------------------------------------------------------------


def _bag(module: nn.Module, words: Tensor) -> Tensor:
    return torch.zeros(len(words), 20).scatter_add_(1, words, torch.ones_like(words, dtype=torch.float))


def _loudness(module: nn.Module, x: Tensor) -> Tensor:
    return torch.stft(x, 16, 8, window=torch.hann_window(16), return_complex=True).abs().flatten(1)


ROWS_OF: dict[str, tuple[Callable[[nn.Module, Tensor], Tensor], tuple[int, ...], int, int]] = {
    "pixels below 256": (lambda m, x: x.float().flatten(1) / 255, (1, 6, 6), 256, 36),
    "one_hot": (lambda m, x: nn.functional.one_hot(x, 12).float().flatten(1), (5,), 12, 60),
    "words counted": (_bag, (9,), 20, 20),
    "a complex spectrum": (_loudness, (40,), 0, 54),
}
for _name, (_first, _shape, _whole, _inputs) in ROWS_OF.items():
    HANDWRITTEN[f"rows as {_name}"] = Kind(
        lambda f=_first, inputs=_inputs: nn.Sequential(Layer(f), mlp(nn.Dropout(0.3), inputs=inputs)),  # type: ignore[misc]
        _shape,
        whole=_whole,
    )


# --- what two rows may hide --------------------------------------------------------------------------------


def _masked(module: nn.Module, h: Tensor) -> Tensor:
    return torch.cat([h, torch.full_like(h[:, :1], -1e9)], 1)


def _louder(module: nn.Module, h: Tensor) -> Tensor:
    return nn.functional.dropout(3 * h if module.training else h, 0.3, module.training)


def _norm() -> nn.Module:
    return nn.BatchNorm1d(16, track_running_stats=False)


def _alike(x: Any) -> Any:
    x[1] = x[0]
    return x


class Inferring(nn.Module):
    """A backbone in inference mode, and dropout behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.4))
        self.drop, self.last = nn.Dropout(0.2), nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            h = self.backbone(x)
        return self.last(self.drop(h))


class Inferred(nn.Module):
    """All of it in inference mode."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp(nn.Dropout(0.3))

    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


HANDWRITTEN["a backbone in inference mode"] = Kind(Inferring)
HANDWRITTEN["a forward in inference mode"] = Kind(Inferred)


class DroppingNorm(nn.BatchNorm1d):
    """A norm that drops what it has made."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(x), 0.5, self.training)


HANDWRITTEN["a norm that drops, beside Dropout"] = Kind(
    lambda: mlp(DroppingNorm(16), nn.Dropout(0.1)), refused="a norm draws it"
)
HANDWRITTEN["a class masked with −1e9"] = Kind(lambda: nn.Sequential(mlp(nn.Dropout(0.3)), Layer(_masked)))
HANDWRITTEN["a class masked, a norm by the batch"] = Kind(
    lambda: nn.Sequential(mlp(_norm(), nn.Dropout(0.3)), Layer(_masked)), refused="on the rows beside it"
)
HANDWRITTEN[f"a norm by the batch, {TWO_ALIKE}"] = Kind(
    lambda: mlp(_norm(), nn.Dropout(0.3)), refused="on the rows beside it", changed=_alike
)
HANDWRITTEN["louder in training, rows of zeros"] = Kind(
    lambda: Through(_louder), refused="in training more is computed", changed=np.zeros_like
)


class Remembers(nn.Module):
    """It counts its calls in a tensor that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.calls = mlp(nn.Dropout(0.3)), torch.zeros(1)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.net(x)


HANDWRITTEN["a counter that is no buffer"] = Kind(Remembers)
