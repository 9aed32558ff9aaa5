"""The page of a `MultilabelCertainty`: it counts and shows answers, and tells them label by label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.answers.classes.drawings import ReliabilityDrawing, draw_reliability
from howsure.answers.classes.page import page_of
from howsure.answers.labels.printed import answers_of
from howsure.answers.labels.result import MultilabelCertainty
from howsure.answers.verdict import COIN_FLIP, LEANING, SURE
from howsure.report.figures import Proportion, differs_from_claim, proportion
from howsure.report.page import PageOptions

MOST_DRAWN = 12
"""Labels with a reliability diagram of their own; the table has all."""

_WORDING = {
    "outcome": "answer",
    "top": "answer",
    "about": "a label: the probability that it holds, or that it does not",
    "two": "yes and no",
    "two_numbers": "yes and no",
    "entropy": "0 when yes or no is certain, log 2 when both are equally likely",
}


def page(certainty: MultilabelCertainty, asked: PageOptions) -> str:
    """The part `page`: each answer is counted, and shown, as a row of the classes no and yes."""
    told: dict[str, Any] = {"count": len(certainty.label_names)}
    if len(certainty):
        told["labels"] = told_by_label(certainty)
        if certainty.truth is not None:
            told["reliabilities"] = reliabilities(certainty)
    return page_of(
        *(certainty, answers_of(certainty), asked, "labels/page.html.j2", "Label by label", told, _WORDING),
        labels=certainty.label_names,
    )


@dataclass(frozen=True)
class Stretch:
    """A part of the bar of a label: its verdict, where it begins and how long it is, in per cent."""

    verdict: str
    start: float
    width: float


@dataclass(frozen=True)
class LabelLine:
    """One label in the table.

    Attributes:
        name: Its name.
        yes: Rows in which it holds, surely or leaning.
        undecided: Rows in which it is a coin flip.
        no: Rows in which it does not hold, surely or leaning.
        stretches: From surely yes over leaning yes to undecided.
        claim: Mean probability of the answers.
        right: Share of right answers, or None without truth.
        verdict: The claim compared with the truth: `too sure`, `too modest`, or empty if chance may explain
            the difference.
    """

    name: str
    yes: int
    undecided: int
    no: int
    stretches: tuple[Stretch, ...]
    claim: float
    right: Proportion | None
    verdict: str


def told_by_label(certainty: MultilabelCertainty) -> list[LabelLine]:
    """All labels of N ≥ 1 rows, those with the most undecided rows first, equals in their order."""
    lines = [_line(certainty, k) for k in range(len(certainty.label_names))]
    return sorted(lines, key=lambda line: -line.undecided)


def _line(certainty: MultilabelCertainty, k: int) -> LabelLine:
    yes, verdict = certainty.yes[:, k], certainty.verdict[:, k]
    undecided = verdict == COIN_FLIP
    parts = ((SURE, yes & (verdict == SURE)), (LEANING, yes & (verdict == LEANING)), (COIN_FLIP, undecided))
    stretches, start = [], 0.0
    for word, members in parts:
        width = 100 * float(members.mean())
        if width:
            stretches.append(Stretch(word, start, width))
        start += width
    claim = float(np.maximum(certainty.probabilities[:, k], 1 - certainty.probabilities[:, k]).mean())
    right, said = None, ""
    if certainty.truth is not None:
        right = proportion(int(np.sum(yes == certainty.truth[:, k])), len(certainty))
        said = ("", "too modest", "too sure")[
            differs_from_claim(claim, right, among=len(certainty.label_names))
        ]
    return LabelLine(
        name=certainty.label_names[k],
        yes=int(np.sum(yes & ~undecided)),
        undecided=int(undecided.sum()),
        no=int(np.sum(~yes & ~undecided)),
        stretches=tuple(stretches),
        claim=claim,
        right=right,
        verdict=said,
    )


def reliabilities(certainty: MultilabelCertainty) -> list[tuple[str, ReliabilityDrawing]]:
    """Reliability diagrams of labels by name: of all, or of the twelve whose claims are furthest off.

    How far is |mean claim − share right|; equals come in the order of the labels.
    """
    drawn = [(name, draw_reliability(certainty.of_label(k))) for k, name in enumerate(certainty.label_names)]
    if len(drawn) <= MOST_DRAWN:
        return drawn
    claims = np.maximum(certainty.probabilities, 1 - certainty.probabilities).mean(axis=0)
    off = [-abs(claim - drawing.overall.share) for claim, (_, drawing) in zip(claims, drawn, strict=True)]
    return [drawn[k] for k in np.argsort(off, kind="stable")[:MOST_DRAWN]]
