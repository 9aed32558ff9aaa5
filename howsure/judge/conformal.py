"""Split conformal prediction: what ranks of scores promise of new rows (Vovk and others 2005).

Of n scores of labelled rows the r-th smallest is the threshold. A new row, of the same kind as these, has a
score up to it with a probability of at least r / (n + 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

Floats = NDArray[np.float64]


def rank(rows: int, coverage: float) -> int:
    """⌈(n + 1) · coverage⌉; the rounding keeps 20 · 0.95 at 19."""
    return math.ceil(round((rows + 1) * coverage, 9))


def least_rows(coverage: float) -> int:
    """The least n with ⌈(n + 1) · coverage⌉ ≤ n."""
    return math.ceil(round(coverage / (1 - coverage), 9))


def threshold(scores: Floats, coverage: float) -> float:
    """The score (n,) that at least this share of new rows do not exceed, on average."""
    place = rank(len(scores), coverage) - 1
    return float(np.partition(scores, place)[place])


def surely_covered(groups: Sequence[Floats], coverage: float) -> float:
    """What thresholds cover at least, in all groups at once, with 95 % confidence over draws of the scores.

    With the r-th smallest of n scores as threshold the share covered is Beta(r, n + 1 − r), or larger where
    scores may be equal (Vovk 2012).
    """
    level = 0.05 / len(groups)
    ranks = [(rank(len(group), coverage), len(group)) for group in groups]
    return min(float(beta.ppf(level, place, rows + 1 - place)) for place, rows in ranks)
