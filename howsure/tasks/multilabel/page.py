"""The page of a `MultilabelCertainty`: that of classes, with answers as rows of the classes no and yes."""

from __future__ import annotations

from dataclasses import replace

from howsure.report.page import PageOptions
from howsure.tasks.classification.page import ClassLine, classes_of, in_order, page_of
from howsure.tasks.multilabel.printed import answers_of
from howsure.tasks.multilabel.result import MultilabelCertainty
from howsure.words import counted

_WORDING = {
    "outcome": "answer",
    "about": "a label: the probability that it holds, or that it does not",
    "two": "yes and no",
    "two_numbers": "yes and no",
    "entropy": "0 when yes or no is certain, log 2 when both are equally likely",
    "heading": "Label by label",
    "by": "their label, and by what the model says",
    "one": "Label",
    "several": "Labels",
    "found": "of the answers that are truly yes, or no, the share that the model gives so",
}


def page(certainty: MultilabelCertainty, options: PageOptions) -> str:
    """The part `page`: each answer is counted, and shown, as a row of the classes no and yes."""
    labels, kind = counted(len(certainty.label_names), "label"), options.kind
    wording = {
        **_WORDING,
        "standfirst": f"An answer is a yes or a no: one for each of {labels}, for each of "
        f"{counted(len(certainty), kind)}.",
        "dependent": f" It is too narrow where labels of one {kind} go wrong together.",
    }
    answers, names = answers_of(certainty), certainty.label_names
    return page_of(certainty, answers, lines_of(certainty), options, wording, labels=names)


def lines_of(certainty: MultilabelCertainty) -> list[ClassLine]:
    """A line for the rows in which a label holds, and one for the others, as the model says."""
    names = certainty.label_names
    return in_order(
        replace(line, name=f"{name}: {line.name}")
        for k, name in enumerate(names)
        for line in classes_of(certainty.of_label(k), among=2 * len(names))
    )
