"""The page of numbers: what it counts and draws, against plain computations and what was made known."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from howsure import RegressionCertainty
from howsure.report.drawing import Drawing, number_axis
from howsure.report.page import render
from howsure.tasks.regression.drawings import (
    LEVELS,
    MOST_BARS,
    draw_by_prediction,
    quantile_shares,
)
from tests.report.made import Page, make_numbers
from tests.report.test_report import table_rows


def places(path: str, pattern: str) -> np.ndarray:
    return np.array([[float(each) for each in actual] for actual in re.findall(pattern, path)])


def bars(path: str) -> np.ndarray:
    """(n, 2) lower and upper end of bars, in per cent from below."""
    return 100 - places(path, r"M[\d.]+ ([\d.]+)H[\d.]+V([\d.]+)")


def dots(path: str) -> np.ndarray:
    """(n, 2) places of dots, from the left and from below."""
    actual = places(path, r"M([\d.]+) ([\d.]+)h0")
    return np.stack([actual[:, 0], 100 - actual[:, 1]], axis=1)


def path(drawing: Drawing, style: str) -> str:
    """The path data in a class of marks; empty where there is none."""
    found = re.search(rf'<path class="{style}" d="([^"]*)"', "".join(drawing.marks))
    return found[1] if found else ""


ANSWERS, NETWORKS, MEANS, TRUTHS = "bars of-answers", "bars of-networks", 'dots of-mean[^"]*', "dots of-truth"


# --- figures --------------------------------------------------------------------------------------


def test_intervals_stand_in_order_of_the_prediction() -> None:
    result = make_numbers(80)
    drawing = draw_by_prediction(result)
    order = np.argsort(result.mean[:, 0])
    place = np.vectorize(drawing.up[0].place)
    ends = result.mean + norm.ppf(0.975) * result.std * [-1, 1]
    np.testing.assert_allclose(bars(path(drawing, ANSWERS)), place(ends[order]), atol=0.006)
    np.testing.assert_allclose(
        bars(path(drawing, NETWORKS)), place(result.quantiles[order, 0][:, [1, 9]]), atol=0.006
    )
    np.testing.assert_allclose(dots(path(drawing, MEANS))[:, 1], place(result.mean[order, 0]), atol=0.006)
    np.testing.assert_allclose(dots(path(drawing, TRUTHS))[:, 1], place(result.truth[order, 0]), atol=0.006)
    assert np.all(np.diff(dots(path(drawing, TRUTHS))[:, 0]) > 0)


def test_what_is_unknown_is_not_drawn() -> None:
    drawing = draw_by_prediction(make_numbers(20, noise=False, truth=False))
    assert path(drawing, ANSWERS) == path(drawing, TRUTHS) == ""
    std = np.where(np.arange(20) < 5, np.nan, 1.0)[:, None]
    part = dataclasses.replace(make_numbers(20), std=std)
    assert len(bars(path(draw_by_prediction(part), ANSWERS))) == 15
    assert "5 rows have no interval: their noise is unknown" in Page(render(part)).words


def test_few_passes_show_90_per_cent_of_networks() -> None:
    result = make_numbers(20)
    quantiles = np.array(result.quantiles)
    quantiles[3, :, :2] = np.nan
    few = dataclasses.replace(result, quantiles=quantiles)
    drawing = draw_by_prediction(few)
    place, order = np.vectorize(drawing.up[0].place), np.argsort(result.mean[:, 0])
    np.testing.assert_allclose(
        bars(path(drawing, NETWORKS)), place(quantiles[order, 0][:, [2, 8]]), atol=0.006
    )
    words = Page(render(few)).words
    assert "90 % of samples" in words
    assert "95 % of samples" not in words


def test_of_many_rows_a_part_is_drawn_and_outliers_do_not_flatten_it() -> None:
    result = make_numbers(3_000)
    assert len(bars(path(draw_by_prediction(result), ANSWERS))) == MOST_BARS
    assert f"{MOST_BARS} of 3,000 rows are drawn, evenly spread." in Page(render(result)).words
    far = np.where(np.arange(3_000) == 1_500, 1e9, result.mean[:, 0])[:, None]
    heights = bars(path(draw_by_prediction(dataclasses.replace(result, mean=far)), ANSWERS))
    assert np.median(heights[:, 1] - heights[:, 0]) > 5


def test_calibration_counts_answers_below_quantiles() -> None:
    result = make_numbers(211)
    for level, share, low, high in zip(LEVELS, *quantile_shares(result), strict=True):
        quantile = result.mean + norm.ppf(level) * result.std
        below = int(np.sum(result.truth <= quantile))
        assert share == below / 211
        inside = binomtest(below, 211, level).pvalue
        assert (low <= share <= high) == (inside > 0.05) or abs(inside - 0.05) < 0.03
    assert pytest.approx(np.arange(1, 20) / 20) == LEVELS
    exact = RegressionCertainty.from_mean_std(np.ones(30), np.zeros(30)).with_truth(np.ones(30))
    assert {*quantile_shares(exact)[0].tolist()} == {0.0, 1.0}


# --- axes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "labels", "unit"),
    [
        (-12_000, 5_000, ["−10,000", "−5,000", "0", "5,000"], ""),
        (-3.3e-9, 8e-9, ["0", "5"], "numbers are multiples of 10⁻⁹"),
        (1e12, 4e12, ["1", "2", "3", "4"], "numbers are multiples of 10¹²"),
        (1.7e9, 1.7e9 + 300, ["1,700,000,000", "1,700,000,100", "1,700,000,200", "1,700,000,300"], ""),
    ],
)
def test_numbers_of_any_size_have_few_short_ticks(
    low: float, high: float, labels: list[str], unit: str
) -> None:
    axis = number_axis(low, high)
    assert [label for _, label in axis.ticks] == labels
    assert axis.unit == unit


# --- pages ----------------------------------------------------------------------------------------


def test_levels_are_counted_and_called_wrong_only_beyond_chance() -> None:
    result = make_numbers(400)
    rows = table_rows(render(result), "Intervals and true answers")
    for cells, level in zip(rows, (0.5, 0.8, 0.9, 0.95), strict=True):
        low, high = result.prediction_interval(level)[:, 0].T
        share = np.mean((low <= result.truth[:, 0]) & (result.truth[:, 0] <= high))
        assert cells[0] == f"{100 * level:g} % of answers"
        assert float(cells[1].split()[0]) == pytest.approx(100 * share, abs=0.06)
        assert cells[4] == "within chance"
    narrow = dataclasses.replace(result, std=result.std / 2)
    html = render(narrow)
    assert {cells[4] for cells in table_rows(html, "Intervals and true answers")} == {"too narrow"}
    assert "Intervals are too narrow. howsure.calibrate corrects that" in Page(html).words


def test_a_larger_unit_changes_no_drawing() -> None:
    paths = [
        re.findall(r' d="([^"]*)"', render(make_numbers(60, scale=scale), np.arange(60)))
        for scale in (1, 2.0**40)
    ]
    assert len(paths[0]) > 5
    assert paths[0] == paths[1]
