"""The tempering q = softmax(β log p + b) of probabilities with the least loss, by Newton's method.

θ = (β) is a temperature of 1/β alone (Guo and others 2017). θ = (β, b) adds an offset for each class:
bias-corrected temperature scaling (Alexandari, Kundaje and Shrikumar 2020). The loss is convex in both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from howsure.sampling.outcome import Floats

LIMIT = 100.0
"""The largest exponent; its inverse is the smallest. No network that anyone has shown is off by as much."""

STEPS, HALVINGS = 60, 30
"""Steps of Newton's method at most, and how often one is halved at most."""

CLOSE = 1e-7
"""Share of the loss that a step has to gain. One that gains less is the last, and leaves its square."""

TINY = float(np.finfo(float).tiny)

SHORT = 1e-3
"""Share of β that a last step changes at most: if every row is right, all steps gain little, to the limit."""


@dataclass(frozen=True, eq=False)
class Losses:
    """The losses −Σ target log q of N rows at one θ of P numbers.

    Attributes:
        value: (N,).
        slope: (N, P) by θ.
        curvature: (N, P, P), or (1, P, P) of all rows together.
    """

    value: Floats
    slope: Floats
    curvature: Floats

    def weighted(self, weight: Floats) -> Losses:
        """The losses of rows that count (N,) times; not of offsets, which have one curvature of all rows."""
        if len(self.curvature) != len(weight):
            raise ValueError("The curvature is of all rows together, so no row can count more than another")
        return Losses(
            weight * self.value, weight[:, None] * self.slope, weight[:, None, None] * self.curvature
        )

    def step(self, slope: Floats) -> Floats:
        """(…, P) the change by Newton's method that takes slopes (…, P) off.

        A constant added to all offsets changes nothing; it is kept at 0.
        """
        curvature = self.curvature.sum(axis=0)
        if len(curvature) == 1:
            return np.asarray(slope / max(float(curvature[0, 0]), TINY))
        scale = float(np.trace(curvature[1:, 1:])) / len(curvature) or 1.0
        curvature[1:, 1:] += scale / len(curvature)
        curvature += 1e-12 * scale * np.eye(len(curvature))  # if all classes are alike
        return np.asarray(np.linalg.solve(curvature, slope.T).T)


def changed(logs: Floats, theta: Floats) -> Floats:
    """(N, K) probabilities softmax(β log p + b) from log p."""
    scores = theta[0] * logs + (theta[1:] if len(theta) > 1 else 0.0)
    q = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(q / q.sum(axis=1, keepdims=True))


def losses(theta: Floats, logs: Floats, of_target: Floats, target: Floats | None = None) -> Losses:
    """The losses of rows at θ.

    Args:
        theta: (P,).
        logs: (N, K) logarithms of probabilities.
        of_target: (N,) Σ target · logs: that of the true class, or the mean over what is to be come near.
        target: (N, K) shares of the classes, which offsets need.
    """
    scores = theta[0] * logs + (theta[1:] if len(theta) > 1 else 0.0)
    top = scores.max(axis=1)
    q = np.exp(scores - top[:, None])
    total = q.sum(axis=1)
    q /= total[:, None]
    mean = np.einsum("nk,nk->n", q, logs)
    value, slope = np.log(total) + top - theta[0] * of_target, (mean - of_target)[:, None]
    first = np.einsum("nk,nk,nk->n", q, logs, logs) - mean**2
    if target is None:
        return Losses(value, slope, first[:, None, None])
    curvature = np.empty((len(theta), len(theta)))
    curvature[0, 0] = first.sum()
    curvature[0, 1:] = curvature[1:, 0] = np.sum(q * (logs - mean[:, None]), axis=0)
    curvature[1:, 1:] = np.diag(q.sum(axis=0)) - q.T @ q
    return Losses(value - target @ theta[1:], np.hstack([slope, q - target]), curvature[None])


def least(at: Callable[[Floats], Losses], start: Floats, limit: float = LIMIT) -> tuple[Floats, Losses]:
    """θ of least loss from a start, with β within 1/limit and the limit, and the losses there."""
    theta, found = start, at(start)
    for _ in range(STEPS):
        slope = found.slope.sum(axis=0)
        step = found.step(slope)
        gain, value = float(slope @ step), float(found.value.sum())
        least_gain = CLOSE * max(abs(value), 1.0)
        close = gain <= least_gain and abs(step[0]) <= SHORT * theta[0]
        for halving in range(HALVINGS):
            following = theta - 0.5**halving * step
            following[0] = np.clip(following[0], 1 / limit, limit)
            tried = at(following)
            enough = -least_gain if close else 1e-4 * 0.5**halving * gain  # Armijo 1966
            if float(tried.value.sum()) <= value - enough:
                break
            if following[0] == theta[0]:
                return theta, found
        theta, found = following, tried
        if close:
            break
    return theta, found
