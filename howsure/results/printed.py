"""A whole result as text: what `print` shows of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from howsure.answers import verdict as verdicts
from howsure.answers.classes.result import Certainty
from howsure.answers.labels.result import MultilabelCertainty
from howsure.answers.sentences import MultilabelRow, Row, sentence_of_label
from howsure.words import counted

FEW_ROWS = 10
"""Up to so many rows are all told, in their order."""

MOST_UNDECIDED = 5
"""Of more rows, so many are told."""


def text_of(certainty: Any) -> str:
    """A line for each of few rows; of more, how many there are of each verdict, and the most undecided."""
    said = list(lines_of(certainty))
    if 0 < len(certainty) <= FEW_ROWS:
        return "\n".join(said)
    heading = lead(certainty)
    if not said:
        return heading
    unit = "answers" if isinstance(certainty, MultilabelCertainty) else f"{certainty.kind}s"
    return "\n".join([f"{heading} The {len(said)} most undecided {unit}:", *said])


def lines_of(certainty: Certainty | MultilabelCertainty) -> Iterator[str]:
    """A line for each row: what it is called, what is said of it, and the truth where it is known."""
    for row, said, truth in told_of(certainty):
        yield f"{row.called}: {said}" + (f" Truth: {truth}." if truth else "")


def told_of(
    certainty: Certainty | MultilabelCertainty,
) -> Iterator[tuple[Row | MultilabelRow, str, str]]:
    """Row, what is said of it, and its truth or an empty text: of all of few rows, or the most undecided."""
    few = len(certainty) <= FEW_ROWS
    if isinstance(certainty, Certainty):
        positions = range(len(certainty)) if few else certainty.most_undecided(MOST_UNDECIDED).tolist()
        for position in positions:
            row = certainty[position]
            yield row, str(row), "" if row.truth is None else f"'{certainty.class_names[row.truth]}'"
    elif few:
        for several in certainty:
            yield several, str(several), "" if several.truth is None else _holding(several)
    else:
        for position, k in zip(
            *(each.tolist() for each in certainty.most_undecided(MOST_UNDECIDED)), strict=True
        ):
            several = certainty[position]
            truth = "" if several.truth is None else "yes" if several.truth[k] else "no"
            yield several, sentence_of_label(several, k), truth


def _holding(row: MultilabelRow) -> str:
    """The names of the labels that hold."""
    assert row.truth is not None
    held = [f"'{name}'" for name, holds in zip(row.label_names, row.truth, strict=True) if holds]
    return ", ".join(held) or "none"


def answers_of(certainty: Certainty | MultilabelCertainty) -> Certainty:
    """A result itself; of several labels per row, each answer as a row of the classes no and yes.

    Without any rows there is nothing to answer, and rows is what there are none of.
    """
    if isinstance(certainty, Certainty):
        return certainty
    return replace(certainty.answers(), kind="answer" if len(certainty) else certainty.kind)


def lead(certainty: Certainty | MultilabelCertainty) -> str:
    """A result in one sentence: of how many rows the model is sure, and on how many it flips a coin.

    Where more than two classes are about as likely it has no clear answer: that is told apart.
    """
    asked = answers_of(certainty)
    rows, kind = len(asked), asked.kind
    sure = int(np.sum(asked.verdict == verdicts.SURE))
    unclear = int(np.sum(asked.no_clear_answer))
    flips = int(np.sum(asked.verdict == verdicts.COIN_FLIP)) - unclear
    if rows == 0:
        return f"There were no {kind}s to assess."
    if rows == 1:
        says = "is sure of" if sure else "is flipping a coin on" if flips else "leans one way on"
        says = "has no clear answer for" if unclear else says
        return f"The model {says} the one {kind} it was given."
    if sure == rows:
        return f"The model is sure of all {rows:,} {kind}s."
    if flips == rows:
        return f"On all {rows:,} {kind}s the model is flipping a coin."
    if unclear == rows:
        return f"The model has no clear answer for any of {rows:,} {kind}s."
    on_flips = f"on {flips:,} it is flipping a coin" if flips else "on none is it flipping a coin"
    if unclear:
        on_flips += f", and for {unclear:,} it has no clear answer"
    return f"Of {counted(rows, kind)} the model is sure of {f'{sure:,}' if sure else 'none'}; {on_flips}."
