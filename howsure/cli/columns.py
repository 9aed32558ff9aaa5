"""Which columns of a csv or Parquet file hold labels and ids, and which are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from howsure.cli.options import DivideBy
from howsure.data.csv_form import CSV, kind_of
from howsure.data.tables import Roles
from howsure.errors import InputError
from howsure.scale.sources import parquet_files


@dataclass(frozen=True)
class RowColumns:
    """What the columns of a file of rows are for."""

    label_column: Annotated[
        str | None,
        typer.Option(help="Column of true classes, in --labels or else in the rows, where it is not y."),
    ] = None
    id_column: Annotated[
        str | None,
        typer.Option(
            help="Column of what each row is called in a .csv or .parquet file, where it is not id."
        ),
    ] = None
    drop: Annotated[
        str | None,
        typer.Option(help="Columns of a .csv or .parquet file to leave out: a,b,c.", metavar="COLUMNS"),
    ] = None

    @property
    def given(self) -> dict[str, str | None]:
        """What was given, by the names of the options."""
        return {"--label-column": self.label_column, "--id-column": self.id_column, "--drop": self.drop}

    def roles(self, data: Path, labels: Path | None = None) -> Roles:
        """What the columns of a file of rows are for.

        Args:
            data: The file.
            labels: A file of labels, or None.

        Raises:
            InputError: It has no columns, labels come from two places, or an empty name is among those to
                leave out. With a csv file of labels, their column is one of that file.
        """
        label_column = self.label_column
        if label_column is not None and labels is not None and kind_of(labels) != CSV:
            raise InputError(
                "--labels and --label-column both say where the labels are",
                expected="one of the two, or a .csv file as --labels, of which --label-column names a column",
                received=f"--labels {labels} --label-column {label_column}",
                hint="Leave one of them out",
            )
        named = self.given
        if labels is not None:
            label_column = named["--label-column"] = None  # it is one of that file
        given = [option for option, value in named.items() if value is not None]
        has_columns = kind_of(data) in (CSV, ".parquet") or (data.is_dir() and parquet_files(data))
        if given and not has_columns:
            raise InputError(
                f"{given[0]} is for columns, and '{data}' has none", expected="a .csv or .parquet file"
            )
        dropped = () if self.drop is None else tuple(name.strip() for name in self.drop.split(","))
        if "" in dropped:
            raise InputError(
                "--drop has an empty name in it",
                expected="names of columns separated by commas",
                received=self.drop,
            )
        return Roles(label_column, self.id_column, tuple(dict.fromkeys(dropped)))


@dataclass(frozen=True)
class RowOptions(RowColumns):
    """What there is to say of rows, and where their labels are."""

    labels: Annotated[Path | None, typer.Option(help="True classes, .npy or .csv.")] = None
    divide_by: DivideBy = None


def check_rows_given(data: Path | None, options: Mapping[str, object]) -> None:
    """Raise where something was asked for that is about rows, and there are none."""
    given = [name for name, value in options.items() if value is not None]
    if data is None and given:
        raise InputError(f"{given[0]} has no effect without rows", expected=f"--data with {given[0]}")
