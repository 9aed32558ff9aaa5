"""Random ops: the random calls of a model, and what each kind of them draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from howsure.statistics import normal_density

DROPOUT = "dropout"
ALPHA_DROPOUT = "alpha dropout"
GAUSSIAN_DROPOUT = "gaussian dropout"
GAUSSIAN_NOISE = "gaussian noise"
NORMAL = "normal numbers"
UNIFORM = "uniform numbers"
BERNOULLI_KINDS = (DROPOUT, ALPHA_DROPOUT)


@dataclass(frozen=True)
class Distribution:
    """The numbers of a kind of random op that neither drops nor keeps; all take the rate of the random op.

    Attributes:
        quantile: From ranks in (0, 1) to numbers, the inverse distribution function.
        remaining: Mean variance within so many equally probable strata, as a share of the variance.
        words: Words for what the random op does.
        most: The highest rate.
        noise: True if layers add the numbers to what they compute. Then their mean is 0, which a plain
            prediction has, and noise of a model's inputs is random with `gaussian_noise` alone.
    """

    quantile: Callable[[Any, float], Any]
    remaining: Callable[[int, float], float]
    words: Callable[[float], str]
    most: float = 1.0
    noise: bool = False


def _of_normal(strata: int, rate: float) -> float:
    edges = normal_density(ndtri(np.linspace(0, 1, strata + 1)))
    return float(1 - strata * np.sum(np.diff(edges) ** 2))


DRAWN: Mapping[str, Distribution] = {
    GAUSSIAN_DROPOUT: Distribution(
        lambda ranks, rate: 1 + float(np.sqrt(rate / (1 - rate))) * ndtri(ranks),
        _of_normal,
        lambda rate: f"multiplies by noise of sd {np.sqrt(rate / (1 - rate)):.3g}",
        float(np.nextafter(1, 0)),
    ),
    GAUSSIAN_NOISE: Distribution(
        *(lambda ranks, rate: rate * ndtri(ranks), _of_normal, "adds noise of sd {:.3g}".format, np.inf),
        noise=True,
    ),
    NORMAL: Distribution(lambda ranks, _: ndtri(ranks), _of_normal, f"draws {NORMAL}".format, noise=True),
    UNIFORM: Distribution(lambda ranks, _: ranks, lambda strata, _: 1 / strata**2, f"draws {UNIFORM}".format),
}
"""The distribution of each kind that is none of `BERNOULLI_KINDS`."""


def is_noise(kind: str) -> bool:
    """Whether numbers of a kind are noise; see `Distribution`."""
    return kind in DRAWN and DRAWN[kind].noise


@dataclass(frozen=True)
class RandomOp:
    """One call of one random layer.

    Attributes:
        number: Its place among the random calls in the order of execution, from 0.
        name: Path of the layer; from the second call on with the number of the call, `encoder/drop#2`, and
            from the second draw in a call on with that of the draw, `lstm:2`.
        kind: `dropout`, `alpha dropout`, `gaussian dropout` or `gaussian noise`; `normal numbers` and
            `uniform numbers` are what a layer draws to make something of them itself.
        rate: Probability of dropping a unit in (0, 1]; for `gaussian noise` its standard deviation; 1 for
            plain numbers, which have mean 0 and standard deviation 1, or lie in [0, 1).
        shape: Shape of the mask for one row, broadcast over axes of size 1.
    """

    number: int
    name: str
    kind: str
    rate: float
    shape: tuple[int, ...]

    @property
    def in_words(self) -> str:
        """The random op in words: `drops 25 %`."""
        if self.kind in BERNOULLI_KINDS:
            return f"drops {100 * self.rate:.4g} %" + (" (alpha)" if self.kind == ALPHA_DROPOUT else "")
        return DRAWN[self.kind].words(self.rate)
