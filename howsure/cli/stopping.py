"""Whatever stops a command, what was computed is kept, and what is being written is finished."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from howsure.errors import FileError
from howsure.terminal import Report, say

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Interruptions:
    """Ctrl-C, the request to end and the closing of the terminal, all as `KeyboardInterrupt`.

    While they are held, the first waits until what must not be broken off is done; a second does not wait.
    """

    def __init__(self) -> None:
        self._held = False
        self._waiting = False
        self._came = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen, where this is the main thread; signals that are ignored stay ignored."""
        self._waiting = self._came = False
        numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
        if threading.current_thread() is not threading.main_thread():
            numbers = []
        before = {number: signal.getsignal(number) for number in numbers}
        mine = [number for number in numbers if before[number] not in (signal.SIG_IGN, None)]
        for number in mine:
            signal.signal(number, self._hear)
        try:
            yield
        finally:
            for number in mine:
                signal.signal(number, before[number])

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the first interruption wait until this is done, also where it was going to fail anyway."""
        self._held = True
        try:
            yield
        finally:
            self._held, waiting, self._waiting = False, self._waiting, False
            if waiting:
                raise KeyboardInterrupt

    def check(self) -> None:
        """Raise where an interruption came that some library swallowed."""
        if self._came:
            raise KeyboardInterrupt

    def told(self, shown: Report) -> Callable[[int, int], None]:
        """What is called with the rows done and the rows in all; it stops where one was swallowed."""

        def tell(done: int, total: int) -> None:
            self.check()
            shown(done / max(1, total), f"{done:,} of {total:,} rows")

        return tell

    def _hear(self, number: int, frame: object) -> None:
        self._came = True
        if self._held and not self._waiting:
            self._waiting = True
            return
        raise KeyboardInterrupt


@contextmanager
def kept(blocks: list[Any], out: Path, interruptions: Interruptions) -> Iterator[None]:
    """Where this is stopped or fails, write the rows of the finished blocks beside `out`, and say so.

    Args:
        blocks: Results so far; none, or none any more, where there is nothing to keep.
        out: Where the whole was to be.
        interruptions: Held while writing.
    """
    try:
        yield
    except BaseException:
        if blocks:
            with interruptions.held():
                done = blocks[0].joined(blocks)
                try:
                    told = f"kept: the first {len(done):,} rows, in '{_save(done, out)}'"
                except OSError as error:  # what stopped this is told as well
                    told = f"lost: the first {len(done):,} rows, which cannot be written anywhere: {error}"
                say(Console(stderr=True), told)
        raise


def _save(done: Any, out: Path) -> Path:
    """Write a result beside `out` under a name that is not taken, or else in the temporary folder.

    Raises:
        FileError: Neither has space, for example; then there is no file.
        OSError: There is no temporary folder.
    """
    number, place = 1, out.with_name(f"{out.stem}.part{out.suffix}")
    while os.path.lexists(place):
        number += 1
        place = out.with_name(f"{out.stem}.part-{number}{out.suffix}")
    try:
        done.save(place)
    except FileError:
        handle, name = tempfile.mkstemp(prefix="howsure-", suffix=out.suffix)
        os.close(handle)
        place = Path(name)
        try:
            done.save(place)
        except BaseException:
            place.unlink(missing_ok=True)
            raise
    return place


class Unbreakable:
    """A stream whose reader may go away: from then on nothing is written, and work goes on.

    Args:
        stream: As `sys.stderr`.

    Attributes:
        lost: Why something could not be written although somebody would read it, or None.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write, or do nothing where that is not possible."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, or do nothing where that is not possible."""
        self._try(self._stream.flush)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except ValueError:  # closed
            pass
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self.lost = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def open_the_closed(numbers: Sequence[int] = (0, 1, 2)) -> None:
    """Open what was closed of stdin, stdout and stderr on nothing, so that no file of ours takes its number.

    What libraries write to stderr would go into that file.
    """
    for number in numbers:
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
