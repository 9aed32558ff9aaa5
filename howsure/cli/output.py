"""Where the table of a command goes, and in which form: Parquet, csv or JSON lines, or csv to stdout."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from howsure.cli.paths import check_output
from howsure.results.columns import Result
from howsure.results.export import FORMS, write_csv
from howsure.words import printable

STDOUT = Path("-")

ENDINGS = (".parquet", *FORMS)


def check_table(path: Path, taken: Sequence[Path]) -> None:
    """Raise unless a table can be written there; see `check_output`."""
    if path != STDOUT:
        check_output(path, ENDINGS, taken)


def parquet_beside(path: Path) -> Path:
    """A Parquet file beside a table in another form, where a part that is done can be kept."""
    return Path("certainty.parquet") if path == STDOUT else path.with_suffix(".parquet")


def write_table(result: Result[Any], path: Path) -> None:
    """Write a table in the form that its ending says, or as csv to stdout.

    Raises:
        FileError: The file cannot be written.
    """
    if path == STDOUT:
        write_csv(result, _Shown(sys.stdout) if sys.stdout.isatty() else sys.stdout)
        return
    result.save(path)


class _Shown:
    """A terminal, which no text of a table steers."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be printed."""
        self._stream.write(printable(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
