"""The networks that a result of numbers keeps, so that any limit can be asked for afterwards.

Each of them where they are few, and otherwise `KEPT` quantiles, close together in the tails.
"""

from __future__ import annotations

import numpy as np

from howsure.sampling.between import from_angles
from howsure.sampling.outcome import Floats

KEPT = 64
"""Networks that are kept of a row with more passes: quantiles in the middles of as many shares. A share near
α is π √(α(1 − α))/64 wide: less than two standard errors of α over a thousand passes."""

MOST_MEMBERS = 256
"""Most networks that are kept one by one where all are given at once: no more than a histogram has bins."""

_EDGES = from_angles(np.arange(KEPT + 1) / KEPT)
MIDDLES = (_EDGES[1:] + _EDGES[:-1]) / 2
"""(64,) the levels of the quantiles that are kept."""


def shares_of(networks: Floats, passes: Floats) -> Floats:
    """(N, M) share of all networks that each kept one stands for; 0 for NaN.

    Args:
        networks: (N, M) numbers of one target, NaN where a row has fewer.
        passes: (N,) of each row. If as many networks are kept, each is one of the passes.
    """
    finite = np.isfinite(networks)
    count = finite.sum(axis=-1, keepdims=True)
    shares = np.where(finite, 1 / np.maximum(count, 1), 0.0)
    of_quantiles = (count == KEPT) & (count != passes[:, None])
    shares[:, :KEPT] = np.where(of_quantiles, np.diff(_EDGES)[: shares.shape[1]], shares[:, :KEPT])
    return shares


def networks_of(values: Floats, answers: int) -> Floats:
    """(N, C, M) columns of networks in ascending order of the number that they belong to.

    Args:
        values: (T, N, C) columns of T networks: K numbers, then what goes with each, such as its variance.
        answers: K.
    """
    order = np.argsort(values[..., :answers], axis=0, kind="stable")
    count = len(values)
    if count > MOST_MEMBERS:
        order = order[np.ceil(count * MIDDLES).astype(np.int64) - 1]
    order = np.concatenate([order] * (values.shape[-1] // answers), axis=-1)
    return np.moveaxis(np.take_along_axis(values, order, axis=0), 0, -1)


def pooled(networks: Floats, shares: Floats, passes: Floats, answers: int) -> Floats:
    """(N, C, 64) quantiles of the networks of several members together, as `networks_of` keeps them.

    Args:
        networks: (N, C, M) of all members, one after the other.
        shares: (N, M) of all networks that each stands for.
        passes: (N,) of all members.
        answers: K.
    """
    order = np.argsort(networks[:, :answers], axis=-1, kind="stable")
    below = np.cumsum(np.take_along_axis(shares[:, None], order, axis=-1), axis=-1)
    levels = np.where(passes[:, None] == KEPT, (np.arange(KEPT) + 0.5) / KEPT, MIDDLES)
    places = np.stack([(below < level[:, None, None]).sum(axis=-1) for level in levels.T], axis=-1)
    chosen = np.take_along_axis(order, np.minimum(places, networks.shape[-1] - 1), axis=-1)
    return np.take_along_axis(networks, np.concatenate([chosen] * (networks.shape[1] // answers), axis=1), -1)
