"""The page of numbers: what it counts and draws, against plain computations and what was made known."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from howsure import RegressionCertainty
from howsure.answers.numbers.drawings import (
    MOST_BARS,
    draw_by_prediction,
    draw_calibration,
)
from howsure.answers.numbers.page import MOST_TARGETS, SHOWN_AT_ONCE
from howsure.answers.registry import NUMBERS
from howsure.errors import InputError
from howsure.report import render
from howsure.report.axes import number_axis
from tests.report.made import Page, make_numbers
from tests.report.pages import PAGES
from tests.report.test_report import table_rows


def places(path: str, pattern: str) -> np.ndarray:
    return np.array([[float(each) for each in found] for found in re.findall(pattern, path)])


def bars(path: str) -> np.ndarray:
    """(n, 2) lower and upper end of bars, in per cent from below."""
    return 100 - places(path, r"M[\d.]+ ([\d.]+)H[\d.]+V([\d.]+)")


def dots(path: str) -> np.ndarray:
    """(n, 2) places of dots, from the left and from below."""
    found = places(path, r"M([\d.]+) ([\d.]+)h0")
    return np.stack([found[:, 0], 100 - found[:, 1]], axis=1)


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


def test_the_least_certain_rows_are_listed_with_their_names() -> None:
    result = make_numbers(30).with_ids([f"house {k}" for k in range(30)], "address")
    html = render(result, {"rooms": np.arange(30), "area": np.arange(30) * 2.5})
    order = np.argsort(-result.std[:, 0])
    rows = table_rows(html, "The least certain") + table_rows(html, "The least certain, continued")
    assert [cells[0] for cells in rows] == [str(k) for k in order[:24]]
    assert rows[0][1] == f"house {order[0]}"
    assert rows[0][-1] == f"rooms {order[0]}, area {order[0] * 2.5:.4g}"
    assert len(table_rows(html, "The least certain")) == SHOWN_AT_ONCE
    assert "24 of 30 rows, the widest interval first" in Page(html).words


def test_answers_the_farthest_off_are_listed() -> None:
    result = make_numbers(400)
    off = np.abs(result.truth - result.mean)[:, 0] / result.std[:, 0]
    rows = table_rows(render(result), "Answers the farthest off")
    assert [int(cells[0]) for cells in rows] == np.argsort(-off)[:SHOWN_AT_ONCE].tolist()
    assert [float(cells[-1]) for cells in rows] == pytest.approx(np.sort(off)[::-1][:SHOWN_AT_ONCE], abs=0.06)
    inside = result.with_truth(result.mean)
    assert "farthest off" not in Page(render(inside)).words


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


def test_without_noise_the_page_says_how_to_get_it() -> None:
    html = PAGES["number without noise"]
    words = Page(html).words
    assert "howsure.calibrate(result_of_held_out, y)(result)" in words
    assert "`" not in words
    assert "95 % of answers" not in words
    assert 'id="trust"' not in html
    alone = Page(PAGES["number alone"]).words
    assert "Nothing says how far it may be off." in alone
    assert "95 % of" not in alone


def test_without_truth_nothing_is_checked() -> None:
    words = Page(PAGES["number without truth"]).words
    assert "Nobody has checked these intervals" in words
    assert "Do quantiles come true?" not in words
    assert "true answer" not in words.split("Nobody has checked", 1)[1].split(".", 2)[2]


def test_several_numbers_have_a_section_each_and_the_others_are_counted() -> None:
    html = PAGES["several numbers"]
    headings = re.findall(r"<h2 [^>]*>(.*?)</h2>", html)
    assert [each for each in headings if each.startswith("target")] == [
        f"target {k}" for k in range(MOST_TARGETS)
    ]
    assert (
        "The first 6 have figures below; result.of_target('target 7').report(…) draws another one"
        in Page(html).words
    )
    assert len(table_rows(html, "Numbers")) == 8
    assert "Number 0" in re.findall(
        r"<h2 [^>]*>(.*?)</h2>", render(RegressionCertainty.from_mean_std(*[np.ones((3, 2))] * 2))
    )


def test_a_larger_unit_changes_no_drawing() -> None:
    paths = [
        re.findall(r' d="([^"]*)"', render(make_numbers(60, scale=scale), np.arange(60)))
        for scale in (1, 2.0**40)
    ]
    assert len(paths[0]) > 5
    assert paths[0] == paths[1]


def test_images_and_ids_are_shown() -> None:
    assert PAGES["number of images"].count("<img") >= 24
    assert "2020-" in Page(PAGES["number with days"]).words


def test_scores_are_shown_where_the_kind_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluate(result: RegressionCertainty, labels: object, *, outside: object, seed: int) -> float:
        if np.isnan(result.std).any():
            raise InputError("There is no noise")
        return float(np.mean(np.abs(result.truth - result.mean)))

    def score_lines(result: RegressionCertainty, evaluation: float) -> list[list[object]]:
        head = ["target", "score", "value", "low", "high", "what is good"]
        ends = (0.9 * evaluation, 1.1 * evaluation)
        return [head, ["y", "mae", evaluation, *ends, "lower"], ["y", "r2", "", "", "", "higher"]]

    parts = {**NUMBERS.parts, "evaluate": evaluate, "score_lines": score_lines}
    kind = dataclasses.replace(NUMBERS, parts=parts)
    monkeypatch.setattr("howsure.report.page.answer_of", lambda result: kind)
    result = make_numbers(30)
    size = float(np.mean(np.abs(result.truth - result.mean)))
    rows = table_rows(render(result), "Scores")
    interval = f"{0.9 * size:.2f} to {1.1 * size:.2f}"
    assert rows == [["mae", "lower", f"{size:.2f}", interval], ["r2", "higher", "–", ""]]
    assert "Scores" not in Page(render(make_numbers(30, noise=False))).words


def test_a_large_result_fits(tmp_path: Path) -> None:
    result = make_numbers(5_000, 2)
    result.report(tmp_path / "page.html", rows=np.ones((5_000, 1)) * np.arange(5_000)[:, None])
    assert (tmp_path / "page.html").stat().st_size < 1_000_000
