"""A temperature and an offset for each class, by least NLL over the positions of labelled rows.

q = softmax(β log p + b) with β = 1/T: bias-corrected temperature scaling (Alexandari, Kundaje and Shrikumar
2020). Offsets mend what a loss with class weights, or other shares of the classes than in training, does to
the probabilities of whole classes; a temperature cannot.

The NLL is convex in (β, b). Newton's method needs its slope in each row and its curvature over all, so memory
holds one row. The labelled rows count as one more row that is as the model says itself: a prior that sits
where nothing changes (catalytic prior, Huang and others 2020). So a class that no label has keeps a finite
offset. With n rows, a position of true class k has the targets (y + p/n) / (1 + 1/n).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.answers.positions.kept import known_probabilities
from howsure.answers.positions.result import DenseCertainty
from howsure.answers.positions.truth import truths_of
from howsure.judge.scores import SMALLEST
from howsure.sampling.outcome import Booleans, Floats, Integers

STEPS, HALVINGS = 60, 30
"""Steps of Newton's method at most, and how often one is halved at most."""

CLOSE = 1e-10
"""Gain in NLL at a position below which a step ends the search, nats."""


def changed(logs: Floats, theta: Floats) -> Floats:
    """(P, K) probabilities softmax(β log p + b) from log p and θ = (β, b)."""
    scores = theta[0] * logs + theta[1:]
    q = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(q / q.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class OffsetSums:
    """Sums over rows and their positions at one θ.

    Attributes:
        value: NLL against the targets.
        slope: (N, K + 1) of each row.
        curvature: (K + 1, K + 1).
        nll: (N,) NLL of each row against its labels alone.
    """

    value: float
    slope: Floats
    curvature: Floats
    nll: Floats


def sums(result: DenseCertainty, labels: Any, theta: Callable[[int], Floats], rows: Booleans) -> OffsetSums:
    """The sums over some rows (N,), each at the θ that its place is mapped to."""
    classes, prior = len(result.class_names), 1 / max(int(rows.sum()), 1)
    slope, nll = np.zeros((len(result), classes + 1)), np.zeros(len(result))
    value, curvature = 0.0, np.zeros((classes + 1, classes + 1))
    for at, truth in enumerate(truths_of(result, labels)):
        counts = truth >= 0
        if not rows[at] or not counts.any():
            continue
        true = truth[counts]
        p = known_probabilities(result, at)[counts]
        logs = np.log(np.maximum(p, SMALLEST))
        q = changed(logs, theta(at))
        log_q = np.log(np.maximum(q, SMALLEST))
        target = prior * p / p.sum(axis=1, keepdims=True)
        target[np.arange(len(true)), true] += 1
        target /= 1 + prior
        nll[at] = -log_q[np.arange(len(true)), true].sum()
        value -= float(np.sum(target * log_q))
        slope[at, 0], slope[at, 1:] = np.sum((q - target) * logs), np.sum(q - target, axis=0)
        curvature += _curvature(q, logs)
    return OffsetSums(value, slope, curvature, nll)


def _curvature(q: Floats, logs: Floats) -> Floats:
    """(K + 1, K + 1) sum over positions of the covariance of (log p_k, e_k) under q."""
    mean = np.einsum("nk,nk->n", q, logs)
    found = np.empty((q.shape[1] + 1,) * 2)
    found[0, 0] = np.einsum("nk,nk,nk->", q, logs, logs) - np.sum(mean**2)
    found[0, 1:] = found[1:, 0] = np.sum(q * (logs - mean[:, None]), axis=0)
    found[1:, 1:] = np.diag(q.sum(axis=0)) - q.T @ q
    return found


def step_of(found: OffsetSums, slope: Floats) -> Floats:
    """(…, K + 1) what Newton's method would take off θ for slopes (…, K + 1).

    A constant added to all offsets changes nothing; it is kept at 0.
    """
    curvature = found.curvature.copy()
    scale = float(np.trace(curvature[1:, 1:])) / len(curvature) or 1.0
    curvature[1:, 1:] += scale / len(curvature)
    curvature += 1e-12 * scale * np.eye(len(curvature))  # where the probabilities of all classes are alike
    return np.asarray(np.linalg.solve(curvature, slope.T).T)


def least(result: DenseCertainty, labels: Any, start: Floats, rows: Booleans) -> tuple[Floats, OffsetSums]:
    """θ of least NLL over some rows (N,) from a start, and the sums there."""

    def at(theta: Floats) -> OffsetSums:
        return sums(result, labels, lambda row: theta, rows)

    theta, found = start, at(start)
    positions = max(float(np.trace(found.curvature[1:, 1:])), 1.0)
    for _ in range(STEPS):
        slope = found.slope.sum(axis=0)
        step = step_of(found, slope)
        gain = float(slope @ step)
        if gain <= CLOSE * positions:
            break
        for halving in range(HALVINGS):
            share = 0.5**halving
            following = theta - share * step
            if following[0] <= 0:
                continue
            tried = at(following)
            if tried.value <= found.value - 1e-4 * share * gain:  # Armijo 1966
                break
        else:
            break
        theta, found = following, tried
    theta = np.append(theta[0], theta[1:] - theta[1:].mean())
    return theta, found


def without_folds(
    result: DenseCertainty, labels: Any, start: Floats, there: Booleans, fold: Integers
) -> Floats:
    """(N, K + 1) for each row the θ of least NLL of the folds that it is not in.

    Args:
        result: N rows.
        labels: As for `truths_of`.
        start: θ of all rows.
        there: (N,) rows with a position that counts.
        fold: (N,) fold of each.
    """
    found = np.array(
        [least(result, labels, start, there & (fold != number))[0] for number in range(int(fold.max()) + 1)]
    )
    return np.asarray(found[fold])
