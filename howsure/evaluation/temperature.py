"""The tempering q = softmax(β log p + b) of probabilities with the least loss, by Newton's method.

θ = (β) is a temperature of 1/β alone (Guo and others 2017). θ = (β, b) adds an offset for each class, as in
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
        curvature: (N, 1, 1), or (1, P, P) of all rows together.
    """

    value: Floats
    slope: Floats
    curvature: Floats

    def weighted(self, weight: Floats) -> Losses:
        """The losses of rows that count (N,) times, each with a curvature of its own."""
        return Losses(
            weight * self.value, weight[:, None] * self.slope, weight[:, None, None] * self.curvature
        )

    def step(self, slope: Floats) -> Floats:
        """(…, P) the change by Newton's method that takes slopes (…, P) off."""
        curvature = self.curvature.sum(axis=0)
        if len(curvature) == 1:
            return np.asarray(slope / max(float(curvature[0, 0]), TINY))
        return np.asarray(np.linalg.solve(curvature, slope.T).T)


def changed(logs: Floats, theta: Floats) -> Floats:
    """(N, K) probabilities softmax(β log p) from log p."""
    scores = theta[0] * logs
    q = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(q / q.sum(axis=1, keepdims=True))


def losses(
    theta: Floats,
    logs: Floats,
    of_target: Floats,
    target: Floats | None = None,
    weight: Floats | None = None,
) -> Losses:
    """The losses of rows at θ.

    Args:
        theta: (1,), or (1 + K,) with offsets.
        logs: (N, K) logarithms of probabilities.
        of_target: (N,) Σ target · logs: that of the true class, or the mean over what is to be come near.
        target: (N, K) shares of the classes, which offsets need.
        weight: (N,) how often each row counts. Default: once.
    """
    scores = theta[0] * logs + (0.0 if target is None else theta[1:])
    top = scores.max(axis=1)
    q = np.exp(scores - top[:, None])
    total = q.sum(axis=1)
    q /= total[:, None]
    mean = np.einsum("nk,nk->n", q, logs)
    value, slope = np.log(total) + top - theta[0] * of_target, (mean - of_target)[:, None]
    weight = np.ones(len(logs)) if weight is None else weight
    if target is None:
        first = np.einsum("nk,nk,nk->n", q, logs, logs) - mean**2
        return Losses(value, slope, first[:, None, None]).weighted(weight)
    value, slope = value - target @ theta[1:], np.hstack([slope, q - target])
    curvature = squares(weight[:, None] * q, q, logs - mean[:, None])
    return Losses(weight * value, weight[:, None] * slope, curvature[None])


def squares(weight: Floats, q: Floats, away: Floats) -> Floats:
    """(1 + K, 1 + K) Σ weight · d dᵀ over rows and classes, for the slope d of log q of each class by (β, b).

    Args:
        weight: (N, K).
        q: (N, K) probabilities at θ; the slope of log q_j by b_k is 1 for k = j, less q_k.
        away: (N, K) log p less its mean under q, which is the slope by β.
    """
    half = (weight - 0.5 * weight.sum(axis=1, keepdims=True) * q).T @ q
    result = np.empty((1 + q.shape[1], 1 + q.shape[1]))
    result[0, 0] = np.sum(weight * away**2)
    result[0, 1:] = result[1:, 0] = (weight * away).sum(axis=0) - np.einsum("nk,nk->n", weight, away) @ q
    result[1:, 1:] = np.diag(weight.sum(axis=0)) - half - half.T
    return result


def least(at: Callable[[Floats], Losses], start: Floats, limit: float = LIMIT) -> tuple[Floats, Losses]:
    """θ of least loss from a start, with β within 1/limit and the limit, and the losses there."""
    theta, best = start, at(start)
    for _ in range(STEPS):
        slope = best.slope.sum(axis=0)
        step = best.step(slope)
        gain, value = float(slope @ step), float(best.value.sum())
        least_gain = CLOSE * max(abs(value), 1.0)
        close = gain <= least_gain and abs(step[0]) <= SHORT * theta[0]
        for halving in range(HALVINGS):
            following = theta - 0.5**halving * step
            following[0] = np.clip(following[0], 1 / limit, limit)
            tried = at(following)
            enough = -least_gain if close else 1e-4 * 0.5**halving * gain  # Armijo 1966
            if float(tried.value.sum()) <= value - enough:
                break
            if np.array_equal(following, theta):
                return theta, best
        theta, best = following, tried
        if close:
            break
    return theta, best
