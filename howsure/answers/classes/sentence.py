"""One row of a `Certainty` as sentences that anyone can read: first the answer, then what explains it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from howsure.answers import verdict as verdicts
from howsure.answers.sentences import (
    AnswerRow,
    explained,
    percent,
    reason_in_words,
    usual_price,
    words_of,
)
from howsure.sampling import between
from howsure.sampling.outcome import Floats


@dataclass(frozen=True)
class Row(AnswerRow):
    """One row of a `Certainty`; printed, it says the answer, how sure it is, and why.

    An attribute that has the name of a column of `Certainty` holds that column's value for this row: a
    number, a text or None, or an array if the column has several values for a row. NaN means unknown.
    """

    in_notebooks: ClassVar[str] = "howsure.answers.classes.notebook:of_row"

    label: int
    runner_up: int
    label_name: str
    runner_up_name: str
    probabilities: Floats
    mc_error: Floats
    entropy: float
    entropy_error: float
    expected_entropy: float
    expected_entropy_error: float
    mutual_information: float
    mutual_information_error: float
    disagreement: float
    disagreement_error: float
    verdict: str
    settled: bool
    passes_to_settle: int
    reason: str | None
    truth: int | None
    familiarity: float | None = None
    spread: Floats | None = None
    spread_error: Floats | None = None
    quantiles: Floats | None = None
    quantiles_error: Floats | None = None

    def interval(self, level: float = between.SHOWN) -> tuple[float, float]:
        """The interval of networks' probabilities of `label`, as `Certainty.interval`."""
        if self.quantiles is None:
            return np.nan, np.nan
        low, high = between.interval_of(self.quantiles, level)
        return float(low), float(high)

    @property
    def probability(self) -> float:
        """Probability of `label`."""
        return float(self.probabilities[self.label])

    @property
    def no_clear_answer(self) -> bool:
        """Whether a coin flip is none between two, as `Certainty.no_clear_answer`."""
        both = (self.probabilities[[k]] for k in (self.label, self.runner_up))
        return bool(verdicts.has_no_clear_answer(np.array([self.verdict]), *both)[0])

    def __str__(self) -> str:
        return sentence_of(self)


def sentence_of(row: Row) -> str:
    """The row in a sentence: most probable class, other candidates and certainty; then the reason."""
    answer = f"{percent(row.probability, float(row.mc_error[row.label]))} '{row.label_name}'"
    said, rival = row.verdict, 100 * float(row.probabilities[row.runner_up])
    if row.no_clear_answer:
        said, others = verdicts.NO_CLEAR_ANSWER, len(row.probabilities) - 2
        next_one = percent(rival / 100, float(row.mc_error[row.runner_up])).partition(" ±")[0].rstrip(" %")
        answer += f", then '{row.runner_up_name}' ({next_one} %) and {others} others"
    elif row.verdict != verdicts.SURE:
        answer += f", or '{row.runner_up_name}' ({'< 1' if rival < 0.5 else f'{rival:.0f}'} %)"
    reason = reason_in_words(
        row.reason,
        row.method,
        share=percent(row.disagreement, row.disagreement_error),
        passes=row.passes,
        passes_to_settle=row.passes_to_settle,
        kind=row.kind,
        familiarity=row.familiarity,
    )
    price = usual_price(row.method, float(row.mc_error[row.label]), row.passes)
    return explained(f"{answer}: {said}", single_in_words(row), reason, price)


def single_in_words(row: Row) -> str:
    """The interval of nine in ten networks: `most networks say 40 to 62 %`; empty if it is unknown.

    If a few extreme networks pull the mean out of that interval, a wider one that contains the mean is given:
    `most networks say 12 to > 99.9 % (99 % of them)`. If none contains it, the text is empty.
    """
    for level in between.TOLD:
        ends = _ends_in_words(*row.interval(level), row.probability)
        if ends:
            of_them = "" if level == between.SHOWN else f" ({100 * level:g} % of them)"
            return f"most {words_of(row.method)['between']} say {ends} %{of_them}"
    return ""


def _ends_in_words(low: float, high: float, mean: float) -> str:
    """Two ends in whole per cent, or with a decimal if the rounded mean would lie outside them.

    Empty if they are not known, or the mean does lie outside.
    """
    shown = round(100 * mean, 1)
    for decimals in (0, 1) if np.isfinite(low + high) else ():
        if round(100 * low, decimals) <= shown <= round(100 * high, decimals):
            first, last = (_end_in_words(end, decimals) for end in (low, high))
            return first if first == last else f"{first} to {last}"
    return ""


def _end_in_words(end: float, decimals: int) -> str:
    """An end with so many decimals, or with one where it would round to 0 or 100."""
    if 100 * end < 0.05 or 100 * end >= 99.95:
        return "< 0.1" if end < 0.5 else "> 99.9"
    percent = f"{100 * end:.{decimals}f}"
    return f"{100 * end:.1f}" if percent in ("0", "100") else percent
