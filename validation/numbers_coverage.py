"""Errors of numbers: coverage of `mc_error` and of the spread's error on regressions trained as they come.

    python -m validation.numbers_coverage            measures, to docs/numbers-coverage.json and its page
    python -m validation.numbers_coverage --page     only writes the page

Eight small networks are trained on Friedman's functions (1991, as scikit-learn makes them), which nothing in
howsure was chosen on. The truth about their thinned networks is the mean over 100,000 independent passes that
PyTorch draws by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.datasets import make_friedman1, make_friedman2, make_friedman3
from torch import nn

import howsure
from benchmarks.docs import Page
from howsure.data.rows import InputSpec
from howsure.models.arrays import ArrayModel, Dense, Dropout

PAGE = Page("numbers-coverage")
TRAINING_ROWS, ROWS, EPOCHS = 400, 200, 150
PASSES, AT_ONCE = 100_000, 200
SEEDS, TARGETS = range(40), (0.025, 0.05, 0.1)


@dataclass(frozen=True)
class Network:
    """One regression: its data, its hidden layers, and its dropout.

    Attributes:
        data: Which of Friedman's functions.
        widths: Units of the hidden layers.
        rate: Of the dropout behind each.
        first: Of the dropout on the input; 0 for none.
        head: Whether it also puts out a log variance.
    """

    data: Callable[..., tuple[Any, Any]]
    widths: tuple[int, ...]
    rate: float
    first: float = 0.0
    head: bool = False


NETWORKS = {
    "50 units, dropout .1, and .1 on the input": Network(make_friedman1, (50,), 0.1, 0.1),
    "50 units, dropout .05": Network(make_friedman2, (50,), 0.05),
    "two layers of 50, dropout .1": Network(make_friedman3, (50, 50), 0.1),
    "three layers of 30, dropout .1, and .05 on the input": Network(make_friedman1, (30, 30, 30), 0.1, 0.05),
    "100 units, dropout .5": Network(make_friedman2, (100,), 0.5),
    "two layers of 20, dropout .3": Network(make_friedman1, (20, 20), 0.3),
    "50 units, dropout .2, and .05 on the input, with a log variance": Network(
        make_friedman3, (50,), 0.2, 0.05, True
    ),
    "two layers of 40, dropout .1, with a log variance": Network(make_friedman1, (40, 40), 0.1, 0.0, True),
}


def trained(network: Network, x: torch.Tensor, y: torch.Tensor) -> nn.Sequential:
    """The network after training with Adam, by squared error or by the normal likelihood."""
    torch.manual_seed(0)
    parts: list[nn.Module] = [nn.Dropout(network.first)] if network.first else []
    for before, width in zip((x.shape[1], *network.widths), network.widths, strict=False):
        parts += [nn.Linear(before, width), nn.ReLU(), nn.Dropout(network.rate)]
    net = nn.Sequential(*parts, nn.Linear(network.widths[-1], 1 + network.head))
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x)).split(64):
            out = net(x[batch])
            loss = (out[:, :1] - y[batch]) ** 2
            if network.head:
                loss = loss * torch.exp(-out[:, 1:]) + out[:, 1:]
            optimizer.zero_grad()
            loss.mean().backward()
            optimizer.step()
    return net


def as_arrays(net: Sequence[nn.Module], features: int) -> ArrayModel:
    """The same network in numpy."""
    steps: dict[str, Any] = {}
    before = "x"
    for number, part in enumerate(net):
        name = "output" if number == len(net) - 1 else f"step{number}"
        if isinstance(part, nn.Dropout):
            steps[name], before = (Dropout(part.p), before), name
        elif isinstance(part, nn.Linear):
            weights = (part.weight.detach().double().numpy().T, part.bias.detach().double().numpy())
            activation = "linear" if name == "output" else "relu"
            steps[name], before = (Dense(*weights, activation), before), name
    return ArrayModel("net", [InputSpec("x", (features,), "float32")], steps, trained_for="regression")


@torch.no_grad()
def truth_of(net: nn.Module, x: torch.Tensor) -> tuple[Any, Any]:
    """(N,) mean and standard deviation of the first output over independent passes of PyTorch."""
    net.train()
    total = square = torch.zeros(len(x), dtype=torch.float64)
    for _ in range(PASSES // AT_ONCE):
        y = net(x.repeat(AT_ONCE, 1))[:, 0].double().reshape(AT_ONCE, -1)
        total, square = total + y.sum(0), square + (y**2).sum(0)
    mean = total / PASSES
    return mean.numpy(), (square / PASSES - mean**2).sqrt().numpy()


def measure(network: Network) -> dict[str, float]:
    """Coverage, passes and errors of one network."""
    x, y = network.data(
        n_samples=TRAINING_ROWS + ROWS, noise=1.0 if network.data is make_friedman1 else 0.0, random_state=1
    )
    x, y = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
    x = torch.tensor(x, dtype=torch.float32)
    y = torch.tensor(y + 0.1 * np.random.default_rng(2).normal(size=len(y)), dtype=torch.float32)[:, None]
    net = trained(network, x[:TRAINING_ROWS], y[:TRAINING_ROWS])
    rows = x[TRAINING_ROWS:]
    mean, spread = truth_of(net, rows)
    model = as_arrays(net, x.shape[1])
    outputs = "mean-log-variance" if network.head else "values"
    own_error = spread / np.sqrt(PASSES)
    found: dict[str, float] = {}
    for target in TARGETS:
        covered, of_spread, passes, off = [], [], [], []
        for seed in SEEDS if target == 0.05 else SEEDS[:6]:
            method = howsure.MCDropout(target_error=target)
            result = howsure.assess(model, rows.numpy(), method=method, seed=seed, outputs=outputs)
            error = np.hypot(result.mc_error[:, 0], own_error)
            covered.append(np.abs(result.mean[:, 0] - mean) <= 1.96 * error)
            of_spread.append(np.abs(result.spread[:, 0] - spread) <= 1.96 * result.spread_error[:, 0])
            passes.append(result.passes.mean())
            off.append(np.mean(((result.mean[:, 0] - mean) / spread) ** 2))
        found |= {
            f"mean covered at {target}": float(np.mean(covered)),
            f"spread covered at {target}": float(np.mean(of_spread)),
            f"passes at {target}": float(np.mean(passes)),
            f"error over spread at {target}": float(np.sqrt(np.mean(off))),
        }
    return found


def page(figures: dict[str, dict[str, float]]) -> str:
    """The page."""

    def ends(name: str) -> str:
        values = [each[f"{name} covered at 0.05"] for each in figures.values()]
        return f"{100 * min(values):.1f} to {100 * max(values):.1f} %"

    def times(name: str, target: float) -> list[float]:
        return [each[f"{name} at {target}"] / each[f"{name} at 0.05"] for each in figures.values()]

    rows = "".join(
        f"| {name} | {100 * each['mean covered at 0.05']:.1f} % | "
        f"{100 * each['spread covered at 0.05']:.1f} % | "
        f"{each['passes at 0.05']:.0f} | {each['error over spread at 0.05']:.3f} |\n"
        for name, each in figures.items()
    )
    half, twice = (
        (times("passes", target), times("error over spread", target)) for target in (TARGETS[0], TARGETS[2])
    )
    return f"""# Coverage of the errors of numbers

