"""Which options of last-layer Laplace pay? On handwritten digits; prints the tables of docs/laplace.md.

    python -m validation.laplace                       the 1,797 digits of scikit-learn
    python -m validation.laplace MNIST.npz OTHERS.npz  5,000 training images of MNIST
    python -m validation.laplace probit                how far off the probit approximation is

Of scikit-learn's digits, networks are trained on 70 % of the digits from 0 to 7, each on a split of its own,
and tested on the rest. Images of 8 and 9 are out of distribution. Of MNIST they are trained on 5,000 images
of their own and tested on the 10,000 test images. The first 2,000 images of the other file (in `x`, such as
those of Fashion-MNIST) are out of distribution. Intervals are those of Student's t over the networks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from scipy.special import softmax
from torch import nn
from torch.nn import functional

import howsure
from benchmarks.docs import table
from howsure import Features
from howsure.methods.laplace import Laplace

NETWORKS = 20
HIDDEN, FEATURES = 64, 32

Rows = NDArray[np.float32]
Integers = NDArray[np.int64]

OPTIONS: dict[str, dict[str, Any]] = {
    "passes": {},
    "passes, exact": {"curvature": "exact"},
    "probit": {"link_approx": "probit"},
    "probit, exact": {"curvature": "exact", "link_approx": "probit"},
}
SCORES = ("nll", "ece", "outside_auroc")


def digits() -> Iterator[tuple[Rows, Integers, Rows, Integers, Rows]]:
    """Splits of scikit-learn's digits: images and classes of training, of testing, and strange images."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype(np.float32), y.astype(np.int64)
    known = np.flatnonzero(y < 8)
    for seed in range(NETWORKS):
        train, test = np.split(np.random.default_rng(seed).permutation(known), [int(0.7 * len(known))])
        yield x[train], y[train], x[test], y[test], x[y >= 8]


def mnist(path: str, others: str) -> Iterator[tuple[Rows, Integers, Rows, Integers, Rows]]:
    """The same of MNIST."""
    archive = np.load(path)
    strange = np.load(others)["x"][:2000]
    of_test = [
        (each.reshape(len(each), -1) / 255).astype(np.float32) for each in (archive["x_test"], strange)
    ]
    for seed in range(NETWORKS):
        train = np.random.default_rng(seed).permutation(len(archive["x_train"]))[:5000]
        x = (archive["x_train"][train].reshape(len(train), -1) / 255).astype(np.float32)
        y, truth = (each.astype(np.int64) for each in (archive["y_train"][train], archive["y_test"]))
        yield x, y, of_test[0], truth, of_test[1]


def trained(x: Rows, y: Integers, seed: int) -> nn.Module:
    """A small network: 30 epochs of Adam with a weight decay of 1e-4, in batches of 32."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Linear(x.shape[1], HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, FEATURES),
        nn.ReLU(),
        nn.Linear(FEATURES, int(y.max()) + 1),
        nn.Softmax(1),
    )
    steps = torch.optim.Adam(network.parameters(), 2e-3, weight_decay=1e-4)
    rows, labels = torch.from_numpy(x), torch.from_numpy(y)
    for _ in range(30):
        for some in torch.randperm(len(rows)).split(32):
            steps.zero_grad()
            functional.cross_entropy(network[:-1](rows[some]), labels[some]).backward()
            steps.step()
    return network.eval()


def scores(certainty: Any, truth: Integers, outside: Any) -> list[float]:
    """NLL, ECE and OOD AUROC."""
    found = howsure.evaluate(certainty, truth, outside=outside)
    return [getattr(found, name).value for name in SCORES]


def of_probit() -> None:
    """How far the top probability of the probit lies from the mean of a million draws, of made-up logits."""
    lines = []
    for classes in (2, 3, 10, 100):
        cells = [str(classes)]
        for deviation in (0.5, 1.0, 2.0):
            off = []
            for seed in range(20):
                random = np.random.default_rng([classes, seed])
                root = deviation * random.normal(size=(classes, classes)) / np.sqrt(classes)
                logits = 2 * random.normal(size=classes)
                fitted = Laplace(1.0, 0.0, 1, False, np.eye(classes), np.eye(1), np.ones((classes, 1)), root)
                found = fitted.probit(Features(np.ones((1, 1)), logits[None]))[0]
                mean = np.zeros(classes)
                for _ in range(50):
                    change = random.normal(size=(10_000, classes)) @ root.T
                    mean += (softmax(logits + change, 1) + softmax(logits - change, 1)).mean(axis=0) / 100
                off.append(found[mean.argmax()] - mean.max())
            cells.append(f"{np.mean(off):+.3f}, {np.abs(off).max():.3f}")
        lines.append(cells)
    print(table(["classes", *(f"logits ± {deviation}" for deviation in (0.5, 1, 2))], *lines))


def main() -> None:
    """Train, measure and print."""
    if sys.argv[1:] == ["probit"]:
        return of_probit()
    found: dict[str, list[list[float]]] = {name: [] for name in ("softmax", *OPTIONS)}
    for seed, (x, y, x_test, truth, strange) in enumerate(mnist(*sys.argv[1:]) if sys.argv[1:] else digits()):
        network = trained(x, y, seed)
        methods: dict[str, Any] = {"softmax": howsure.Softmax()}
        for name, options in OPTIONS.items():
            methods[name] = howsure.LastLayerLaplace.fit(network, x, y, **options)
        for name, method in methods.items():
            inside, outside = (howsure.assess(network, rows, method=method) for rows in (x_test, strange))
            found[name].append(scores(inside, truth, outside))
    usual, factor = np.array(found["passes"]), stats.t.ppf(0.975, NETWORKS - 1) / np.sqrt(NETWORKS)
    lines = []
    for name, values in found.items():
        apart = np.array(values) - usual
        cells = [
            f"{mean:.4f}" + (f" ({low:+.4f} to {high:+.4f})" if name != "passes" else "")
            for mean, low, high in zip(
                np.mean(values, axis=0),
                apart.mean(axis=0) - factor * apart.std(axis=0, ddof=1),
                apart.mean(axis=0) + factor * apart.std(axis=0, ddof=1),
                strict=True,
            )
        ]
        lines.append([name, *cells])
    print(table(["", "NLL", "ECE", "OOD AUROC"], *lines))


if __name__ == "__main__":
    main()
