"""The page of a `MultilabelCertainty`: it counts and shows answers, and tells them label by label."""

from __future__ import annotations

from typing import Any

from howsure.answers.classes.page import page_of
from howsure.answers.labels.by_label import reliabilities, told_by_label
from howsure.answers.labels.printed import answers_of
from howsure.answers.labels.result import MultilabelCertainty
from howsure.report.page import Asked

_WORDING = {
    "outcome": "answer",
    "top": "answer",
    "about": "a label: the probability that it holds, or that it does not",
    "two": "yes and no",
    "two_numbers": "yes and no",
    "entropy": "0 when yes or no is certain, log 2 when both are equally likely",
}
"""What the page calls things, for labels."""


def page(certainty: MultilabelCertainty, asked: Asked) -> str:
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
