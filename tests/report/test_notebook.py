"""What notebooks show: HTML that stands alone, holds the numbers of what it shows, and escapes all texts."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import howsure
from howsure.answers.printed import lead_of as lead
from howsure.report.notebook import html_of
from tests.report.comparisons import HOSTILE, full, simulated
from tests.report.made import Lazily, Page, make_certainty, make_multilabel
from tests.report.pages import AUDIT

SHOWN = Lazily(
    {
        "certainty": lambda: make_certainty(300),
        "few rows": lambda: make_certainty(3, truth=False, ids=["<i>a</i>", "b", "c"], id_name="<b>name"),
        "no rows": lambda: make_certainty(0),
        "row": lambda: make_certainty(1)[0],
        "row of two classes": lambda: make_certainty(1, 2)[0],
        "many labels": lambda: make_multilabel(300, 40),
        "few labels": lambda: make_multilabel(4, 3),
        "no rows of labels": lambda: make_multilabel(0, 3),
        "row of labels": lambda: make_multilabel(4, 3)[0],
        "row of many labels": lambda: make_multilabel(4, 40)[0],
        "comparison": full,
        "audit": lambda: AUDIT,
        "evaluation": lambda: howsure.evaluate(make_certainty(300)),
        "evaluation of labels": lambda: howsure.evaluate(make_multilabel(80, 3)),
        "hostile": lambda: make_certainty(20, class_names=tuple(f"{HOSTILE}{k}" for k in range(10))),
        "hostile comparison": lambda: simulated(120, names=(HOSTILE, HOSTILE + "2", HOSTILE + "3")),
    }
)


@pytest.fixture(params=SHOWN, name="shown")
def any_of_them(request: pytest.FixtureRequest) -> Any:
    return SHOWN[request.param]


def test_it_stands_alone_is_small_and_is_what_the_notebook_asks_for(shown: Any) -> None:
    html = shown._repr_html_()
    assert html == html_of(shown)
    assert len(html) < 12_000
    page = Page(html)
    assert {tag for tag, _ in page.elements} <= {
        *("div", "p", "table", "caption", "thead", "tbody", "tr", "th", "td", "strong")
    }
    assert all(
        set(attributes) <= {"class", "style", "scope", "aria-hidden"} for _, attributes in page.elements
    )
    assert "url(" not in html
    assert not re.search(r"\b(nan|None|inf)\b", page.words)


def test_every_table_has_a_caption_and_headings_on_both_sides(shown: Any) -> None:
    html = shown._repr_html_()
    page = Page(html)
    assert len(list(page.all("table"))) == len(list(page.all("caption")))
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.all("th"))
    rows = re.findall(r"<tr.*?</tr>", html, re.DOTALL)
    assert len({len(re.findall(r"<t[hd]\b", row)) for row in rows}) <= 1


def test_names_are_shown_as_text() -> None:
    assert HOSTILE in Page(SHOWN["hostile comparison"]._repr_html_()).words
    assert "<i>a</i>" in Page(SHOWN["few rows"]._repr_html_()).words


def test_a_result_is_its_sentence_and_its_most_undecided_rows() -> None:
    certainty = SHOWN["certainty"]
    words = Page(certainty._repr_html_()).words
    assert lead(certainty) in words
    for position in certainty.most_undecided(5):
        row = certainty[int(position)]
        assert f"{row.row} {row} '{certainty.class_names[row.truth]}'" in words
    assert f" {certainty[int(certainty.most_undecided(6)[5])]} " not in words


def test_a_row_is_its_sentence_and_its_probabilities() -> None:
    certainty = make_certainty(1, mc_error=np.zeros((1, 10)))
    row = certainty[0]
    words = Page(row._repr_html_()).words
    assert words.startswith(f"image 0: {row} ")
    left = 1 - row.probability - row.probabilities[row.runner_up]
    assert f"{row.label_name} {100 * row.probability:.1f} %" in words
    assert f"8 others {100 * left:.1f} %" in words
    lengths = [float(each) for each in re.findall(r"width:([\d.]+)%", row._repr_html_())]
    assert sum(lengths) == pytest.approx(100, abs=0.02)


def test_scores_are_those_of_the_evaluation() -> None:
    evaluation = SHOWN["evaluation"]
    words = Page(evaluation._repr_html_()).words
    said = {"accuracy": ("accuracy", "higher"), "nll": ("NLL", "lower"), "excess_aurc": ("E-AURC", "lower")}
    for name, (heading, better) in said.items():
        score = str(getattr(evaluation, name)).replace("(", "").replace(")", "")
        assert f"{heading} {score} {better} is better; " in words
    assert "outside" not in words
