"""A `DenseCertainty` in words: how many positions are coin flips, and which rows to check first."""

from __future__ import annotations

import numpy as np

from howsure.answers.positions.result import DenseCertainty
from howsure.answers.positions.sentence import share_in_words
from howsure.answers.printed import NONE, Line, Lines
from howsure.answers.probabilities import nothing_drawn
from howsure.words import counted, rate


def lead(certainty: DenseCertainty) -> str:
    """A result in one sentence: how many positions are coin flips, and in which row most."""
    rows, kind = len(certainty), certainty.kind
    if not rows:
        return NONE.format(kind)
    flips = float(certainty.undecided.mean())
    there = f"There {'is' if rows == 1 else 'are'} {counted(rows, kind)}"
    if flips == 0:
        return f"{there}; no {certainty.position_name} is a coin flip."
    said = f"{there}; {share_in_words(flips)} % of the {certainty.position_name}s are coin flips"
    if rows == 1:
        return f"{said}."
    most = int(np.argmax(certainty.undecided))
    return f"{said}, at most {share_in_words(float(certainty.undecided[most]))} % in one {kind}."


def lines(certainty: DenseCertainty, count: int | None) -> Lines:
    """All rows in their order, or at most so many that are the most doubtful."""
    found = []
    for position in range(len(certainty)) if count is None else certainty.most_undecided(count).tolist():
        row = certainty[position]
        found.append(Line(row.row, row.id, row.called, str(row), _truth(certainty, position)))
    some = "All" if count is None else f"The {len(found)} most doubtful"
    return Lines(f"{some} {certainty.kind}s", tuple(found))


def _truth(certainty: DenseCertainty, position: int) -> str | None:
    if certainty.truth is None:
        return None
    right, count = _right(certainty, position)
    return f"{rate(right / count)} of the {certainty.position_name}s are right" if count else "unknown"


def summary(certainty: DenseCertainty) -> str:
    """How the positions came out, whether their verdicts are settled, and how often they are right."""
    if not len(certainty):
        return lead(certainty)
    settled, known = float(1 - certainty.unsettled.mean()), certainty.unsettled.min() < 1
    said = nothing_drawn(certainty.method, certainty.passes) if known else ""
    said = said or (
        f"On average {int(np.mean(certainty.passes)):,} passes settle the verdict of {rate(settled)} of the "
        f"{certainty.position_name}s."
    )
    text = f"{lead(certainty)} {said}"
    if certainty.truth is not None:
        right, count = np.sum([_right(certainty, at) for at in range(len(certainty))], axis=0).tolist()
        if count:
            text += f" The model is right on {rate(right / count)} of the {certainty.position_name}s."
    return text


def _right(certainty: DenseCertainty, position: int) -> tuple[int, int]:
    truth = np.asarray(certainty.truth[position])  # type: ignore[index]
    known = truth >= 0
    return int(np.sum(np.asarray(certainty.label[position])[known] == truth[known])), int(np.sum(known))
