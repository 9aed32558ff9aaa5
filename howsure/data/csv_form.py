"""Recognise the form of a csv file: separator, decimal point, encoding, compression.

An unusual form is recognised from the content, and a warning names it. howsure never tries two readings:

    separator   semicolon or tab, if every line has the same number of cells and no comma separates cells too
    decimals    comma, if numbers contain one that cannot be a thousands separator
    encoding    Windows-1252, which includes Latin-1, if the bytes are not UTF-8
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import itertools
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from howsure.data.reading import open_native, reading
from howsure.errors import FileError, InputError, warn

if TYPE_CHECKING:
    import pyarrow as pa

CSV = ".csv"
_ALIKE = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_CALLED = {";": "semicolons", "\t": "tabs"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LATIN = "cp1252"
_LOOKED_AT = 1000
"""Number of lines that decide separator and decimals."""

_WITH_COMMA = re.compile(r"\s*[-+]?\d*,\d+(?:[eE][-+]?\d+)?\s*%?\s*")
_WITH_POINT = re.compile(r"\s*[-+]?\d*\.\d+(?:[eE][-+]?\d+)?\s*%?\s*")
_THOUSANDS = re.compile(r"\s*[-+]?[1-9]\d{0,2},\d{3}\s*%?\s*")


@dataclass(frozen=True)
class Form:
    """The form of a csv file.

    Attributes:
        separator: Separator between cells.
        decimal: The decimal point.
        encoding: Encoding of the text.
        packed: True if it is compressed with gzip.
    """

    separator: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    packed: bool = False

    def said(self, source: Path) -> None:
        """Warn about an unusual form of a file."""
        told = []
        if self.separator in _CALLED:
            told.append(f"{_CALLED[self.separator]} between its cells")
        if self.decimal == ",":
            told.append("decimal commas")
        if self.encoding == _LATIN:
            told.append("letters of Windows-1252 (Latin-1), as it is not in UTF-8")
        if told and not (told == ["tabs between its cells"] and ".tsv" in source.name.lower()):
            listed = f"{', '.join(told[:-1])} and {told[-1]}" if len(told) > 1 else told[0]
            warn(f"'{source.name}' is read with {listed}.")


def kind_of(path: Path) -> str:
    """The suffix in lower case; `.csv` for every file read as csv, such as `.tsv` and packed ones."""
    name = path.name.lower()
    return CSV if name.endswith(_ALIKE) and path.suffix else path.suffix.lower()


def form_of(source: Path) -> Form:
    """The form of a csv file.

    Raises:
        FileError: The file is missing, damaged, or not text.
    """
    packed = source.suffix.lower() == ".gz"
    encoding = _encoding(source, packed)
    read = {mark: _start(source, Form(mark, ".", encoding, packed)) for mark in (",", *_CALLED)}
    separator = next((mark for mark in _CALLED if _is_separator(read[mark], read[","])), ",")
    cells = [cell for line in read[separator] for cell in line if "," in cell or "." in cell]
    commas = [cell for cell in cells if _WITH_COMMA.fullmatch(cell)]
    plain = separator != "," or not all(map(_THOUSANDS.fullmatch, commas))
    decimal = "," if commas and plain and not any(map(_WITH_POINT.fullmatch, cells)) else "."
    return Form(separator, decimal, encoding, packed)


def read_lines(source: Path, form: Form | None = None) -> Generator[tuple[int, list[str]]]:
    """The lines of a csv file: number, from 1, and cells; an empty line has no cells.

    Args:
        source: The file.
        form: Its form, or None to find it out.

    Raises:
        FileError: The file is missing, damaged, or not text.
    """
    form = form_of(source) if form is None else form
    with _text(source, form) as text:
        reader = csv.reader(text, delimiter=form.separator)
        try:
            for cells in reader:
                yield reader.line_num, cells
        except csv.Error as error:
            if "field limit" not in str(error):
                raise
            raise InputError(
                f"Line {reader.line_num} of '{source}' has a cell that is too long for csv",
                expected=f"at most {csv.field_size_limit():,} characters",
                hint="Give the rows as a .parquet file, or close a quotation mark that was left open",
            ) from error


@contextlib.contextmanager
def opened(source: Path, form: Form) -> Iterator[pa.NativeFile]:
    """A csv file, unpacked, opened for Arrow."""
    import pyarrow as pa

    with open_native(source) as file:
        if not form.packed:
            yield file
            return
        with pa.CompressedInputStream(file, "gzip") as unpacked:
            yield unpacked


def first_text(source: Path, form: Form, count: int) -> list[str]:
    """The first lines that are not empty, as text."""
    with _text(source, form) as text:
        return list(itertools.islice((line for line in text if line.strip()), count))


def first_lines(source: Path, form: Form, count: int) -> list[list[str]]:
    """The cells of the first lines that are not empty.

    Raises:
        FileError: The file is missing, damaged, or not text.
    """
    with contextlib.closing(read_lines(source, form)) as lines:
        return list(itertools.islice((cells for _, cells in lines if cells), count))


def _start(source: Path, form: Form) -> list[list[str]]:
    """The lines that decide the form; empty if they cannot have this form."""
    try:
        return first_lines(source, form, _LOOKED_AT)
    except (FileError, InputError):  # such as cells that are too long, which whoever reads the file tells
        return []


def _is_separator(lines: list[list[str]], others: list[list[str]]) -> bool:
    """True if a mark separates all lines into the same number of cells, and commas do not as well."""
    if not _is_table(lines):
        return False
    with_comma = [cell for cells in lines for cell in cells if "," in cell]
    return not _is_table(others) or all(map(_WITH_COMMA.fullmatch, with_comma))


def _is_table(lines: list[list[str]]) -> bool:
    widths = {len(cells) for cells in lines}
    return len(widths) == 1 and widths != {1}


def _encoding(source: Path, packed: bool) -> str:
    """`utf-8`, or Windows-1252 for bytes that are not UTF-8 but can be that."""
    decoder, is_utf = codecs.getincrementaldecoder("utf-8")(), True
    with _reading(source, packed) as file:
        start = file.read(2)
        for chunk in itertools.chain([start], iter(lambda: file.read(2**20), b"")):
            if b"\0" in chunk or start in _UTF16:
                raise _no_text(source)
            try:
                if is_utf:
                    decoder.decode(chunk)
            except UnicodeDecodeError:
                is_utf = False
            if not is_utf:
                try:
                    chunk.decode(_LATIN)
                except UnicodeDecodeError as error:
                    raise _no_text(source) from error
    if is_utf:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            is_utf = False
    return "utf-8" if is_utf else _LATIN


def _no_text(source: Path) -> FileError:
    return FileError(f"'{source}' is not text in UTF-8", hint="Save it as UTF-8")


@contextlib.contextmanager
def _text(source: Path, form: Form) -> Iterator[IO[str]]:
    encoding = "utf-8-sig" if form.encoding == "utf-8" else form.encoding
    with _reading(source, form.packed) as file, io.TextIOWrapper(file, encoding, newline="") as text:
        yield text


@contextlib.contextmanager
def _reading(source: Path, packed: bool) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked; any error while they are read becomes one `FileError`."""
    with reading(source, "csv"):
        opened_file: Any = gzip.open(source, "rb") if packed else source.open("rb")  # noqa: SIM115
        with opened_file as file:
            yield file
