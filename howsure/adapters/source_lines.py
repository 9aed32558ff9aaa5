"""Find the file and line in a user's code that draws random numbers."""

from __future__ import annotations

import itertools
import sys
import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path

Frames = list[tuple[str, int]]

_HERE = str(Path(__file__).parents[1])
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")})


def innermost_of_a_user(frames: Iterable[tuple[str, int]]) -> str | None:
    """File and line of the first frame, innermost first, that is in no library; or None.

    howsure's own frames come first, where it intercepted the draw, and again where it called the layer.
    """
    return _first(frames, lambda file: not file.startswith((*_LIBRARIES, "<")))


def innermost_outside(package: str, frames: Iterable[tuple[str, int]]) -> str | None:
    """File and line of the first frame that is in a library other than this one; or None."""
    inside = tuple(str(Path(library) / package) for library in _LIBRARIES)
    standard = sysconfig.get_path("stdlib")
    return _first(
        frames,
        lambda file: (
            not file.startswith((*inside, "<")) and ("site-packages" in file or not file.startswith(standard))
        ),
    )


def frames() -> Frames:
    """File and line of every active call, innermost first."""
    places: Frames = []
    frame = sys._getframe(1)
    while frame is not None:
        places.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back  # type: ignore[assignment]
    return places


def _first(frames: Iterable[tuple[str, int]], fits: Callable[[str], bool]) -> str | None:
    """The first frame that fits, among those between howsure's own frames at both ends."""
    inside = itertools.dropwhile(lambda frame: frame[0].startswith(_HERE), frames)
    for file, line in itertools.takewhile(lambda frame: not frame[0].startswith(_HERE), inside):
        if fits(file):
            return f"{Path(file).name}, line {line}"
    return None
