"""What a DataLoader of PyTorch gives is gathered: rows, labels, and a word about their order."""

import warnings

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    TensorDataset,
)

from howsure import HowsureWarning
from tests.inputs.test_loaders import FLAT, X, Y, gathered, refuse


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


def test_a_loader_that_shuffles_keeps_rows_and_labels_together_and_says_so():
    loader = DataLoader(set_of(X, Y), batch_size=3, shuffle=True)
    with pytest.warns(
        HowsureWarning,
        match="its RandomSampler.*: row numbers count the rows as they were drawn",
    ):
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


class Backwards(Sampler):
    """A sampler of one's own."""

    def __iter__(self):
        return iter(range(len(X))[::-1])

    def __len__(self):
        return len(X)


class SortedBatches(BatchSampler):
    """Batches of one's own, as of rows of like length."""

    def __iter__(self):
        return iter(sorted(super().__iter__(), reverse=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_sampler": BatchSampler(RandomSampler(X), 3, False)}, "in the order of its RandomSampler"),
        ({"batch_size": 3, "sampler": Backwards()}, "in the order of its Backwards, which may be any"),
        ({"batch_size": None, "sampler": Backwards()}, "in the order of its Backwards"),
        ({"batch_sampler": BatchSampler(Backwards(), 3, False)}, "in the order of its Backwards"),
        ({"batch_sampler": SortedBatches(SequentialSampler(X), 3, False)}, "order of its SortedBatches"),
        ({"batch_sampler": [[6, 5], [4, 3, 2], [1, 0]]}, "in the order of its list"),
    ],
)
def test_an_order_that_is_not_known_is_said(settings, message):
    with pytest.warns(HowsureWarning, match=f"{message}.*row numbers count the rows as they were drawn"):
        rows = gathered(DataLoader(set_of(X, Y), **settings))
    order = (rows.x[:, 0] / 3).astype(int)
    assert sorted(order) == list(range(7))
    assert rows.labels.tolist() == Y[order].tolist()


def test_an_order_that_is_known_needs_no_word():
    class Streamed(IterableDataset):
        def __iter__(self):
            return iter(torch.tensor(X))

    with warnings.catch_warnings(action="error"):
        for loader in (
            DataLoader(set_of(X), batch_sampler=BatchSampler(SequentialSampler(X), 3, False)),
            DataLoader(Streamed(), batch_size=3),
            DataLoader(Streamed(), batch_size=None),
        ):
            assert np.array_equal(gathered(loader).x, X)


def test_rows_that_a_sampler_of_batches_leaves_out_are_counted():
    with pytest.warns(HowsureWarning, match="leaves out 1 of 7 rows"):
        rows = gathered(DataLoader(set_of(X), batch_sampler=BatchSampler(SequentialSampler(X), 3, True)))
    assert len(rows.x) == 6


@pytest.mark.parametrize("inputs", [FLAT, None])
def test_a_dataset_is_read_row_by_row(inputs):
    rows = gathered(set_of(X, Y), inputs)
    assert np.array_equal(rows.x, X)
    assert rows.labels.tolist() == Y.tolist()
    one_hot = np.eye(3, dtype="float32")[Y % 3]  # as long as a row: no batch of three rows
    rows = gathered(set_of(X, one_hot), inputs)
    assert np.array_equal(rows.x, X)
    assert np.array_equal(rows.labels, one_hot)
    assert np.array_equal(gathered(set_of(X), inputs).x, X)


def test_a_dataset_without_a_length_is_told_how_to_become_a_loader():
    class Endless(Dataset):
        def __getitem__(self, row):
            return torch.zeros(3)

    refuse(
        Endless(), FLAT, "does not say how many rows it has", "DataLoader(dataset, batch_size=256, sampler"
    )


def test_tensors_of_half_precision_and_with_gradients():
    part = torch.tensor(X, dtype=torch.bfloat16, requires_grad=True)
    assert np.array_equal(gathered(iter([part, part])).x, np.concatenate([X, X]))
