"""The templates of all pages, and how numbers are written in them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2

from howsure import words as in_sentences
from howsure.report import words
from howsure.results.verdict import COIN_FLIP, LEANING, SURE, VERDICTS


@cache
def environment() -> jinja2.Environment:
    """Where templates are found; whatever they are given is escaped, and what they miss is an error."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "counted": in_sentences.counted,
        "interval": words.interval_of,
        "place": lambda position: f"{position:.2f}%",
        "points": in_sentences.points,
        "rate": in_sentences.rate,
        "share": words.share_of,
        "thousands": lambda number: f"{number:,}",
    }
    found.globals |= {"SURE": SURE, "LEANING": LEANING, "COIN_FLIP": COIN_FLIP, "VERDICTS": VERDICTS}
    return found
