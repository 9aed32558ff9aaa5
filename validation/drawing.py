"""Plain SVG for the pictures of docs/: curves, bands and points, on a background of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 34, 30

STYLE = """
  rect.page { fill: #ffffff; } text { fill: #33302b; font: 13px system-ui, sans-serif; }
  .axis { stroke: #7f7b73; fill: none; } .band { fill: #24567d; fill-opacity: .22; }
  .mean { stroke: #24567d; stroke-width: 2; }
  .plain { stroke: #ad3517; stroke-width: 1.5; stroke-dasharray: 6 4; }
  .data { stroke: #5d5a54; stroke-width: 1; } .there { stroke: #7f7b73; stroke-dasharray: 2 3; }
  circle { fill: #33302b; } polyline { fill: none; stroke-linejoin: round; }
  @media (prefers-color-scheme: dark) {
    rect.page { fill: #1e2129; } text { fill: #e2e4e9; } .axis, .there { stroke: #8f929b; }
    .band { fill: #8fbce0; } .mean { stroke: #8fbce0; } .plain { stroke: #f2977d; }
    .data { stroke: #b3b5bd; } circle { fill: #e2e4e9; }
  }
"""


class Panel:
    """One diagram.

    Args:
        title: Above it.
        x: Smallest and largest x.
        y: Smallest and largest y; what lies beyond is cut.
        ticks: Values that are named on both axes.
    """

    def __init__(
        self, title: str, x: tuple[float, float], y: tuple[float, float], ticks: tuple[Sequence[float], ...]
    ) -> None:
        self.title, self._x, self._y, self._ticks = title, x, y, ticks
        self._parts: list[str] = []

    def band(self, x: ArrayLike, low: ArrayLike, high: ArrayLike) -> None:
        """Fill what lies between two curves."""
        there = [*self._places(x, low), *reversed(self._places(x, high))]
        self._parts.append(f'<polygon class="band" points="{" ".join(there)}"/>')

    def line(self, x: ArrayLike, y: ArrayLike, kind: str) -> None:
        """A curve; `kind` is one of `mean`, `plain`, `data`, `there`."""
        self._parts.append(f'<polyline class="{kind}" points="{" ".join(self._places(x, y))}"/>')

    def points(self, x: ArrayLike, y: ArrayLike) -> None:
        """Dots."""
        pairs = (place.split(",") for place in self._places(x, y))
        self._parts += [f'<circle cx="{across}" cy="{down}" r="3"/>' for across, down in pairs]

    def svg(self, number: int) -> str:
        """The diagram as the n-th of a picture, from 0."""
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
            f'<g transform="translate(0 {number * HEIGHT})">'
            f'<text x="{LEFT}" y="22">{escape(self.title)}</text>'
            f'<clipPath id="c{number}"><rect x="{LEFT}" y="{TOP}" width="{end - begin:.1f}" '
            f'height="{low - high:.1f}"/></clipPath><g clip-path="url(#c{number})">{"".join(self._parts)}</g>'
            f'<path class="axis" d="{frame}"/>{"".join(named)}</g>'
        )

    def _place(self, x: float, y: float) -> tuple[float, float]:
        (left, right), (bottom, top) = self._x, self._y
        across = LEFT + (x - left) / (right - left) * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - (y - bottom) / (top - bottom) * (HEIGHT - TOP - BOTTOM)

    def _places(self, x: ArrayLike, y: ArrayLike) -> list[str]:
        (bottom, top) = self._y
        far = 2 * (top - bottom)  # so that a curve far beyond the frame leaves it in the right direction
        y = np.clip(np.asarray(y, float), bottom - far, top + far)
        pairs = (self._place(*pair) for pair in zip(np.asarray(x, float), y, strict=True))
        return [f"{across:.1f},{down:.1f}" for across, down in pairs]


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def draw(path: Path, description: str, panels: Iterable[Panel]) -> None:
    """Write a picture of diagrams, one above the other; the description is for who cannot see it."""
    parts = [panel.svg(number) for number, panel in enumerate(panels)]
    height = HEIGHT * len(parts)
    size = f'width="{WIDTH}" height="{height}"'
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {WIDTH} {height}" role="img">'
        f'<title>{escape(description)}</title><style>{STYLE}</style><rect class="page" {size}/>'
        + "\n".join(parts)
        + "</svg>\n",
        encoding="utf-8",
    )
