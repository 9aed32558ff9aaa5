"""The promises of every result."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from howsure.answers.registry import answer_of
from howsure.conformance.promises import require
from howsure.results.result import Result


def check_result(result: Any) -> None:
    """Check all that shared code expects of a result: its columns, its parts, its tables and files.

    A kind of answers that was added with `howsure.answers.registry.add` is checked whole: what is saved loads
    again with `howsure.load`.

    Args:
        result: Result of N ≥ 2 rows.

    Raises:
        AssertionError: A promise is broken.
    """
    require(isinstance(result, Result), "A result derives from `Result`", type(result).__name__)
    require(bool(getattr(type(result), "answer", "")), "It says of which kind its answers are: `answer`")
    kind = answer_of(result)
    require(kind.result_type is type(result), "The kind of that name has this type of result", kind.name)
    _check_columns(result)
    _check_parts(result)
    _check_files(result)


def _check_columns(result: Result[Any]) -> None:
    names = getattr(result, result.names)
    require(isinstance(names, tuple) and bool(names), "`names` is the setting that holds the names", names)
    first = result.columns[0].name
    require(first == "row", "The first column is `row`", first)
    for column in result.columns:
        values = getattr(result, column.name)
        if values is None:
            require(column.optional, "Only an optional column may be None", column.name)
            continue
        sides = column.sides(len(result), len(names), result.positions)
        require(np.shape(values) == sides, "A column has its shape", (column.name, np.shape(values), sides))
        if column.stored:
            require(not values.flags.writeable, "Arrays are read-only", column.name)
    said = getattr(result, result.first_numbers())
    require(np.issubdtype(said.dtype, np.floating), "Some column holds numbers", result.first_numbers())


def _check_parts(result: Result[Any]) -> None:
    """Slices, single rows, and what is joined again."""
    require(len(result) >= 2, "There are two rows or more to check", len(result))
    texts = [str(row) for row in result]
    require(all(texts), "A row prints as words", texts[:1])
    turned = result[::-1]
    require([str(row) for row in turned] == texts[::-1], "A row says the same wherever it stands")
    joined = type(result).joined([result[:1], result[1:]])
    require(_same(joined, result), "Parts of a result join to the whole")
    none = result[:0]
    require(len(none) == 0 and isinstance(none, type(result)), "No rows are a result of no rows")


def _check_files(result: Result[Any]) -> None:
    """A saved result loads as it was, whoever asks."""
    import howsure

    table = result.to_arrow()
    require(table.num_rows == len(result), "The table has a row for each row", table.num_rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.parquet"
        result.save(path)
        require(_same(type(result).load(path), result), "What is saved loads again")
        found = howsure.load(path)
        require(type(found) is type(result), "`howsure.load` knows the kind in a file", type(found).__name__)
        for name in ("result.csv", "result.jsonl"):
            result.save(Path(folder) / name)
            require((Path(folder) / name).stat().st_size > 0, "It is written for other programs too", name)


def _same(one: Result[Any], other: Result[Any]) -> bool:
    """Whether two results hold the same; what is unknown is the same where it is in both."""
    pairs = [(getattr(one, each.name), getattr(other, each.name)) for each in one.columns if each.stored]
    return all(_equal(a, b) for a, b in pairs) and [*map(str, one)] == [*map(str, other)]


def _equal(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
