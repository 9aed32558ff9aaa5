"""Errors of numbers: coverage of those of the mean, the spread and `above`, on regressions as they come.

    python -m validation.numbers_coverage            measures, to docs/numbers-coverage.json and its page

Eight small networks are trained on Friedman's functions (1991, as scikit-learn makes them), which nothing in
howsure was chosen on. The truth about their thinned networks is that of 100,000 independent passes that
PyTorch draws by itself; 10,000 of them for `above`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.special import ndtr
from sklearn.datasets import make_friedman1, make_friedman2, make_friedman3
from torch import nn

import howsure
from benchmarks.docs import Page, percent, shares, table
from howsure.tasks.regression.rescale import moved
from tests.support.arrays import ArrayModel, Dense, Dropout
from validation.small_network import chain

PAGE = Page("numbers-coverage")
TRAINING_ROWS, ROWS, EPOCHS = 400, 200, 150
PASSES, AT_ONCE = 100_000, 200
SEEDS, TARGETS = range(40), (0.025, 0.05, 0.1)
MEMBERS, ASKED, OF_SHARES = 20, 6, 10_000
"""Networks of an ensemble, results that are asked whether numbers are above a limit, and passes that say how
many are."""

SHARES = (0.006, 0.01, 0.015, 0.02, 0.03, 0.038, *np.arange(0.05, 0.46, 0.05))
"""Shares of networks, or of answers, above the limits; and the same of those below."""

EDGES, LEAST = np.arange(11) / 10, 500


@dataclass(frozen=True)
class Network:
    """One regression: its data, the widths of its hidden layers, and the rate of the dropout behind each.

    `first` is the rate on the input. With `head` it also puts out a log variance.
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
    layers: list[Any] = []
    for part in net:
        if isinstance(part, nn.Dropout):
            layers.append(Dropout(part.p))
        elif isinstance(part, nn.Linear):
            weights = (part.weight.detach().double().numpy().T, part.bias.detach().double().numpy())
            layers.append(Dense(*weights, "linear" if part is net[-1] else "relu"))
    return chain((features,), *layers, trained_for="regression")


