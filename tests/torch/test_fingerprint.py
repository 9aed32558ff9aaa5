"""The digest of a module is of all its weights, and of nothing else."""

import copy

import pytest
import torch
from torch import nn

from howsure.adapters.fingerprint import digest
from howsure.adapters.torch import weights_of


def module():
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.Linear(16, 3)).eval()


def test_statistics_of_a_norm_count_and_flags_and_gradients_do_not():
    model = module()
    trained, used = copy.deepcopy(model).train(), copy.deepcopy(model).train().requires_grad_(False)
    trained(torch.randn(60, 8))
    one, other, again = (digest(weights_of([model])) for model in (model, trained, used))
    assert one == again == digest(weights_of([nn.DataParallel(model).module])) != other


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
