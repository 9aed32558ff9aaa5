"""How far work is: told to a function of the caller's, or shown where `progress=True` asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from howsure.arguments import check_progress

ProgressCallback = Callable[[int, int], None]
"""Called with (rows done, rows in all)."""

Progress = bool | ProgressCallback | None
"""The accepted values: True for a bar, a function, or nothing."""


@contextmanager
def progress_callback(progress: Progress, task: str) -> Iterator[ProgressCallback | None]:
    """The function to call with (rows done, rows in all), or None if nobody wants to know.

    True shows a bar if stderr is a terminal, otherwise a line every ten seconds, and one at the end.

    Args:
        progress: As a caller gave it.
        task: Its name, for example `Assessing`.

    Raises:
        InputError: It is neither True, False, a function, nor None.
    """
    check_progress(progress)
    if not isinstance(progress, bool):
        yield progress
        return
    if not progress:
        yield None
        return
    from rich.console import Console

    from howsure import terminal

    console, begun, last = Console(stderr=True), time.monotonic(), ""
    with terminal.progress(console, task, waiting=terminal.COMPILING) as report:

        def tell(done: int, total: int) -> None:
            nonlocal last
            last = f"{done:,} of {total:,} rows" if total >= done and total else f"{done:,} rows"
            report(done / total if total else None, last)

        yield tell
    if not console.is_terminal:
        terminal.say(console, f"{task}: {last or 'done'} ({terminal.duration(time.monotonic() - begun)})")
