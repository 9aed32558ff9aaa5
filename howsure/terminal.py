"""The output of the commands: progress, findings in words, and the most undecided rows as a table."""

from __future__ import annotations

import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from howsure.answers.printed import id_name_of, lines_of
from howsure.compare import printed as compared
from howsure.compare.comparison import Comparison
from howsure.results.result import Result
from howsure.words import printable

SECONDS_BETWEEN_LINES = 10.0

COMPILING = "compiling, and planning how many passes"
"""The words on a bar until the first rows are done."""

Report = Callable[[float | None, str], None]
"""Told the share that is done, in [0, 1], or None if that is not known, and what to say about it."""


@contextmanager
def progress(console: Console, task: str, *, waiting: str) -> Iterator[Report]:
    """Show how far a task is: a bar on a terminal, elsewhere a line every ten seconds.

    Either moves by itself while nothing is reported: the bar pulses, and the line counts seconds. A task may
    run a user's code, which may go to another folder; afterwards the current folder is what it was.

    Args:
        console: Where.
        task: Its name, for example `Training`.
        waiting: Words until the first report, for example `compiling`.
    """
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        detail = TextColumn("{task.fields[detail]}", markup=False)
        with Bar(*columns, detail, console=console, transient=True) as bar, chdir("."):
            number = bar.add_task(task, total=None, detail=waiting)
            yield lambda done, said: bar.update(
                number, total=None if done is None else 1.0, completed=done, detail=said
            )
        return

    begun, now, over = time.monotonic(), waiting, threading.Event()

    def report(done: float | None, said: str) -> None:
        nonlocal now
        now = said if done is None else f"{done:.0%}, {said}"

    def tell() -> None:
        while not over.wait(SECONDS_BETWEEN_LINES):
            say(console, f"{task}: {now} ({duration(time.monotonic() - begun)})")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        with chdir("."):
            yield report
    finally:
        over.set()
        teller.join()


def say(console: Console, text: str) -> None:
    """Print text as it is: brackets are no markup, numbers get no colours, and paths are not broken.

    Characters that would steer the terminal are shown instead.
    """
    console.print(Text(printable(text)), soft_wrap=True)


def paragraph(console: Console, text: str) -> None:
    """Print a paragraph, wrapped at the width of the terminal, but not between a number and its `%`."""
    say(console, textwrap.fill(text, console.width, break_long_words=False, break_on_hyphens=False))


def undecided_table(result: Result[Any], count: int) -> Table:
    """The rows to look at first: number, id, sentences, and the truth, where these are known.

    With several labels per row it has one line for each of the most undecided answers. If a kind of answer
    does not say which rows are undecided, it has the first.

    Args:
        result: The result.
        count: How many rows, or answers, at the most.
    """
    told, id_name = lines_of(result, count).lines, id_name_of(result)
    with_truth = any(line.truth is not None for line in told)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("row", justify="right", no_wrap=True)
    if id_name is not None:
        table.add_column(Text(printable(id_name)), overflow="fold", max_width=24)
    table.add_column("what the model says", overflow="fold")
    if with_truth:
        table.add_column("truth", overflow="fold")
    for line in told:
        ids = [] if id_name is None else [f"{line.id}"]
        truth = [str(line.truth)] if with_truth else []
        table.add_row(*(Text(printable(cell)) for cell in (f"{line.row}", *ids, line.said, *truth)))
    return table


def comparison_table(comparison: Comparison) -> Table:
    """Methods with their scores on the rows as they are, best of each in bold, and what they cost."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    method, *headings = compared.head_of(comparison)
    table.add_column(method, overflow="fold")
    for heading in headings:
        table.add_column(
            heading, justify="right", overflow="fold" if heading == compared.COST else "ellipsis"
        )
    for line in compared.lines_of(comparison):
        cells = [
            Text(value, style="bold" if best else "")
            for value, best in zip(line.values, line.best, strict=True)
        ]
        table.add_row(Text(printable(line.method)), *cells)
    return table


def duration(seconds: float) -> str:
    """`0.3 s`, `12 s`, `2 min 5 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
