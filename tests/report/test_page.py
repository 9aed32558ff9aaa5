from __future__ import annotations

import base64
import hashlib
import itertools
import re

import numpy as np
import pytest

from howsure.report.page import render
from howsure.words import UNIT
from tests.report.comparisons import PAGES as COMPARED
from tests.report.made import (
    Lazily,
    Page,
    check_landmarks,
    check_tables,
    make_certainty,
    make_dense,
    make_multilabel,
    make_numbers,
)
from tests.report.pages import AUDIT, PAGES, images


@pytest.fixture(params=PAGES, name="html")
def any_page(request: pytest.FixtureRequest) -> str:
    return PAGES[request.param]


@pytest.fixture(params=[*PAGES, *COMPARED], name="any_html")
def any_page_of_both(request: pytest.FixtureRequest) -> str:
    return (PAGES if request.param in PAGES else COMPARED)[request.param]


# --- a page that stands on its own ----------------------------------------------------------------


def test_every_page_parses_and_its_ids_are_unique(any_html: str) -> None:
    page = Page(any_html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert sum(1 for _ in page.all("h1")) == sum(1 for _ in page.all("main")) == 1


def test_every_page_asks_for_nothing_from_outside(any_html: str) -> None:
    page = Page(any_html)
    policy = re.search(r"script-src ('[^']*')", any_html)
    scripts = re.findall(r"<script>(.*?)</script>", any_html, re.DOTALL)
    assert len(scripts) == sum(1 for _ in page.all("script")) == (policy is not None)
    for script in scripts:  # no other one may run
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert policy
        assert policy.group(1) == f"'sha256-{digest}'"
    for tag, attributes in page.elements:
        assert tag not in {"iframe", "object", "embed"}
        for name in ("src", "href", "srcset", "data", "poster", "action", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
        assert not any(name.startswith("on") for name in attributes)
    assert all(target.startswith("#") for target in re.findall(r"url\(\s*['\"]?([^)]*)", any_html))
    assert "default-src 'none'" in any_html
    assert "@import" not in any_html
    assert not re.search(r"https?://", any_html)


def test_every_reference_within_the_page_has_its_target(any_html: str) -> None:
    page = Page(any_html)
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = [attributes.get("href") or "" for _, attributes in page.elements]
    wanted = {link[1:] for link in links if link.startswith("#")}
    for _, attributes in page.elements:
        wanted |= set((attributes.get("aria-labelledby") or "").split())
    assert wanted <= ids


def test_every_pattern_of_the_style_is_there(html: str) -> None:
    assert set(re.findall(r"url\(#([^)]*)\)", html)) <= {each.get("id") for _, each in Page(html).elements}


def test_every_drawing_has_a_title_or_repeats_what_is_written_beside_it(html: str) -> None:
    for match in re.finditer(r"<svg\b([^>]*)>\s*(<title|.)", html):
        attributes, first = match.groups()
        decorative = 'aria-hidden="true"' in attributes
        assert decorative or ('role="img"' in attributes and first == "<title"), match.group()


def test_headings_go_down_one_level_at_a_time(any_html: str) -> None:
    levels = [int(tag[1]) for tag, _ in Page(any_html).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_wide_tables_scroll_inside_a_box_that_the_keyboard_reaches_and_images_have_words(
    any_html: str,
) -> None:
    page = Page(any_html)
    check_tables(page)
    # A picture in a line of a table stands beside all that could be said of it.
    assert all(image["alt"] or image.get("loading") == "lazy" for image in page.all("img"))


def test_landmarks_have_names_of_their_own(any_html: str) -> None:
    check_landmarks(any_html)


def test_details_come_last_and_are_closed(html: str) -> None:
    details = list(Page(html).all("details"))
    assert not any("open" in attributes for attributes in details)
    assert [attributes["id"] for attributes in details if attributes.get("class") == "part"][-1] == "reading"
    assert "<section" not in html.split('class="part"', 1)[1].split("</main>")[0]


def test_no_page_shows_a_number_that_is_none(html: str) -> None:
    assert not re.search(r"\b(nan|None(?!:)|inf)\b", Page(html).words)


def test_ten_thousand_images_fit() -> None:
    page = render(make_certainty(10_000), images(10_000), audit=AUDIT)
    assert len(page.encode()) <= 3_000_000


SIZES = Lazily(
    {
        "classes": lambda: (make_certainty(2_500, ids=np.arange(2_500), id_name="file"), PHOTO),
        "a thousand classes": lambda: (make_certainty(2_500, 1_000), PHOTO),
        "labels": lambda: (make_multilabel(2_500, 10), PHOTO),
        "eighty labels": lambda: (make_multilabel(2_500, 80), PHOTO),
        "number": lambda: (make_numbers(2_500), np.ones((2_500, 30))),
        "numbers": lambda: (make_numbers(2_500, 10), np.ones((2_500, 30))),
        "sixty numbers": lambda: (make_numbers(2_500, 60), np.ones((2_500, 30))),
        "positions": lambda: (make_dense(2_500, (12, 16), 5), PHOTO),
        "many classes of positions": lambda: (make_dense(30, (12, 16), 150), PHOTO[:30]),
    }
)
"""Results of 2,500 rows, with rows that do not compress."""

PHOTO = np.broadcast_to(
    np.random.default_rng(0).integers(256, size=(96, 128, 3), dtype=np.uint8), (2_500, 96, 128, 3)
)


@pytest.mark.parametrize("kind", SIZES)
def test_a_page_of_2500_rows_can_be_sent_and_read(kind: str) -> None:
    html = render(*SIZES[kind])
    assert len(html.encode()) <= 400_000
    assert len(Page(html).words.split()) <= 8_000


def test_no_sentence_is_long(html: str) -> None:
    body = re.sub(
        r'<article class="map-card".*?</article>|<p class="line">.*?</p>', "", html, flags=re.DOTALL
    )
    texts = re.findall(r"<(p|dd|figcaption)\b[^>]*>(.*?)</\1>", body, re.DOTALL)
    for _, text in texts:
        for sentence in re.split(r"(?<=[.?])\s+", Page(f"<p>{text}</p>").words):
            assert len(sentence.split()) <= 25, sentence


def test_large_images_and_many_points_fit() -> None:
    certainty = make_certainty(2_000)
    noise = np.random.default_rng(0).random((2_000, 90, 90, 4), dtype=np.float32)
    assert len(render(certainty, noise).encode()) <= 3_000_000


def test_names_are_shown_as_text() -> None:
    names = ("<script>alert(1)</script>", *(f'class & "{k}" {"long " * 40}' for k in range(9)))
    certainty = make_certainty(100, class_names=names, method={"name": "<i>m</i>", "note": "<u>"})
    html = render(certainty, title="<em>title</em>", audit=AUDIT)
    page = Page(html)
    assert not {"i", "u", "em", "b"} & {tag for tag, _ in page.elements}
    assert "<script" not in html
    assert "<script>alert(1)</script>" in page.words
    assert "<em>title</em>" in page.words


def test_what_reorders_the_text_around_it_is_shown_instead() -> None:
    ids = [f"scan{k}\u202egnp.exe" for k in range(100)]
    certainty = make_certainty(100, ids=np.array(ids, object), id_name="file")
    html = render(certainty, title="a \u2067title")
    assert not {"\u202e", "\u2067"} & set(html)
    assert "a \\u2067title" in html
    assert "\\u202egnp.exe" in html
    assert "scan0\\u202egnp.exe" in str(certainty[:1])
    assert certainty.ids is not None
    assert certainty.ids[0] == ids[0]  # which finds the file


# --- legible in light and dark --------------------------------------------------------------------


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_is_enough_in_both_schemes() -> None:
    schemes = re.findall(r":root \{([^}]*--page: #[0-9a-f]{6};[^}]*)\}", PAGES["images"])
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", scheme))
        page = luminance(colours["page"])
        for name, least in (("ink", 7), ("soft", 4.5), ("alarm", 4.5), ("mark", 4.5), ("tone", 3)):
            ink = luminance(colours[name])
            assert (max(page, ink) + 0.05) / (min(page, ink) + 0.05) >= least, (name, colours)


def test_red_is_for_coin_flips_and_mistakes_alone() -> None:
    style = PAGES["images"].split("<style>")[1].split("</style>")[0]
    style = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", style)
    red = [selector.strip() for selector, body in rules if "var(--alarm)" in body]
    assert red
    assert all("coin-flip" in selector or "is-wrong" in selector for selector in red)


def test_images_are_shown_large_enough_to_see() -> None:
    style = PAGES["images"].split("<style>")[1].split("</style>")[0]
    assert re.search(r"\.zoom img \{[^}]*width: 10rem; height: 10rem;", style)  # 160 pixels


def test_numbers_and_their_sign_stay_on_one_line() -> None:
    assert UNIT == "\u00a0%"
    assert not re.search(r"\d %", PAGES["zero rows"].split("</style>")[1].split('id="audit"')[0])
