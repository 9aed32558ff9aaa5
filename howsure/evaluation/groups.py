"""Rows that depend on each other: those of one patient, one series, or one document are a group.

Groups are independent of each other and alike, as draws from all groups. Within a group, rows may depend on
each other in any way. So groups are counted where rows are counted otherwise. Groups of one row each change
nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError, warn
from howsure.inputs.align import aligned, check_ids
from howsure.sampling.outcome import Floats, Integers

BEYOND_CHANCE, LEAST_ALIKE = 4.5, 0.05
"""Standard deviations of an autocorrelation that chance exceeds in 3 of a million results, and what is too
small to matter, however sure it is."""

FEWEST_ROWS = 50
"""Rows below which an autocorrelation may be far from normal."""

_NOTICED = "Rows next to each other have similar scores"


def group_numbers(groups: Any, rows: Any, count: int, of: str = "") -> Integers | None:
    """(N,) the number of each row's group, from 0; None without groups, or where each has one row.

    Args:
        groups: (N,) texts or whole numbers, the same for all rows of a group; or None.
        rows: The rows that they belong to: a result, or anything with names of rows.
        count: N.
        of: As for `howsure.inputs.align.aligned`.

    Raises:
        InputError: Groups are missing, do not fit the rows, or are all the same.
    """
    if groups is None:
        return None
    names = check_ids(aligned(groups, rows, "The groups", "groups", of), count, "The groups")
    distinct, numbers = np.unique(names, return_inverse=True)
    if len(distinct) < 2:
        raise InputError(
            "All rows are of one group, which tells nothing about other groups",
            expected="at least 2 groups",
            received="".join(f"'{name}' for all of {count:,} rows" for name in distinct) or "no rows",
        )
    return None if len(distinct) == count else numbers


def renumbered(groups: Integers) -> Integers:
    """(n,) the groups of some rows, numbered from 0 without gaps."""
    return np.unique(groups, return_inverse=True)[1]


def one_of_each(groups: Integers) -> Integers:
    """(G,) positions of one row of each group, drawn at random; the same for the same groups.

    Rows of different groups are independent, so what holds of independent rows holds of these ("subsampling
    once" of Dunn, Wasserman and Ramdas 2023, Distribution-free prediction sets for two-layer hierarchical
    models).
    """
    order = np.lexsort((np.random.default_rng(0).random(len(groups)), groups))
    _, first = np.unique(groups[order], return_index=True)
    return np.sort(order[first])


# --- rows that depend on each other, and nobody said so -----------------------------------------------


def autocorrelation(scores: Floats, truth: NDArray[Any] | None = None) -> float:
    """How alike neighbours are: the correlation of the ranks of scores (N,) one row apart; 0 if by chance.

    Ranks, because scores have long tails (Wald and Wolfowitz 1943). Rows may lie in the order of their
    classes, `truth` (N,): neighbours are compared with others of their class. If most rows have the same
    score, it tells nothing.
    """
    rows = len(scores)
    _, place, times = np.unique(scores, return_inverse=True, return_counts=True)
    if rows < FEWEST_ROWS or times.max() > rows / 2:
        return 0.0
    ranks = (np.cumsum(times) - (times - 1) / 2)[place]
    _, classes = np.unique(np.zeros(rows) if truth is None else truth, return_inverse=True)
    if classes.max() < rows / 10:
        ranks -= (np.bincount(classes, ranks) / np.bincount(classes))[classes]
    else:
        ranks -= ranks.mean()
    variance = float(ranks @ ranks)
    alike = float(ranks[1:] @ ranks[:-1]) / variance if variance else 0.0
    chance = BEYOND_CHANCE / np.sqrt(rows) - 1 / rows
    return alike if alike > max(chance, LEAST_ALIKE) else 0.0


def ask_for_groups(*scores: Floats, truth: NDArray[Any] | None = None) -> None:
    """Warn where rows in their order have similar scores (N,), as rows that depend on each other have.

    One kind of scores is enough. `truth` (N,) are their classes, if they have one each.
    """
    alike = max(autocorrelation(each, truth) for each in scores)
    if alike:
        warn(
            f"{_NOTICED} (autocorrelation {alike:.2f}), as rows of one patient, series or overlapping "
            "windows have, and sorted rows. If they depend on each other, give `groups=`: else intervals are "
            "too narrow, and promises may be broken."
        )


@contextmanager
def asked_before(groups: Any) -> Iterator[None]:
    """In this scope nobody is asked for groups who gave some, also if each has one row."""
    with warnings.catch_warnings():
        if groups is not None:
            warnings.filterwarnings("ignore", message=_NOTICED)
        yield
