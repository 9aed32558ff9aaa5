"""The page of maps: the rows that it shows and what it draws, against plain computations."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from howsure.report.looks import looks_of
from howsure.report.page import render
from howsure.tasks.segmentation.cards import CHARACTERS, MOST_CARDS, MOST_REGIONS
from howsure.tasks.segmentation.drawings import (
    CIVIDIS,
    KELLY,
    MOST_CHARACTERS,
    OKABE_ITO,
    OTHERS,
    Outline,
    colours_of,
    names_on,
    outline,
    shown_of,
)
from howsure.tasks.segmentation.page import counts_of, curve_of, share_over_rows
from howsure.tasks.segmentation.regions import numbered_by_size
from howsure.tasks.segmentation.result import DenseCertainty
from tests.report.made import Page, make_dense
from tests.report.test_report import table_rows

ROWS = MOST_CARDS + 3
SHAPE = (24, 32)


@pytest.fixture(scope="module", name="result")
def several_rows() -> DenseCertainty:
    return make_dense(ROWS, SHAPE, 4)


@pytest.fixture(scope="module", name="html")
def page_of_them(result: DenseCertainty) -> str:
    return render(result, np.random.default_rng(0).integers(0, 256, (ROWS, 3, 24, 32), dtype=np.uint8))


def articles(html: str) -> list[str]:
    return re.findall(r'<article class="map-card".*?</article>', html, re.DOTALL)


def picture(article: str, title: str) -> NDArray[Any]:
    """(H, W, 4) bytes of the last picture in the drawing with a title that begins so."""
    drawing = re.search(rf"<title[^>]*>{title}.*?</svg>\s*</summary>", article, re.DOTALL)
    assert drawing
    source = re.findall(r'<image[^>]*href="data:image/\w+;base64,([^"]*)"', drawing.group())[-1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source))).convert("RGBA"))


def filled(path: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Positions inside outlines: an odd number of upright sides lies to their left."""
    crossed = np.zeros((shape[0], shape[1] + 1), dtype=int)
    for x, y, length in re.findall(r"M(\d+) (\d+)v(\d+)", path):
        crossed[int(y) : int(y) + int(length), int(x)] += 1
    return np.cumsum(crossed, axis=1)[:, :-1] % 2 == 1


# --- which rows, and what is said of them ---------------------------------------------------------------


def test_regions_are_listed_with_their_numbers_on_the_map(result: DenseCertainty, html: str) -> None:
    article, at = articles(html)[0], int(result.most_undecided(1)[0])
    regions = result.regions(at)
    rows = table_rows(article, f"Regions of image {at}")
    assert 1 < len(rows) <= MOST_REGIONS
    numbered, _ = ndimage.label(result.gap[at] <= 0.2)
    drawing = article.split('<title id="label-1">')[1].split("</summary>")[0]
    marks = re.findall(r'class="disc" cx="([\d.]+)%" cy="([\d.]+)%"', drawing)
    assert len(marks) == len(rows)
    for cells, region, (across, down) in zip(rows, regions, marks, strict=False):
        (top, bottom), (left, right) = region.bounds
        assert cells[1:3] == [f"{region.size:,}", f"{region.label_name} and {region.runner_up_name}"]
        assert re.findall(r"\d+", cells[3]) == [
            *map(str, dict.fromkeys([left, right - 1])),
            *map(str, dict.fromkeys([top, bottom - 1])),
        ]
        inside = numbered[int(float(down) * 0.24), int(float(across) * 0.32)]
        assert inside
        assert np.sum(numbered == inside) == region.size


# --- pictures -------------------------------------------------------------------------------------------


