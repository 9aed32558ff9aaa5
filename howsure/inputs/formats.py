"""The formats of files that hold rows, labels or probabilities; a new one is an entry of `FORMATS`.

All else asks this table: readers, the command line and its help, messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from howsure.errors import InputError
from howsure.inputs.align import ID
from howsure.inputs.binary_files import open_npy, open_parquet, rows_in_npz
from howsure.inputs.by_name import ANY
from howsure.inputs.csv_files import CsvForm, open_csv
from howsure.inputs.rows import TEXT, Array, InputSpec, Rows, quoted
from howsure.inputs.tables import TEXTS, Roles, Table, rows_of
from howsure.words import listed


@dataclass(frozen=True)
class Format:
    """A format of files, with one of three readers.

    Attributes:
        ending: Ending of the names of its files, in small letters.
        columns: Reads columns with names. It takes the file, the form of csv files, the columns that stay
            text, names of classes or features that may be numbers, and columns that may be there.
        array: Reads the only array.
        arrays: Reads rows, labels and ids from arrays with names. It takes the file and the model's inputs.
        has_form: Whether options say its separator and its decimal sign, and its first line is a header.
    """

    ending: str
    columns: Callable[..., Table] | None = None
    array: Callable[[Path], Array] | None = None
    arrays: Callable[[Path, Sequence[InputSpec] | None], Rows] | None = None
    has_form: bool = False

    def rows(self, source: Path, inputs: Sequence[InputSpec] | None, roles: Roles, form: CsvForm) -> Rows:
        """The rows of a file as found, with the labels and ids in it.

        Args:
            source: The file.
            inputs: The model's inputs; None if it does not declare them.
            roles: Purposes of columns that are no features.
            form: The form of a csv file.

        Raises:
            FileError: The file is damaged.
            InputError: The content cannot be rows.
        """
        if self.arrays is not None:
            return self.arrays(source, inputs)
        if self.array is None:
            names = [spec.name for spec in inputs or ()]
            texts = [spec.name for spec in inputs or () if spec.dtype == TEXT]
            only_text = bool(texts) and texts == names
            table = open_table(source, form, roles, [*texts, *TEXTS] if only_text else texts)
            return rows_of(table, inputs, roles)
        if inputs is not None and len(inputs) > 1:
            raise InputError(
                f"'{source}' holds one array, but the model has {len(inputs)} inputs",
                expected=f"a .npz file with arrays named {quoted([spec.name for spec in inputs])}",
            )
        return Rows(self.array(source))


PARQUET = Format(".parquet", columns=open_parquet)

FORMATS = (
    Format(".npz", arrays=rows_in_npz),
    Format(".npy", array=open_npy),
    Format(".csv", columns=open_csv, has_form=True),
    PARQUET,
)
"""All formats, in the order in which help and messages name them. Images have a table of their own."""


def format_of(path: Path) -> Format | None:
    """The format of a file of this name, if it is one of `FORMATS`."""
    ending = path.suffix.lower()
    return next((format for format in FORMATS if format.ending == ending), None)


def has_columns(path: Path) -> bool:
    """Whether a file of this name has columns with names."""
    format = format_of(path)
    return format is not None and format.columns is not None


def open_table(
    source: Path, form: CsvForm, roles: Roles, texts: Sequence[str] = (), known_names: Sequence[str] = ()
) -> Table:
    """All columns of a file.

    Args:
        source: The file.
        form: The form of a csv file.
        roles: Columns that the caller named.
        texts: Names of columns that stay text in a csv file.
        known_names: Names of classes or features, which may be numbers.

    Raises:
        FileError: The file is damaged.
        InputError: It has no columns; or a csv file has no header, or rows of different length.
    """
    format = format_of(source)
    if format is None or format.columns is None:
        raise InputError(f"'{source}' has no columns", expected=f"a {IN_WORDS['columns']} file")
    named = [name for name in (*ANY, ID, roles.label, roles.id, *roles.drop) if name is not None]
    return format.columns(source, form, texts, known_names, named)


def holds_answers(path: Path) -> bool:
    """Whether a file of this name may hold labels or probabilities alone."""
    format = format_of(path)
    return format is not None and format.arrays is None


def _endings(formats: Iterable[Format]) -> str:
    return listed([format.ending for format in formats], "or")


IN_WORDS = {
    "rows": _endings(FORMATS),
    "columns": _endings(format for format in FORMATS if format.columns is not None),
    "answers": _endings(format for format in FORMATS if format.arrays is None),
}
"""Endings of files that hold rows, columns with names, and labels or probabilities. Docstrings of commands
have these names in braces."""
