"""What was fitted to one module is refused with another one, and with the same one after more training."""

import copy
import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from howsure.models.fingerprint import digest
from howsure.models.torch import weights_of
from tests import fitted

X = np.random.default_rng(0).normal(size=(60, 8)).astype("float32")


def module():
    return nn.Sequential(
        nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3), nn.Softmax(1)
    ).eval()


def trained(model, part=slice(None)):
    """A copy after one small step of training, of some parameters."""
    model = copy.deepcopy(model)
    step = torch.optim.SGD(list(model.parameters())[part], 1e-3)
    F.nll_loss(model(torch.from_numpy(X)).log(), torch.arange(60) % 3).backward()
    step.step()
    return model


def other_statistics(model):
    """A copy of which only the norm has seen more rows."""
    model = copy.deepcopy(model)
    model.train()(torch.from_numpy(X))
    return model.eval()


def reloaded(model):
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    again = module()
    again.load_state_dict(torch.load(file))
    return again


def used(model):
    """The same module after other uses, in training mode and without gradients."""
    model = copy.deepcopy(model).train()
    with torch.no_grad():
        model.eval()(torch.from_numpy(X))
    return model.train().requires_grad_(False)


@fitted.each_fit
def test_it_serves_no_other_module(what):
    others = (
        trained,
        lambda model: trained(model, slice(-1, None)),
        other_statistics,
        lambda model: module(),
    )
    fitted.check(
        what,
        module(),
        lambda model: [reloaded(model), used(model), torch.nn.DataParallel(model).module],
        lambda model: [each(model) for each in others],
        X,
    )


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_all_kinds_of_tensors_count():
    class Odd(nn.Module):
        def __init__(self, last=1.0):
            super().__init__()
            self.coarse = nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
            self.register_buffer("graph", torch.tensor([[0.0, 2.0], [last, 0.0]]).to_sparse())
            self.register_buffer("q", torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8))
            self.register_buffer("cache", torch.rand(2), persistent=False)

    assert digest(weights_of([Odd()])) == digest(weights_of([Odd()])) != digest(weights_of([Odd(1.5)]))
    more = Odd()
    more.coarse.data[1] += 2**-7
    assert digest(weights_of([more])) != digest(weights_of([Odd()]))
