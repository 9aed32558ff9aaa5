"""Small modules that draw in different ways, and rows for them; `validation.torch_models` has many more."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from howsure.adapters.torch.dispatch_mode import DispatchMode
from howsure.adapters.torch.tracer import results_of

CLASSES = 3


class Watching(DispatchMode):
    """Tells of every operation in its scope what is called, with what, and what comes of it."""

    def __init__(self, tell):
        super().__init__()
        self.tell = tell

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        result = op(*args, **(kwargs or {}))
        self.tell(op, args, results_of(result))
        return result


class Functional(nn.Module):
    """Dropout by the function, beside a norm."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(8, 12), nn.BatchNorm1d(12), nn.Linear(12, CLASSES)

    def forward(self, x):
        return self.last(F.dropout(torch.relu(self.norm(self.first(x))), 0.3, self.training))


class Encoder(nn.Module):
    """A transformer, whose fast path drops nothing."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.last = nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.last(self.encoder(x).mean(1))


class Recurrent(nn.Module):
    """Dropout between recurrent layers, the time first inside."""

    def __init__(self):
        super().__init__()
        self.rnn, self.last = nn.GRU(4, 8, 2, dropout=0.4, batch_first=True), nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.last(3 * self.rnn(x)[0][:, -1])


class DroppedWords(nn.Module):
    """One mask for all rows: a word is missing everywhere or nowhere."""

    def __init__(self):
        super().__init__()
        self.words, self.last = nn.Embedding(12, 8), nn.Linear(8, CLASSES)

    def forward(self, x):
        weight = self.words.weight
        if self.training:
            weight = weight * weight.new_empty((12, 1)).bernoulli_(0.7) / 0.7
        return self.last(F.embedding(x, weight).mean(1))


class DropPath(nn.Module):
    """A branch dropped for a row as a whole, by uniform numbers."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(8, CLASSES)

    def forward(self, x):
        branch = torch.tanh(self.first(x))
        if self.training:
            branch = branch.div(0.6) * (0.6 + torch.rand(len(x), 1)).floor_()
        return self.last(x + branch)


class TwoInputs(nn.Module):
    """Two inputs by name, and logits in a dict."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(4, 8), nn.Linear(2, 8)
        self.drop, self.last = nn.Dropout(0.3), nn.Linear(8, CLASSES)

    def forward(self, left, right):
        return {"logits": self.last(self.drop(torch.tanh(self.left(left) + self.right(right))))}


class Through(nn.Module):
    """Two layers with a function between, in whose module everything is drawn."""

    def __init__(self, function):
        super().__init__()
        self.first, self.last, self.function = nn.Linear(8, 12), nn.Linear(12, CLASSES), function
        self.num_classes = CLASSES

    def forward(self, x):
        return self.last(self.function(self, torch.tanh(self.first(x))))


class Layer(nn.Module):
    """A function as a layer of its own."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(self, x)


def bare_mlp(*end):
    return nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Dropout(0.25), nn.Linear(12, CLASSES), *end)


def mlp(*end):
    return of_classes(bare_mlp(*end))


def of_classes(module):
    """The module, which says that its outputs are classes."""
    module.num_classes = CLASSES
    return module


MODULES = {
    "mlp": lambda: mlp(),
    "softmax": lambda: mlp(nn.Softmax(dim=1)),
    "functional": Functional,
    "encoder": Encoder,
    "recurrent": Recurrent,
    "dropped_words": DroppedWords,
    "drop_path": DropPath,
    "two_inputs": TwoInputs,
    "convolutions": lambda: nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d(0.3), nn.Flatten()),
        *(nn.Linear(64, 10), nn.SELU(), nn.AlphaDropout(0.2), nn.Linear(10, CLASSES)),
    ),
}
SHAPES = {"encoder": (5, 8), "recurrent": (5, 4), "convolutions": (1, 6, 6)}


def build(name):
    """A module in evaluation, its weights large enough for passes to differ."""
    torch.manual_seed(7)
    module = of_classes(MODULES[name]().eval())
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(2 if weight.ndim > 1 else 1)
    return module


def rows_for(name, rows=9):
    random = np.random.default_rng(5)
    if name == "dropped_words":
        return random.integers(1, 12, (rows, 6))
    if name == "two_inputs":
        return {"left": numbers(random, rows, 4), "right": numbers(random, rows, 2)}
    return numbers(random, rows, *SHAPES.get(name, (8,)))


def numbers(random, *shape):
    return random.normal(size=shape).astype("float32")


def own_outputs(module, x):
    """What a module itself says of an array of rows, or of several arrays by name."""
    with torch.no_grad():
        if isinstance(x, dict):
            return module(**{name: torch.from_numpy(array) for name, array in x.items()})
        return module(torch.from_numpy(x))
