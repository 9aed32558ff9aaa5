"""The page of a `DenseCertainty`: which rows to check first, where, and whether doubt tells mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.answers.classes.brief import Point, method_point
from howsure.answers.classes.drawings import draw_curve
from howsure.answers.elsewhere import are_alone
from howsure.answers.positions.cards import MOST_CARDS, cards
from howsure.answers.positions.drawings import CIVIDIS, OKABE_ITO, OTHERS, colours_of, draw_doubt
from howsure.answers.positions.overview import (
    PositionCounts,
    class_lines,
    counts_of,
    curve_of,
    groups_of,
    share_over_rows,
)
from howsure.answers.positions.result import DenseCertainty
from howsure.answers.positions.sentence import share_in_words
from howsure.answers.positions.shown import ShownWords, shown_of
from howsure.answers.sentences import words_of
from howsure.report.axes import number_axis
from howsure.report.page import PageOptions, scores_of, whole
from howsure.report.templates import script
from howsure.sampling.outcome import Integers
from howsure.words import UNIT, rate, upper

MOST_LISTED = 200
"""Rows in the list of all; a saved table has more."""

SHARES_AT_ONCE, SCORES_AT_ONCE = 8, 24
"""Classes of a row, and scores, that are shown before a reader asks for more."""

LEAST_IN_HISTOGRAM = 5
"""Rows that a histogram of doubt takes; of fewer, the cards tell all."""


def page(result: DenseCertainty, asked: PageOptions) -> str:
    """The part `page`: HTML of N rows. With zero rows it says so.

    Raises:
        InputError: The rows that are to be shown do not fit the maps.
    """
    name = result.position_name
    shown = shown_of(asked.looks, result.positions) if len(result) else None
    context: dict[str, Any] = {
        "position": name,
        "positions": f"{name}s",
        "shape": " × ".join(map(str, result.positions)),
        "axes": len(result.positions),
        "with_passes": bool(result.passes.max(initial=1) > 1),
        "with_truth": result.truth is not None,
        "with_rows": shown is not None,
        "with_words": isinstance(shown, ShownWords),
        "counting": None if result.counts is None else float(np.mean([row.mean() for row in result.counts])),
        "thresholds": result.thresholds,
        "shares_at_once": SHARES_AT_ONCE,
        "scores_at_once": SCORES_AT_ONCE,
        "named": len(result.class_names) > len(OKABE_ITO),
        "brief": [],
        "histogram": None,
        "risk": None,
    }
    sections: dict[str, str] = {}
    details: dict[str, str] = {}
    if len(result):
        counts, colours, order = counts_of(result), colours_of(result.share), result.most_undecided()
        top = float(max(np.nanmax(result.entropy[at]) for at in order[:MOST_CARDS].tolist())) or 1.0
        context |= {
            "brief": brief(result, counts, asked, isinstance(shown, ShownWords)),
            "groups": groups_of(counts),
            "settled": rate(float(1 - result.unsettled.mean())),
            "cards": cards(result, shown, order[:MOST_CARDS].tolist(), colours, top, asked.geometry),
            "legend": [each for each in zip(result.class_names, colours, strict=True) if each[1] != OTHERS],
            "others": colours.count(OTHERS),
            "others_colour": OTHERS,
            "scale": CIVIDIS,
            "scale_axis": number_axis(0.0, top),
            "even": float(np.log(2)),
            "classes": class_lines(result, counts, colours),
            "averaged": averaged(result, asked.background),
        }
        if shown is not None and len(result.positions) > 1:
            context["script"] = script("maps.js")
        sections["worst"] = "Check these first" if len(result) > 1 else f"The {result.kind}"
        if len(result) > MOST_CARDS:
            context |= {"listed": _listed(result, order[MOST_CARDS:][:MOST_LISTED])}
            sections["rows"] = f"The other {result.kind}s"
        sections["classes"] = "Class by class"
        if len(result) >= LEAST_IN_HISTOGRAM:
            context["histogram"] = draw_doubt(result.doubt)
        if counts.known.any():
            sure = int(counts.known[:, 0].sum())
            context["risk"] = draw_curve(curve_of(counts), sure)
        if context["histogram"] or context["risk"]:
            sections["doubt"] = "Does doubt tell mistakes?" if context["risk"] else "How doubt is spread"
        context["scores"] = scores_of(result, background=asked.background)
        if context["scores"]:
            sections["scores"] = "Scores"
        details["made"] = "How this was made"
    details["reading"] = "How to read this page"
    return whole("positions/page.html.j2", result, asked, sections, details, **context)


def brief(
    result: DenseCertainty, counts: PositionCounts, asked: PageOptions, with_words: bool
) -> list[Point]:
    """The first questions of a reader about N ≥ 1 rows, and the answers."""
    return [
        _check(result, with_words),
        _trust(result, counts, asked.background),
        method_point(result, asked.comparison, "labels that are right more often"),
        _margin(result),
    ]


def _check(result: DenseCertainty, with_words: bool) -> Point:
    question, kind, name = "What to check first", result.kind, result.position_name
    link = ("worst", "See them" if len(result) > 1 else "See it")
    where = f"the {name}s with a wavy line" if with_words else f"the {name}s inside the outlines"
    if len(result) == 1:
        return Point(question, f"{upper(where)}: coin flips.", link=link)
    most = result.most_undecided(1).tolist()[0]
    said = (
        f"{upper(result[most].called)}: its doubt is the largest, "
        f"{100 * result.doubt[most]:.0f} %; the median {kind} has {100 * np.median(result.doubt):.0f} %. "
        f"In each {kind}, look at {where}: there the model is flipping a coin."
    )
    return Point(question, said, link=link)


def averaged(result: DenseCertainty, background: int | None) -> str:
    """The classes in means over classes, in words."""
    names = result.class_names
    return f"all {len(names)} classes" if background is None else f"the classes but '{names[background]}'"


def _trust(result: DenseCertainty, counts: PositionCounts, background: int | None) -> Point:
    question, name = "Can the labels be trusted?", result.position_name
    if not counts.known.any():
        return Point(
            question,
            "Nobody has checked these labels: the true classes were not given. With them, this page says how "
            f"many {name}s are right.",
        )
    right, interval = share_over_rows(counts.right.sum(axis=1), counts.known.sum(axis=1))
    said = f"{right} of the {name}s are right"
    if interval:
        said += f" (95{UNIT} interval over {result.kind}s {interval})"
    if counts.known[:, 0].any():
        sure, within = share_over_rows(counts.right[:, 0], counts.known[:, 0])
        said += f"; of those it is sure of, {sure}{f' ({within})' if within else ''}"
    dice = counts.dice if background is None else np.delete(counts.dice, background)
    if np.isfinite(dice).any():
        said += f". The mean Dice of {averaged(result, background)} is {np.nanmean(dice):.2f}"
    return Point(question, f"{said}.", link=("doubt", f"{name.capitalize()}s by certainty"))


def _margin(result: DenseCertainty) -> Point:
    question, between = "What is ±?", words_of(result.method)["between"]
    if are_alone(result.method):
        said = "These shares came without an error, so they have no ±. That does not make them true."
    elif not result.share_error.any():
        said = "There is none: the shares are the same every time, which does not make them true."
    elif not np.isfinite(result.share_error).any():
        said = "There is none: how far these shares would move with other passes is not known."
    else:
        said = (
            f"± says how far a share would move with endlessly many passes, at 95{UNIT}. It does not say "
            "whether the model is right."
        )
    if np.isfinite(result.share_interval()).any():
        said += (
            f" Nine in ten {between} give a share in the interval beside it; more passes do not narrow it."
        )
    return Point(question, said)


@dataclass(frozen=True)
class Listed:
    """A row in the list: number, id, coin flips and doubt in words, its largest class, right positions."""

    row: int
    id: Any
    flips: str
    doubt: str
    largest: str
    right: str


def _listed(result: DenseCertainty, positions: Integers) -> list[Listed]:
    found = []
    for at in positions.tolist():
        right = ""
        if result.truth is not None:
            truth = np.asarray(result.truth[at])
            known = truth >= 0
            hits = np.asarray(result.label[at])[known] == truth[known]
            right = rate(float(hits.mean())) if hits.size else "–"
        k = int(np.argmax(result.share[at]))
        found.append(
            Listed(
                int(result.row[at]),
                None if result.ids is None else result.ids[at],
                f"{share_in_words(float(result.undecided[at]))}{UNIT}",
                f"{100 * result.doubt[at]:.0f}{UNIT}",
                f"{share_in_words(float(result.share[at, k]))}{UNIT} {result.class_names[k]}",
                right,
            )
        )
    return found
