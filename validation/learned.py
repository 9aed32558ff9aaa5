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
from howsure.models.arrays import ArrayModel, Dense, Dropout
from validation.small_network import chain

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CLASSES, FEATURES, UNITS, RATE = 3, 40, 64, 0.25
BATCH, LEARNING_RATE, DECAY = 50, 2e-3, 1e-3
"""Of training by Adam with decoupled weight decay (Loshchilov & Hutter 2019); the rate falls to 0."""

FEW, MANY, DATA, MEMBERS = (150, 300), (6_000, 1_500), 2, 8
"""Training rows and batches of the smaller and the larger training, repeats, and members of an ensemble."""


@dataclass(frozen=True)
class Rows:
    """(N, F) rows with their (N,) classes, drawn from the true probabilities p(y|x) (N, K)."""

    x: NDArray[np.float32]
    y: Integers
    p: Floats

    def __getitem__(self, some: slice) -> Rows:
        return Rows(self.x[some], self.y[some], self.p[some])


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
    dense = [
        Dense(kernel, bias, end)
        for kernel, bias, end in zip(weights, weights[3:], ("relu", "relu", "softmax"), strict=False)
    ]
    layers = dense[0], Dropout(RATE), dense[1], Dropout(RATE), dense[2]
    return chain((FEATURES,), *layers, trained_for="classes")


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


def told_by_reasons() -> Iterator[tuple[str, str, int, str, int, list[float]]]:
    """Kind of rows, method, training rows and reason, with how many rows and what was true of them.

    That are three shares: truly ambiguous, as no class has 95 % of p(y|x); sure, once the network was trained
    on many rows; and not sure either, in another training on the same rows by the same method.
    """
    for kind, apart in (("clear", 5.0), ("overlapping", 3.0)):
        found: dict[tuple[str, int, str], list[NDArray[np.bool_]]] = defaultdict(list)
        for data in range(DATA):
            random = np.random.default_rng([data, int(apart)])
            rows, test = draw(MANY[0], apart, random), draw(2_000, apart, random)
            networks = {
                count: [trained(rows[:count], steps, seed) for seed in range(2 * MEMBERS)]
                for count, steps in (FEW, MANY)
            }
            for ensemble in (False, True):
                first, again = {}, {}
                for count, models in networks.items():
                    for seen, half in ((first, models[:MEMBERS]), (again, models[MEMBERS:])):
                        method = howsure.Ensemble(half[1:]) if ensemble else howsure.MCDropout()
                        seen[count] = howsure.assess(half[0], test.x, method=method)
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
                yield kind, method, count, reason, seen_of_all.shape[1], seen_of_all.mean(axis=1).tolist()
