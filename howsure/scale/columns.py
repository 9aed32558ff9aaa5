"""Columns of rows that come in several files or blocks: the same ones in all of them, found by name."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from howsure.data.rows import quoted
from howsure.data.tables import is_numeric
from howsure.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

Columns = tuple[tuple[str, str], ...]
"""Name and kind of each column, in the order in which they form a row; a kind that is "" is not compared."""


def columns_in(schema: pa.Schema) -> Columns:
    """The columns of a table, each with its kind: numbers, texts, lists, or Arrow's name for it.

    Args:
        schema: Schema of the table.
    """
    return tuple((field.name, _kind(field.type)) for field in schema)


def _kind(of: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_dictionary(of):
        return _kind(of.value_type)
    if isinstance(of, pa.BaseExtensionType) or hasattr(of, "value_type"):
        return "lists"
    if pa.types.is_string(of) or pa.types.is_large_string(of) or pa.types.is_string_view(of):
        return "texts"
    return "numbers" if is_numeric(of) else str(of)


def in_order(called: str, table: pa.Table, wanted: Columns, drop: tuple[str, ...] = ()) -> pa.Table:
    """A table with its columns in the order that is wanted.

    Args:
        called: Name of the table in messages.
        table: Its columns stand in any order.
        wanted: All columns that there should be.
        drop: Names of those that are left out later, whose kind does not matter.

    Raises:
        InputError: It has other columns, or of another kind.
    """
    found = columns_in(table.schema)
    names, expected = [name for name, _ in found], [name for name, _ in wanted]
    missing, more = Counter(expected) - Counter(names), Counter(names) - Counter(expected)
    received = None
    if missing or more:
        kinds = [("no", [*missing]), ("also", [*more])]
        received = ", ".join(f"{word} {quoted(which)}" for word, which in kinds if which)
    elif names != expected and len(set(names)) < len(names):
        received = "two columns of one name, in another order"
    if received is None:
        kind = dict(found)
        other = [name for name, was in wanted if was and was != kind[name] and name not in drop]
        if other:
            received = f"{kind[other[0]]} in '{other[0]}', which elsewhere holds {dict(wanted)[other[0]]}"
    if received is not None:
        raise InputError(
            f"{called} does not have the columns of the other rows",
            expected=f"columns {quoted(expected)}, in any order",
            received=received,
            hint="Give rows whose columns have the same names and kinds in all files",
        )
    return table if names == expected else table.select(expected)
