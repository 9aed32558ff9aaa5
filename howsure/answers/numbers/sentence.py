"""One row of a `RegressionCertainty` as a sentence: the number, then where answers and where networks lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy.special import ndtri

from howsure.answers.sentences import called, words_of
from howsure.data.ids import ID
from howsure.displayed import Displayed
from howsure.sampling import between
from howsure.sampling.outcome import Floats

SHOWN = 0.95
"""Share of new answers, and of networks, in the intervals of a sentence."""


@dataclass(frozen=True)
class NumbersRow(Displayed):
    """One row of a `RegressionCertainty`; printed, it says the number and how far answers may lie from it.

    An attribute that has the name of a column of `RegressionCertainty` holds that column's values for this row.

    Attributes:
        kind: What a row is, `image` or `row`.
        method: Name and settings of the method that produced the passes.
        id: What the caller calls the row, or None.
        id_name: What the caller calls that.
    """

    in_notebooks: ClassVar[str] = "howsure.answers.numbers.notebook:of_row"

    row: int
    target_names: tuple[str, ...]
    mean: Floats
    mc_error: Floats
    noise: Floats
    std: Floats
    passes: int
    kind: str
    truth: Floats | None
    familiarity: float | None = None
    noise_from: str | None = None
    method: Mapping[str, Any] = field(default_factory=dict)
    id: int | str | None = None
    id_name: str = ID
    spread: Floats | None = None
    spread_error: Floats | None = None
    quantiles: Floats | None = None
    quantiles_error: Floats | None = None

    @property
    def called(self) -> str:
        """What the row is called in a text: `customer A17` by its id, or without one `row 17`."""
        return called(self.kind, self.row, self.id, self.id_name)

    def credible_interval(self, level: float = between.SHOWN) -> Floats:
        """(K, 2) between which numbers the networks lie; NaN where unknown."""
        if self.quantiles is None:
            return np.full((len(self.mean), 2), np.nan)
        return between.number_interval_of(self.quantiles, level)

    def prediction_interval(self, level: float = between.SHOWN) -> Floats:
        """(K, 2) between which numbers a new answer lies; NaN where `noise` is unknown."""
        reach = ndtri((1 + level) / 2) * self.std
        return np.stack([self.mean - reach, self.mean + reach], axis=-1)

    def __str__(self) -> str:
        one = len(self.mean) == 1
        said = (
            ("" if one else f"'{name}': ") + number_in_words(self, k)
            for k, name in enumerate(self.target_names)
        )
        return ". ".join(said) + "."


def number_in_words(row: NumbersRow, k: int) -> str:
    """One number of a row: `4.21 ± 0.02; 95 % of answers between 2.9 and 5.5 (networks alone: 3.8 to 4.6)`."""
    mean, margin = float(row.mean[k]), 1.96 * float(row.mc_error[k])
    answers, networks = row.prediction_interval(SHOWN)[k], row.credible_interval(SHOWN)[k]
    said = f"{with_margin(mean, margin)}"
    words = words_of(row.method)["between"]
    if np.isfinite(answers).all():
        low, high = ends_in_words(*answers)
        said += f"; {SHOWN:.0%} of answers between {low} and {high}".replace("%", " %")
        if np.isfinite(networks).all():
            said += f" ({words} alone: {' to '.join(ends_in_words(*networks))})"
    elif np.isfinite(networks).all():
        low, high = ends_in_words(*networks)
        said += f"; {SHOWN:.0%} of {words} between {low} and {high}".replace("%", " %")
    return said


def with_margin(value: float, margin: float) -> str:
    """A number and its margin, both with the decimals that the margin's first digit allows: `4.21 ± 0.02`.

    Without a margin the number has four significant digits.
    """
    if not np.isfinite(margin) or margin <= 0:
        return significant(value, 4)
    decimals = -math.floor(math.log10(margin))
    if round(margin, decimals) >= 10 ** (1 - decimals):  # 0.096 is 0.1
        decimals -= 1
    return f"{rounded(value, decimals)} ± {rounded(margin, decimals)}"


def ends_in_words(low: float, high: float) -> tuple[str, str]:
    """Two ends of an interval, with the decimals that its width allows: two digits of the width."""
    width = high - low
    decimals = 3 if width <= 0 else 1 - math.floor(math.log10(width))
    return rounded(low, decimals), rounded(high, decimals)


def significant(value: float, digits: int) -> str:
    """A number with so many significant digits: `0.1234`, `1,234`."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    return rounded(value, digits - 1 - math.floor(math.log10(abs(value))))


def rounded(value: float, decimals: int) -> str:
    """`1,200` for −2 decimals, `0.12` for 2; powers of ten where decimals would be very many."""
    if decimals > 6 or (value and abs(value) >= 1e9):
        return f"{value:.{max(1, min(12, decimals + math.floor(math.log10(abs(value))) if value else 1))}e}"
    shown = f"{round(value, decimals):,.{max(0, decimals)}f}"
    return "0" + shown[2:] if shown.startswith("-0") and not float(shown.replace(",", "")) else shown
