"""Modules of PyTorch that draw in every way there is, for `validation.torch_models`.

Plain ones, such as people write by hand, and small ones of libraries, made from a configuration with weights
drawn. What is not installed is left out.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

Tensor = torch.Tensor
Function = Callable[[nn.Module, Tensor], Any]

CLASSES = 3

dropout = functools.partial(nn.Dropout, 0.3)


@dataclass(frozen=True)
class Kind:
    """A module, and what is expected of it.

    Attributes:
        make: Makes it, with weights.
        shape: Of one row; of each input for several.
        whole: Integers below this number, instead of normal numbers; 0 for normal numbers.
        calls: Whether one draw serves a batch, so that the oracle calls it once a pass.
        refused: What its refusal says, or None where passes are right.
        left: What is said of it, such as what stays fixed, or None.
        oracle: Makes what is compared with, where that is another module with the same weights.
        plain: Makes what its plain prediction is that of, where something is always drawn; it may be None.
        copies: Of each row that the oracle draws.
        louder: By what weights are multiplied, so that passes differ more than in the beginning; None for
            statistics of norms and a spread of the logits as training would give them.
        rows: How many rows.
        changed: Makes of normal numbers the rows that are wanted.
        outputs: What the outputs are, where they are not one class per row, with the levels of quantiles.
    """

    make: Callable[[], nn.Module]
    shape: Any = (8,)
    whole: int = 0
    calls: bool = False
    refused: str | None = None
    left: str | None = None
    oracle: Callable[[nn.Module], nn.Module] | None = None
    plain: Callable[[nn.Module], nn.Module | None] | None = None
    copies: int = 6000
    louder: float | None = 1.5
    rows: int = 3
    changed: Callable[[Any], Any] = lambda x: x
    outputs: Mapping[str, Any] = field(default_factory=dict)


# --- what modules are made of --------------------------------------------------------------------------


class Made(nn.Module):
    """Parts, and what is computed with them: what a function draws, is drawn in this module."""

    def __init__(self, function: Function, **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def through(function: Function, width: int = 16) -> nn.Module:
    """Two linear layers with a function between."""
    parts = {"first": nn.Linear(8, width), "last": nn.Linear(width, CLASSES)}
    return Made(lambda m, x: m.last(function(m, torch.relu(m.first(x)))), **parts)


def in_training(function: Callable[[Tensor], Tensor]) -> Function:
    """A function that is computed in training alone."""
    return lambda m, h: function(h) if m.training else h


def stack(*parts: nn.Module, width: int) -> nn.Module:
    """Some parts and a last linear layer of so many inputs."""
    return nn.Sequential(*parts, nn.Linear(width, CLASSES))


def mlp(*between: nn.Module, width: int = 16, inputs: int = 8) -> nn.Module:
    """Two linear layers with something between."""
    return stack(nn.Linear(inputs, width), nn.ReLU(), *between, width=width)


def usual(*before: nn.Module, **settings: Any) -> nn.Module:
    """Two linear layers and dropout of 0.3 between, behind something or nothing."""
    network = mlp(dropout(), **settings)
    return nn.Sequential(*before, network) if before else network


def imported(module: str, name: str, *given: Any, **settings: Any) -> Callable[[], nn.Module]:
    """What a class or function of another package makes."""
    return lambda: getattr(importlib.import_module(module), name)(*given, **settings)


def is_there(package: str) -> bool:
    """Whether a package is installed."""
    return importlib.util.find_spec(package) is not None


def _convolved(layer: nn.Module, activation: nn.Module, drop: nn.Module, width: int) -> nn.Module:
    return stack(layer, activation, drop, nn.Flatten(), width=width)


def _normed(norm: Callable[[nn.Module], nn.Module]) -> nn.Module:
    return stack(norm(nn.Linear(8, 16)), nn.ReLU(), dropout(), width=16)


def _of_images(drop: Callable[..., Tensor], rate: float, *sides: int) -> nn.Module:
    return through(lambda m, h: drop(h.view(-1, *sides), rate, m.training).flatten(1))


def _called_three_times() -> nn.Module:
    drop = nn.Dropout(0.2)
    return stack(drop, nn.Linear(8, 16), nn.Tanh(), drop, nn.Linear(16, 16), nn.Tanh(), drop, width=16)


class Twice(nn.Dropout):
    """A subclass that does more than drop."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 0.5 * super().forward(x)


