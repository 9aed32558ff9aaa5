"""Write the table of a command: as Parquet, CSV or JSON lines, or as CSV to stdout."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from howsure.answers.printed import kind_of
from howsure.cli.paths import check_output
from howsure.errors import warn
from howsure.results.columns import Result
from howsure.results.export import FORMS, write_csv
from howsure.words import printable

STDOUT = Path("-")

ENDINGS = (".parquet", *FORMS)


def check_table(path: Path, taken: Sequence[Path]) -> None:
    """Raise if a table cannot be written there; see `check_output`."""
    if path != STDOUT:
        check_output(path, ENDINGS, taken)


def parquet_beside(path: Path) -> Path:
    """Name of a Parquet file beside a table, for results of a stopped run."""
    return Path("certainty.parquet") if path == STDOUT else path.with_suffix(".parquet")


def write_table(result: Result[Any], path: Path) -> None:
    """Write a table in the format of its ending, or as CSV to stdout; a warning tells of maps not in it.

    Raises:
        FileError: The file cannot be written.
    """
    if result._maps and path.suffix.lower() != ".parquet":
        warn(
            f"'{path}' has one line for each {kind_of(result)}. Its maps are only kept beside a .parquet "
            "file, or in a folder of results."
        )
    if path == STDOUT:
        write_csv(result, _Shown(sys.stdout) if sys.stdout.isatty() else sys.stdout)
        return
    result.save(path)


class _Shown:
    """A terminal that shows control characters instead of obeying them."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text with control characters escaped."""
        self._stream.write(printable(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
