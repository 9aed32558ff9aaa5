"""Which rows should a person see, so that few of the rest are wrong? Abstention with a promised risk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, binomtest

from howsure.answers.classes.result import Certainty
from howsure.arguments import as_share
from howsure.errors import InputError
from howsure.judge.labelled import check_certainty, truth_of, warn_below_chance
from howsure.words import counted

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Share:
    """A share of rows with its exact binomial interval (Clopper and Pearson 1934).

    Attributes:
        value: Of the labelled rows, 0 to 1.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f} %)"


@dataclass(frozen=True)
class Abstention:
    """A fitted rule; called with a `Certainty`, it says which rows to hand to a person.

    Attributes:
        threshold: Rows with a top probability up to this are handed over, 0 for none; equals go the same way.
        handed_over: Share of the rows that this hands over, with its 95 % interval.
        risk: Promised largest share of mistakes among the accepted rows.
        confidence: With what confidence.
        rows: Labelled rows it was decided on.
        accepted: How many of them are accepted.
        mistakes: How many of the accepted are wrong.
        class_names: K names; the rule is for the same classes only.
    """

    threshold: float
    handed_over: Share
    risk: float
    confidence: float
    rows: int
    accepted: int
    mistakes: int
    class_names: tuple[str, ...]

    def __call__(self, certainty: Certainty) -> Booleans:
        """Which rows to hand over.

        Args:
            certainty: Of N rows, none allowed, and the classes of the fit.

        Returns:
            (N,) booleans, True for a row that a person should see.

        Raises:
            InputError: Not a `Certainty`, or one of other classes.
        """
        check_certainty(certainty, self.class_names)
        return np.asarray(certainty.probability <= self.threshold)

    def in_words(self) -> str:
        """The promise and what it rests on, in two sentences."""
        wrong = "1 mistake" if self.mistakes == 1 else f"{self.mistakes:,} mistakes"
        return (
            f"Hand {self.handed_over} of the rows to a person: at most {100 * self.risk:g} % of the rest are "
            f"wrong, with {100 * self.confidence:g} % confidence. "
            f"Of {self.rows:,} labelled rows {self.accepted:,} are accepted, with {wrong} among them."
        )

    __str__ = in_words


def abstain(
    certainty: Certainty,
    labels: ArrayLike | None = None,
    *,
    risk: float = 0.001,
    confidence: float = 0.95,
) -> Abstention:
    """Find the fewest rows to hand over such that the share of mistakes among the rest is at most `risk`.

    Learn then test (Angelopoulos and others 2021) with a fixed sequence: accept the k most certain of n
    labelled rows, for k = k₀, k₀ + 1, … n, and stop at the first k that fails the exact binomial test
    P(Bin(k, risk) ≤ mistakes among the k) ≤ δ, with δ = 1 − confidence. The last k that passed counts.
    Unlike the search of Geifman and El-Yaniv (2017) it spends nothing on a union bound over thresholds.

    The k are fixed beforehand and the thresholds are not; but given the confidence of the most certain row
    left out, the k rows above it are independent draws from all rows above it. So their mistakes are
    binomial with the true risk of that threshold, and each test is exact. The sequence as a whole is right
    at level δ if the true risk, as less certain rows are accepted, exceeds `risk` once and for good: where
    the first k lies beyond that point, the rows up to the point are wrong as often as `risk`, those after it
    more often on average. It need not rise steadily. If it crosses c times, the promise is broken with a
    probability of c · δ at most.

    The least k that passes without a mistake is log δ / log(1 − risk), rounded up. One mistake among these
    would end everything there. So further sequences start at n/2, n/4 and so on, where more mistakes pass,
    down to twice that least k. J of them have δ/J each, and one that comes to the start of the next hands its
    part on (the fallback procedure, Wiens 2003). A k that would part rows of equal confidence is passed over.

    Args:
        certainty: Of n rows that the model was not trained on. Its top probability only ranks them, and
            need not be a true percentage.
        labels: (n,) true classes; None takes `certainty.truth`.
        risk: In (0, 1), share of mistakes among accepted rows.
        confidence: In (0, 1), probability over the labelled rows drawn that the promise is kept.

    Raises:
        InputError: No labels, labels that do not fit, arguments out of range, or a promise that these rows do
            not allow, with what would do. At least one row is accepted otherwise.

    Example:
        >>> abstention = abstain(howsure.assess(model, x), labels, risk=0.05)
        >>> print(abstention)
        Hand 12.6 % (9.8 to 15.8 %) of the rows to a person: at most 5 % of the rest are ...
        >>> for_a_person = abstention(howsure.assess(model, x_new))
        >>> print(for_a_person.sum(), "of", len(x_new))
        31 of 200
    """
    risk, confidence = as_share(risk, "risk"), as_share(confidence, "confidence")
    truth = truth_of(certainty, labels)
    warn_below_chance(certainty, truth)
    rows, level = len(truth), 1 - confidence
    least = _least_rows(risk, level)
    promise = f"a risk of {100 * risk:g} % with {100 * confidence:g} % confidence"
    if rows < least:
        raise InputError(
            f"Too few labelled rows to promise {promise}",
            expected=f"at least {least:,}",
            received=f"{rows:,}",
            mend=f"Label more rows ({least:,} without a mistake among them would do), or allow a higher risk",
        )
    order = np.argsort(-certainty.probability, kind="stable")
    ranked = certainty.probability[order]
    accepted = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True)) + 1
    wrong = np.cumsum(certainty.label[order] != truth[order])[accepted - 1]
    starts = _starts(rows, risk, level)
    last = _last_to_pass(binom.cdf(wrong, accepted, risk), accepted, starts)
    if last is None:
        raise _not_allowed(promise, rows, accepted, wrong, starts, risk, level)
    number = int(accepted[last])
    interval = binomtest(rows - number, rows).proportion_ci(0.95)
    return Abstention(
        threshold=float(ranked[number]) if number < rows else 0.0,
        handed_over=Share(1 - number / rows, float(interval.low), float(interval.high)),
        risk=risk,
        confidence=confidence,
        rows=rows,
        accepted=number,
        mistakes=int(wrong[last]),
        class_names=certainty.class_names,
    )


