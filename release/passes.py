"""The picture of README and site that shows passes becoming a verdict: part of `make pictures`.

It assesses the image of docs/from-the-question.md between an 8 and a 6, with the network of that page.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

import howsure

PAGE = Path(__file__).parent.parent / "docs" / "from-the-question.md"
PASSES = 100
SIZE = (500, 232)
"""Narrow, so that its texts are still read on a phone."""

IMAGE, SCALE = (16, 60, 14), (196, 472)
"""Left, top and pixel of the image; where 0 and 100 % lie."""

STYLE = """
  rect.page { fill: #ffffff; } text { fill: #33302b; font: 15px system-ui, sans-serif; }
  .step, .said { font-weight: 600; } .said { font-size: 18px; } .class { font-size: 20px; }
  .axis { stroke: #7f7b73; } .dot { fill: #24567d; fill-opacity: .45; } .mean { fill: #ad3517; }
  .error { stroke: #ad3517; stroke-width: 2; }
  .ink { fill: #33302b; shape-rendering: crispEdges; } .frame { fill: none; stroke: #7f7b73; }
  @media (prefers-color-scheme: dark) {
    rect.page { fill: #1e2129; } text, .ink { fill: #e2e4e9; } .axis, .frame { stroke: #8f929b; }
    .dot { fill: #8fbce0; } .mean { fill: #f2977d; } .error { stroke: #f2977d; }
  }
  @media (prefers-reduced-motion: no-preference) {
    .dot, .mean { animation: come .4s; } .mean { animation-delay: 3s; }
  }
  @keyframes come { 50% { r: 7px; fill-opacity: 1; } }
"""


def between_two() -> tuple[Any, Any, int]:
    """The network of the page, its images, and the position of the most undecided one called an 8."""
    made: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)[:2]:
        exec(block, made)
    certainty = howsure.assess(made["model"], made["fading"])
    eights = np.flatnonzero(certainty.label == 8)
    return made["model"], made["fading"], int(eights[certainty[eights].most_undecided(1)[0]])


def drawn(model: Any, images: Any, which: int) -> str:
    """The picture of one of the images: the image, its passes, their mean and the verdict in words."""
    row = howsure.assess(model, images)[which : which + 1]
    passes = howsure.passes(model, images[which : which + 1], PASSES)[:, 0]
    top = np.argsort(-row.probabilities[0])[:2]
    left, upper, side = IMAGE
    parts = [
        f'<rect class="ink" x="{left + side * x}" y="{upper + side * y}" width="{side}" height="{side}" '
        f'fill-opacity="{np.clip(ink, 0, 1):.2f}"/>'
        for y, line in enumerate(images[which, ..., 0])
        for x, ink in enumerate(line)
        if ink > 0
    ]
    parts.append(f'<rect class="frame" x="{left}" y="{upper}" width="{8 * side}" height="{8 * side}"/>')
    steps = (
        (left, "An image"),
        (160, f"{PASSES} passes (dots), mean with its error"),
    )
    for x, words in steps:
        parts.append(f'<text class="step" x="{x}" y="36">{words}</text>')
    random = np.random.default_rng(0)
    for place, number in enumerate(top):
        y, mean, error = 84 + 54 * place, row.probabilities[0, number], 1.96 * row.mc_error[0, number]
        parts.append(f'<text class="class" x="160" y="{y + 7}">{row.class_names[number]}</text>')
        for each, value in enumerate(passes[:, number]):
            parts.append(
                f'<circle class="dot" r="3" cx="{_at(value):.1f}" cy="{y + random.uniform(-15, 15):.1f}" '
                f'style="animation-delay:{2.6 * each / PASSES:.2f}s"/>'
            )
        ends = (_at(mean - error), _at(mean + error))
        parts.append(f'<path class="error" d="M{ends[0]:.1f} {y}H{ends[1]:.1f}"/>')
        parts.append(f'<circle class="mean" r="5" cx="{_at(mean):.1f}" cy="{y}"/>')
    parts.append(f'<path class="axis" d="M{SCALE[0]} 160H{SCALE[1]}"/>')
    for tick in (0, 0.5, 1):
        parts.append(f'<text x="{_at(tick):.0f}" y="180" text-anchor="middle">{100 * tick:.0f} %</text>')
    sentence = str(row[0])
    parts.append(f'<text class="said" x="{left}" y="214">{sentence}</text>')
    width, height = SIZE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">'
        f"<title>{sentence}</title><style>{STYLE}</style>"
        f'<rect class="page" width="{width}" height="{height}"/>' + "\n".join(parts) + "</svg>\n"
    )


def _at(share: float) -> float:
    return SCALE[0] + (SCALE[1] - SCALE[0]) * share


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    picture = Path(sys.argv[1])
    picture.write_text(drawn(*between_two()), encoding="utf-8")
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")
