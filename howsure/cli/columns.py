"""Options that say which columns hold labels and ids, and which are ignored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from howsure.cli.options import DivideBy, given
from howsure.data.csv_form import CSV, kind_of
from howsure.data.label_files import read_labels
from howsure.data.rows import Array, Rows
from howsure.data.tables import Roles
from howsure.errors import InputError
from howsure.scale.sources import parquet_files


@dataclass(frozen=True)
class RowColumns:
    """Meaning of the columns in a file of rows."""

    label_column: Annotated[
        str | None,
        typer.Option(
            help="Column with the true answers, if it is not called y. It is in --labels or in the rows."
        ),
    ] = None
    id_column: Annotated[
        str | None,
        typer.Option(
            help="Column with the id of each row in a .csv or .parquet file, if it is not called id."
        ),
    ] = None
    drop: Annotated[
        str | None,
        typer.Option(help="Columns of a .csv or .parquet file to ignore: a,b,c.", metavar="COLUMNS"),
    ] = None

    def roles(self, data: Path, labels: Path | None = None) -> Roles:
        """The meaning of the columns in a file of rows.

        Args:
            data: The file.
            labels: A file of labels, or None.

        Raises:
            InputError: The file has no columns, labels come from two places, or a name in --drop is empty.
                With a csv file of labels, --label-column is a column of that file.
        """
        label_column = self.label_column
        if label_column is not None and labels is not None and kind_of(labels) != CSV:
            raise InputError(
                "--labels and --label-column both say where the labels are",
                expected="one of the two, or a .csv file as --labels, of which --label-column names a column",
                received=f"--labels {labels} --label-column {label_column}",
                hint="Leave one of them out",
            )
        if labels is not None:
            label_column = None  # it is a column of that file
        named = given(RowColumns(label_column, self.id_column, self.drop))
        has_columns = kind_of(data) in (CSV, ".parquet") or (data.is_dir() and parquet_files(data))
        if named and not has_columns:
            raise InputError(
                f"{next(iter(named))} names columns, but '{data}' has no columns",
                expected="a .csv or .parquet file",
            )
        dropped = () if self.drop is None else tuple(name.strip() for name in self.drop.split(","))
        if "" in dropped:
            raise InputError(
                "--drop contains an empty name",
                expected="names of columns separated by commas",
                received=self.drop,
            )
        return Roles(label_column, self.id_column, tuple(dict.fromkeys(dropped)))


@dataclass(frozen=True)
class RowOptions(RowColumns):
    """Options of rows, and the place of their labels."""

    labels: Annotated[
        Path | None,
        typer.Option(
            help="File with the true classes or numbers, .npy or .csv; or, for a class of each pixel, a "
            "folder of .png, .tif or NIfTI files named like the images."
        ),
    ] = None
    divide_by: DivideBy = None

    def labels_of(self, rows: Rows, names: Sequence[str] | None) -> Array | None:
        """The labels in the file of labels, in the order of the rows; None without such a file.

        Raises:
            HowsureError: The file cannot be read, or holds labels of other rows.
        """
        if self.labels is None:
            return None
        return read_labels(self.labels, rows, column=self.label_column, id_column=rows.id_name, names=names)


def check_rows_given(data: Path | None, options: Iterable[str]) -> None:
    """Raise an `InputError` if an option needs rows and there are none."""
    first = next(iter(options), None)
    if data is None and first is not None:
        raise InputError(f"{first} has no effect without rows", expected=f"--data with {first}")
