"""Does more than a temperature help where each position has a class? On CamVid, to docs/offsets.json.

    python -m validation.offsets

A U-Net was trained with class weights, as is usual on CamVid. Calibrators learn from the validation images,
or from a few test images, and are scored on other test images. `validation.positions` writes the table. The
data are not part of this repository: they are read from ../shared/data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import howsure
from benchmarks.docs import Page
from howsure.answers.positions.counts import mean_dice
from validation import camvid
from validation.camvid import NAMES, VOID
from validation.segmentation import EVERY, FOLDER, interval, resampled

FIGURES = Page("offsets")
NETWORK = "unet"

FEW = 20
"""Test images that a calibrator learns from; the others are scored."""

PIXELS = 150_000
"""Pixels from which the calibrators that howsure does not have learn."""

Floats = NDArray[np.float64]
Calibrated = Callable[[howsure.DenseCertainty], howsure.DenseCertainty]


def assessed(network: nn.Module, x: NDArray[np.float32]) -> howsure.DenseCertainty:
    """The plain prediction."""
    settings: dict[str, Any] = {"outputs": "logits", "class_names": NAMES, "keep": "probabilities"}
    found: howsure.DenseCertainty = howsure.assess(network, x, method=howsure.Softmax(), **settings)
    return found


def of_images(p: Floats, truth: NDArray[np.int64]) -> Floats:
    """(3, N) NLL, accuracy and Dice of each image."""
    found = []
    for one, true in zip(p, truth, strict=True):
        q, right = one[true != VOID], true[true != VOID]
        label, classes = q.argmax(-1), np.arange(len(NAMES))
        both = np.bincount(right[label == right], minlength=len(NAMES))
        sizes = np.sum([np.sum(each[:, None] == classes, axis=0) for each in (label, right)], axis=0)
        nll = -np.log(np.maximum(q[np.arange(len(q)), right], 1e-15))
        found.append((nll.mean(), np.mean(label == right), float(mean_dice(both, sizes))))
    return np.transpose(found)


class Vector(nn.Module):
    """A weight and an offset for each class (Guo and others 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.offset = (
            nn.Parameter(torch.ones(len(NAMES))),
            nn.Parameter(torch.zeros(len(NAMES))),
        )

    def forward(self, logs: Tensor) -> Tensor:
        """(P, K) logits."""
        return logs * self.weight + self.offset


class ByLabel(nn.Module):
    """A temperature for each class that is the label."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(len(NAMES)))

    def forward(self, logs: Tensor) -> Tensor:
        """(P, K) logits."""
        return logs * self.weight[logs.argmax(1)][:, None]


OTHERS: Mapping[str, Callable[[], nn.Module]] = {
    "a weight and an offset for each class": Vector,
    "a temperature for each label": ByLabel,
}


def fitted(kind: Callable[[], nn.Module], p: Floats, truth: NDArray[np.int64]) -> nn.Module:
    """A module of least NLL on a sample of the pixels."""
    there = np.flatnonzero(truth.reshape(-1) != VOID)
    some = np.random.default_rng(0).permutation(there)[:PIXELS]
    logs = _logs(p.reshape(-1, len(NAMES))[some])
    y, module = torch.from_numpy(truth.reshape(-1)[some]), kind()
    optimizer = torch.optim.LBFGS(list(module.parameters()), max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(logs), y)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return module


def _logs(p: Floats) -> Tensor:
    return torch.from_numpy(np.log(np.maximum(p, 1e-15)).astype(np.float32))


def compared(
    known: howsure.DenseCertainty,
    labels: NDArray[np.int64],
    new: howsure.DenseCertainty,
    truth: NDArray[np.int64],
) -> dict[str, Any]:
    """NLL, accuracy and Dice of new images by each calibrator, and differences in NLL from none."""
    p = {"none": np.asarray(new.probabilities, np.float64)}
    ignored = np.where(labels == VOID, -1, labels)
    for method in ("temperature", "offsets"):
        calibrator = howsure.calibrate(known, ignored, method=method)
        p[method] = np.asarray(calibrator(new).probabilities, np.float64)
    for name, kind in OTHERS.items():
        module = fitted(kind, known.probabilities, labels)
        with torch.no_grad():
            q = torch.softmax(module(_logs(p["none"].reshape(-1, len(NAMES)))), 1).numpy()
        p[name] = q.reshape(p["none"].shape).astype(np.float64)
    scores = {name: of_images(each, truth) for name, each in p.items()}
    drawn, found = resampled(len(truth)), {}
    for name, of_name in scores.items():
        nll, accuracy, dice = of_name.mean(axis=1)
        gap = of_name[0] - scores["none"][0]
        ends = interval(gap[drawn].mean(axis=1))
        found[name] = {"NLL": nll, "difference": [gap.mean(), *ends], "accuracy": accuracy, "Dice": dice}
    return found


def main() -> None:
    """Measure, and keep the figures."""
    FOLDER.mkdir(exist_ok=True)
    network, parts = camvid.trained(NETWORK, FOLDER), camvid.load()
    val, test = parts["val"], camvid.Part(*(each[::EVERY] for each in parts["test"]))
    result = assessed(network, test.x)
    place = np.random.default_rng(0).permutation(len(test.y))
    few, others = np.sort(place[:FEW]), np.sort(place[FEW:])
    found = {
        f"{len(val.y)} validation images": compared(assessed(network, val.x), val.y, result, test.y),
        f"{FEW} test images": compared(result[few], test.y[few], result[others], test.y[others]),
    }
    FIGURES.keep(found)
    print(FIGURES.figures())


if __name__ == "__main__":
    main()
