"""Are the percentages true? Scores against true answers, each with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from howsure.arguments import check_whole
from howsure.evaluation.fitted_rows import warn_of_dependent, warn_of_scores
from howsure.evaluation.groups import group_numbers
from howsure.tasks.task import task_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from howsure.results.result import Result
    from howsure.tasks.classification.evaluate import Evaluation
    from howsure.tasks.classification.result import Certainty
    from howsure.tasks.multilabel.evaluate import MultilabelEvaluation
    from howsure.tasks.multilabel.result import MultilabelCertainty
    from howsure.tasks.regression.evaluate import RegressionEvaluation
    from howsure.tasks.regression.result import RegressionCertainty
    from howsure.tasks.segmentation.evaluate import DenseEvaluation
    from howsure.tasks.segmentation.result import DenseCertainty


@overload
def evaluate(
    certainty: Certainty,
    labels: ArrayLike | None = None,
    *,
    outside: Certainty | None = None,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> Evaluation: ...
@overload
def evaluate(
    certainty: MultilabelCertainty,
    labels: ArrayLike | None = None,
    *,
    outside: None = None,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> MultilabelEvaluation: ...
@overload
def evaluate(
    certainty: RegressionCertainty,
    labels: ArrayLike | None = None,
    *,
    outside: RegressionCertainty | None = None,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> RegressionEvaluation: ...
@overload
def evaluate(
    certainty: DenseCertainty,
    labels: ArrayLike | None = None,
    *,
    outside: DenseCertainty | None = None,
    seed: int = 0,
    ignore: int | Sequence[int] | None = None,
    background: int | str | None = None,
    groups: ArrayLike | None = None,
) -> DenseEvaluation: ...
@overload
def evaluate(
    certainty: Result[Any],
    labels: ArrayLike | None = None,
    *,
    outside: Result[Any] | None = None,
    seed: int = 0,
    ignore: int | Sequence[int] | None = None,
    background: int | str | None = None,
    groups: ArrayLike | None = None,
) -> Any: ...
def evaluate(
    certainty: Result[Any],
    labels: ArrayLike | None = None,
    *,
    outside: Result[Any] | None = None,
    seed: int = 0,
    ignore: int | Sequence[int] | None = None,
    background: int | str | None = None,
    groups: ArrayLike | None = None,
) -> Any:
    """Score probabilities against true classes, or against which labels hold, or numbers against true ones.

    Args:
        certainty: Result of N ≥ 2 rows, by any method.
        labels: (N,) true classes, or (N, K) yes or no for a `MultilabelCertainty`, or (N, K) numbers for a
            `RegressionCertainty`, or (N, *P) true classes for a `DenseCertainty`, in any form that
            `with_truth` takes. Default: `certainty.truth`.
        outside: Rows of the same method and classes, or targets, from outside the distribution. Not for a
            `MultilabelCertainty`: its rows may well have none of the labels.
        seed: Seed of the draws of chance behind the intervals of `ece` and `miscalibration`.
        ignore: For a `DenseCertainty` alone: one or more class numbers of positions that do not count, beside
            −1, −100 and 255.
        background: For a `DenseCertainty` alone: the class, by number or name, that means over classes leave
            out (Dice, IoU, and scores made of them), so that they tell how well the others are found.
        groups: (N,) texts or whole numbers, the same for all rows that depend on each other, such as those of
            one patient, series or document; in any form that labels take. Then intervals are over groups.

    Raises:
        InputError: No labels, labels that do not fit, fewer than two rows, or an argument that is not for
            this kind of result.

    Example:
        >>> dropout, plain = howsure.assess(model, x), howsure.assess(model, x, method=howsure.Softmax())
        >>> print(howsure.evaluate(dropout, labels))
        On average it says 86.8...% and is right on 91.6...% (88.8 to 93.9...%). It is more modest than ...
        The model is sure of 232 of 500 images (of 13 only probably). On 20 it is flipping a coin, and ...
        Check first the 20 coin flips. Then the 4 without a clear answer. Then the 244 it leans on.
        <BLANKLINE>
        500 rows
        accuracy           0.916 (0.888 to 0.939)
        constant accuracy  0.116 (0.089 to 0.147), always '7'
        nll                0.232 (0.199 to 0.271)
        brier              0.119 (0.097 to 0.145)
        ...
        >>> print(howsure.evaluate(dropout, labels).minus(howsure.evaluate(plain, labels))["nll"])
        0.039 (0.028 to 0.048)
    """
    check_whole(seed, "seed", least=0)
    task = task_of(certainty)
    if ignore is not None:
        labels = task.ignored(certainty, labels, ignore)
    left_out = None if background is None else task.background(certainty, background)
    numbers = group_numbers(groups, certainty, len(certainty))
    asked: dict[str, Any] = {} if numbers is None else {"groups": numbers}
    evaluation = task.evaluate(certainty, labels, outside=outside, seed=seed, background=left_out, **asked)
    warn_of_dependent(certainty, evaluation, grouped=groups is not None)
    warn_of_scores(certainty)
    return evaluation
