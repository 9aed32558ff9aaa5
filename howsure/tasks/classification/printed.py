"""A `Certainty` in words: how many rows have which verdict, and the most undecided."""

from __future__ import annotations

import numpy as np

from howsure.report.figures import beside, interval_of, proportion, share_of
from howsure.tasks import verdict as verdicts
from howsure.tasks.classification.result import Certainty
from howsure.tasks.classification.words import doubt_in_words, settled_in_words
from howsure.tasks.printed import NONE, Line, Lines
from howsure.words import counted, listed

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
    not_settled = f" ({unsettled:,} not settled)" if unsettled else ""
    if sure == rows:
        return f"The model is sure of all {rows:,} {kind}s{not_settled}."
    if flips == rows:
        return f"On all {rows:,} {kind}s the model is flipping a coin."
    if unclear == rows:
        return f"The model has no clear answer for any of {rows:,} {kind}s."
    on_flips = f"on {flips:,} it is flipping a coin" if flips else "on none is it flipping a coin"
    if unclear:
        on_flips += f", and for {unclear:,} it has no clear answer"
    of_all = f"{f'{sure:,}' if sure else 'none'} of {counted(rows, kind)}{not_settled}"
    return f"The model is sure of {of_all}; {on_flips}."


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
    parts, whole = list[str](), f" of {counted(len(certainty), certainty.kind)}"
    for verdict, phrase in _PHRASES.items():
        unclear = certainty.no_clear_answer
        chosen = unclear if verdict == verdicts.NO_CLEAR_ANSWER else (certainty.verdict == verdict) & ~unclear
        count = int(np.sum(chosen))
        if verdict == verdicts.NO_CLEAR_ANSWER and not count:
            continue
        summary_text = f"{phrase} {f'{count:,}' if count else 'none'}{'' if parts else whole}"
        if count and certainty.truth is not None:
            right = int(np.sum(chosen & (certainty.label == certainty.truth)))
            summary_text += f" (right on {right:,}, {share_of(proportion(right, count))})"
        parts.append(summary_text)
    text = f"The model {listed(parts)}. {settled_in_words(certainty)} {doubt_in_words(certainty)}".rstrip()
    if certainty.truth is None:
        return text
    overall = proportion(int(np.sum(certainty.label == certainty.truth)), len(certainty))
    claim = beside(float(certainty.probability.mean()), overall)
    lead_text = f"On average the model claims {claim} and is right on {share_of(overall)}"
    return f"{lead_text} ({interval_of(overall)}). {text}"
