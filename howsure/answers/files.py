"""Saved results read back, whichever type they are of."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from howsure.answers.registry import result_type_in
from howsure.arguments import check_path
from howsure.results.saved import read_table
from howsure.sampling.outcome import Integers

SAMPLE = 1_000_000
"""Rows of a folder that scores and pages look at: with so many, a share is known to 0.1 % (95 %)."""

BETWEEN = ("spread", "spread_error", "quantiles", "quantiles_error")
"""Optional columns that say how far networks lie apart: half of a table, and no score looks at them."""


def load(path: str | os.PathLike[str], *, without: Collection[str] = ()) -> Any:
    """Read a result that was saved, such as a `Certainty`; the file says which kind it holds.

    Args:
        path: A file, or a folder of parts that `howsure assess --out FOLDER` wrote. All rows are read into
            memory. A warning names missing parts.
        without: Names of columns that may be None, such as `spread`. They are left out to save memory.

    Raises:
        FileError: The file is missing, damaged, or not a saved result.
    """
    source = check_path(path)
    if not os.path.isdir(source):
        return _load(source, without)
    parts = _parts(source)
    results = (_load(part, without) for part in parts)
    return type(_load(parts[0], without)).gathered(results, int(_ends(parts)[-1]))


def load_sample(
    path: str | os.PathLike[str], *, without: Collection[str] = (), seed: int = 0
) -> tuple[Any, int]:
    """As `load`, and how many rows there are. Of a folder of more than `SAMPLE` rows it draws that many."""
    source = check_path(path)
    parts = _parts(source) if os.path.isdir(source) else []
    ends = _ends(parts)
    if not parts or ends[-1] <= SAMPLE:
        found = load(source, without=without)
        return found, len(found)
    total = int(ends[-1])
    chosen = np.sort(np.random.default_rng(seed).choice(total, SAMPLE, replace=False))
    of_part = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
    starts = np.concatenate([[0], ends[:-1]])
    results = (
        _load(part, without)[places - start]
        for part, places, start in zip(parts, of_part, starts, strict=True)
    )
    return type(_load(parts[0], without)).gathered(results, SAMPLE), total


def parts_of(path: str | os.PathLike[str], *, without: Collection[str] = ()) -> Iterator[Any]:
    """The result in a file, or in each part of a folder, one after the other; arguments as for `load`."""
    source = check_path(path)
    for part in _parts(source) if os.path.isdir(source) else [source]:
        yield _load(part, without)


def _parts(folder: Path) -> list[Path]:
    """The parts of a folder, in the order of the rows."""
    from howsure.scale.there import present  # a single file does not need it

    return present(folder)


def _ends(parts: Sequence[Path]) -> Integers:
    """After how many rows each part ends."""
    from howsure.scale.there import rows_in  # a single file does not need it

    return np.cumsum([rows_in(part) for part in parts], dtype=np.int64)


def _load(path: Path, without: Collection[str]) -> Any:
    def left_out(settings: Mapping[str, Any]) -> list[str]:
        columns = result_type_in(settings, path).columns
        return [each.name for each in columns if not each.stored or (each.optional and each.name in without)]

    table, settings = read_table(path, left_out=left_out)
    return result_type_in(settings, path).from_table(path, table, settings)
