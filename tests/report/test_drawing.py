from __future__ import annotations

import math
from pathlib import Path

import pytest

import howsure
from howsure.report.drawing import count_axis, odds_axis, share_axis
from howsure.tasks.classification import page as classification
from howsure.tasks.regression import page as regression
from howsure.tasks.segmentation import page as segmentation
from tests.guard import check_none


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.1, 1), (0.5, 1), (0.8, 1), (0, 0.0123), (0, 0.0004), (0, 0.55)]
)
def test_shares_are_linear_with_a_few_round_ticks(low: float, high: float) -> None:
    axis = share_axis(low, high)
    assert axis.place(low) == 0
    assert axis.place(high) == pytest.approx(100)
    assert axis.place((low + high) / 2) == pytest.approx(50)
    assert 1 <= len(axis.ticks) <= 6
    assert all(0 <= position <= 100 for position, _ in axis.ticks)
    assert axis.note == ""


def test_odds_put_equal_factors_at_equal_distances_and_the_rest_at_the_ends() -> None:
    axis = odds_axis(0.1, 0.9999)
    log_odds = [math.log(p / (1 - p)) for p in (0.1, 0.9, 0.9999)]
    assert axis.place(0.9) == pytest.approx(100 * (log_odds[1] - log_odds[0]) / (log_odds[2] - log_odds[0]))
    assert axis.place(0.0) == axis.place(0.1) == 0
    assert axis.place(1.0) == axis.place(0.9999) == 100
    assert axis.note


def test_counts_are_linear_until_one_dwarfs_the_others() -> None:
    plain = count_axis([0, 3, 5, 7])
    assert plain.place(7) == 100
    assert plain.place(0) == 0
    assert plain.note == ""
    assert [label for _, label in plain.ticks] == ["0", "2", "4", "6"]
    stretched = count_axis([1, 2, 4, 9_740])
    assert stretched.place(0) == 0
    assert 0 < stretched.place(1) < stretched.place(10) < stretched.place(9_740) == 100
    assert stretched.place(1_000) - stretched.place(100) == pytest.approx(
        stretched.place(100) - stretched.place(10)
    )
    assert "logarithmic" in stretched.note
    assert [label for _, label in stretched.ticks] == ["1", "10", "100", "1,000"]


@pytest.mark.parametrize("counts", [[], [0], [1], [1, 1], [10], [12_345, 9_000]])
def test_counts_of_any_size_have_whole_ticks(counts: list[int]) -> None:
    axis = count_axis(counts)
    assert 1 <= len(axis.ticks) <= 6
    assert all(label.replace(",", "").isdigit() for _, label in axis.ticks)


@pytest.mark.parametrize("page", [classification, regression, segmentation])
def test_the_pictures_of_every_section_are_on_the_page(page) -> None:
    template = Path(page.__file__).with_name("page.html.j2")
    text = template.read_text(encoding="utf-8")
    hidden = [section for section in page.PICTURES if f'drawings(pictures["{section}"]' not in text]
    folder = Path(howsure.__file__).parents[1]
    check_none(
        hidden,
        "are sections of `PICTURES` that the page does not show",
        open=f"{template.relative_to(folder)}, and print them as it does those of other sections; in page.py "
        "call `drawn` after the section is added",
    )
