"""Sets and intervals that hold the true answer as often as promised (split conformal prediction).

If rows depend on each other within K groups, each group counts the same, and its rows share its weight: the
threshold is the quantile of Σ 1/((K + 1) n_k) δ(score) + 1/(K + 1) δ(∞). A new row of a new group then
has its score below it as often as promised (Lee, Barber and Willett 2023, Distribution-free inference with
hierarchical data, theorem 1). With groups of one row it is the usual threshold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv

from howsure.errors import InputError
from howsure.inputs.rows import quoted
from howsure.sampling.outcome import Floats, Integers
from howsure.statistics import at_most
from howsure.words import UNIT

TOLERANCE = 1e-9
"""Scores this much above a threshold count as equal to it, so that rounding does not part equals."""


def rank(rows: int, coverage: float) -> int:
    """⌈(n + 1) · coverage⌉; the rounding keeps 20 · 0.95 at 19."""
    return math.ceil(round((rows + 1) * coverage, 9))


def threshold_of(scores: Floats, coverage: float, groups: Integers | None = None) -> float:
    """The score (n,) that at least this share of new rows do not exceed, on average.

    `groups` (n,) are those of rows that depend on each other, or None.
    """
    if groups is None:
        place = rank(len(scores), coverage) - 1
        return float(np.partition(scores, place)[place])
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(1 / np.bincount(groups)[groups[order]])
    enough = (size_of(scores, groups) + 1) * coverage * (1 - TOLERANCE)  # rounding of sums
    return float(scores[order[np.searchsorted(reached, enough)]])


def size_of(scores: Floats, groups: Integers | None) -> int:
    """How many draws scores (n,) are: rows, or the groups (n,) of rows that depend on each other."""
    return len(scores) if groups is None else len(np.unique(groups))


def surely_covered(
    sizes: Sequence[int], coverage: float, *, by_group: bool = False, confidence: float = 0.95
) -> float:
    """The least coverage of thresholds, of all parts at once, with confidence over draws of the scores.

    With the r-th smallest of n scores as threshold the share covered is Beta(r, n + 1 − r), or larger where
    scores may be equal (Vovk 2012).

    Args:
        sizes: Number of labelled rows, or groups, in each part.
        coverage: Promised share.
        by_group: Whether a draw misses any share from 0 to 1, as groups of rows do, and not all or nothing.
        confidence: The confidence.
    """
    level = (1 - confidence) / len(sizes)
    if by_group:
        return min(_surely_covered_by_groups(count, coverage, level) for count in sizes)
    ranks = [(rank(rows, coverage), rows) for rows in sizes]
    return min(float(betaincinv(place, rows + 1 - place, level)) for place, rows in ranks)


def _surely_covered_by_groups(count: int, coverage: float, level: float) -> float:
    """The same of one threshold and K groups, to four digits.

    The shares that groups miss are independent, from 0 to 1, and their mean is 1 − (K + 1) coverage / K at
    most. If 1 − c is missed in truth, that has a probability of at most exp(−K kl) and at most e times that
    of a binomial number (Hoeffding 1963; Bentkus 2004; as in Bates and others 2021).
    """
    covered = np.arange(0.0, coverage, 1e-4)[1:]
    seen = min(coverage * (count + 1) / count, 1.0)
    divergence = seen * np.log(seen / covered)
    if seen < 1:
        divergence += (1 - seen) * np.log((1 - seen) / (1 - covered))
    missed = np.ceil(round(count * (1 - seen), 9))
    p_value = np.minimum(np.exp(-count * divergence), np.e * at_most(missed, count, 1 - covered))
    return float(np.max(covered[p_value <= level], initial=0.0))


def check_enough(
    sizes: Sequence[int],
    coverage: float,
    names: Sequence[str] = (),
    of_every: str = "",
    counted: str = "rows",
) -> None:
    """An `InputError` unless every part has the rows, or groups, that the coverage takes.

    Args:
        sizes: Number of labelled rows, or groups, in each part.
        coverage: Promised share.
        names: Names of the parts; empty if one part holds all rows.
        of_every: Name of a part in messages: `class`.
        counted: `rows`, or `groups` if rows depend on each other within these.
    """
    least = math.ceil(round(coverage / (1 - coverage), 9))  # the least n with ⌈(n + 1) · coverage⌉ ≤ n
    short = [k for k, rows in enumerate(sizes) if rows < least]
    if not short:
        return
    named = f" of {of_every} {quoted([names[k] for k in short])}" if names else ""
    raise InputError(
        f"Too few labelled {counted}{named} to promise a coverage of {100 * coverage:g} %",
        expected=f"at least {least:,}" + (f" of every {of_every}" if names else ""),
        received=", ".join(f"{sizes[k]:,}" for k in short[:12]),
        hint=f"Label more {counted}, or ask for less coverage",
    )


def of_new_groups(groups: int | None) -> str:
    """The words of which rows a promise is, if labelled rows are of so many groups; else nothing."""
    return "" if groups is None else f" of new groups ({groups:,} here)"


def rounded_down(share: float) -> str:
    """A share in per cent, with one decimal, never rounded up."""
    return f"{math.floor(1000 * share) / 10:g}{UNIT}"
