"""A `MultilabelCertainty` in words: it counts answers, one for each label of each row."""

from __future__ import annotations

from dataclasses import replace

from howsure.tasks.classification import printed as of_classes
from howsure.tasks.classification.result import Certainty
from howsure.tasks.multilabel.result import MultilabelCertainty
from howsure.tasks.multilabel.sentence import MultilabelRow, sentence_of_label
from howsure.tasks.printed import Line, Lines
from howsure.words import counted


def answers_of(certainty: MultilabelCertainty) -> Certainty:
    """Each answer as a row of the classes no and yes; without rows, the kind of row stays."""
    return replace(certainty.answers(), kind="answer" if len(certainty) else certainty.kind)


def lead(certainty: MultilabelCertainty) -> str:
    """A result in one sentence: how many answers are sure, and how many are coin flips."""
    return of_classes.lead(answers_of(certainty))


def lines(certainty: MultilabelCertainty, count: int | None) -> Lines:
    """All rows in their order, or at most so many answers that are the most undecided."""
    if count is None:
        answers = [(row, str(row), _holding(row)) for row in certainty]
        which = f"All {certainty.kind}s"
    else:
        places = zip(*(column.tolist() for column in certainty.most_undecided(count)), strict=True)
        answers = [_answer(certainty[position], k) for position, k in places]
        which = f"The {len(answers)} most undecided answers"
    return Lines(which, tuple(Line(row.row, row.id, row.called, text, truth) for row, text, truth in answers))


def summary(certainty: MultilabelCertainty) -> str:
    """How many answers got which verdict, how often they were right, and what their doubt is."""
    if not len(certainty):
        return lead(certainty)
    labels, rows = counted(len(certainty.label_names), "label"), counted(len(certainty), certainty.kind)
    answers = of_classes.summary(answers_of(certainty))
    return f"There is one answer for each of {labels}, for each of {rows}. {answers}"


def _answer(row: MultilabelRow, k: int) -> tuple[MultilabelRow, str, str | None]:
    truth = None if row.truth is None else "yes" if row.truth[k] else "no"
    return row, sentence_of_label(row, k), truth


def _holding(row: MultilabelRow) -> str | None:
    if row.truth is None:
        return None
    names = [f"'{name}'" for name, holds in zip(row.label_names, row.truth, strict=True) if holds]
    return ", ".join(names) or "none"
