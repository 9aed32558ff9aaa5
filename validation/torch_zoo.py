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


ZOO: dict[str, Kind] = {}


def mlp(*between: nn.Module, width: int = 16, inputs: int = 8) -> nn.Module:
    """Two linear layers with something between."""
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), *between, nn.Linear(width, CLASSES))


def convolved(layer: nn.Module, activation: nn.Module, drop: nn.Module, width: int) -> nn.Module:
    """A convolution, an activation, a drop and a linear layer of so many inputs."""
    return nn.Sequential(layer, activation, drop, nn.Flatten(), nn.Linear(width, CLASSES))


def normed(norm: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """A linear layer with a norm of its weights, dropout, and another one."""
    return nn.Sequential(norm(nn.Linear(8, 16)), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, CLASSES))


def imported(module: str, name: str, *given: Any, **settings: Any) -> Callable[[], nn.Module]:
    """What a class or function of another package makes."""

    def make() -> nn.Module:
        made: nn.Module = getattr(importlib.import_module(module), name)(*given, **settings)
        return made

    return make


def is_there(package: str) -> bool:
    """Whether a package is installed."""
    return importlib.util.find_spec(package) is not None


class Through(nn.Module):
    """Two linear layers with a function between; what is drawn, is drawn in this module."""

    def __init__(self, function: Callable[[nn.Module, Tensor], Tensor], width: int = 16) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, width), nn.Linear(width, CLASSES)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.function(self, torch.relu(self.first(x))))


