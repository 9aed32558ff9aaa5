"""Does a surrogate on the same masks, or a propagated moment, add to what balance gives? For docs/trials.md.

    python -m validation.surrogate     prints a table; takes a minute of one processor

The surrogate is the network with each ReLU's gate frozen where the plain prediction has it. It is multilinear
in the masks, and inverted dropout gives them a mean of 1, so the mean of its outputs is the plain prediction:
a control variate (Owen, Monte Carlo theory, 8.9). It costs a pass of its own. A probability is controlled by
the surrogate's logits, times the gradient of the softmax at the plain prediction or what suits a row best.
A propagated moment takes one pass: means and variances of independent normal units from layer to layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
import torch
from scipy.special import ndtr, softmax
from sklearn.datasets import load_diabetes, load_digits

from benchmarks.docs import table
from howsure.sampling.masks import draw
from howsure.sampling.outcome import Floats
from howsure.sites import DROPOUT, Site
from howsure.statistics import normal_density

PASSES = 20
GROUPS = 600
"""Balanced groups of `PASSES`. Coefficients are fitted on the first half, and measured on the second."""

EPOCHS, NORMALS = 200, 1_000
UNDECIDED = 0.2
"""Share of rows of the classifier that are least certain."""


@dataclass(frozen=True)
class Network:
    """Dense layers with ReLU between them: kernels and biases, rates of the dropout before each, and rows."""

    layers: Sequence[tuple[Floats, Floats]]
    rates: Sequence[float]
    x: Floats

    def runs(self, masks: Sequence[Any], gates: Sequence[Any] | None = None) -> tuple[Floats, list[Any]]:
        """(B, n, K) outputs with these masks, and the gates: those given, or those of the passes."""
        values, found = self.x[None], []
        for number, ((kernel, bias), mask) in enumerate(zip(self.layers, masks, strict=True)):
            values = (values * mask) @ kernel + bias
            if number < len(self.layers) - 1:
                found.append(values > 0 if gates is None else gates[number])
                values = values * found[-1]
        return values, found

    def masks(self, group: int) -> Iterator[Any]:
        """Balanced masks of one group, which scale what they keep."""
        for number, ((kernel, _), rate) in enumerate(zip(self.layers, self.rates, strict=True)):
            site = Site(number, "drop", DROPOUT, rate, (len(kernel),))
            yield draw(site, seed=0, group=group, size=PASSES)[:, None] / np.float32(1 - rate)

    def moments(self) -> tuple[Floats, Floats]:
        """(n, K) means and variances of the outputs, propagated as if units were independent and normal."""
        mean, variance = self.x, np.zeros_like(self.x)
        for number, ((kernel, bias), rate) in enumerate(zip(self.layers, self.rates, strict=True)):
            variance = (variance + rate * mean**2) / (1 - rate)
            mean, variance = mean @ kernel + bias, variance @ kernel**2
            if number < len(self.layers) - 1:
                deviation = np.sqrt(np.maximum(variance, 1e-12))
                share, density = ndtr(mean / deviation), normal_density(mean / deviation)
                square = (mean**2 + variance) * share + mean * deviation * density
                mean = mean * share + deviation * density
                variance = np.maximum(square - mean**2, 0)
        return mean, variance


def trained(x: Floats, y: Any, widths: Sequence[int], rates: Sequence[float]) -> Network:
    """A network trained with dropout on all rows but a quarter, which it keeps."""
    torch.manual_seed(0)
    order = np.random.default_rng(0).permutation(len(x))
    inputs, targets = torch.tensor(x[order], dtype=torch.float32), torch.tensor(y[order])
    dense = [torch.nn.Linear(*each) for each in pairwise(widths)]
    steps = [(torch.nn.Dropout(rate), each, torch.nn.ReLU()) for rate, each in zip(rates, dense, strict=True)]
    module = torch.nn.Sequential(*list(chain.from_iterable(steps))[:-1])
    adam, count = torch.optim.Adam(module.parameters(), 1e-3), 3 * len(x) // 4
    loss_of = torch.nn.MSELoss() if targets.is_floating_point() else torch.nn.CrossEntropyLoss()
    for _ in range(EPOCHS):
        for batch in torch.randperm(count).split(50):
            adam.zero_grad()
            loss_of(module(inputs[batch]).squeeze(-1), targets[batch]).backward()
            adam.step()
    layers = [(each.weight.detach().numpy().T, each.bias.detach().numpy()) for each in dense]
    return Network(layers, rates, inputs[count:].numpy())


def measured(network: Network, *, classes: bool, share: float = 1.0) -> list[str]:
    """A line of the table, on the share of rows that are least certain."""
    plain, gates = network.runs([1.0] * len(network.layers))
    one, rows = softmax(plain[0], axis=-1), np.arange(len(plain[0]))
    top = one.argmax(axis=-1)
    slope = one[rows, top][:, None] * (np.eye(one.shape[1])[top] - one) if classes else np.ones_like(one)
    chosen = one.max(axis=-1).argsort()[: int(share * len(rows))]
    of_groups: list[tuple[Floats, Floats]] = []
    for group in range(GROUPS):
        masks = list(network.masks(group))
        values, frozen = network.runs(masks)[0], network.runs(masks, gates)[0]
        values = (softmax(values, axis=-1) if classes else values)[:, rows, top]
        of_groups.append((values.mean(axis=0)[chosen], (frozen - plain).mean(axis=0)[chosen]))
    values = np.array([each for each, _ in of_groups], dtype=np.float64).T
    controls = np.array([each for _, each in of_groups], dtype=np.float64).swapaxes(0, 1)
    first, held = controls[:, : GROUPS // 2], controls[:, GROUPS // 2 :]
    centred = first - first.mean(axis=1, keepdims=True)
    fitted = (np.linalg.pinv(centred, rcond=1e-6) @ values[:, : GROUPS // 2, None])[..., 0]
    means = values[:, GROUPS // 2 :]
    controlled = [means - np.einsum("ngk,nk->ng", held, each) for each in (slope[chosen], fitted)]
    before, *after = (np.var(each, axis=1, ddof=1).mean() for each in (means, *controlled))
    moment, variance = network.moments()
    if classes:  # the mean over normal logits
        normal = np.random.default_rng(0).normal(size=(NORMALS, 1, moment.shape[1]))
        moment = softmax(moment + np.sqrt(variance) * normal, axis=-1).mean(axis=0)
    off = np.mean((moment[rows, top][chosen] - values.mean(axis=1)) ** 2) - before / GROUPS
    shifted = np.abs(controls.mean(axis=1)) / (np.std(controls, axis=1, ddof=1) / np.sqrt(GROUPS))
    gains, right = [before / each for each in after], np.mean(shifted <= 1.96)
    figures = np.sqrt(before), *gains, right, PASSES * before / off
    return [f"{each:.3g}" for each in figures]


def main() -> None:
    """Print the table."""
    x, y = load_diabetes(return_X_y=True)
    y = ((y - y.mean()) / y.std()).astype(np.float32)
    numbers = trained(x / x.std(axis=0), y, (10, 64, 64, 64, 1), (0, 0.1, 0.1, 0.1))
    images, digits = load_digits(return_X_y=True)
    classifier = trained(images / 16, digits, (64, 128, 64, 10), (0.2, 0.5, 0.5))
    heads = ["network", f"error of {PASSES} passes", "variance ÷, by the gradient", "by fitted factors"]
    lines = [
        ["regression", *measured(numbers, classes=False)],
        ["classifier", *measured(classifier, classes=True)],
        [f"its least certain {UNDECIDED:.0%}", *measured(classifier, classes=True, share=UNDECIDED)],
    ]
    print(table([*heads, "rows whose surrogate has mean 0", "passes a moment is worth"], *lines))


if __name__ == "__main__":
    main()
