"""What certainty costs for regression networks of PyTorch, beside the textbook loop and peers, in one run.

    python -m benchmarks.regression          two minutes: docs/performance-regression.json and .md
    python -m benchmarks.regression --page   the page alone, from the figures

    mlp     the network of Gal and Ghahramani's UCI experiments: dropout .05 on 13 inputs and 50 hidden units
    cnn     the question's CNN with one number as its output
    head    the layers of a ResNet-18 at 64×64×3 with random weights; a trained head with dropout .5 and .3

Data are made, and training is short. All of it runs on one thread, and times are seconds of the processor.
The error of a mean is counted in standard deviations between thinned networks, of each row by itself. That of
T independent passes is 1/√T, so the textbook loop and the peers take `PASSES` passes for the error that
`howsure.assess` is asked for. Peers are timed where they are installed.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import howsure
from benchmarks.__main__ import look_at
from benchmarks.docs import Page, table
from benchmarks.modules import fastest_size, plain, resnet, seconds, textbook_pass
from benchmarks.peers import Peer, baal, peer_seconds, torch_uncertainty
from howsure.tasks.regression.doubt import TARGET_SHARE

Floats = NDArray[np.float32]

PAGE = Page("performance-regression")

PASSES = round(1 / TARGET_SHARE**2)
"""Independent passes whose mean has the error that is asked for."""

REPEATS = 3
LOOP_ROWS, LOOP_PASSES = 128, 3
PEER_ROWS, PEER_PASSES = 64, 20
CHECKED, REFERENCE_ERROR, REFERENCE_PASSES = 100, 0.01, 20_000
"""Rows whose error is measured, and the reference that it is measured against."""


@dataclass(frozen=True)
class Network:
    """A regression network with its rows.

    Attributes:
        build: Makes it.
        data: (N, …) rows and (N,) numbers.
        train: How many of them are trained on; all are measured.
        epochs: Of Adam, in batches of 50.
        backbone: The part before the head, which is not trained; None where all is.
    """

    build: Callable[[], nn.Sequential]
    data: Callable[[], tuple[Floats, Floats]]
    train: int
    epochs: int
    backbone: int | None = None


def mlp() -> nn.Sequential:
    """Dropout on the input, too, as in the experiments."""
    return nn.Sequential(nn.Dropout(0.05), nn.Linear(13, 50), nn.ReLU(), nn.Dropout(0.05), nn.Linear(50, 1))


def cnn() -> nn.Sequential:
    """As in `howsure.demo.run`, with one number."""
    return nn.Sequential(
        *(nn.Conv2d(1, 128, 7), nn.ReLU(), nn.Dropout(0.20)),
        *(nn.Conv2d(128, 64, 3), nn.ReLU(), nn.Dropout(0.20), nn.Flatten()),
        *(nn.Linear(25600, 64), nn.ReLU(), nn.Dropout(0.25), nn.Linear(64, 1)),
    )


def head() -> nn.Sequential:
    """A backbone and a head that drops."""
    return nn.Sequential(
        resnet()[0],
        nn.Sequential(nn.Dropout(0.5), nn.Linear(512, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 1)),
    )


def features() -> tuple[Floats, Floats]:
    """Thirteen normal features, and a smooth function of three of them with noise."""
    random = np.random.default_rng(0)
    x = random.normal(size=(10_000, 13)).astype(np.float32)
    y = np.sin(2 * x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] + 0.3 * random.normal(size=len(x))
    return x, y.astype(np.float32)


def blobs(side: int, channels: int, count: int) -> tuple[Floats, Floats]:
    """Images with a round blob and noise; the number is how far from the middle the blob lies."""
    random = np.random.default_rng(0)
    places = random.uniform(-0.7, 0.7, size=(count, 2, 1, 1))
    axis = np.linspace(-1, 1, side)
    far = (axis[:, None] - places[:, :1]) ** 2 + (axis - places[:, 1:]) ** 2
    x = np.exp(-far / 0.05) + 0.1 * random.normal(size=(count, channels, side, side))
    return x.astype(np.float32), np.linalg.norm(places[:, :, 0, 0], axis=1).astype(np.float32)


NETWORKS = {
    "mlp": Network(mlp, features, train=4_000, epochs=10),
    "cnn": Network(cnn, lambda: blobs(28, 1, 2_000), train=500, epochs=8),
    "head": Network(head, lambda: blobs(64, 3, 1_000), train=300, epochs=20, backbone=0),
}


def trained(network: Network) -> tuple[nn.Sequential, Floats, float]:
    """The network after a short training on standardised numbers, its rows, and R² on other rows."""
    torch.manual_seed(0)
    module, (x, y) = network.build(), network.data()
    y = (y - y[: network.train].mean()) / y[: network.train].std()
    part, rows = module, torch.from_numpy(x[: network.train])
    if network.backbone is not None:  # what comes before the head is computed once
        module.eval()
        part = module[network.backbone + 1]
        with torch.no_grad():
            rows = torch.cat([module[network.backbone](some) for some in rows.split(50)])
    part.train()
    optimizer, numbers = (
        torch.optim.Adam(part.parameters(), 1e-3),
        torch.from_numpy(y[: network.train])[:, None],
    )
    for _ in range(network.epochs):
        for some in torch.randperm(network.train).split(50):
            optimizer.zero_grad()
            nn.functional.mse_loss(part(rows[some]), numbers[some]).backward()
            optimizer.step()
    fresh = slice(network.train, 2 * network.train)
    missed = plain(module.eval(), x[fresh], LOOP_ROWS).numpy()[:, 0] - y[fresh]
    return module, x, float(1 - np.var(missed) / np.var(y[fresh]))


# --- what is measured -----------------------------------------------------------------------------


PEERS: dict[str, Peer] = {
    "torch-uncertainty": partial(torch_uncertainty, size=PEER_ROWS, into=lambda outputs: outputs),
    "baal": partial(baal, into=lambda outputs: outputs),
}


def off(module: nn.Module, x: Floats) -> dict[str, float]:
    """Root mean square error of the mean, in standard deviations between networks, and what is reported."""
    some = x[:CHECKED]
    long = howsure.MCDropout(target_error=REFERENCE_ERROR, max_passes=REFERENCE_PASSES)
    reference = howsure.assess(module, some, method=long, seed=1_000_003, outputs="values")
    plan = howsure.plan(module, x, outputs="values")
    found = howsure.assess(module, some, method=howsure.MCDropout(plan=plan), outputs="values")
    error = (found.mean - reference.mean) / reference.spread
    return {
        "off": _root_mean_square(error),
        "reported": _root_mean_square(found.mc_error / found.spread),
        "passes": float(found.passes.mean()),
        "reference_reports": _root_mean_square(reference.mc_error / reference.spread),
    }


def _root_mean_square(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))


def measure(name: str) -> dict[str, Any]:
    """All figures of one network."""
    module, x, explained = trained(NETWORKS[name])
    some = x[:LOOP_ROWS]
    size = fastest_size(module, some)
    first = seconds(lambda: howsure.assess(module, x, outputs="values"))
    times: dict[str, list[float]] = {"plain": [], "assess": []}
    for _ in range(REPEATS):
        times["plain"].append(seconds(lambda: plain(module, x, size)))
        times["assess"].append(seconds(lambda: howsure.assess(module, x, outputs="values")))
    loop = statistics.median(seconds(lambda: textbook_pass(module, some, size)) for _ in range(LOOP_PASSES))
    one = statistics.median(times["plain"])
    more = len(x) / PEER_ROWS * PASSES / PEER_PASSES
    return {
        "rows": len(x),
        "parameters": sum(each.numel() for each in module.parameters()),
        "explained": explained,
        "batch": size,
        "load": os.getloadavg()[0],
        "plain": one,
        "assess": statistics.median(times["assess"]),
        "ratio": statistics.median(b / a for a, b in zip(times["plain"], times["assess"], strict=True)),
        "assess_first": first,
        "loop": loop * PASSES * len(x) / len(some),
        "peers": peer_seconds(PEERS, module, torch.from_numpy(x[:PEER_ROWS]), PEER_PASSES, more),
        **off(module, x),
        "all": times,
    }


# --- the page -------------------------------------------------------------------------------------


def page(kept: dict[str, Any]) -> str:
    """The figures as a page."""
    figures = kept["figures"]
    known = [
        name for name in PEERS if any("seconds" in each["peers"].get(name, {}) for each in figures.values())
    ]
    versions_of = {
        name: next(each["peers"][name]["version"] for each in figures.values() if name in each["peers"])
        for name in known
    }
    head_line = ["network", "rows", "plain prediction, s", "`assess`", "its error", "textbook loop"]
    head_line += [f"{name} {versions_of[name]}" for name in known]
    lines = [head_line]
    for name, each in figures.items():
        peers = [
            f"{each['peers'][peer]['seconds'] / each['plain']:,.0f} x"
            if "seconds" in each["peers"][peer]
            else "–"
            for peer in known
        ]
        ratio = each["ratio"]
        lines.append(
            [
                f"`{name}`",
                f"{each['rows']:,}",
                f"{each['plain']:.3g}",
                f"{ratio:.2f} x" if ratio < 10 else f"{ratio:.0f} x",
                f"{100 * each['off']:.1f} %",
                f"{each['loop'] / each['plain']:,.0f} x",
                *peers,
            ]
        )
    ratios = sorted(each["ratio"] for each in figures.values())
    processor, version = kept["machine"]["processor"], kept["versions"].get("torch", "?")
    asked = f"{100 * TARGET_SHARE:.0f} %"
    return f"""# Cost of a regression

For networks that predict a number, `assess` takes {ratios[0]:.1f} to {ratios[-1]:.0f} times as long as a
plain prediction. It asks for a standard error of {asked} of the spread between networks. A textbook
loop needs {PASSES} independent passes for that.

{table(*lines)}

Ratios are to the plain prediction of the same run. Errors are shares of the spread, against a long
reference. `mlp` is the network of Gal and Ghahramani's UCI experiments; its time goes into planning and
statistics. `cnn` is the question's CNN with one number. `head` has random ResNet-18 layers below a trained
head with dropout. Data are made, and training is short.

Loop and peers are scaled up from fewer passes and rows. All ran on one thread of {processor},
torch {version}. `python -m benchmarks.regression` writes this page and
[performance-regression.json](performance-regression.json).
"""


if __name__ == "__main__":
    torch.set_num_threads(1)
    look_at(PAGE, NETWORKS, measure, page)
