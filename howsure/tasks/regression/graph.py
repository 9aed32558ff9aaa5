"""Numbers per row as an ONNX graph: `mean`, `mc_error`, `spread`, and the `noise` that a head puts out.

See `howsure.tasks.classification.graph` for what the parts are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.adapters.protocol import MEAN_LOG_VARIANCE, VALUES
from howsure.errors import ModelError
from howsure.evaluation.conformal import TOLERANCE as ROUNDED_SCORE
from howsure.onnx import Value
from howsure.tasks.classification.graph import Columns, UnitsOf, handed_over
from howsure.tasks.classification.graph import Numbers as Wanted
from howsure.tasks.classification.graph import Wanted as Words
from howsure.tasks.regression.doubt import ROUNDING
from howsure.tasks.regression.outcome import Numbers, Rates

if TYPE_CHECKING:
    from howsure.evaluation.rules import Rules
    from howsure.tasks.regression.result import RegressionCertainty

ROUNDED = 1e-6
"""Rounding in float32, as a share of the largest mean of a target."""

SQUARED = 1e18
"""Largest number that float32 can square, and 1/`SQUARED` the smallest."""


class NumbersGraph:
    """The columns of `Numbers`. `error_of` takes it for the columns of the means and the variances.

    Args:
        outcome: The kind of answer of a row.
    """

    calibrated_names = None
    """A graph applies no calibrator of numbers."""

    def __init__(self, outcome: Numbers) -> None:
        if isinstance(outcome, Rates):
            raise ModelError(
                "A graph does not give counts",
                expected="outputs='values', whose graph gives the expected counts",
            )
        self.outcome = outcome
        self.families, self.least_error = outcome.families, outcome.least_error

    def values(self, raw: Value) -> Value:
        """(W, n, C) numbers and variances; see `Numbers.values`. A negative variance becomes NaN."""
        raw = np.moveaxis(raw, 2 + self.outcome.axis, 2) if self.outcome.axis else raw
        raw = raw.reshape(*raw.shape[:2], self.outcome.width)
        if self.outcome.outputs == VALUES:
            return raw
        means, others = raw[..., : self.outcome.answers], raw[..., self.outcome.answers :]
        is_log = self.outcome.outputs == MEAN_LOG_VARIANCE
        variances = np.exp(others) if is_log else np.where(others >= 0, others, np.nan)
        return np.concatenate([means, variances], axis=-1)

    # --- what `error_of` asks: the same of all numbers, as `Outcome` has it ----------------------

    def error_driver(self, mean: Value) -> float:
        """As `Outcome.error_driver`."""
        return 0.5

    def sensitivity(self, q: Value) -> float:
        """As `Outcome.sensitivity`."""
        return 1.0

    def spread(self, spread: Value) -> Value:
        """As `Outcome.spread`."""
        return spread

    # --- columns --------------------------------------------------------------------------------

    def columns(
        self, values: Value, mean: Value, squared: Value, error: Value, calibrator: None, units_of: UnitsOf
    ) -> dict[str, Value]:
        """The columns by their names, each (n, K).

        Args:
            values: (W, n, C) numbers and variances of the passes.
            mean: (n, C) their mean.
            squared: (n, C) its squared error as it is expected to be.
            error: (n, C) its standard error as it is told.
            calibrator: None.
            units_of: Not used.
        """
        answers = slice(self.outcome.answers)
        numbers: Any = mean[..., answers]
        spread: Any = np.sqrt(values.var(axis=0)[..., answers] + squared[..., answers])
        columns = {
            "mean": numbers,
            "mc_error": np.maximum(error[..., answers], ROUNDING * (np.abs(numbers) + spread)),
            "spread": spread,
        }
        if self.outcome.outputs != VALUES:
            columns["noise"] = np.sqrt(mean[..., self.outcome.answers :])
        return columns

    def decisions(self, columns: Mapping[str, Value], rules: Rules) -> dict[str, Value]:
        """See `DistributionGraph.decisions`; with a calibrator also `std` (n, K)."""
        mean, spread, added = columns["mean"], columns.get("spread"), dict[str, Value]()
        between: Any = mean * 0.0 if spread is None else spread * spread
        std: Any = np.sqrt(between + columns["noise"] * columns["noise"]) if "noise" in columns else None
        if rules.calibrator is not None:
            learnt = np.array([score.value for score in rules.calibrator.values.values()])
            added["std"] = std = np.sqrt(between + learnt**2) if std is None else std * learnt
        if rules.sets is not None:
            reach = np.array(rules.sets.threshold) * (1 + ROUNDED_SCORE) * (std if rules.sets.by_std else 1.0)
            added |= {"low": mean - reach, "high": mean + reach}
        if rules.abstention is not None:
            scale = next((known for known in (std, spread) if known is not None), mean * 0.0 + 1.0)
            limits = np.array([*rules.abstention.tolerance.values()])
            certain = np.where(scale <= 0, np.inf, limits / scale)
            added["hand_over"] = handed_over(certain, rules.abstention.threshold)
        return added

    def result(
        self, columns: Columns, fields: Mapping[str, Any], metadata: Mapping[str, Any]
    ) -> RegressionCertainty:
        """The result with the numbers of a graph as they are; as `DistributionGraph.result`."""
        from howsure.tasks.regression.result import RegressionCertainty

        numbers: dict[str, Any] = {
            name: columns[name] for name in ("mean", "mc_error", "spread") if name in columns
        }
        result = RegressionCertainty(**numbers, target_names=self.outcome.target_names, **fields)
        return result.with_noise(columns["noise"], "the model") if "noise" in columns else result

    @property
    def metadata(self) -> dict[str, Any]:
        """The meaning of the columns."""
        return {"target_names": self.outcome.target_names}


def numbers(result: RegressionCertainty, tolerance: float) -> Wanted:
    """The part `graph_numbers`: each may be off by a share of the spread, and by the rounding of float32.

    Args:
        result: The result of `assess` for some rows.
        tolerance: The share.

    Raises:
        ModelError: A target whose spread float32 cannot hold.
    """
    size = np.abs(result.mean).max(axis=0, initial=0)
    if result.spread is None:  # a plain prediction
        allowed = np.broadcast_to(tolerance * result.mean.std(axis=0) + ROUNDED * size, result.mean.shape)
        return {name: (getattr(result, name), allowed) for name in ("mean", "mc_error")}
    spread = result.spread.max(axis=0, initial=0)
    is_lost = (size > SQUARED) | ((spread > 0) & (spread < np.maximum(10 * ROUNDED * size, 1 / SQUARED)))
    if len(result) and is_lost.any():
        k = int(np.argmax(is_lost))
        raise ModelError(
            f"Graphs compute in float32, which does not hold how far networks differ in "
            f"'{result.target_names[k]}'",
            expected=f"numbers of up to {SQUARED:g}, and a spread of at least {1 / SQUARED:g} and "
            f"{10 * ROUNDED:g} of the numbers",
            received=f"numbers of up to {size[k]:.3g}, and a spread of up to {spread[k]:.3g}",
            hint="Export a network of shifted and scaled targets, and put its answers back into their unit",
        )
    allowed = tolerance * result.spread + ROUNDED * size
    columns = {name: (getattr(result, name), allowed) for name in ("mean", "mc_error", "spread")}
    if np.isfinite(result.noise).all():
        columns["noise"] = result.noise, allowed + tolerance * result.noise
    return columns


def words(result: RegressionCertainty, tolerance: float) -> Words:
    """The part `graph_words`: numbers have none."""
    return {}
