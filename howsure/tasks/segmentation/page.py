"""The page of a `DenseCertainty`: which rows to check first, where, and whether doubt tells mistakes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from howsure.evaluation.score import value_and_interval
from howsure.report.drawing import Drawing, Pictures, bar, count_axis, drawn, number_axis
from howsure.report.figures import RiskCoverage
from howsure.report.notebook import TableColumn, TextColumn, ViewTable
from howsure.report.page import PageOptions, scores_of, whole
from howsure.report.templates import script
from howsure.sampling.outcome import Floats, Integers
from howsure.tasks.classification.drawings import draw_curve
from howsure.tasks.classification.page import Point, VerdictGroup, margin_point, method_point
from howsure.tasks.printed import handed_over_in_words
from howsure.tasks.segmentation.cards import MOST_CARDS, cards
from howsure.tasks.segmentation.drawings import (
    CIVIDIS,
    OKABE_ITO,
    OTHERS,
    ShownWords,
    colours_of,
    shown_of,
)
from howsure.tasks.segmentation.result import DenseCertainty
from howsure.tasks.segmentation.scores import share_of
from howsure.tasks.sentences import percent, words_of
from howsure.tasks.verdict import VERDICTS
from howsure.words import UNIT, counted, points, rate, upper

SHARES_AT_ONCE, SCORES_AT_ONCE = 8, 24
"""Classes of a row, and scores, that are shown before a reader asks for more."""

MOST_IN_TABLE = 60
"""Classes, or scores, in a table."""

LEAST_IN_HISTOGRAM = 5
"""Rows that a histogram of doubt takes; of fewer, the cards tell all."""


def page(result: DenseCertainty, options: PageOptions) -> str:
    """The part `page`: HTML of N rows. With zero rows it says so.

    Raises:
        InputError: The rows that are to be shown do not fit the maps.
    """
    name = result.position_name
    shown = shown_of(options.looks, result.positions) if len(result) else None
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
        "all_classes": len(result.class_names),
        "named": len(result.class_names) > len(OKABE_ITO),
        "brief": [],
    }
    sections: dict[str, str] = {}
    details: dict[str, str] = {}
    if len(result):
        counts, colours, order = counts_of(result), colours_of(result.share), result.most_undecided()
        top = float(max(np.nanmax(result.entropy[at]) for at in order[:MOST_CARDS].tolist())) or 1.0
        context |= {
            "brief": brief(result, counts, options, isinstance(shown, ShownWords)),
            "groups": groups_of(counts),
            "settled": rate(float(1 - result.unsettled.mean())),
            "cards": cards(result, shown, order[:MOST_CARDS].tolist(), colours, top),
            "legend": [line for line in zip(result.class_names, colours, strict=True) if line[1] != OTHERS],
            "others": colours.count(OTHERS),
            "others_colour": OTHERS,
            "scale": CIVIDIS,
            "scale_axis": number_axis(0.0, top),
            "even": float(np.log(2)),
            "classes": class_table(result, counts, colours),
            "averaged": averaged(result, options.background),
        }
        if shown is not None and len(result.positions) > 1:
            context["script"] = script()
        sections["worst"] = "Check these first" if len(result) > 1 else f"The {result.kind}"
        sections["classes"] = "Class by class"
        if counts.known.any() or len(result) >= LEAST_IN_HISTOGRAM:
            sections["doubt"] = "Does doubt tell mistakes?" if counts.known.any() else "How doubt is spread"
        scores = scores_of(result, background=options.background)
        if scores is not None:
            context["scores"] = replace(scores, rows=scores.rows[:MOST_IN_TABLE])
            context["all_scores"] = len(scores.rows)
            sections["scores"] = "Scores"
        details["made"] = "How this was made"
        context["pictures"] = drawn(PICTURES, sections, result, counts)
    details["reading"] = "How to read this page"
    off = "how far a mean Dice may be off"
    return whole("segmentation/page.html.j2", result, options, sections, details, off, **context)


def brief(
    result: DenseCertainty, counts: PositionCounts, options: PageOptions, with_words: bool
) -> list[Point]:
    """The first questions of a reader about N ≥ 1 rows, and the answers."""
    return [
        _what_to_check(result, with_words),
        _whether_to_trust(result, counts, options.background),
        method_point(result, options.comparison, "labels that are right more often"),
        _meaning_of_margin(result),
    ]


def _what_to_check(result: DenseCertainty, with_words: bool) -> Point:
    question, kind, name = "What to check first", result.kind, result.position_name
    link = ("worst", "See them" if len(result) > 1 else "See it")
    where = f"the {name}s with a wavy line" if with_words else f"the {name}s inside the outlines"
    if len(result) == 1:
        return Point(question, f"{upper(where)}: coin flips.", link=link)
    most = result.most_undecided(1).tolist()[0]
    doubt, usual = 100 * result.doubt[most], 100 * np.median(result.doubt)
    first = handed_over_in_words(result) or (
        f"{upper(result[most].called)}: its doubt is the largest, {doubt:.0f} %; "
        f"the median {kind} has {usual:.0f} %."
    )
    sentence = f"{first} In each {kind}, look at {where}: there the model is flipping a coin."
    return Point(question, sentence, link=link)


def averaged(result: DenseCertainty, background: int | None) -> str:
    """The classes in means over classes, in words."""
    names = result.class_names
    return f"all {len(names)} classes" if background is None else f"the classes but '{names[background]}'"


def _whether_to_trust(result: DenseCertainty, counts: PositionCounts, background: int | None) -> Point:
    question, name = "Can the labels be trusted?", result.position_name
    if not counts.known.any():
        return Point(
            question,
            "Nobody has checked these labels: the true classes were not given. With them, this page says how "
            f"many {name}s are right.",
        )
    right, interval = share_over_rows(counts.right.sum(axis=1), counts.known.sum(axis=1))
    sentence = f"{right} of the {name}s are right"
    if interval:
        sentence += f" (95{UNIT} interval over {result.kind}s {interval})"
    if counts.known[:, 0].any():
        sure, within = share_over_rows(counts.right[:, 0], counts.known[:, 0])
        sentence += f". Where it is sure, {sure} are{f' ({within})' if within else ''}"
    dice = counts.dice if background is None else np.delete(counts.dice, background)
    if np.isfinite(dice).any():
        sentence += f". The mean Dice of {averaged(result, background)} is {np.nanmean(dice):.2f}"
    return Point(question, f"{sentence}.", link=("doubt", f"{name.capitalize()}s by certainty"))


def _meaning_of_margin(result: DenseCertainty) -> Point:
    of_networks = ""
    if np.isfinite(result.share_interval()).any():
        of_networks = f"About nine in ten {words_of(result.method)['between']} give a share in the interval "
        of_networks += "beside it; more passes do not narrow it."
    return margin_point(result.method, result.share_error, "share", of_networks)


# --- an overview --------------------------------------------------------------------------------------


_LEAST_DOUBT = 1e-6
"""The least 1 − probability that the curve of kept positions tells from 0; single precision ends at 6e-8."""

_STEPS = 400
"""Thresholds of that curve."""

_BINS = 20
"""Bars of a histogram."""

_LEAST_SPREAD = 5e-5
"""The least that does not round to 0.00 points."""


@dataclass(frozen=True)
class PositionCounts:
    """Positions of N rows.

    Attributes:
        of_verdict: (N, 3) positions with each verdict, in the order of `VERDICTS`.
        known: (N, 3) of these, those whose true class is known; all 0 without labels.
        right: (N, 3) of those, the right ones.
        labelled: (K,) positions with each label.
        flips: (K,) of these, coin flips.
        truly: (K,) positions truly of each class.
        dice: (K,) Dice of each class over all positions whose true class is known; NaN of a class that is not
            among them, neither true nor as the label.
        least: (B,) probabilities, rising: thresholds of the positions that are kept.
        kept: (B + 1, 2) positions below the first threshold, from it on, from the next one on, …: those whose
            true class is known, and of these the wrong ones.
    """

    of_verdict: Integers
    known: Integers
    right: Integers
    labelled: Integers
    flips: Integers
    truly: Integers
    dice: Floats
    least: Floats
    kept: Integers


def counts_of(result: DenseCertainty) -> PositionCounts:
    """Count the positions of all rows; memory holds the maps of one."""
    rows, classes, sure = len(result), len(result.class_names), result.thresholds.sure
    of_rows = np.zeros((3, rows, 3), dtype=np.int64)
    labelled, flips, truly, labelled_known, hits = np.zeros((5, classes), dtype=np.int64)
    least = np.unique(np.append(1 - np.geomspace(_LEAST_DOUBT, 1, _STEPS), sure).astype(np.float32))
    kept = np.zeros((len(least) + 1, 2), dtype=np.int64)
    for at in range(rows):
        part = result[at : at + 1]
        label, flip, verdict = np.asarray(part.label[0]), part.is_coin_flip[0], part.verdict_number[0]
        of_rows[0, at] = np.bincount(verdict[label >= 0], minlength=3)
        labelled += np.bincount(label[label >= 0], minlength=classes)
        flips += np.bincount(label[flip], minlength=classes)
        if part.truth is None:
            continue
        truth = np.asarray(part.truth[0])
        is_known = truth >= 0
        wrong = label[is_known] != truth[is_known]
        of_rows[1, at] = np.bincount(verdict[is_known], minlength=3)
        of_rows[2, at] = np.bincount(verdict[is_known][~wrong], minlength=3)
        truly += np.bincount(truth[is_known], minlength=classes)
        labelled_known += np.bincount(label[is_known], minlength=classes)
        hits += np.bincount(truth[is_known][~wrong], minlength=classes)
        place = np.searchsorted(least, np.asarray(part.probability[0], np.float32)[is_known], side="right")
        kept[:, 0] += np.bincount(place, minlength=len(kept))
        kept[:, 1] += np.bincount(place[wrong], minlength=len(kept))
    with np.errstate(invalid="ignore"):
        dice = 2 * hits / (truly + labelled_known)
    return PositionCounts(
        of_rows[0], of_rows[1], of_rows[2], labelled, flips, truly, dice, least.astype(np.float64), kept
    )


def curve_of(counts: PositionCounts) -> RiskCoverage:
    """The risk-coverage curve of the positions whose true class is known, at least one."""
    kept, wrong = counts.kept[::-1].cumsum(axis=0).T
    least = np.append(counts.least[::-1], 0.0)
    new = np.diff(kept, prepend=0) > 0
    return RiskCoverage(kept[new], wrong[new], least[new])


def draw_doubt(result: DenseCertainty, counts: PositionCounts) -> Drawing | None:
    """A histogram of the doubt of rows, from 0 on; None of few."""
    del counts
    kind, rows = result.kind, len(result)
    if rows < LEAST_IN_HISTOGRAM:
        return None
    top = float(result.doubt.max()) or 1.0
    numbers, edges = np.histogram(result.doubt, bins=_BINS, range=(0.0, top))
    across, up = number_axis(0.0, top), count_axis(numbers.tolist())
    marks, description = [], ""
    for number, low, high in zip(numbers.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if number:
            left = across.place(low)
            marks.append(bar("area is-sure", left, across.place(high) - left, up.place(number)))
            description += f"{low:.2f} to {high:.2f}: {number:,}. "
    return Drawing(
        id="histogram",
        title="Histogram of doubt",
        description=description,
        heading=f"Doubt of {counted(rows, kind)}",
        text=f"The doubt of each {kind}. Those on the right are the ones to check first.",
        across=(across, "Doubt, 0 to 1"),
        up=(up, upper(f"{kind}s")),
        marks=marks,
        note=up.note,
    )


def draw_risk(result: DenseCertainty, counts: PositionCounts) -> Drawing | None:
    """The risk-coverage curve of positions; None where no true class is known."""
    if not counts.known.any():
        return None
    positions = f"{result.position_name}s"
    return draw_curve(
        curve_of(counts),
        int(counts.known[:, 0].sum()),
        heading=f"What if the unsure {positions} are set aside?",
        text=f"Mistakes among the {positions} that are kept, by how certain these are. The further the curve "
        "falls below the dashed line, the more mistakes doubt finds.",
        kept=f"Share of {positions} kept, the most certain first",
        note="If doubt told nothing, the curve would stay on the dashed line.",
        are_independent=False,
    )


PICTURES: Pictures = {"doubt": (draw_doubt, draw_risk)}
"""By section, the functions that draw its pictures."""


def groups_of(counts: PositionCounts) -> list[VerdictGroup]:
    """The positions by verdict."""
    total, before, groups = int(counts.of_verdict.sum()), 0, []
    for number, word in enumerate(VERDICTS):
        count = int(counts.of_verdict[:, number].sum())
        right, interval = "", ""
        if counts.known.any():
            right, interval = share_over_rows(counts.right[:, number], counts.known[:, number])
        groups.append(VerdictGroup(word, count, count / total, 100 * before / total, right, interval))
        before += count
    return groups


def share_over_rows(some: Integers, all_of_them: Integers) -> tuple[str, str]:
    """A share of positions and its 95 % interval over rows (N,), in words, as `evaluate` has them.

    Returns:
        The share, a dash of nothing; the interval, empty with fewer than five rows that have such positions,
        or where all, or none, are among the `some`.
    """
    score = share_of(some.astype(np.float64), all_of_them.astype(np.float64)).score(0.95)
    if not np.isfinite(score.low):
        return rate(score.value) if np.isfinite(score.value) else "–", ""
    share, interval = value_and_interval(score, per_cent=True)
    return f"{share}{UNIT}", f"{interval}{UNIT}"


def class_table(result: DenseCertainty, counts: PositionCounts, colours: tuple[str, ...]) -> ViewTable:
    """Class by class, the largest share first; with the share and the Dice of the truth where it is given.

    Errors of rows need not be independent, as the same networks see all of them, so the error of a mean is
    bounded by the mean of the errors.
    """
    share, error = result.share.mean(axis=0), result.share_error.mean(axis=0)
    order, truly = np.argsort(-share, kind="stable")[:MOST_IN_TABLE].tolist(), int(counts.truly.sum())
    spread, overlap = (
        [_mean_of_known(values[:, k]) for k in order] for values in (result.share_spread, result.overlap)
    )
    shares = [percent(float(share[k]), float(error[k])).replace(" %", UNIT) for k in order]
    columns = [
        TextColumn("Class", [result.class_names[k] for k in order]),
        TableColumn("Share", shares),
    ]
    if result.truth is not None:
        columns += [
            TableColumn("Truth", [rate(int(counts.truly[k]) / truly) if truly else "–" for k in order]),
            TableColumn("Dice", [_two_digits(counts.dice[k]) for k in order], "with the truth"),
        ]
    pairs = [(int(counts.flips[k]), int(counts.labelled[k])) for k in order]
    columns += [
        TableColumn(
            "Spread", list(map(_spread_text, spread)), f"between {words_of(result.method)['between']}"
        ),
        TableColumn("Overlap", list(map(_two_digits, overlap)), "Dice"),
        TableColumn(
            "Coin flips",
            [rate(flips / labelled) if labelled else "–" for flips, labelled in pairs],
            f"of its {result.position_name}s",
        ),
    ]
    return ViewTable.of("Classes", columns, colours=[colours[k] for k in order])


def _two_digits(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "–"


def _spread_text(spread: float) -> str:
    if not np.isfinite(spread):
        return "–"
    return points(spread) if spread >= _LEAST_SPREAD or spread == 0 else "< 0.01\u00a0points"


def _mean_of_known(values: Floats) -> float:
    known_values = values[np.isfinite(values)]
    return float(known_values.mean()) if known_values.size else float("nan")
