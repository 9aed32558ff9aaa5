"""What examining costs: counted in rows that go through a module, and in multiply-adds of plain passes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from howsure.adapters.torch.model import TorchModel
from howsure.adapters.torch.split import SplitModel, adapt
from howsure.adapters.torch.tracer import multiply_adds
from tests.torch.modules import MODULES, Watching, build, numbers, own_outputs, rows_for

WHOLE = ("no dropout", "dropped_words")
AT_FIRST, LATER = 30, 3
"""Most plain passes of one row that examining may cost."""


class Block(nn.Module):
    """Two convolutions with norms, and dropped channels."""

    def __init__(self, inputs, width, rate):
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(inputs, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()),
            *(
                nn.Conv2d(width, width, 3, padding=1),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Dropout2d(rate),
            ),
        )

    def forward(self, x):
        return self.layers(x)


class UNet(nn.Module):
    """A class of each pixel, with skip connections."""

    def __init__(self):
        super().__init__()
        self.down, self.low, self.up = Block(1, 8, 0.0), Block(8, 16, 0.3), Block(16, 8, 0.3)
        self.wider, self.head = nn.ConvTranspose2d(16, 8, 2, 2), nn.Conv2d(8, 3, 1)

    def forward(self, x):
        x = self.down(x)
        low = self.wider(self.low(F.max_pool2d(x, 2)))
        return self.head(self.up(torch.cat([x, low], 1)))


CASES = {
    "unet": (UNet, lambda random: numbers(random, 4, 1, 16, 16)),
    "no dropout": (lambda: nn.Sequential(nn.Linear(8, 4), nn.ReLU()), lambda random: numbers(random, 9, 8)),
    **{name: (lambda name=name: build(name), lambda random, name=name: rows_for(name)) for name in MODULES},
}


def cost_of(module, x):
    """Rows that go through the module when it is adapted, multiply-adds in plain passes, and the adapter."""
    rows = []
    hook = module.register_forward_pre_hook(
        lambda _, args, named: rows.append(len([*args, *named.values()][0])), with_kwargs=True
    )
    plain, counted = [], []
    with Watching(lambda *call: plain.append(multiply_adds(*call))):
        own_outputs(module, {name: part[:1] for name, part in x.items()} if isinstance(x, dict) else x[:1])
    rows.clear()
    costs = []
    for _ in range(2):
        counted.clear()
        with Watching(lambda *call: counted.append(multiply_adds(*call))):
            model, _ = adapt(module, x, gaussian_noise=False)
        costs.append((sum(rows), sum(counted) / sum(plain)))
        rows.clear()
    hook.remove()
    return costs, model


@pytest.mark.parametrize("name", CASES)
def test_examining_costs_few_plain_passes(name, random):
    torch.manual_seed(0)
    make, rows = CASES[name]
    (first, later), model = cost_of(make().eval(), rows(random))
    assert type(model) is (TorchModel if name in WHOLE else SplitModel)
    assert max(first) <= AT_FIRST
    assert max(later) <= LATER
