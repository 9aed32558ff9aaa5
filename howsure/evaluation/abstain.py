"""Hand doubtful rows to a person, so that few of the rest are wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from numpy.typing import ArrayLike

from howsure.arguments import as_share
from howsure.evaluation.fitted_rows import warn_of_promise
from howsure.evaluation.groups import asked_before, group_numbers
from howsure.results.origin import fitted_to
from howsure.tasks.task import task_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from howsure.results.result import Result
    from howsure.tasks.classification.decide import Abstention
    from howsure.tasks.classification.result import Certainty
    from howsure.tasks.regression.decide import RegressionAbstention
    from howsure.tasks.regression.result import RegressionCertainty
    from howsure.tasks.segmentation.decide import DenseAbstention
    from howsure.tasks.segmentation.result import DenseCertainty


@overload
def abstain(
    certainty: Certainty,
    labels: ArrayLike | None = None,
    *,
    risk: float = 0.001,
    confidence: float = 0.95,
    tolerance: None = None,
    groups: ArrayLike | None = None,
) -> Abstention: ...
@overload
def abstain(
    certainty: RegressionCertainty,
    labels: ArrayLike | None = None,
    *,
    risk: float = 0.001,
    confidence: float = 0.95,
    tolerance: float | Sequence[float] | Mapping[str, float],
    groups: ArrayLike | None = None,
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
    groups: ArrayLike | None = None,
) -> DenseAbstention: ...
def abstain(
    certainty: Result[Any],
    labels: ArrayLike | None = None,
    *,
    risk: float = 0.001,
    confidence: float = 0.95,
    tolerance: float | Sequence[float] | Mapping[str, float] | None = None,
    background: int | str | None = None,
    groups: ArrayLike | None = None,
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
        groups: As in `prediction_sets`, for rows that depend on each other. One row of each group is drawn,
            and the promise is one for rows of new groups, of which each counts the same.

    Raises:
        InputError: No labels, labels that do not fit, arguments out of range, or a promise that these rows do
            not allow; the message says what would do. At least one row is accepted otherwise.

    Example:
        >>> abstention = abstain(howsure.assess(model, x), labels, risk=0.05)
        >>> print(abstention)
        Hand 12.6 % (9.8 to 15.8 %) of the rows to a person. At most 5 % of the rest are ...
        >>> for_a_person = abstention(howsure.assess(model, x_new))
        >>> print(for_a_person.sum(), "of", len(x_new))
        31 of 200
    """
    risk, confidence = as_share(risk, "risk"), as_share(confidence, "confidence")
    task = task_of(certainty)
    task.check_can("abstain", certainty)
    left_out = None if background is None else task.background(certainty, background)
    with asked_before(groups):
        rule = task.abstain(
            certainty,
            labels,
            risk=risk,
            confidence=confidence,
            tolerance=tolerance,
            background=left_out,
            groups=group_numbers(groups, certainty, len(certainty)),
        )
    warn_of_promise(certainty)
    return fitted_to(certainty, rule)