# --- drawn by hand -------------------------------------------------------------------------------------


def _concrete(module: nn.Module, h: Tensor) -> Tensor:
    """Concrete dropout, Gal and others 2017, always on."""
    u, p, tiny = torch.rand_like(h), torch.tensor(0.3), 1e-7
    dropped = torch.sigmoid((torch.logit(p) + torch.log(u + tiny) - torch.log(1 - u + tiny)) / 0.1)
    return h * (1 - dropped) / (1 - p)


def _beside(drop: Callable[[Tensor], Tensor]) -> nn.Module:
    """A residual branch that is dropped for a row as a whole."""
    return through(lambda m, h: h + in_training(drop)(m, torch.tanh(h)))


class Bayesian(nn.Module):
    """Weights drawn anew at every call, Blundell and others 2015; one draw for all rows."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)
        self.deviation = nn.Parameter(torch.full((outputs, inputs), 0.15))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.mean + self.deviation * torch.randn_like(self.mean))


def _means(module: nn.Module) -> nn.Module:
    for each in (module[0], module[2]):
        each.deviation.data.zero_()
    return module


class DroppedWeights(nn.Linear):
    """Drop connect, Wan and others 2013: one mask of the weights for a batch."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, F.dropout(self.weight, 0.3, self.training), self.bias)


def _words(m: nn.Module, x: Tensor) -> Tensor:
    """A dropped vocabulary, Gal and Ghahramani 2016: a word is missing everywhere or nowhere."""
    weight = m.words.weight
    if m.training:
        weight = weight * weight.new_empty((12, 1)).bernoulli_(0.7) / 0.7
    return m.last(F.embedding(x, weight).mean(1))


def _locked(m: nn.Module, x: Tensor) -> Tensor:
    """The same mask at every time step, (N, 1, H)."""
    h, _ = m.rnn(x)
    if m.training:
        h = h * h.new_empty(len(h), 1, h.shape[2]).bernoulli_(0.7) / 0.7
    return m.last(torch.tanh(h).mean(1))


# --- recurrent layers and attention --------------------------------------------------------------------


def _recurrent(kind: Callable[..., nn.Module], width: int = 8, **settings: Any) -> nn.Module:
    """Two recurrent layers with dropout between them."""
    first = settings.get("batch_first", False)

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        h, _ = m.rnn(x if first else x.transpose(0, 1))
        return m.last(3 * (h[:, -1] if first else h[-1]))

    return Made(forward, rnn=kind(4, 8, 2, dropout=0.4, **settings), last=nn.Linear(width, CLASSES))


def _attending(**settings: Any) -> nn.Module:
    return Made(
        lambda m, x: m.last(3 * m.attention(x, x, x, **settings)[0].mean(1)),
        attention=nn.MultiheadAttention(8, 2, dropout=0.4, batch_first=True),
        last=nn.Linear(8, CLASSES),
    )


def _scaled(m: nn.Module, x: Tensor) -> Tensor:
    q, k, v = m.qkv(x).view(len(x), -1, 3, 2, 4).permute(2, 0, 3, 1, 4)
    h = F.scaled_dot_product_attention(q, k, v, dropout_p=0.4 if m.training else 0.0)
    return m.last(3 * h.transpose(1, 2).flatten(2).mean(1))


def _encoder(**settings: Any) -> nn.Module:
    """`nn.TransformerEncoder`, whose fast path drops nothing."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True, **settings)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return Made(lambda m, x: m.last(m.encoder(x).mean(1)), encoder=encoder, last=nn.Linear(8, CLASSES))


class Both(nn.Module):
    """`nn.Transformer`, two keyword inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.both = nn.Transformer(8, 2, 1, 1, 16, dropout=0.2, batch_first=True)
        self.last = nn.Linear(8, CLASSES)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.last(self.both(source, target).mean(1))


def _folded(rows_first: bool) -> nn.Module:
    """Dropout on rows and time steps in one axis."""

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        x = x if rows_first else x.transpose(0, 1)
        one, other, _ = x.shape
        h = m.drop(torch.tanh(m.first(x.reshape(one * other, -1))))
        return m.last(h.view(one, other, -1).sum(int(rows_first)))

    return Made(forward, first=nn.Linear(4, 8), drop=dropout(), last=nn.Linear(8, CLASSES))


