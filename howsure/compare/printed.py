"""A `Comparison` as text: its short table, and the text that `print` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from howsure.compare.findings import lead
from howsure.compare.protocol import AS_THEY_ARE
from howsure.words import UNIT

if TYPE_CHECKING:
    from howsure.compare.comparison import Comparison

COST = "plain predictions"
"""Heading of the costs."""


@dataclass(frozen=True)
class MethodLine:
    """One method in the short table.

    Attributes:
        method: Its name.
        values: A text for each score, and for the cost if the methods ran.
        best: Whether each of them is marked as the best.
    """

    method: str
    values: tuple[str, ...]
    best: tuple[bool, ...]


def head_of(comparison: Comparison) -> list[str]:
    """Headings of the short table: the method, the scores, and the cost if the methods ran."""
    return [
        "method",
        *(heading for heading, _ in comparison.words.short),
        *([COST] if comparison.has_costs else []),
    ]


def lines_of(comparison: Comparison) -> list[MethodLine]:
    """Methods with their scores on the unchanged rows, and their cost, or a dash if it is unknown."""
    words = comparison.words
    best = {name: comparison.ranked(name).best for _, name in words.short}
    best = {name: method if is_known(comparison, name, method) else None for name, method in best.items()}
    found = []
    for method in comparison.methods:
        values = [_cell(comparison, method, name) for _, name in words.short]
        marked = [best[name] == method for _, name in words.short]
        if comparison.has_costs:
            cost = comparison.costs[method]
            values.append(f"{cost:.1f}" if np.isfinite(cost) else "–")
            marked.append(False)
        found.append(MethodLine(method, tuple(values), tuple(marked)))
    return found


def _cell(comparison: Comparison, method: str, name: str) -> str:
    per_cent = comparison.comparing.metrics[name].per_cent
    value, _ = comparison.words.cell(comparison.score(method, name), per_cent)
    return f"{value}{UNIT}" if per_cent else value


def is_known(comparison: Comparison, name: str, best: str | None, rows: str = AS_THEY_ARE) -> bool:
    """Whether a method may be marked as the best: not if too few rows decide its score."""
    if best is None:
        return False
    always = comparison.comparing.metrics[name].alone or rows in comparison.outside
    decided = always or comparison.score(best, comparison.words.main, rows).known
    return decided and comparison.score(best, name, rows).known


def text_of(comparison: Comparison) -> str:
    """The answer in a few sentences, below it the short table, and what was noticed."""
    lines = lines_of(comparison)
    table = [head_of(comparison)]
    for line in lines:
        scores = [value + ("*" if best else " ") for value, best in zip(line.values, line.best, strict=True)]
        short = len(comparison.words.short)
        table.append([line.method, *scores[:short], *line.values[short:]])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    said = [lead(comparison), ""]
    for first, *others in table:
        cells = [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(others, widths[1:], strict=True))]
        said.append("  ".join(cells).rstrip())
    if any(any(line.best) for line in lines):
        said += ["", "* the best of its column, perhaps by chance"]
    return "\n".join([*said, *(f"\n{each}" for each in comparison.noticed)])
