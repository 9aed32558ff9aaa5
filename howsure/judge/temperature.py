"""The best temperature of probabilities: the exponent 1/T of least mean loss, by Newton's method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from howsure.sampling.outcome import Floats

LIMIT = 100.0
"""The largest exponent; its inverse is the smallest. No network that anyone has shown is off by as much."""

STEPS = 60
"""Steps at most: halving a bracket so often leaves nothing of it."""


def losses(beta: float, logs: Floats, of_target: Floats) -> Floats:
    """(N, 3) the loss −log softmax(β z) of what is true, and its slope and curvature in β.

    Args:
        beta: The exponent.
        logs: (N, K) logarithms z of probabilities.
        of_target: (N,) that of the true class, or the mean over what is to be come near.
    """
    top = logs.max(axis=1)
    q = np.exp(beta * (logs - top[:, None]))
    total = q.sum(axis=1)
    q /= total[:, None]
    mean = np.einsum("nk,nk->n", q, logs)
    curvature = np.einsum("nk,nk,nk->n", q, logs, logs) - mean**2
    return np.stack([np.log(total) + beta * (top - of_target), mean - of_target, curvature], axis=1)


def least(at: Callable[[float], Floats], limit: float = LIMIT) -> tuple[float, Floats]:
    """The exponent of least mean loss, within 1/limit and the limit, and what `at` says of it.

    Args:
        at: From an exponent to (N, 3): loss, slope and curvature of each row, a convex function of it.
        limit: Largest exponent, and largest inverse of it.
    """
    low, high, beta = 1 / limit, limit, 1.0
    found = at(beta)
    for _ in range(STEPS):
        slope, curvature = found[:, 1].sum(), found[:, 2].sum()
        low, high = (beta, high) if slope < 0 else (low, beta)
        step = beta - slope / curvature if curvature > 0 else low
        following = float(step) if low < step < min(high, 4 * beta) else float(np.sqrt(low * high))
        if abs(following - beta) <= 1e-9 * beta:
            break
        beta = following
        found = at(beta)
    return beta, found
