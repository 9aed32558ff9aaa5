"""The templates of all pages, and how numbers are written in them."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from howsure import words as in_sentences
from howsure.digits import significant
from howsure.report.figures import beside, interval_of, share_of
from howsure.words import printable


@dataclass(frozen=True)
class Script:
    """A script within a page.

    Attributes:
        text: JavaScript; no text of a caller's is ever in it.
        allowed: The source that a page's policy has to allow for it, and for no other.
    """

    text: str
    allowed: str


@cache
def script() -> Script:
    """The script that changes how much of an image is seen through a map; a page can do without it."""
    text = (Path(__file__).parent / "maps.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return Script(text, f"'sha256-{digest}'")


@cache
def environment() -> jinja2.Environment:
    """The environment of templates; those of a task are in its own folder: `classification/page.html.j2`.

    It escapes all values, shows characters that would reorder the text, and raises an error for missing
    values.
    """
    here = Path(__file__).parent
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader([here, here.parent / "tasks"]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters |= {
        "counted": in_sentences.counted,
        "digits": lambda number: significant(number, 2),
        "interval": interval_of,
        "place": lambda position: f"{position:.2f}%",
        "points": in_sentences.points,
        "beside": beside,
        "slug": lambda word: word.replace(" ", "-"),
        "rate": in_sentences.rate,
        "share": share_of,
        "thousands": lambda number: f"{number:,}",
    }
    return jinja