def _question(**settings: Any) -> nn.Module:
    """The question's network, small, with norms of a batch."""
    parts = (
        *(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6, **settings), nn.ReLU(), nn.Dropout(0.2)),
        *(nn.Conv2d(6, 6, 3), nn.BatchNorm2d(6, **settings), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2)),
        *(nn.Flatten(), nn.Linear(24, 12), nn.ReLU(), nn.Dropout(0.25)),
    )
    return Made(lambda m, x: m.body(x), body=stack(*parts, width=12))


class Counting(nn.Module):
    """A buffer that counts the calls in training, in the module that drops."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 16), nn.Linear(16, CLASSES)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
        return self.last(F.dropout(torch.relu(self.first(x)), 0.3, self.training))


# --- what is more than dropout -------------------------------------------------------------------------


def _flip(m: nn.Module, x: Tensor) -> Tensor:
    return x.flip(-1) if m.training and torch.rand(()) < 0.5 else x


def _jitter(m: nn.Module, x: Tensor) -> Tensor:
    return x * (0.8 + 0.4 * torch.rand(len(x), 1)) if m.training else x


class Layers(nn.Module):
    """Layers that are left out as a whole, Fan and others 2020."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        self.last, self.rate = nn.Linear(8, CLASSES), rate

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            if self.training and torch.rand(()) < self.rate:
                continue
            x = x + torch.tanh(layer(x))
        return self.last(F.dropout(x, 0.2, self.training))


def _still(module: nn.Module) -> nn.Module:
    module.rate = 0.0
    return module


class Outputs(NamedTuple):
    """What some networks of torchvision return in training."""

    logits: Tensor
    auxiliary: Tensor


def _auxiliary(kind: str) -> nn.Module:
    """A second head in training."""

    def forward(m: nn.Module, x: Tensor) -> Any:
        h = torch.relu(m.first(x))
        h = F.dropout(h, 0.3, m.training) if kind.startswith("own") else m.drop(h)
        y = m.last(h)
        if m.training and kind.endswith("tuple"):
            return Outputs(y, m.second(h))
        return {"loss": y.sum()} if m.training and kind.endswith("loss") else y

    parts = {"first": nn.Linear(8, 16), "drop": dropout()}
    return Made(forward, **parts, last=nn.Linear(16, CLASSES), second=nn.Linear(16, CLASSES))


def _with_one_head(module: nn.Module) -> nn.Module:
    return nn.Sequential(module.first, nn.ReLU(), module.drop, module.last)


def _louder(own: bool) -> nn.Module:
    """It computes something else in training, beside its dropout."""

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        h = torch.tanh(m.net(x))
        h = F.dropout(h, 0.3, m.training) if own else m.drop(h)
        return m.last(h) * (2 if m.training else 1)

    return Made(forward, net=nn.Linear(8, 16), drop=dropout(), last=nn.Linear(16, CLASSES))


class Logits(nn.Module):
    """It returns a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.net = usual()

    def forward(self, features: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        return {"logits": self.net(features), "hidden": features}


_GENERATOR = np.random.default_rng(0)


def _of_numpy(draw: Callable[..., Any]) -> nn.Module:
    """A mask of numpy's, beside a dropout."""
    return through(
        in_training(lambda h: F.dropout(h, 0.1) * torch.from_numpy(draw(tuple(h.shape)) > 0.3).float() / 0.7)
    )


def _chosen(m: nn.Module, h: Tensor) -> Tensor:
    some = h[:, 0] > h[:, 1]
    return h.masked_scatter(some[:, None], F.dropout(h[some], 0.3, m.training))


# --- wrapped, compiled, scripted -----------------------------------------------------------------------


def _exported(training: bool) -> nn.Module:
    network, sides = usual().train(training), ({0: torch.export.Dim("n")},)
    return torch.export.export(network, (torch.zeros(2, 8),), dynamic_shapes=sides).module()


class Kept(nn.Module):
    """Part of it is kept from training by a `train` of its own, as a frozen backbone often is."""

    def __init__(self, kept: nn.Module, *others: nn.Module) -> None:
        super().__init__()
        self.kept, self.others = kept, nn.Sequential(*others)

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        self.kept.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.others(self.kept(x))


def _frozen() -> nn.Module:
    backbone = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5))
    return Kept(backbone, nn.Dropout(0.2), nn.Linear(16, CLASSES))


