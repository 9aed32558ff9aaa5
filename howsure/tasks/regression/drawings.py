"""Figures of a page about numbers, laid out in per cent of their own width and height.

    plot_intervals_ordered      intervals of rows, in order of the prediction
    plot_calibration            shares of answers below their quantiles

These are the names that uncertainty-toolbox (Chung et al. 2021) gives such figures. Dots and bars are pieces
of one path, so that a hundred of them cost little. It draws an even part of many rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtrik, ndtr

from howsure.report.axes import TickedAxis, number_axis, share_axis
from howsure.sampling.outcome import Floats, Integers
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.regression.sentence import OF_NETWORKS, SHOWN

MOST_BARS = 120
"""Rows whose intervals are drawn side by side."""

LEVELS = np.arange(1, 20) / 20
"""Levels of the quantiles in the drawing of calibration."""

_OF_PLACE = 0.7
"""Width of a bar, of the place of its row."""

_PADDING = 0.04
"""Padding of an axis, on both sides of the drawing."""


@dataclass(frozen=True)
class Intervals:
    """Numbers of rows with both intervals, side by side.

    Attributes:
        answers: Path data of the intervals of new answers, in a square of 100 × 100; empty if unknown.
        networks: The same of the intervals between networks; empty if unknown.
        means: Path data of the predictions, a dot for each.
        truths: Path data of the true answers, a dot for each; empty if not given.
        across: Axis of the places of the rows.
        up: Axis of the numbers.
        drawn: How many rows are drawn.
        rows: How many rows there are.
        level: Share of networks in their intervals.
    """

    answers: str
    networks: str
    means: str
    truths: str
    across: TickedAxis
    up: TickedAxis
    drawn: int
    rows: int
    level: float


def level_of_all(result: RegressionCertainty) -> float:
    """Share of networks in the intervals of a page: 95 % where passes suffice in all rows, else 90 %."""
    if result.quantiles is None:
        return SHOWN
    counts_known = [np.isfinite(result.credible_interval(level)).sum() for level in OF_NETWORKS]
    return OF_NETWORKS[int(np.argmax(counts_known))]


def _rows_to_draw(result: RegressionCertainty) -> dict[str, Floats]:
    """By name what is known of one target: numbers (N,), and ends of intervals (N, 2)."""
    drawn = {"means": result.mean[:, 0]}
    if np.isfinite(result.std).any():
        known = np.isfinite(result.std[:, 0])
        drawn["answers"] = np.full((len(result), 2), np.nan)
        part = result if known.all() else result[np.flatnonzero(known)]
        drawn["answers"][known] = part.prediction_interval(SHOWN)[:, 0]
    if result.quantiles is not None:
        networks = result.credible_interval(level_of_all(result))[:, 0]
        drawn |= {"networks": networks} if np.isfinite(networks).any() else {}
    return drawn if result.truth is None else drawn | {"truths": result.truth[:, 0]}


def draw_by_prediction(result: RegressionCertainty) -> Intervals:
    """Intervals of the rows of one target, the smallest prediction first (`plot_intervals_ordered`)."""
    order = np.argsort(result.mean[:, 0], kind="stable")
    chosen = order[_thinned(np.arange(len(order)), MOST_BARS)]
    drawn = {name: values[chosen] for name, values in _rows_to_draw(result).items()}
    up = number_axis(*_ends_of(drawn.values()))
    at = (np.arange(len(chosen)) + 0.5) * 100 / len(chosen)
    return Intervals(
        answers=_bars_path(at, drawn["answers"], up) if "answers" in drawn else "",
        networks=_bars_path(at, drawn["networks"], up) if "networks" in drawn else "",
        means=_dots_path(at, drawn["means"], up),
        truths=_dots_path(at, drawn["truths"], up) if "truths" in drawn else "",
        across=TickedAxis(float, ((0.0, "1"), (100.0, f"{len(order):,}"))),
        up=up,
        drawn=len(chosen),
        rows=len(order),
        level=level_of_all(result),
    )


@dataclass(frozen=True)
class Calibration:
    """How many answers lie below their quantiles.

    Attributes:
        path: Path data of the observed shares, in a square of 100 × 100.
        chance: Path data of where 95 % of the shares of exact quantiles lie, level by level.
        axis: Both axes.
        table: Level of the quantile, observed share, and the two ends of chance.
    """

    path: str
    chance: str
    axis: TickedAxis
    table: tuple[tuple[float, float, float, float], ...]


def draw_calibration(result: RegressionCertainty) -> Calibration:
    """Shares of true answers below the quantiles of one target (`plot_calibration`; Kuleshov et al. 2018).

    The quantile at level p is mean + Φ⁻¹(p) · std. For exact ones the number of answers below is binomial.

    Args:
        result: Result of one target and N ≥ 1 rows with true answers and known `std`.
    """
    assert result.truth is not None
    rows = len(result)
    away, std = (result.truth - result.mean)[:, 0], result.std[:, 0]
    below = np.divide(
        away, std, out=np.where(away > 0, np.inf, np.where(away < 0, -np.inf, 0.0)), where=std > 0
    )
    shares = np.searchsorted(np.sort(ndtr(below)), LEVELS, side="right") / rows
    tails = ((1 - SHOWN) / 2, (1 + SHOWN) / 2)
    # The inverse is NaN where no answer below has more than the tail already.
    low, high = (np.ceil(np.nan_to_num(bdtrik(tail, rows, LEVELS))) / rows for tail in tails)
    axis = share_axis(0.0, 1.0)
    at = _places(axis, LEVELS)
    ends = np.stack([low, high], axis=-1)
    # From the corner to the corner, where every share of answers is known without looking.
    at_all = np.concatenate([[0.0], at, [100.0]])
    corners = np.concatenate([[[0.0, 0.0]], ends, [[1.0, 1.0]]])
    return Calibration(
        path=_line_path(at, shares, axis),
        chance=_band_path(at_all, corners, axis),
        axis=axis,
        table=tuple(zip(*(column.tolist() for column in (LEVELS, shares, low, high)), strict=True)),
    )


def _ends_of(values: Iterable[Floats]) -> tuple[float, float]:
    """Ends of an axis: of all values, or of 99 % of them where the others would take more than half of it."""
    together = np.concatenate([array.ravel() for array in values])
    together = together[np.isfinite(together)]
    low, high = float(together.min()), float(together.max())
    inner = np.quantile(together, [0.005, 0.995])
    if high - low > 2 * (inner[1] - inner[0]) > 0:
        low, high = inner.tolist()
    padding = _PADDING * (high - low) or 0.1 * abs(high) or 1.0
    return low - padding, high + padding


def _thinned(positions: Integers, most: int) -> Integers:
    """At most so many of some positions, evenly spread, with the first and the last."""
    if len(positions) <= most:
        return positions
    return np.asarray(positions[np.linspace(0, len(positions) - 1, most).round().astype(np.int64)])


def _places(axis: TickedAxis, values: Floats) -> Floats:
    return np.array([axis.place(float(value)) for value in values])


def _heights(values: Floats, up: TickedAxis) -> list[str]:
    """Places from above, as SVG counts them."""
    return [f"{100 - up.place(float(value)):.2f}" for value in values]


def _dots_path(at: Floats, values: Floats, up: TickedAxis) -> str:
    """A dot for each finite value: a line of no length with round ends."""
    known = np.isfinite(values)
    heights = _heights(values[known], up)
    return "".join(f"M{x:.2f} {y}h0" for x, y in zip(at[known].tolist(), heights, strict=True))


def _bars_path(at: Floats, ends: Floats, up: TickedAxis) -> str:
    known, half = np.isfinite(ends).all(axis=1), _OF_PLACE * 50 / len(at)
    places = zip(at[known].tolist(), *(_heights(side[known], up) for side in ends.T), strict=True)
    return "".join(f"M{x - half:.2f} {low}H{x + half:.2f}V{high}H{x - half:.2f}Z" for x, low, high in places)


def _line_path(at: Floats, values: Floats, up: TickedAxis) -> str:
    places = zip(at.tolist(), _heights(values, up), strict=True)
    return "M" + "L".join(f"{x:.2f} {y}" for x, y in places)


def _band_path(at: Floats, ends: Floats, up: TickedAxis) -> str:
    known = np.isfinite(ends).all(axis=1)
    low, high = (_heights(side[known], up) for side in ends.T)
    outline = (
        list(zip(at[known].tolist(), high, strict=True))
        + list(zip(at[known].tolist(), low, strict=True))[::-1]
    )
    return "M" + "L".join(f"{x:.2f} {y}" for x, y in outline) + "Z"
