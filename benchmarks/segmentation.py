"""What certainty costs at every pixel: U-Nets of PyTorch, beside the textbook loop and peers, in one run.

    python -m benchmarks.segmentation          docs/performance-segmentation.json and .md
    python -m benchmarks.segmentation --page   the page alone, from the figures

    bottom      a U-Net of four levels, 32 to 256 channels and 512 at the bottom, dropout .5 there
    each        the same with dropout .2 after each level

Images of 256 × 256 pixels with discs of four classes and noise are made; training is short, on small images.
All of it runs on one thread, and times are seconds of the processor. The error of a map of probabilities is
counted in standard deviations between thinned networks, over all pixels and classes. That of T independent
passes is 1/√T. howsure gets as few passes as have the error of `PASSES` independent ones; the loop and the
peers take those. Peers are timed where they are installed.
"""

from __future__ import annotations

import copy
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import howsure
from benchmarks.__main__ import look_at
from benchmarks.docs import Page, table
from benchmarks.peers import Peer, in_batches, peer_seconds
from benchmarks.torch_speed import plain, seconds, textbook_pass
from howsure.answers.positions.outcome import SHARE_KNOWN

Floats = NDArray[np.float32]

PAGE = Page("performance-segmentation")

PASSES = 100
"""Independent passes whose mean has the error that all are compared at."""

TRIED = (6, 10, 16, 20, 30, 40, 60, 80, 100)
"""Passes of howsure; the first that are as exact are timed."""

SIDE, IMAGES, CLASSES, WIDTHS = 256, 4, 5, (32, 64, 128, 256)
BATCHES = (1, 2)
REPEATS = 3
LOOP_PASSES, PEER_PASSES = 3, 3
ALONE = 12
"""Independent passes whose variance says how exact one of them is."""

STEPS, BATCH, SMALL = 60, 8, 64
"""Of training, with images of `SMALL` pixels a side."""


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


def trained(name: str) -> tuple[nn.Module, Floats, float]:
    """The network after a short training, its images, and its accuracy on them."""
    torch.manual_seed(0)
    module, (x, y) = NETWORKS[name](), discs(STEPS * BATCH, SMALL, seed=1)
    optimizer = torch.optim.Adam(module.parameters(), 1e-3)
    module.train()
    for some in torch.randperm(len(x)).split(BATCH):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(torch.from_numpy(x[some])), torch.from_numpy(y[some])).backward()
        optimizer.step()
    module.eval()
    rows, truth = discs(IMAGES, SIDE, seed=2)
    return module, rows, float(np.mean(plain(module, rows, 1).numpy().argmax(axis=1) == truth))


# --- what is measured -----------------------------------------------------------------------------


def torch_uncertainty(module: nn.Module, passes: int) -> Callable[[Tensor], Any]:
    """Its wrapper loops over the passes; the caller averages."""
    from torch_uncertainty.methods import mc_dropout

    wrapped = mc_dropout(module, num_estimators=passes, on_batch=False).eval()
    return in_batches(
        lambda batch: wrapped(batch).softmax(dim=1).unflatten(0, (passes, len(batch))).mean(dim=0), 1
    )


def baal(module: nn.Module, passes: int) -> Callable[[Tensor], Any]:
    """Its wrapper loops, too, and keeps all passes; the caller averages."""
    from baal.bayesian.dropout import MCDropoutModule
    from baal.modelwrapper import ModelWrapper, TrainingArgs

    arguments = TrainingArgs(batch_size=1, workers=0, use_cuda=False, replicate_in_memory=False)
    wrapper = ModelWrapper(MCDropoutModule(module), arguments)
    wrapper.eval()
    return in_batches(
        lambda batch: wrapper.predict_on_batch(batch, iterations=passes).softmax(dim=1).mean(dim=-1), 1
    )


PEERS: dict[str, Peer] = {"torch-uncertainty": torch_uncertainty, "baal": baal}


def assess(module: nn.Module, x: Floats, passes: int | None = None, seed: int = 0) -> Any:
    """Maps of `passes` passes, or of as many as each image needs by default."""
    return howsure.assess(
        module,
        x,
        method=howsure.MCDropout(passes=passes),
        seed=seed,
        outputs="logits",
        keep="probabilities",
    )


def as_exact(module: nn.Module, x: Floats, variance: float) -> dict[str, Any]:
    """The first number of passes in `TRIED` whose maps are as exact as `PASSES` independent ones.

    The squared error is half the mean squared difference between two seeds.
    """
    found = {}
    for passes in TRIED:
        one, other = (assess(module, x, passes, seed).probabilities for seed in (1, 2))
        worth = variance / (float(np.mean((one - other) ** 2)) / 2)
        found[passes] = worth
        if worth >= PASSES:
            break
    return {"passes": passes, "worth": worth, "tried": found}


