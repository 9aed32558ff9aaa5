"""Rows that depend on each other: those of one patient, one series, or one document are a group.

Groups are independent of each other and alike, as draws from all groups. Within a group, rows may depend on
each other in any way. So groups are counted where rows are counted otherwise. Groups of one row each change
nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from howsure.errors import InputError
from howsure.inputs.align import aligned, check_ids
from howsure.sampling.outcome import Integers


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
