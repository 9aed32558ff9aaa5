"""The pictures of a page about classes: whether percentages come true, and whether they tell mistakes."""

from __future__ import annotations

import numpy as np

from howsure.report.drawing import Drawing, dot, line, odds_axis, paths, share_axis, word
from howsure.report.figures import (
    RiskCoverage,
    beside,
    differs_from_claim,
    interval_of,
    proportion,
    reliability,
    risk_coverage,
    share_of,
)
from howsure.report.notebook import ViewTable
from howsure.tasks.classification.result import Certainty
from howsure.tasks.classification.words import risk_in_words
from howsure.tasks.verdict import SURE
from howsure.words import rate, upper

_MOST_POINTS = 400
OFF_WORDS = ("within chance", "too modest", "too sure")
"""Whether percentages differ from shares of right answers, by what `differs_from_claim` gives."""

_COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)


def draw_reliability(certainty: Certainty) -> Drawing:
    """The reliability diagram; in log-odds where most groups lie above 95 %."""
    groups = reliability(certainty.probability, certainty.label == certainty.truth)
    lowest = min(float(groups.confidence[0]), min(group.low for group in groups.right))
    if np.median(groups.confidence) > 0.95:
        low = next((end for end in (0.9, 0.5) if end <= lowest), 0.1)
        high = float(np.quantile(groups.confidence, 0.75))
        axis = odds_axis(low, next((end for end in (0.99, 0.999) if end >= high), 0.9999))
    else:
        axis = share_axis(np.floor(10 * lowest) / 10 if lowest < 0.9 else 0.8, 1.0)
    marks, cells, description = [line("diagonal", (0, 0), (100, 100))], [], ""
    for claim, right in zip(groups.confidence.tolist(), groups.right, strict=True):
        x, share, interval = axis.place(claim), share_of(right), interval_of(right)
        marks.append(line("span", (x, axis.place(right.low)), (x, axis.place(right.high))))
        marks.append(dot(x, axis.place(right.share)))
        off = OFF_WORDS[differs_from_claim(claim, right, among=len(groups.right))]
        cells.append([rate(claim, 2), share, interval, f"{right.total:,}", off])
        description += f"Claims {beside(claim, right)}, right {share} ({interval}). "
    head = ["Claimed", "Right", "95 % interval", f"{upper(certainty.kind)}s", "Percentages"]
    return Drawing(
        id="reliability",
        title="Reliability diagram",
        description=description,
        heading="Do they come true?",
        text=f"Each dot is a group of {certainty.kind}s of like certainty. On the dashed diagonal, claims "
        "come true; below it, the model is too sure.",
        across=(axis, "Probability the model claims"),
        up=(axis, "Share that is right"),
        marks=marks,
        note="All groups are about equally large. The line through a dot is a 95 % interval, and about one "
        f"in twenty misses by chance. {axis.note}",
        numbers=ViewTable("Reliability as a table", head, cells, numeric=range(4)),
        is_square=True,
    )


def draw_risk_coverage(certainty: Certainty) -> Drawing:
    """The risk-coverage curve of rows."""
    is_sure, is_wrong = certainty.verdict == SURE, certainty.label != certainty.truth
    curve = risk_coverage(certainty.probability, ~is_wrong)
    sure, text = int(is_sure.sum()), risk_in_words(curve, certainty)
    if sure and not np.any(is_sure & is_wrong):
        text += (
            f" It is right on all {sure:,} it is sure of; the 95 % interval of wrong ones among such is "
            f"{interval_of(proportion(0, sure))}."
        )
    return draw_curve(
        curve,
        sure,
        heading="What if the unsure ones are set aside?",
        text=text,
        kept="Share kept, the most certain first",
        note="Read from right to left: the further the curve falls below the dashed line, the more mistakes "
        f"go with the {certainty.kind}s that are set aside. If certainty said nothing, it would stay on that "
        "line.",
    )


def draw_curve(
    curve: RiskCoverage,
    sure: int,
    *,
    heading: str,
    text: str,
    kept: str,
    note: str,
    are_independent: bool = True,
) -> Drawing:
    """A risk-coverage curve, with at most 400 of its points.

    Args:
        curve: The numbers.
        sure: How many rows, or positions, the model is sure of.
        heading: As of the `Drawing`, and so are `text` and `note`.
        text: See there.
        kept: Title of the axis of the share kept.
        note: See there.
        are_independent: Whether shares have exact intervals.
    """
    coverage, risk = curve.coverage, curve.risk
    # The first few rows alone would set the scale: one wrong answer among them is a risk of a half.
    top = float(max(risk[coverage >= min(0.1, coverage[-1])].max(), risk[-1]))
    end = int(np.searchsorted(curve.kept, sure))
    # Nearly all mistakes may be among the last rows; all the rows it is not sure of are shown.
    rises = coverage[np.flatnonzero(risk > 0.1 * risk[-1])]
    first = min(float(rises[0]), float(coverage[end])) if len(rises) else 0.0
    begin = next((begin for begin in (0.9, 0.8, 0.5) if begin < first), 0.0)
    across, up = share_axis(begin, 1.0), share_axis(0.0, 1.1 * top if top else 0.05)
    visible = np.flatnonzero(coverage >= begin)
    chosen = visible[np.unique(np.linspace(0, len(visible) - 1, _MOST_POINTS).round().astype(np.int64))]
    steps = [f"{across.place(coverage[i]):.2f} {100 - up.place(risk[i]):.2f}" for i in chosen]
    marks = [line("diagonal", (0, up.place(risk[-1])), (100, up.place(risk[-1])))]
    marks.append(paths({"curve": "M" + "L".join(steps)}))
    if begin:
        note += f" The horizontal axis begins at {100 * begin:.0f}\u00a0%."
    if 0 < sure < curve.kept[-1]:
        x = across.place(coverage[end])
        marks += [line("threshold", (x, 100), (x, 0)), dot(x, up.place(risk[end])), word("sure", x)]
        note += " The dot keeps those the model is sure of."
    head, cells, description = ["Kept", "From probability", "Wrong"], [], ""
    for point in dict.fromkeys(curve.at(wanted) for wanted in _COVERAGES):
        wrong = proportion(int(curve.wrong[point]), int(curve.kept[point]))
        share = share_of(wrong) if are_independent else rate(wrong.share)
        cells.append([rate(float(coverage[point])), rate(float(curve.least[point]), 2), share])
        cells[-1] += [interval_of(wrong)] if are_independent else []
        description += f"Keeping {cells[-1][0]}: {share} wrong. "
    head += ["95 % interval"] if are_independent else []
    caption = "Risk and coverage as a table" if are_independent else "Kept and wrong as a table"
    return Drawing(
        id="risk",
        title="Risk-coverage curve",
        description=description,
        heading=heading,
        text=text,
        across=(across, kept),
        up=(up, "Wrong among those kept"),
        marks=marks,
        note=note,
        numbers=ViewTable(caption, head, cells, numeric=range(len(head))),
        is_square=True,
    )
