"""Random modules that a caller keeps off are as if they were not there."""

import numpy as np
import pytest
import torch
from torch import nn

import howsure

x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)


def network():
    torch.manual_seed(0)
    steps = (nn.Dropout(0.3), nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3), nn.Softmax(-1))
    return nn.Sequential(*steps).eval()


@pytest.mark.parametrize("method", [{}, {"passes": 8}])
def test_a_module_that_is_kept_off_is_as_if_it_were_not_there(method):
    module = network()
    found = howsure.assess(module, x, method=howsure.MCDropout(keep_off=["0"], **method))
    wanted = howsure.assess(nn.Sequential(*list(module)[1:]), x, method=howsure.MCDropout(**method))
    np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=1e-6)
    np.testing.assert_allclose(found.mc_error, wanted.mc_error, atol=1e-6)
    first = howsure.audit(module, x, keep_off=["0"]).layers[0]
    assert (first.name, first.random, first.note) == ("0", None, "stays fixed: `keep_off` names it")
    assert not any(each.training for each in module.modules())


def test_attention_is_kept_off_by_the_name_that_the_audit_tells():
    torch.manual_seed(0)
    inner = nn.TransformerEncoderLayer(4, 2, 8, 0.2, batch_first=True)
    module = nn.Sequential(nn.Linear(4, 8), nn.Unflatten(1, (2, 4)), inner, nn.Flatten(), nn.Dropout(0.5))
    module = nn.Sequential(module, nn.Linear(8, 3), nn.Softmax(-1)).eval()
    random = [layer.name for layer in howsure.audit(module, x).layers if layer.random]
    assert "0.2.self_attn" in random
    inside = [name for name in random if name.startswith("0.2")]
    method = howsure.MCDropout(passes=8, keep_off=inside)
    found = howsure.assess(module, x, method=method)
    for each in inner.modules():
        if isinstance(each, nn.Dropout):
            each.p = 0.0
    inner.self_attn.dropout = 0.0
    wanted = howsure.assess(module, x, method=howsure.MCDropout(passes=8))
    np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=1e-6)


@pytest.mark.parametrize(
    ("keep_off", "said"), [(["9"], "Expected: some of '0', '3'"), (["0", "3"], "leaves nothing random")]
)
def test_names_that_cannot_be_kept_off(keep_off, said):
    with pytest.raises(howsure.InputError, match=said):
        howsure.assess(network(), x, method=howsure.MCDropout(keep_off=keep_off))
