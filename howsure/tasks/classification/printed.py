"""A `Certainty` in words: how many rows have which verdict, and the most undecided."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from howsure.evaluation.score import Score
from howsure.report.figures import beside, interval_of, proportion, share_of
from howsure.tasks import verdict as verdicts
from howsure.tasks.classification.result import Certainty
from howsure.tasks.classification.words import (
    claim_in_words,
    doubt_in_words,
    first_in_words,
    settled_in_words,
)
from howsure.tasks.printed import NONE, Line, Lines
from howsure.words import counted, upper

_PHRASES = {
    verdicts.SURE: "is sure of",
    verdicts.LEANING: "leans towards an answer on",
    verdicts.COIN_FLIP: "is flipping a coin on",
    verdicts.NO_CLEAR_ANSWER: "has no clear answer for",
}


def lead(certainty: Certainty) -> str:
    """A result in one sentence: of how many rows the model is sure, and on how many it flips a coin.

    Rows without a clear answer, where more than two classes are likely, are counted apart.
    """
    rows, kind = len(certainty), certainty.kind
    sure = int(np.sum(certainty.verdict == verdicts.SURE))
    unclear = int(np.sum(certainty.no_clear_answer))
    flips = int(np.sum(certainty.verdict == verdicts.COIN_FLIP)) - unclear
    if rows == 0:
        return NONE.format(kind)
    if rows == 1:
        says = "is sure of" if certainty.settled[0] else "is probably sure of"
        if not sure:
            says = "is flipping a coin on" if flips else "leans one way on"
        says = "has no clear answer for" if unclear else says
        return f"The model {says} the one {kind} it was given."
    unsettled = int(np.sum((certainty.verdict == verdicts.SURE) & ~certainty.settled))
    is_sure = "is probably sure" if 0 < unsettled == sure else "is sure"
    probably = f" (of {unsettled:,} only probably)" if 0 < unsettled < sure else ""
    if sure == rows:
        return f"The model {is_sure} of all {rows:,} {kind}s{probably}."
    if flips == rows:
        return f"On all {rows:,} {kind}s the model is flipping a coin."
    if unclear == rows:
        return f"The model has no clear answer for any of {rows:,} {kind}s."
    on_flips = f"on {flips:,} it is flipping a coin" if flips else "on none is it flipping a coin"
    of_all = f"{f'{sure:,}' if sure else 'none'} of {counted(rows, kind)}{probably}"
    said = f"The model {is_sure} of {of_all}"
    if unclear:
        return f"{said}. {upper(on_flips)}, and for {unclear:,} it has no clear answer."
    return f"{said}; {on_flips}."


def checked(certainty: Certainty, accuracy: Score) -> tuple[str, ...]:
    """The claim of N ≥ 1 rows with true classes, how often they are right, and which to check first.

    Args:
        certainty: The rows.
        accuracy: The share of right answers, with its interval.
    """
    right = proportion(int(np.sum(certainty.label == certainty.truth)), len(certainty))
    if np.isfinite(accuracy.low):  # over groups, where rows depend on each other
        right = replace(right, low=accuracy.low, high=accuracy.high)
    first = first_in_words(certainty)
    said = claim_in_words(certainty, right), lead(certainty)
    return (*said, f"Check first {'. Then '.join(first)}.") if first else said


def lines(certainty: Certainty, count: int | None) -> Lines:
    """All rows in their order, or at most so many that are the most undecided."""
    entries = []
    for position in range(len(certainty)) if count is None else certainty.most_undecided(count).tolist():
        row = certainty[position]
        truth = None if row.truth is None else f"'{certainty.class_names[row.truth]}'"
        entries.append(Line(row.row, row.id, row.called, str(row), truth))
    some = "All" if count is None else f"The {len(entries)} most undecided"
    return Lines(f"{some} {certainty.kind}s", tuple(entries))


def summary(certainty: Certainty) -> str:
    """Say the mean claim and how often it is right, then how many rows got which verdict."""
    if not len(certainty):
        return lead(certainty)
    sentences, whole = list[str](), f" of {counted(len(certainty), certainty.kind)}"
    for verdict, phrase in _PHRASES.items():
        unclear = certainty.no_clear_answer
        chosen = unclear if verdict == verdicts.NO_CLEAR_ANSWER else (certainty.verdict == verdict) & ~unclear
        count = int(np.sum(chosen))
        if verdict == verdicts.NO_CLEAR_ANSWER and not count:
            continue
        who = "It" if sentences else "The model"
        summary_text = f"{who} {phrase} {f'{count:,}' if count else 'none'}{'' if sentences else whole}"
        if count and certainty.truth is not None:
            right = int(np.sum(chosen & (certainty.label == certainty.truth)))
            summary_text += f" (right on {right:,}, {share_of(proportion(right, count))})"
        sentences.append(f"{summary_text}.")
    text = " ".join([*sentences, settled_in_words(certainty), doubt_in_words(certainty)]).rstrip()
    if certainty.truth is None:
        return text
    overall = proportion(int(np.sum(certainty.label == certainty.truth)), len(certainty))
    claim = beside(float(certainty.probability.mean()), overall)
    lead_text = f"On average the model claims {claim} and is right on {share_of(overall)}"
    return f"{lead_text} ({interval_of(overall)}). {text}"
