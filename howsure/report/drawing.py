"""Pictures of a page: a function of a task gives a `Drawing`, with marks from here.

A page lists such functions by section, as `PICTURES` of `howsure/tasks/classification/page.py`. Places are in
per cent of the drawing, from the left and from below: the page stretches a drawing, and not its text.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from howsure.report.axes import TickedAxis
from howsure.report.notebook import ViewTable


@dataclass(frozen=True)
class Drawing:
    """Marks between two axes, their words, and their numbers as a table.

    Attributes:
        id: One word, for the names of its elements.
        title: Its name, for readers who do not see it.
        description: The numbers in it in sentences, likewise.
        across: The axis from left to right, and what it shows.
        up: The axis from below, and what it shows.
        marks: Its marks in the order in which they are drawn, by `line`, `dot`, `bar`, `paths` or `word`. No
            text of a caller is in them.
        note: How to read it, below it, with the notes of its axes.
        heading: Its heading, or empty.
        text: Its message, a paragraph before it, or empty.
        numbers: The numbers behind it, or None.
        is_square: Whether it is as high as it is wide.
        key: A sample of each kind of mark with its name.
        is_fitted: Whether the axis from below takes only the place that its labels need.
    """

    id: str
    title: str
    description: str
    across: tuple[TickedAxis, str]
    up: tuple[TickedAxis, str]
    marks: Sequence[str]
    note: str = ""
    heading: str = ""
    text: str = ""
    numbers: ViewTable | None = None
    is_square: bool = False
    key: Sequence[tuple[str, str]] = ()
    is_fitted: bool = False


Pictures = Mapping[str, Sequence[Callable[..., Drawing | None]]]
"""By section, the functions that draw its pictures; one that has nothing to draw gives None."""


def drawn(pictures: Pictures, sections: Container[str], *of: Any) -> dict[str, list[Drawing]]:
    """By section, as far as the page has it, the drawings of its pictures of a result."""
    return {
        section: [drawing for draw in functions if (drawing := draw(*of)) is not None]
        for section, functions in pictures.items()
        if section in sections
    }


# --- marks ----------------------------------------------------------------------------------------------


def line(style: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    """A line; `style` is a class of `report.css`, as for all marks."""
    (x1, y1), (x2, y2) = start, end
    ends = f'x1="{x1:.2f}%" x2="{x2:.2f}%" y1="{100 - y1:.2f}%" y2="{100 - y2:.2f}%"'
    return f'<line class="{style}" {ends}/>'


def dot(x: float, y: float) -> str:
    """A dot that stands for one number."""
    return f'<circle class="dot" cx="{x:.2f}%" cy="{100 - y:.2f}%" r="4"/>'


def bar(style: str, left: float, width: float, height: float) -> str:
    """A bar that stands on the axis."""
    size = f'width="{width:.2f}%" height="{height:.2f}%"'
    return f'<rect class="{style}" x="{left:.2f}%" y="{100 - height:.2f}%" {size}/>'


def paths(data_of_style: Mapping[str, str]) -> str:
    """Lines or areas of many points: by style, path data in a square of 100 × 100."""
    inner = "".join(f'<path class="{style}" d="{data}"/>' for style, data in data_of_style.items())
    square = 'width="100%" height="100%" viewBox="0 0 100 100" preserveAspectRatio="none"'
    return f'<svg {square} aria-hidden="true">{inner}</svg>'


def word(text: str, x: float) -> str:
    """A word at the top, on that side of a place where there is more room."""
    side, away = ("end", -8) if x > 40 else ("start", 8)
    return f'<text class="region" x="{x:.2f}%" dx="{away}" y="0" dy="12" text-anchor="{side}">{text}</text>'
