"""Which rows should a person see, so that few of the rest are wrong? Abstention with a promised risk."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from howsure.arguments import as_share
from howsure.errors import InputError
from howsure.evaluation.fitted_rows import warn_of_promise
from howsure.sampling.outcome import Booleans, Floats, Integers
from howsure.statistics import at_most, proportion_interval
from howsure.tasks.task import task_of
from howsure.words import counted

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from howsure.results.result import Result
    from howsure.tasks.classification.abstain import Abstention
    from howsure.tasks.classification.result import Certainty
    from howsure.tasks.regression.abstain import RegressionAbstention
    from howsure.tasks.regression.result import RegressionCertainty
    from howsure.tasks.segmentation.decide import DenseAbstention
    from howsure.tasks.segmentation.result import DenseCertainty


@dataclass(frozen=True)
class ShareOfRows:
    """A share of rows with its exact binomial interval (Clopper and Pearson 1934).

    Attributes:
        value: Share of the labelled rows, 0 to 1.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, count: int, rows: int) -> ShareOfRows:
        """That of so many among `rows`."""
        return cls(count / rows, *proportion_interval(count, rows))

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f} %)"


@dataclass(frozen=True)
class Acceptance:
    """The answers to accept, and the promise about them.

    Attributes:
        threshold: Rows that are certain up to this are handed over, 0 for none; equals go the same way.
        handed_over: Share of the rows that this hands over, with its 95 % interval.
        risk: Promised largest share of mistakes among the accepted rows.
        confidence: Probability over the labelled rows drawn that the promise is kept.
        rows: Labelled rows it was decided on.
        accepted: How many of them are accepted.
        mistakes: How many of the accepted are wrong.
    """

    threshold: float
    handed_over: ShareOfRows
    risk: float
    confidence: float
    rows: int
    accepted: int
    mistakes: int

    def said(self, wrong: str, mistakes: str) -> str:
        """The promise and its evidence, in two sentences.

        Args:
            wrong: Word for an accepted row that breaks the promise: `wrong`.
            mistakes: How many accepted rows are that: `with 3 mistakes among them`.
        """
        return (
            f"Hand {self.handed_over} of the rows to a person: at most {100 * self.risk:g} % of the rest are "
            f"{wrong}, with {100 * self.confidence:g} % confidence. "
            f"This accepts {self.accepted:,} of {self.rows:,} labelled rows, {mistakes}."
        )


def decided(certain: Floats, wrong: Booleans, risk: float, confidence: float) -> dict[str, Any]:
    """The fields of an `Acceptance` that accepts as many answers as a promise allows."""
    threshold, accepted, mistakes = risk_controlled_threshold(certain, wrong, risk, confidence)
    rows = len(certain)
    return {
        "threshold": threshold,
        "handed_over": ShareOfRows.of(rows - accepted, rows),
        "risk": risk,
        "confidence": confidence,
        "rows": rows,
        "accepted": accepted,
        "mistakes": mistakes,
    }


def risk_controlled_threshold(
    certain: Floats, wrong: Booleans, risk: float, confidence: float
) -> tuple[float, int, int]:
    """Accept the most certain answers, as many as a promise allows.

    Args:
        certain: (n,) how certain each answer is; higher is more certain. Only the order counts.
        wrong: (n,) which answers are wrong.
        risk: In (0, 1), largest share of mistakes among accepted answers.
        confidence: In (0, 1), with which that holds.

    Returns:
        A threshold, 0 where all are accepted: a person gets the answers up to it. How many answers are
        accepted, and how many of these are wrong.

    Raises:
        InputError: These answers do not allow the promise; it says what would do.
    """
    rows, level = len(certain), 1 - confidence
    least = _least_rows(risk, level)
    promise = f"a risk of {100 * risk:g} % with {100 * confidence:g} % confidence"
    if rows < least:
        raise InputError(
            f"Too few labelled rows to promise {promise}",
            expected=f"at least {least:,}",
            received=f"{rows:,}",
            hint=f"Label more rows ({least:,} without a mistake among them would do), or allow a higher risk",
        )
    order = np.argsort(-certain, kind="stable")
    ranked = certain[order]
    accepted = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True)) + 1
    mistakes = np.cumsum(wrong[order], dtype=np.int64)[accepted - 1]
    starts = _starts(rows, risk, level)
    last = _last_to_pass(at_most(mistakes, accepted, risk), accepted, starts)
    if last is None:
        raise _not_allowed(promise, rows, accepted, mistakes, starts, risk, level)
    number = int(accepted[last])
    return float(ranked[number]) if number < rows else 0.0, number, int(mistakes[last])


