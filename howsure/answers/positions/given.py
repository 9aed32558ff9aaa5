"""Tables in csv that howsure wrote of rows with a class at each position: they lack the maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from howsure.data.tables import Table
from howsure.errors import InputError


def claims(table: Table, asked: Any) -> bool:
    """The part `claims`: whether the columns of a table are those of such rows."""
    return {"undecided", "doubt"} <= set(table.names)


def read(table: Table, asked: Any, source: Path) -> NoReturn:
    """The part `given_columns`: an `InputError`, as nothing is left of the positions."""
    raise InputError(
        f"'{source}' tells what the positions of each row add up to, and has no maps of them",
        expected="the .parquet form of this table, with the folder of maps beside it, or a folder of results",
    )
