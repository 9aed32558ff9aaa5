"""Modules that write in place: drops into slices and pieces, into the rows they are given, and their like."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import howsure
from howsure.adapters.torch import split as splitting
from howsure.adapters.torch.model import TorchModel
from howsure.adapters.torch.split import SplitModel, adapt
from howsure.sampling.masks import draw
from tests.torch.test_left_as_found import assert_left, look

ROUNDING = 1e-5
"""Of outputs near 1 in float32."""


class Through(nn.Module):
    """Two linear layers with a function between."""

    def __init__(self, function):
        super().__init__()
        self.first, self.last, self.function = nn.Linear(8, 8), nn.Linear(8, 3), function
        self.drop, self.in_place = nn.Dropout(0.4), nn.Dropout(0.4, inplace=True)

    def forward(self, x):
        return self.last(self.function(self, torch.relu(self.first(x))))


def _slice(m, h):
    h[:, 1:] = m.drop(h[:, 1:])
    return h


def _slice_of_a_copy(m, h):
    h = h.clone()
    h[:, ::2] = m.drop(h[:, ::2])
    return h


def _slice_of_new_memory(m, h):
    out = torch.zeros_like(h)
    out[:, 2:] = m.drop(h[:, 2:])
    return out


def _chunk(m, h):
    one, other = h.chunk(2, 1)
    return torch.cat([m.in_place(one), other], 1)


def _chunk_alone(m, h):
    m.in_place(h.chunk(2, 1)[1])
    return h


def _split(m, h):
    one, other = h.split([3, 5], 1)
    m.in_place(other)
    return torch.cat([one, other], 1)


def _unbound(m, h):
    one, other = h.view(-1, 2, 4).unbind(1)
    return torch.cat([m.in_place(one), other], 1)


def _twice(m, h):
    h[:, 1:] = m.drop(h[:, 1:])
    h[:, :4] = m.drop(h[:, :4])
    return h


@pytest.mark.parametrize(
    "function",
    [_slice, _slice_of_a_copy, _slice_of_new_memory, _chunk, _chunk_alone, _split, _unbound, _twice],
)
def test_a_drop_into_a_piece_is_what_it_is_in_whole_passes(function, random):
    module, x = Through(function).eval(), random.normal(size=(7, 8)).astype("float32")
    before = look(module)
    model, rows = adapt(module, x, gaussian_noise=False)
    assert type(model) is SplitModel
    random_ops = [op for level in model.levels for op in level.random_ops]
    masks = [draw(op, seed=3, group=0, size=5) for op in random_ops]
    result = model.thin(masks)(model.trunk(rows))
    whole = TorchModel(model.examination)
    assert result == pytest.approx(whole.thin(masks)(whole.trunk(rows)), abs=ROUNDING)
    assert np.abs(result - result[0]).max() > 0.1
    howsure.assess(module, x, outputs="logits")
    assert_left(module, before)


class IntoRows(nn.Module):
    """It writes into the rows it is given, in training and when predicting."""

    def __init__(self, shift, *, in_place):
        super().__init__()
        self.last, self.shift, self.in_place = nn.Linear(8, 3), shift, in_place

    def forward(self, x):
        x = x if self.in_place else x.clone()
        if self.shift:
            x.sub_(self.shift)
            x[:, 0] = 0
        return self.last(F.dropout(x, 0.3, self.training, inplace=self.in_place))


@pytest.mark.parametrize("shift", [0, 0.5])
@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize("method", [howsure.MCDropout(), howsure.MCDropout(passes=30), howsure.Softmax()])
def test_what_is_written_into_rows_stays_in_copies_of_them(method, as_tensor, shift, random):
    x = random.normal(size=(9, 8)).astype("float32")
    rows = torch.from_numpy(x.copy()) if as_tensor else x.copy()
    certainties = []
    for in_place in (True, False):
        torch.manual_seed(1)
        module = IntoRows(shift, in_place=in_place).eval()
        assert type(adapt(module, rows, gaussian_noise=False)[0]) is SplitModel
        certainties.append(howsure.assess(module, rows, method=method, seed=1, outputs="logits"))
    assert certainties[0].probabilities == pytest.approx(certainties[1].probabilities, abs=ROUNDING)
    assert (np.asarray(rows) == x).all()


def _drawn(numbers):
    return lambda m, h: h * numbers(h) if m.training else h


BY_TENSORS = {
    "mean": lambda h: torch.normal(torch.ones_like(h), 0.5),
    "deviation": lambda h: torch.normal(1.0, torch.full_like(h, 0.5)),
    "both": lambda h: torch.normal(torch.ones_like(h), torch.full_like(h, 0.5)),
    "deviations of units": lambda h: torch.normal(
        torch.ones_like(h), torch.full((8,), 0.5, dtype=h.dtype).expand_as(h)
    ),
}


@pytest.mark.parametrize("name", BY_TENSORS)
def test_normal_numbers_by_tensors_are_those_by_numbers(name, random):
    x = random.normal(size=(20, 8)).astype("float32")
    modules = []
    for numbers in (BY_TENSORS[name], lambda h: 1 + 0.5 * torch.randn_like(h)):
        torch.manual_seed(1)
        modules.append(Through(_drawn(numbers)).eval())
    assert adapt(modules[0], x, gaussian_noise=False)[0].whole_because.endswith("of a tensor")
    result, expected = (howsure.passes(module, x, 8, seed=1, outputs="logits") for module in modules)
    assert result == pytest.approx(expected, abs=ROUNDING)


def test_normal_numbers_around_others_are_noise(random):
    def noised(m, h):
        return m.drop(torch.normal(h, 0.2) if m.training else h)

    module, x = Through(noised).eval(), random.normal(size=(5, 8)).astype("float32")
    with pytest.warns(howsure.HowsureWarning, match="adds noise, which is random with MCDropout"):
        howsure.assess(module, x, outputs="logits")
    noisy = howsure.assess(module, x, method=howsure.MCDropout(gaussian_noise=True), outputs="logits")
    assert np.isfinite(noisy.probabilities).all()


def test_where_both_halves_of_a_batch_lie_shows_at_any_rate(random):
    def twins(m, h):
        one, other = F.dropout(torch.cat([h, -h]), 0.01, m.training).chunk(2)
        return one - 2 * other

    module, x = Through(twins).eval(), random.normal(size=(5, 8)).astype("float32")
    (place,) = adapt(module, x, gaussian_noise=False)[0].examination.places
    assert (place.folded, place.rows_first) == (2, False)


def test_what_fails_level_by_level_runs_whole(monkeypatch, random):
    def fails(*arguments):
        raise RuntimeError("the size of tensor a must match")

    monkeypatch.setattr(splitting, "_agree", fails)
    module, x = Through(_slice).eval(), random.normal(size=(5, 8)).astype("float32")
    model, _ = adapt(module, x, gaussian_noise=False)
    assert type(model) is TorchModel
    assert model.whole_because.startswith(splitting.AGAIN_FAILS)
    assert howsure.assess(module, x, outputs="logits").mc_error.max() > 0


def test_a_deep_module_is_assessed(random):
    module = nn.Sequential(nn.Linear(8, 8), *(nn.Dropout(0.01) for _ in range(70)), nn.Linear(8, 3)).eval()
    certainty = howsure.assess(module, random.normal(size=(5, 8)).astype("float32"), outputs="logits")
    assert certainty.mc_error.max() > 0
