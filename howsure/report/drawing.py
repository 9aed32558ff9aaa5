"""Pictures of a page: a function of a task gives a `Drawing`, with marks from here.

A page lists such functions by section, as `PICTURES` of `howsure/tasks/classification/page.py`. Places are in
per cent of the drawing, from the left and from below: the page stretches a drawing, and not its text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from howsure.report.notebook import ViewTable

# --- axes ---------------------------------------------------------------------------------------------


_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_SMALLEST, _LARGEST = 1e-4, 1e6
"""Ticks at steps that are smaller, or that reach so far, have a common power of ten."""

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

_NINES = (0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)


@dataclass(frozen=True)
class TickedAxis:
    """A scale with its ticks.

    Attributes:
        place: From a value to its position in [0, 100]; what lies beyond an end is put at the end.
        ticks: Positions in [0, 100] and their labels.
        note: Sentence about the scale for the reader; empty if it is linear.
        unit: The unit of its numbers, beside its title, or empty.
    """

    place: Callable[[float], float]
    ticks: tuple[tuple[float, str], ...]
    note: str = ""
    unit: str = ""


def _clipped(position: float) -> float:
    return min(max(100 * position, 0.0), 100.0)


def _linear(low: float, high: float) -> Callable[[float], float]:
    return lambda value: _clipped((value - low) / (high - low))


def share_axis(low: float, high: float) -> TickedAxis:
    """A linear axis of shares from `low` to `high`, with ticks in per cent at a round step."""
    step = next((step for step in _STEPS if (high - low) / step <= 5.01), 0.25)
    place = _linear(low, high)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = tuple((place(n * step), f"{100 * n * step:.3g}\u00a0%") for n in range(first, last + 1))
    return TickedAxis(place, ticks)


def number_axis(low: float, high: float) -> TickedAxis:
    """A linear axis of numbers, with two to six ticks at a step of 1, 2 or 5 times a power of ten.

    Args:
        low: Lower end.
        high: Upper end, above it.
    """
    least = (high - low) / 5
    magnitude = 10.0 ** math.floor(math.log10(least))
    step = next(s * magnitude for s in (1, 2, 5, 10) if s * magnitude >= least * (1 - 1e-9))
    largest, power = max(abs(low), abs(high)), 0
    if max(step / _SMALLEST, largest) < 1 or min(largest, 10 * step) >= _LARGEST:  # very many digits
        power = 3 * math.floor(math.log10(largest) / 3 + 1e-9)
    decimals = max(0, power - math.floor(math.log10(step) + 1e-9))
    place = _linear(low, high)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    labels = {n: f"{n * step / 10.0**power:,.{decimals}f}".replace("-", "−") for n in range(first, last + 1)}
    ticks = tuple((place(n * step), label if n else "0") for n, label in labels.items())
    unit = f"numbers are multiples of 10{str(power).translate(_SUPERSCRIPT)}" if power else ""
    return TickedAxis(place, ticks, unit=unit)


def odds_axis(low: float, high: float) -> TickedAxis:
    """An axis of shares that is even in log-odds, so that 99 and 99.9 % lie as far apart as 90 and 99 %.

    Args:
        low: Lower end, one of 0.1, 0.5 or 0.9.
        high: Upper end, one of 0.99, 0.999 or 0.9999.
    """

    def log_odds(value: float) -> float:
        inside = min(max(value, low), high)
        return math.log(inside / (1 - inside))

    def place(value: float) -> float:
        return _clipped((log_odds(value) - log_odds(low)) / (log_odds(high) - log_odds(low)))

    return TickedAxis(
        place,
        tuple((place(value), f"{100 * value:.6g}\u00a0%") for value in _NINES if low <= value <= high),
        "Both axes are stretched towards 100\u00a0%, where most rows lie: each step up means about ten times "
        "fewer errors. Values beyond an end are drawn at the edge.",
    )


def count_axis(counts: list[int]) -> TickedAxis:
    """An axis of counts from 0, logarithmic where the largest dwarfs the others."""
    shown = sorted(count for count in counts if count > 0)
    largest = shown[-1] if shown else 1
    typical = shown[len(shown) // 2] if shown else 1
    if largest > 50 and largest > 10 * typical:
        span = math.log10(2 * largest)

        def place_log(count: float) -> float:
            return _clipped(math.log10(2 * count) / span) if count > 0 else 0.0

        powers = [10**power for power in range(int(math.log10(largest)) + 1)]
        return TickedAxis(
            place_log,
            tuple((place_log(power), f"{power:,}") for power in powers),
            "The scale of counts is logarithmic, so that a single row is visible beside thousands.",
        )
    magnitude = 10 ** math.floor(math.log10(largest))
    step = next(s * magnitude for s in (0.2, 0.5, 1, 2) if largest / (s * magnitude) <= 5)
    step = max(int(step), 1)
    place = _linear(0, largest)
    return TickedAxis(place, tuple((place(n * step), f"{n * step:,}") for n in range(largest // step + 1)))


# --- drawings -----------------------------------------------------------------------------------------


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
