"""The PyTorch adapter keeps to the protocols of the model seam, on modules that differ in kind."""

import pytest

from howsure.adapters.torch import adapt
from tests.support.conformance import check_adapter
from tests.torch.modules import MODULES, build, rows_for

EVERYTHING = ("Model", "PassModel", "FeatureModel")


@pytest.mark.parametrize("name", MODULES)
def test_the_adapter_keeps_to_its_protocols(name):
    x = rows_for(name)
    rows = list(x.values()) if isinstance(x, dict) else [x]
    assert check_adapter(lambda: adapt(build(name), x, gaussian_noise=False)[0], rows) == EVERYTHING
