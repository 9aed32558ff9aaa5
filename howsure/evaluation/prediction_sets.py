"""Sets of classes, and intervals of numbers, that hold the true answer as often as promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from numpy.typing import ArrayLike

from howsure.arguments import as_share, check_flag
from howsure.evaluation.fitted_rows import warn_of_promise
from howsure.evaluation.groups import asked_before, group_numbers
from howsure.results.origin import fitted_to
from howsure.tasks.task import task_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from howsure.tasks.classification.decide import PredictionSets
    from howsure.tasks.classification.result import Certainty
    from howsure.tasks.regression.decide import PredictionIntervals
    from howsure.tasks.regression.result import RegressionCertainty
    from howsure.tasks.segmentation.decide import DensePredictionSets
    from howsure.tasks.segmentation.result import DenseCertainty


@overload
def prediction_sets(
    certainty: Certainty,
    labels: ArrayLike | None = None,
    *,
    coverage: float = 0.95,
    by_class: bool = False,
    groups: ArrayLike | None = None,
) -> PredictionSets: ...
@overload
def prediction_sets(
    certainty: DenseCertainty,
    labels: ArrayLike | None = None,
    *,
    coverage: float = 0.95,
    groups: ArrayLike | None = None,
) -> DensePredictionSets: ...
def prediction_sets(
    certainty: Any,
    labels: ArrayLike | None = None,
    *,
    coverage: float = 0.95,
    by_class: bool = False,
    groups: ArrayLike | None = None,
) -> Any:
    """Fit sets of classes that hold the true class with a promised probability.

    Split conformal prediction: of n labelled rows, take the score of the true class, and as threshold the ⌈(n
    + 1) · coverage⌉-th smallest; a class is in the set if its score is not above that. A new row, of the same
    kind as the labelled ones, then has its true class in its set with a probability of at least `coverage`,
    however good the model is. It is an average over such rows and over labelled rows: not a promise for one
    row, nor for rows of another kind, nor if the model was trained on the labelled rows.

    The score of a class is 1 − p (Sadinle and others 2019), which makes the smallest sets on average.

    Args:
        certainty: Result of n rows that the model was not trained on.
        labels: (n,) true classes. Default: `certainty.truth`.
        coverage: In (0, 1). Needs n ≥ coverage / (1 − coverage), or the threshold does not exist: 19 rows for
            0.95, 99 for 0.99; with `by_class`, of every class.
        by_class: A threshold for every class, from its rows alone, so that the coverage holds for the rows
            of each class (Vovk 2012), rare ones too.
        groups: (N,) texts or whole numbers, the same for all rows that depend on each other, such as those of
            one patient, series or document; in any form that labels take. Then the promise is one for rows of
            new groups, of which each counts the same (Lee, Barber and Willett 2023), and n counts groups.

    Raises:
        InputError: No labels, labels that do not fit, too few rows, or arguments out of range.

    Example:
        >>> sets = prediction_sets(howsure.assess(model, x), labels)
        >>> new = howsure.assess(model, x_new)
        >>> [found for found in sets.in_words(new) if "," in found][:3]
        ['{8, 9}', '{2, 8}', '{6, 7}']
    """
    coverage = as_share(coverage, "coverage")
    check_flag(by_class, "by_class")
    with asked_before(groups):
        sets = task_of(certainty).prediction_sets(
            certainty,
            labels,
            coverage=coverage,
            by_class=by_class,
            groups=group_numbers(groups, certainty, len(certainty)),
        )
    warn_of_promise(certainty)
    return fitted_to(certainty, sets)


def prediction_intervals(
    result: RegressionCertainty,
    labels: ArrayLike | None = None,
    *,
    coverage: float = 0.9,
    groups: ArrayLike | None = None,
    together: bool = False,
) -> PredictionIntervals:
    """Fit intervals of numbers that hold the true number with a promised probability.

    Split conformal prediction: of n labelled rows, take the score |y − mean| / std, and as threshold the ⌈(n
    + 1) · coverage⌉-th smallest. The interval of a row is mean ± threshold · std. A new row, of the same kind
    as the labelled ones, then has its true number in its interval with a probability of at least `coverage`,
    however answers scatter and however wrong `std` is. It is an average over such rows and over labelled
    rows: not a promise for one row, nor for rows of another kind, nor if the model was trained on the
    labelled rows.

    If `std` is unknown, all intervals are equally wide: `spread` alone says nothing of noise. Learn the noise
    first, on other rows, with `howsure.calibrate`. Several targets have a threshold each: the coverage is
    that of each target by itself. With `together=True` it is that of all targets of a row at once, such as
    all steps of a forecast: the score of a row is its largest, and there is one threshold.

    Args:
        result: Result of n rows that the model was not trained on.
        labels: (n, K) true numbers, or (n,) for one target. Default: `result.truth`.
        coverage: In (0, 1). Needs n ≥ coverage / (1 − coverage), or the threshold does not exist: 9 rows for
            0.9, 19 for 0.95. For a promise to each group of rows (Mondrian; Vovk 2012), fit each by itself.
        groups: As in `prediction_sets`, for rows that depend on each other.
        together: Whether the promise is for all targets of a row at once.

    Raises:
        InputError: No true numbers, ones that do not fit, too few rows, or arguments out of range.

    Example:
        >>> intervals = howsure.prediction_intervals(howsure.assess(prices, houses), paid)
        >>> low, high = intervals(howsure.assess(prices, houses))[0, 0]
        >>> print(f"{low:.1f} to {high:.1f}")
        3.4 to 5.1
    """
    coverage = as_share(coverage, "coverage")
    check_flag(together, "together")
    with asked_before(groups):
        fitted: PredictionIntervals = task_of(result).prediction_intervals(
            result,
            labels,
            coverage=coverage,
            groups=group_numbers(groups, result, len(result)),
            together=together,
        )
    warn_of_promise(result)
    return fitted_to(result, fitted)
