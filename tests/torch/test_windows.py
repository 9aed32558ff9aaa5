"""A module that cuts rows into windows, as `sliding_window_inference` of MONAI does, is refused soon."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import howsure

SIDE, STEP, AT_ONCE = 16, 8, 4
X = np.random.default_rng(0).normal(size=(1, 1, 40, 40)).astype("float32")


class Net(nn.Module):
    """A network for windows that counts the positions that it has seen."""

    def __init__(self, rate=0.2):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.drop, self.last = (
            nn.Conv2d(1, 8, 3, padding=1),
            nn.Dropout2d(rate),
            nn.Conv2d(8, 2, 1),
        )
        self.seen = [0]

    def forward(self, x):
        self.seen[0] += x.numel()
        return self.last(self.drop(torch.relu(self.first(x))))


class Sliding(nn.Module):
    """Runs a network on overlapping windows of all rows, some at a time, and averages them."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        starts = range(0, x.shape[-1] - SIDE + 1, STEP)
        places = [(row, a, b) for row in range(len(x)) for a in starts for b in starts]
        total, count = x.new_zeros((len(x), 2, *x.shape[2:])), x.new_zeros(x.shape[2:])
        for begin in range(0, len(places), AT_ONCE):
            some = places[begin : begin + AT_ONCE]
            windows = torch.stack([x[row, :, a : a + SIDE, b : b + SIDE] for row, a, b in some])
            for (row, a, b), output in zip(some, self.network(windows), strict=True):
                total[row, :, a : a + SIDE, b : b + SIDE] += output
                count[a : a + SIDE, b : b + SIDE] += 1 / len(x)
        return total / count


def test_dropout_in_windows_is_refused_within_three_plain_predictions():
    network = Net()
    module = Sliding(network).eval()
    with torch.no_grad():
        module(torch.from_numpy(X))
    plain, network.seen[0] = network.seen[0], 0
    with pytest.raises(howsure.ModelError, match=r"'network\.drop'.* cuts rows into windows.*tile="):
        howsure.assess(module, X, outputs="logits")
    assert network.seen[0] <= 3 * plain
    result = howsure.assess(module, X, outputs="logits", method=howsure.Softmax(), keep="probabilities")
    with torch.no_grad():
        p = module(torch.from_numpy(X)).softmax(1).movedim(1, -1).numpy()
    np.testing.assert_allclose(result.probabilities, p, atol=1e-6)


def test_windows_without_dropout_are_no_reason():
    module = Sliding(Net(rate=0.0)).eval()
    module.after = nn.Dropout2d(0.3)
    module.register_forward_hook(lambda module, args, output: module.after(output))
    result = howsure.assess(module, X, outputs="logits", method=howsure.MCDropout(passes=4))
    assert result.passes.tolist() == [4]


def test_tiles_cost_what_their_passes_cost():
    network, passes = Net().eval(), 20
    x = np.repeat(X, 12, axis=0)

    def assess():
        method = howsure.MCDropout(passes=passes)
        howsure.assess(network, x, outputs="logits", tile=SIDE, overlap=SIDE - STEP, method=method)

    assess()  # examines the network
    with FlopCounterMode(display=False) as spent:
        assess()
    places = ((40 - SIDE) // STEP + 1) ** 2
    with FlopCounterMode(display=False) as plain, torch.no_grad():
        network(torch.zeros(len(x) * places, 1, SIDE, SIDE))
    assert plain.get_total_flops() < spent.get_total_flops() <= passes * plain.get_total_flops()
