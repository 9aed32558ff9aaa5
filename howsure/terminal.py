"""Output on a terminal: progress, lines and paragraphs."""

from __future__ import annotations

import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.text import Text

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
            yield lambda done, text: bar.update(
                number, total=None if done is None else 1.0, completed=done, detail=text
            )
        return

    begun, now, over = time.monotonic(), waiting, threading.Event()

    def report(done: float | None, text: str) -> None:
        nonlocal now
        now = text if done is None else f"{done:.0%}, {text}"

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


def duration(seconds: float) -> str:
    """`0.3 s`, `12 s`, `2 min 5 s`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