ALONE = "cannot be told apart from what else training does"
ZOO: dict[str, Kind] = {
    "Dropout": Kind(usual),
    "Dropout, in place": Kind(lambda: mlp(nn.Dropout(0.3, inplace=True))),
    "Dropout, rate 0.5": Kind(lambda: mlp(nn.Dropout(0.5))),
    "softmax at the end": Kind(lambda: nn.Sequential(usual(), nn.Softmax(dim=1))),
    "several Dropouts": Kind(
        lambda: nn.Sequential(
            nn.Dropout(0.1), nn.Linear(8, 16), nn.Tanh(), nn.Dropout(0.2), mlp(nn.Dropout(0.4), inputs=16)
        )
    ),
    "Dropout1d": Kind(lambda: _convolved(nn.Conv1d(2, 6, 3), nn.ReLU(), nn.Dropout1d(0.3), 36), (2, 8)),
    "Dropout2d": Kind(lambda: _convolved(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Dropout2d(0.3), 96), (1, 6, 6)),
    "Dropout3d": Kind(lambda: _convolved(nn.Conv3d(1, 6, 3), nn.ReLU(), nn.Dropout3d(0.3), 48), (1, 4, 4, 4)),
    "AlphaDropout": Kind(lambda: stack(nn.Linear(8, 16), nn.SELU(), nn.AlphaDropout(0.2), width=16)),
    "FeatureAlphaDropout": Kind(
        lambda: _convolved(nn.Conv1d(2, 6, 3), nn.SELU(), nn.FeatureAlphaDropout(0.2), 36), (2, 8)
    ),
    "F.dropout": Kind(lambda: through(lambda m, h: F.dropout(h, 0.3, m.training))),
    "F.dropout, always on": Kind(
        lambda: through(lambda m, h: F.dropout(h, 0.3)),
        plain=lambda m: nn.Sequential(m.first, nn.ReLU(), m.last),
    ),
    "F.alpha_dropout": Kind(lambda: through(lambda m, h: F.alpha_dropout(h, 0.2, m.training))),
    "F.feature_alpha_dropout": Kind(lambda: _of_images(F.feature_alpha_dropout, 0.2, 4, 4)),
    "F.dropout1d": Kind(lambda: _of_images(F.dropout1d, 0.3, 4, 4)),
    "torch.dropout": Kind(lambda: through(lambda m, h: torch.dropout(h, 0.3, m.training))),
    "torch.feature_dropout": Kind(lambda: _of_images(torch.feature_dropout, 0.3, 4, 2, 2)),
    "subclass of Dropout": Kind(lambda: mlp(Twice(0.3))),
    "rate 0 beside another": Kind(lambda: mlp(nn.Dropout(0.0), dropout())),
    "one Dropout called three times": Kind(_called_three_times),
    "bernoulli by hand": Kind(
        lambda: through(in_training(lambda h: h * torch.bernoulli(torch.full_like(h, 0.7)) / 0.7))
    ),
    "rand and a comparison": Kind(
        lambda: through(in_training(lambda h: h * (torch.rand(h.shape) > 0.3).float() / 0.7))
    ),
    "rand and where, unscaled": Kind(
        lambda: through(in_training(lambda h: torch.where(torch.rand_like(h) < 0.3, torch.zeros_like(h), h)))
    ),
    "drop path of timm": Kind(lambda: _beside(lambda b: b * b.new_empty((len(b), 1)).bernoulli_(0.6) / 0.6)),
    "drop path of Hugging Face": Kind(
        lambda: _beside(lambda b: b.div(0.6) * (0.6 + torch.rand((len(b), 1))).floor_())
    ),
    "Gaussian dropout by hand": Kind(
        lambda: through(in_training(lambda h: h * (1 + 0.5 * torch.randn_like(h))))
    ),
    "noise beside Dropout": Kind(
        lambda: mlp(Made(in_training(lambda h: h + 0.5 * torch.randn_like(h))), dropout()),
        left="adds noise",
        oracle=lambda m: nn.Sequential(m[0], m[1], m[3], m[4]),
    ),
    "concrete dropout, always on": Kind(lambda: through(_concrete), plain=lambda m: None),
    "weights drawn, always": Kind(
        lambda: nn.Sequential(Bayesian(8, 16), nn.ReLU(), Bayesian(16, CLASSES)), calls=True, plain=_means
    ),
    "drop connect": Kind(
        lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), DroppedWeights(16, CLASSES)), calls=True
    ),
    "dropped vocabulary": Kind(
        lambda: Made(_words, words=nn.Embedding(12, 8), last=nn.Linear(8, CLASSES)), (6,), 12, calls=True
    ),
    "locked dropout": Kind(
        lambda: Made(_locked, rnn=nn.GRU(4, 8, batch_first=True), last=nn.Linear(8, CLASSES)), (5, 4)
    ),
    "LSTM": Kind(lambda: _recurrent(nn.LSTM, batch_first=True), (5, 4)),
    "LSTM, both ways, time first": Kind(lambda: _recurrent(nn.LSTM, 16, bidirectional=True), (5, 4)),
    "GRU": Kind(lambda: _recurrent(nn.GRU, batch_first=True), (5, 4)),
    "RNN": Kind(lambda: _recurrent(nn.RNN), (5, 4)),
    "MultiheadAttention": Kind(_attending, (5, 8)),
    "MultiheadAttention, no weights": Kind(lambda: _attending(need_weights=False), (5, 8)),
    "scaled_dot_product_attention": Kind(
        lambda: Made(_scaled, qkv=nn.Linear(8, 24), last=nn.Linear(8, CLASSES)), (5, 8)
    ),
    "TransformerEncoder": Kind(_encoder, (5, 8)),
    "TransformerEncoder, norm first": Kind(lambda: _encoder(norm_first=True), (5, 8)),
    "Transformer, keyword inputs": Kind(Both, {"source": (5, 8), "target": (3, 8)}),
    "folded axis, rows first": Kind(lambda: _folded(True), (5, 4)),
    "folded axis, time first": Kind(lambda: _folded(False), (5, 4)),
    "BatchNorm and Dropout": Kind(_question, (1, 8, 8)),
    "BatchNorm without statistics": Kind(
        lambda: _question(track_running_stats=False), (1, 8, 8), refused="depends on the rows beside it"
    ),
    "spectral norm": Kind(lambda: _normed(nn.utils.parametrizations.spectral_norm)),
    "spectral norm, old way": Kind(lambda: _normed(nn.utils.spectral_norm)),
    "weight norm": Kind(lambda: _normed(nn.utils.parametrizations.weight_norm)),
    "a counter in the module that drops": Kind(Counting),
    "random flip, a module": Kind(lambda: usual(Made(_flip)), left="chooses a branch", oracle=lambda m: m[1]),
    "random scale, a module": Kind(lambda: usual(Made(_jitter)), left="no dropout", oracle=lambda m: m[1]),
    "augmentation in forward": Kind(
        lambda: Made(lambda m, x: m.net(_flip(m, _jitter(m, x))), net=usual()),
        left="chooses a branch",
        oracle=lambda m: m.net,
    ),
    "scale and dropout in one": Kind(
        lambda: through(lambda m, h: F.dropout(_jitter(m, h), 0.3, m.training)),
        left="no dropout",
        oracle=lambda m: nn.Sequential(m.first, nn.ReLU(), dropout(), m.last),
    ),
    "layer drop at rate 0": Kind(lambda: Layers(0.0)),
    "layer drop": Kind(lambda: Layers(0.3), left="chooses a branch", oracle=_still),
    "auxiliary head": Kind(lambda: _auxiliary("tuple"), oracle=_with_one_head),
    "auxiliary head, own dropout": Kind(lambda: _auxiliary("own tuple"), oracle=_with_one_head),
    "a loss in training": Kind(lambda: _auxiliary("loss"), oracle=_with_one_head),
    "a loss in training, own dropout": Kind(lambda: _auxiliary("own loss"), refused=ALONE),
    "another temperature in training": Kind(
        lambda: _louder(False), oracle=lambda m: nn.Sequential(m.net, nn.Tanh(), m.drop, m.last)
    ),
    "another temperature, own dropout": Kind(
        lambda: _louder(True), refused="more is computed than in predicting"
    ),
    "a dict with logits": Kind(Logits, {"features": (8,)}),
    "drawn by a generator of numpy": Kind(
        lambda: _of_numpy(_GENERATOR.random), refused="numbers of numpy or Python"
    ),
    "drawn by numpy": Kind(
        lambda: _of_numpy(np.random.random), refused="numbers of numpy or Python are drawn in training"
    ),
    "dropout on some rows": Kind(lambda: through(_chosen), refused="does not go by the number of rows alone"),
    "FractionalMaxPool2d": Kind(
        lambda: _convolved(nn.Conv2d(1, 3, 3), nn.FractionalMaxPool2d(2, 3), dropout(), 27),
        (1, 10, 10),
        plain=lambda m: None,
    ),
    "RReLU beside Dropout": Kind(
        lambda: stack(nn.Linear(8, 16), nn.RReLU(), dropout(), width=16),
        left="rrelu",
        oracle=lambda m: nn.Sequential(m[0], nn.LeakyReLU((1 / 8 + 1 / 3) / 2), m[2], m[3]),
    ),
    "nothing random": Kind(mlp, refused="no random layer"),
    "torch.compile": Kind(lambda: torch.compile(usual(), backend="eager")),
    "DataParallel": Kind(lambda: nn.DataParallel(usual())),
    "jit.script": Kind(lambda: torch.jit.script(usual()), refused="scripted"),
    "jit.trace in eval": Kind(lambda: torch.jit.trace(usual().eval(), torch.zeros(2, 8)), refused="traced"),
    "export in eval": Kind(lambda: _exported(training=False), refused="exported"),
    "export in training": Kind(lambda: _exported(training=True), refused="exported"),
    "bfloat16": Kind(lambda: usual().bfloat16()),
    "float64": Kind(lambda: usual().double()),
    "a train of its own": Kind(lambda: Kept(*usual())),
    "a backbone kept frozen by train": Kind(_frozen, oracle=lambda m: nn.Sequential(m.kept[:3], *m.others)),
}


