"""A row of a `DenseCertainty` in sentences: what it holds, how sure that is, and where to look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from howsure.sampling.outcome import Floats
from howsure.tasks.segmentation.regions import Region
from howsure.tasks.sentences import AnswerRow, dropped, words_of
from howsure.words import counted

TOLD = 3
"""Classes whose share a sentence tells at most: the largest ones."""

LEAST_TOLD = 0.005
"""The smallest share of a class, after the first, that a sentence tells: it rounds to 1 %."""


@dataclass(frozen=True)
class DenseRow(AnswerRow):
    """One row of a `DenseCertainty`; printed, it says the shares of its classes and how sure they are.

    Attributes:
        share: (K,) share of its positions that have each class, mean over networks.
        share_error: (K,) standard error of `share`.
        share_interval: (K, 2) interval of nine in ten networks; NaN if unknown.
        overlap: (K,) mean Dice of pairs of networks.
        overlap_error: (K,) standard error of `overlap`.
        undecided: Share of its positions that are coin flips.
        unsettled: Share of its positions whose verdict is not settled.
        doubt: How doubtful it is, 0 to 1: mean of 1 − probability, each class found alike.
        mc_error: Mean over its positions of the standard error of the top probability; NaN where unknown.
        regions: Connected coin flips, largest first.
        class_names: K names.
        position_name: Name of a position: `pixel`.
    """

    share: Floats
    share_error: Floats
    share_interval: Floats
    overlap: Floats
    overlap_error: Floats
    undecided: float
    unsettled: float
    doubt: float
    mc_error: float
    regions: tuple[Region, ...]
    class_names: tuple[str, ...]
    position_name: str

    def __str__(self) -> str:
        return sentence_of(self)

    def _explained(self) -> Iterable[str]:
        k, between = int(np.argmax(self.share)), words_of(self.method)["between"]
        if ends := ends_in_words(*self.share_interval[k].tolist()):
            yield f"{dropped(self.method)}most {between} say {ends} % '{self.class_names[k]}'"
        if self.regions:
            largest = self.regions[0]
            yield (
                f"look first at the largest region: {counted(largest.size, self.position_name)} "
                f"between '{largest.label_name}' and '{largest.runner_up_name}'"
            )


def sentence_of(row: DenseRow) -> str:
    """Shares of the largest classes, and of the coin flips.

    Example:
        80 % 'healthy', 17 % 'tumour'; 3.1 % of the pixels are coin flips.
    """
    order = np.argsort(-row.share, kind="stable")[:TOLD].tolist()
    largest = [k for number, k in enumerate(order) if number == 0 or row.share[k] >= LEAST_TOLD]
    shares = ", ".join(f"{share_in_words(float(row.share[k]))} % '{row.class_names[k]}'" for k in largest)
    flips = f"{share_in_words(row.undecided)} % of the {row.position_name}s are coin flips"
    return f"{shares}; {flips if row.undecided else f'no {row.position_name} is a coin flip'}."


def share_in_words(share: float) -> str:
    """A share in per cent, with a decimal below 10: `17`, `3.1`, `< 0.1`, `> 99.9`."""
    percent = 100 * share
    if 0 < percent < 0.05:
        return "< 0.1"
    if 99.95 <= percent < 100:
        return "> 99.9"
    if percent in (0, 100):
        return f"{percent:.0f}"
    return f"{percent:.1f}" if percent < 9.95 or percent >= 99.5 else f"{percent:.0f}"


def overlap_in_words(overlap: float, error: float) -> str:
    """An overlap, with the 95 % interval its passes allow if that shows: `0.87 ± 0.02`; empty if unknown."""
    if not np.isfinite(overlap):
        return ""
    margin = min(1.96 * error, 1.0)
    return f"{overlap:.2f} ± {margin:.2f}" if margin >= 0.005 else f"{overlap:.2f}"


def ends_in_words(low: float, high: float) -> str:
    """Two ends in per cent: `14 to 21`; empty if they are not known."""
    if not np.isfinite(low + high):
        return ""
    first, last = share_in_words(low), share_in_words(high)
    return first if first == last else f"{first} to {last}"
