"""Saved results read back, whichever type they are of."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from howsure.answers.registry import result_type_in
from howsure.arguments import check_path
from howsure.results.saved import read_table

SAMPLE = 1_000_000
"""Rows of a folder that scores and pages look at: with so many, a share is known to 0.1 % (95 %)."""

BETWEEN = ("spread", "spread_error", "quantiles", "quantiles_error")
"""Optional columns that say how far networks lie apart: half of a table, and no score looks at them."""


def load(path: str | os.PathLike[str], *, without: Collection[str] = ()) -> Any:
    """Read a result that was saved, such as a `Certainty`; the file says which kind it holds.

    Args:
        path: A file, or a folder of parts that `howsure assess --out FOLDER` wrote. All rows are read into
            memory; a warning says where parts are missing.
        without: Names of columns that may be None, and are left out to save memory, such as `spread`.

    Raises:
        FileError: The file is missing, damaged, or not a saved result.
    """
    source, left_out = check_path(path), set(without)
    if not os.path.isdir(source):
        return _load(source, left_out)
    from howsure.scale.there import present, rows_in  # which is not needed for a file

    parts = present(source)
    first = _load(parts[0], left_out)
    results = (_load(part, left_out) for part in parts)
    return type(first).gathered(results, sum(map(rows_in, parts)))


def load_sample(
    path: str | os.PathLike[str], *, without: Collection[str] = (), seed: int = 0
) -> tuple[Any, int]:
    """As `load`, but of a folder of more than `SAMPLE` rows as many, drawn by chance.

    Args:
        path: As for `load`.
        without: Likewise.
        seed: Of the draw.

    Returns:
        The result, and how many rows there are.

    Raises:
        FileError: As from `load`.
    """
    source, left_out = check_path(path), set(without)
    if not os.path.isdir(source):
        found = _load(source, left_out)
        return found, len(found)
    from howsure.scale.there import present, rows_in  # which is not needed for a file

    parts = present(source)
    ends = np.cumsum([rows_in(part) for part in parts])
    total = int(ends[-1])
    if total <= SAMPLE:
        return load(source, without=without), total
    chosen = np.sort(np.random.default_rng(seed).choice(total, SAMPLE, replace=False))
    of_part = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
    starts = np.concatenate([[0], ends[:-1]])
    results = (
        _load(part, left_out)[places - start]
        for part, places, start in zip(parts, of_part, starts, strict=True)
    )
    return type(_load(parts[0], left_out)).gathered(results, SAMPLE), total


def parts_of(path: str | os.PathLike[str], *, without: Collection[str] = ()) -> Iterator[Any]:
    """The result in a file, or in each part of a folder, one after the other.

    Args:
        path: As for `load`.
        without: Likewise.

    Raises:
        FileError: As from `load`.
    """
    source, left_out = check_path(path), set(without)
    if not os.path.isdir(source):
        yield _load(source, left_out)
        return
    from howsure.scale.there import present  # which is not needed for a file

    for part in present(source):
        yield _load(part, left_out)


def _load(path: str | os.PathLike[str], without: Collection[str]) -> Any:
    def left_out(settings: Mapping[str, Any]) -> list[str]:
        columns = result_type_in(settings, os.fspath(path)).columns
        return [each.name for each in columns if not each.stored or (each.optional and each.name in without)]

    table, settings = read_table(path, left_out=left_out)
    return result_type_in(settings, os.fspath(path)).from_table(path, table, settings)
