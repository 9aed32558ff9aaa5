"""Single networks of a result of numbers, as its quantiles show them: (N, M) equally likely numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from howsure.sampling.between import LEVELS
from howsure.sampling.outcome import Floats

if TYPE_CHECKING:
    from howsure.answers.numbers.result import RegressionCertainty

NODES = 100
"""How many networks stand for all; each for 1 % of them."""

SHARES = (np.arange(NODES) + 0.5) / NODES
"""(M,) the share of networks that lie below each."""


def _weights() -> Floats:
    """(M, 11) weights that make the nodes from quantiles, by straight lines in normal scores."""
    scores, wanted = ndtri(np.array(LEVELS)), ndtri(SHARES)
    right = np.clip(np.searchsorted(scores, wanted), 1, len(scores) - 1)
    share = (wanted - scores[right - 1]) / (scores[right] - scores[right - 1])
    weights = np.zeros((NODES, len(scores)))
    weights[np.arange(NODES), right - 1] = 1 - share
    weights[np.arange(NODES), right] = share
    return weights


_WEIGHTS = _weights()


def networks_of(result: RegressionCertainty, k: int) -> Floats | None:
    """(N, M) numbers of networks for one target, with the mean and the spread of the result; None if unknown.

    Quantiles that are unknown are taken from a normal distribution.
    """
    if result.spread is None:
        return None
    mean, spread = result.mean[:, k, None], np.nan_to_num(result.spread[:, k, None])
    normal = mean + spread * ndtri(np.array(LEVELS))
    quantiles = normal if result.quantiles is None else result.quantiles[:, k]
    quantiles = np.maximum.accumulate(np.where(np.isfinite(quantiles), quantiles, normal), axis=-1)
    nodes = quantiles @ _WEIGHTS.T
    own = nodes.std(axis=-1, keepdims=True)
    scale = np.divide(spread, own, out=np.zeros_like(own), where=own > 0)
    return np.asarray(mean + (nodes - nodes.mean(axis=-1, keepdims=True)) * scale)
