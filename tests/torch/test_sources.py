"""Loaders and frames for modules of PyTorch give what a tensor of the rows gives."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import howsure

METHOD = howsure.MCDropout(passes=8)
NAMES = ("cat", "dog", "hen")
ROWS = 23


class Pair(nn.Module):
    """Takes its inputs by keyword or by place."""

    def __init__(self):
        super().__init__()
        self.both = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 3))

    def forward(self, size, place):
        return self.both(torch.cat([size, place], dim=1))


@pytest.fixture
def one():
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 3))


@pytest.fixture
def pair():
    torch.manual_seed(7)
    return Pair()


@pytest.fixture
def x():
    return torch.randn(ROWS, 4, generator=torch.Generator().manual_seed(7))


@pytest.fixture
def truth():
    return torch.arange(ROWS) % 3


def assess(model, x):
    return howsure.assess(model, x, method=METHOD, outputs="logits", class_names=NAMES)


def the_same(certainty, other, truth=None):
    np.testing.assert_allclose(certainty.probabilities, other.probabilities, atol=1e-6)
    assert (certainty.truth is None) == (truth is None)
    assert truth is None or certainty.truth.tolist() == truth.tolist()


def test_a_loader_of_one_input(one, x, truth):
    plain = assess(one, x)
    the_same(assess(one, DataLoader(TensorDataset(x, truth), batch_size=6)), plain, truth)
    the_same(assess(one, DataLoader(TensorDataset(x), batch_size=6)), plain)
    the_same(assess(one, (part for part in x.split(9))), plain)


def test_a_loader_of_dicts_with_labels(pair, x, truth):
    named = {"size": x, "place": x[:, :2]}
    plain = assess(pair, named)
    items = [{name: rows[k] for name, rows in {**named, "labels": truth}.items()} for k in range(ROWS)]
    the_same(assess(pair, DataLoader(items, batch_size=6)), plain, truth)
    the_same(assess(pair, {**named, "labels": truth}), plain, truth)


def test_a_loader_of_several_inputs(pair, x, truth):
    plain = assess(pair, [x, x[:, :2]])
    nested = [((x[k], x[k, :2]), truth[k]) for k in range(ROWS)]
    the_same(assess(pair, DataLoader(nested, batch_size=6)), plain, truth)


def test_a_frame(one, x, truth):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    index = pd.Index([f"animal {k}" for k in range(ROWS)], name="animal")
    frame = pd.DataFrame(x.numpy(), index=index).assign(y=np.array(NAMES)[truth.numpy()])
    certainty = assess(one, frame)
    the_same(certainty, assess(one, x), truth)
    assert (certainty.ids.tolist(), certainty.id_name) == (index.tolist(), "animal")
