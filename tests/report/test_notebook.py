"""What notebooks show: HTML that stands alone, holds the numbers of what it shows, and escapes all texts."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

import howsure
from howsure.report.notebook import html_of
from howsure.tasks.printed import lead_of as lead
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
    text = shown._repr_html_()
    assert text == html_of(shown)
    assert len(text) < 12_000
    page = Page(text)
    assert {tag for tag, _ in page.elements} <= {
        *("div", "p", "pre", "table", "caption", "thead", "tbody", "tr", "th", "td", "strong")
    }
    assert all(
        set(attributes) <= {"class", "style", "scope", "aria-hidden"} for _, attributes in page.elements
    )
    assert "url(" not in text
    assert not re.search(r"\b(nan|None|inf)\b", page.words)


def test_every_table_has_a_caption_and_headings_on_both_sides(shown: Any) -> None:
    text = shown._repr_html_()
    page = Page(text)
    assert len(list(page.all("table"))) == len(list(page.all("caption")))
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.all("th"))
    rows = re.findall(r"<tr.*?</tr>", text, re.DOTALL)
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


def test_a_row_is_its_sentence_and_others_are_what_they_print() -> None:
    row = SHOWN["row"]
    assert Page(row._repr_html_()).words == f"image 0: {row}"
    for name in ("evaluation", "evaluation of labels", "comparison", "audit"):
        printed = SHOWN[name]._repr_html_().split("<pre")[1].split(">", 1)[1].split("</pre>")[0]
        assert html.unescape(printed) == str(SHOWN[name])
