"""The page of a `RegressionCertainty`: which rows to check, where answers lie, and whether that holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from howsure import digits
from howsure.digits import significant
from howsure.report.drawing import Pictures, drawn
from howsure.report.figures import interval_of, share_of
from howsure.report.notebook import Cell, TableColumn, TextColumn, ViewTable
from howsure.report.page import PageOptions, scores_of, whole
from howsure.sampling.outcome import Floats, Integers
from howsure.tasks.classification.page import Point, margin_point, method_point
from howsure.tasks.printed import handed_over_in_words
from howsure.tasks.regression.doubt import disagreement, relative_width, scatter
from howsure.tasks.regression.drawings import (
    UNKNOWN,
    draw_by_prediction,
    draw_calibration,
    half_width,
    level_of_all,
    median,
    of_answers,
    rows_to_draw,
    two_digits,
)
from howsure.tasks.regression.printed import (
    answers_of,
    coverage_in_words,
    is_symmetric,
    levels_of,
    passes_in_words,
    strange_in_words,
    verdict_of,
)
from howsure.tasks.regression.quantiles import width_of
from howsure.tasks.regression.result import FROM_HELD_OUT, RegressionCertainty
from howsure.tasks.regression.sentence import NumbersRow, written_of
from howsure.tasks.sentences import words_of
from howsure.words import UNIT, counted, rate, upper

MOST_IN_TABLE = 60
"""Targets, or scores, in a table."""

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
        "with_noise": bool(np.isfinite(answers_of(result)).any()),
        "of_answers": of_answers(result),
        "symmetric": is_symmetric(result),
        "with_truth": result.truth is not None and len(result) > 1,
        "with_passes": bool(result.passes.max(initial=1) > 1),
        "with_spread": result.spread is not None,
        "from_held_out": HOW_TO_KNOW,
    }
    sections: dict[str, str] = {}
    details: dict[str, str] = {}
    if len(result):
        is_ranked = not np.isnan(scatter(answers_of(result)[..., 0], result.spread)).all()
        sections["least"] = "The least certain" if is_ranked else f"The first {result.kind}s"
        if len(result) == 1:
            sections["least"] = f"The {result.kind}"
        context["least"] = _rows_table(result, options, result.widest(MOST_LISTED), sections["least"])
        if len(positions := farthest(result)):
            sections["farthest"] = "Answers the farthest off"
            context["farthest"] = _rows_table(result, options, positions, sections["farthest"], farthest=True)
        if len(names) > 1:
            context |= {"table": _targets_table(result), "first_name": names[0], "numbers": len(names)}
            sections["targets"] = "Number by number"
        elif len(result) > 1:
            between = words["between"]
            sections["intervals"] = "The predictions"
            if context["with_noise"]:
                sections["intervals"] = (
                    "Where answers lie" if result.spread is None else f"Where answers and {between} lie"
                )
            elif "networks" in rows_to_draw(result):
                sections["intervals"] = f"Where {between} lie"
            if levels_of(result, 0):
                context["coverage"] = coverage_in_words(result)
                sections["trust"] = "Can the intervals be trusted?"
        scores = scores_of(result)
        if scores is not None:
            context["scores"] = replace(scores, rows=scores.rows[:MOST_IN_TABLE])
            context["all_scores"] = len(scores.rows)
            sections["scores"] = "Scores"
        if context["with_passes"]:
            context |= {"passes": _passes_and_errors(result), "passes_words": passes_in_words(result)}
            details["passes"] = "Passes and their error"
        context["pictures"] = drawn(PICTURES, sections, result)
    details["reading"] = "How to read this page"
    off = "how far a number may be off"
    return whole("regression/page.html.j2", result, options, sections, details, off, **context)


def brief(result: RegressionCertainty, options: PageOptions) -> list[Point]:
    """The first questions of a reader about N ≥ 1 rows, and the answers."""
    return [
        _what_to_check(result),
        _whether_to_trust(result),
        method_point(result, options.comparison, "truer intervals" if is_symmetric(result) else ""),
        _meaning_of_margin(result),
    ]


def _what_to_check(result: RegressionCertainty) -> Point:
    rows = len(result)
    if rows == 1:
        return Point("What to check first", f"There is one {result.kind}.", link=("least", "See it"))
    sentence = f"The {result.kind}s with the widest intervals. {strange_in_words(result)}"
    if np.isnan(scatter(answers_of(result)[..., 0], result.spread)).all():
        sentence = (
            f"Nothing tells which {result.kind}s are less certain than others. {strange_in_words(result)}"
        )
    sentence = handed_over_in_words(result) or sentence
    return Point("What to check first", sentence.rstrip(), link=("least", "See them"))


def _whether_to_trust(result: RegressionCertainty) -> Point:
    question, names = "Can the intervals be trusted?", result.target_names
    if np.isnan(answers_of(result)).all():
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


def _targets_table(result: RegressionCertainty) -> ViewTable:
    """Target by target: medians over the rows, and how many true answers lie in their 95 % intervals."""
    targets = range(min(len(result.target_names), MOST_IN_TABLE))
    with_noise = bool(np.isfinite(answers_of(result)).any())
    columns = [TextColumn("Number", [result.target_names[k] for k in targets])]
    if with_noise:
        columns.append(TableColumn(of_answers(result), [half_width(result, k) for k in targets]))
    if result.spread is not None:
        between = f"between {words_of(result.method)['between']}"
        spreads = [median(result.spread[:, k], two_digits) for k in targets]
        columns.append(TableColumn("Spread", spreads, between))
        if np.isfinite(result.noise).any():
            shares = disagreement(result.spread, result.noise)
            medians = [median(shares[:, k], rate) for k in targets]
            columns.append(TableColumn("Disagreement", medians, "of the variance"))
    levels = [levels_of(result, k) for k in targets]
    if levels[0]:
        last = [of_target[-1].found if of_target else None for of_target in levels]
        held = [UNKNOWN if share is None else f"{share_of(share)} ({interval_of(share)})" for share in last]
        verdicts = [
            verdict_of(of_target) or "within chance" if of_target else UNKNOWN for of_target in levels
        ]
        columns += [
            TableColumn(f"{rate(levels[0][-1].level, 0)} intervals contain", held, f"95{UNIT} interval"),
            TextColumn("Intervals are", verdicts),
        ]
    return ViewTable.of("Numbers", columns)


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


def off_by(result: RegressionCertainty) -> Floats:
    """(N, K) size of errors in standard deviations of a new answer; −1 where unknown, ∞ where that is 0."""
    assert result.truth is not None
    size = np.abs(result.truth - result.mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.where(size == 0, 0.0 * result.std, size / result.std)
    return np.nan_to_num(off, nan=-1.0, posinf=np.inf)


def farthest(result: RegressionCertainty) -> Integers:
    """Positions of the rows with answers outside their 95 % intervals, the farthest first and at most 12."""
    if result.truth is None or np.isnan(result.std).all() or not is_symmetric(result):
        return np.empty(0, dtype=np.int64)
    off = off_by(result).max(axis=1)
    order = np.argsort(-off, kind="stable")[:MOST_FARTHEST]
    return np.asarray(order[off[order] > 1.96], dtype=np.int64)


def _rows_table(
    result: RegressionCertainty,
    options: PageOptions,
    positions: Integers,
    caption: str,
    *,
    farthest: bool = False,
) -> ViewTable:
    """Rows at some positions; of several numbers the least certain, or the one that is the farthest off.

    Args:
        result: The result that is reported.
        options: The arguments of the caller of `report`.
        positions: Positions of the rows, in their order.
        caption: Title of the table.
        farthest: Whether to show the number that is the farthest off, and how far that is.
    """
    level, between = level_of_all(result), words_of(result.method)["between"]
    off = None if result.truth is None else off_by(result)[positions]
    by = off if farthest and off is not None else relative_width(width_of(result), result.spread)[positions]
    numbers = np.argmax(by, axis=1)
    rows, looks = [result[at] for at in positions.tolist()], options.looks.of(positions.tolist(), _PICTURES)
    shown = [(row, k, written_of(row, k, level)) for row, k in zip(rows, numbers.tolist(), strict=True)]
    strange = result.unfamiliar[positions]
    called = [
        Cell(str(row.row), "unfamiliar" if is_strange else "")
        for row, is_strange in zip(rows, strange, strict=True)
    ]
    columns = [TableColumn(upper(options.kind), called)]
    if result.ids is not None:
        columns.append(TableColumn(result.id_name, [str(row.id) for row in rows], style="id"))
    pictures = [look.picture.shown(row.called) for look, row in zip(looks, rows, strict=True) if look.picture]
    if pictures:
        columns.append(TableColumn("Picture", pictures, style="small"))
    if len(result.target_names) > 1:
        names = [result.target_names[k] for k in numbers.tolist()]
        columns.append(TextColumn("Number", names))
    columns.append(TableColumn("Says", [texts.number for _, _, texts in shown]))
    if np.isfinite(answers_of(result)).any():
        answers = [UNKNOWN if texts.answers is None else digits.to(texts.answers) for _, _, texts in shown]
        columns.append(TableColumn(of_answers(result), answers))
    if result.spread is not None:
        networks = [
            _networks_text(row, k) if texts.networks is None else digits.to(texts.networks)
            for row, k, texts in shown
        ]
        columns.append(TableColumn(f"{rate(level, 0)} of {between}", networks))
        if np.isfinite(result.noise).any() and not farthest:
            shares = disagreement(result.spread, result.noise)[positions, numbers].tolist()
            in_words = [rate(share, 0) if np.isfinite(share) else UNKNOWN for share in shares]
            columns.append(TableColumn("Disagreement", in_words, "of the variance"))
    if off is not None and result.truth is not None:
        away = np.take_along_axis(off, numbers[:, None], axis=1)[:, 0].tolist()
        ends, truth = answers_of(result)[positions, numbers], result.truth[positions, numbers]
        is_outside = (truth < ends[:, 0]) | (truth > ends[:, 1])
        truths = [
            Cell(str(texts.truth), "outside" if outside and not farthest else "")
            for (_, _, texts), outside in zip(shown, is_outside, strict=True)
        ]
        columns.append(TableColumn("Truth", truths))
        if farthest:
            sizes = [significant(size, 2) if size >= 0 else "" for size in away]
            columns.append(TableColumn("Off by", sizes, "standard deviations"))
    if options.looks.columns:
        columns.append(TableColumn("Values", [look.values for look in looks], style="values"))
    return ViewTable.of(caption, columns)


def _networks_text(row: NumbersRow, k: int) -> str:
    is_known = row.spread is not None and np.isfinite(row.spread[k])
    return f"s.d. {significant(float(row.spread[k]), 2)}" if is_known else UNKNOWN  # type: ignore[index]