# --- by hand: masks of true and false ---------------------------------------------------------------


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


def _of_numpy_by_hand(h: Tensor) -> Tensor:
    return h * torch.from_numpy(np.random.random(tuple(h.shape)) > 0.5) / 0.5


BESIDE: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "two masks of one draw": (_two_masks, "no single mask of one rate"),
    "a rate for each unit": (_rates_of_units, "no single mask of one rate"),
    "a rate for each unit, bernoulli": (_bernoulli_of_units, "no single mask of one rate"),
    "a layer that draws by numpy": (_of_numpy_by_hand, "numbers of numpy or Python"),
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
        return F.linear(x, self.weight + noise, self.bias)


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

    return Made(forward, first=nn.Linear(8, 16), last=nn.Linear(16, CLASSES), drop=dropout())


# --- rows beside the usual order ------------------------------------------------------------------------


class Twins(nn.Module):
    """Both parts of each row go through one network, the second of all rows after the first of all."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), dropout())
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
    "softplus and 1, as evidence": lambda logits: F.softplus(logits) + 1,
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
    "one_hot": (lambda m, x: F.one_hot(x, 12).float().flatten(1), (5,), 12, 60),
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
    return mlp(nn.BatchNorm1d(16, track_running_stats=False), dropout())


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
        return F.dropout(super().forward(x), 0.5, self.training)


def _counting(m: nn.Module, x: Tensor) -> Tensor:
    """It counts its calls in a tensor that is no buffer."""
    m.calls += 1
    return m.net(x)


class MeanOfWords(nn.Module):
    """The mean over the words of a text, or over padding too."""

    def __init__(self, reads_padding: bool) -> None:
        super().__init__()
        self.reads_padding, self.words, self.net = reads_padding, nn.Embedding(50, 8), usual()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        there = torch.ones_like(attention_mask) if self.reads_padding else attention_mask
        return self.net((self.words(input_ids) * there[..., None]).sum(1) / there.sum(1, keepdim=True))


SEEDED = "seeded anew in every call"
ALIKE = "draws the same numbers in every call"
TOKENS = {"input_ids": (10,), "attention_mask": (10,)}
HANDWRITTEN: dict[str, Kind] = {
    **{
        f"by hand: {name}": Kind(lambda f=function: through(in_training(f)))
        for name, function in BY_HAND.items()
    },
    **{
        f"{name}, beside Dropout": Kind(lambda f=function: usual(Made(in_training(f))), refused=words)
        for name, (function, words) in BESIDE.items()
    },
    "a projection by a seeded generator": Kind(lambda: mlp(dropout(), Made(_projected)), refused=ALIKE),
    "a projection by a seed, forked": Kind(lambda: mlp(dropout(), _seeded(True)), refused=ALIKE),
    "a projection by a seed, then Dropout": Kind(lambda: mlp(_seeded(False), dropout()), refused=ALIKE),
    "a mask by a seed, in training alone": Kind(
        lambda: mlp(Made(in_training(_masked_by_a_seed)), dropout()), refused=SEEDED
    ),
    "a projection drawn at the first call": Kind(
        lambda: mlp(Made(_kept), dropout()), refused="in its first call that later ones use again"
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
        f"a mean over words{more}": Kind(
            functools.partial(MeanOfWords, said is not None), TOKENS, left=said, copies=2000
        )
        for more, said in (("", None), (" and padding", "was padded, and that changes"))
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
        lambda: through(lambda m, h: F.dropout(3 * h if m.training else h, 0.3, m.training)),
        refused="in training more is computed",
        changed=np.zeros_like,
    ),
    "a counter that is no buffer": Kind(lambda: Made(_counting, net=usual(), calls=torch.zeros(1))),
}


# --- of libraries --------------------------------------------------------------------------------

small = functools.partial(Kind, copies=1000, louder=None)
SMALL, LARGER = (3, 32, 32), (3, 64, 64)

RATES = {"drop_rate": 0.2, "drop_path_rate": 0.2}
REFUSED = {"refused": "depends on those for others beside it"}
TIMM: dict[str, tuple[str, tuple[int, ...], dict[str, Any], dict[str, str]]] = {
    "vit_tiny": (
        *("vit_tiny_patch16_224", SMALL),
        {"img_size": 32, **RATES, "depth": 3, "attn_drop_rate": 0.2, "proj_drop_rate": 0.2},
        {},
    ),
    "efficientnet_b0": ("efficientnet_b0", SMALL, RATES, {}),
    "swin_tiny": (
        *("swin_tiny_patch4_window7_224", SMALL),
        {"img_size": 32, **RATES, "window_size": 4, "depths": (1, 1, 1, 1), "attn_drop_rate": 0.2},
        {},
    ),
    "convnext_atto": ("convnext_atto", SMALL, {"drop_rate": 0.2, "drop_path_rate": 0.3}, {}),
    "resnet18, drop path": ("resnet18", LARGER, {"drop_path_rate": 0.2, "zero_init_last": False}, {}),
    "resnet18, drop block": ("resnet18", LARGER, {"drop_block_rate": 0.2, "zero_init_last": False}, REFUSED),
    "mixer": (*("mixer_s32_224", LARGER), {"img_size": 64, "proj_drop_rate": 0.2, "drop_path_rate": 0.2}, {}),
}
"""Name of the model, shape of a row, settings, and what is expected."""

TORCHVISION: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "alexnet": (LARGER, {}),
    "vgg11_bn": (SMALL, {}),
    "googlenet": (LARGER, {"init_weights": False}),
    "squeezenet1_1": (LARGER, {}),
    "mobilenet_v3_small": (SMALL, {"dropout": 0.3}),
    "efficientnet_b0": (SMALL, {}),
    "convnext_tiny": (SMALL, {"stochastic_depth_prob": 0.3, "layer_scale": 1.0}),
    "swin_t": (SMALL, {"dropout": 0.1, "attention_dropout": 0.1}),
    "densenet121": (SMALL, {"drop_rate": 0.2}),
}

DROPS = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.2}
TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32} | DROPS
TEXTS: dict[str, dict[str, Any]] = {
    "Bert": TINY,
    "Roberta": TINY | {"max_position_embeddings": 20},
    "Electra": TINY,
    "Albert": TINY | {"embedding_size": 8, "classifier_dropout_prob": 0.2},
    "DistilBert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
    "DebertaV2": TINY,
    "GPT2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 16},
    "Bart": {
        **{"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2},
        **{"decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "eos_token_id": 1},
        **{"dropout": 0.2, "bos_token_id": 2},
    },
    "Bert, eager": TINY | {"attn_implementation": "eager"},
    "Bert, hidden states": TINY | {"output_hidden_states": True},
}
SOUND = {
    **{key: value for key, value in TINY.items() if key not in DROPS},
    **{"conv_dim": [8, 8], "conv_stride": [4, 4], "conv_kernel": [8, 8], "num_feat_extract_layers": 2},
    **{"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "classifier_proj_size": 8},
    **{"mask_time_prob": 0.0, "layerdrop": 0.0, "hidden_dropout": 0.2, "num_labels": CLASSES},
}
PATCHES = {"image_size": 32, "patch_size": 8, "num_labels": CLASSES}
PICTURES: dict[str, dict[str, Any]] = {
    "ViT": TINY | PATCHES,
    "Beit": TINY | PATCHES | {"drop_path_rate": 0.3, "vocab_size": 8},
    "Swin": {
        **(PATCHES | DROPS | {"patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2]}),
        **{"window_size": 4, "drop_path_rate": 0.3},
    },
    "ConvNext": {
        **{"hidden_sizes": [8] * 4, "depths": [1] * 4, "drop_path_rate": 0.4},
        **{"layer_scale_init_value": 1.0, "num_labels": CLASSES},
    },
}
"""By the name of a configuration of transformers, its settings."""


def _transformer(name: str, task: str, settings: dict[str, Any]) -> Any:
    """A classifier of transformers, tiny, from its configuration."""

    def make() -> nn.Module:
        import transformers

        config = getattr(transformers, f"{name}Config")(**settings)
        return getattr(transformers, f"{name}For{task}")(config)

    return make


def _lightning() -> nn.Module:
    import lightning

    class Classifier(lightning.LightningModule):
        """As its documentation has it."""

        def __init__(self) -> None:
            super().__init__()
            self.net = usual()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """The logits."""
            return self.net(x)

        def training_step(self, batch: Any, number: int) -> torch.Tensor:
            """The loss."""
            x, y = batch
            return F.cross_entropy(self(x), y)

    return Classifier()


def _of_pixels() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.Dropout2d(0.3), nn.Conv2d(8, CLASSES, 3, padding=1)
    )


def _of_words() -> nn.Module:
    return nn.Sequential(nn.Conv1d(4, 16, 3, padding=1), nn.ReLU(), dropout(), nn.Conv1d(16, CLASSES, 1))


OTHER_ANSWERS: dict[str, Kind] = {
    "numbers": Kind(usual, outputs={"outputs": "values"}),
    "numbers, from the first layer on": Kind(
        lambda: nn.Sequential(dropout(), usual()), outputs={"outputs": "values"}
    ),
    "logarithms of counts": Kind(usual, outputs={"outputs": "log-rates"}),
    "counts": Kind(lambda: nn.Sequential(usual(), nn.Softplus()), outputs={"outputs": "rates"}),
    "quantiles": Kind(
        lambda: Made(lambda m, x: nn.functional.softplus(m.net(x)).cumsum(1), net=usual()),
        outputs={"outputs": "quantiles", "levels": (0.1, 0.5, 0.9)},
    ),
    "several labels": Kind(usual, outputs={"outputs": "label-logits"}),
    "a class for each pixel": Kind(
        _of_pixels, (2, 6, 6), outputs={"outputs": "logits", "keep": "probabilities"}
    ),
    "a class for each word": Kind(_of_words, (4, 9), outputs={"outputs": "logits", "keep": "probabilities"}),
}

LIBRARIES: dict[str, Kind] = {}
if is_there("timm"):
    for name, (model, shape, settings, expected) in TIMM.items():
        make = imported("timm", "create_model", model_name=model, num_classes=CLASSES, **settings)
        LIBRARIES[f"timm {name}"] = small(make, shape, **expected)
if is_there("torchvision"):
    for name, (shape, settings) in TORCHVISION.items():
        make = imported("torchvision.models", name, num_classes=CLASSES, **settings)
        LIBRARIES[f"torchvision {name}"] = small(make, shape)
if is_there("transformers"):
    words = {"vocab_size": 50, "max_position_embeddings": 16, "num_labels": CLASSES, "pad_token_id": 0}
    # As found is what was never called: transformers puts hooks into a module at its first call.
    never_called, task = functools.partial(Kind, copies=1000, louder=8.0), "SequenceClassification"
    for name, settings in TEXTS.items():
        called, *more = name.split(", ")
        kind = never_called if more == ["hidden states"] else small
        made = kind(_transformer(called, task, words | settings), TOKENS, 2)
        LIBRARIES[", ".join([f"{called}For{task}", *more])] = made
    sound = _transformer("Wav2Vec2", task, SOUND)
    LIBRARIES[f"Wav2Vec2For{task}"] = never_called(sound, {"input_values": (800,)})
    for name, settings in PICTURES.items():
        made = small(_transformer(name, "ImageClassification", settings), {"pixel_values": SMALL})
        LIBRARIES[f"{name}ForImageClassification"] = made
if is_there("lightning"):
    LIBRARIES["LightningModule"] = small(_lightning)
