"""The lists of the report, the names on its rows and the answers at its top, beside a plain computation."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

import howsure
from howsure.errors import InputError
from howsure.report.figures import BANDS, bands
from howsure.report.looks import looks_of
from howsure.report.page import render
from howsure.tasks.classification.page import MOST_LISTED, asking_for_a_look, classes_of
from howsure.tasks.multilabel.printed import answers_of
from howsure.tasks.verdict import COIN_FLIP, LEANING, SURE
from tests.made import certainty_of
from tests.report.made import Page, make_certainty, make_multilabel
from tests.report.pages import images
from tests.report.test_report import table_rows

# --- lists ----------------------------------------------------------------------------------------


def test_all_rows_that_ask_for_a_look_are_listed() -> None:
    certainty = make_certainty(300).with_familiarity(np.linspace(0.001, 1, 300), share=0.02)
    certainty = dataclasses.replace(certainty, mc_error=certainty.mc_error * 4)
    assert certainty.truth is not None
    asks = (certainty.verdict != SURE) | ~certainty.settled | certainty.unfamiliar
    asks |= certainty.label != certainty.truth
    order = [position for position in np.argsort(certainty.gap, kind="stable") if asks[position]]
    expected = sorted(order, key=lambda position: not certainty.unfamiliar[position])
    assert certainty.unfamiliar[expected[0]]
    found = table_rows(render(certainty), "The list of images")
    assert [int(cells[0]) for cells in found] == expected[:MOST_LISTED]
    for cells, position in zip(found, expected, strict=False):
        row = certainty[int(position)]
        right = "right" if row.truth == row.label else f"wrong: it is '{row.truth}'"
        assert cells[-3:] == [row.said, row.reason or "–", right]


def test_of_long_lists_the_page_says_how_many_it_shows() -> None:
    html = render(make_certainty(9_000))
    assert len(table_rows(html, "The list of images")) == MOST_LISTED
    assert re.search(rf"The page shows {MOST_LISTED} of [\d,]+; a saved table has all", Page(html).words)
    assert len(html.encode()) <= 3_000_000
    assert 'id="lists"' not in render(certainty_of([[0.99, 0.01]] * 30))
    assert 'id="lists"' not in render(certainty_of([[0.51, 0.49]] * 3))


def test_answers_of_several_labels_are_listed_with_their_label() -> None:
    several = make_multilabel(60, 3, ids=[f"scan-{k}" for k in range(60)], id_name="file")
    html = render(several)
    found = table_rows(html, "The list of answers")
    assert len(found) == len(asking_for_a_look(answers_of(several)))
    for row, id, label, says, *_ in found:
        p = several.probabilities[int(row), several.label_names.index(label)]
        assert (id, says) == (f"scan-{row}", "yes" if p > 0.5 else "no")
    assert "Label by label" in Page(html).words


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


def test_percentages_are_held_against_the_truth_band_by_band() -> None:
    random = np.random.default_rng(0)
    claims = np.concatenate([random.uniform(0.3, 1, 900), [0.95, 0.99, 1.0, 0.8]])
    right = random.random(904) < claims
    found = bands(claims, right)
    assert [band.low for band in found] == sorted((band.low for band in found), reverse=True)
    assert sum(band.right.total for band in found) == 904
    for band in found:
        members = (claims >= band.low) & ((claims < band.high) | (band.high == 1))
        assert band.right.total == members.sum()
        assert band.right.count == right[members].sum()
        assert band.claim == pytest.approx(claims[members].mean())
    assert {band.low for band in found} < set(BANDS)
    rows = table_rows(render(make_certainty(900)), "What it says and what is right")
    assert rows[0][0] == "99.9 % or more"
    assert all(cells[4] in ("within chance", "too sure", "too modest") for cells in rows)


def test_bands_of_true_claims_are_rarely_called_off() -> None:
    called = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        claims = random.uniform(0.3, 1, 2_000)
        called += any(band.off for band in bands(claims, random.random(2_000) < claims))
    assert binomtest(called, 60, 0.05, alternative="greater").pvalue > 0.001
    claims = np.full(500, 0.97)
    assert [band.off for band in bands(claims, np.arange(500) % 4 > 0)] == [-1]
    assert [band.off for band in bands(np.full(500, 0.85), np.ones(500, dtype=bool))] == [1]


# --- names on every row ---------------------------------------------------------------------------


def test_a_card_says_once_where_most_networks_lie() -> None:
    random = np.random.default_rng(0)
    passes = random.dirichlet([2.0, 2.0], (200, 30))
    certainty = howsure.Certainty.from_passes(passes)
    html = render(certainty)
    gallery = html.split('id="coin-flips"')[1].split("</section>")[0]
    cards = gallery.split('<li class="card')[1:]
    shown = certainty.coin_flips()[: len(cards)]
    assert len(cards) == len(shown) >= 10
    for card, position in zip(cards, shown, strict=True):
        row = certainty[int(position)]
        low, high = (f"{100 * end:.0f}" for end in row.interval(0.9))
        assert re.findall(r"&#39;(\d)&#39;: most passes say (\d+) to (\d+) %", card) == [
            (row.label_name, low, high)
        ]
    assert "about nine in ten of them lie within the percentages" in top(html)["What is ±?"]
    without = render(make_certainty(40))
    assert "ost networks say" not in Page(without).words


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
        "The 3 coin flips, then the one it is sure of and gets wrong, then the 2 it leans on. See them"
    )
    assert (
        said([wrong, wrong, lean]) == "The 2 it is sure of and gets wrong, then the one it leans on. See them"
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
        == "The 2 coin flips, then the other 2 that are unfamiliar, then the other one it leans on. See them"
    )
    counts = [int(each) for each in re.findall(r"\d+", said.replace(" one ", " 1 "))]
    needs = (certainty.verdict != SURE) | certainty.unfamiliar
    assert sum(counts) == needs.sum()
