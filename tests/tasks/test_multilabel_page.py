"""The page of several labels per row: it counts answers, and tells them label by label."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from scipy.stats import binomtest

from howsure.report.page import render
from howsure.tasks.multilabel.page import lines_of
from howsure.tasks.multilabel.result import NO_AND_YES
from howsure.tasks.sentences import percent
from howsure.tasks.verdict import VERDICTS
from tests.report.made import Page, make_multilabel
from tests.report.pages import images
from tests.report.test_report import table_rows


def test_each_label_has_a_line_of_yes_and_one_of_no_with_the_most_undecided_first() -> None:
    several = make_multilabel(150, 5)
    assert several.truth is not None
    rows = table_rows(render(several), "Labels")
    names = {
        f"{name}: {word}": (k, word == "yes")
        for k, name in enumerate(several.label_names)
        for word in NO_AND_YES
    }
    flips = [int(cells[4]) for cells in rows]
    assert {cells[0] for cells in rows} == {*names}
    assert flips == sorted(flips, reverse=True)
    for cells in rows:
        k, yes = names[cells[0]]
        taken, truly = several.yes[:, k] == yes, several.truth[:, k] == yes
        counts = [int(np.sum(taken & (several.verdict[:, k] == word))) for word in VERDICTS]
        assert [int(cell) for cell in cells[1:5]] == [int(taken.sum()), *counts]
        right = int(np.sum(taken & truly))
        interval = binomtest(right, int(taken.sum())).proportion_ci(1 - 0.05 / 10, method="exact")
        p = several.probabilities[taken, k]
        claim = (p if yes else 1 - p).mean()
        assert float(cells[5].split()[0]) == pytest.approx(100 * claim, abs=0.51)
        assert float(cells[6].split()[0]) == pytest.approx(100 * right / taken.sum(), abs=0.51)
        said = (
            "too sure" if claim > interval.high else "too modest" if claim < interval.low else "within chance"
        )
        assert cells[7] == said
        assert int(cells[8]) == truly.sum()
        assert float(cells[9].split()[0]) == pytest.approx(100 * right / truly.sum(), abs=0.51)


def test_claims_that_are_too_high_and_too_low_are_called_so() -> None:
    p = np.full((200, 3), 0.9)
    truth = np.stack([np.arange(200) % 2 == 0, np.arange(200) >= 0, np.arange(200) % 10 > 0], axis=1)
    several = dataclasses.replace(make_multilabel(200, 3), probabilities=p, truth=truth)
    assert [line.off for line in lines_of(several) if line.count] == [-1, 1, 0]


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