@torch.no_grad()
def drawn(net: nn.Module, x: torch.Tensor) -> Any:
    """(PASSES, N, C) outputs in independent passes of PyTorch."""
    net.train()
    parts = [net(x.repeat(AT_ONCE, 1)).reshape(AT_ONCE, len(x), -1) for _ in range(PASSES // AT_ONCE)]
    return torch.cat(parts).numpy()


def held_above(results: Sequence[Any], networks: Any, noise: Any) -> list[list[int]]:
    """How often P(above) ± 1.96 errors held the true share and how often it was asked, by that share.

    Results are of the same N rows as all networks (T, N); `noise` is the standard deviation of answers around
    each, 0 to ask for the mean. The eleven pairs are for shares of 0.5 to 4 % or 96 to 99.5 %, and for those
    between `EDGES`.
    """
    answers = (
        networks + noise * np.random.default_rng(0).normal(size=networks.shape) if np.any(noise) else networks
    )
    found = np.zeros((11, 2), dtype=int)
    for level in np.quantile(answers, [*SHARES, *(1 - np.array(SHARES))], axis=0):
        # Of networks that say the same but for rounding, either all lie above or none.
        near = level + 1e-4 * answers.std(axis=0)
        low, high = answers.max(0, initial=-np.inf, where=answers <= near), answers.max(axis=0)
        limit = (low + np.minimum(high, answers.min(0, initial=np.inf, where=answers > near))) / 2
        each = ndtr((networks - limit) / noise) if np.any(noise) else networks > limit
        true = each.mean(axis=0)
        for result in results:
            asked = replace(result, **moved(result, -limit[:, None], np.ones(1))).above(0.0)
            error = np.hypot(asked.mc_error[:, 1], each.std(axis=0) / np.sqrt(len(networks)))
            held = np.abs(asked.probabilities[:, 1] - true) <= 1.96 * error
            both = np.stack([held, np.ones_like(held)], axis=-1)
            np.add.at(found, 1 + np.searchsorted(EDGES[1:-1], true), both)
            side = np.minimum(true, 1 - true)
            found[0] += both[(side >= 0.005) & (side <= 0.04)].sum(axis=0)
    return found.tolist()


def measure(network: Network) -> dict[str, Any]:
    """Coverage, passes and errors of one network."""
    x, y = network.data(
        n_samples=TRAINING_ROWS + ROWS, noise=1.0 if network.data is make_friedman1 else 0.0, random_state=1
    )
    x, y = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
    x = torch.tensor(x, dtype=torch.float32)
    y = torch.tensor(y + 0.1 * np.random.default_rng(2).normal(size=len(y)), dtype=torch.float32)[:, None]
    net = trained(network, x[:TRAINING_ROWS], y[:TRAINING_ROWS])
    rows = x[TRAINING_ROWS:]
    networks = drawn(net, rows)
    numbers = networks[..., 0].astype(np.float64)
    mean, spread = numbers.mean(axis=0), numbers.std(axis=0)
    model = as_arrays(net, x.shape[1])
    outputs = "mean-log-variance" if network.head else "values"
    own_error = spread / np.sqrt(PASSES)
    found: dict[str, Any] = {}
    asked: list[howsure.RegressionCertainty] = []
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
            asked += [result] if target == 0.05 and seed < ASKED else []
        found |= {
            f"mean covered at {target}": float(np.mean(covered)),
            f"spread covered at {target}": float(np.mean(of_spread)),
            f"passes at {target}": float(np.mean(passes)),
            f"error over spread at {target}": float(np.sqrt(np.mean(off))),
        }
    usual = float(np.median(spread))
    drawn_anew = numbers[-MEMBERS * ASKED :].reshape(ASKED, MEMBERS, -1)
    numbers, networks = numbers[:OF_SHARES], networks[:OF_SHARES]
    members = [howsure.RegressionCertainty.from_samples(each) for each in drawn_anew]
    for name, results in {"dropout": asked, "members": members}.items():
        of_mean = [replace(each, noise=None, std=None, networks_noise=None) for each in results]
        found[f"{name}, the mean"] = held_above(of_mean, numbers, 0.0)
        for times in (0.3, 1.0):
            known = [each.with_noise(times * usual) for each in results]
            found[f"{name}, noise of {times:g} spreads"] = held_above(known, numbers, times * usual)
    if network.head:
        found["dropout, the noise of each network"] = held_above(asked, numbers, np.exp(networks[..., 1] / 2))
    return found


def parts(figures: dict[str, dict[str, Any]]) -> dict[str, object]:
    """Figures and tables of the page."""

    def covered(name: str) -> list[float]:
        return [each[f"{name} covered at 0.05"] for each in figures.values()]

    def times(name: str, target: float) -> list[float]:
        return [each[f"{name} at {target}"] / each[f"{name} at 0.05"] for each in figures.values()]

    rows = [
        [name, *(percent(each[f"{what} covered at 0.05"]) for what in ("mean", "spread"))]
        + [f"{each['passes at 0.05']:.0f}", f"{each['error over spread at 0.05']:.3f}"]
        for name, each in figures.items()
    ]
    lines, lowest = [], []
    for name in dict.fromkeys(key for each in figures.values() for key in each if ", " in key):
        of_networks = np.array([each[name] for each in figures.values() if name in each])
        held, count = np.moveaxis(of_networks.sum(axis=0), -1, 0)
        share = held / count
        lines.append([name, percent(share[0], 0), shares(share[1:])])
        asked = of_networks[..., 1] >= LEAST
        lowest += (of_networks[asked][:, 0] / of_networks[asked][:, 1]).tolist()
    half, twice = TARGETS[0], TARGETS[2]
    return {
        "of_mean": shares(covered("mean"), 1),
        "of_spread": shares(covered("spread"), 1),
        "networks": table(
            ["network", "mean covered", "spread covered", "passes per row", "error of the mean / spread"],
            *rows,
        ),
        "above": table(["", "true share 0.5 to 4 or 96 to 99.5 %", "by tenths of the true share"], *lines),
        "lowest": percent(min(lowest), 0),
        "half_passes": f"{max(times('passes', half)):.1f}",
        "half_error": f"{min(times('error over spread', half)):.1f}",
        "twice_passes": f"{min(times('passes', twice)):.1f}",
        "twice_error": f"{max(times('error over spread', twice)):.1f}",
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    PAGE.look_at(NETWORKS, lambda name: measure(NETWORKS[name]), parts)
