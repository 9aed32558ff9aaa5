"""One row of a `RegressionCertainty` as a sentence, and what explains it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from howsure import digits
from howsure.digits import Written, significant, written
from howsure.sampling import between
from howsure.sampling.outcome import Floats
from howsure.tasks.regression import quantiles as of_answers
from howsure.tasks.regression.counts import interval, is_counts
from howsure.tasks.regression.doubt import (
    disagreement,
    disagreement_error,
    needs_passes,
    scatter,
    target_error,
    target_share,
)
from howsure.tasks.sentences import (
    AnswerRow,
    advice,
    dropped,
    more_of,
    passes_needed,
    unsettled,
    words_of,
)
from howsure.tasks.verdict import UNFAMILIAR

SHOWN = 0.95
"""Share of new answers, and of networks, in the intervals of a sentence."""

OF_NETWORKS = (SHOWN, between.SHOWN)
"""Shares of networks whose interval is told: the first of these for which passes suffice."""

OF_ANSWERS = f"{100 * SHOWN:g} % of answers"

FEW_TARGETS = 5
"""Up to so many numbers of a row are explained; more are only told."""


@dataclass(frozen=True)
class NumbersRow(AnswerRow):
    """One row of a `RegressionCertainty`; printed, it says how far answers may lie from its numbers.

    An attribute that has the name of a column of `RegressionCertainty` holds its values for this row.

    Attributes:
        target_names: K names.
        unfamiliar_share: The row is unfamiliar if its familiarity is at most this.
        noise_from: Source of `noise`, in words; None if it is unknown.
    """

    target_names: tuple[str, ...]
    mean: Floats
    mc_error: Floats
    noise: Floats
    std: Floats
    truth: Floats | None
    familiarity: float | None = None
    unfamiliar_share: float = 0.01
    noise_from: str | None = None
    spread: Floats | None = None
    spread_error: Floats | None = None
    quantiles: Floats | None = None
    quantiles_error: Floats | None = None
    answer_quantiles: Floats | None = None

    def credible_interval(self, level: float = between.SHOWN) -> Floats:
        """(K, 2) interval of the networks; NaN where unknown."""
        if self.quantiles is None:
            return np.full((len(self.mean), 2), np.nan)
        return between.number_interval_of(self.quantiles, level)

    def prediction_interval(self, level: float = between.SHOWN) -> Floats:
        """(K, 2) interval of a new answer; NaN where `noise` is unknown. Or between two quantiles."""
        return answers_between(self, level)

    def __str__(self) -> str:
        count = len(self.target_names)
        if count == 1:
            return f"{number_in_words(self, 0)}."
        return " ".join(f"'{name}': {number_in_words(self, k)}." for k, name in enumerate(self.target_names))

    def _explained(self) -> Iterable[str]:
        names = self.target_names
        for k, name in enumerate(names if len(names) <= FEW_TARGETS else ()):
            of = "" if len(names) == 1 else f"for '{name}', "
            parts = networks_in_words(self, k), disagreement_in_words(self, k), _option_in_words(self, k)
            yield from (of + part for part in parts if part)
        yield unfamiliar_in_words(self)


def answers_between(of: Any, level: float) -> Floats:
    """(…, K, 2) interval of a new answer of a row, or of the rows of a result; NaN where unknown."""
    if of.answer_quantiles is not None:
        return of_answers.between(of.answer_quantiles, of.method["levels"], level)
    if is_counts(of):
        return interval(of.mean, of.std, level)
    reach = ndtri((1 + level) / 2) * of.std
    return np.stack([of.mean - reach, of.mean + reach], axis=-1)


def written_of(row: NumbersRow, k: int, level: float) -> Written:
    """One number of a row, its intervals and the truth in texts that fit together.

    Args:
        row: The row.
        k: Which number.
        level: Share of networks in their interval.
    """
    spread = np.nan if row.spread is None else float(row.spread[k])
    return written(
        float(row.mean[k]),
        1.96 * float(row.mc_error[k]),
        _ends_or_none(row.prediction_interval(level_of_answers(row))[k]),
        _ends_or_none(row.credible_interval(level)[k]),
        None if row.truth is None else float(row.truth[k]),
        2 * float(ndtri((1 + SHOWN) / 2)) * spread,
        is_counts(row),
    )


def level_of_answers(row: Any) -> float:
    """Share of answers in the interval that is told: 95 %, or that between the outermost quantiles."""
    return SHOWN if row.answer_quantiles is None else list(of_answers.pairs_of(row.method["levels"]))[-1]


def level_of(row: NumbersRow, k: int) -> float:
    """Share of networks in the interval that is told of a number: the first for which passes suffice."""
    known_levels = (
        level for level in OF_NETWORKS if _ends_or_none(row.credible_interval(level)[k]) is not None
    )
    return next(known_levels, SHOWN)


def _ends_or_none(ends: Floats) -> tuple[float, float] | None:
    return (float(ends[0]), float(ends[1])) if np.isfinite(ends).all() else None


def number_in_words(row: NumbersRow, k: int) -> str:
    """One number of a row: `4.21 ± 0.02; 95 % of answers between 2.9 and 5.5`.

    If answers are unknown, it gives the interval of networks, or their standard deviation if passes are too
    few for an interval. It says how many more passes the mean needs.
    """
    texts, of_networks = written_of(row, k, level_of(row, k)), _networks(row, k)
    text = texts.number
    if texts.answers is not None:
        text += f"; {100 * level_of_answers(row):g} % of answers {digits.between(texts.answers)}"
    elif of_networks:
        text += f"; {of_networks}"
    needed = _passes_needed(row, k)
    return text + (unsettled(row.method, row.passes, needed, float(row.mc_error[k])) if needed else "")


def networks_in_words(row: NumbersRow, k: int) -> str:
    """The interval of most networks, a clause; empty where it is unknown, or `number_in_words` says it."""
    knows_answers = _ends_or_none(row.prediction_interval(level_of_answers(row))[k]) is not None
    of_networks = _networks(row, k, lie=" lie", the="the ", equals=" is") if knows_answers else ""
    return of_networks and f"{dropped(row.method)}{of_networks}"


def _networks(row: NumbersRow, k: int, lie: str = "", the: str = "", equals: str = "") -> str:
    level, words = level_of(row, k), words_of(row.method)["between"]
    ends = written_of(row, k, level).networks
    if ends is not None:
        return f"{100 * level:g} % of {words}{lie} {digits.between(ends)}"
    spread = np.nan if row.spread is None else float(row.spread[k])
    deviation = f"{the}standard deviation between {words}{equals}"
    return f"{deviation} {significant(spread, 2)}" if np.isfinite(spread) else ""


def disagreement_in_words(row: NumbersRow, k: int) -> str:
    """Whether noise or disagreement is most of the variance of an answer, and what helps, a clause.

    Empty if the noise, or the error of the spread, is not known, where it cannot tell, or nothing helps.
    """
    if row.spread is None or row.spread_error is None:
        return ""
    share = float(disagreement(row.spread[k], row.noise[k]))
    error = float(disagreement_error(row.spread[k], row.spread_error[k], row.noise[k]))
    words = words_of(row.method)
    if share - 1.96 * error > 0.5 and words["others"]:
        return f"the {words['between']} disagree: an ensemble tells whether networks from other seeds do too"
    if share + 1.96 * error < 0.5:
        return f"most of the variance is noise: more {words['passes']} will not narrow the interval"
    return ""


def _passes_needed(row: NumbersRow, k: int) -> int:
    """How many passes make the error of the mean small enough; 0 if those spent suffice."""
    mean, error = row.mean[[k]], row.mc_error[[k]]
    width = scatter(row.std[[k]], None if row.spread is None else row.spread[[k]])
    if target_share(row.method) is None or not needs_passes(mean, error, width, row.method)[0]:
        return 0
    return passes_needed(row.passes, error, target_error(width, row.method))


def _option_in_words(row: NumbersRow, k: int) -> str:
    needed = _passes_needed(row, k)
    return f"try {more_of(row.method, needed)}" if needed else ""


def unfamiliar_in_words(row: NumbersRow) -> str:
    """That a row is unfamiliar, a clause; empty if it is not, or where that was not measured."""
    if row.familiarity is None or row.familiarity > row.unfamiliar_share:
        return ""
    return advice(UNFAMILIAR, row.method, needed=0, kind=row.kind, familiarity=row.familiarity)
