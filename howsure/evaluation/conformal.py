"""Sets and intervals that hold the true answer as often as promised (split conformal prediction)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from scipy.special import betaincinv

from howsure.arguments import as_share, check_flag
from howsure.errors import InputError
from howsure.evaluation.fitted_rows import warn_of_promise
from howsure.inputs.rows import quoted
from howsure.sampling.outcome import Floats
from howsure.tasks.task import task_of
from howsure.words import UNIT

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from howsure.tasks.classification.result import Certainty
    from howsure.tasks.classification.sets import PredictionSets
    from howsure.tasks.regression.intervals import PredictionIntervals
    from howsure.tasks.regression.result import RegressionCertainty
    from howsure.tasks.segmentation.decide import DensePredictionSets
    from howsure.tasks.segmentation.result import DenseCertainty

TOLERANCE = 1e-9
"""Scores this much above a threshold count as equal to it, so that rounding does not part equals."""


def rank(rows: int, coverage: float) -> int:
    """⌈(n + 1) · coverage⌉; the rounding keeps 20 · 0.95 at 19."""
    return math.ceil(round((rows + 1) * coverage, 9))


def threshold_of(scores: Floats, coverage: float) -> float:
    """The score (n,) that at least this share of new rows do not exceed, on average."""
    place = rank(len(scores), coverage) - 1
    return float(np.partition(scores, place)[place])


def surely_covered(sizes: Sequence[int], coverage: float) -> float:
    """The least coverage of thresholds, in all groups at once, with 95 % confidence over draws of the scores.

    With the r-th smallest of n scores as threshold the share covered is Beta(r, n + 1 − r), or larger where
    scores may be equal (Vovk 2012).

    Args:
        sizes: Number of labelled rows in each group.
        coverage: Promised share.
    """
    level = 0.05 / len(sizes)
    ranks = [(rank(rows, coverage), rows) for rows in sizes]
    return min(float(betaincinv(place, rows + 1 - place, level)) for place, rows in ranks)


def check_enough(
    sizes: Sequence[int], coverage: float, groups: Sequence[str] = (), of_every: str = ""
) -> None:
    """An `InputError` unless every group has the rows that the coverage takes.

    Args:
        sizes: Number of labelled rows in each group.
        coverage: Promised share.
        groups: Their names; empty if one group holds all rows.
        of_every: Name of a group in messages: `class`.
    """
    least = math.ceil(round(coverage / (1 - coverage), 9))  # the least n with ⌈(n + 1) · coverage⌉ ≤ n
    short = [k for k, rows in enumerate(sizes) if rows < least]
    if not short:
        return
    named = f" of {of_every} {quoted([groups[k] for k in short])}" if groups else ""
    raise InputError(
        f"Too few labelled rows{named} to promise a coverage of {100 * coverage:g} %",
        expected=f"at least {least:,}" + (f" of every {of_every}" if groups else ""),
        received=", ".join(f"{sizes[k]:,}" for k in short[:12]),
        hint="Label more rows, or ask for less coverage",
    )


def rounded_down(share: float) -> str:
    """A share in per cent, with one decimal, never rounded up."""
    return f"{math.floor(1000 * share) / 10:g}{UNIT}"


@overload
def prediction_sets(
    certainty: Certainty,
    labels: ArrayLike | None = None,
    *,
    coverage: float = 0.95,
    by_class: bool = False,
) -> PredictionSets: ...
@overload
def prediction_sets(
    certainty: DenseCertainty, labels: ArrayLike | None = None, *, coverage: float = 0.95
) -> DensePredictionSets: ...
def prediction_sets(
    certainty: Any,
    labels: ArrayLike | None = None,
    *,
    coverage: float = 0.95,
    by_class: bool = False,
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
    sets = task_of(certainty).prediction_sets(certainty, labels, coverage=coverage, by_class=by_class)
    warn_of_promise(certainty)
    return sets


def prediction_intervals(
    result: RegressionCertainty, labels: ArrayLike | None = None, *, coverage: float = 0.9
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
    that of each target by itself.

    Args:
        result: Result of n rows that the model was not trained on.
        labels: (n, K) true numbers, or (n,) for one target. Default: `result.truth`.
        coverage: In (0, 1). Needs n ≥ coverage / (1 − coverage), or the threshold does not exist: 9 rows for
            0.9, 19 for 0.95. For a promise to each group of rows (Mondrian; Vovk 2012), fit each by itself.

    Raises:
        InputError: No true numbers, ones that do not fit, too few rows, or arguments out of range.

    Example:
        >>> intervals = howsure.prediction_intervals(howsure.assess(prices, houses), paid)
        >>> low, high = intervals(howsure.assess(prices, houses))[0, 0]
        >>> print(f"{low:.1f} to {high:.1f}")
        3.4 to 5.1
    """
    coverage = as_share(coverage, "coverage")
    fitted: PredictionIntervals = task_of(result).prediction_intervals(result, labels, coverage=coverage)
    warn_of_promise(result)
    return fitted
