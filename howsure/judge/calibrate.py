"""Calibrate percentages, or the scatter around numbers, with labelled rows, whatever the kind of answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from howsure.answers.registry import part_of
from howsure.arguments import check_whole

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from howsure.answers.classes.calibrate import Calibrator
    from howsure.answers.classes.result import Certainty
    from howsure.answers.labels.calibrate import MultilabelCalibrator
    from howsure.answers.labels.result import MultilabelCertainty
    from howsure.answers.numbers.calibrate import RegressionCalibrator
    from howsure.answers.numbers.result import RegressionCertainty
    from howsure.answers.positions.calibrate import DenseCalibrator
    from howsure.answers.positions.result import DenseCertainty
    from howsure.results.result import Result


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
) -> RegressionCalibrator: ...
@overload
def calibrate(
    certainty: DenseCertainty, labels: ArrayLike | None = None, *, method: str | None = None, seed: int = 0
) -> DenseCalibrator: ...
@overload
def calibrate(
    certainty: Result[Any], labels: ArrayLike | None = None, *, method: str | None = None, seed: int = 0
) -> Any: ...
def calibrate(
    certainty: Result[Any], labels: ArrayLike | None = None, *, method: str | None = None, seed: int = 0
) -> Any:
    """Learn from labelled rows how to calibrate a model's percentages, or the scatter around its numbers.

    `temperature` is q = softmax(log p / T) with T of least NLL (Guo and others 2017), for p the probabilities
    and q the calibrated ones. The log p of one pass are logits up to a constant in each row, which changes
    nothing. It keeps every label. Logarithms are of at least 2·10⁻¹⁶.

    A fit without mistakes would raise percentages without end. Two things limit it. One mistake's worth of
    rows is added that are as the model says itself, 1 to the m mistakes seen, or to those that it claims if
    these are more: a prior that nothing changes (Huang and others 2020). And no calibrated probability is
    above (n + 1) / (n + 2), which the rule of succession (Laplace 1774) gives to the next answer after n
    right ones: the rest is spread evenly over classes.

    With a `MultilabelCertainty`, howsure calibrates each label by itself, as rows of the two classes `no` and
    `yes`. That stretches or shrinks the log-odds.

    With a `DenseCertainty`, it fits one `temperature` over all positions, with intervals and folds over rows.
    `offsets` adds an offset for each class, q = softmax(log p / T + b): bias-corrected temperature scaling
    (Alexandari and others 2020). It corrects the effect of class weights in the loss on probabilities, and
    may change labels.

    With a `RegressionCertainty`, it learns one noise for each target if `noise` is unknown, by maximum
    likelihood: Σ log N(y; mean, spread² + noise²). If `std` is known, it is multiplied by the factor of
    maximum likelihood, √(mean of ((y − mean) / std)²). `shift` first adds the mean of y − mean to the mean.

    Args:
        certainty: Result of N rows that the model was not trained on, at least K and at least 10.
        labels: (N,) true classes in [0, K), or (N, K) yes or no for a `MultilabelCertainty`, or (N, K) true
            numbers for a `RegressionCertainty`, or (N, *P) true classes for a `DenseCertainty`. Default:
            `certainty.truth`.
        method: For classes and labels `temperature`; for positions `temperature`, the default, or `offsets`;
            for numbers `shift` or None, the default.
        seed: Seed of the folds, the replicas and the draws of chance; the same seed gives the same result.

    Raises:
        InputError: Unknown method, a result without percentages, one that is calibrated already or has the
            same probabilities in all rows, labels that do not fit, or too few rows.

    Example:
        >>> calibrator = howsure.calibrate(howsure.assess(model, x), labels)
        >>> certainty = howsure.assess(model, x_new)
        >>> for one in (certainty, calibrator(certainty)):
        ...     print(one[1])
        91 ± 2 % '0', or '9' (6 %): leaning. Most networks say 58 to 99 %; ...
        98.2 ± 0.6 % '0': sure.
    """
    check_whole(seed, "seed", least=0)
    return part_of(certainty, "calibrate")(certainty, labels, method=method, seed=seed)
