"""A `Comparison` as text: what `print` shows of it, and the short table of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from howsure.compare.findings import lead
from howsure.compare.run import AS_THEY_ARE, Comparison
from howsure.judge.words import value_and_interval
from howsure.words import UNIT

SCORES = (("right", "accuracy"), ("NLL", "nll"), ("ECE", "ece"), ("AURC", "aurc"))
"""Headings, and the scores below them."""

COST = "plain predictions"
"""The heading above what methods cost."""


@dataclass(frozen=True)
class Line:
    """One method in the short table.

    Attributes:
        method: Its name.
        values: One text for each of `SCORES`.
        best: Whether each of them is the best.
        cost: In plain predictions, or a dash where that is not known.
    """

    method: str
    values: tuple[str, ...]
    best: tuple[bool, ...]
    cost: str


def lines_of(comparison: Comparison) -> list[Line]:
    """Methods with their scores on the rows as they are, and what they cost."""
    best = {name: comparison.ranked(name).best for _, name in SCORES}
    best = {name: method if is_known(comparison, name, method) else None for name, method in best.items()}
    found = []
    for method in comparison.methods:
        cost = comparison.costs[method]
        found.append(
            Line(
                method=method,
                values=tuple(_in_short(comparison, method, name) for _, name in SCORES),
                best=tuple(best[name] == method for _, name in SCORES),
                cost=f"{cost:.1f}" if np.isfinite(cost) else "–",
            )
        )
    return found


def _in_short(comparison: Comparison, method: str, name: str) -> str:
    """A score with as many digits as its interval allows."""
    value, _ = value_and_interval(comparison.score(method, name), per_cent=name == "accuracy")
    return f"{value}{UNIT}" if name == "accuracy" else value


def is_known(comparison: Comparison, name: str, best: str | None, rows: str = AS_THEY_ARE) -> bool:
    """Whether a method may be shown as the best: not by a score that too few mistakes decide."""
    if best is None:
        return False
    decided = name == "accuracy" or rows in comparison.outside or comparison.score(best, "nll", rows).known
    return decided and comparison.score(best, name, rows).known


def text_of(comparison: Comparison) -> str:
    """The answer in a sentence or two, and below it the short table."""
    lines = lines_of(comparison)
    table = [["method", *(heading for heading, _ in SCORES), *([COST] if comparison.has_costs else [])]]
    for line in lines:
        marked = [value + ("*" if best else " ") for value, best in zip(line.values, line.best, strict=True)]
        table.append([line.method, *marked, *([line.cost] if comparison.has_costs else [])])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    said = [lead(comparison), ""]
    for first, *others in table:
        cells = [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(others, widths[1:], strict=True))]
        said.append("  ".join(cells).rstrip())
    if any(any(line.best) for line in lines):
        said += ["", "* the best of its column, be it by chance"]
    return "\n".join(said)
