"""Modules whose passes cannot be told apart level by level run whole, and both ways give the same."""

import numpy as np
import pytest
import torch
from torch import nn

from howsure.adapters.torch.model import TorchModel
from howsure.adapters.torch.split import AskingModel, SplitModel, adapt
from howsure.sampling.masks import draw

ROUNDING = 1e-5
"""Of outputs near 1 in float32."""


class Words(nn.Module):
    """Reads the last word of each row, in ways that count rows."""

    def __init__(self, pick, twice):
        super().__init__()
        self.first, self.last = nn.Linear(4, 16), nn.Linear(16, 3)
        self.drop, self.pick, self.twice = nn.Dropout(0.5), pick, twice

    def forward(self, x, lengths):
        n, words, _ = x.shape
        h = self.pick(self.drop(torch.relu(self.first(x))), n, words, lengths.flatten() - 1)
        return self.last(self.drop(h) if self.twice else h)


def _flat(h, n, words, last):
    return h.reshape(n * words, -1)[torch.arange(n) * words + last]


def _selected(h, n, words, last):
    return h.reshape(n * words, -1).index_select(0, torch.arange(n) * words + last)


def _added(h, n, words, last):
    row = torch.arange(n).repeat_interleave(words) + 0 * last.repeat_interleave(words)
    return torch.zeros(n, 16).index_add(0, row, h.reshape(n * words, -1))


def _taken(h, n, words, last):
    return h[torch.arange(n), last]


class Chunks(nn.Module):
    """Does something to its rows 64 at a time."""

    def __init__(self, before=None, after=None):
        super().__init__()
        self.first, self.last, self.drop = nn.Linear(8, 16), nn.Linear(16, 3), nn.Dropout(0.3)
        self.before, self.after = before, after

    def forward(self, x):
        h = torch.relu(self.first(x))
        h = self.drop(h if self.before is None else self.before(h))
        return self.last(h if self.after is None else self.after(h))


def _multiplied(h):
    for start in range(0, len(h), 64):
        h[start : start + 64].mul_(3)
    return h


def _put(h):
    out = torch.empty_like(h)
    for start in range(0, len(h), 64):
        out[start : start + 64] = torch.tanh(h[start : start + 64])
    return out


def _parts(h):
    return torch.cat([torch.tanh(part) for part in h.split(64)])


def _quarters(h):
    return torch.cat([torch.tanh(part) for part in h.chunk(4)])


def outputs_of(model, module, rows, masks):
    """(W, n, …) of the adapter, and of the module with each mask put in by hand."""
    result = model.thin(masks)(model.trunk(rows))
    expected, width = [], len(masks[-1])
    for number in range(width):
        mine = iter([torch.from_numpy(mask[number * len(mask) // width]) for mask in masks])
        module.drop.forward = lambda h, mine=mine: h * next(mine) / (1 - module.drop.p)
        with torch.no_grad():
            expected.append(module(*map(torch.from_numpy, rows)).numpy())
    del module.drop.forward
    return result, np.stack(expected)


def assert_right(module, rows, kind):
    model, checked = adapt(module.eval(), rows if len(rows) > 1 else rows[0], gaussian_noise=False)
    assert type(model) is kind
    random_ops = [op for level in model.levels for op in level.random_ops]
    masks = [draw(op, seed=3, group=0, size=4) for op in random_ops]
    result, expected = outputs_of(model, module, checked, masks)
    assert result == pytest.approx(expected, abs=ROUNDING)
    assert np.abs(result - result[0]).max() > 0.1, "passes hardly differ, so nothing is tested"


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize(
    ("pick", "kind"),
    [(_flat, TorchModel), (_selected, TorchModel), (_added, TorchModel), (_taken, SplitModel)],
)
def test_rows_that_are_counted_are_those_of_each_pass(pick, kind, twice, random):
    x = random.normal(size=(6, 5, 4)).astype("float32")
    assert_right(Words(pick, twice), [x, np.array([4, 2, 5, 1, 3, 5])], kind)


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("function", [_multiplied, _put, _parts, _quarters])
def test_chunks_of_rows_are_all_there(function, place, random):
    x = random.normal(size=(150, 8)).astype("float32")
    assert_right(Chunks(**{place: function}), [x], TorchModel)


def test_all_of_the_rows_may_be_cut_out(random):
    x = random.normal(size=(150, 8)).astype("float32")
    assert_right(Chunks(after=lambda h: h[0:] + h[: len(h)] + h[:, :1]), [x], SplitModel)


class Asking(nn.Module):
    """Turns the signs where any number of its rows is below 0."""

    def __init__(self):
        super().__init__()
        self.layer, self.drop, self.last = nn.Linear(8, 8), nn.Dropout(0.4), nn.Linear(8, 3)

    def forward(self, x):
        h = self.drop(self.layer(x))
        return self.last(-h if (x < 0).any() else h)


def test_passes_run_whole_only_where_a_module_reads_another_number_of_its_rows(random):
    module, x = Asking().eval(), random.normal(size=(6, 8)).astype("float32")
    model, _ = adapt(module, x, gaussian_noise=False)
    assert type(model) is AskingModel
    assert [trunk.split is None for trunk in (model.trunk([x]), model.trunk([np.abs(x)]))] == [False, True]
    masks = [draw(op, seed=3, group=0, size=4) for level in model.levels for op in level.random_ops]
    for rows in (x, np.abs(x), x[:1]):
        result, expected = outputs_of(model, module, [rows], masks)
        assert result == pytest.approx(expected, abs=ROUNDING)
    both = model.trunk([x]).join([model.trunk([np.abs(x)])]).take(np.array([7, 0, 1]))
    _, expected = outputs_of(model, module, [np.concatenate([np.abs(x[1:2]), x[:2]])], masks)
    assert model.thin(masks)(both) == pytest.approx(expected, abs=ROUNDING)
