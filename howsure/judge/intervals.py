"""Between which numbers does an answer lie? Intervals that hold it as often as promised (split conformal)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from howsure.answers.registry import part_of
from howsure.arguments import as_share
from howsure.judge.learnt import warn_of_promise

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from howsure.answers.numbers.intervals import PredictionIntervals
    from howsure.answers.numbers.result import RegressionCertainty


def prediction_intervals(
    result: RegressionCertainty, labels: ArrayLike | None = None, *, coverage: float = 0.9, by: Any = None
) -> PredictionIntervals:
    """Fit intervals of numbers that hold the true number with a promised probability.

    Split conformal prediction: of n labelled rows, take the score |y − mean| / std, and as threshold the
    ⌈(n + 1) · coverage⌉-th smallest. The interval of a row is mean ± threshold · std. A new row, of the same
    kind as the labelled ones, then has its true number in its interval with a probability of at least
    `coverage`, however answers scatter and however wrong `std` is. It is an average over such rows and over
    labelled rows: not a promise for one row, nor for rows of another kind, nor where the model was trained on
    the labelled rows.

    If `std` is unknown, all intervals are equally wide: `spread` alone says nothing of noise. Learn the noise
    first, on other rows, with `howsure.calibrate`. Several targets have a threshold each: the coverage is
    that of each target by itself.

    Args:
        result: Result of n rows that the model was not trained on.
        labels: (n, K) true numbers, or (n,) for one target. Default: `result.truth`.
        coverage: In (0, 1). Needs n ≥ coverage / (1 − coverage), or the threshold does not exist: 9 rows for
            0.9, 19 for 0.95; of every group with `by`.
        by: (n,) names or numbers of groups, for a threshold for each group, from its rows alone, so that the
            coverage holds for the rows of each (Mondrian; Vovk 2012). New rows then need their groups too:
            `intervals(new, by=groups)`.

    Raises:
        InputError: No true numbers, ones that do not fit, too few rows, or arguments out of range.

    Example:
        >>> intervals = howsure.prediction_intervals(howsure.assess(prices, houses), paid)
        >>> low, high = intervals(howsure.assess(prices, houses))[0, 0]
        >>> print(f"{low:.1f} to {high:.1f}")
        3.4 to 5.1
    """
    coverage = as_share(coverage, "coverage")
    fitted: PredictionIntervals = part_of(result, "prediction_intervals")(
        result, labels, coverage=coverage, by=by
    )
    warn_of_promise(result)
    return fitted
