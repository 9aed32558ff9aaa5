"""One row of a module with a ready plan: masks are drawn once, and nothing kept grows stale."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import howsure
from howsure.adapters.resolve import adapt

LOGITS = {"outputs": "logits"}


class Gain(nn.Module):
    """Multiplies masks by a weight before they meet rows, so what is made of masks holds a weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(16))

    def forward(self, h):
        mask = torch.bernoulli(torch.full_like(h, 0.5)) if self.training else torch.full_like(h, 0.5)
        return h * (mask * self.weight)


def made(kind):
    torch.manual_seed(1)
    if kind == "gain":
        first = (nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 16))
        return nn.Sequential(*first, Gain(), nn.Linear(16, 3)).eval()
    hidden = (nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 16), nn.ReLU(), nn.Dropout(0.25))
    return nn.Sequential(*hidden, nn.Linear(16, 3)).eval()


def some(count=40):
    return np.random.default_rng(0).normal(size=(count, 8)).astype("float32")


def planned(module, x):
    """A method with a plan that does not say for which weights it was made."""
    return howsure.MCDropout(plan=replace(howsure.plan(module, x, **LOGITS), fingerprint=""))


def assessed(module, row, method, **named):
    return howsure.assess(module, row, method=method, **LOGITS, **named).probabilities


def in_place(module):
    with torch.no_grad():
        module.weight.mul_(0.3)


def behind_its_back(module):
    module.weight.data.mul_(0.3)


def by_other_data(module):
    module.weight.data = 0.3 * module.weight.data


def by_another(module):
    module.weight = nn.Parameter(0.3 * module.weight.detach())


@pytest.mark.parametrize("kind", ["units", "gain"])
@pytest.mark.parametrize("change", [in_place, behind_its_back, by_other_data, by_another])
def test_new_weights_count(kind, change):
    module, x = made(kind), some()
    method = planned(module, x)
    before = [assessed(module, x[:1], method) for _ in range(2)]
    np.testing.assert_array_equal(*before)
    change(module[4] if kind == "gain" else module[-1])
    after = assessed(module, x[:1], method)
    assert np.abs(after - before[0]).max() > 0.01
    np.testing.assert_allclose(after, assessed(copy.deepcopy(module), x[:1], method), atol=3e-6)


def test_what_holds_weights_is_not_kept():
    networks = {kind: adapt(made(kind), some(), output=None)[0].networks for kind in ("units", "gain")}
    assert networks["units"] is not None
    assert networks["gain"] is None
