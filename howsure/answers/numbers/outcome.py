"""A number for each row, or K of them: the result is a `RegressionCertainty`.

With K numbers a pass has these values and, where the model puts out variances, K more:

    y_1 … y_K │ σ²_1 … σ²_K

Both have the error of a plain mean. The standard deviation of y between passes is told by the engine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure import tuning
from howsure.answers.numbers.doubt import ROUNDING
from howsure.answers.numbers.result import RegressionCertainty, check_numbers, target_names
from howsure.data.rows import counted, in_rows
from howsure.errors import ModelError
from howsure.models.protocol import MEAN_LOG_VARIANCE, NUMBERS, REGRESSION, VALUES, ModelInfo
from howsure.request import Request
from howsure.sampling.outcome import Booleans, Estimates, Floats, Integers, Outcome, Told

LARGEST_LOG = 700.0
"""Beyond this logarithm a variance is infinite in double precision."""


@dataclass(frozen=True)
class Numbers(Outcome):
    """K numbers per row.

    Args:
        model: Name of the model, for messages.
        outputs: `values`, `mean-variance`, or `mean-log-variance`: K numbers, or K means and then K variances,
            or their natural logarithms.
        target_names: K names.
    """

    model: str
    outputs: str
    target_names: tuple[str, ...]
    name = "numbers"
    has_unit = True
    usual_target = tuning.TARGET_SHARE

    @classmethod
    def of(cls, info: ModelInfo, request: Request) -> Numbers | None:
        """The outcome of a model, or None where its answers are no numbers.

        If the request does not say what the outputs are, those of a model that was trained for regression
        are numbers, and of no other.

        Raises:
            InputError: Names that do not fit.
            ModelError: Means and variances are declared, but the model has an odd number of outputs.
        """
        outputs = request.outputs
        if outputs is None and info.trained_for == REGRESSION:
            outputs = info.says if info.says in NUMBERS else VALUES
        if outputs not in NUMBERS:
            return None
        width = math.prod(info.output_shape)
        if outputs != VALUES:
            if width < 2 or width % 2:
                raise ModelError(
                    f"Model '{info.name}' does not put out a mean and a variance for each number",
                    expected="2 K outputs: K means, then K variances or their logarithms",
                    received=counted(width, "output"),
                    hint="outputs='values' reads each output as a number",
                )
            width //= 2
        return cls(info.name, outputs, target_names(request.class_names, width))

    @property
    def answers(self) -> int:
        """K."""
        return len(self.target_names)

    @property
    def width(self) -> int:
        """K, or 2 K where the model puts out variances."""
        return self.answers if self.outputs == VALUES else 2 * self.answers

    @property
    def families(self) -> tuple[int, ...]:
        """(C,) 0 for numbers, 1 for variances."""
        return (0,) * self.answers + (1,) * (self.width - self.answers)

    def values(self, raw: NDArray[np.float32], rows: Integers) -> Floats:
        """(W, n, K) numbers, or (W, n, 2 K) numbers and variances."""
        values = raw.astype(np.float64).reshape(*raw.shape[:2], -1)
        if self.outputs == MEAN_LOG_VARIANCE:
            logs = values[..., self.answers :]
            values[..., self.answers :] = np.where(
                logs > LARGEST_LOG, np.inf, np.exp(np.minimum(logs, LARGEST_LOG))
            )
        bad = ~np.isfinite(values).all(axis=(0, 2))
        if bad.any():
            raise ModelError(
                f"Model '{self.model}' put out NaN or infinity {in_rows(int(bad.sum()), rows[bad][:5].tolist())}",
                expected="finite numbers",
                hint="Check the model's weights and the range of these rows",
            )
        negative = (values[..., self.answers :] < 0).any(axis=(0, 2))
        if negative.any():
            row = int(np.argmax(negative))
            raise ModelError(
                f"Model '{self.model}' put out negative variances "
                f"{in_rows(int(negative.sum()), rows[negative][:5].tolist())}",
                expected="variances of at least 0",
                received=f"{values[:, row, self.answers :].min():.4g}",
                hint="If these are logarithms of variances, say so: outputs='mean-log-variance'. If they are no "
                "variances: outputs='values'",
            )
        return values

    def is_enough(self, estimates: Estimates, target_error: float) -> Booleans:
        """(n,) whether every mean is known to `target_error` of its scatter: of √(spread² + noise²)."""
        variance = self._spread(estimates) ** 2
        if self.outputs != VALUES:
            variance = variance + np.maximum(estimates.mean[..., self.answers :], 0)
        error = estimates.error[..., : self.answers]
        # Networks that all say the same have no spread, and no error beyond rounding.
        rounding = ROUNDING * np.abs(estimates.mean[..., : self.answers])
        return np.asarray(np.all(error <= np.maximum(target_error * np.sqrt(variance), rounding), axis=-1))

    def is_within(self, estimates: Estimates, bound: float) -> Booleans:
        """(n,) whether every mean is known to `bound`, in the unit of the target."""
        return np.asarray(np.all(estimates.error[..., : self.answers] <= bound, axis=-1))

    def check_truth(self, labels: Any, rows: int) -> Floats:
        """(N, K) true numbers, or an `InputError` unless these are numbers of so many rows."""
        return check_numbers(labels, rows, self.target_names)

    def result(self, estimates: Estimates, told: Told) -> RegressionCertainty:
        """A `RegressionCertainty` of N rows."""
        mean, spread = estimates.mean[:, : self.answers], self._spread(estimates)
        # Balance can cancel all of an error but the rounding of the model, which computes in single precision.
        rounding = np.where(estimates.passes[:, None] > 1, ROUNDING * (np.abs(mean) + spread), 0.0)
        result = RegressionCertainty(
            mean=mean,
            mc_error=np.maximum(estimates.error[:, : self.answers], rounding),
            passes=estimates.passes,
            target_names=self.target_names,
            row=told.row,
            spread=estimates.spread,
            spread_error=estimates.spread_error,
            quantiles=estimates.quantiles,
            quantiles_error=estimates.quantiles_error,
            kind=told.kind,
            method=told.method,
            seed=told.seed,
            plan=told.plan,
            version=told.version,
        )
        if self.outputs == VALUES:
            return result
        noise = np.sqrt(np.maximum(estimates.mean[:, self.answers :], 0))
        return result.with_noise(noise, "the model")

    def _spread(self, estimates: Estimates) -> Floats:
        """(n, K) standard deviation between networks, as far as the passes tell it."""
        both = estimates.variance + np.nan_to_num(estimates.squared_error)
        return np.sqrt(np.maximum(both[..., : self.answers], 0))
