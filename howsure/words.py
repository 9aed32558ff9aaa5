"""Numbers in sentences: counts, shares and scores as people write them."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

UNIT = "\u00a0%"  # a no-break space, so that a number and its sign stay on one line

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""How a text begins that a spreadsheet takes for a formula, perhaps after quotes that keep it from that."""

_NUMBER = re.compile(r"[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?")
"""What a spreadsheet takes for a number, whatever sign comes first."""

_NOT_PRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Categories of Unicode: controls, halves of surrogate pairs, separators of lines and of paragraphs."""


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


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def no_formula(cell: Any) -> Any:
    """A text that a spreadsheet would run as a formula with a `'` before it, as OWASP advises for csv.

    A number stays one. What has such a `'` already gets one more, so that `before_no_formula` finds it again.

    Example:
        >>> [no_formula(cell) for cell in ("=1+1", "-1", "'=1", "it's", 2)]
        ["'=1+1", '-1', "''=1", "it's", 2]
    """
    if not isinstance(cell, str) or _NUMBER.fullmatch(cell) or not _FORMULA.match(cell):
        return cell
    return f"'{cell}"


def before_no_formula(cell: str) -> str:
    """The text from which `no_formula` made this one."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def is_printable(text: str) -> bool:
    """Whether a text is of one line and holds nothing that steers a terminal or that UTF-8 cannot write."""
    return not any(unicodedata.category(letter) in _NOT_PRINTABLE for letter in text)


def printable(text: str) -> str:
    """The same with what would steer a terminal, or cannot be written, as Python writes it; lines stay."""
    return "".join(
        letter if letter == "\n" or is_printable(letter) else ascii(letter)[1:-1] for letter in text
    )
