"""The page of a `RegressionCertainty`: which rows to check, where answers lie, and whether that holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure import digits
from howsure.digits import significant
from howsure.report.drawing import Pictures, drawn
from howsure.report.figures import interval_of, share_of
from howsure.report.looks import Look, Looks
from howsure.report.notebook import ViewTable
from howsure.report.page import PageOptions, scores_of, whole
from howsure.sampling.outcome import Floats, Integers
from howsure.tasks.classification.page import Point, margin_point, method_point
from howsure.tasks.regression.doubt import disagreement, relative_width, scatter
from howsure.tasks.regression.drawings import (
    UNKNOWN,
    draw_by_prediction,
    draw_calibration,
    half_width,
    level_of_all,
    median,
    rows_to_draw,
    two_digits,
)
from howsure.tasks.regression.printed import (
    coverage_in_words,
    levels_of,
    passes_in_words,
    strange_in_words,
    verdict_of,
)
from howsure.tasks.regression.result import FROM_HELD_OUT, RegressionCertainty
from howsure.tasks.regression.sentence import NumbersRow, written_of
from howsure.tasks.sentences import words_of
from howsure.words import UNIT, counted, rate, upper

MOST_IN_TABLE = 60
"""Targets in the table."""

SHOWN_AT_ONCE, SCORES_AT_ONCE = 8, 24
"""Lines of a list, and scores, that are shown before a reader asks for more."""

HOW_TO_KNOW = f"{FROM_HELD_OUT.replace('`', '')}."

_PICTURES = 400_000
"""Characters that the pictures of one list may take."""


PICTURES: Pictures = {"intervals": (draw_by_prediction,), "trust": (draw_calibration,)}
"""By section, the functions that draw its pictures, which are of the one target."""


def page(result: RegressionCertainty, options: PageOptions) -> str:
    """The part `page`: HTML of N rows. With zero rows it says so."""
    names, words, level = result.target_names, words_of(result.method), level_of_all(result)
    context: dict[str, Any] = {
        "level": level,
        "several": len(names) > 1,
        "brief": brief(result, options) if len(result) else [],
        "noise_from": result.noise_from,
        "at_once": SHOWN_AT_ONCE,
        "scores_at_once": SCORES_AT_ONCE,
        "with_noise": bool(np.isfinite(result.std).any()),
        "with_truth": result.truth is not None and len(result) > 1,
        "with_passes": bool(result.passes.max(initial=1) > 1),
        "with_spread": result.spread is not None,
        "from_held_out": HOW_TO_KNOW,
    }
    sections: dict[str, str] = {}
    details: dict[str, str] = {}
    if len(result):
        context["least"] = entries_of(
            result, options.looks, result.widest(MOST_LISTED).tolist(), _PICTURES, level
        )
        is_ranked = not np.isnan(scatter(result.std, result.spread)).all()
        sections["least"] = "The least certain" if is_ranked else f"The first {result.kind}s"
        if len(result) == 1:
            sections["least"] = f"The {result.kind}"
        if len(positions := farthest(result)):
            context["farthest"] = entries_of(
                result, options.looks, positions.tolist(), _PICTURES, level, farthest=True
            )
            sections["farthest"] = "Answers the farthest off"
        if len(names) > 1:
            context |= {"table": _targets_table(result), "first_name": names[0], "numbers": len(names)}
            sections["targets"] = "Number by number"
        elif len(result) > 1:
            between, levels = words["between"], _levels_table(result)
            sections["intervals"] = "The predictions"
            if context["with_noise"]:
                sections["intervals"] = (
                    "Where answers lie" if result.spread is None else f"Where answers and {between} lie"
                )
            elif "networks" in rows_to_draw(result):
                sections["intervals"] = f"Where {between} lie"
            if levels is not None:
                context |= {"levels": levels, "coverage": coverage_in_words(result)}
                sections["trust"] = "Can the intervals be trusted?"
        context["pictures"] = drawn(PICTURES, sections, result)
        context["scores"] = scores_of(result)
        if context["scores"] is not None:
            sections["scores"] = "Scores"
        if context["with_passes"]:
            context |= {"passes": _passes_and_errors(result), "passes_words": passes_in_words(result)}
            details["passes"] = "Passes and their error"
    details["reading"] = "How to read this page"
    return whole("regression/page.html.j2", result, options, sections, details, **context)


def brief(result: RegressionCertainty, options: PageOptions) -> list[Point]:
    """The first questions of a reader about N ≥ 1 rows, and the answers."""
    return [
        _what_to_check(result),
        _whether_to_trust(result),
        method_point(result, options.comparison, "truer intervals"),
        _meaning_of_margin(result),
    ]


def _what_to_check(result: RegressionCertainty) -> Point:
    rows = len(result)
    if rows == 1:
        return Point("What to check first", f"There is one {result.kind}.", link=("least", "See it"))
    sentence = f"The {result.kind}s with the widest intervals. {strange_in_words(result)}"
    if np.isnan(scatter(result.std, result.spread)).all():
        sentence = (
            f"Nothing tells which {result.kind}s are less certain than others. {strange_in_words(result)}"
        )
    return Point("What to check first", sentence.rstrip(), link=("least", "See them"))


def _whether_to_trust(result: RegressionCertainty) -> Point:
    question, names = "Can the intervals be trusted?", result.target_names
    if np.isnan(result.std).all():
        sentence = "There are none for new answers: nothing says how far an answer scatters around its mean. "
        return Point(question, f"{sentence}{HOW_TO_KNOW}")
    if result.truth is None:
        return Point(
            question,
            "Nobody has checked these intervals: the true answers were not given. With them, this page says "
            "how many lie in their intervals.",
        )
    if len(names) == 1:
        link = ("trust", "Level by level")
        return Point(question, coverage_in_words(result), link=link)
    verdicts = [verdict_of(levels) for k in range(len(names)) if (levels := levels_of(result, k))]
    off = sum(bool(verdict) for verdict in verdicts)
    numbers = counted(len(verdicts), "number")
    sentence = (
        f"The intervals of {off:,} of {numbers} are too narrow, or wider than they need be, by more than "
    )
    sentence += "chance allows."
    if not off:
        sentence = f"The intervals of {numbers} hold as many true answers as they should, but for chance."
    return Point(question, sentence, link=("targets", "Number by number"))


def _meaning_of_margin(result: RegressionCertainty) -> Point:
    of_networks = ""
    if result.spread is not None:
        of_networks = (
            f"The spread between {words_of(result.method)['between']} is another number; more passes "
        )
        of_networks += "do not make it smaller."
    return margin_point(result.method, result.mc_error, "number", of_networks, "where a new answer lies")


def _levels_table(result: RegressionCertainty) -> ViewTable | None:
    cells = [
        [
            f"{rate(level.level, 0)} of answers",
            f"{share_of(level.found)} ({interval_of(level.found)})",
            f"{level.found.total:,}",
            f"±\u00a0{significant(level.half, 2)}",
            ("within chance", "wider than need be", "too narrow")[level.off],
        ]
        for level in levels_of(result, 0)
    ]
    head = ["Intervals for", "contain", f"{upper(result.kind)}s", "Width", "Intervals are"]
    asides = {1: f"95{UNIT} interval", 3: "median"}
    table = ViewTable("Intervals and true answers", head, cells, numeric=(1, 2, 3), asides=asides)
    return table if cells else None


def _targets_table(result: RegressionCertainty) -> ViewTable:
    """Target by target: medians over the rows, and how many true answers lie in their 95 % intervals."""
    targets = range(min(len(result.target_names), MOST_IN_TABLE))
    with_noise = bool(np.isfinite(result.std).any())
    columns: dict[tuple[str, str], list[str]] = {("Number", ""): [result.target_names[k] for k in targets]}
    if with_noise:
        columns[f"95{UNIT} of answers", ""] = [half_width(result, k) for k in targets]
    if result.spread is not None:
        between = f"between {words_of(result.method)['between']}"
        columns["Spread", between] = [median(result.spread[:, k], two_digits) for k in targets]
        if with_noise:
            shares = disagreement(result.spread, result.noise)
            columns["Disagreement", "of the variance"] = [median(shares[:, k], rate) for k in targets]
    levels = [levels_of(result, k) for k in targets]
    if levels[0]:
        last = [of_target[-1].found if of_target else None for of_target in levels]
        columns[f"95{UNIT} intervals contain", f"95{UNIT} interval"] = [
            UNKNOWN if share is None else f"{share_of(share)} ({interval_of(share)})" for share in last
        ]
        columns["Intervals are", ""] = [
            verdict_of(of_target) or "within chance" if of_target else UNKNOWN for of_target in levels
        ]
    head = [name for name, _ in columns]
    numeric = [place for place, name in enumerate(head) if name not in ("Number", "Intervals are")]
    asides = {place: aside for place, (_, aside) in enumerate(columns) if aside}
    return ViewTable("Numbers", head, list(zip(*columns.values(), strict=True)), numeric, asides)


def _passes_and_errors(result: RegressionCertainty) -> dict[str, Any]:
    width = scatter(result.std, result.spread)
    shares = np.divide(result.mc_error, width, out=np.full_like(width, np.nan), where=width > 0)
    known_shares = shares[np.isfinite(shares)]
    return {
        "least": int(result.passes.min()),
        "median": float(np.median(result.passes)),
        "most": int(result.passes.max()),
        "error": float(np.median(known_shares)) if len(known_shares) else None,
        "error_largest": float(known_shares.max()) if len(known_shares) else None,
    }


# --- cards of rows ------------------------------------------------------------------------------------


MOST_LISTED = 24
"""Rows of one list."""

MOST_FARTHEST = 12


@dataclass(frozen=True)
class ListEntry:
    """One row of a list.

    Attributes:
        row: The row.
        look: Its picture or values.
        target: Name of the number that is shown.
        number: The prediction.
        answers: Interval of 95 % of answers; a dash if unknown.
        networks: Interval of most networks; a dash if unknown.
        share: Share of the variance that is disagreement; a dash where unknown.
        truth: The true answer, or None.
        outside: Whether it lies outside its interval.
        off: How many of its standard deviations it is off, in words; empty if unknown.
        strange: Whether the row is unfamiliar.
    """

    row: NumbersRow
    look: Look
    target: str
    number: str
    answers: str
    networks: str
    share: str
    truth: str | None
    outside: bool
    off: str
    strange: bool


def off_by(result: RegressionCertainty) -> Floats:
    """(N, K) size of errors in standard deviations of a new answer; −1 where unknown, ∞ where that is 0."""
    assert result.truth is not None
    size = np.abs(result.truth - result.mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.where(size == 0, 0.0 * result.std, size / result.std)
    return np.nan_to_num(off, nan=-1.0, posinf=np.inf)


def farthest(result: RegressionCertainty) -> Integers:
    """Positions of the rows with answers outside their 95 % intervals, the farthest first and at most 12."""
    if result.truth is None or np.isnan(result.std).all():
        return np.empty(0, dtype=np.int64)
    off = off_by(result).max(axis=1)
    order = np.argsort(-off, kind="stable")[:MOST_FARTHEST]
    return np.asarray(order[off[order] > 1.96], dtype=np.int64)


def entries_of(
    result: RegressionCertainty,
    looks: Looks,
    positions: Sequence[int],
    budget: int,
    level: float,
    *,
    farthest: bool = False,
) -> list[ListEntry]:
    """Rows at some positions as they are listed; of several numbers the least certain, or farthest off.

    Args:
        result: The result that is reported.
        looks: Pictures or values of the rows.
        positions: Positions of the rows, in their order.
        budget: Most characters that the pictures may take together.
        level: Share of networks in their intervals.
        farthest: Whether to show the number that is the farthest off.
    """
    off = None if result.truth is None else off_by(result)
    by = off if farthest and off is not None else relative_width(result.std, result.spread)
    targets = np.argmax(by[positions], axis=1).tolist()
    rows = [result[int(position)] for position in positions]
    shown_looks = looks.of(positions, budget)
    strange = result.unfamiliar
    entries = []
    for position, row, k, look in zip(positions, rows, targets, shown_looks, strict=True):
        texts = written_of(row, k, level)
        spread = np.nan if row.spread is None else row.spread[k]
        share = float(disagreement(spread, row.noise[k]))
        away = np.nan if off is None else float(off[position, k])
        entries.append(
            ListEntry(
                row=row,
                look=look,
                target=result.target_names[k],
                number=texts.number,
                answers=UNKNOWN if texts.answers is None else digits.to(texts.answers),
                networks=_networks_text(row, k) if texts.networks is None else digits.to(texts.networks),
                share=rate(share, 0) if np.isfinite(share) else UNKNOWN,
                truth=texts.truth,
                outside=bool(away > 1.96),
                off=significant(away, 2) if away >= 0 else "",
                strange=bool(strange[position]),
            )
        )
    return entries


def _networks_text(row: NumbersRow, k: int) -> str:
    is_known = row.spread is not None and np.isfinite(row.spread[k])
    return f"s.d. {significant(float(row.spread[k]), 2)}" if is_known else UNKNOWN  # type: ignore[index]
