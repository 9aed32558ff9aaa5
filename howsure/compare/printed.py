"""A `Comparison` as text: its short table, what `print` shows, and the lines of its csv table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.compare.findings import lead
from howsure.compare.parts import DISCRIMINATION, PARTS
from howsure.compare.phrases import cost_in_words, networks_of
from howsure.compare.protocol import AS_THEY_ARE
from howsure.judge.scores import OUTSIDE, Score
from howsure.words import UNIT

if TYPE_CHECKING:
    from howsure.compare.comparison import Comparison


COST = "plain predictions"


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
            values.append(cost_in_words(cost) if np.isfinite(cost) else "–")
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


COLUMNS = (
    *("method", "rows", "score", "value", "low", "high"),
    *("difference", "difference_low", "difference_high"),
)


def score_lines(comparison: Comparison) -> list[list[Any]]:
    """The names of the columns, then a line for each method, set of rows and score; see `to_csv`."""
    lines: list[list[Any]] = [[*COLUMNS]]
    baseline = comparison.methods[0]

    def add(method: str, rows: str, name: str, score: Score, gap: Score | None = None) -> None:
        apart = [np.nan] * 3 if gap is None or method == baseline else _ends(gap)
        lines.append([method, rows, name, *_ends(score), *apart])

    for rows in (*comparison.sets, *comparison.outside):
        beside = rows in comparison.outside
        for name in (each for each in comparison.comparing.metrics if (each in OUTSIDE) == beside):
            for method in comparison.rivals(name, rows):
                gap = comparison.difference(method, baseline, name, rows)
                add(method, rows, name, comparison.score(method, name, rows), gap)
    for method in comparison.parts:
        parts = comparison.parts_of(method)
        for name in (*PARTS, DISCRIMINATION):
            part = parts[name].score(0.95)
            add(method, AS_THEY_ARE, f"nll_{name}", part, comparison.part(method, name))
        add(method, AS_THEY_ARE, "scale", Score(*np.exp(_ends(parts.scale.score(0.95))).tolist()))
    if comparison.has_costs:
        for method, cost in comparison.costs.items():
            add(method, AS_THEY_ARE, "cost", Score(cost, np.nan, np.nan))
        for method, kind in comparison.kinds.items():
            add(method, AS_THEY_ARE, "networks", Score(networks_of(kind), np.nan, np.nan))
    return lines


def _ends(score: Score) -> list[float]:
    return [float(end) for end in (score.value, score.low, score.high)]
