"""If a signal or an error stops a command: keep finished results, and finish the current write."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from howsure.errors import FileError
from howsure.terminal import Report, say

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Interruptions:
    """Ctrl-C, SIGTERM and the closing of the terminal, all as `KeyboardInterrupt`.

    While `held` is active, the first one waits until its block is done. A second one does not wait.
    """

    def __init__(self) -> None:
        self._held = False
        self._waiting = False
        self._came = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Handle the signals, if this is the main thread. Signals that are ignored stay ignored."""
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
        """Delay the first interruption until this block is done, even if the block fails."""
        self._held = True
        try:
            yield
        finally:
            self._held, waiting, self._waiting = False, self._waiting, False
            if waiting:
                raise KeyboardInterrupt

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if a library swallowed an interruption."""
        if self._came:
            raise KeyboardInterrupt

    def told(self, shown: Report) -> Callable[[int, int], None]:
        """A progress function of (rows done, rows in all), which also calls `check`."""

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


INTERRUPTIONS = Interruptions()


@contextmanager
def kept(blocks: list[Any], out: Path) -> Iterator[None]:
    """If the block is stopped or fails, write the finished results beside `out`, and print their place.

    Args:
        blocks: Results so far; empty if there is nothing to keep.
        out: File of the whole result.
    """
    try:
        yield
    except BaseException:
        if blocks:
            with INTERRUPTIONS.held():
                done = blocks[0].joined(blocks)
                try:
                    told = f"kept: the first {len(done):,} rows, in '{_save(done, out)}'"
                except OSError as error:  # the first exception is reported as well
                    told = f"lost: the first {len(done):,} rows, which cannot be written anywhere: {error}"
                say(Console(stderr=True), told)
        raise


def _save(done: Any, out: Path) -> Path:
    """Write a result beside `out` under a free name, or else in the temporary folder.

    Raises:
        FileError: Both fail, for example because the disk is full. Then there is no file.
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
    """A stream that ignores all writes after its reader closed it, so that the work can go on.

    Args:
        stream: Such as `sys.stderr`.

    Attributes:
        lost: The error of a failed write for another reason than a closed reader, or None.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write if possible."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush if possible."""
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


def open_the_closed() -> None:
    """Open closed ones among stdin, stdout and stderr on the null device.

    Otherwise a file of ours could get the number of stderr, and libraries would write messages into it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
