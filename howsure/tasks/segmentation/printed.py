"""A `DenseCertainty` in words: how many positions are coin flips, and the rows to look at first."""

from __future__ import annotations

import numpy as np

from howsure.evaluation.score import Score
from howsure.tasks.printed import NONE, Line, Lines
from howsure.tasks.probabilities import nothing_drawn
from howsure.tasks.segmentation.result import DenseCertainty
from howsure.tasks.segmentation.sentence import share_in_words
from howsure.words import counted, rate


def lead(certainty: DenseCertainty) -> str:
    """A result in one sentence: how many positions are coin flips, and in which row most."""
    rows, kind = len(certainty), certainty.kind
    if not rows:
        return NONE.format(kind)
    flips = float(certainty.undecided.mean())
    rows_text = f"There {'is' if rows == 1 else 'are'} {counted(rows, kind)}"
    if flips == 0:
        return f"{rows_text}; no {certainty.position_name} is a coin flip."
    text = f"{rows_text}; {share_in_words(flips)} % of the {certainty.position_name}s are coin flips"
    if rows == 1:
        return f"{text}."
    most = int(np.argmax(certainty.undecided))
    return f"{text}, and in the worst {kind} {share_in_words(float(certainty.undecided[most]))} %."


def checked(certainty: DenseCertainty, accuracy: Score) -> tuple[str, ...]:
    """How often the labels of N ≥ 1 rows are right, how many are coin flips, and which row to check first."""
    ends = f"{rate(accuracy.low)} to {rate(accuracy.high)}" if np.isfinite(accuracy.low) else ""
    right = f"The model is right on {rate(accuracy.value)} of the {certainty.position_name}s"
    return f"{right}{f' ({ends})' if ends else ''}.", lead(certainty), *first_in_words(certainty)


def first_in_words(certainty: DenseCertainty) -> list[str]:
    """The row to check first, a sentence; none of one row."""
    if len(certainty) < 2:
        return []
    most = certainty.most_undecided(1).tolist()[0]
    largest, usual = 100 * certainty.doubt[most], 100 * np.median(certainty.doubt)
    called, of_usual = certainty[most].called, f"that of the median {certainty.kind} {usual:.0f} %"
    return [f"Check first {called}: its doubt is {largest:.0f} %, and {of_usual}."]


def lines(certainty: DenseCertainty, count: int | None) -> Lines:
    """All rows in their order, or at most so many that are the most doubtful."""
    entries = []
    for position in range(len(certainty)) if count is None else certainty.most_undecided(count).tolist():
        row = certainty[position]
        entries.append(Line(row.row, row.id, row.called, str(row), _truth_text(certainty, position)))
    some = "All" if count is None else f"The {len(entries)} most doubtful"
    return Lines(f"{some} {certainty.kind}s", tuple(entries))


def _truth_text(certainty: DenseCertainty, position: int) -> str | None:
    if certainty.truth is None:
        return None
    right, count = _right_and_known(certainty, position)
    return f"{rate(right / count)} of the {certainty.position_name}s are right" if count else "unknown"


def summary(certainty: DenseCertainty) -> str:
    """How the positions came out, whether their verdicts are settled, and how often they are right."""
    if not len(certainty):
        return lead(certainty)
    settled, known = float(1 - certainty.unsettled.mean()), certainty.unsettled.min() < 1
    settled_text = nothing_drawn(certainty.method, certainty.passes) if known else ""
    settled_text = settled_text or (
        f"On average {int(np.mean(certainty.passes)):,} passes settle the verdict of {rate(settled)} of the "
        f"{certainty.position_name}s."
    )
    text = f"{lead(certainty)} {settled_text}"
    if certainty.truth is not None:
        right, count = np.sum(
            [_right_and_known(certainty, at) for at in range(len(certainty))], axis=0
        ).tolist()
        if count:
            text += f" The model is right on {rate(right / count)} of the {certainty.position_name}s."
    return text


def _right_and_known(certainty: DenseCertainty, position: int) -> tuple[int, int]:
    truth = np.asarray(certainty.truth[position])  # type: ignore[index]
    is_known = truth >= 0
    return int(np.sum(np.asarray(certainty.label[position])[is_known] == truth[is_known])), int(
        np.sum(is_known)
    )
