"""Modules of PyTorch that draw in every way there is, for `validation.torch_models`: plain PyTorch alone."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

Tensor = torch.Tensor
Function = Callable[[nn.Module, Tensor], Any]

CLASSES = 3


@dataclass(frozen=True)
class Kind:
    """A module, and what is expected of it.

    Attributes:
        make: Makes it, with weights.
        shape: Of one row; of each input for several.
        whole: Integers below this number, instead of normal numbers; 0 for normal numbers.
        calls: Whether one draw serves a batch, so that the oracle calls it once a pass.
        refused: What its refusal says, or None where passes are right.
        left: What is said to stay fixed, or None.
        oracle: Makes what is compared with, where that is another module with the same weights.
        plain: Makes what its plain prediction is that of, where something is always drawn; it may be None.
        copies: Of each row that the oracle draws.
        louder: By what weights are multiplied, so that passes differ more than in the beginning; None for
            statistics of norms and a spread of the logits as training would give them.
        rows: How many rows.
        changed: Makes of normal numbers the rows that are wanted.
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
    network = mlp(nn.Dropout(0.3), **settings)
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
    return stack(norm(nn.Linear(8, 16)), nn.ReLU(), nn.Dropout(0.3), width=16)


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

    return Made(forward, first=nn.Linear(4, 8), drop=nn.Dropout(0.3), last=nn.Linear(8, CLASSES))


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

    parts = {"first": nn.Linear(8, 16), "drop": nn.Dropout(0.3)}
    return Made(forward, **parts, last=nn.Linear(16, CLASSES), second=nn.Linear(16, CLASSES))


def _with_one_head(module: nn.Module) -> nn.Module:
    return nn.Sequential(module.first, nn.ReLU(), module.drop, module.last)


def _louder(own: bool) -> nn.Module:
    """It computes something else in training, beside its dropout."""

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        h = torch.tanh(m.net(x))
        h = F.dropout(h, 0.3, m.training) if own else m.drop(h)
        return m.last(h) * (2 if m.training else 1)

    return Made(forward, net=nn.Linear(8, 16), drop=nn.Dropout(0.3), last=nn.Linear(16, CLASSES))


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
        in_training(
            lambda h: F.dropout(h, 0.1) * torch.from_numpy(draw(tuple(h.shape)) > 0.3).float() / 0.7,
        )
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
    "rate 0 beside another": Kind(lambda: mlp(nn.Dropout(0.0), nn.Dropout(0.3))),
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
        lambda: mlp(Made(in_training(lambda h: h + 0.5 * torch.randn_like(h))), nn.Dropout(0.3)),
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
        oracle=lambda m: nn.Sequential(m.first, nn.ReLU(), nn.Dropout(0.3), m.last),
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
        lambda: _of_numpy(_GENERATOR.random), refused="something is drawn outside of PyTorch"
    ),
    "drawn by numpy": Kind(
        lambda: _of_numpy(np.random.random), refused="numbers of numpy or Python are drawn in training"
    ),
    "dropout on some rows": Kind(lambda: through(_chosen), refused="does not go by the number of rows alone"),
    "FractionalMaxPool2d": Kind(
        lambda: _convolved(nn.Conv2d(1, 3, 3), nn.FractionalMaxPool2d(2, 3), nn.Dropout(0.3), 27),
        (1, 10, 10),
        plain=lambda m: None,
    ),
    "RReLU beside Dropout": Kind(
        lambda: stack(nn.Linear(8, 16), nn.RReLU(), nn.Dropout(0.3), width=16),
        left="rrelu",
        oracle=lambda m: nn.Sequential(m[0], nn.LeakyReLU((1 / 8 + 1 / 3) / 2), m[2], m[3]),
    ),
    "nothing random": Kind(mlp, refused="no random layer"),
    "torch.compile": Kind(lambda: torch.compile(usual(), backend="eager")),
    "DataParallel": Kind(lambda: nn.DataParallel(usual())),
    "jit.script": Kind(lambda: torch.jit.script(usual())),
    "jit.trace in eval": Kind(lambda: torch.jit.trace(usual().eval(), torch.zeros(2, 8)), refused="traced"),
    "export in eval": Kind(lambda: _exported(training=False), refused="exported"),
    "export in training": Kind(lambda: _exported(training=True), plain=lambda m: None),
    "bfloat16": Kind(lambda: usual().bfloat16()),
    "float64": Kind(lambda: usual().double()),
    "a train of its own": Kind(lambda: Kept(*usual())),
    "a backbone kept frozen by train": Kind(_frozen, oracle=lambda m: nn.Sequential(m.kept[:3], *m.others)),
}
