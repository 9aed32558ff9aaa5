"""Figures of a page about numbers, laid out in per cent of their own width and height.

    plot_intervals_ordered      intervals of rows, in order of the prediction
    plot_calibration            shares of answers below their quantiles

These are the names that uncertainty-toolbox (Chung et al. 2021) gives such figures. Dots and bars are pieces
of one path, so that a hundred of them cost little. It draws an even part of many rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from scipy.special import bdtrik, ndtr

from howsure.digits import significant
from howsure.report.drawing import Drawing, TickedAxis, line, number_axis, paths, share_axis
from howsure.report.figures import interval_of, share_of
from howsure.report.notebook import ViewTable
from howsure.sampling.outcome import Floats, Integers
from howsure.tasks.regression.counts import is_counts, pit
from howsure.tasks.regression.printed import answers_of, is_symmetric, levels_of, made_of_in_words
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.regression.sentence import OF_NETWORKS, SHOWN, level_of_answers
from howsure.tasks.sentences import words_of
from howsure.words import UNIT, counted, rate, upper

UNKNOWN = "–"

MOST_BARS = 120
"""Rows whose intervals are drawn side by side."""

LEVELS = np.arange(1, 20) / 20
"""Levels of the quantiles in the drawing of calibration."""

_OF_PLACE = 0.7
"""Width of a bar, of the place of its row."""

_PADDING = 0.04
"""Padding of an axis, on both sides of the drawing."""


def level_of_all(result: RegressionCertainty) -> float:
    """Share of networks in the intervals of a page: 95 % where passes suffice in all rows, else 90 %."""
    if result.quantiles is None:
        return SHOWN
    counts_known = [np.isfinite(result.credible_interval(level)).sum() for level in OF_NETWORKS]
    return OF_NETWORKS[int(np.argmax(counts_known))]


def rows_to_draw(result: RegressionCertainty) -> dict[str, Floats]:
    """By name what is known of one target: numbers (N,), and ends of intervals (N, 2)."""
    drawn = {"means": result.mean[:, 0]}
    answers = answers_of(result)[:, 0]
    if np.isfinite(answers).any():
        drawn["answers"] = answers
    if result.quantiles is not None:
        networks = result.credible_interval(level_of_all(result))[:, 0]
        drawn |= {"networks": networks} if np.isfinite(networks).any() else {}
    return drawn if result.truth is None else drawn | {"truths": result.truth[:, 0]}


def draw_by_prediction(result: RegressionCertainty) -> Drawing:
    """Intervals of the rows of one target, the smallest prediction first (`plot_intervals_ordered`)."""
    kind, rows, between = result.kind, len(result), words_of(result.method)["between"]
    order = np.argsort(result.mean[:, 0], kind="stable")
    chosen = order[_thinned(np.arange(rows), MOST_BARS)]
    shown = {name: values[chosen] for name, values in rows_to_draw(result).items()}
    up = number_axis(*_ends_of(shown.values()))
    at = (np.arange(len(chosen)) + 0.5) * 100 / len(chosen)
    of_style, key = dict[str, str](), list[tuple[str, str]]()
    with_intervals = False
    for name, called in {
        "answers": of_answers(result),
        "networks": f"{rate(level_of_all(result), 0)} of {between}",
    }.items():
        if name in shown:
            of_style[f"bars of-{name}"] = _bars_path(at, shown[name], up)
            key.append((f'<rect class="of-{name}" width="18" height="12"/>', called))
            with_intervals = True
    small = " is-small" if "truths" in shown and len(chosen) > 60 else ""
    of_style[f"dots of-mean{small}"] = _dots_path(at, shown["means"], up)
    key.append(('<circle class="of-mean" cx="9" cy="6" r="2"/>', "prediction"))
    if "truths" in shown:
        small = " is-small" if len(chosen) > 200 else ""
        truths = _dots_path(at, shown["truths"], up)
        of_style |= {f"dots of-truth-ground{small}": truths, f"dots of-truth{small}": truths}
        key.append(('<circle class="of-truth" cx="9" cy="6" r="3.5"/>', "true answer"))
    is_known = np.isfinite(answers_of(result)[:, 0, 0])
    note = []
    if len(chosen) < rows:
        note.append(f"{len(chosen):,} of {counted(rows, kind)} are drawn, evenly spread.")
    if is_known.any() and not is_known.all():
        note.append(f"{counted(int(np.sum(~is_known)), kind)} have no interval: their noise is unknown.")
    return Drawing(
        id="by-prediction",
        title="Ordered prediction intervals",
        description=width_in_words(result),
        text=made_of_in_words(result) or f"Each bar is one {kind}.",
        across=(
            TickedAxis(float, ((0.0, "1"), (100.0, f"{rows:,}"))),
            f"{upper(kind)}s, the smallest prediction first",
        ),
        up=(up, "Prediction and intervals" if with_intervals else "Prediction"),
        marks=[paths(of_style)],
        note=" ".join(note),
        key=key,
        is_fitted=True,
    )


def levels_drawn(result: RegressionCertainty) -> Floats:
    """(L,) levels of the quantiles in the drawing of calibration: `LEVELS`, or those that are predicted."""
    return np.array(result.levels) if result.levels else LEVELS


def of_answers(result: RegressionCertainty) -> str:
    """Heading of the intervals of answers: `95 % of answers`."""
    return f"{rate(level_of_answers(result), 0)} of answers"


def quantile_shares(result: RegressionCertainty) -> tuple[Floats, Floats, Floats]:
    """(L,) shares of true answers below the quantiles, and the ends of where 95 % of them lie.

    These are at `levels_drawn`. The quantile at level p is mean + Φ⁻¹(p) · std, unless the model predicts
    quantiles or counts. For exact ones the number of answers below is binomial.

    Args:
        result: Result of one target and N ≥ 1 rows with true answers and known `std`.
    """
    assert result.truth is not None
    rows, levels = len(result), levels_drawn(result)
    away, std = (result.truth - result.mean)[:, 0], result.std[:, 0]
    if result.answer_quantiles is not None:
        shares = (result.truth <= result.answer_quantiles[:, 0]).mean(axis=0)
    else:
        below = np.divide(
            away, std, out=np.where(away > 0, np.inf, np.where(away < 0, -np.inf, 0.0)), where=std > 0
        )
        below = pit(result.mean[:, 0], std, result.truth[:, 0], 0) if is_counts(result) else ndtr(below)
        shares = np.searchsorted(np.sort(below), levels, side="right") / rows
    # The inverse is NaN where no answer below has more than the tail already.
    low, high = (
        np.ceil(np.nan_to_num(bdtrik(tail, rows, levels))) / rows
        for tail in ((1 - SHOWN) / 2, (1 + SHOWN) / 2)
    )
    return shares, low, high


def draw_calibration(result: RegressionCertainty) -> Drawing | None:
    """Shares of true answers below the quantiles of one target (`plot_calibration`; Kuleshov et al. 2018).

    None if fewer than two rows have a true answer and a known `std`.
    """
    known_rows = np.flatnonzero(np.isfinite(answers_of(result)[:, 0, 0]))
    if result.truth is None or len(known_rows) < 2:
        return None
    shares, low, high = quantile_shares(result[known_rows])
    axis, levels = share_axis(0.0, 1.0), levels_drawn(result)
    at = _places(axis, levels)
    # From the corner to the corner, where every share of answers is known without looking.
    corners = np.concatenate([[[0.0, 0.0]], np.stack([low, high], axis=-1), [[1.0, 1.0]]])
    chance = _band_path(np.concatenate([[0.0], at, [100.0]]), corners, axis)
    few = slice(None) if result.levels else slice(1, None, 4)
    description = "".join(
        f"{rate(float(share))} below the {rate(level, 0)} quantile. "
        for level, share in list(zip(levels, shares, strict=True))[few]
    )
    return Drawing(
        id="calibration",
        title="Calibration of quantiles",
        description=description,
        heading="Do quantiles come true?",
        text="On the dashed diagonal, as many answers lie below a quantile as should. A curve that is "
        "steeper than the diagonal in its middle is of intervals that are too wide; a flatter one, too "
        "narrow.",
        across=(axis, "Share that should lie below: the level of the quantile"),
        up=(axis, "Share of answers below"),
        marks=[
            paths({"of-chance": chance}),
            line("diagonal", (0, 0), (100, 100)),
            paths({"curve": _line_path(at, shares, axis)}),
        ],
        note=f"In the pale band lie 95{UNIT} of the shares of quantiles that are exact, level by level. "
        "About one level in twenty leaves it by chance, and neighbours go together.",
        numbers=_levels_table(result),
        is_square=True,
    )


def _levels_table(result: RegressionCertainty) -> ViewTable:
    """Level by level, how many true answers lie in their intervals, and how wide these are."""
    symmetric = is_symmetric(result)
    cells = [
        [
            f"{rate(level.level, 0)} of answers",
            f"{share_of(level.found)} ({interval_of(level.found)})",
            f"{level.found.total:,}",
            f"±\u00a0{significant(level.half, 2)}" if symmetric else significant(2 * level.half, 2),
            ("within chance", "wider than need be", "too narrow")[level.off],
        ]
        for level in levels_of(result, 0)
    ]
    head = ["Intervals for", "contain", f"{upper(result.kind)}s", "Width", "Intervals are"]
    asides = {1: f"95{UNIT} interval", 3: "median"}
    return ViewTable("Intervals and true answers", head, cells, numeric=(1, 2, 3), asides=asides)


def width_in_words(result: RegressionCertainty) -> str:
    """How wide the intervals of the one target are, or how far networks lie apart, a sentence."""
    half = f"in half of the {result.kind}s"
    if not is_symmetric(result):
        return f"Intervals for {of_answers(result)} are at most {half_width(result, 0)} wide {half}."
    if np.isfinite(result.std[:, 0]).any():
        return f"95 % of answers within {half_width(result, 0)} of the prediction {half}."
    if result.spread is None or not np.isfinite(result.spread).any():
        return "Predictions alone."
    between = words_of(result.method)["between"]
    return f"Standard deviation between {between} {median(result.spread, two_digits)} {half}."


def half_width(result: RegressionCertainty, k: int) -> str:
    """Half of the median width of the intervals of answers, or all of it where they are not symmetric.

    A dash where unknown.
    """
    if not is_symmetric(result):
        return median(np.ptp(answers_of(result)[:, k], axis=-1), two_digits)
    return median(1.96 * result.std[:, k], lambda half: f"±\u00a0{two_digits(half)}")


def two_digits(number: float) -> str:
    """A number with two digits."""
    return significant(number, 2)


def median(values: Floats, written: Callable[[float], str]) -> str:
    """The median of numbers in words; a dash where none is known."""
    known_values = values[np.isfinite(values)]
    return written(float(np.median(known_values))) if known_values.size else UNKNOWN


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
