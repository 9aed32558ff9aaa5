"""U-Nets of PyTorch for a class at each pixel, trained anew each time, and the images they are measured on.

    bottom      a U-Net of four levels, 32 to 256 channels and 512 at the bottom, dropout .5 there
    each        the same with dropout .2 after each level

Images with discs of four classes and noise are made.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Floats = NDArray[np.float32]

SIDE, IMAGES, CLASSES, WIDTHS = 64, 4, 5, (32, 64, 128, 256)
STEPS, BATCH = 60, 8
"""Of training."""


class UNet(nn.Module):
    """Two convolutions at each level (Ronneberger, Fischer & Brox 2015).

    Args:
        bottom: Dropout rate at the bottom.
        each: Dropout rate at the other levels, on the way down and up; 0 for no such layers.
    """

    def __init__(self, bottom: float, each: float) -> None:
        super().__init__()
        deep = 2 * WIDTHS[-1]
        self.down = nn.ModuleList(
            _level(before, width, each) for before, width in zip((3, *WIDTHS), WIDTHS, strict=False)
        )
        self.bottom = _level(WIDTHS[-1], deep, bottom)
        self.widen = nn.ModuleList(nn.ConvTranspose2d(2 * width, width, 2, stride=2) for width in WIDTHS)
        self.up = nn.ModuleList(_level(2 * width, width, each) for width in WIDTHS)
        self.output = nn.Conv2d(WIDTHS[0], CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 5, H, W) logits."""
        kept = []
        for level in self.down:
            x = level(x)
            kept.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for widen, level, beside in zip(reversed(self.widen), reversed(self.up), reversed(kept), strict=True):
            x = level(torch.cat([beside, widen(x)], dim=1))
        found: Tensor = self.output(x)
        return found


def _level(before: int, width: int, rate: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, width):
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.Dropout2d(rate)] if rate else []))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "bottom": lambda: UNet(bottom=0.5, each=0.0),
    "each": lambda: UNet(bottom=0.2, each=0.2),
}


def discs(count: int, side: int, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """(N, 3, H, W) images with discs of four classes, whose colours differ less than the noise."""
    random = np.random.default_rng(seed)
    places = np.arange(side)
    y = np.zeros((count, side, side), dtype=np.int64)
    for image in y:
        for _ in range(max(4, side // 16)):
            (down, across), radius = random.integers(0, side, 2), random.integers(4, 16)
            there = (places[:, None] - down) ** 2 + (places - across) ** 2 < radius**2
            image[there] = random.integers(1, CLASSES)
    colours = random_colours()
    x = np.moveaxis(colours[y], -1, 1) + random.normal(size=(count, 3, side, side))
    return x.astype(np.float32), y


def random_colours() -> NDArray[np.float64]:
    """(5, 3) of the background and the four classes, the same for all images."""
    return np.random.default_rng(5).normal(size=(CLASSES, 3))


def trained(name: str) -> tuple[nn.Module, Floats]:
    """The network after a short training, and new images."""
    torch.manual_seed(0)
    module, (x, y) = NETWORKS[name](), discs(STEPS * BATCH, SIDE, seed=1)
    optimizer = torch.optim.Adam(module.parameters(), 1e-3)
    module.train()
    for some in torch.randperm(len(x)).split(BATCH):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(torch.from_numpy(x[some])), torch.from_numpy(y[some])).backward()
        optimizer.step()
    return module.eval(), discs(IMAGES, SIDE, seed=2)[0]
