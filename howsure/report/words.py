"""Counted shares and scores as the pages write them."""

from __future__ import annotations

from howsure.report.figures import Proportion
from howsure.words import UNIT, decimals_of, rate


def decimals(found: Proportion) -> int:
    """Decimals of a share in per cent: as many as a `Score` with this interval has."""
    return decimals_of(100 * (found.high - found.low))


def _decimals_of_ends(found: Proportion) -> int:
    """The same, and up to 3 where an end, or the share, would else be rounded to 0 or 100 %."""
    least = decimals(found)
    ends = [end for end in (found.low, found.high, found.share) if 0 < end < 1]
    while least < 3 and not all(0 < round(100 * end, least) < 100 for end in ends):
        least += 1
    return least


def beside(claim: float, found: Proportion) -> str:
    """A claim with as many decimals as the interval of the share that it is held against allows."""
    return rate(claim, decimals(found))


def share_of(found: Proportion) -> str:
    """A counted share, with as many decimals as its interval allows; a dash for a share of nothing."""
    return rate(found.share, _decimals_of_ends(found)) if found.total else "–"


def interval_of(found: Proportion) -> str:
    """The 95 % interval of a counted share: `98.0 to 99.1 %`; a dash for a share of nothing."""
    if not found.total:
        return "–"
    shown = _decimals_of_ends(found)
    low, high = rate(found.low, shown), rate(found.high, shown)
    return f"{low.removesuffix(UNIT)} to {high}"
