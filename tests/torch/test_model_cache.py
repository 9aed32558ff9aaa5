"""A module is examined once, and again after any change; the result is that of a fresh module."""

import copy
import gc
import weakref
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import howsure
from howsure.adapters.resolve import adapt
from howsure.adapters.torch import model_cache
from tests.torch.modules import Layer

RATE = 0.5


class Net(nn.Module):
    """Dropout by a layer, by an attribute, by a configuration and by a global variable."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.dropout, self.last = nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3)
        self.scale, self.rates = 1.0, [0.5]
        self.config = SimpleNamespace(temperature=1.0)
        self.rows_seen = 0

    def forward(self, x):
        self.rows_seen += 0 if torch.is_grad_enabled() else len(x)
        h = self.dropout(self.first(x).relu())
        h = nn.functional.dropout(h, self.rates[0], self.training) * self.scale
        h = nn.functional.dropout(h, RATE, self.training)
        return self.last(h) / self.config.temperature


def counting():
    """Counts its rows outside of itself."""
    torch.manual_seed(0)
    counted = Layer(lambda _, x: ROWS.append(len(x)) or x)
    return nn.Sequential(counted, nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)).eval()


ROWS: list[int] = []
GAINS = [1.0] * 8


def gained():
    """Its units are multiplied by numbers outside of it, after they are dropped."""
    torch.manual_seed(0)
    gain = Layer(lambda _, h: h * torch.tensor(GAINS))
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.5), gain, nn.Linear(8, 3)).eval()


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(20, 6)).astype("float32")


def probabilities(model, x, **named):
    method = named.pop("method", howsure.MCDropout(passes=20))
    return howsure.assess(model, x, method=method, outputs="logits", seed=1, **named).probabilities


def test_a_module_is_examined_once(x):
    model = counting()
    ROWS.clear()
    first = probabilities(model, x)
    once = sum(ROWS)
    ROWS.clear()
    again = probabilities(model, x)
    assert np.array_equal(first, again)
    assert sum(ROWS) < once / 3


def test_rows_of_another_form_are_examined(x):
    model = counting()
    probabilities(model, x)
    ROWS.clear()
    probabilities(model, x.astype("float64"))
    few = sum(ROWS)
    ROWS.clear()
    probabilities(model, x, method=howsure.MCDropout(passes=20, gaussian_noise=True))
    assert sum(ROWS) > 2 * few


def _by_the_way(model):
    with torch.no_grad():
        model.last.weight.data[0] += 1.0
        model.first.weight.data[0] *= 2.0


CHANGES = {
    "rate": lambda model: setattr(model.dropout, "p", 0.2),
    "attribute": lambda model: setattr(model, "scale", 2.0),
    "in a list": lambda model: model.rates.__setitem__(0, 0.2),
    "in a configuration": lambda model: setattr(model.config, "temperature", 3.0),
    "weights": lambda model: model.load_state_dict({k: 2 * v for k, v in model.state_dict().items()}),
    "weights unseen": _by_the_way,
    "weights by other data": lambda model: setattr(model.last.weight, "data", 0.3 * model.last.weight.data),
    "weights by another": lambda model: setattr(
        model.last, "weight", nn.Parameter(0.3 * model.last.weight.detach())
    ),
    "layer": lambda model: setattr(model, "last", nn.Sequential(model.last, nn.Tanh())),
    "kind of dropout": lambda model: setattr(model, "dropout", nn.AlphaDropout(0.5)),
    "kept off": lambda model: setattr(model.dropout, "train", lambda mode=True: None),
    "weights of one unit": lambda model: model.first.weight.data[3].zero_(),
    "parametrization": lambda model: nn.utils.parametrizations.orthogonal(model.last),
    "hook before": lambda model: model.last.register_forward_pre_hook(lambda _, inputs: (inputs[0] * 3,)),
    "hook": lambda model: model.last.register_forward_hook(lambda *arguments: arguments[-1] * 3),
    "forward": lambda model: setattr(model.last, "forward", lambda h: h[:, :3] * 2),
    "type": lambda model: model.double(),
    "class": lambda model: setattr(model, "__class__", Halved),
    "removed": lambda model: setattr(model, "dropout", nn.Identity()),
}


class Halved(Net):
    def forward(self, x):
        return super().forward(x) / 2


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_noticed(change, x):
    """Also of one row, for which masks are kept."""
    model, other = Net().eval(), Net().eval()
    before = [probabilities(model, rows) for rows in (x, x[:1])]
    change(model)
    change(other)
    for rows, probabilities_before in zip((x, x[:1]), before, strict=True):
        after = probabilities(model, rows)
        assert not np.array_equal(after, probabilities_before)
        assert np.array_equal(after, probabilities(other, rows))


class Gain(nn.Module):
    """Multiplies masks by a weight before they meet rows, so what is made of masks holds a weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(16))

    def forward(self, h):
        mask = torch.bernoulli(torch.full_like(h, 0.5)) if self.training else torch.full_like(h, 0.5)
        return h * (mask * self.weight)


