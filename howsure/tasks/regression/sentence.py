"""One row of a `RegressionCertainty` as sentences: the numbers, where answers and networks lie, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from howsure import digits
from howsure.digits import Written, significant, written
from howsure.sampling import between
from howsure.sampling.outcome import Floats
from howsure.tasks.regression import quantiles as of_answers
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
    at_most,
    explained,
    more_of,
    passes_needed,
    percent,
    words_of,
)
from howsure.words import upper

SHOWN = 0.95
"""Share of new answers, and of networks, in the intervals of a sentence."""

OF_NETWORKS = (SHOWN, between.SHOWN)
"""Shares of networks whose interval is told: the first of these for which passes suffice."""

OF_ANSWERS = f"{100 * SHOWN:g} % of answers"

FEW_TARGETS = 5
"""Up to so many numbers of a row are explained; more are only told."""


@dataclass(frozen=True)
class NumbersRow(AnswerRow):
    """One row of a `RegressionCertainty`; printed, it says how far answers may lie from its numbers, and why.

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
        if self.answer_quantiles is not None:
            return of_answers.between(self.answer_quantiles, self.method["levels"], level)
        reach = ndtri((1 + level) / 2) * self.std
        return np.stack([self.mean - reach, self.mean + reach], axis=-1)

    def __str__(self) -> str:
        count = len(self.target_names)
        strange = unfamiliar_in_words(self)
        if count == 1:
            return explained(number_in_words(self, 0), *reasons_in_words(self, 0), strange)
        sentences = []
        for k, name in enumerate(self.target_names):
            reasons = reasons_in_words(self, k) if count <= FEW_TARGETS else ()
            sentences.append(f"'{name}': {explained(number_in_words(self, k), *reasons)}")
        return " ".join([*sentences, f"{upper(strange)}."] if strange else sentences)


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
    )


def level_of_answers(row: NumbersRow) -> float:
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
    """One number of a row: `4.21 ± 0.02; 95 % of answers between 2.9 and 5.5 (networks: 3.8 to 4.6)`.

    If passes are too few for an interval between networks, it gives their standard deviation.
    """
    level, words = level_of(row, k), words_of(row.method)["between"]
    texts, of_networks = written_of(row, k, level), f"{100 * level:g} % of {words}"
    text = texts.number
    spread = np.nan if row.spread is None else float(row.spread[k])
    deviation = f"standard deviation between {words}"
    if texts.answers is not None:
        text += f"; {100 * level_of_answers(row):g} % of answers {digits.between(texts.answers)}"
        if texts.networks is not None:
            text += f" ({words if level == SHOWN else of_networks}: {digits.to(texts.networks)})"
        elif np.isfinite(spread):
            text += f" ({deviation}: {significant(spread, 2)})"
    elif texts.networks is not None:
        text += f"; {of_networks} {digits.between(texts.networks)}"
    elif np.isfinite(spread):
        text += f"; {deviation} {significant(spread, 2)}"
    return text


def reasons_in_words(row: NumbersRow, k: int) -> tuple[str, str]:
    """The parts of the scatter of a number, and whether passes are too few; empty if not measured."""
    return disagreement_in_words(row, k), _passes_in_words(row, k)


def disagreement_in_words(row: NumbersRow, k: int) -> str:
    """Whether noise or disagreement between networks is most of the variance of an answer, a clause.

    Empty if the noise, or the error of the spread, is not known. It says neither where it cannot tell.
    """
    if row.spread is None or row.spread_error is None:
        return ""
    share = float(disagreement(row.spread[k], row.noise[k]))
    error = float(disagreement_error(row.spread[k], row.spread_error[k], row.noise[k]))
    if not np.isfinite(share + error):
        return ""
    words, amount = words_of(row.method)["between"], percent(share, error)
    if share - 1.96 * error > 0.5:
        return f"the {words} disagree: that is {amount} of the variance"
    if share + 1.96 * error < 0.5:
        return f"most of the variance is noise ({amount} is disagreement between {words})"
    return f"disagreement between {words} is {amount} of the variance"


def _passes_in_words(row: NumbersRow, k: int) -> str:
    """How large the error of too few passes is, and how many make it small enough; empty if they suffice."""
    mean, error = row.mean[[k]], row.mc_error[[k]]
    width = scatter(row.std[[k]], None if row.spread is None else row.spread[[k]])
    share, target = target_share(row.method), target_error(width, row.method)
    if share is None or not needs_passes(mean, error, width, row.method)[0]:
        return ""
    more = more_of(row.method, passes_needed(row.passes, error, target))
    called = words_of(row.method)["passes"]
    return (
        f"with {row.passes:,} {called} the error of the mean is {float(error[0] / width[0]):.2g} standard "
        f"deviations, more than {share:g}: try {more}"
    )


def unfamiliar_in_words(row: NumbersRow) -> str:
    """That a row is unfamiliar, a clause; empty if it is not, or where that was not measured."""
    if row.familiarity is None or row.familiarity > row.unfamiliar_share:
        return ""
    return (
        f"at most {at_most(row.familiarity)} of held-out {row.kind}s are as unfamiliar, so such intervals "
        "are hardly tested"
    )
