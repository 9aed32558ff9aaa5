"""Figures and tables of pages are written where their markers stand."""

import importlib
import re

import pytest

from benchmarks import docs

STUDIES = (
    "between",
    "intervals",
    "label",
    "numbers",
    "numbers_coverage",
    "objects",
    "offsets",
    "rare",
    "reasons",
    "saves",
    "sentences",
    "watch",
)


@pytest.fixture(name="page")
def _page(tmp_path, monkeypatch):
    monkeypatch.setattr(docs, "DOCS", tmp_path)
    text = "Of <!-- count -->3<!-- / --> rows:\n\n<!-- rows -->\n\n| a |\n\n<!-- / -->\n\nThe end.\n"
    (tmp_path / "a.md").write_text(text)
    return docs.Page("a")


def test_figures_are_filled_in_and_words_stay(page, tmp_path):
    page.fill({"count": 5, "rows": docs.table(["b"], [1])})
    text = (tmp_path / "a.md").read_text()
    table = "| b |\n| --- |\n| 1 |"
    whole = f"Of <!-- count -->5<!-- / --> rows:\n\n<!-- rows -->\n\n{table}\n\n<!-- / -->\n\nThe end.\n"
    assert text == whole


@pytest.mark.parametrize("parts", [{"count": 5}, {"count": 5, "rows": "", "more": 1}])
def test_a_figure_without_a_place_and_a_place_without_a_figure(page, parts):
    with pytest.raises(ValueError, match="differ in"):
        page.fill(parts)


def test_no_line_of_words_begins_with_a_figure():
    first = re.compile(r"^ {0,3}<!-- [\w/]+ -->[^\n]", re.MULTILINE)
    assert not [file for file in docs.DOCS.glob("*.md") if first.search(file.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("name", STUDIES)
def test_a_page_is_what_the_figures_beside_it_say(name, monkeypatch):
    study, said = importlib.import_module(f"validation.{name}"), []
    monkeypatch.setattr(docs.Page, "write", lambda page, text: said.append(text))
    study.PAGE.fill(study.parts(study.PAGE.figures()))
    assert said == [study.PAGE.text()]