def _least_rows(risk: float, level: float) -> int:
    """The least k with (1 − risk)^k ≤ level."""
    return math.ceil(round(math.log(level) / math.log1p(-risk), 9))


def _starts(rows: int, risk: float, level: float) -> list[tuple[int, float]]:
    """The starts of sequences: a number of accepted rows, and the part of the level that each has."""
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
    """The error: mistakes allowed at the start with the lowest share of them, and rows that would do."""
    places = [int(np.searchsorted(accepted, start)) for start, _ in starts]
    best = min(places, key=lambda place: wrong[place] / accepted[place])
    part = starts[places.index(best)][1]
    most, mistakes = int(accepted[best]), int(wrong[best])
    passing = np.flatnonzero(at_most(np.arange(mistakes), most, risk) <= part)
    enough = _rows_enough(rows, most, mistakes, risk, level)
    return InputError(
        f"These {rows:,} labelled rows do not allow to promise {promise}",
        expected=f"at most {counted(len(passing) - 1, 'mistake')} among the {most:,} most certain"
        if len(passing)
        else f"fewer rows as certain as the {most:,} most certain, which all have to go the same way",
        received=f"{mistakes:,}",
        hint=f"Label more rows (about {enough:,} would do, if mistakes stay as rare among the most "
        "certain), or allow a higher risk"
        if enough
        else f"Allow a higher risk: of these rows {100 * mistakes / most:.2g} % are wrong, and more "
        "labels help only if rows that are more certain still are wrong less often",
    )


def _rows_enough(rows: int, accepted: int, wrong: int, risk: float, level: float) -> int | None:
    """About how many rows would do, if shares stay; None if a thousand times as many would not."""
    factors = np.geomspace(1, 1000, 200)
    parts = [_starts(int(rows * factor), risk, level)[0][1] for factor in factors]
    p_value = at_most(np.ceil(wrong * factors), np.floor(accepted * factors), risk)
    enough = np.flatnonzero(p_value <= parts)
    return int(float(f"{rows * factors[enough[0]]:.1e}")) if len(enough) else None


