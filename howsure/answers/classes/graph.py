"""One class per row as a graph: see `howsure.answers.graph`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from howsure.answers.classes import maps
from howsure.answers.classes.result import Certainty
from howsure.answers.graph import DistributionGraph, Wanted, codes_of, near_a_threshold
from howsure.models.protocol import LOGITS
from howsure.onnx.traced import Value, softmax

if TYPE_CHECKING:
    from howsure.answers.classes.calibrate import Calibrator


class ClassesGraph(DistributionGraph):
    """The columns of `Classes`: one distribution over C = K classes."""

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Those of the classes."""
        return {"class_names": self.outcome.class_names}

    @property
    def calibrated_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the classes."""
        return self.names["class_names"]

    def values(self, raw: Value) -> Value:
        """(W, n, K) probabilities; see `howsure.answers.outputs.to_probabilities`."""
        one = raw.shape[-1] == 1
        if self.outcome.outputs == LOGITS:
            return softmax(np.concatenate([raw - raw, raw], axis=-1) if one else raw)
        values = np.maximum(np.concatenate([1 - raw, raw], axis=-1) if one else raw, 0)
        return values / np.sum(values, axis=-1, keepdims=True)

    def sides(self, probabilities: Value) -> Value:
        """(n, 1, K)."""
        return probabilities[..., None, :]

    def each(self, values: Value) -> Value:
        """(n,)."""
        return values[..., 0]

    def answers(self, probabilities: Value, two: Value, is_nan: Value) -> dict[str, Value]:
        """The two top classes."""
        kept = np.where(is_nan[..., None], self.outcome.width, two)[..., 0, :]
        return {"label": kept[..., 0], "runner_up": kept[..., 1]}

    def calibrated(self, probabilities: Value, calibrator: Calibrator) -> Value:
        """(n, K) as the method of the calibrator changes them."""
        return maps.METHODS[calibrator.method].apply(calibrator.parameters, probabilities)


def words(result: Certainty, tolerance: float) -> Wanted:
    """Expected texts of a graph for the rows of a result; see `DistributionGraph`.

    Args:
        result: The result of `assess` for these rows.
        tolerance: How far probabilities may be off.
    """
    if result.probabilities.shape[1] == 2:
        near_another = result.gap <= 2 * tolerance
    else:
        third, second, first = np.sort(result.probabilities, axis=-1)[:, -3:].T
        near_another = np.minimum(first - second, second - third) <= 2 * tolerance
    near = near_a_threshold(result.probability, result.gap, result.thresholds, tolerance)
    return {
        "label": (result.label, near_another),
        "runner_up": (result.runner_up, near_another),
        "verdict": (codes_of(result.verdict), near),
    }
