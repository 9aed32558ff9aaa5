"""The page of a `Certainty`: which rows to check first, whether to trust the percentages, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from howsure.compare.comparison import Comparison
from howsure.compare.findings import chosen, lead
from howsure.compare.sentences import the
from howsure.report.drawing import Pictures, drawn
from howsure.report.figures import (
    Proportion,
    beside,
    differs_from_claim,
    interval_of,
    proportion,
    reliability,
    share_of,
)
from howsure.report.notebook import Cell, TableColumn, TextColumn, ViewTable
from howsure.report.page import PageOptions, whole
from howsure.sampling.outcome import Floats
from howsure.tasks.classification import words
from howsure.tasks.classification.cards import (
    cards,
    coin_flip_positions,
    mistake_positions,
    unfamiliar_positions,
)
from howsure.tasks.classification.drawings import OFF_WORDS, draw_reliability, draw_risk_coverage
from howsure.tasks.classification.result import Certainty
from howsure.tasks.classification.scores import found_of
from howsure.tasks.classification.words import claim_in_words, rare_in_words, tells_networks
from howsure.tasks.printed import handed_over_in_words
from howsure.tasks.probabilities import are_alone
from howsure.tasks.sentences import words_of
from howsure.tasks.verdict import COIN_FLIP, LEANING, SURE, VERDICTS
from howsure.words import UNIT, counted, rate, upper

_SHOWN_AT_ONCE, _MOST_LINES = 12, 60
"""Cards, and lines of a table, that are shown before a reader asks for more; and lines that a table has."""

_FLIPS, _OTHERS = 160_000, 50_000
"""Characters that the pictures of coin flips may take, and those of mistakes or of unfamiliar rows."""

PICTURES: Pictures = {"trust": (draw_reliability, draw_risk_coverage)}
"""By section, the functions that draw its pictures, also on the page of labels."""

_WORDING = {
    "outcome": "class",
    "about": "a class",
    "two": "the two top classes",
    "two_numbers": "the two top probabilities",
    "entropy": "0 when one class has everything, log K when all K classes are equally likely",
    "heading": "Class by class",
    "by": "the class that the model takes them for",
    "one": "Class",
    "several": "Classes",
    "found": "of the rows that are truly of a class, the share that the model takes for it",
    "standfirst": "",
    "dependent": "",
}
"""Names on the page, and parts of its sentences; labels have others."""


def page(certainty: Certainty, options: PageOptions) -> str:
    """The part `page`: HTML of N rows. With zero rows it says so."""
    return page_of(certainty, certainty, classes_of(certainty), options, _WORDING)


def page_of(
    result: Any,
    answers: Certainty,
    lines: list[ClassLine],
    options: PageOptions,
    wording: Mapping[str, str],
    labels: Sequence[str] = (),
) -> str:
    """The page of answers, each of which is one of some classes.

    Args:
        result: The result that is reported.
        answers: The same, or for labels one answer for each label of each row.
        lines: The answers class by class.
        options: The arguments of the caller of `report`.
        wording: Names on the page, as `_WORDING`.
        labels: As `asked` of `howsure.tasks.classification.cards.cards`.
    """
    looks, alone = options.looks, are_alone(answers.method)
    context: dict[str, Any] = {
        "certainty": answers,
        "kind": answers.kind,
        "kinds": f"{answers.kind}s",
        "brief": brief(answers, options.comparison, handed_over_in_words(result)) if len(answers) else [],
        "alone": alone,
        "between": words_of(answers.method)["between"] if words.tells_networks(answers) else "",
        "shown_at_once": _SHOWN_AT_ONCE,
        "thresholds": answers.thresholds,
        "wording": wording,
        "SURE": SURE,
        "LEANING": LEANING,
        "COIN_FLIP": COIN_FLIP,
        "VERDICTS": VERDICTS,
        "classes": _class_table(lines[:_MOST_LINES], f"{answers.kind}s", wording),
        "all_lines": len(lines),
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
            "passes": _passes_and_errors(answers),
            "overall": None,
        }
        all_sure = bool(np.all(answers.verdict == SURE))
        sections["coin-flips"] = "The least certain" if all_sure else "Check these first"
        if answers.truth is not None:
            positions, mistakes = mistake_positions(answers)
            context["mistakes"] = cards(answers, looks, positions.tolist(), _OTHERS, labels)
            context |= _with_truth(answers, mistakes)
            if mistakes:
                sections["mistakes"] = "Sure and wrong"
        if len(positions := unfamiliar_positions(answers)):
            context["unfamiliar"] = cards(answers, looks, positions.tolist(), _OTHERS, labels)
            sections["unfamiliar"] = "The least familiar"
        if len(answers) > 1:
            sections["classes"] = wording["heading"]
        if answers.truth is not None and len(result) > 1:
            sections["trust"] = "Can the percentages be trusted?"
        context["pictures"] = drawn(PICTURES, sections, answers)
        if not alone:
            details["passes"] = "Passes and their error"
    details["reading"] = "How to read this page"
    return whole("classification/page.html.j2", result, options, sections, details, **context)


@dataclass(frozen=True)
class VerdictGroup:
    """The rows, or positions, of one verdict.

    Attributes:
        verdict: The word.
        count: How many.
        share: Share of all.
        start: Start of its part of the bar, in per cent.
        right: Share of those that are right, in words; empty without truth.
        interval: Its 95 % interval, in words; empty if it is unknown.
        proportion: The same in numbers, where rows are independent.
    """

    verdict: str
    count: int
    share: float
    start: float
    right: str = ""
    interval: str = ""
    proportion: Proportion | None = None


def _groups(certainty: Certainty) -> list[VerdictGroup]:
    groups, before, rows = list[VerdictGroup](), 0, len(certainty)
    for word in VERDICTS:
        members = certainty.verdict == word
        count = int(members.sum())
        group = VerdictGroup(word, count, count / rows, 100 * before / rows)
        if certainty.truth is not None:
            right = proportion(int(np.sum(certainty.label[members] == certainty.truth[members])), count)
            interval = interval_of(right) if count else ""
            group = replace(group, right=share_of(right), interval=interval, proportion=right)
        groups.append(group)
        before += count
    return groups


def _with_truth(certainty: Certainty, mistakes: int) -> dict[str, Any]:
    is_right = certainty.label == certainty.truth
    groups = reliability(certainty.probability, is_right)
    overall = proportion(int(is_right.sum()), len(certainty))
    return {
        "mistakes_of_sure": proportion(mistakes, int(np.sum(certainty.verdict == SURE))),
        "overall": overall,
        "reliability_words": words.reliability_in_words(groups),
    }


def _passes_and_errors(certainty: Certainty) -> dict[str, Any]:
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


def _class_table(lines: Sequence[ClassLine], kinds: str, wording: Mapping[str, str]) -> ViewTable:
    columns = [TextColumn(wording["one"], [line.name for line in lines])]
    columns.append(TableColumn(upper(kinds), [f"{line.count:,}" for line in lines]))
    for number, verdict in enumerate(VERDICTS):
        columns.append(TableColumn(upper(verdict), [f"{line.of_verdict[number]:,}" for line in lines]))
    columns.append(TableColumn("Says", [line.claim_in_words for line in lines]))
    shares = [(line.right, line.found) for line in lines if line.right and line.found]
    if shares:
        right, found = zip(*shares, strict=True)
        columns += [
            TableColumn("Right", [_with_interval(share) for share in right], f"95{UNIT} interval"),
            TextColumn(
                "Percentages",
                [OFF_WORDS[line.off] if line.count else "–" for line in lines],
            ),
            TableColumn("Are", [f"{share.total:,}" for share in found], "truly"),
            TableColumn("Found", [_with_interval(share) for share in found], f"95{UNIT} interval"),
        ]
    return ViewTable.of(wording["several"], columns)


def _with_interval(share: Proportion) -> Cell:
    return Cell(share_of(share), interval_of(share) if share.total else "")


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

    @property
    def claim_in_words(self) -> str:
        """The claim with as many decimals as the share that is right allows; a dash without rows."""
        if not self.count:
            return "–"
        return rate(self.claim) if self.right is None else beside(self.claim, self.right)


def classes_of(certainty: Certainty, among: int | None = None) -> list[ClassLine]:
    """Class by class, in the order of `in_order`.

    Classes without a row, true or predicted, are left out. All tests together err in 5 % of cases at most.

    Args:
        certainty: N rows.
        among: How many lines are tested together. Default: those of the classes that some row is taken for.
    """
    classes, label = len(certainty.class_names), certainty.label
    count = np.bincount(label, minlength=classes)
    claims = np.bincount(label, weights=certainty.probability, minlength=classes)
    verdicts = [np.bincount(label[certainty.verdict == word], minlength=classes) for word in VERDICTS]
    right, truly = None, np.zeros_like(count)
    if certainty.truth is not None:
        right, truly = found_of(label, certainty.truth, classes)
    present, tested = np.flatnonzero(count + truly).tolist(), among or int(np.sum(count > 0))
    lines = []
    for k in present:
        sure, leaning, flips = (int(counts[k]) for counts in verdicts)
        claim = float(claims[k] / count[k]) if count[k] else float("nan")
        of_class, recall, off = None, None, 0
        if right is not None:
            of_class, recall = (proportion(int(right[k]), int(of[k])) for of in (count, truly))
            off = differs_from_claim(claim, of_class, among=tested)
        name = certainty.class_names[k]
        lines.append(ClassLine(name, int(count[k]), (sure, leaning, flips), claim, of_class, off, recall))
    return in_order(lines)


def in_order(lines: Iterable[ClassLine]) -> list[ClassLine]:
    """Those with the most coin flips first, then those with the most leaning rows."""
    return sorted(lines, key=lambda line: (-line.of_verdict[2], -line.of_verdict[1]))


@dataclass(frozen=True)
class Point:
    """One answer: what a reader asks, and the answer in a few sentences.

    `quoted` is what a comparison says, `verdict` what follows from it; both may be empty. `link` is an anchor
    on this page and its text, or None.
    """

    question: str
    said: str
    quoted: str = ""
    verdict: str = ""
    link: tuple[str, str] | None = None


def brief(certainty: Certainty, comparison: Comparison | None, decided: str) -> list[Point]:
    """The answers about N ≥ 1 rows, in the order in which a reader asks; `decided` says what rules did."""
    return [
        _what_to_check(certainty, decided),
        _whether_to_trust(certainty),
        method_point(certainty, comparison),
        _meaning_of_margin(certainty),
    ]


def _what_to_check(certainty: Certainty, decided: str) -> Point:
    if decided:
        return Point("What to check first", decided, link=("coin-flips", "The least certain"))
    parts = words.first_in_words(certainty)
    sentence = f"{upper('. Then '.join(parts))}." if parts else f"It is sure of every {certainty.kind}."
    link = "coin-flips", "See them" if parts else "The least certain"
    return Point("What to check first", sentence, link=link)


def _whether_to_trust(certainty: Certainty) -> Point:
    question = "Can the percentages be trusted?"
    if certainty.truth is None:
        return Point(
            question,
            "Nobody has checked these percentages: the true answers were not given. With labels, this page "
            "says how often each percentage is right.",
        )
    right = proportion(int(np.sum(certainty.label == certainty.truth)), len(certainty))
    if len(certainty) == 1:
        return Point(
            question,
            f"Its one answer is {'right' if right.count else 'wrong'}, which says nothing about others.",
        )
    sentence = f"{claim_in_words(certainty, right)} {rare_in_words(certainty)}"
    return Point(question, sentence, link=("trust", "Percentage by percentage"))


def method_point(
    result: Any, comparison: Comparison | None, better: str = "more accurate percentages"
) -> Point:
    """The method behind a result of any kind, and whether a comparison would choose the same.

    Args:
        result: With `method` and `passes`.
        comparison: A comparison of methods on rows like these, or None.
        better: The advantage that only a comparison can show, in words; empty if there is no comparison.
    """
    name, words = str(result.method.get("name", "not stated")), words_of(result.method)
    least, most = int(result.passes.min()), int(result.passes.max())
    if "calibration" in result.method:
        name += ", calibrated"
    if are_alone(result.method):
        source = result.method.get("source")
        sentence = f"{upper(name)}{f', from {source}' if source else ''}: what something else computed."
    elif most == 1:
        sentence = f"{upper(name)}: {words['pass']}."
    else:
        number = f"{most:,}" if least == most else f"{least:,} to {most:,}"
        each = words["between"]
        each += "" if each == words["passes"] else f", each {words['pass']}"
        sentence = f"{upper(name)}: the mean over {number} {each}."
    if words["shows"]:
        sentence += f" It is shown because {words['shows']}."
    if comparison is None:
        if better:
            sentence += f" howsure.compare says whether another method has {better} here."
        return Point("Which method, and why?", sentence)
    best = chosen(comparison)
    believed = comparison.certainties[best].method
    agrees = believed.get("name") == result.method.get("name") and (
        ("calibration" in believed) == ("calibration" in result.method)
    )
    which = f"If the two differ, believe {the(comparison, best)}."
    if agrees:
        which = "That is the method shown here."
    rows = counted(comparison.rows, comparison.kind)
    return Point(
        "Which method, and why?",
        f"{sentence} A comparison of methods on {rows} says:",
        quoted=lead(comparison),
        verdict=which,
        link=("methods", "The comparison"),
    )


def _meaning_of_margin(certainty: Certainty) -> Point:
    of_networks = ""
    if tells_networks(certainty):
        between = words_of(certainty.method)["between"]
        of_networks = f"It is not the range of the {between}: ‘most {between} say’ gives that."
    return margin_point(certainty.method, certainty.mc_error, "percentage", of_networks)


def margin_point(
    method: Mapping[str, Any],
    error: Floats,
    number: str,
    of_networks: str,
    open_question: str = "whether the model is right",
) -> Point:
    """The meaning of ± for the numbers of a result of any kind.

    Args:
        method: Settings of the method.
        error: Standard errors of the numbers; NaN where unknown.
        number: Name of one of them.
        of_networks: How far networks lie apart, sentences, or empty.
        open_question: The question that ± leaves open.
    """
    if are_alone(method):
        sentence = f"These {number}s came without an error, so they have no ±. That does not make them true."
    elif not np.isfinite(error).any():
        sentence = f"There is none: how far these {number}s would move with other passes is not known."
    elif not error.any():
        sentence = f"There is none: the {number}s are the same every time, which does not make them true."
    else:
        sentence = (
            f"How far a {number} would move with endlessly many {words_of(method)['between']}, at 95{UNIT}. "
            f"It does not say {open_question}."
        )
    return Point("What is ±?", f"{sentence} {of_networks}".rstrip())
