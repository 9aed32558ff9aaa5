"""The page of several labels per row: it counts answers, and tells them label by label."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from howsure.answers.labels.page import MOST_DRAWN, reliabilities, told_by_label
from howsure.answers.sentences import percent
from howsure.answers.verdict import COIN_FLIP, SURE, VERDICTS
from howsure.errors import InputError
from howsure.report import render, write_report
from tests.report.made import Page, make_multilabel
from tests.report.pages import PAGES, images
from tests.report.test_report import table_rows


def test_the_headline_counts_answers() -> None:
    several = make_multilabel(200, 3)
    html = render(several, images(200))
    words = Page(html).words
    sure, flips = (int(np.sum(several.verdict == word)) for word in (SURE, COIN_FLIP))
    unsettled = int(np.sum((several.verdict == SURE) & ~several.settled))
    assert (
        f"The model is sure of {sure} of 600 answers ({unsettled} not settled); "
        f"on {flips} it is flipping a coin." in words
    )
    assert "one for each of 3 labels, for each of 200 images." in words
    counts = [int(np.sum(several.verdict == word)) for word in VERDICTS]
    assert [int(cells[1]) for cells in table_rows(html, "Verdicts")] == counts
    assert "Passes per image" in words
    assert "yes and no are at most 20 points apart" in words
    assert "more than one answer is likely" in words
    assert "class" not in words


def test_each_label_has_a_line_with_the_most_undecided_first() -> None:
    several = make_multilabel(150, 5)
    assert several.truth is not None
    rows = table_rows(render(several), "Labels")
    undecided = np.sum(several.verdict == COIN_FLIP, axis=0)
    order = np.argsort(-undecided, kind="stable")
    assert [cells[0] for cells in rows] == [several.label_names[k] for k in order]
    for cells, k in zip(rows, order, strict=True):
        open_ones = several.verdict[:, k] == COIN_FLIP
        yes = several.yes[:, k]
        expected = [int(np.sum(each)) for each in (yes & ~open_ones, open_ones, ~yes & ~open_ones)]
        assert [int(cell) for cell in cells[1:4]] == expected
        assert sum(expected) == 150
        right = int(np.sum(several.yes[:, k] == several.truth[:, k]))
        interval = binomtest(right, 150).proportion_ci(1 - 0.05 / 5, method="exact")
        claim = np.maximum(several.probabilities[:, k], 1 - several.probabilities[:, k]).mean()
        assert float(cells[5].split()[0]) == pytest.approx(100 * claim, abs=0.51)
        assert float(cells[6].split()[0]) == pytest.approx(100 * right / 150, abs=0.51)
        said = (
            "too sure" if claim > interval.high else "too modest" if claim < interval.low else "within chance"
        )
        assert cells[7] == said


def test_claims_that_are_too_high_and_too_low_are_called_so() -> None:
    p = np.full((200, 3), 0.9)
    truth = np.stack([np.arange(200) % 2 == 0, np.arange(200) >= 0, np.arange(200) % 10 > 0], axis=1)
    several = dataclasses.replace(make_multilabel(200, 3), probabilities=p, truth=truth)
    assert [line.verdict for line in told_by_label(several)] == ["too sure", "too modest", ""]


def test_the_bar_of_a_label_is_yes_then_undecided() -> None:
    p = np.array([[0.99], [0.99], [0.8], [0.5], [0.2]])
    several = dataclasses.replace(make_multilabel(5, 1, truth=False), probabilities=p)
    (line,) = told_by_label(several)
    assert [(part.verdict, part.start, part.width) for part in line.stretches] == [
        ("sure", 0, 40),
        ("leaning", 40, 20),
        ("coin flip", 60, 20),
    ]
    assert line.right is None


def test_cards_are_the_most_undecided_answers() -> None:
    several = make_multilabel(400, 3, row=np.arange(400) + 1000)
    html = render(several, images(400))
    gallery = html.split('id="coin-flips"')[1].split("</section>")[0]
    positions, labels = several.coin_flips()
    assert len(positions) > 48
    pairs = list(zip(positions[:48].tolist(), labels[:48].tolist(), strict=True))
    shown = [Page(text).words for text in re.findall(r'<p class="line">(.*?)</p>', gallery)]
    answers = [several[[position]].of_label(k)[0] for position, k in pairs]
    assert shown == [
        f"'{row.label_name}' or '{row.runner_up_name}': coin flip, {row.reason}" for row in answers
    ]
    assert re.findall(r'<p class="asked">(.*?)</p>', gallery) == [several.label_names[k] for _, k in pairs]
    assert re.findall(r'alt="image (\d+)"', gallery) == [str(1000 + position) for position, _ in pairs]
    for k, row in zip(labels[:48].tolist(), answers, strict=True):
        assert percent(row.probability, float(row.mc_error[row.label])) in Page(gallery).words, k


def test_pictures_of_large_images_fit_on_one_page() -> None:
    several = make_multilabel(400, 3)
    noise = np.random.default_rng(0).random((400, 200, 200, 3), dtype=np.float32)
    assert len(render(several, noise).encode()) <= 3_000_000


def test_mistakes_are_answers_that_are_sure_and_wrong() -> None:
    several = make_multilabel(300, 3)
    wrong = (several.verdict == SURE) & (several.yes != several.truth)
    words = Page(render(several)).words
    sure = int(np.sum(several.verdict == SURE))
    assert f"{wrong.sum()} of the {sure} answers it is sure of are wrong" in words


def test_reliability_is_drawn_for_few_labels_and_for_the_worst_of_many() -> None:
    few, many = make_multilabel(100, 4), make_multilabel(60, 80)
    assert [name for name, _ in reliabilities(few)] == list(few.label_names)
    drawn = reliabilities(many)
    assert len(drawn) == MOST_DRAWN
    claims = np.maximum(many.probabilities, 1 - many.probabilities).mean(axis=0)
    off = np.abs(claims - np.mean(many.yes == many.truth, axis=0))
    worst = {many.label_names[k] for k in np.argsort(-off)[:MOST_DRAWN]}
    assert {name for name, _ in drawn} == worst
    assert "The 12 labels whose percentages are furthest off, of 80." in Page(PAGES["many labels"]).words
    assert "Reliability diagram of" not in PAGES["labels without truth"]


def test_zero_rows_say_so() -> None:
    words = Page(PAGES["zero rows of labels"]).words
    assert "There were no images to assess." in words
    assert "Label by label" not in words


def test_it_is_written_and_rows_of_another_length_are_refused(tmp_path: Path) -> None:
    several = make_multilabel(20, 3)
    write_report(tmp_path / "report.html", several, images(20))
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render(several, images(20))
    with pytest.raises(InputError, match="an array of 20 rows"):
        render(several, images(19))
