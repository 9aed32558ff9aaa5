"""Which columns of a csv or Parquet file hold labels and ids, and which are left out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from howsure.data.csv_form import CSV, kind_of
from howsure.data.tables import Roles
from howsure.errors import InputError
from howsure.scale.sources import parquet_files

LabelColumn = Annotated[
    str | None,
    typer.Option(help="Column of true classes, in --labels or else in the rows, where it is not y."),
]
IdColumn = Annotated[
    str | None,
    typer.Option(help="Column of what each row is called in a .csv or .parquet file, where it is not id."),
]
Drop = Annotated[
    str | None,
    typer.Option(help="Columns of a .csv or .parquet file to leave out: a,b,c.", metavar="COLUMNS"),
]


def roles_of(
    data: Path, label_column: str | None, id_column: str | None, drop: str | None, labels: Path | None
) -> Roles:
    """What the columns of a file of rows are for.

    Raises:
        InputError: It has no columns, labels come from two places, or an empty name is among those to leave
            out. With a csv file of labels, their column is one of that file.
    """
    if label_column is not None and labels is not None and kind_of(labels) != CSV:
        raise InputError(
            "--labels and --label-column both say where the labels are",
            expected="one of the two, or a .csv file as --labels, of which --label-column names a column",
            received=f"--labels {labels} --label-column {label_column}",
            mend="Leave one of them out",
        )
    if labels is not None:
        label_column = None  # it is one of that file
    named = {"--label-column": label_column, "--id-column": id_column, "--drop": drop}
    given = [option for option, value in named.items() if value is not None]
    has_columns = kind_of(data) in (CSV, ".parquet") or (data.is_dir() and parquet_files(data))
    if given and not has_columns:
        raise InputError(
            f"{given[0]} is for columns, and '{data}' has none", expected="a .csv or .parquet file"
        )
    dropped = () if drop is None else tuple(name.strip() for name in drop.split(","))
    if "" in dropped:
        raise InputError(
            "--drop has an empty name in it", expected="names of columns separated by commas", received=drop
        )
    return Roles(label_column, id_column, tuple(dict.fromkeys(dropped)))


def check_rows_given(data: Path | None, options: Mapping[str, object]) -> None:
    """Raise where something was asked for that is about rows, and there are none."""
    given = [name for name, value in options.items() if value is not None]
    if data is None and given:
        raise InputError(f"{given[0]} has no effect without rows", expected=f"--data with {given[0]}")
