"""A kind of answer that brings nothing that shows it: printed, in notebooks, on the terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

import howsure
from howsure.cli.output import undecided_table
from howsure.report.page import render
from howsure.tasks.printed import summary_of
from tests.report.made import Page
from tests.tasks.measures import Measures, known, linear, rows


@pytest.fixture
def numbers() -> Iterator[Measures]:
    """12 rows of two numbers each."""
    with known():
        yield howsure.assess(
            linear(2), rows(12), method=howsure.MCDropout(passes=10), class_names=["height", "weight"]
        )


def test_few_rows_print_in_their_order(numbers: Measures) -> None:
    assert str(numbers[:3]).splitlines() == [f"row {k}: {numbers[k]}" for k in range(3)]
    assert str(numbers[:0]) == "There were no rows to assess."


def test_of_many_rows_the_first_print(numbers: Measures) -> None:
    first, *lines = str(numbers).splitlines()
    assert first == "There are 12 rows. The first 5 rows:"
    assert lines == [f"row {k}: {numbers[k]}" for k in range(5)]


def test_it_prints_where_nobody_added_its_kind(numbers: Measures) -> None:
    with known():
        text = str(numbers)
    assert str(numbers) == text


def test_a_notebook_shows_the_same(numbers: Measures) -> None:
    page = Page(numbers._repr_html_())
    assert page.words.startswith("There are 12 rows. The first 5 rows")
    assert all(numbers[k] in page.words for k in range(5))
    assert numbers[5] not in page.words
    assert Page(numbers[:0]._repr_html_()).words == "There were no rows to assess."


def test_the_terminal_counts_rows_and_shows_the_first_ten(numbers: Measures) -> None:
    assert summary_of(numbers) == "There are 12 rows."
    assert summary_of(numbers[:1]) == "There is 1 row."
    console = Console(file=io.StringIO(), width=100)
    console.print(undecided_table(numbers, 10))
    _, _, *lines = console.file.getvalue().splitlines()
    assert [line.strip().split(maxsplit=1) for line in lines] == [[str(k), numbers[k]] for k in range(10)]


def test_it_has_no_page(numbers: Measures) -> None:
    with pytest.raises(howsure.InputError, match="no pages for these rows"):
        render(numbers)
