"""Scores in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from howsure.judge.scores import Score


def in_columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Lines of cells as texts, so that the cells of a column stand below each other."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def value_and_interval(score: Score, *, per_cent: bool = False) -> tuple[str, str]:
    """A score, or a difference of two, as `0.0412` and `0.0371 to 0.0455`, or 100 times as much `per_cent`.

    A dash replaces a value that is not defined; the interval is empty if there is none.
    """
    factor = 100 if per_cent else 1
    value, low, high = (factor * number for number in (score.value, score.low, score.high))
    if not np.isfinite(value):
        return "–", ""
    shown, _, interval = str(Score(value, low, high)).removesuffix(")").replace("-", "−").partition(" (")
    return shown, interval
