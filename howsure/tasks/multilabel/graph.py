"""Several labels per row as a graph; see `howsure.tasks.classification.graph`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from howsure.adapters.protocol import LABEL_LOGITS
from howsure.evaluation.conformal import TOLERANCE as ROUNDED_SCORE
from howsure.onnx import Value, sigmoid
from howsure.tasks.classification import maps
from howsure.tasks.classification.graph import DistributionGraph, Wanted, codes_of, near_a_threshold
from howsure.tasks.multilabel.result import MultilabelCertainty


class LabelsGraph(DistributionGraph):
    """The columns of `Labels`: D = K distributions over no and yes."""

    result_type = MultilabelCertainty

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Those of the labels."""
        return {"label_names": self.outcome.label_names}

    def values(self, raw: Value) -> Value:
        """(W, n, K) probabilities of yes; see `Labels.values`."""
        if self.outcome.outputs == LABEL_LOGITS:
            return sigmoid(raw)
        return np.minimum(np.maximum(raw, 0), 1)

    def sides(self, probabilities: Value) -> Value:
        """(n, K, 2)."""
        return np.stack([1 - probabilities, probabilities], axis=-1)

    def each(self, values: Value) -> Value:
        """(n, K)."""
        return values

    def calibrated(self, probabilities: Value, calibrator: Any) -> Value:
        """(n, K) each label by its own calibrator."""
        fits = [calibrator.parameters for calibrator in calibrator.of_label.values()]
        nothing = {"temperature": [1.0], "offsets": np.zeros(2), "most": [1.0]}
        learnt = {
            name: np.array([np.reshape(fit.get(name, unchanged), -1) for fit in fits])
            for name, unchanged in nothing.items()
        }
        return maps.mapped(learnt, self.sides(probabilities))[..., 1]

    def in_set(self, probabilities: Value, sets: Any) -> Value:
        """See `howsure.tasks.multilabel.decide.MultilabelPredictionSets`."""
        likely: Any = probabilities >= sets.threshold - ROUNDED_SCORE
        return likely | (probabilities > 0.5)

    def certain(self, columns: Mapping[str, Value]) -> Value:
        """(n, K) the gap of each label; see `howsure.tasks.multilabel.decide.MultilabelAbstention`."""
        return np.abs(2 * columns["probabilities"] - 1)

    def answers(self, probabilities: Value, two: Value, is_nan: Value) -> dict[str, Value]:
        """Whether labels hold."""
        return {"yes": probabilities > 0.5}


def label_words(result: MultilabelCertainty, tolerance: float) -> Wanted:
    """Expected texts of a graph; as `class_words`."""
    top = np.maximum(result.probabilities, 1 - result.probabilities)
    near = near_a_threshold(top, result.gap, result.thresholds, tolerance)
    return {
        "yes": (result.yes, np.asarray(result.gap <= 2 * tolerance)),
        "verdict": (codes_of(result.verdict), near),
    }
