"""One row of a `Certainty` as a sentence that anyone can read, and what explains it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from howsure.results.thresholds import Thresholds
from howsure.sampling import between
from howsure.sampling.outcome import Floats
from howsure.tasks import verdict as verdicts
from howsure.tasks.sentences import (
    AnswerRow,
    advice,
    dropped,
    percent,
    unsettled,
    words_of,
)
from howsure.words import listed, upper

MOST_NAMED = 4
"""Candidates that a sentence names at most; of more it names one less, and counts the others."""


@dataclass(frozen=True)
class Row(AnswerRow):
    """One row of a `Certainty`; printed, it says the answer and how sure it is.

    An attribute that has the name of a column of `Certainty` holds that column's value for this row: a
    number, a text or None, or an array if the column has several values for a row. NaN means unknown.
    """

    _beside = ("probability", "gap")

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
    class_names: tuple[str, ...] = ()
    thresholds: Thresholds = field(default_factory=Thresholds)

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
    def gap(self) -> float:
        """Lead of `label` over `runner_up`."""
        return self.probability - float(self.probabilities[self.runner_up])

    @property
    def no_clear_answer(self) -> bool:
        """Whether a coin flip is among more than two classes, as `Certainty.no_clear_answer`."""
        verdict = np.array(self.verdict)
        return bool(verdicts.has_no_clear_answer(verdict, self.probabilities, self.thresholds))

    @property
    def said(self) -> str:
        """The verdict as sentences say it: also `no clear answer`, or `probably sure` if not settled."""
        if self.no_clear_answer:
            return verdicts.NO_CLEAR_ANSWER
        unsettled = self.verdict == verdicts.SURE and not self.settled
        return verdicts.PROBABLY_SURE if unsettled else self.verdict

    @property
    def candidates(self) -> list[int]:
        """Numbers of the classes that the answer may be, the most probable first.

        A sure row has `label` alone. Another row also has `runner_up`, and every class that is as likely as
        `runner_up`; see `howsure.tasks.verdict.as_likely`.
        """
        if self.verdict == verdicts.SURE:
            return [self.label]
        second = self.probabilities[self.runner_up]
        count = int(verdicts.as_likely(self.probabilities, second, self.thresholds).sum())
        order = np.argsort(-self.probabilities, kind="stable")
        return [int(k) for k in order[:count]]

    def __str__(self) -> str:
        error = float(self.mc_error[self.label])
        more = "" if self.settled else unsettled(self.method, self.passes, self.passes_to_settle, error)
        return f"{_answer(self)}{more}."

    def _explained(self) -> Iterable[str]:
        if single := single_in_words(self):
            yield dropped(self.method) + (
                f"{single} '{self.label_name}'" if len(self.candidates) > 2 else single
            )
        yield advice(
            self.reason,
            self.method,
            needed=self.passes_to_settle,
            kind=self.kind,
            familiarity=self.familiarity,
        )


def _answer(row: Row) -> str:
    """The answer: `51 ± 1 % '8', or '6' (47 %): coin flip`, or `No clear answer: 'a', 'b' or 'c', …`."""
    top = f"{percent(row.probability, float(row.mc_error[row.label]))} '{row.label_name}'"
    if row.verdict == verdicts.SURE:
        return f"{top}: {row.said}"
    among = row.candidates
    p = row.probabilities[among]
    rest = _rest_in_words(row, among) if row.no_clear_answer else ""
    if _are_alike(row):
        margin, most = 196 * float(np.max(row.mc_error[among])), 100 * float(p[0])
        error = f" (± {margin:.0f} %)" if np.isfinite(margin) and margin >= 0.95 else ""
        if margin > 100 * float(p[-1]):  # nothing is below 0 %
            error = f" (0 to {min(math.ceil(most + margin), 100)} %)"
        rest = f", or one of {rest}" if rest else ""
        return (
            f"{upper(verdicts.NO_CLEAR_ANSWER)}: {names_of(row, among)}, {_each_share(p)} each{error}{rest}"
        )
    if len(among) > 2:
        rest = f", and {rest}" if rest else ""
        return f"{top}, then {names_of(row, among[1:], 'and')} ({_each_share(p[1:])} each){rest}: {row.said}"
    second = f"'{row.runner_up_name}' ({_whole(float(p[1]))})"
    return f"{top}, then {second} and {rest}: {row.said}" if rest else f"{top}, or {second}: {row.said}"


def _are_alike(row: Row) -> bool:
    """Whether there is no clear answer, and each candidate is as likely as the most probable one."""
    p = row.probabilities[row.candidates]
    return row.no_clear_answer and bool(verdicts.as_likely(p, p[0], row.thresholds).all())


def names_of(row: Row, among: Sequence[int], word: str = "or") -> str:
    """Names of classes: `'a', 'b' or 'c'`, or of many `'a', 'b', 'c' or one of 47 others`.

    Args:
        row: The row.
        among: Their numbers.
        word: The word before the last one.
    """
    few = among if len(among) <= MOST_NAMED else among[: MOST_NAMED - 1]
    named = [f"'{row.class_names[k]}'" for k in few]
    if len(few) < len(among):
        named.append(f"{'one of ' if word == 'or' else ''}{len(among) - len(few)} others")
    return listed(named, word)


def _rest_in_words(row: Row, among: Sequence[int]) -> str:
    """The classes that are no candidates, if they hold more than half: `6 others (60 % together)`."""
    remainder, others = 1 - float(row.probabilities[among].sum()), len(row.probabilities) - len(among)
    return f"{others} others ({_whole(remainder)} together)" if remainder > 0.5 + verdicts.ROUNDING else ""


def _each_share(p: Floats) -> str:
    """Their shares: `about 25 %`, or `18 to 22 %` where they are farther apart."""
    low, high, mean = (100 * float(share) for share in (p.min(), p.max(), p.mean()))
    if high < 0.1:
        return "< 0.1 %"
    if high - low <= mean / 10:
        return f"about {mean:.2g} %"
    return f"{low:.2g} to {high:.2g} %"


def _whole(p: float) -> str:
    return "< 1 %" if p < 0.005 else f"{100 * p:.0f} %"


def single_in_words(row: Row) -> str:
    """The interval of nine in ten networks: `most networks say 40 to 62 %`; empty if it is unknown.

    If a few extreme networks pull the mean out of that interval, a wider one that contains the mean is given:
    `most networks say 12 to > 99.9 % (99 % of them)`. If none contains it, the text is empty. So it is for
    networks that only vote: they say nothing but 0 and 100 %.
    """
    if verdicts.are_votes(row.expected_entropy):
        return ""
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
    shown_mean = round(100 * mean, 1)
    for decimals in (0, 1) if np.isfinite(low + high) else ():
        if round(100 * low, decimals) <= shown_mean <= round(100 * high, decimals):
            first, last = (_end_in_words(end, decimals) for end in (low, high))
            return first if first == last else f"{first} to {last}"
    return ""


def _end_in_words(end: float, decimals: int) -> str:
    """An end with so many decimals, or with one where it would round to 0 or 100."""
    if 100 * end < 0.05 or 100 * end >= 99.95:
        return "< 0.1" if end < 0.5 else "> 99.9"
    percent = f"{100 * end:.{decimals}f}"
    return f"{100 * end:.1f}" if percent in ("0", "100") else percent
