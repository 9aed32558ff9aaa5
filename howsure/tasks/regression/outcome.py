"""A number for each row, or K of them: the result is a `RegressionCertainty`.

With K numbers a pass has these values and, where the model puts out variances, K more:

    y_1 … y_K │ σ²_1 … σ²_K

An output with several axes is cut in halves along one of them: of (T, 2) the T means are [:, 0].

Both have the error of a plain mean. The standard deviation of y between passes is told by the engine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from howsure.adapters.protocol import (
    COUNTED,
    LABEL_LOGITS,
    LABEL_PROBABILITIES,
    LOG_RATES,
    LOGITS,
    LOGS_OF_RATES,
    MEAN_LOG_VARIANCE,
    MEAN_VARIANCE,
    MEANS_AND_VARIANCES,
    NUMBERS,
    PROBABILITIES,
    QUANTILES,
    RATES,
    REGRESSION,
    STEPS,
    VALUES,
    ModelInfo,
    RawOutputs,
    step_of,
)
from howsure.errors import InputError, ModelError, warn
from howsure.inputs.rows import in_rows
from howsure.inputs.targets import LARGEST, check_numbers, check_sizes, target_names
from howsure.request import Request
from howsure.sampling.outcome import Booleans, Estimates, Floats, Integers, Outcome, ResultMetadata
from howsure.tasks.regression.counts import check_counts, with_dispersion
from howsure.tasks.regression.doubt import ROUNDING, TARGET_SHARE
from howsure.tasks.regression.quantiles import check_levels, with_levels
from howsure.tasks.regression.result import RegressionCertainty
from howsure.words import counted

LEAST_PASSES = 40
"""Passes of a row at the least. If balance cancels the error of a mean, 20 passes know it, but not how far
networks lie apart: masks of rate 0.5 come in opposite pairs, so 20 of them say as little as 10 others."""

LARGEST_LOG = 700.0
"""Beyond this logarithm a variance is too large for double precision."""

COARSE = 1000
"""Rows of a target whose numbers differ by fewer steps of their type are too coarse to show a spread of 0."""


@dataclass(frozen=True)
class Numbers(Outcome):
    """K numbers per row.

    Args:
        model: Name of the model, for messages.
        outputs: `values`, K numbers; or `mean-variance` or `mean-log-variance`, K means and then K variances,
            or the natural logarithms of these.
        target_names: K names.
        rounding: Share of a number by which the model may be off.
        dtype: Type of number in which the model puts out its numbers; "" of an estimator.
        axis: Axis of the output of a row that holds the means in its first half, then the variances.
    """

    model: str
    outputs: str
    target_names: tuple[str, ...]
    rounding: float = ROUNDING
    axis: int = 0
    dtype: str = "float32"
    name = "numbers"
    has_unit = True
    usual_target = TARGET_SHARE

    @classmethod
    def of(cls, info: ModelInfo, request: Request) -> Numbers | None:
        """The outcome of a model, or None if its answers are no numbers.

        If the request does not say what the outputs are, those of a model that was trained for regression
        are numbers, and of no other.

        Raises:
            InputError: Names that do not fit, or thresholds of verdicts.
            ModelError: Means and variances are declared, but the model has an odd number of outputs; or the
                loss leaves open what the numbers are.
        """
        if (
            request.outputs in (PROBABILITIES, LOGITS, LABEL_PROBABILITIES, LABEL_LOGITS)
            and info.ending in NUMBERS
        ):
            raise InputError(
                f"{info.name} predicts numbers and no classes, so `outputs` cannot be '{request.outputs}'",
                expected="no `outputs`, or outputs='values'",
            )
        if request.outputs == QUANTILES:
            return Quantiles.of_levels(info, request)
        if request.outputs in COUNTED:
            return Rates.of_counts(info, request)
        outputs = _outputs_of(info) if request.outputs is None else request.outputs
        if outputs not in NUMBERS:
            return None
        if info.ending in (MEAN_VARIANCE, MEAN_LOG_VARIANCE):  # a regressor knows what it puts out
            outputs = info.ending
        axis, shape = 0, info.output_shape
        if outputs != VALUES:
            axis = _axis_of_variances(info)
            shape = (shape[axis] // 2, *shape[:axis], *shape[axis + 1 :])
        if request.thresholds is not None:
            raise InputError(
                "Numbers have no verdicts, so thresholds have no effect",
                expected="no thresholds",
                hint="`result.above(3.0)` asks whether each number is above 3; the answer has a verdict",
            )
        names = request.class_names
        number_names = target_names(_names_of_places(shape) if names is None else names, math.prod(shape))
        if info.ending in NUMBERS:  # an estimator: members that say the same, such as trees, are no rounding
            return cls(info.name, outputs, number_names, 0.0, axis, "")
        dtype = info.output_dtype
        rounding = ROUNDING * STEPS["float64"] / STEPS["float32"] if dtype == "float64" else ROUNDING
        return cls(info.name, outputs, number_names, rounding, axis, dtype)

    @property
    def answers(self) -> int:
        """K."""
        return len(self.target_names)

    @property
    def unbounded(self) -> int:
        """K, as variances are not below 0."""
        return self.answers

    @property
    def width(self) -> int:
        """K, or 2 K where the model puts out variances."""
        return self.answers if self.outputs == VALUES else 2 * self.answers

    @property
    def families(self) -> tuple[int, ...]:
        """(C,) 0 for numbers, 1 for variances."""
        return (0,) * self.answers + (1,) * (self.width - self.answers)

    def values(self, raw: RawOutputs, rows: Integers) -> Floats:
        """(W, n, K) numbers, or (W, n, 2 K) numbers and variances."""
        turned = np.moveaxis(raw, 2 + self.axis, 2) if self.axis else raw
        values = turned.astype(np.float64).reshape(*raw.shape[:2], -1)
        if self.outputs == MEAN_LOG_VARIANCE:
            logs = values[..., self.answers :]
            values[..., self.answers :] = np.where(
                np.isposinf(logs), np.inf, np.exp(np.minimum(logs, LARGEST_LOG))
            )
        sizes = np.abs(values).max(axis=0, initial=0)
        bad = ~np.isfinite(sizes).all(axis=-1)
        if bad.any():
            where = in_rows(int(bad.sum()), rows[bad][:5].tolist())
            raise ModelError(
                f"Model '{self.model}' put out NaN or infinity {where}",
                expected="finite numbers",
                hint="Check the model's weights and the range of these rows",
            )
        largest, called = sizes.max(axis=0, initial=0), f"of model '{self.model}'"
        check_sizes(largest[: self.answers], f"The numbers {called}", ModelError)
        deviations = np.sqrt(largest[self.answers :])
        check_sizes(deviations[deviations > LARGEST], f"The deviations {called}", ModelError)
        self._check_not_negative(values[..., self.answers :], rows, "variances", "mean-log-variance")
        return values

    def _check_not_negative(self, values: Floats, rows: Integers, what: str, logs: str) -> None:
        """A `ModelError` for values (W, n, K) below 0, which may be logarithms, or plain numbers."""
        negative = (values < 0).any(axis=(0, 2))
        if negative.any():
            row = int(np.argmax(negative))
            raise ModelError(
                f"Model '{self.model}' put out negative {what} "
                f"{in_rows(int(negative.sum()), rows[negative][:5].tolist())}",
                expected=f"{what} of at least 0",
                received=f"{values[:, row].min():.4g}",
                hint=f"If these are logarithms of {what}, say so: outputs='{logs}'. If they are numbers of "
                "their own: outputs='values'",
            )

    def is_enough(self, estimates: Estimates, target_error: float) -> Booleans:
        """(n,) whether every mean, and √(spread² + noise²), is known to `target_error` of the latter.

        An error e of a variance v is one of e / 2√v of its root. No row has fewer than `LEAST_PASSES`. One
        over which all passes say the same goes on: at a small rate most passes drop nothing.
        """
        mean, noise = np.split(estimates.mean, [self.answers], axis=-1)
        error, of_noise = np.split(estimates.error, [self.answers], axis=-1)
        variance = self._spread_between(estimates) ** 2 + self._noise_of(mean, noise)
        # Networks that all say the same have no spread, and no error beyond rounding.
        allowed = np.maximum(target_error * np.sqrt(variance), self.rounding * np.abs(mean))
        is_known = np.all(error <= allowed, axis=-1) & (estimates.passes >= LEAST_PASSES)
        is_known &= np.any(variance > (self.rounding * mean) ** 2, axis=-1)
        if self.outputs != VALUES:
            is_known &= np.all(of_noise <= 2 * target_error * variance, axis=-1)
        return np.asarray(is_known)

    def _noise_of(self, mean: Floats, variances: Floats) -> Floats | float:
        """Variance of answers around means (n, K), as far as it is known."""
        return np.maximum(variances, 0) if self.outputs != VALUES else 0.0

    def check_truth(self, labels: Any, rows: int) -> Floats:
        """(N, K) true numbers, or an `InputError` unless these are numbers of so many rows."""
        return check_numbers(labels, rows, self.target_names)

    def result(self, estimates: Estimates, metadata: ResultMetadata) -> RegressionCertainty:
        """A `RegressionCertainty` of N rows."""
        mean, spread = estimates.mean[:, : self.answers], self._spread_between(estimates)
        # Balance can cancel all of an error but the rounding of the model.
        several = estimates.passes[:, None] > 1
        rounding = np.where(several, self.rounding * (np.abs(mean) + spread), 0.0)
        step = step_of(mean, self.dtype)
        is_hidden = several & (spread <= step / 2)
        rounding = np.maximum(rounding, np.where(is_hidden, step, 0.0))
        self._warn_of_hidden(is_hidden, mean, step)
        networks = estimates.networks
        result = RegressionCertainty(
            mean=mean,
            mc_error=np.maximum(estimates.error[:, : self.answers], rounding),
            passes=estimates.passes,
            target_names=self.target_names,
            spread=estimates.spread,
            spread_error=estimates.spread_error,
            quantiles=estimates.quantiles,
            quantiles_error=estimates.quantiles_error,
            networks=None if networks is None else networks[:, : self.answers],
            independent=estimates.independent,
            **vars(metadata),
        )
        if self.outputs == VALUES:
            return result
        noise = np.sqrt(np.maximum(estimates.mean[:, self.answers :], 0))
        result = result.with_noise(noise, "the model")
        return (
            result
            if networks is None
            else replace(result, networks_noise=np.sqrt(networks[:, self.answers :]))
        )

    def _warn_of_hidden(self, is_hidden: Booleans, mean: Floats, step: Floats) -> None:
        """Warn if numbers of a type below double precision are too large beside their differences.

        Networks differ by no more than one step of the type in most rows, and rows by few steps. Networks
        that are the same agree if rows differ by many.
        """
        if self.dtype in ("float64", "") or len(mean) < 2:
            return
        is_coarse = np.ptp(mean, axis=0) < COARSE * step.max(axis=0)
        for k in np.flatnonzero(is_coarse & (2 * is_hidden.sum(axis=0) > len(is_hidden))):
            row = int(np.argmax(step[:, k]))
            warn(
                f"Networks of model '{self.model}' differ in '{self.target_names[k]}' by no more than "
                f"{self.dtype} can tell, in {counted(int(is_hidden[:, k].sum()), 'row')}: near "
                f"{mean[row, k]:.3g} its numbers are {step[row, k]:.3g} apart. So "
                "`spread` does not show how far they agree. Train on shifted and scaled targets, and "
                "put them back by `result.rescaled`.",
                kind=f"hidden spread {self.target_names[k]}",
            )

    def _spread_between(self, estimates: Estimates) -> Floats:
        """(n, K) standard deviation between networks, as far as the passes tell it."""
        variance = estimates.variance + np.nan_to_num(estimates.squared_error)
        return np.sqrt(np.maximum(variance[..., : self.answers], 0))


@dataclass(frozen=True)
class Quantiles(Numbers):
    """L quantiles of answers for each of K targets: K · L numbers per row, those of a target side by side.

    A quantile of the result is its mean over passes (quantile averaging; Lichtendahl and others 2013).

    Args:
        levels: L shares of answers.
        targets: K names.
    """

    levels: tuple[float, ...] = ()
    targets: tuple[str, ...] = ()

    @classmethod
    def of_levels(cls, info: ModelInfo, request: Request) -> Quantiles:
        """The outcome of a model of which the caller says that it puts out quantiles.

        Raises:
            InputError: Names that do not fit, or levels that cannot be used.
            ModelError: The output has no place for each level.
        """
        levels, shape = check_levels(request.levels), info.output_shape
        count, outputs = len(levels), math.prod(shape)
        side_by_side = shape[-1:] == (count,) or outputs in (count, max(shape, default=1))
        if outputs % count or not side_by_side or info.ending in (MEAN_VARIANCE, MEAN_LOG_VARIANCE):
            raise ModelError(
                f"Model '{info.name}' does not put out a quantile for each of {count} levels",
                expected=f"an output of shape (rows, {count}), or (rows, targets, {count})",
                received=f"one of shape (rows, {', '.join(map(str, shape))})",
            )
        if info.ending in NUMBERS and info.trained_for == QUANTILES:  # an estimator, whose loss names them
            fitted, told = str(info.loss).partition(" of ")[2], ", ".join(f"{level:g}" for level in levels)
            if fitted[:1].isdigit() and fitted != told:
                raise InputError(
                    f"{info.name} was fitted for other levels", expected=f"levels=({fitted})", received=told
                )
        targets = target_names(request.class_names, outputs // count)
        columns = [f"{target} at {level:g}" for target in targets for level in levels]
        plain = replace(request, outputs=VALUES, levels=None, class_names=columns)
        numbers = Numbers.of(info, plain)
        assert numbers is not None
        return cls(**vars(numbers), levels=levels, targets=targets)

    def check_truth(self, labels: Any, rows: int) -> Floats:
        """As `Numbers.check_truth`, of K targets."""
        return check_numbers(labels, rows, self.targets)

    def result(self, estimates: Estimates, metadata: ResultMetadata) -> RegressionCertainty:
        """A `RegressionCertainty` of N rows with `answer_quantiles`."""
        return with_levels(super().result(estimates, metadata), self.levels, self.targets)


@dataclass(frozen=True)
class Rates(Numbers):
    """K expected counts per row.

    Args:
        logs: Whether the model puts out their natural logarithms.
    """

    logs: bool = False
    unbounded = 0

    @classmethod
    def of_counts(cls, info: ModelInfo, request: Request) -> Rates:
        """The outcome of a model of which the caller says that it puts out expected counts.

        Raises:
            InputError: Names that do not fit, or thresholds of verdicts.
            ModelError: The model puts out variances too.
        """
        numbers = Numbers.of(info, replace(request, outputs=VALUES))
        assert numbers is not None
        if numbers.outputs != VALUES:
            raise ModelError(
                f"Model '{info.name}' puts out means and variances, and no expected counts",
                expected=f"outputs='{numbers.outputs}', or none",
            )
        return cls(**vars(numbers), logs=request.outputs == LOGS_OF_RATES)

    def values(self, raw: RawOutputs, rows: Integers) -> Floats:
        """(W, n, K) expected counts."""
        values = super().values(
            np.exp(np.minimum(raw, LARGEST_LOG, dtype=np.float64)) if self.logs else raw, rows
        )
        self._check_not_negative(values, rows, "expected counts", LOGS_OF_RATES)
        return values

    def _noise_of(self, mean: Floats, variances: Floats) -> Floats:
        """That of Poisson distributions."""
        return mean

    def check_truth(self, labels: Any, rows: int) -> Floats:
        """As `Numbers.check_truth`, of counts."""
        return check_counts(super().check_truth(labels, rows))

    def result(self, estimates: Estimates, metadata: ResultMetadata) -> RegressionCertainty:
        """A `RegressionCertainty` of N rows that tells of counts."""
        return with_dispersion(super().result(estimates, metadata), 0.0, "the model")


_TO_BE_SAID = {
    MEANS_AND_VARIANCES: "outputs='mean-variance' reads means and then variances; 'mean-log-variance' reads "
    "natural logarithms of variances, of which training took the exponential",
    QUANTILES: "outputs='quantiles', levels=(0.05, 0.5, 0.95) reads several levels side by side. "
    "`howsure.RegressionCertainty.from_quantiles` takes the predictions of one model for each level. "
    "outputs='values' reads each quantile as a number of its own, although it is no mean",
    LOG_RATES: f"outputs='{LOGS_OF_RATES}' reads logarithms of expected counts. outputs='values' reads the "
    "logarithms as the numbers",
}
"""Hints for a caller whose loss shows a regression, but not the kind of its numbers."""


def _outputs_of(info: ModelInfo) -> str | None:
    if info.trained_for == REGRESSION and "poisson" in str(info.loss).lower():
        warn(
            f"Model '{info.name}' has a Poisson loss, and its outputs are read as plain numbers. "
            f"outputs='{RATES}' reads them as expected counts, whose intervals are whole numbers; "
            "outputs='values' as numbers without this warning."
        )
    if info.says in NUMBERS:
        return info.says
    if info.trained_for in _TO_BE_SAID:
        raise ModelError(
            f"Model '{info.name}' was trained for {info.trained_for}, and its loss '{info.loss}' leaves open "
            "how its outputs are to be read",
            expected="outputs=…",
            hint=_TO_BE_SAID[info.trained_for],
        )
    # A softmax is a distribution over classes, by whichever loss it was trained.
    if info.trained_for != REGRESSION or info.ending == "softmax":
        return None
    if info.ending == "sigmoid":
        labels = "label-" if info.output_shape != (1,) else ""
        warn(
            f"Model '{info.name}' ends in a sigmoid, and its loss '{info.loss}' is one of regression, so its "
            f"outputs are read as numbers. outputs='{labels}probabilities' reads them as probabilities, "
            "outputs='values' as numbers without this warning."
        )
    return VALUES


def _axis_of_variances(info: ModelInfo) -> int:
    """The axis of the output of a row that holds means and then variances; an error if none shows it.

    It is the only one that holds 2, unless the last layer makes another one that can be halved; where none
    holds 2, the one that the last layer makes, or the only one that can be halved.
    """
    shape, name = info.output_shape, info.name
    even = [axis for axis, side in enumerate(shape) if side % 2 == 0]
    if not even:
        raise ModelError(
            f"Model '{name}' does not put out a mean and a variance for each number",
            expected="2 K outputs: K means, then K variances or their logarithms",
            received=counted(math.prod(shape), "output"),
            hint="outputs='values' reads each output as a number",
        )
    class_axis = None if info.class_axis is None else info.class_axis % len(shape)
    likely = [axis for axis in even if shape[axis] == 2] or [
        axis for axis in even if class_axis in (None, axis)
    ]
    if len(likely) == 1 and (class_axis not in even or class_axis == likely[0]):
        return likely[0]
    raise ModelError(
        f"Nothing shows which axis of the output of model '{name}' holds the means and the variances",
        expected="one axis that can be halved, (rows, 2 K), or an axis of 2 at the end, (rows, …, 2)",
        received=f"an output of shape (rows, {', '.join(map(str, shape))})",
        hint="Put out two arrays of one shape instead, the mean and the variance, or lay the output out as "
        "(rows, 2 K)",
    )


def _names_of_places(shape: tuple[int, ...]) -> list[str] | None:
    """Names of the numbers of an output with several axes, such as `1_0`; None for a single axis."""
    sides = [side for side in shape if side != 1]
    if len(sides) < 2:
        return None
    return ["_".join(map(str, place)) for place in np.ndindex(*sides)]
