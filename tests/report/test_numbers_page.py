"""The page of numbers: what it counts and draws, against plain computations and what was made known."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from howsure import RegressionCertainty
from howsure.report.axes import number_axis
from howsure.report.page import render
from howsure.tasks.regression.drawings import (
    MOST_BARS,
    draw_by_prediction,
    draw_calibration,
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


# --- figures --------------------------------------------------------------------------------------


def test_intervals_stand_in_order_of_the_prediction() -> None:
    result = make_numbers(80)
    drawing = draw_by_prediction(result)
    order = np.argsort(result.mean[:, 0])
    place = np.vectorize(drawing.up.place)
    ends = result.mean + norm.ppf(0.975) * result.std * [-1, 1]
    np.testing.assert_allclose(bars(drawing.answers), place(ends[order]), atol=0.006)
    np.testing.assert_allclose(
        bars(drawing.networks), place(result.quantiles[order, 0][:, [1, 9]]), atol=0.006
    )
    np.testing.assert_allclose(dots(drawing.means)[:, 1], place(result.mean[order, 0]), atol=0.006)
    np.testing.assert_allclose(dots(drawing.truths)[:, 1], place(result.truth[order, 0]), atol=0.006)
    assert np.all(np.diff(dots(drawing.truths)[:, 0]) > 0)


def test_what_is_unknown_is_not_drawn() -> None:
    alone = make_numbers(20, noise=False, truth=False)
    assert draw_by_prediction(alone).answers == draw_by_prediction(alone).truths == ""
    std = np.where(np.arange(20) < 5, np.nan, 1.0)[:, None]
    part = dataclasses.replace(make_numbers(20), std=std)
    assert len(bars(draw_by_prediction(part).answers)) == 15
    assert "5 rows have no interval: their noise is unknown" in Page(render(part)).words


def test_few_passes_show_90_per_cent_of_networks() -> None:
    result = make_numbers(20)
    quantiles = np.array(result.quantiles)
    quantiles[3, :, :2] = np.nan
    few = dataclasses.replace(result, quantiles=quantiles)
    drawing = draw_by_prediction(few)
    place, order = np.vectorize(drawing.up.place), np.argsort(result.mean[:, 0])
    np.testing.assert_allclose(bars(drawing.networks), place(quantiles[order, 0][:, [2, 8]]), atol=0.006)
    words = Page(render(few)).words
    assert "90 % of samples" in words
    assert "95 % of samples" not in words


def test_of_many_rows_a_part_is_drawn_and_outliers_do_not_flatten_it() -> None:
    result = make_numbers(3_000)
    drawing = draw_by_prediction(result)
    assert (drawing.drawn, drawing.rows) == (MOST_BARS, 3_000)
    assert f"{MOST_BARS} of 3,000 rows are drawn, evenly spread." in Page(render(result)).words
    far = np.where(np.arange(3_000) == 1_500, 1e9, result.mean[:, 0])[:, None]
    heights = bars(draw_by_prediction(dataclasses.replace(result, mean=far)).answers)
    assert np.median(heights[:, 1] - heights[:, 0]) > 5


def test_calibration_counts_answers_below_quantiles() -> None:
    result = make_numbers(211)
    drawing = draw_calibration(result)
    for level, share, low, high in drawing.table:
        quantile = result.mean + norm.ppf(level) * result.std
        below = int(np.sum(result.truth <= quantile))
        assert share == below / 211
        inside = binomtest(below, 211, level).pvalue
        assert (low <= share <= high) == (inside > 0.05) or abs(inside - 0.05) < 0.03
    assert [level for level, *_ in drawing.table] == pytest.approx(np.arange(1, 20) / 20)
    exact = RegressionCertainty.from_mean_std(np.ones(30), np.zeros(30)).with_truth(np.ones(30))
    assert {share for _, share, *_ in draw_calibration(exact).table} == {0.0, 1.0}


# --- axes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "labels", "note"),
    [
        (-12_000, 5_000, ["−10,000", "−5,000", "0", "5,000"], ""),
        (-3.3e-9, 8e-9, ["0", "5"], "Numbers are multiples of 10⁻⁹."),
        (1e12, 4e12, ["1", "2", "3", "4"], "Numbers are multiples of 10¹²."),
        (1.7e9, 1.7e9 + 300, ["1,700,000,000", "1,700,000,100", "1,700,000,200", "1,700,000,300"], ""),
    ],
)
def test_numbers_of_any_size_have_few_short_ticks(
    low: float, high: float, labels: list[str], note: str
) -> None:
    axis = number_axis(low, high)
    assert [label for _, label in axis.ticks] == labels
    assert axis.note == note


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
