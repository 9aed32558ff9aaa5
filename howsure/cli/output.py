"""The tables of a command, as files, as CSV to stdout, and in short on the terminal; and files of maps."""

from __future__ import annotations

import io
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from howsure.atomic import TABLES, TEMPORARY
from howsure.cli.command import check_output
from howsure.compare import findings
from howsure.compare.comparison import Comparison
from howsure.errors import warn
from howsure.report.page import write_report
from howsure.results.export import csv_lines, write_csv_file, write_csv_lines
from howsure.results.result import Result
from howsure.scale.parts import missing_in
from howsure.tasks.printed import id_name_of, kind_of, lines_of, summary_of
from howsure.terminal import paragraph, say
from howsure.words import printable

STDOUT = Path("-")

_SHOWN = 10
"""Rows in the summary."""


def check_table(path: Path, inputs: Sequence[Path]) -> None:
    """Raise if a table cannot be written there; see `check_output`."""
    if path != STDOUT:
        check_output(path, TABLES, inputs)


def write_table(parts: Iterable[Result[Any]], path: Path, columns: str | Sequence[str] | None = None) -> None:
    """Write a table in the format of its ending, or as CSV to stdout; a warning tells of maps not in it.

    Args:
        parts: One result after the other. As csv, each is written before the next one is made.
        path: The file, or `STDOUT`.
        columns: As of `Result.to_arrow`.

    Raises:
        FileError: The file cannot be written.
        InputError: A name that no column has.
    """
    others = iter(parts)
    first = next(others)
    if path.suffix.lower() == ".parquet":
        first.joined([first, *others]).save(path, columns=columns)
        return
    if first._maps:
        warn(
            f"'{path}' has one line for each {kind_of(first)}. Its maps are only kept beside a .parquet "
            "file, or in a folder of results."
        )
    more = (itertools.islice(csv_lines(part, columns), 1, None) for part in others)
    lines = itertools.chain(csv_lines(first, columns), itertools.chain.from_iterable(more))
    if path != STDOUT:
        write_csv_file(lines, path)
    elif not sys.stdout.isatty():
        write_csv_lines(lines, sys.stdout)
    else:
        text = io.StringIO(newline="")
        write_csv_lines(lines, text)
        sys.stdout.write(printable(text.getvalue()))  # which shows control characters


def say_result(result: Any, console: Console) -> None:
    """Print the summary and the most undecided rows."""
    paragraph(console, summary_of(result))
    if len(result):
        say(console, f"\n{lines_of(result, _SHOWN).which}:\n")
        console.print(undecided_table(result, _SHOWN))


def write_page(report: Path, table: Path, result: Any, total: int, **options: Any) -> None:
    """Write the page of a table, of which a result holds all rows, or a random sample of so many in total."""
    drawn_from = total if total > len(result) else None
    write_report(report, result, drawn_from=drawn_from, missing=missing_in(table), **options)


@contextmanager
def maps_on_disk(out: Path) -> Iterator[Callable[[Any], Any]]:
    """A function that moves the maps of a result into files beside `out`, which go at the end.

    So that one block of many images is in memory at a time. Results without maps stay as they are.
    """
    with tempfile.TemporaryDirectory(
        prefix=TEMPORARY, dir=None if out == STDOUT else out.parent, ignore_cleanup_errors=True
    ) as folder:
        count = itertools.count()

        def moved(block: Any) -> Any:
            if not (isinstance(block, Result) and block._maps and len(block)):
                return block
            place = Path(folder) / f"{next(count)}.parquet"
            block.save(place)
            return type(block).load(place)

        yield moved


def undecided_table(result: Result[Any], count: int) -> Table:
    """The rows to look at first: number, id, sentences, and the truth, where these are known.

    With several labels per row it has one line for each of the most undecided answers. If a kind of answer
    does not say which rows are undecided, it has the first.

    Args:
        result: The result.
        count: How many rows, or answers, at the most.
    """
    lines, id_name = lines_of(result, count).lines, id_name_of(result)
    with_truth = any(line.truth is not None for line in lines)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("row", justify="right", no_wrap=True)
    if id_name is not None:
        table.add_column(Text(printable(id_name)), overflow="fold", max_width=24)
    table.add_column("what the model says", overflow="fold")
    if with_truth:
        table.add_column("truth", overflow="fold")
    for line in lines:
        ids = [] if id_name is None else [f"{line.id}"]
        truth = [str(line.truth)] if with_truth else []
        table.add_row(*(Text(printable(cell)) for cell in (f"{line.row}", *ids, line.said, *truth)))
    return table


def comparison_table(comparison: Comparison) -> Table:
    """Methods with their scores on the rows as they are, best of each in bold, and what they cost."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    method, *headings = findings.head_of(comparison)
    table.add_column(method, overflow="fold")
    for heading in headings:
        is_long = heading == findings.PREDICTIONS
        table.add_column(heading, justify="right", overflow="fold" if is_long else "ellipsis")
    for line in findings.lines_of(comparison):
        cells = [
            Text(value, style="bold" if best else "")
            for value, best in zip(line.values, line.best, strict=True)
        ]
        table.add_row(Text(printable(line.method)), *cells)
    return table
