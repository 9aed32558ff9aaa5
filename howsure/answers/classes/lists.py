"""The lists of a page: rows that ask for a look, in a table that can be filtered, and class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from howsure.answers.classes.cards import row_and_label
from howsure.answers.classes.result import Certainty
from howsure.answers.classes.scores import found_of
from howsure.answers.classes.sentence import Row
from howsure.answers.sentences import percent
from howsure.answers.verdict import COIN_FLIP, LEANING, VERDICTS
from howsure.report.figures import Proportion, differs_from_claim, proportion
from howsure.report.looks import Look, Looks

MOST_LISTED = 200
"""Rows of one list that the page shows; the table that a result saves has all."""

_THUMBNAIL, _CHARACTERS = 56, 400_000
"""Longest edge of a picture in the lists in pixels, and what all of them may take; else there are none."""


@dataclass(frozen=True)
class Listing:
    """One list of rows: its name in the HTML and in words, and how many rows it has and shows."""

    slug: str
    name: str
    count: int
    shown: int


@dataclass(frozen=True)
class Entry:
    """One row in the table.

    Attributes:
        row: The row.
        slugs: Names, in the HTML, of the lists that it belongs to.
        top: Its most probable class with the probability, in words.
        rival: The next class in the same form.
        look: Its picture or values.
        truth: Name of the true class, or None.
        right: Whether the label is the true class.
        asked: Name of the label that is answered, if a row has several.
    """

    row: Row
    slugs: tuple[str, ...]
    top: str
    rival: str
    look: Look
    truth: str | None
    right: bool
    asked: str | None


def lists_of(
    answers: Certainty, looks: Looks, asked: Sequence[str] = ()
) -> tuple[list[Listing], list[Entry]]:
    """The lists that have rows, and a line for each row of any list, the most undecided first.

    Each list shows `MOST_LISTED` rows at most: the most undecided, and of wrong ones the most certain.

    Args:
        answers: The result that is reported.
        looks: Pictures or values of the rows.
        asked: As for `howsure.answers.classes.cards.cards`.
    """
    members = {
        ("coin-flip", "coin flips"): (answers.verdict == COIN_FLIP) & ~answers.no_clear_answer,
        ("no-clear-answer", "without a clear answer"): answers.no_clear_answer,
        ("leaning", "leaning"): answers.verdict == LEANING,
        ("open", "not settled"): ~answers.settled,
        ("unfamiliar", "unfamiliar"): answers.unfamiliar,
    }
    if answers.truth is not None:
        members["wrong", "wrong"] = answers.label != answers.truth
    order = answers.most_undecided()
    found, chosen = [], np.zeros(len(answers), dtype=bool)
    for (slug, name), belongs in members.items():
        of_list = order[belongs[order]]
        if not len(of_list):
            continue
        chosen[of_list[-MOST_LISTED:] if slug == "wrong" else of_list[:MOST_LISTED]] = True
        found.append((slug, name, belongs))
    positions = order[chosen[order]]
    listings = [
        Listing(slug, name, int(belongs.sum()), int(belongs[positions].sum()))
        for slug, name, belongs in found
    ]
    slugs = [(slug, belongs) for slug, _, belongs in found]
    places = [row_and_label(position, answers, asked) for position in positions.tolist()]
    shown = looks.of([row for row, _ in places], _CHARACTERS, _THUMBNAIL)
    if sum(len(look.picture.source) for look in shown if look.picture) > _CHARACTERS:
        shown = [replace(look, picture=None) for look in shown]
    entries = []
    for position, (_, label), look in zip(positions.tolist(), places, shown, strict=True):
        row = answers[position]
        entries.append(
            Entry(
                row=row,
                slugs=tuple(slug for slug, belongs in slugs if belongs[position]),
                top=percent(row.probability, float(row.mc_error[row.label])),
                rival=percent(float(row.probabilities[row.runner_up]), float(row.mc_error[row.runner_up])),
                look=look,
                truth=None if row.truth is None else answers.class_names[row.truth],
                right=row.truth == row.label,
                asked=label,
            )
        )
    return listings, entries


@dataclass(frozen=True)
class ClassLine:
    """The rows of one most probable class.

    Attributes:
        name: Name of the class.
        count: Rows.
        of_verdict: How many of them are sure, leaning and coin flips.
        claim: Mean top probability.
        right: Share of right ones, or None without truth.
        off: −1 where fewer are right than claimed by more than chance, 1 where more are, else 0.
        found: Recall: the share of its true rows with this label, or None without truth.
    """

    name: str
    count: int
    of_verdict: tuple[int, int, int]
    claim: float
    right: Proportion | None
    off: int
    found: Proportion | None = None


def classes_of(certainty: Certainty) -> list[ClassLine]:
    """Class by class, those with the most coin flips first, then those with the most leaning rows.

    Classes without a row, true or predicted, are left out. All tests together err in 5 % of cases at most.
    """
    classes, label = len(certainty.class_names), certainty.label
    count = np.bincount(label, minlength=classes)
    claims = np.bincount(label, weights=certainty.probability, minlength=classes)
    verdicts = [np.bincount(label[certainty.verdict == word], minlength=classes) for word in VERDICTS]
    right, there = None, np.zeros_like(count)
    if certainty.truth is not None:
        right, there = found_of(label, certainty.truth, classes)
    present, taken = np.flatnonzero(count + there).tolist(), int(np.sum(count > 0))
    lines = []
    for k in present:
        sure, leaning, flips = (int(counts[k]) for counts in verdicts)
        claim = float(claims[k] / count[k]) if count[k] else float("nan")
        of_class, found, off = None, None, 0
        if right is not None:
            of_class, found = (proportion(int(right[k]), int(of[k])) for of in (count, there))
            off = differs_from_claim(claim, of_class, among=taken)
        name = certainty.class_names[k]
        lines.append(ClassLine(name, int(count[k]), (sure, leaning, flips), claim, of_class, off, found))
    return sorted(lines, key=lambda line: (-line.of_verdict[2], -line.of_verdict[1]))
