"""Calibrate percentages, or the scatter around numbers, with labelled rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from howsure.arguments import check_whole
from howsure.errors import InputError
from howsure.results.origin import fitted_to
from howsure.tasks.task import task_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from howsure.results.result import Result
    from howsure.tasks.classification.calibrate import Calibrator
    from howsure.tasks.classification.result import Certainty
    from howsure.tasks.multilabel.calibrate import MultilabelCalibrator
    from howsure.tasks.multilabel.result import MultilabelCertainty
    from howsure.tasks.regression.calibrate import RegressionCalibrator
    from howsure.tasks.regression.result import RegressionCertainty
    from howsure.tasks.segmentation.calibrate import DenseCalibrator
    from howsure.tasks.segmentation.result import DenseCertainty


@overload
def calibrate(
    certainty: Certainty, labels: ArrayLike | None = None, *, method: str | None = None, seed: int = 0
) -> Calibrator: ...
@overload
def calibrate(
    certainty: MultilabelCertainty,
    labels: ArrayLike | None = None,
    *,
    method: str | None = None,
    seed: int = 0,
) -> MultilabelCalibrator: ...
@overload
def calibrate(
    certainty: RegressionCertainty,
    labels: ArrayLike | None = None,
    *,
    method: str | None = None,
    seed: int = 0,
    scale_by: ArrayLike | None = None,
) -> RegressionCalibrator: ...
@overload
def calibrate(
    certainty: DenseCertainty, labels: ArrayLike | None = None, *, method: str | None = None, seed: int = 0
) -> DenseCalibrator: ...
@overload
def calibrate(
    certainty: Result[Any],
    labels: ArrayLike | None = None,
    *,
    method: str | None = None,
    seed: int = 0,
    scale_by: ArrayLike | None = None,
) -> Any: ...
def calibrate(
    certainty: Result[Any],
    labels: ArrayLike | None = None,
    *,
    method: str | None = None,
    seed: int = 0,
    scale_by: ArrayLike | None = None,
) -> Any:
    """Learn from labelled rows how to calibrate a model's percentages, or the scatter around its numbers.

    `temperature` is q = softmax(log p / T) with T of least NLL (Guo and others 2017), for p the probabilities
    and q the calibrated ones. The log p of one pass are logits up to a constant in each row, which changes
    nothing. It keeps every label. Logarithms are of at least 2·10⁻¹⁶.

    `offsets` is q ∝ p · exp(b) with a number b for each class, for a model that says classes more often, or
    more rarely, than they are true: after training with class weights, or with other shares of the classes.
    `both` is softmax(log p / T + b), bias-corrected temperature scaling (Alexandari and others 2020). These
    two may change labels. `auto` takes the simplest of the three, unless the NLL of held-out rows is lower by
    more than chance with another; for the held-out scores of a fold, the other folds choose.

    A fit without mistakes would raise percentages without end. Three things limit it. One mistake's worth of
    rows is added that are as the model says itself, 1 to the m mistakes seen, or to those that it claims if
    these are more: a prior that nothing changes (Huang and others 2020). One more row is added to each class
    for its offset, as claimed as true (Clayton and Kaldor 1987). And no calibrated probability is above (n +
    1) / (n + 2), which the rule of succession (Laplace 1774) gives to the next answer after n right ones: the
    rest is spread evenly over classes.

    With a `MultilabelCertainty`, howsure calibrates each label by itself, as rows of the two classes `no` and
    `yes`. That stretches or shrinks the log-odds, or moves them.

    With a `DenseCertainty`, it fits one `temperature` over all positions, with intervals and folds over rows.

    With a `RegressionCertainty`, it learns one noise for each target if `noise` is unknown, by maximum
    likelihood: Σ log N(y; mean, spread² + noise²). If `std` is known, it is multiplied by the factor of
    maximum likelihood, √(mean of ((y − mean) / std)²). With `scale_by`, each row then gets a factor of its
    own: boosted trees learn log ((y − mean) / std)² from its features, and held-out rows give the level.
    Cross-validation chooses how many trees.

    Args:
        certainty: Result of N rows that the model was not trained on, at least K and at least 10.
        labels: (N,) true classes in [0, K), or (N, K) yes or no for a `MultilabelCertainty`, or (N, K) true
            numbers for a `RegressionCertainty`, or (N, *P) true classes for a `DenseCertainty`. Default:
            `certainty.truth`.
        method: `auto`, `temperature`, `offsets` or `both`; positions have `temperature` alone, and numbers
            none. Default: `auto` for classes and labels.
        seed: Seed of the folds and the draws of chance; the same seed gives the same result.
        scale_by: (N, F) numbers of each row, or a data frame of them, by which the scatter of a
            `RegressionCertainty` may differ. The calibrator is then called with those of the new rows.

    Raises:
        InputError: Unknown method, a result without percentages, one that is calibrated already or has the
            same probabilities in all rows, labels or features that do not fit, or too few rows; or `scale_by`
            without a `RegressionCertainty`.

    Example:
        >>> calibrator = howsure.calibrate(howsure.assess(model, x), labels)
        >>> certainty = howsure.assess(model, x_new)
        >>> for one in (certainty, calibrator(certainty)):
        ...     print(one[1])
        91 ± 2 % '0', or '9' (6 %): leaning.
        98.2 ± 0.6 % '0': sure.
    """
    check_whole(seed, "seed", least=0)
    task, by_row = task_of(certainty), {} if scale_by is None else {"scale_by": scale_by}
    if by_row and certainty.answer != "numbers":
        raise InputError(
            "`scale_by` is for the noise of numbers",
            expected="a `RegressionCertainty`",
            received=f"a `{type(certainty).__name__}`",
            hint="Leave `scale_by` out",
        )
    return fitted_to(certainty, task.calibrate(certainty, labels, method=method, seed=seed, **by_row))
