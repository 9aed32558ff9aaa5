"""A class at each position."""

from typing import ClassVar

import numpy as np

import howsure
from howsure.tasks.segmentation.outcome import Positions
from tests.kinds.kind import LIMITS, OUTCOME_NAMES, SIDE, Golden, Kind, N, raw, shares, softmax, true_class


class ClassAtEachPosition(Kind):
    name = "positions"
    shape = (SIDE, SIDE, 3)
    settings: ClassVar = {"keep": "probabilities"}
    tolerance = 0.8
    risk = 0.4
    scores = (howsure.DenseEvaluation, ())

    def truth(self, said, random):
        p = said.probabilities.reshape(-1, 3).astype(float)
        drawn = (p.cumsum(axis=1) / p.sum(axis=1, keepdims=True) < random.random((len(p), 1))).sum(axis=1)
        return np.minimum(drawn, 2).reshape(said.label.shape)

    def drawn(self, values, random):
        return softmax(values), random.integers(0, values.shape[-1], values.shape[1:-1])

    def golden(self):
        shape = (N, SIDE, SIDE)
        counts = np.ones(shape, dtype=bool)
        counts[::7, 0, :2] = False
        passes = shares(shape)
        result = self.made(passes, self.names, positions=counts)
        truth = true_class(result.label, shape)
        other = self.made(passes[:3], self.names, positions=counts)
        return Golden("positions", result.with_truth(truth), truth, other, 0.5)

    def outcomes(self):
        outcome = Positions("m", "logits", "float32", OUTCOME_NAMES, LIMITS, (2, 3), 2)
        return {"logits": (outcome, raw(30).reshape(7, 9, 2, 3, 5))}


KIND = ClassAtEachPosition()
