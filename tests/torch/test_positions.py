"""A class at each position, of PyTorch modules, against all thinned networks."""

import numpy as np
import pytest
import torch
from torch import nn

import howsure
from tests import dense
from tests.torch.modules import own_outputs


def as_convolution(name):
    kernel, bias = (torch.tensor(array, dtype=torch.float32) for array in dense.weights()[name])
    layer = nn.Conv2d(*kernel.shape, 1)
    with torch.no_grad():
        layer.weight.copy_(kernel.T[:, :, None, None])
        layer.bias.copy_(bias)
    return layer


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        for name in ("skip", "bottom", "mixed", "logits"):
            self.add_module(name, as_convolution(name))
        self.drop, self.late = nn.Dropout(dense.RATES[0]), nn.Dropout2d(dense.RATES[1])

    def forward(self, x):
        skip = torch.relu(self.skip(x))
        bottom = self.drop(torch.relu(self.bottom(nn.functional.avg_pool2d(skip, 2))))
        beside = torch.cat([skip, nn.functional.interpolate(bottom, scale_factor=2)], 1)
        return self.logits(self.late(torch.relu(self.mixed(beside))))


def images():
    return np.ascontiguousarray(np.moveaxis(dense.rows(), -1, 1))


def assess(method, seed=0, **settings):
    return howsure.assess(UNet().eval(), images(), method=method, seed=seed, outputs="logits", **settings)


def test_every_field_is_that_of_all_thinned_networks():
    module = UNet().eval()
    runs = [
        howsure.assess(
            module,
            images(),
            method=howsure.MCDropout(passes=40),
            seed=seed,
            outputs="logits",
            keep="probabilities",
        )
        for seed in range(8)
    ]
    dense.check(runs)
    dense.quantiles_hold(
        howsure.assess(module, images(), method=howsure.MCDropout(passes=200), outputs="logits")
    )


def test_the_plain_prediction_is_that_of_the_module():
    module = UNet().eval()
    result = assess(howsure.PlainPrediction(), keep="probabilities")
    expected = own_outputs(module, images()).softmax(1).numpy()
    np.testing.assert_allclose(np.moveaxis(result.probabilities, -1, 1), expected, atol=1e-6)
    assert np.isnan(result.share_spread).all()
    assert not result.mc_error.any()
    counts = (expected.argmax(1)[..., None] == np.arange(3)).mean(axis=(1, 2))
    np.testing.assert_allclose(result.share, counts)


@pytest.mark.parametrize(("shape", "axis"), [((3, 1), 1), ((1, 3), 2), ((3, 1, 1), 1)])
def test_a_map_of_one_position_is_refused_unless_it_is_asked_for(shape, axis):
    x = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    module = nn.Sequential(nn.Dropout(0.2), nn.Linear(8, 3), nn.Unflatten(1, shape)).eval()
    message = r"is a map of one position\. Expected: an output of shape \(rows, 3\).*output\.flatten\(1\)"
    with pytest.raises(howsure.ModelError, match=message):
        howsure.assess(module, x, outputs="logits")
    flat = nn.Sequential(module, nn.Flatten(1)).eval()
    method = howsure.MCDropout(passes=10)
    expected = howsure.assess(flat, x, method=method, outputs="logits")
    result = howsure.assess(module, x, method=method, outputs="logits", class_axis=axis)
    assert result.label.reshape(4) == pytest.approx(expected.label)
    assert howsure.assess(module, x, method=method, outputs="values").mean.shape == (4, 3)


def test_a_text_of_one_token_is_a_map_of_one_position():
    tagger = nn.Sequential(nn.Embedding(9, 8), nn.Dropout(0.2), nn.Linear(8, 3)).eval()
    assert howsure.assess(tagger, np.arange(4)[:, None], outputs="logits").label.shape == (4, 1)
