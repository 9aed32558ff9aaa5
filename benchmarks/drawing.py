"""Plain SVG for the pictures of docs/: curves, bands and points, on a background of their own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

SIZE = (720, 260)
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 34, 30

MARKS = {
    "circle": "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "dot": "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
    "diamond": "m0-5l5 5l-5 5l-5-5z",
    "square": "m-4-4h8v8h-8z",
    "triangle": "m0-5l5 9h-10z",
}
"""Paths of marks, drawn from where they stand."""

STYLE = """
  rect.page { fill: #ffffff; } text { fill: #33302b; font: 13px system-ui, sans-serif; }
  .axis { stroke: #7f7b73; fill: none; } .band { fill: #24567d; fill-opacity: .22; }
  .mean { stroke: #24567d; stroke-width: 2; }
  .plain { stroke: #ad3517; stroke-width: 1.5; stroke-dasharray: 6 4; }
  .data { stroke: #5d5a54; stroke-width: 1; } .there { stroke: #7f7b73; stroke-dasharray: 2 3; }
  .dot { fill: #33302b; } .circle { fill: #24567d; } .diamond { fill: #ad3517; }
  .square, .triangle { fill: none; stroke: #33302b; stroke-width: 1.5; }
  polyline { fill: none; stroke-linejoin: round; }
  @media (prefers-color-scheme: dark) {
    rect.page { fill: #1e2129; } text { fill: #e2e4e9; } .axis, .there { stroke: #8f929b; }
    .band { fill: #8fbce0; } .mean { stroke: #8fbce0; } .plain { stroke: #f2977d; }
    .data { stroke: #b3b5bd; } .dot { fill: #e2e4e9; }
    .circle { fill: #8fbce0; } .diamond { fill: #f2977d; } .square, .triangle { stroke: #e2e4e9; }
  }
"""


class Panel:
    """One diagram.

    Args:
        title: Above it.
        x: Smallest and largest x.
        y: Smallest and largest y; what lies beyond is cut.
        ticks: Values that are named on both axes.
        size: Width and height.
        logarithmic: Whether both axes are.
    """

    def __init__(
        self,
        title: str,
        x: tuple[float, float],
        y: tuple[float, float],
        ticks: tuple[Sequence[float], ...],
        *,
        size: tuple[int, int] = SIZE,
        logarithmic: bool = False,
    ) -> None:
        self.title, self._x, self._y, self._ticks = title, x, y, ticks
        self.size, self._logarithmic = size, logarithmic
        self._parts: list[str] = []

    def band(self, x: ArrayLike, low: ArrayLike, high: ArrayLike) -> None:
        """Fill what lies between two curves."""
        there = [*self._places(x, low), *reversed(self._places(x, high))]
        self._parts.append(f'<polygon class="band" points="{" ".join(there)}"/>')

    def line(self, x: ArrayLike, y: ArrayLike, kind: str) -> None:
        """A curve; `kind` is one of `mean`, `plain`, `data`, `there`."""
        self._parts.append(f'<polyline class="{kind}" points="{" ".join(self._places(x, y))}"/>')

    def points(self, x: ArrayLike, y: ArrayLike, mark: str = "dot") -> None:
        """Marks, as one of `MARKS`."""
        self._parts += [f'<path class="{mark}" d="M{place}{MARKS[mark]}"/>' for place in self._places(x, y)]

    def svg(self, number: int) -> str:
        """The diagram; `number` is none of another one's in the same picture."""
        (left, right), (bottom, top) = self._x, self._y
        (begin, low), (end, high) = self._place(left, bottom), self._place(right, top)
        places = [(self._place(value, bottom)[0], low + 18, "middle", value) for value in self._ticks[0]]
        places += [(begin - 6, self._place(left, value)[1] + 4, "end", value) for value in self._ticks[1]]
        named = [
            f'<text x="{across:.1f}" y="{down:.1f}" text-anchor="{anchor}">{_number(value)}</text>'
            for across, down, anchor, value in places
        ]
        frame = f"M{begin:.1f} {high:.1f}V{low:.1f}H{end:.1f}"
        return (
            f'<text x="{LEFT}" y="22">{escape(self.title)}</text>'
            f'<clipPath id="c{number}"><rect x="{LEFT}" y="{TOP}" width="{end - begin:.1f}" '
            f'height="{low - high:.1f}"/></clipPath><g clip-path="url(#c{number})">{"".join(self._parts)}</g>'
            f'<path class="axis" d="{frame}"/>{"".join(named)}'
        )

    def _place(self, x: float, y: float) -> tuple[float, float]:
        (left, right), (bottom, top) = self._x, self._y
        if self._logarithmic:
            x, left, right, y, bottom, top = map(math.log10, (x, left, right, y, bottom, top))
        width, height = self.size
        across = LEFT + (x - left) / (right - left) * (width - LEFT - RIGHT)
        return across, height - BOTTOM - (y - bottom) / (top - bottom) * (height - TOP - BOTTOM)

    def _places(self, x: ArrayLike, y: ArrayLike) -> list[str]:
        if not self._logarithmic:
            (bottom, top) = self._y
            far = 2 * (top - bottom)  # so that a curve far beyond the frame leaves it in the right direction
            y = np.clip(np.asarray(y, float), bottom - far, top + far)
        pairs = (self._place(*pair) for pair in zip(np.asarray(x, float), y, strict=True))
        return [f"{across:.1f},{down:.1f}" for across, down in pairs]


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


class Key:
    """What the marks of a picture mean, in the place of a diagram.

    Args:
        words: For each mark of `MARKS` that is used.
        below: Lines of text below.
        size: Width and height.
    """

    def __init__(self, words: Mapping[str, str], below: Iterable[str], size: tuple[int, int]) -> None:
        self._words, self._below, self.size = words, below, size

    def svg(self, number: int) -> str:
        """The marks and their words, from the top."""
        lines = [
            (f'<path class="{mark}" d="M20 {TOP + 18 * line - 4}{MARKS[mark]}"/>', 34, line, said)
            for line, (mark, said) in enumerate(self._words.items())
        ]
        lines += [("", 15, line, said) for line, said in enumerate(self._below, start=len(lines))]
        return "".join(
            f'{mark}<text x="{left}" y="{TOP + 18 * line}">{escape(said)}</text>'
            for mark, left, line, said in lines
        )


def draw(path: Path, description: str, panels: Iterable[Panel | Key], columns: int = 1) -> None:
    """Write a picture of diagrams of one size; the description is for who cannot see it."""
    panels = list(panels)
    width, height = panels[0].size
    parts = [
        f'<g transform="translate({number % columns * width} {number // columns * height})">'
        f"{panel.svg(number)}</g>"
        for number, panel in enumerate(panels)
    ]
    width, height = width * columns, height * math.ceil(len(panels) / columns)
    size = f'width="{width}" height="{height}"'
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}" role="img">'
        f'<title>{escape(description)}</title><style>{STYLE}</style><rect class="page" {size}/>'
        + "\n".join(parts)
        + "</svg>\n",
        encoding="utf-8",
    )
