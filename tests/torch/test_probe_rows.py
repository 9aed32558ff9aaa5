"""What is decided on two rows is decided on two that tell something, and number by number."""

import numpy as np
import pytest
import torch
from torch import nn

import howsure
from howsure.adapters.torch.dry_run import same
from howsure.adapters.torch.inputs import probes
from howsure.inputs.rows import InputSpec
from tests.torch.modules import Layer, numbers


def network(before, value=None):
    """A dropout, a norm or more in training before it, and perhaps a class that is masked after it."""

    def masked(_, outputs):
        return torch.cat([outputs[:, :3], torch.full_like(outputs[:, 3:], value)], 1)

    layers = nn.Linear(8, 12, bias=False), before, nn.Dropout(0.3), nn.Linear(12, 4)
    return nn.Sequential(*layers, *([] if value is None else [Layer(masked)])).eval()


def louder():
    """Three times as much in training, in the module that drops as well."""
    return Layer(lambda m, x: nn.functional.dropout(x * 3 if m.training else x, 0.3, m.training))


def batch_norm():
    return nn.BatchNorm1d(12, track_running_stats=False)


REFUSED = {batch_norm: "depends on the rows beside it", louder: "in training more is computed"}


@pytest.mark.parametrize("make", list(REFUSED))
@pytest.mark.parametrize("masked", [-1e9, -np.inf])
def test_a_masked_class_hides_no_other(make, masked, random):
    with pytest.raises(howsure.ModelError, match=REFUSED[make]):
        howsure.assess(network(make(), masked), numbers(random, 6, 8), outputs="logits")


@pytest.mark.parametrize("make", list(REFUSED))
@pytest.mark.parametrize(
    "rows",
    [
        lambda x: np.concatenate([x[:1], x]),
        lambda x: np.concatenate([np.zeros_like(x[:3]), x]),
        lambda x: np.zeros_like(x),
        lambda x: x[:1],
    ],
    ids=["twice", "zeros first", "zeros alone", "one"],
)
def test_first_rows_that_are_alike_hide_nothing(make, rows, random):
    with pytest.raises(howsure.ModelError, match=REFUSED[make]):
        howsure.assess(network(make()), rows(numbers(random, 6, 8)), outputs="logits")


def test_two_rows_that_differ_are_looked_for(random):
    x, lengths = numbers(random, 6, 3), np.array([4, 4, 2, 2, 4, 3])
    x[1], x[2] = x[0], 7
    specs = [InputSpec("x", (3,), "float32"), InputSpec("lengths", (), "int64")]
    probed = probes(specs, [x, lengths], lambda rows: pytest.fail("there is such a row"))
    assert probed[0].tolist() == x[[0, 3]].tolist()
    assert probed[1].tolist() == [4, 2]


@pytest.mark.parametrize("runs", [True, False])
def test_a_row_is_made_up_where_all_are_alike(runs):
    x, tokens = np.ones((4, 3), np.float32) * [1, 2, 3], np.tile([5, 6, 1], (4, 1))
    specs = [InputSpec("x", (3,), "float32"), InputSpec("tokens", (3,), "int64")]
    probed = probes(specs, [x, tokens], lambda rows: runs)
    assert probed[0][0].tolist() == [1, 2, 3]
    assert (probed[0][1].tolist() != [1, 2, 3]) == runs
    assert probed[1].tolist() == [[5, 6, 1], [1, 6, 5] if runs else [5, 6, 1]]


@pytest.mark.parametrize(
    ("off", "equal"), [(1e-6, True), (1e-2, False), (float("nan"), False), (float("inf"), False)]
)
def test_numbers_are_compared_one_by_one(off, equal):
    one = torch.tensor([[1.0, 2.0, 1e-7, -1e9], [0.5, -1.0, 3.0, -1e9]])
    other = one.clone()
    other[0, 1] += off
    assert same(one, other) is equal
    assert same(other, one) is equal
    other[0, 1] = one[0, 1]
    other[0, 2] = -1e-7  # next to 0, where rounding leaves no digit
    assert same(one, other)
