"""The page of several labels per row: it counts answers, and tells them label by label."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from howsure.report.page import render
from howsure.tasks.multilabel.page import lines_of
from howsure.tasks.sentences import percent
from tests.report.made import Page, make_multilabel
from tests.report.pages import images


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
    assert len(positions) > 24
    pairs = list(zip(positions[:24].tolist(), labels[:24].tolist(), strict=True))
    shown = [Page(text).words for text in re.findall(r'<p class="line">(.*?)</p>', gallery)]
    answers = [several[[position]].of_label(k)[0] for position, k in pairs]
    assert shown == list(map(str, answers))
    assert re.findall(r'<p class="asked">(.*?)</p>', gallery) == [several.label_names[k] for _, k in pairs]
    assert re.findall(r'alt="image (\d+)"', gallery) == [str(1000 + position) for position, _ in pairs]
    for k, row in zip(labels[:24].tolist(), answers, strict=True):
        assert percent(row.probability, float(row.mc_error[row.label])) in Page(gallery).words, k