def _last_to_pass(p_value: Floats, accepted: Integers, starts: Sequence[tuple[int, float]]) -> int | None:
    """Position of the largest number of rows that may be accepted, or None; fallback procedure.

    `p_value` (J,) is that of the test at each of the rising numbers `accepted` (J,). A sequence that reaches
    the start of the next one hands its level on.
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


@overload
def abstain(
    certainty: Certainty,
    labels: ArrayLike | None = None,
    *,
    risk: float = 0.001,
    confidence: float = 0.95,
    tolerance: None = None,
) -> Abstention: ...
@overload
def abstain(
    certainty: RegressionCertainty,
    labels: ArrayLike | None = None,
    *,
    risk: float = 0.001,
    confidence: float = 0.95,
    tolerance: float | Sequence[float] | Mapping[str, float],
) -> RegressionAbstention: ...
@overload
def abstain(
    certainty: DenseCertainty,
    labels: ArrayLike | None = None,
    *,
    risk: float = 0.001,
    confidence: float = 0.95,
    tolerance: float,
    background: int | str | None = None,
) -> DenseAbstention: ...
def abstain(
    certainty: Result[Any],
    labels: ArrayLike | None = None,
    *,
    risk: float = 0.001,
    confidence: float = 0.95,
    tolerance: float | Sequence[float] | Mapping[str, float] | None = None,
    background: int | str | None = None,
) -> Any:
    """Find the fewest rows to hand over such that the share of mistakes among the rest is at most `risk`.

    Learn then test (Angelopoulos and others 2021) with a fixed sequence: accept the k most certain of n
    labelled rows, for k = k₀, k₀ + 1, … n, and stop at the first k that fails the exact binomial test
    P(Bin(k, risk) ≤ mistakes among the k) ≤ δ, with δ = 1 − confidence. The last k that passed counts.
    Unlike the search of Geifman and El-Yaniv (2017) it spends nothing on a union bound over thresholds.

    The k are fixed beforehand and the thresholds are not; but given the confidence of the most certain row
    left out, the k rows above it are independent draws from all rows above it. So their mistakes are binomial
    with the true risk of that threshold, and each test is exact. The sequence as a whole is right at level δ
    if the true risk, as less certain rows are accepted, exceeds `risk` once and for good: if the first k lies
    beyond that point, the rows up to the point are wrong as often as `risk`, those after it more often on
    average. It need not rise steadily. If it crosses c times, the promise is broken with a probability of c ·
    δ at most.

    The least k that passes without a mistake is log δ / log(1 − risk), rounded up. One mistake among these
    would end everything there. So further sequences start at n/2, n/4 and so on, down to twice that least k.
    There, more mistakes pass. J of them have δ/J each, and one that comes to the start of the next hands its
    part on (the fallback procedure, Wiens 2003). A k that would part rows of equal confidence is passed over.

    A number is wrong if it is off by more than `tolerance`: |y − mean| > tolerance. Rows are accepted in the
    order of tolerance / `std`, or of tolerance / `spread` if `std` is unknown. With several targets a row is
    wrong if any of them is, and the target with the smallest of these ratios counts.

    With a class at each position, a row is wrong if its Dice is below 1 − `tolerance`: the mean of
    2 TP / (2 TP + FP + FN) over the classes that its truth or its label has, at the positions that count.
    Rows are accepted in the order of `doubt`, the least first. A background is one of these classes unless
    `background` leaves it out: an image of little else has a high Dice, whatever becomes of a small lesion.

    Args:
        certainty: Result of n rows that the model was not trained on. Its top probability, or its `std`, only
            ranks them, and need not be true.
        labels: (n,) true classes, or (n, K) true numbers, or (n, *P) true classes of positions. Default:
            `certainty.truth`.
        risk: In (0, 1), share of mistakes among accepted rows.
        confidence: In (0, 1), probability over the labelled rows drawn that the promise is kept.
        tolerance: How far a number may be off, > 0, in the unit of the target: one number for all targets,
            or K of them in their order, or by name. With a class at each position, how far the Dice of a row
            may be below 1: 0.2 for a Dice of 0.8. Numbers and positions need it; classes take none.
        background: For a `DenseCertainty` alone: the class, by number or name, that the Dice leaves out, as
            in `evaluate`. Rows that have no other class in truth or label are then left out.

    Raises:
        InputError: No labels, labels that do not fit, arguments out of range, or a promise that these rows do
            not allow; the message says what would do. At least one row is accepted otherwise.

    Example:
        >>> abstention = abstain(howsure.assess(model, x), labels, risk=0.05)
        >>> print(abstention)
        Hand 12.6 % (9.8 to 15.8 %) of the rows to a person: at most 5 % of the rest are ...
        >>> for_a_person = abstention(howsure.assess(model, x_new))
        >>> print(for_a_person.sum(), "of", len(x_new))
        31 of 200
    """
    risk, confidence = as_share(risk, "risk"), as_share(confidence, "confidence")
    task = task_of(certainty)
    task.check_can("abstain", certainty)
    left_out = None if background is None else task.background(certainty, background)
    rule = task.abstain(
        certainty, labels, risk=risk, confidence=confidence, tolerance=tolerance, background=left_out
    )
    warn_of_promise(certainty)
    return rule