class Layer(nn.Module):
    """A function of a tensor as a module of its own."""

    def __init__(self, function: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def _without(module: nn.Module) -> nn.Module:
    """The same without what is between."""
    return nn.Sequential(module.first, nn.ReLU(), module.last)


# --- layers and functions of PyTorch -------------------------------------------------------------------

ZOO["Dropout"] = Kind(lambda: mlp(nn.Dropout(0.3)))
ZOO["Dropout, in place"] = Kind(lambda: mlp(nn.Dropout(0.3, inplace=True)))
ZOO["Dropout, rate 0.5"] = Kind(lambda: mlp(nn.Dropout(0.5)))
ZOO["softmax at the end"] = Kind(lambda: nn.Sequential(mlp(nn.Dropout(0.3)), nn.Softmax(dim=1)))
ZOO["several Dropouts"] = Kind(
    lambda: nn.Sequential(
        nn.Dropout(0.1), nn.Linear(8, 16), nn.Tanh(), nn.Dropout(0.2), mlp(nn.Dropout(0.4), inputs=16)
    )
)
ZOO["Dropout1d"] = Kind(lambda: convolved(nn.Conv1d(2, 6, 3), nn.ReLU(), nn.Dropout1d(0.3), 36), (2, 8))
ZOO["Dropout2d"] = Kind(lambda: convolved(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Dropout2d(0.3), 96), (1, 6, 6))
ZOO["Dropout3d"] = Kind(lambda: convolved(nn.Conv3d(1, 6, 3), nn.ReLU(), nn.Dropout3d(0.3), 48), (1, 4, 4, 4))
ZOO["AlphaDropout"] = Kind(
    lambda: nn.Sequential(nn.Linear(8, 16), nn.SELU(), nn.AlphaDropout(0.2), nn.Linear(16, CLASSES))
)
ZOO["FeatureAlphaDropout"] = Kind(
    lambda: convolved(nn.Conv1d(2, 6, 3), nn.SELU(), nn.FeatureAlphaDropout(0.2), 36), (2, 8)
)
ZOO["F.dropout"] = Kind(lambda: Through(lambda m, h: F.dropout(h, 0.3, m.training)))
ZOO["F.dropout, always on"] = Kind(lambda: Through(lambda m, h: F.dropout(h, 0.3)), plain=_without)
ZOO["F.alpha_dropout"] = Kind(lambda: Through(lambda m, h: F.alpha_dropout(h, 0.2, m.training)))
ZOO["F.feature_alpha_dropout"] = Kind(
    lambda: Through(lambda m, h: F.feature_alpha_dropout(h.view(-1, 4, 4), 0.2, m.training).flatten(1))
)
ZOO["F.dropout1d"] = Kind(
    lambda: Through(lambda m, h: F.dropout1d(h.view(-1, 4, 4), 0.3, m.training).flatten(1))
)
ZOO["torch.dropout"] = Kind(lambda: Through(lambda m, h: torch.dropout(h, 0.3, m.training)))
ZOO["torch.feature_dropout"] = Kind(
    lambda: Through(lambda m, h: torch.feature_dropout(h.view(-1, 4, 2, 2), 0.3, m.training).flatten(1))
)


class Twice(nn.Dropout):
    """A subclass that does more than drop."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 0.5 * super().forward(x)


ZOO["subclass of Dropout"] = Kind(lambda: mlp(Twice(0.3)))
ZOO["rate 0 beside another"] = Kind(lambda: mlp(nn.Dropout(0.0), nn.Dropout(0.3)))


def _called_three_times() -> nn.Module:
    drop = nn.Dropout(0.2)
    return nn.Sequential(
        drop, nn.Linear(8, 16), nn.Tanh(), drop, nn.Linear(16, 16), nn.Tanh(), drop, nn.Linear(16, CLASSES)
    )


ZOO["one Dropout called three times"] = Kind(_called_three_times)

# --- drawn by hand -------------------------------------------------------------------------------------


def _bernoulli(module: nn.Module, h: Tensor) -> Tensor:
    return h * torch.bernoulli(torch.full_like(h, 0.7)) / 0.7 if module.training else h


def _uniform(module: nn.Module, h: Tensor) -> Tensor:
    return h * (torch.rand(h.shape) > 0.3).float() / 0.7 if module.training else h


def _where(module: nn.Module, h: Tensor) -> Tensor:
    return torch.where(torch.rand_like(h) < 0.3, torch.zeros_like(h), h) if module.training else h


def _multiplied(module: nn.Module, h: Tensor) -> Tensor:
    return h * (1 + 0.5 * torch.randn_like(h)) if module.training else h


def _added(module: nn.Module, h: Tensor) -> Tensor:
    return h + 0.5 * torch.randn_like(h) if module.training else h


def _concrete(module: nn.Module, h: Tensor) -> Tensor:
    """Concrete dropout, Gal and others 2017, always on."""
    u, p, tiny = torch.rand_like(h), torch.tensor(0.3), 1e-7
    dropped = torch.sigmoid((torch.logit(p) + torch.log(u + tiny) - torch.log(1 - u + tiny)) / 0.1)
    return h * (1 - dropped) / (1 - p)


def _beside(module: nn.Module, h: Tensor) -> Tensor:
    """Residual branch dropped for a row as a whole, as timm does it."""
    branch = torch.tanh(h)
    if module.training:
        branch = branch * branch.new_empty((len(h), 1)).bernoulli_(0.6) / 0.6
    return h + branch


def _floor(module: nn.Module, h: Tensor) -> Tensor:
    """The same as Hugging Face does it."""
    branch = torch.tanh(h)
    if module.training:
        branch = branch.div(0.6) * (0.6 + torch.rand((len(h), 1))).floor_()
    return h + branch


ZOO["bernoulli by hand"] = Kind(lambda: Through(_bernoulli))
ZOO["rand and a comparison"] = Kind(lambda: Through(_uniform))
ZOO["rand and where, unscaled"] = Kind(lambda: Through(_where))
ZOO["drop path of timm"] = Kind(lambda: Through(_beside))
ZOO["drop path of Hugging Face"] = Kind(lambda: Through(_floor))
ZOO["Gaussian dropout by hand"] = Kind(lambda: Through(_multiplied))
ZOO["noise beside Dropout"] = Kind(
    lambda: mlp(Layer(_added), nn.Dropout(0.3)),
    left="adds noise",
    oracle=lambda m: nn.Sequential(m[0], m[1], m[3], m[4]),
)
ZOO["concrete dropout, always on"] = Kind(lambda: Through(_concrete), plain=lambda m: None)


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


ZOO["weights drawn, always"] = Kind(
    lambda: nn.Sequential(Bayesian(8, 16), nn.ReLU(), Bayesian(16, CLASSES)), calls=True, plain=_means
)


class DroppedWeights(nn.Linear):
    """Drop connect, Wan and others 2013: one mask of the weights for a batch."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, F.dropout(self.weight, 0.3, self.training), self.bias)


ZOO["drop connect"] = Kind(
    lambda: nn.Sequential(nn.Linear(8, 16), nn.ReLU(), DroppedWeights(16, CLASSES)), calls=True
)


class DroppedWords(nn.Module):
    """A dropped vocabulary, Gal and Ghahramani 2016: a word is missing everywhere or nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.last = nn.Embedding(12, 8), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.words.weight
        if self.training:
            weight = weight * weight.new_empty((12, 1)).bernoulli_(0.7) / 0.7
        return self.last(F.embedding(x, weight).mean(1))


ZOO["dropped vocabulary"] = Kind(DroppedWords, (6,), 12, calls=True)


class VariationalRNN(nn.Module):
    """The same mask at every time step, (N, 1, H)."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.last = nn.GRU(4, 8, batch_first=True), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.rnn(x)
        if self.training:
            h = h * h.new_empty(len(h), 1, h.shape[2]).bernoulli_(0.7) / 0.7
        return self.last(torch.tanh(h).mean(1))


ZOO["locked dropout"] = Kind(VariationalRNN, (5, 4))


# --- recurrent layers and attention --------------------------------------------------------------------


class Recurrent(nn.Module):
    """Two recurrent layers with dropout between them."""

    def __init__(self, kind: Callable[..., nn.Module], **settings: Any) -> None:
        super().__init__()
        self.rnn = kind(4, 8, 2, dropout=0.4, **settings)
        self.last = nn.Linear(8 * (1 + settings.get("bidirectional", False)), CLASSES)
        self.first = settings.get("batch_first", False)

    def forward(self, x: Tensor) -> Tensor:
        h, _ = self.rnn(x if self.first else x.transpose(0, 1))
        return self.last(3 * (h[:, -1] if self.first else h[-1]))


ZOO["LSTM"] = Kind(lambda: Recurrent(nn.LSTM, batch_first=True), (5, 4))
ZOO["LSTM, both ways, time first"] = Kind(lambda: Recurrent(nn.LSTM, bidirectional=True), (5, 4))
ZOO["GRU"] = Kind(lambda: Recurrent(nn.GRU, batch_first=True), (5, 4))
ZOO["RNN"] = Kind(lambda: Recurrent(nn.RNN), (5, 4))


class Attending(nn.Module):
    """Attention over the time steps of a row."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.4, batch_first=True)
        self.last, self.settings = nn.Linear(8, CLASSES), settings

    def forward(self, x: Tensor) -> Tensor:
        return self.last(3 * self.attention(x, x, x, **self.settings)[0].mean(1))


ZOO["MultiheadAttention"] = Kind(Attending, (5, 8))
ZOO["MultiheadAttention, no weights"] = Kind(lambda: Attending(need_weights=False), (5, 8))


class Scaled(nn.Module):
    """Attention by the function alone."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.last = nn.Linear(8, 24), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).view(len(x), -1, 3, 2, 4).permute(2, 0, 3, 1, 4)
        h = F.scaled_dot_product_attention(q, k, v, dropout_p=0.4 if self.training else 0.0)
        return self.last(3 * h.transpose(1, 2).flatten(2).mean(1))


ZOO["scaled_dot_product_attention"] = Kind(Scaled, (5, 8))


class Encoder(nn.Module):
    """`nn.TransformerEncoder`, whose fast path drops nothing."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True, **settings)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.last = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.encoder(x).mean(1))


ZOO["TransformerEncoder"] = Kind(Encoder, (5, 8))
ZOO["TransformerEncoder, norm first"] = Kind(lambda: Encoder(norm_first=True), (5, 8))


class Both(nn.Module):
    """`nn.Transformer`, two keyword inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.both = nn.Transformer(8, 2, 1, 1, 16, dropout=0.2, batch_first=True)
        self.last = nn.Linear(8, CLASSES)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.last(self.both(source, target).mean(1))


ZOO["Transformer, keyword inputs"] = Kind(Both, {"source": (5, 8), "target": (3, 8)})


class Folded(nn.Module):
    """Dropout on rows and time steps in one axis."""

    def __init__(self, rows_first: bool) -> None:
        super().__init__()
        self.first, self.drop, self.last = nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, CLASSES)
        self.rows_first = rows_first

    def forward(self, x: Tensor) -> Tensor:
        n, t, _ = x.shape
        if self.rows_first:
            return self.last(self.drop(torch.tanh(self.first(x.reshape(n * t, -1)))).view(n, t, -1).sum(1))
        h = self.drop(torch.tanh(self.first(x.transpose(0, 1).reshape(t * n, -1))))
        return self.last(h.view(t, n, -1).sum(0))


