"""What a reason tells: rows whose true probabilities are known, and small networks trained on few or many."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

import howsure
from howsure.answers.verdict import DISAGREEMENT, WITHIN_PASSES
from howsure.data.rows import InputSpec
from howsure.models.arrays import ArrayModel, Dense, Dropout

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CLASSES, FEATURES, UNITS, RATE = 3, 40, 64, 0.25
BATCH, LEARNING_RATE, DECAY = 50, 2e-3, 1e-3
"""Of training by Adam with decoupled weight decay (Loshchilov & Hutter 2019); the rate falls to 0."""

FEW, MANY, DATA, MEMBERS = (150, 300), (6_000, 1_500), 2, 8
"""Training rows and batches of the smaller and the larger training, repeats, and members of an ensemble."""


@dataclass(frozen=True)
class Rows:
    """Rows with their classes and what is known of them.

    Attributes:
        x: (N, F).
        y: (N,) classes, drawn from `p`.
        p: (N, K) the true probabilities p(y|x).
    """

    x: NDArray[np.float32]
    y: Integers
    p: Floats


def draw(count: int, apart: float, random: np.random.Generator) -> Rows:
    """Rows of a mixture: class k is N(μ_k, 1) with |μ_k − μ_j| = `apart`, so p(y|x) is a softmax of x · μ_k.

    Only two directions tell the classes; the others are noise, from which a network with few training rows
    learns what is not so.
    """
    means = np.zeros((CLASSES, FEATURES))
    angles = 2 * np.pi * np.arange(CLASSES) / CLASSES
    means[:, :2] = apart / np.sqrt(3) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    y = random.integers(CLASSES, size=count)
    x = (means[y] + random.standard_normal((count, FEATURES))).astype(np.float32)
    return Rows(x, y, softmax(x @ means.T, axis=1))  # all |μ_k| are equal


def trained(rows: Rows, steps: int, seed: int) -> ArrayModel:
    """A network with two hidden layers and dropout after each, trained on all rows for so many batches."""
    random = np.random.default_rng(seed)
    sizes = (FEATURES, UNITS, UNITS, CLASSES)
    weights = [random.standard_normal(shape) * np.sqrt(2 / shape[0]) for shape in itertools.pairwise(sizes)]
    weights += [np.zeros(size) for size in sizes[1:]]
    first, second = ([np.zeros_like(each) for each in weights] for _ in range(2))
    for step in range(1, steps + 1):
        batch = random.integers(len(rows.x), size=BATCH)
        gradients = _gradients(weights, rows.x[batch], rows.y[batch], random)
        rate = LEARNING_RATE * (1 - (step - 1) / steps)
        for number, gradient in enumerate(gradients):
            first[number] += 0.1 * (gradient - first[number])
            second[number] += 0.001 * (gradient**2 - second[number])
            scaled = np.sqrt(second[number] / (1 - 0.999**step)) + 1e-8
            weights[number] -= rate * (first[number] / (1 - 0.9**step) / scaled + DECAY * weights[number])
    return network(weights)


def network(weights: list[Floats]) -> ArrayModel:
    """The network with these weights: three kernels, then three biases."""
    steps = {
        "first": (Dense(weights[0], weights[3], "relu"), "x"),
        "drop_first": (Dropout(RATE), "first"),
        "second": (Dense(weights[1], weights[4], "relu"), "drop_first"),
        "drop_second": (Dropout(RATE), "second"),
        "output": (Dense(weights[2], weights[5], "softmax"), "drop_second"),
    }
    return ArrayModel("learned", [InputSpec("x", (FEATURES,), "float32")], steps, trained_for="classes")


def _gradients(
    weights: list[Floats], x: NDArray[np.float32], y: Integers, random: np.random.Generator
) -> list[Floats]:
    """Of the mean cross-entropy of a batch, with dropout at work, for each of the weights."""
    kernels, biases = weights[:3], weights[3:]
    reached, masks = [x.astype(np.float64)], []
    for kernel, bias in zip(kernels[:2], biases[:2], strict=True):
        values = np.maximum(reached[-1] @ kernel + bias, 0)
        masks.append((random.random(values.shape) >= RATE) * (values > 0) / (1 - RATE))
        reached.append(values * (masks[-1] != 0) / (1 - RATE))
    back = softmax(reached[-1] @ kernels[2] + biases[2], axis=1)
    back[np.arange(len(y)), y] -= 1
    back /= len(y)
    of_kernels, of_biases = [], []
    for number in (2, 1, 0):
        of_kernels.insert(0, reached[number].T @ back)
        of_biases.insert(0, back.sum(axis=0))
        if number:
            back = (back @ kernels[number].T) * masks[number - 1]
    return [*of_kernels, *of_biases]


@dataclass(frozen=True)
class Told:
    """What was true of rows with one reason, each a share.

    Attributes:
        rows: How many.
        ambiguous: Truly ambiguous: no class has 95 % of p(y|x).
        settled_by_data: Sure, once the network was trained on many rows.
        again: Not sure either, in another training on the same rows by the same method.
    """

    rows: int
    ambiguous: float
    settled_by_data: float
    again: float


def told_by_reasons() -> Iterator[tuple[str, str, int, str, Told]]:
    """Kind of rows, method, training rows and reason, with what was true of such rows."""
    for kind, apart in (("clear", 5.0), ("overlapping", 3.0)):
        found: dict[tuple[str, int, str], list[NDArray[np.bool_]]] = defaultdict(list)
        for data in range(DATA):
            random = np.random.default_rng([data, int(apart)])
            rows, test = draw(MANY[0], apart, random), draw(2_000, apart, random)
            few = Rows(rows.x[: FEW[0]], rows.y[: FEW[0]], rows.p[: FEW[0]])
            networks = {}
            for (count, steps), part in ((FEW, few), (MANY, rows)):
                networks[count] = [trained(part, steps, seed) for seed in range(2 * MEMBERS)]
            for ensemble in (False, True):
                first, again = {}, {}
                for count, models in networks.items():
                    halves = (models[:MEMBERS], models[MEMBERS:])
                    first[count], again[count] = (
                        howsure.assess(
                            half[0],
                            test.x,
                            method=howsure.Ensemble(half[1:]) if ensemble else howsure.MCDropout(),
                        )
                        for half in halves
                    )
                name = f"ensemble of {MEMBERS}" if ensemble else "MC dropout"
                for count, one in first.items():
                    for reason in (WITHIN_PASSES, DISAGREEMENT):
                        members = one.reason == reason
                        seen = [
                            test.p[members].max(axis=1) < 0.95,
                            first[MANY[0]].verdict[members] == "sure",
                            again[count].verdict[members] != "sure",
                        ]
                        found[name, count, reason].append(np.stack(seen))
        for (method, count, reason), parts in found.items():
            seen_of_all = np.concatenate(parts, axis=1)
            if seen_of_all.shape[1]:
                shares = (float(share) for share in seen_of_all.mean(axis=1))
                yield kind, method, count, reason, Told(seen_of_all.shape[1], *shares)
