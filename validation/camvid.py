"""CamVid at 80 × 60, and the networks that are trained on it: a small Bayesian SegNet and two small U-Nets.

    segnet      four levels and max-unpooling; dropout .5 after the two deepest encoders and decoders, the
                central ones, as in Bayesian SegNet-Basic (Kendall, Badrinarayanan & Cipolla 2015)
    unet        skips instead of unpooling; dropout .5 at the bottom
    unet_each   the same with dropout .2 at each level

Recipe: 30 epochs (SegNet 60) of Adam at 2e-3, which falls to 0 by a cosine; batches of 8, mirrored at random;
cross-entropy weighted by median frequency (Eigen & Fergus 2015, as in SegNet), void ignored; bfloat16.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

DATA = Path(__file__).parents[2] / "shared" / "data" / "camvid_160x120.npz"

NAMES = (
    *("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car"),
    *("pedestrian", "bicyclist"),
)
"""Classes in the order of the SegNet tutorial's files."""

VOID = len(NAMES)
"""Class number of pixels that do not count."""

REDUCED = 2
"""Pixels of the file that become one, along each side. 1 takes four times as long."""

WIDTHS, SEGNET_WIDTHS = (16, 32, 48, 64), (16, 64, 128, 128)
"""Channels of the four levels. SegNet is wider: half of them drop, and nothing goes past them."""

EPOCHS = {"segnet": 60, "unet": 30, "unet_each": 30}
BATCH, RATE = 8, 2e-3

CENTRAL = 2
"""The first of the levels that drop, from 0."""


class Part(NamedTuple):
    """Images of a part of the set: (N, 3, H, W) standardised, and (N, H, W) class numbers."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]


def load() -> dict[str, Part]:
    """The parts `train`, `val` and `test`; channels are standardised by those of the training images.

    Images are reduced by means of squares, labels by taking one pixel of each square.

    Raises:
        FileNotFoundError: The data are not there.
    """
    with np.load(DATA) as kept:
        scale = kept["x_train"].reshape(-1, 3)
        mean, spread = scale.mean(axis=0, dtype=np.float64), scale.std(axis=0, dtype=np.float64)
        found = {}
        for part in ("train", "val", "test"):
            count, height, width, channels = kept[f"x_{part}"].shape
            squares = (count, height // REDUCED, REDUCED, width // REDUCED, REDUCED, channels)
            x = kept[f"x_{part}"].reshape(squares).mean(axis=(2, 4), dtype=np.float32)
            x = np.moveaxis((x - mean) / spread, -1, 1)
            y = kept[f"y_{part}"][:, ::REDUCED, ::REDUCED].astype(np.int64)
            found[part] = Part(np.ascontiguousarray(x, dtype=np.float32), y)
    return found


def _conv(before: int, after: int, size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, padding=size // 2, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


class SegNet(nn.Module):
    """One convolution per level, as SegNet-Basic, and max-unpooling with the indices of the encoder."""

    def __init__(self, rate: float = 0.5) -> None:
        super().__init__()
        widths = SEGNET_WIDTHS
        before, after = (3, *widths[:-1]), (widths[0], *widths[:-1])
        self.encoders = nn.ModuleList(map(_conv, before, widths, (5, 3, 3, 3)))
        self.decoders = nn.ModuleList(map(_conv, widths, after, (3, 3, 3, 3)))
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
        self.drop = nn.Dropout(rate)
        self.output = nn.Conv2d(widths[0], len(NAMES), 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 11, H, W) logits."""
        kept = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(x)
            kept.append(x.shape[2:])
            x, places = self.pool(x)
            kept[-1] = places, kept[-1]
            x = self.drop(x) if level >= CENTRAL else x
        for level in (3, 2, 1, 0):
            places, size = kept[level]
            x = self.decoders[level](self.unpool(x, places, output_size=size))
            x = self.drop(x) if level >= CENTRAL else x
        return self.output(x)


class UNet(nn.Module):
    """One convolution per level on the way down and up, with skips.

    Args:
        bottom: Dropout rate at the bottom.
        each: Dropout rate after every other encoder and every decoder; None for no such layers.
    """

    def __init__(self, bottom: float = 0.5, each: float | None = None) -> None:
        super().__init__()
        before, deep = (3, *WIDTHS[:-1]), WIDTHS[-1]
        self.encoders = nn.ModuleList(map(_conv, before, WIDTHS, (5, 3, 3, 3)))
        self.bottom, self.drop = _conv(deep, deep, 3), nn.Dropout2d(bottom)
        wide = (*WIDTHS[1:], deep)
        self.decoders = nn.ModuleList(_conv(sum(both), both[1], 3) for both in zip(wide, WIDTHS, strict=True))
        self.drops = nn.ModuleList(nn.Identity() if each is None else nn.Dropout2d(each) for _ in range(8))
        self.output = nn.Conv2d(WIDTHS[0], len(NAMES), 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 11, H, W) logits."""
        kept = []
        for level, encoder in enumerate(self.encoders):
            x = self.drops[level](encoder(x))
            kept.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.drop(self.bottom(x))
        for level in (3, 2, 1, 0):
            x = nn.functional.interpolate(x, size=kept[level].shape[2:])
            x = self.drops[4 + level](self.decoders[level](torch.cat([x, kept[level]], dim=1)))
        return self.output(x)


NETWORKS = {"segnet": SegNet, "unet": UNet, "unet_each": lambda: UNet(bottom=0.2, each=0.2)}


def weights(y: NDArray[np.int64]) -> Tensor:
    """(11,) median frequency over the frequency of each class, in the images where it is."""
    counts = np.array([np.bincount(each.reshape(-1), minlength=VOID + 1)[:VOID] for each in y])
    pixels = counts.sum(axis=1, keepdims=True)
    frequency = counts.sum(axis=0) / np.sum(pixels * (counts > 0), axis=0)
    return torch.from_numpy((np.median(frequency) / frequency).astype(np.float32))


def trained(name: str, folder: Path) -> nn.Module:
    """The network of this name, in eval mode: from the folder, or trained and put there."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    path = folder / f"{name}.pt"
    if path.exists():
        network.load_state_dict(torch.load(path, weights_only=True))
        return network.eval()
    train = load()["train"]
    x = torch.from_numpy(train.x).to(memory_format=torch.channels_last)
    y = torch.from_numpy(train.y)
    loss_of = nn.CrossEntropyLoss(weight=weights(train.y), ignore_index=VOID)
    epochs = EPOCHS[name]
    steps = epochs * (len(x) // BATCH)
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    network.train().to(memory_format=torch.channels_last)
    for epoch in range(epochs):
        for some in torch.randperm(len(x))[: len(x) // BATCH * BATCH].split(BATCH):
            rows, truth = x[some], y[some]
            if torch.rand(()) < 0.5:
                rows, truth = rows.flip(-1), truth.flip(-1)
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(rows)
            loss = loss_of(logits.float(), truth)
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"{name}: epoch {epoch + 1} of {epochs}, loss {loss.item():.3f}", flush=True)
    torch.save(network.state_dict(), path)
    return network.eval()
