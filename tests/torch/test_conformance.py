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


def test_last_layer_laplace_of_a_regression():
    x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    module = regression().eval()
    with torch.no_grad():
        said, hidden = module(torch.tensor(x)).numpy(), module[:2](torch.tensor(x)).numpy()
    y = said + np.random.default_rng(1).normal(size=(40, 2)) * [1.0, 1e6]
    method = howsure.LastLayerLaplace.fit(module, x, y, outputs="values")
    found = howsure.assess(module, x, method=method, outputs="values")
    design = np.hstack([hidden, np.ones((40, 1))]).astype(float)
    for k in range(2):
        prior = np.diag([*[method.posterior.prior_precision[k]] * 6, 0.0])
        covariance = np.linalg.inv(design.T @ design / method.posterior.noise[k] ** 2 + prior)
        variance = np.einsum("ni,ij,nj->n", design, covariance, design)
        np.testing.assert_allclose(found.spread[:, k], np.sqrt(variance), rtol=1e-4)
    np.testing.assert_allclose(found.mean, said, rtol=1e-5)
    with pytest.raises(howsure.InputError, match="If the model gives such numbers"):
        howsure.LastLayerLaplace.fit(module, x, y)
