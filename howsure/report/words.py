"""Counted shares and scores as the pages write them."""

from __future__ import annotations

from howsure.report.figures import Proportion
from howsure.words import UNIT, decimals_of, rate

SCORES = {
    "accuracy": ("accuracy", "higher is better; 1 is always right"),
    "nll": ("NLL", "lower is better; 0 gives every true class 100 %"),
    "brier": ("Brier", "lower is better; 0 gives every true class 100 %"),
    "brier_reliability": ("Brier, reliability", "lower is better; 0 means percentages that are true"),
    "brier_resolution": ("Brier, resolution", "higher is better; 0 gives all rows the same percentages"),
    "brier_uncertainty": ("Brier, uncertainty", "depends on the rows alone, not on the model"),
    "ece": ("ECE", "lower is better; chance alone makes it more than 0"),
    "ece_debiased": ("ECE, debiased", "lower is better; 0 means percentages that are true"),
    "classwise_ece": ("classwise ECE", "lower is better; chance alone makes it more than 0"),
    "aurc": ("AURC", "lower is better; 0 is never wrong"),
    "excess_aurc": ("E-AURC", "lower is better; 0 puts every mistake last"),
    "error_auroc": ("error AUROC", "higher is better; 0.5 is a guess, 1 puts every mistake last"),
    "error_fpr95": ("error FPR95", "lower is better; 0 lets no mistake pass"),
    "outside_auroc": ("outside AUROC", "higher is better; 0.5 is a guess, 1 puts every OOD row last"),
    "outside_fpr95": ("outside FPR95", "lower is better; 0 lets no OOD row pass"),
    "outside_auroc_by_disagreement": (
        *("outside AUROC, by disagreement", "higher is better; 0.5 is a guess, 1 puts every OOD row last"),
    ),
}
"""The field's name of each score of an evaluation, and its good direction."""


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