def test_maps_are_those_of_the_result(result: DenseCertainty, html: str) -> None:
    article, at = articles(html)[0], int(result.most_undecided(1)[0])
    colours = np.array([list(bytes.fromhex(each[1:])) for each in OKABE_ITO])
    label = picture(article, f"image {at}, what the model says")
    assert np.array_equal(label[..., :3], colours[result.label[at]])
    truth, known = picture(article, f"image {at}, the true classes"), result.truth[at] >= 0
    assert np.array_equal(truth[known][:, :3], colours[result.truth[at][known]])
    opaque = truth[..., 3]
    wrong = known & (result.truth[at] != result.label[at])
    assert (opaque[wrong] == 255).all()
    assert (opaque[known & ~wrong] == 102).all()
    assert (opaque[~known] == 0).all()
    doubt = picture(article, f"image {at}, map of entropy: doubt")[..., :3]
    scale = {tuple(bytes.fromhex(each[1:])): level for level, each in enumerate(CIVIDIS)}
    level = np.array([[scale[tuple(pixel)] for pixel in line] for line in doubt.tolist()])
    step = max(result.entropy[each].max() for each in result.most_undecided(MOST_CARDS)) / len(CIVIDIS)
    assert (np.abs(level + 0.5 - result.entropy[at] / step) <= 0.51).all()
    outlines = re.findall(r'<path id="(flips|mistakes)-1" class="outline" d="([^"]*)"', article)
    drawn = {name: filled(path, SHAPE) for name, path in outlines}
    assert np.array_equal(drawn["flips"], result.is_coin_flip[at])
    assert np.array_equal(drawn["mistakes"], wrong)


def test_an_outline_that_would_be_too_long_is_of_the_largest_areas() -> None:
    noise = np.random.default_rng(0).random((300, 300)) < 0.3
    numbered = numbered_by_size(noise)
    sizes = np.bincount(numbered.ravel())[1:]
    assert (np.diff(sizes) <= 0).all()
    found = outline(numbered)
    assert len(found.path) <= MOST_CHARACTERS
    assert 0 < found.drawn < found.areas == numbered.max()
    assert np.array_equal(filled(found.path, noise.shape), noise & (numbered <= found.drawn))


def test_colours_are_told_apart_and_the_most_frequent_classes_have_them() -> None:
    assert colours_of(np.ones((2, 8))) == OKABE_ITO
    assert len(set(colours_of(np.ones((2, 20))))) == 20
    share = np.random.default_rng(0).dirichlet(np.ones(150), size=3)
    colours = np.array(colours_of(share))
    rare = np.argsort(-share.mean(axis=0))[len(KELLY) :]
    assert (colours[rare] == OTHERS).all()
    assert sorted(colours[colours != OTHERS]) == sorted(KELLY)


def test_a_name_stands_in_its_class_where_it_has_room() -> None:
    label = np.zeros((50, 100), dtype=int)
    label[10:40, 40:], label[:4, :4] = 1, 2
    found = {each.text: each for each in names_on(label, ("sky", "a road", "x"), ())}
    assert set(found) == {"sky", "a road"}
    for k, name in enumerate(("sky", "a road")):
        assert label[int(found[name].down / 2), int(found[name].across)] == k
    assert not names_on(label, ("sky " * 30, "road " * 30, "x"), ())


@pytest.mark.parametrize(
    ("shape", "first"),
    [
        ((2, 3, 6, 8), True),
        ((2, 6, 8, 3), False),
        ((2, 5, 12, 16), True),
        ((2, 6, 8), None),
        ((2, 6, 8, 1), False),
    ],
)
def test_images_may_have_their_channels_first_or_last_and_another_size(
    shape: tuple[int, ...], first: bool | None
) -> None:
    rows = np.random.default_rng(0).normal(size=shape)
    shown = shown_of(looks_of(rows, range(2), "image"), (6, 8))
    last = rows[..., None] if first is None else np.moveaxis(rows, 1, -1) if first else rows
    assert shown is not None
    assert np.array_equal(shown.of(1), last[1][..., : 3 if last.shape[-1] >= 3 else 1])