def _least_rows(risk: float, level: float) -> int:
    """The least k with (1 − risk)^k ≤ level."""
    return math.ceil(round(math.log(level) / math.log1p(-risk), 9))


def _starts(rows: int, risk: float, level: float) -> list[tuple[int, float]]:
    """Where sequences start, a number of accepted rows, and the part of the level that each has."""
    count = 1
    while rows // 2**count >= 2 * _least_rows(risk, level / (count + 1)):
        count += 1
    halves = [rows // 2**number for number in range(count - 1, 0, -1)]
    return [(start, level / count) for start in (_least_rows(risk, level / count), *halves)]


def _not_allowed(
    promise: str,
    rows: int,
    accepted: Integers,
    wrong: Integers,
    starts: Sequence[tuple[int, float]],
    risk: float,
    level: float,
) -> InputError:
    """What the start with the smallest share of mistakes needs, and how many rows would do if it stays."""
    places = [int(np.searchsorted(accepted, start)) for start, _ in starts]
    best = min(places, key=lambda place: wrong[place] / accepted[place])
    part = starts[places.index(best)][1]
    most, mistakes = int(accepted[best]), int(wrong[best])
    passing = np.flatnonzero(binom.cdf(np.arange(mistakes), most, risk) <= part)
    enough = _rows_enough(rows, most, mistakes, risk, level)
    return InputError(
        f"These {rows:,} labelled rows do not allow to promise {promise}",
        expected=f"at most {counted(len(passing) - 1, 'mistake')} among the {most:,} most certain"
        if len(passing)
        else f"fewer rows as certain as the {most:,} most certain, which all have to go the same way",
        received=f"{mistakes:,}",
        mend=f"Label more rows (about {enough:,} would do, if mistakes stay as rare among the most "
        "certain), or "
        "allow a higher risk"
        if enough
        else f"Allow a higher risk: of these rows {100 * mistakes / most:.2g} % are wrong, and more "
        "labels help only "
        "if rows that are more certain still are wrong less often",
    )


def _rows_enough(rows: int, accepted: int, wrong: int, risk: float, level: float) -> int | None:
    """About how many rows would do, if shares stay; None if a thousand times as many would not."""
    for factor in np.geomspace(1, 1000, 200):
        part = _starts(int(rows * factor), risk, level)[0][1]
        if binom.cdf(math.ceil(wrong * factor), int(accepted * factor), risk) <= part:
            return int(float(f"{rows * factor:.1e}"))
    return None


def _last_to_pass(p_value: Floats, accepted: Integers, starts: Sequence[tuple[int, float]]) -> int | None:
    """Position of the largest number of rows that may be accepted, or None; fallback procedure.

    Args:
        p_value: (J,) of the test at each number of accepted rows.
        accepted: (J,) these numbers, rising.
        starts: As `_starts` gives them; a sequence that comes to the next start hands its level on.
    """
    edges = [int(np.searchsorted(accepted, start)) for start, _ in starts] + [len(accepted)]
    last, handed_on = None, 0.0
    for (_, level), begin, end in zip(starts, edges, edges[1:], strict=False):
        level += handed_on
        failed = np.flatnonzero(p_value[begin:end] > level * (1 + 1e-9))  # + 1e-9: rounding
        stop = begin + int(failed[0]) if len(failed) else end
        if stop > begin:
            last = stop - 1
        handed_on = level if begin < stop == end else 0.0
    return last
