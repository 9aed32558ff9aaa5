"""A result as csv for other programs; `howsure.load` reads only the Parquet file of `save`."""

from __future__ import annotations

import csv
import itertools
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from howsure.atomic import write_whole
from howsure.words import no_formula

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

SET = "set"
"""The column of a decided row's set in words."""

_ROWS_AT_A_TIME = 4096

_QUOTED_END = "\r\n"


def csv_lines(result: Any, columns: str | Sequence[str] | None = None) -> Iterator[Iterable[Any]]:
    """A line of column names, then one line per row; as `write_csv_lines` takes them.

    `columns` is as of `Result.to_arrow`.
    """
    table = result._in_table(columns)
    return itertools.chain([table], _rows(len(result), [values for values, _ in table.values()]))


def sets_in_words(result: Any, sets: NDArray[Any]) -> list[str]:
    """The set of each row as text, the most probable name first: `{8, 6}`.

    Args:
        result: Rows with `probabilities` of each name.
        sets: (N, K) yes or no.
    """
    names, order = getattr(result, result.names), np.argsort(-result.probabilities, axis=1, kind="stable")
    return [
        "{" + ", ".join(names[k] for k in ranked if inside[k]) + "}"
        for ranked, inside in zip(order, sets, strict=True)
    ]


def write_csv_lines(lines: Iterable[Iterable[Any]], file: SupportsWrite[str]) -> None:
    """Write lines of cells as csv; this is the only place where howsure writes csv.

    An unknown number is left empty. A text that a spreadsheet would run as a formula gets a `'` before it.
    `file` is open for text, with `newline=""` where it is on disk.
    """
    # Python before 3.13 quotes a carriage return only where it is part of what ends a line.
    writer = csv.writer(_Lines(file), lineterminator=_QUOTED_END)
    writer.writerows(map(no_formula, map(_empty_for_nan, cells)) for cells in lines)


def write_csv_file(lines: Iterable[Iterable[Any]], path: str | os.PathLike[str]) -> None:
    """The same into a file of its own; an earlier file stays until the new one is complete.

    Raises:
        FileError: The file cannot be written.
    """

    def write(temporary: str) -> None:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            write_csv_lines(lines, file)

    write_whole(path, write)


class _Lines:
    """Whole lines of csv, written with a line feed at their end."""

    def __init__(self, file: SupportsWrite[str]) -> None:
        self._file = file

    def write(self, line: str) -> object:
        """Write a line that ends in `_QUOTED_END`."""
        return self._file.write(line.removesuffix(_QUOTED_END) + "\n")


def _rows(rows: int, columns: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """The cells of each row of columns (N,), of Python's own types."""
    for start in range(0, rows, _ROWS_AT_A_TIME):
        parts = [values[start : start + _ROWS_AT_A_TIME].tolist() for values in columns]
        yield from zip(*parts, strict=True)


def _empty_for_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
