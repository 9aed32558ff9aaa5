"""Figures in per cent of their own width and height, so that the page can stretch them and not their text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from howsure.report.axes import TickedAxis, odds_axis, share_axis
from howsure.report.figures import (
    Proportion,
    Reliability,
    RiskCoverage,
    proportion,
    reliability,
    risk_coverage,
)
from howsure.tasks.classification.result import Certainty
from howsure.tasks.verdict import SURE

_MOST_POINTS = 400
_COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)


@dataclass(frozen=True)
class ReliabilityPoint:
    """One group of the reliability diagram, in per cent of the drawing and in numbers."""

    across: float
    up: float
    low: float
    high: float
    claim: float
    right: Proportion


@dataclass(frozen=True)
class ReliabilityDrawing:
    """The reliability diagram; both axes are `axis`."""

    points: tuple[ReliabilityPoint, ...]
    axis: TickedAxis
    found: Reliability
    overall: Proportion


def draw_reliability(certainty: Certainty) -> ReliabilityDrawing:
    """Lay out the reliability diagram; in log-odds where most groups lie above 95 %."""
    correct = certainty.label == certainty.truth
    groups = reliability(certainty.probability, correct)
    lowest = min(float(groups.confidence[0]), min(group.low for group in groups.right))
    if np.median(groups.confidence) > 0.95:
        low = next((end for end in (0.9, 0.5) if end <= lowest), 0.1)
        high = float(np.quantile(groups.confidence, 0.75))
        axis = odds_axis(low, next((end for end in (0.99, 0.999) if end >= high), 0.9999))
    else:
        axis = share_axis(np.floor(10 * lowest) / 10 if lowest < 0.9 else 0.8, 1.0)
    points = tuple(
        ReliabilityPoint(
            axis.place(claim),
            axis.place(right.share),
            axis.place(right.low),
            axis.place(right.high),
            float(claim),
            right,
        )
        for claim, right in zip(groups.confidence, groups.right, strict=True)
    )
    return ReliabilityDrawing(points, axis, groups, proportion(int(correct.sum()), len(correct)))


@dataclass(frozen=True)
class RiskDrawing:
    """The risk-coverage curve.

    Attributes:
        path: Path data in a square of 100 × 100.
        across: Axis of the share kept.
        up: Axis of the share wrong among those kept.
        overall: Height of the share wrong among all rows.
        sure: Place of the rows the model is sure of, (across, up), or None if it is sure of all or none.
        curve: The numbers.
        table: At some shares kept: the share, the least top probability, and the wrong among the kept.
    """

    path: str
    across: TickedAxis
    up: TickedAxis
    overall: float
    sure: tuple[float, float] | None
    curve: RiskCoverage
    table: tuple[tuple[float, float, Proportion], ...]


def draw_risk_coverage(certainty: Certainty) -> RiskDrawing:
    """Lay out the risk-coverage curve, with at most 400 of its points."""
    curve = risk_coverage(certainty.probability, certainty.label == certainty.truth)
    return draw_curve(curve, int(np.sum(certainty.verdict == SURE)))


def draw_curve(curve: RiskCoverage, sure: int) -> RiskDrawing:
    """Lay out a risk-coverage curve of which `sure` are sure, with at most 400 of its points."""
    coverage, risk = curve.coverage, curve.risk
    # The first few rows alone would set the scale: one wrong answer among them is a risk of a half.
    top = float(max(risk[coverage >= min(0.1, coverage[-1])].max(), risk[-1]))
    end = int(np.searchsorted(curve.kept, sure))
    # Nearly all mistakes may be among the last rows; all the rows it is not sure of are shown.
    rises = coverage[np.flatnonzero(risk > 0.1 * risk[-1])]
    first = min(float(rises[0]), float(coverage[end])) if len(rises) else 0.0
    begin = next((begin for begin in (0.9, 0.8, 0.5) if begin < first), 0.0)
    note = f"The horizontal axis begins at {100 * begin:.0f}\u00a0%." if begin else ""
    across, up = share_axis(begin, 1.0, note), share_axis(0.0, 1.1 * top if top else 0.05)
    visible = np.flatnonzero(coverage >= begin)
    chosen = visible[np.unique(np.linspace(0, len(visible) - 1, _MOST_POINTS).round().astype(np.int64))]
    steps = [f"{across.place(coverage[i]):.2f} {100 - up.place(risk[i]):.2f}" for i in chosen]
    return RiskDrawing(
        path="M" + "L".join(steps),
        across=across,
        up=up,
        overall=up.place(risk[-1]),
        sure=(across.place(coverage[end]), up.place(risk[end])) if 0 < sure < curve.kept[-1] else None,
        curve=curve,
        table=_risk_table(curve),
    )


def _risk_table(curve: RiskCoverage) -> tuple[tuple[float, float, Proportion], ...]:
    chosen = dict.fromkeys(curve.at(wanted) for wanted in _COVERAGES)
    return tuple(
        (
            float(curve.coverage[point]),
            float(curve.least[point]),
            proportion(int(curve.wrong[point]), int(curve.kept[point])),
        )
        for point in chosen
    )
