"""The PyTorch adapter keeps to the protocols of the model seam, on modules that differ in kind."""

import numpy as np
import pytest
import torch

import howsure
from howsure.models.torch import adapt
from tests.support.conformance import check_adapter, check_method
from tests.torch.modules import MODULES, build, rows_for

EVERYTHING = ("Model", "PassModel", "FeatureModel")


@pytest.mark.parametrize("name", MODULES)
def test_the_adapter_keeps_to_its_protocols(name):
    x = rows_for(name)
    rows = list(x.values()) if isinstance(x, dict) else [x]
    assert check_adapter(lambda: adapt(build(name), x, gaussian_noise=False)[0], rows) == EVERYTHING


def regression(seed=0):
    """Two numbers per row, whose units are a million apart."""
    torch.manual_seed(seed)
    last = torch.nn.Linear(6, 2)
    with torch.no_grad():
        last.weight *= torch.tensor([[1.0], [1e6]])
    return torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Dropout(0.3), last)


def test_a_regression_keeps_to_the_seams():
    x = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    assert check_adapter(lambda: adapt(regression(), x, gaussian_noise=False)[0], [x]) == EVERYTHING
    check_method(howsure.MCDropout(), regression(), x, outputs="values")


def test_last_layer_laplace_of_a_regression_is_refused():
    x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    y, module = np.random.default_rng(1).normal(size=(40, 2)), regression()
    with pytest.raises(howsure.InputError, match=r"one class.*with an output of 2 numbers.*laplace-torch"):
        howsure.LastLayerLaplace.fit(module, x, y, outputs="values")
    with pytest.raises(howsure.InputError, match="If the model gives such numbers"):
        howsure.LastLayerLaplace.fit(module, x, y, outputs="logits")