ZOO["folded axis, rows first"] = Kind(lambda: Folded(True), (5, 4))
ZOO["folded axis, time first"] = Kind(lambda: Folded(False), (5, 4))


# --- norms ---------------------------------------------------------------------------------------------


class Question(nn.Module):
    """The question's network, small, with norms of a batch."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6, **settings), nn.ReLU(), nn.Dropout(0.2)),
            *(nn.Conv2d(6, 6, 3), nn.BatchNorm2d(6, **settings), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2)),
            *(nn.Flatten(), nn.Linear(24, 12), nn.ReLU(), nn.Dropout(0.25), nn.Linear(12, CLASSES)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


ZOO["BatchNorm and Dropout"] = Kind(Question, (1, 8, 8))
ZOO["BatchNorm without statistics"] = Kind(
    lambda: Question(track_running_stats=False), (1, 8, 8), refused="depends on the rows beside it"
)
ZOO["spectral norm"] = Kind(lambda: normed(nn.utils.parametrizations.spectral_norm))
ZOO["spectral norm, old way"] = Kind(lambda: normed(nn.utils.spectral_norm))
ZOO["weight norm"] = Kind(lambda: normed(nn.utils.parametrizations.weight_norm))


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


ZOO["a counter in the module that drops"] = Kind(Counting)


# --- what is more than dropout -------------------------------------------------------------------------


def _flip(module: nn.Module, x: Tensor) -> Tensor:
    return x.flip(-1) if module.training and torch.rand(()) < 0.5 else x


def _jitter(module: nn.Module, x: Tensor) -> Tensor:
    return x * (0.8 + 0.4 * torch.rand(len(x), 1)) if module.training else x


ZOO["random flip, a module"] = Kind(
    lambda: nn.Sequential(Layer(_flip), mlp(nn.Dropout(0.3))), left="chooses a branch", oracle=lambda m: m[1]
)
ZOO["random scale, a module"] = Kind(
    lambda: nn.Sequential(Layer(_jitter), mlp(nn.Dropout(0.3))), left="no dropout", oracle=lambda m: m[1]
)


class Augmented(nn.Module):
    """Augmentation in the forward of the whole; its Dropout is a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp(nn.Dropout(0.3))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(_flip(self, _jitter(self, x)))


