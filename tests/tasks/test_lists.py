"""The lists of the report, the names on its rows and the answers at its top, beside a plain computation."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

import howsure
from howsure.errors import InputError
from howsure.report.looks import looks_of
from howsure.report.page import render
from howsure.tasks.classification.page import classes_of
from howsure.tasks.verdict import COIN_FLIP, LEANING, SURE
from tests.made import certainty_of
from tests.report.made import Page, make_certainty, make_dense, make_multilabel, make_numbers
from tests.report.pages import images
from tests.report.test_report import table_rows

# --- rows that are shown -----------------------------------------------------------------------------


def test_the_least_familiar_rows_are_shown_the_strangest_first() -> None:
    familiarity = np.linspace(0.02, 0.001, 300)
    html = render(make_certainty(300).with_familiarity(familiarity, share=0.01))
    section = html.split('<section id="unfamiliar"')[1].split("</section>")[0]
    rows = [int(row) for row in re.findall(r'<span class="called">image (\d+)', section)]
    assert rows == list(range(299, 287, -1))
    assert f"The 12 strangest of {np.sum(familiarity <= 0.01)}:" in Page(section).words
    assert 'id="unfamiliar"' not in render(make_certainty(300))


def test_the_page_says_how_to_get_all_rows() -> None:
    for result in (make_certainty(90), make_multilabel(60, 3), make_numbers(60), make_dense(14, (4, 4))):
        assert f'result.save("table.csv") writes all {result.kind}s' in Page(render(result)).words


def test_classes_are_counted_and_held_against_the_truth() -> None:
    certainty = make_certainty(800, 4)
    assert certainty.truth is not None
    lines = classes_of(certainty)
    assert [line.of_verdict[2] for line in lines] == sorted(
        (line.of_verdict[2] for line in lines), reverse=True
    )
    rows = table_rows(render(certainty), "Classes")
    for line, cells in zip(lines, rows, strict=True):
        members = certainty.label == int(line.name)
        counts = [int(np.sum(members & (certainty.verdict == word))) for word in (SURE, LEANING, COIN_FLIP)]
        assert cells[:5] == [line.name, *(f"{count:,}" for count in (members.sum(), *counts))]
        claim = certainty.probability[members].mean()
        right = int(np.sum(certainty.truth[members] == int(line.name)))
        interval = binomtest(right, int(members.sum())).proportion_ci(1 - 0.05 / len(lines), method="exact")
        said = (
            "too sure" if claim > interval.high else "too modest" if claim < interval.low else "within chance"
        )
        assert cells[7] == said
        assert float(cells[5].split()[0]) == pytest.approx(100 * claim, abs=0.51)
    assert "Class by class" not in Page(render(make_multilabel(30, 3))).words


def test_percentages_are_held_against_the_truth_group_by_group() -> None:
    rows = table_rows(render(make_certainty(900)), "Reliability as a table")
    assert len(rows) == 10
    assert all(cells[4] in ("within chance", "too sure", "too modest") for cells in rows)
    too_sure = certainty_of([[0.97, 0.03]] * 500, truth=(np.arange(500) % 4 == 0).astype(int))
    assert [cells[4] for cells in table_rows(render(too_sure), "Reliability as a table")] == ["too sure"]


# --- names on every row ---------------------------------------------------------------------------


def test_a_card_says_the_sentence_of_its_row_and_folds_the_rest() -> None:
    passes = np.random.default_rng(0).dirichlet([2.0, 2.0], (200, 30))
    certainty = howsure.Certainty.from_passes(passes)
    html = render(certainty)
    gallery = html.split('<section id="coin-flips"')[1].split("</section>")[0]
    cards = re.findall(r'<p class="line">(.*?)</p>.*?<summary>Why</summary><p>(.*?)</p>', gallery, re.DOTALL)
    shown = certainty.coin_flips()[: len(cards)]
    assert len(cards) == len(shown) >= 10
    for (line, why), position in zip(cards, shown, strict=True):
        row = certainty[int(position)]
        assert Page(line).words == str(row)
        assert Page(why).words == row.explain()
    assert "‘most passes say’ gives that" in top(html)["What is ±?"]


@pytest.mark.parametrize("kind", ["dict", "pandas", "polars", "arrow"])
def test_columns_have_their_names_on_every_row(kind: str) -> None:
    held: dict[str, Any] = {
        "age": np.arange(40) + 20,
        "income": np.arange(40) * 1_000.5,
        "city": ["Rome"] * 40,
    }
    rows: Any = dict(held)
    if kind != "dict":  # what is a label or an id is no value
        held |= {"y": np.zeros(40, dtype=int), "id": np.arange(40)}
    if kind in ("pandas", "polars"):
        rows = pytest.importorskip(kind).DataFrame(held)
    elif kind == "arrow":
        rows = pytest.importorskip("pyarrow").table(held)
    certainty = make_certainty(40, kind="row")
    html = render(certainty, rows)
    assert "age 37, income 17,008, city Rome" in [
        look.values for look in looks_of(rows, certainty, "row").of(range(40), 0)
    ]
    words = Page(html.split('id="coin-flips"')[1].split("</section>")[0]).words
    first = int(certainty.most_undecided(1)[0])
    assert f"age {first + 20}, income {_as_said(first * 1_000.5)}, city Rome" in words


def _as_said(value: float) -> str:
    return f"{value:,.0f}" if value >= 1e4 else f"{value:.4g}"


def test_an_image_among_several_inputs_is_shown_with_the_values_of_the_others() -> None:
    rows = {"scan": images(40), "patient": np.stack([np.arange(40), np.arange(40)], axis=1)}
    halves = (slice(0, 20), slice(20, 40))
    batches = [{name: array[half] for name, array in rows.items()} for half in halves]
    for given in (rows, list(rows.values()), iter(batches)):
        looks = looks_of(given, range(40), "image")
        assert looks.images is not None
        (look,) = looks.of([7], 10_000)
        assert look.picture is not None
        name = "input 1" if isinstance(given, list) else "patient"
        assert look.values == f"{name}[0] 7, {name}[1] 7"


def test_rows_that_do_not_fit_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"an array of 40 rows.*shape \(39,\)"):
        looks_of({"a": np.zeros(40), "b": np.zeros(39)}, range(40), "row")
    with pytest.raises(InputError, match="an array of 40 rows"):
        render(make_certainty(40), np.float64(3))


# --- the top --------------------------------------------------------------------------------------


def top(html: str) -> dict[str, str]:
    """Answers at the top by question."""
    brief = html.split('<dl class="brief">')[1].split("</dl>")[0]
    pairs = re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", brief, re.DOTALL)
    return {question: Page(f"<dd>{answer}</dd>").words for question, answer in pairs}


def test_the_top_says_what_to_check_first() -> None:
    sure, wrong, lean, flip = [0.99, 0.01], [0.01, 0.99], [0.8, 0.2], [0.5, 0.5]

    def said(rows: list[list[float]], truth: bool = True) -> str:
        certainty = certainty_of(rows, truth=np.zeros(len(rows), dtype=int) if truth else None)
        return top(render(certainty))["What to check first"]

    assert said([sure, sure]) == "It is sure of every row. The least certain"
    assert said([sure, flip]) == "The one coin flip. See them"
    assert said([sure, wrong, lean, lean, flip, flip, flip]) == (
        "The 3 coin flips. Then the one it is sure of and gets wrong. Then the 2 it leans on. See them"
    )
    assert (
        said([wrong, wrong, lean]) == "The 2 it is sure of and gets wrong. Then the one it leans on. See them"
    )
    assert said([wrong, wrong, lean], truth=False) == "The one it leans on. See them"
    assert "Check these first" not in Page(render(certainty_of([sure, sure]))).words
    assert "Check these first" in Page(render(certainty_of([sure, lean]))).words
    strange = certainty_of([sure, lean]).with_familiarity([0.001, 0.001])
    assert top(render(strange))["What to check first"] == "The 2 that are unfamiliar. See them"


def test_the_top_counts_each_row_once() -> None:
    rows = [[0.5, 0.5], [0.5, 0.5], [0.8, 0.2], [0.8, 0.2], [0.99, 0.01], [0.99, 0.01]]
    certainty = certainty_of(rows).with_familiarity([0.001, 0.5, 0.001, 0.5, 0.001, 0.5])
    said = top(render(certainty))["What to check first"]
    assert (
        said
        == "The 2 coin flips. Then the other 2 that are unfamiliar. Then the other one it leans on. See them"
    )
    counts = [int(each) for each in re.findall(r"\d+", said.replace(" one ", " 1 "))]
    needs = (certainty.verdict != SURE) | certainty.unfamiliar
    assert sum(counts) == needs.sum()
