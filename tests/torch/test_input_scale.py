"""Rows on another scale than those of the training, told by what batch normalisation kept."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import howsure

METHOD = howsure.MCDropout(passes=4)
PIXELS = np.random.default_rng(0).integers(0, 256, (60, 1, 6, 6)).astype(np.uint8)


def trained(scale, *first, units=1):
    """A module whose statistics are those of the pixels on some scale."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(units, momentum=None)
    module = nn.Sequential(*first, norm, nn.Flatten(), nn.Dropout(0.5), nn.LazyLinear(3), nn.Softmax(-1))
    with torch.no_grad():
        module(scale * torch.from_numpy(PIXELS).float())
    return module.eval()


@pytest.mark.parametrize("first", [0, 2])
def test_rows_on_another_scale_are_said_aloud(first):
    before = (nn.Conv2d(1, 8, 3, bias=False), nn.ReLU())[:first]
    module = trained(1 / 255, *before, units=8 if first else 1)
    state = copy.deepcopy(module.state_dict())
    howsure.assess(module, (PIXELS / 255).astype(np.float32), method=METHOD)
    for raw in (PIXELS, PIXELS.astype(np.float32), torch.from_numpy(PIXELS).float()):
        with pytest.warns(
            howsure.HowsureWarning, match="look about 2[0-9]0 times larger.*divide them by 255"
        ):
            howsure.assess(module, raw, method=METHOD)
    with pytest.warns(howsure.HowsureWarning, match="times larger.*as they were prepared for the training"):
        howsure.assess(module, 100 * PIXELS.astype(np.float32), method=METHOD)
    assert all(torch.equal(state[name], tensor) for name, tensor in module.state_dict().items())
    assert not any(layer._forward_pre_hooks for layer in module.modules())
    on_bytes = trained(1.0, *before, units=8 if first else 1)
    howsure.assess(on_bytes, PIXELS, method=METHOD)  # which it was trained on: no warning


def test_a_normalisation_that_kept_nothing_tells_nothing():
    module = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(36, 3), nn.Softmax(-1))
    howsure.assess(module.eval(), PIXELS, method=METHOD)