def test_large_maps_of_noise_do_not_take_more_than_they_may() -> None:
    result = make_dense(1, (520, 100))
    noise = np.random.default_rng(0).random((520, 100))
    label = (3 * noise).astype(np.int16)[None]
    gap = noise.astype(np.float32)[None]
    result = dataclasses.replace(result, label=label, gap=gap, entropy=gap)
    html = render(result, noise[None, None])
    assert len(articles(html)[0]) < CHARACTERS + 3 * MOST_CHARACTERS
    assert re.search(r"one in \d pixels across and down", Page(html).words)
    assert re.search(r"Not all outlines are drawn: \d+ of [\d,]+ areas of coin flips", Page(html).words)
    assert outline(np.ones((1, 1), dtype=int)).drawn == 1
    assert outline(1 * (np.random.default_rng(0).random((200, 200)) < 0.5)) == Outline("", 1, 0)


# --- words ----------------------------------------------------------------------------------------------


def test_words_are_underlined_by_verdict_over_their_label() -> None:
    result = make_dense(2, (6,))
    rows = [["The", "<cat>", "sat"], ["on", "a", "mat", "by", "the", "door"]]
    html = render(result, rows)
    for article, at in zip(articles(html), result.most_undecided().tolist(), strict=True):
        words = re.findall(r'<span class="word is-([a-z-]+)">(.*?)(?:<span|</span>)', article)
        assert [verdict.replace("-", " ") for verdict, _ in words] == result.verdict[at][
            : len(rows[at])
        ].tolist()
        assert [Page(word).words for _, word in words] == rows[at]
        label = [result.class_names[k] for k in result.label[at][: len(rows[at])]]
        runs = re.findall(r'<span class="said">(.*?)<span class="label-of">(class \d)', article, re.DOTALL)
        assert [name for run, name in runs for _ in re.findall('class="word', run)] == label
        wrong = (result.truth[at] >= 0) & (result.truth[at] != result.label[at])
        assert ("true: class" in article) == wrong[: len(rows[at])].any()
    assert "3 of 6 positions have a word" in Page(html).words
    assert 'class="opacity"' not in html


# --- sums over all rows ---------------------------------------------------------------------------------


def test_verdicts_and_the_curve_count_positions(result: DenseCertainty, html: str) -> None:
    known = result.truth >= 0
    wrong = result.label != result.truth
    for cells, verdict in zip(table_rows(html, "Verdicts"), ("sure", "leaning", "coin flip"), strict=True):
        members = result.verdict == verdict
        assert int(cells[1].replace(",", "")) == members.sum()
        assert float(cells[3].split()[0]) == pytest.approx(100 * np.mean(~wrong[members & known]), abs=0.1)
    curve = curve_of(counts_of(result))
    assert curve.kept[-1] == known.sum()
    for least, kept, bad in zip(curve.least[::20], curve.kept[::20], curve.wrong[::20], strict=True):
        members = known & (result.probability >= np.float32(least))
        assert (kept, bad) == (members.sum(), (members & wrong).sum())


def test_an_interval_over_rows_is_that_of_drawing_rows_anew() -> None:
    random = np.random.default_rng(0)
    counted = random.integers(50, 150, size=300)
    right = random.binomial(counted, random.beta(8, 2, size=300))
    share, interval = share_over_rows(right, counted)
    drawn = random.integers(0, 300, size=(4_000, 300))
    shares = right[drawn].sum(axis=1) / counted[drawn].sum(axis=1)
    low, high = (float(each) for each in re.findall(r"[\d.]+", interval))
    assert float(share.split("\u00a0")[0]) == pytest.approx(100 * right.sum() / counted.sum(), abs=0.06)
    assert [low, high] == pytest.approx(100 * np.quantile(shares, [0.025, 0.975]), abs=0.2)
    assert share_over_rows(right[:4], counted[:4])[1] == ""
    assert share_over_rows(counted, counted) == ("100\u00a0%", "")
    assert share_over_rows(0 * counted, 0 * counted) == ("–", "")


# --- what is refused, escaped, and not loaded -----------------------------------------------------------
