"""What a DataLoader of PyTorch gives is gathered: rows, labels, and a word about their order."""

import warnings

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from howsure import HowsureWarning
from tests.data.test_gather import FLAT, TWO, X, Y, gathered, refuse


def set_of(*arrays):
    return TensorDataset(*(torch.tensor(array) for array in arrays))


@pytest.mark.parametrize("inputs", [FLAT, None])
def test_a_loader_gives_rows_and_labels(inputs):
    rows = gathered(DataLoader(set_of(X, Y), batch_size=3), inputs)
    assert np.array_equal(rows.x, X)
    assert rows.labels.tolist() == Y.tolist()
    rows = gathered(DataLoader(set_of(X), batch_size=3), inputs)
    assert np.array_equal(rows.x, X)
    assert rows.labels is None


def test_a_loader_of_dicts():
    items = [{"age": x[0], "place": x[1:], "label": int(y)} for x, y in zip(X, Y, strict=True)]
    rows = gathered(DataLoader(items, batch_size=4), TWO)
    assert np.array_equal(rows.x["place"], X[:, 1:])
    assert rows.labels.tolist() == Y.tolist()


def test_a_loader_without_batches_gives_single_rows():
    rows = gathered(DataLoader(set_of(X, Y), batch_size=None))
    assert np.array_equal(rows.x, X)
    assert rows.labels.tolist() == Y.tolist()


def test_a_loader_that_shuffles_keeps_rows_and_labels_together_and_says_so():
    loader = DataLoader(set_of(X, Y), batch_size=3, shuffle=True)
    with pytest.warns(HowsureWarning, match="shuffles: row numbers count the rows as they were drawn"):
        rows = gathered(loader)
    order = (rows.x[:, 0] / 3).astype(int)
    assert sorted(order) == list(range(7))
    assert rows.labels.tolist() == Y[order].tolist()


def test_rows_that_a_loader_leaves_out_are_counted():
    with pytest.warns(HowsureWarning, match="leaves out 1 of 7 rows"):
        rows = gathered(DataLoader(set_of(X), batch_size=3, drop_last=True))
    assert len(rows.x) == 6
    with warnings.catch_warnings(action="error"):
        gathered(DataLoader(set_of(X), batch_size=7, drop_last=True))


def test_a_dataset_is_told_how_to_become_a_loader():
    refuse(set_of(X, Y), FLAT, "single rows", "DataLoader(dataset, batch_size=256)")


def test_tensors_of_half_precision_and_with_gradients():
    part = torch.tensor(X, dtype=torch.bfloat16, requires_grad=True)
    assert np.array_equal(gathered(iter([part, part])).x, np.concatenate([X, X]))
