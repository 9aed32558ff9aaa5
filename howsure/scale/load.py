"""Saved results read back, whichever type they are of."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from howsure.arguments import check_path
from howsure.errors import FileError
from howsure.evaluation.rules import read_rules
from howsure.evaluation.watch import KIND as WATCH
from howsure.evaluation.watch import read_watch
from howsure.results.saved import read_table, table_in
from howsure.sampling.outcome import Integers
from howsure.scale.parts import completed_parts, rows_in
from howsure.tasks.task import result_type_in

SAMPLE = 1_000_000
"""Rows of a folder that scores and pages look at: with so many, a share is known to 0.1 % (95 %)."""


def load(path: str | os.PathLike[str]) -> Any:
    """Read a result that was saved, such as a `Certainty`, rules, or a watch; the file says which it is.

    Args:
        path: A file, a folder that `save` wrote, or one of parts that `howsure assess --out FOLDER` wrote.
            Rows are read into memory, but maps of positions only when used. A warning names missing parts.

    Raises:
        FileError: The file is missing, damaged, or not a saved result.
    """
    source = check_path(path)
    if source.suffix == ".json":
        return read_watch(source) if _kind_in(source) == WATCH else read_rules(source)
    return _whole(source)


def _kind_in(path: Path) -> Any:
    """The kind that a JSON file names; None where it cannot be read, which the reader of rules then says."""
    try:
        return json.loads(path.read_bytes())["kind"]
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _whole(source: Path, for_scores: bool = False) -> Any:
    """As `load`; with `for_scores` as `load_sample`."""
    source = table_in(source)
    if not os.path.isdir(source):
        return _load(source, for_scores)
    parts = completed_parts(source)
    results = (_load_part(part, for_scores) for part in parts)
    return type(_load_part(parts[0], for_scores)).joined(results)


def load_sample(path: str | os.PathLike[str], *, for_scores: bool = False) -> tuple[Any, int]:
    """As `load`, and how many rows there are. From a folder of more than `SAMPLE` rows it draws that many.

    With `for_scores` it leaves out the columns that no score of the kind looks at.
    """
    source = table_in(check_path(path))
    parts = completed_parts(source) if os.path.isdir(source) else []
    ends = _ends(parts)
    if not parts or ends[-1] <= SAMPLE:
        result = _whole(source, for_scores)
        return result, len(result)
    total = int(ends[-1])
    chosen = np.sort(np.random.default_rng(0).choice(total, SAMPLE, replace=False))
    of_part = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
    starts = np.concatenate([[0], ends[:-1]])
    results = (
        _load_part(part, for_scores)[places - start]
        for part, places, start in zip(parts, of_part, starts, strict=True)
    )
    return type(_load_part(parts[0], for_scores)).joined(results), total


def parts_of(path: str | os.PathLike[str]) -> Iterator[Any]:
    """The result in a file, or in each part of a folder, one after the other."""
    source = table_in(check_path(path))
    if not os.path.isdir(source):
        yield _load(source)
        return
    for part in completed_parts(source):
        yield _load_part(part)


def _ends(parts: Sequence[Path]) -> Integers:
    """After how many rows each part ends."""
    with _of_a_part():
        return np.cumsum([rows_in(part) for part in parts], dtype=np.int64)


def _load_part(path: Path, for_scores: bool = False) -> Any:
    with _of_a_part():
        return _load(path, for_scores)


@contextmanager
def _of_a_part() -> Iterator[None]:
    """Say in errors how a damaged part is made again."""
    try:
        yield
    except FileError as error:
        hint = "Delete that part, then give the command again that made it"
        raise error.told_of("A part of the results", hint) from error


def _load(path: Path, for_scores: bool = False) -> Any:
    def unscored(kind: Any) -> set[str]:
        names = kind.unscored if for_scores else ()
        return {column.name for column in kind.columns if column.optional and column.name in names}

    def left_out(settings: Mapping[str, Any]) -> set[str]:
        kind = result_type_in(settings, path)
        return unscored(kind) | {
            column.name for column in kind.columns if not (column.stored or column.of_maps)
        }

    table, settings = read_table(path, left_out=left_out)
    kind = result_type_in(settings, path)
    return kind.from_table(path, table, settings, unscored(kind))