Does `mean` ± 1.96 `mc_error` hold the mean of all thinned networks, and `spread` ± 1.96 `spread_error` their
standard deviation, in 95 % of rows? On eight regressions, on which nothing was tuned: the mean in
{ends("mean")}, the spread in {ends("spread")}.

| network | mean covered | spread covered | passes per row | error of the mean / spread |
|---|---|---|---|---|
{rows}
Each network is small, trained on {TRAINING_ROWS} rows of one of Friedman's functions, and assessed on {ROWS}
others with {len(SEEDS)} seeds and the default target: an error of 5 % of the standard deviation. The truth is
{PASSES:,} independent passes in PyTorch. Where dropout comes before a linear layer alone, balanced masks
cancel its error, and only rounding is left. With a log variance, the target is a share of
√(spread² + noise²), so fewer passes suffice.

Half the target takes up to {max(half[0]):.1f} times the passes and leaves down to {min(half[1]):.1f} of the
error. Twice the target takes down to {min(twice[0]):.1f} of the passes and gives up to {max(twice[1]):.1f}
times the error.

All figures are in [numbers-coverage.json](numbers-coverage.json). `python -m validation.numbers_coverage`
measures them again; with `--page` it only writes this page.
"""


if __name__ == "__main__":
    torch.set_num_threads(1)
    PAGE.look_at(NETWORKS, lambda name: measure(NETWORKS[name]), page)
