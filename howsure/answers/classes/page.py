"""The page of a `Certainty`: which rows to check first, whether to trust the percentages, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.answers.classes import words
from howsure.answers.classes.brief import brief
from howsure.answers.classes.cards import cards, coin_flip_positions, mistake_positions
from howsure.answers.classes.drawings import draw_histogram, draw_reliability, draw_risk_coverage
from howsure.answers.classes.lists import classes_of, lists_of
from howsure.answers.classes.result import Certainty
from howsure.answers.elsewhere import are_alone
from howsure.answers.sentences import words_of
from howsure.answers.verdict import COIN_FLIP, LEANING, NO_CLEAR_ANSWER, REASONS, SURE, VERDICTS
from howsure.report.figures import Proportion, bands, proportion
from howsure.report.page import PageOptions, whole
from howsure.report.templates import script

_SHOWN_AT_ONCE = 12

_FLIPS, _MISTAKES = 1_000_000, 400_000
"""Characters that the pictures of coin flips and of mistakes may take."""

_WORDING = {
    "outcome": "class",
    "top": "most probable class",
    "about": "a class",
    "two": "the two top classes",
    "two_numbers": "the two top probabilities",
    "entropy": "0 when one class has everything, log K when all K classes are equally likely",
}


def page(certainty: Certainty, asked: PageOptions) -> str:
    """The part `page`: HTML of N rows. With zero rows it says so."""
    by_class = {"classes": classes_of(certainty)} if len(certainty) > 1 else {}
    return page_of(certainty, certainty, asked, "classes/page.html.j2", "Class by class", by_class, _WORDING)


def page_of(
    result: Any,
    answers: Certainty,
    asked: PageOptions,
    template: str,
    heading: str,
    told: Mapping[str, Any],
    wording: Mapping[str, str],
    labels: Sequence[str] = (),
) -> str:
    """The page of answers, each of which is one of some classes.

    Args:
        result: The result that is reported.
        answers: The same, or for labels one answer for each label of each row.
        asked: The arguments of the caller of `report`.
        template: `classes/page.html.j2`, or one that extends it.
        heading: Heading of the section that goes class by class, or label by label.
        told: That section by its name, and other values that the template needs.
        wording: Names on the page.
        labels: As `asked` of `howsure.answers.classes.cards.cards`.
    """
    looks, alone = asked.looks, are_alone(answers.method)
    context: dict[str, Any] = {
        "certainty": answers,
        "kind": answers.kind,
        "kinds": f"{answers.kind}s",
        "brief": brief(answers, asked.comparison) if len(answers) else [],
        "alone": alone,
        "between": words_of(answers.method)["between"] if np.isfinite(answers.interval()).any() else "",
        "shown_at_once": _SHOWN_AT_ONCE,
        "thresholds": answers.thresholds,
        "wording": wording,
        "reliabilities": [],
        "SURE": SURE,
        "LEANING": LEANING,
        "COIN_FLIP": COIN_FLIP,
        "NO_CLEAR_ANSWER": NO_CLEAR_ANSWER,
        "VERDICTS": VERDICTS,
        **told,
    }
    # In the order of the page; the details at its end are closed.
    sections: dict[str, str] = {}
    details: dict[str, str] = {}
    if len(answers):
        positions, context["coin_flips_note"] = coin_flip_positions(answers)
        context |= {
            "groups": _groups(answers),
            "settled": words.settled_in_words(answers),
            "doubt": words.doubt_in_words(answers),
            "coin_flips": cards(answers, looks, positions.tolist(), _FLIPS, labels),
            "passes": _passes(answers),
            "overall": None,
        }
        all_sure = bool(np.all(answers.verdict == SURE))
        sections["coin-flips"] = "The least certain" if all_sure else "Check these first"
        seen = set(positions.tolist())
        if answers.truth is not None:
            positions, mistakes = mistake_positions(answers)
            seen |= set(positions.tolist())
            context["mistakes"] = cards(answers, looks, positions.tolist(), _MISTAKES, labels)
            context |= _with_truth(answers, mistakes)
            if mistakes:
                sections["mistakes"] = "Sure and wrong"
        listings, entries = lists_of(answers, looks, labels)
        if len(entries) > len(seen):
            context |= {"listings": listings, "entries": entries, "script": script()}
            sections["lists"] = f"Every {answers.kind} that asks for a look"
        sections |= {name: heading for name in ("classes", "labels") if name in told}
        if answers.truth is not None and len(result) > 1:
            sections["trust"] = "Can the percentages be trusted?"
        context["reasons"] = _reasons(answers, asked.kind, wording["outcome"])
        if context["reasons"]:
            sections["reasons"] = "Where the doubt lies"
        if len(result) > 1:
            context["histogram"] = draw_histogram(answers)
            details["spread"] = "How certainty is spread"
        if not alone:
            details["passes"] = "Passes and their error"
    details["reading"] = "How to read this page"
    return whole(template, result, asked, sections, details, **context)


@dataclass(frozen=True)
class VerdictGroup:
    """The rows of one verdict, and their share of all rows.

    `start` is where their part of the bar begins, in per cent; `right` is how many are right, or None.
    """

    verdict: str
    count: int
    share: float
    start: float
    right: Proportion | None


def _groups(certainty: Certainty) -> list[VerdictGroup]:
    groups, before = [], 0
    for word in VERDICTS:
        members = certainty.verdict == word
        count = int(members.sum())
        right = None
        if certainty.truth is not None:
            right = proportion(int(np.sum(certainty.label[members] == certainty.truth[members])), count)
        rows = len(certainty)
        groups.append(VerdictGroup(word, count, count / rows, 100 * before / rows, right))
        before += count
    return groups


def _with_truth(certainty: Certainty, mistakes: int) -> dict[str, Any]:
    sure = int(np.sum(certainty.verdict == SURE))
    reliability, risk = draw_reliability(certainty), draw_risk_coverage(certainty)
    claim = float(certainty.probability.mean())
    return {
        "mistakes_of_sure": proportion(mistakes, sure),
        "overall": reliability.overall,
        "bands": bands(certainty.probability, certainty.label == certainty.truth),
        "reliability": reliability,
        "reliability_words": words.reliability_in_words(reliability.found, claim, reliability.overall),
        "risk": risk,
        "risk_words": words.risk_in_words(risk.curve, certainty),
    }


@dataclass(frozen=True)
class ReasonCount:
    """How many rows of each verdict have a reason, what was seen, and what would tell more."""

    reason: str
    means: str
    tells: str
    count: int
    share: float
    of_verdict: dict[str, int]


def _reasons(certainty: Certainty, kind: str, outcome: str) -> list[ReasonCount]:
    """The reasons that rows have, with what they mean; none for a method of one pass."""
    given = int(np.sum(certainty.reason != None))  # noqa: E711  # of each element
    found = []
    for reason in REASONS:
        members = certainty.reason == reason
        count = int(members.sum())
        if not count:
            continue
        means, tells = words.WHAT_A_REASON_MEANS[reason]
        kinds = {"kind": kind, "kinds": f"{kind}s", "outcome": outcome, **words_of(certainty.method)}
        of_verdict = {word: int(np.sum(members & (certainty.verdict == word))) for word in VERDICTS}
        found.append(
            ReasonCount(
                reason, means.format(**kinds), tells.format(**kinds), count, count / given, of_verdict
            )
        )
    return found


def _passes(certainty: Certainty) -> dict[str, Any]:
    """Passes per row and, for the label's probability, the half-width 1.96 · mc_error of its interval."""
    margin = 1.96 * np.take_along_axis(certainty.mc_error, certainty.label[:, None], axis=1)[:, 0]
    margin = np.minimum(margin, 1.0)  # no probability is farther off
    known = margin[np.isfinite(margin)]
    undecided = margin[(certainty.verdict != SURE) & np.isfinite(margin)]
    return {
        "least": int(certainty.passes.min()),
        "median": float(np.median(certainty.passes)),
        "most": int(certainty.passes.max()),
        "margin": float(np.median(known)) if len(known) else None,
        "margin_undecided": float(np.median(undecided)) if len(undecided) else None,
        "margin_largest": float(known.max()) if len(known) else None,
        "settled": int(certainty.settled.sum()),
        "pilot": (certainty.plan or {}).get("pilot"),
    }