@pytest.mark.parametrize(("middle", "is_kept"), [(nn.Dropout(0.25), True), (Gain(), False)])
def test_what_holds_weights_is_not_kept(middle, is_kept, x):
    hidden = nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 16)
    model = nn.Sequential(*hidden, middle, nn.Linear(16, 3)).eval()
    assert (adapt(model, x, output=None)[0].networks is not None) == is_kept
    plan = replace(howsure.plan(model, x, outputs="logits"), fingerprint="")  # for any weights
    method = howsure.MCDropout(plan=plan)
    before = [probabilities(model, x[:1], method=method) for _ in range(2)]
    np.testing.assert_array_equal(*before)
    model[-1 if is_kept else 4].weight.data.mul_(0.3)
    after = probabilities(model, x[:1], method=method)
    assert np.abs(after - before[0]).max() > 1e-3
    np.testing.assert_allclose(after, probabilities(copy.deepcopy(model), x[:1], method=method), atol=3e-6)


def test_a_changed_global_variable_is_noticed(x, monkeypatch):
    model = Net().eval()
    before = probabilities(model, x)
    monkeypatch.setitem(globals(), "RATE", 0.1)
    after = probabilities(model, x)
    assert not np.allclose(after, before, atol=1e-3)
    assert np.array_equal(after, probabilities(Net().eval(), x))


@pytest.mark.parametrize("unit", range(8))
def test_a_change_of_one_unit_is_noticed(unit, x, monkeypatch):
    model = gained()
    before = probabilities(model, x)
    monkeypatch.setitem(globals(), "GAINS", [1.0 + 2 * (number == unit) for number in range(8)])
    after = probabilities(model, x)
    assert not np.allclose(after, before, atol=1e-3)
    assert np.array_equal(after, probabilities(gained(), x))


@pytest.mark.parametrize("passes", [20, None])
def test_a_hook_on_all_modules_is_noticed(passes, x):
    model, method = Net().eval(), howsure.MCDropout(passes=passes)
    before = probabilities(model, x, method=method)
    hook = nn.modules.module.register_module_forward_hook(
        lambda module, inputs, output: 3 * output if type(module) is Net else None
    )
    try:
        after = probabilities(model, x, method=method)
        assert np.array_equal(after, probabilities(Net().eval(), x, method=method))
    finally:
        hook.remove()
    assert not np.allclose(after, before, atol=1e-3)
    assert np.array_equal(before, probabilities(model, x, method=method))


def test_the_cache_leaves_no_trace_and_keeps_no_module_alive(x):
    model = counting()
    before = {name: dict(vars(layer)) for name, layer in model.named_modules()}
    probabilities(model, x)
    assert {name: dict(vars(layer)) for name, layer in model.named_modules()} == before
    number, gone = id(model), weakref.ref(model)
    assert number in model_cache._KEPT
    before.clear()
    del model
    gc.collect()
    assert gone() is None
    assert number not in model_cache._KEPT