ZOO["augmentation in forward"] = Kind(Augmented, left="chooses a branch", oracle=lambda m: m.net)
ZOO["scale and dropout in one"] = Kind(
    lambda: Through(lambda m, h: F.dropout(_jitter(m, h), 0.3, m.training)),
    left="no dropout",
    oracle=lambda m: nn.Sequential(m.first, nn.ReLU(), nn.Dropout(0.3), m.last),
)


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


ZOO["layer drop at rate 0"] = Kind(lambda: Layers(0.0))
ZOO["layer drop"] = Kind(lambda: Layers(0.3), left="chooses a branch", oracle=_still)


class Outputs(NamedTuple):
    """What some networks of torchvision return in training."""

    logits: Tensor
    auxiliary: Tensor


class Auxiliary(nn.Module):
    """A second head in training."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.first, self.drop = nn.Linear(8, 16), nn.Dropout(0.3)
        self.last, self.second, self.kind = nn.Linear(16, CLASSES), nn.Linear(16, CLASSES), kind

    def forward(self, x: Tensor) -> Any:
        h = torch.relu(self.first(x))
        h = F.dropout(h, 0.3, self.training) if self.kind.startswith("own") else self.drop(h)
        y = self.last(h)
        if self.training and self.kind.endswith("tuple"):
            return Outputs(y, self.second(h))
        if self.training and self.kind.endswith("loss"):
            return {"loss": y.sum()}
        return y


def _with_one_head(module: nn.Module) -> nn.Module:
    return nn.Sequential(module.first, nn.ReLU(), module.drop, module.last)


ZOO["auxiliary head"] = Kind(lambda: Auxiliary("tuple"), oracle=_with_one_head)
ZOO["auxiliary head, own dropout"] = Kind(lambda: Auxiliary("own tuple"), oracle=_with_one_head)
ZOO["a loss in training"] = Kind(lambda: Auxiliary("loss"), oracle=_with_one_head)
ZOO["a loss in training, own dropout"] = Kind(
    lambda: Auxiliary("own loss"), refused="cannot be told apart from what else training does"
)


class Louder(nn.Module):
    """It computes something else in training, beside its dropout."""

    def __init__(self, own: bool) -> None:
        super().__init__()
        self.net, self.drop, self.last = nn.Linear(8, 16), nn.Dropout(0.3), nn.Linear(16, CLASSES)
        self.own = own

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.net(x))
        h = F.dropout(h, 0.3, self.training) if self.own else self.drop(h)
        return self.last(h) * (2 if self.training else 1)


ZOO["another temperature in training"] = Kind(
    lambda: Louder(False), oracle=lambda m: nn.Sequential(m.net, nn.Tanh(), m.drop, m.last)
)
ZOO["another temperature, own dropout"] = Kind(
    lambda: Louder(True), refused="more is computed than in predicting"
)


class Logits(nn.Module):
    """It returns a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp(nn.Dropout(0.3))

    def forward(self, features: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        return {"logits": self.net(features), "hidden": features}


ZOO["a dict with logits"] = Kind(Logits, {"features": (8,)})


def _of_numpy(module: nn.Module, h: Tensor) -> Tensor:
    kept = np.random.random(tuple(h.shape)) > 0.3
    return F.dropout(h, 0.1, module.training) * torch.from_numpy(kept).float() / 0.7 if module.training else h


def _of_a_generator(module: nn.Module, h: Tensor) -> Tensor:
    if not module.training:
        return h
    kept = _GENERATOR.random(tuple(h.shape)) > 0.3
    return F.dropout(h, 0.1) * torch.from_numpy(kept).float() / 0.7


_GENERATOR = np.random.default_rng(0)
ZOO["drawn by a generator of numpy"] = Kind(
    lambda: Through(_of_a_generator), refused="something is drawn outside of PyTorch"
)
ZOO["drawn by numpy"] = Kind(
    lambda: Through(_of_numpy), refused="numbers of numpy or Python are drawn in training"
)


def _chosen(module: nn.Module, h: Tensor) -> Tensor:
    some = h[:, 0] > h[:, 1]
    return h.masked_scatter(some[:, None], F.dropout(h[some], 0.3, module.training))


ZOO["dropout on some rows"] = Kind(
    lambda: Through(_chosen), refused="does not go by the number of rows alone"
)
ZOO["FractionalMaxPool2d"] = Kind(
    lambda: convolved(nn.Conv2d(1, 3, 3), nn.FractionalMaxPool2d(2, 3), nn.Dropout(0.3), 27),
    (1, 10, 10),
    plain=lambda m: None,
)
ZOO["RReLU beside Dropout"] = Kind(
    lambda: nn.Sequential(nn.Linear(8, 16), nn.RReLU(), nn.Dropout(0.3), nn.Linear(16, CLASSES)),
    left="rrelu",
    oracle=lambda m: nn.Sequential(m[0], nn.LeakyReLU((1 / 8 + 1 / 3) / 2), m[2], m[3]),
)
ZOO["nothing random"] = Kind(lambda: mlp(), refused="no random layer")


# --- wrapped, compiled, scripted -----------------------------------------------------------------------


def _exported(training: bool) -> nn.Module:
    network, sides = mlp(nn.Dropout(0.3)).train(training), ({0: torch.export.Dim("n")},)
    return torch.export.export(network, (torch.zeros(2, 8),), dynamic_shapes=sides).module()


ZOO["torch.compile"] = Kind(lambda: torch.compile(mlp(nn.Dropout(0.3)), backend="eager"))
ZOO["DataParallel"] = Kind(lambda: nn.DataParallel(mlp(nn.Dropout(0.3))))
ZOO["jit.script"] = Kind(lambda: torch.jit.script(mlp(nn.Dropout(0.3))))
ZOO["jit.trace in eval"] = Kind(
    lambda: torch.jit.trace(mlp(nn.Dropout(0.3)).eval(), torch.zeros(2, 8)), refused="traced"
)
ZOO["export in eval"] = Kind(lambda: _exported(training=False), refused="exported")
ZOO["export in training"] = Kind(lambda: _exported(training=True), plain=lambda m: None)
ZOO["bfloat16"] = Kind(lambda: mlp(nn.Dropout(0.3)).bfloat16())
ZOO["float64"] = Kind(lambda: mlp(nn.Dropout(0.3)).double())


class Kept(nn.Module):
    """It is kept from training by a `train` of its own, as a frozen backbone often is."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp(nn.Dropout(0.3))

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        self.net[0].eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


ZOO["a train of its own"] = Kind(Kept)


class Frozen(nn.Module):
    """A backbone with dropout that its `train` keeps in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5))
        self.drop, self.last = nn.Dropout(0.2), nn.Linear(16, CLASSES)

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.drop(self.backbone(x)))


ZOO["a backbone kept frozen by train"] = Kind(
    Frozen, oracle=lambda m: nn.Sequential(m.backbone[:3], m.drop, m.last)
)
