"""Sets and intervals that hold the true answer as often as promised (split conformal prediction)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv

from howsure.errors import InputError
from howsure.inputs.rows import quoted
from howsure.sampling.outcome import Floats
from howsure.words import UNIT

TOLERANCE = 1e-9
"""Scores this much above a threshold count as equal to it, so that rounding does not part equals."""


def rank(rows: int, coverage: float) -> int:
    """⌈(n + 1) · coverage⌉; the rounding keeps 20 · 0.95 at 19."""
    return math.ceil(round((rows + 1) * coverage, 9))


def threshold_of(scores: Floats, coverage: float) -> float:
    """The score (n,) that at least this share of new rows do not exceed, on average."""
    place = rank(len(scores), coverage) - 1
    return float(np.partition(scores, place)[place])


def surely_covered(sizes: Sequence[int], coverage: float) -> float:
    """The least coverage of thresholds, in all groups at once, with 95 % confidence over draws of the scores.

    With the r-th smallest of n scores as threshold the share covered is Beta(r, n + 1 − r), or larger where
    scores may be equal (Vovk 2012).

    Args:
        sizes: Number of labelled rows in each group.
        coverage: Promised share.
    """
    level = 0.05 / len(sizes)
    ranks = [(rank(rows, coverage), rows) for rows in sizes]
    return min(float(betaincinv(place, rows + 1 - place, level)) for place, rows in ranks)


def check_enough(
    sizes: Sequence[int], coverage: float, groups: Sequence[str] = (), of_every: str = ""
) -> None:
    """An `InputError` unless every group has the rows that the coverage takes.

    Args:
        sizes: Number of labelled rows in each group.
        coverage: Promised share.
        groups: Their names; empty if one group holds all rows.
        of_every: Name of a group in messages: `class`.
    """
    least = math.ceil(round(coverage / (1 - coverage), 9))  # the least n with ⌈(n + 1) · coverage⌉ ≤ n
    short = [k for k, rows in enumerate(sizes) if rows < least]
    if not short:
        return
    named = f" of {of_every} {quoted([groups[k] for k in short])}" if groups else ""
    raise InputError(
        f"Too few labelled rows{named} to promise a coverage of {100 * coverage:g} %",
        expected=f"at least {least:,}" + (f" of every {of_every}" if groups else ""),
        received=", ".join(f"{sizes[k]:,}" for k in short[:12]),
        hint="Label more rows, or ask for less coverage",
    )


def rounded_down(share: float) -> str:
    """A share in per cent, with one decimal, never rounded up."""
    return f"{math.floor(1000 * share) / 10:g}{UNIT}"
