"""From a `Certainty` or a `MultilabelCertainty` to one self-contained HTML page."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from howsure.answers.classes.result import Certainty
from howsure.answers.elsewhere import are_alone
from howsure.answers.labels.result import MultilabelCertainty
from howsure.answers.sentences import words_of
from howsure.answers.verdict import REASONS, SURE, VERDICTS
from howsure.atomic import write_whole
from howsure.audit import Audit
from howsure.compare.findings import findings, lead
from howsure.compare.run import Comparison
from howsure.report import words
from howsure.report.brief import brief
from howsure.report.cards import cards, coin_flip_positions, mistake_positions
from howsure.report.drawings import draw_histogram, draw_reliability, draw_risk_coverage
from howsure.report.figures import Proportion, bands, proportion
from howsure.report.labels import reliabilities, told_by_label
from howsure.report.lists import classes_of, lists_of
from howsure.report.looks import looks_of
from howsure.report.templates import environment, script
from howsure.results.printed import answers_of
from howsure.results.printed import lead as lead_of

_TITLE = "How sure is the model?"
_SHOWN_AT_ONCE = 12

_FLIPS, _MISTAKES = 1_000_000, 400_000
"""Characters that the pictures of coin flips and of mistakes may take."""


def write_report(
    path: str | os.PathLike[str],
    certainty: Certainty | MultilabelCertainty,
    rows: Any = None,
    *,
    audit: Audit | None = None,
    comparison: Comparison | None = None,
    title: str | None = None,
    drawn_from: int | None = None,
    missing: str | None = None,
) -> None:
    """Write the page that `render` makes; an earlier file stays until the new one is complete.

    Args:
        path: The HTML file.
        certainty: What is reported.
        rows: As for `render`.
        audit: As for `render`.
        comparison: As for `render`.
        title: As for `render`.
        drawn_from: As for `render`.
        missing: As for `render`.

    Raises:
        InputError: `rows` has another length than `certainty`.
        FileError: The file cannot be written.
    """
    page = render(
        certainty,
        rows,
        audit=audit,
        comparison=comparison,
        title=title,
        drawn_from=drawn_from,
        missing=missing,
    )
    write_whole(path, lambda temporary: Path(temporary).write_text(page, encoding="utf-8"))


def render(
    certainty: Certainty | MultilabelCertainty,
    rows: Any = None,
    *,
    audit: Audit | None = None,
    comparison: Comparison | None = None,
    title: str | None = None,
    drawn_from: int | None = None,
    missing: str | None = None,
) -> str:
    """One HTML page about N rows: which to check first, whether to trust the percentages, and why.

    The page holds its images, figures, styles and one small script, which it can do without, and asks for
    nothing from outside. What has nothing to tell is left out. Of several labels per row it counts and shows
    answers, one for each label of each row, and tells them label by label.

    Args:
        certainty: What is reported; sections that need the true classes appear where it has them.
        rows: The N rows that were assessed, in their order: an array (N, …), a data frame, or a dict of
            arrays by name. (N, H, W, C) with C of 1, 3 or 4, and (N, H, W) unless they look like sequences,
            are shown as images, anything else by its first values; None shows row numbers alone.
        audit: What in the model is random, or None to leave that section out.
        comparison: Of methods, on rows like these, or None to leave that section out.
        title: A line above the heading; None stands for one that asks how sure the model is.
        drawn_from: How many rows there are, where these were drawn from them by chance; else None.
        missing: A sentence on rows that should be in `certainty` and are not, or None.

    Returns:
        HTML, at most 3 MB. With zero rows it says so.

    Raises:
        InputError: `rows` has another length than `certainty`.
    """
    looks = looks_of(rows, len(certainty), certainty.kind)
    several = certainty if isinstance(certainty, MultilabelCertainty) else None
    # Of several labels per row, each answer is counted, and shown, as a row of the classes no and yes.
    shown = answers_of(certainty)
    context: dict[str, Any] = {
        "title": _TITLE if title is None else title,
        "certainty": shown,
        "drawn_from": drawn_from,
        "missing": missing,
        "several": several,
        "kind": shown.kind,
        "kinds": f"{shown.kind}s",
        "row_kind": certainty.kind,
        "id_name": None if shown.ids is None else shown.id_name,
        "audit": audit,
        "compared": None if comparison is None else [lead(comparison), *findings(comparison)],
        "lead": lead_of(certainty),
        "brief": brief(shown, comparison) if len(certainty) else [],
        "method": _method(certainty.method),
        "pass": words_of(certainty.method)["pass"],
        "alone": are_alone(shown.method),
        "between": words_of(certainty.method)["between"] if np.isfinite(shown.interval()).any() else "",
        "shown_at_once": _SHOWN_AT_ONCE,
        "thresholds": certainty.thresholds,
        "as_gallery": looks.images is not None,
        "with_values": bool(looks.columns),
        "script": None,
    }
    # In the order of the page; the details at its end are closed.
    sections: dict[str, str] = {}
    details: dict[str, str] = {}
    if len(certainty):
        positions, context["coin_flips_note"] = coin_flip_positions(shown)
        context |= {
            "groups": _groups(shown),
            "settled": words.settled_in_words(shown),
            "doubt": words.doubt_in_words(shown),
            "coin_flips": cards(certainty, looks, positions.tolist(), _FLIPS),
            "passes": _passes(shown),
            "overall": None,
        }
        all_sure = bool(np.all(shown.verdict == SURE))
        sections["coin-flips"] = "The least certain" if all_sure else "Check these first"
        seen = set(positions.tolist())
        if shown.truth is not None:
            positions, mistakes = mistake_positions(shown)
            seen |= set(positions.tolist())
            context["mistakes"] = cards(certainty, looks, positions.tolist(), _MISTAKES)
            context |= _with_truth(shown, mistakes)
            if mistakes:
                sections["mistakes"] = "Sure and wrong"
        listings, entries = lists_of(certainty, shown, looks)
        if len(entries) > len(seen):
            context |= {"listings": listings, "entries": entries, "script": script()}
            sections["lists"] = f"Every {shown.kind} that asks for a look"
        if several is not None:
            context["labels"] = told_by_label(several)
            sections["labels"] = "Label by label"
        elif len(certainty) > 1:
            context["classes"] = classes_of(shown)
            sections["classes"] = "Class by class"
        if shown.truth is not None and len(certainty) > 1:
            sections["trust"] = "Can the percentages be trusted?"
            context["reliabilities"] = [] if several is None else reliabilities(several)
        context["reasons"] = _reasons(shown, certainty.kind, "class" if several is None else "answer")
        if context["reasons"]:
            sections["reasons"] = "Where the doubt lies"
    if comparison is not None:
        sections["methods"] = "Which method is better here?"
    if len(certainty):
        if len(certainty) > 1:
            context["histogram"] = draw_histogram(shown)
            details["spread"] = "How certainty is spread"
        if not context["alone"]:
            details["passes"] = "Passes and their error"
    if audit is not None:
        details["audit"] = "What is random in the model"
    details["reading"] = "How to read this page"
    context |= {"sections": sections, "details": details}
    return environment().get_template("report.html.j2").render(context)


@dataclass(frozen=True)
class Group:
    """The rows of one verdict.

    Attributes:
        verdict: The word.
        count: Rows.
        share: Share of all rows.
        start: Where its part of the bar of all rows begins, in per cent.
        right: How many of them are right, or None without truth.
    """

    verdict: str
    count: int
    share: float
    start: float
    right: Proportion | None


def _groups(certainty: Certainty) -> list[Group]:
    groups, before = [], 0
    for word in VERDICTS:
        members = certainty.verdict == word
        count = int(members.sum())
        right = None
        if certainty.truth is not None:
            right = proportion(int(np.sum(certainty.label[members] == certainty.truth[members])), count)
        rows = len(certainty)
        groups.append(Group(word, count, count / rows, 100 * before / rows, right))
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
    }


def _method(method: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """Name and settings of the method in words; settings that are None are left out."""
    name = str(method.get("name", "not stated"))
    settings = [
        (key.replace("_", " "), _setting(value))
        for key, value in method.items()
        if key not in ("name", "words") and value is not None
    ]
    return name, settings


def _setting(value: Any) -> str:
    """A setting as text; of another method, its name."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value["name"] if isinstance(value, Mapping) and "name" in value else value)
