"""Numbers in sentences: counts, shares and scores as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

UNIT = "\u00a0%"  # a no-break space, so that a number and its sign stay on one line

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""How a text begins that a spreadsheet takes for a formula, perhaps after quotes that keep it from that."""

_NUMBER = re.compile(r"[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?")
"""A number for a spreadsheet, whatever sign comes first."""

_NOT_PRINTABLE = re.compile(r"[\0-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069]")
"""Controls, halves of surrogate pairs, separators of lines and of paragraphs, and what reorders the text
around it, so that a name seems to end in `.png`. Joiners and soft hyphens are not among them: scripts and
emoji need them."""


def counted(count: int, noun: str) -> str:
    """`1 image`, `2 images`, `10,000 images`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def rate(share: float, decimals: int = 1) -> str:
    """A share in per cent; `0 %` and `100 %` are kept for shares that are exactly that."""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f}{UNIT}"
    smallest = 10.0**-decimals
    if 100 * share < smallest / 2:
        return f"< {smallest:.{decimals}f}{UNIT}"
    if 100 * (1 - share) < smallest / 2:
        return f"> {100 - smallest:.{decimals}f}{UNIT}"
    return f"{100 * share:.{decimals}f}{UNIT}"


def decimals_of(width: float) -> int:
    """As many as tell two digits of the width of an interval: all that its number is known to."""
    return int(min(max(1 - math.floor(math.log10(max(width, 1e-9))), 0), 6))


def points(difference: float) -> str:
    """A difference of two shares in percentage points, without its sign."""
    value = abs(100 * difference)
    decimals = 0 if value >= 10 else 1 if value >= 0.95 else 2
    return f"{value:.{decimals}f}\u00a0points"


def upper(text: str) -> str:
    """The same with a capital letter first."""
    return text[:1].upper() + text[1:]


def listed(names: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`; or with another word before the last one."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"


def no_formula(cell: Any) -> Any:
    """A text that a spreadsheet would run as a formula with a `'` before it, as OWASP advises for csv.

    A number stays one. A text with such a `'` gets one more.

    Example:
        >>> [no_formula(cell) for cell in ("=1+1", "-1", "'=1", "it's", 2)]
        ["'=1+1", '-1', "''=1", "it's", 2]
    """
    if not isinstance(cell, str) or _NUMBER.fullmatch(cell) or not _FORMULA.match(cell):
        return cell
    return f"'{cell}"


def is_printable(text: str) -> bool:
    """Whether a text is of one line, reads in its order, and UTF-8 can write it."""
    return _NOT_PRINTABLE.search(text) is None


def printable(text: str) -> str:
    """The same with what would steer a terminal, or cannot be written, as Python writes it; lines stay."""
    return _NOT_PRINTABLE.sub(lambda match: match[0] if match[0] == "\n" else ascii(match[0])[1:-1], text)