def measure(name: str) -> dict[str, Any]:
    """All figures of one network."""
    module, x, accuracy = trained(name)
    plain(module, x[:1], 1)
    by_size = {size: seconds(lambda s=size: plain(module, x, s)) for size in BATCHES}
    size = min(by_size, key=lambda each: by_size[each])
    alone = [torch.softmax(textbook_pass(module, x, size), dim=1).numpy() for _ in range(ALONE)]
    variance = float(np.mean(np.var(alone, axis=0, ddof=1)))
    exact = as_exact(module, x, variance)
    unknown = copy.deepcopy(module)
    first = seconds(lambda: assess(unknown, x, exact["passes"]))
    times: dict[str, list[float]] = {"plain": [], "assess": []}
    for _ in range(REPEATS):
        times["plain"].append(seconds(lambda: plain(module, x, size)))
        times["assess"].append(seconds(lambda: assess(module, x, exact["passes"])))
    loop = statistics.median(seconds(lambda: textbook_pass(module, x, size)) for _ in range(LOOP_PASSES))
    start = time.process_time()
    usual = assess(module, x)
    usually = time.process_time() - start
    more = len(x) * PASSES / PEER_PASSES
    return {
        "images": len(x),
        "parameters": sum(each.numel() for each in module.parameters()),
        "accuracy": accuracy,
        "batch": size,
        "load": os.getloadavg()[0],
        "deviation": float(np.sqrt(variance)),
        **exact,
        **{name: statistics.median(each) for name, each in times.items()},
        "first": first,
        "default": usually,
        "default_passes": float(usual.passes.mean()),
        "default_unsettled": float(usual.unsettled.mean()),
        "loop": loop * PASSES,
        "peers": peer_seconds(PEERS, module, torch.from_numpy(x[:1]), PEER_PASSES, more),
        "all": times,
    }


# --- the page -------------------------------------------------------------------------------------


def page(kept: dict[str, Any]) -> str:
    """The figures as a page."""
    figures = kept["figures"]
    known = [
        name for name in PEERS if any("seconds" in each["peers"].get(name, {}) for each in figures.values())
    ]
    one_of = next(iter(figures.values()))
    head = ["network", "plain pass", "`assess` at equal error", "its passes", "first call"]
    head += [
        "default `assess`",
        "textbook loop",
        *(f"{name} {one_of['peers'][name]['version']}" for name in known),
    ]
    lines = [head]

    def cell(each: dict[str, Any], took: float) -> str:
        ratio = took / each["plain"]
        return f"{ratio:.{1 if ratio < 20 else 0}f} x ({took / each['images']:.3g} s)"

    for name, each in figures.items():
        peers = [
            cell(each, each["peers"][peer]["seconds"]) if "seconds" in each["peers"][peer] else "–"
            for peer in known
        ]
        lines.append(
            [
                f"`{name}`",
                f"{each['plain'] / each['images']:.3g} s",
                cell(each, each["assess"]),
                f"{each['passes']} (worth {each['worth']:.0f})",
                cell(each, each["first"]),
                f"{cell(each, each['default'])}, {each['default_passes']:.0f} passes",
                cell(each, each["loop"]),
                *peers,
            ]
        )
    cheaper = " and ".join(f"{each['loop'] / each['assess']:.0f}" for each in figures.values())
    return f"""# Cost of a class at each pixel

At the error of {PASSES} independent passes, `assess` is {cheaper} times cheaper than a textbook loop on these
two U-Nets.

{table(*lines)}

Ratios are to a plain prediction of the same run; seconds are of one image of {SIDE} × {SIDE} pixels, on one
thread of {kept["machine"]["processor"]}, torch {kept["versions"].get("torch", "?")}. `bottom` has dropout 0.5
at the bottom of a U-Net, `each` has dropout 0.2 at each level. *Worth* is how many independent passes have
the same error of the map of probabilities. The default goes on until {100 * SHARE_KNOWN:.0f} % of the pixels
of an image are settled. The first call also examines the module, which takes as long for one image as for
many; here it has {one_of["images"]}. Images are made, and training is short. Loop and peers are scaled up
from fewer passes.

`python -m benchmarks.segmentation` writes this page and
[performance-segmentation.json](performance-segmentation.json).
"""


if __name__ == "__main__":
    torch.set_num_threads(1)
    look_at(PAGE, NETWORKS, measure, page)
