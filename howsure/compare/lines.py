"""A `Comparison` as lines of a csv table: every score, what the NLL is made of, and what methods cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.compare.parts import DISCRIMINATION, PARTS
from howsure.compare.phrases import networks_of
from howsure.compare.protocol import AS_THEY_ARE
from howsure.judge.scores import OUTSIDE, Score

if TYPE_CHECKING:
    from howsure.compare.comparison import Comparison

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
    for method, parts in comparison.parts.items():
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
