"""Several labels per row."""

from typing import ClassVar

import numpy as np

from howsure.tasks.multilabel.outcome import Labels
from tests.kinds.kind import LIMITS, OUTCOME_NAMES, Golden, Kind, N, raw, shares, whole


class SeveralLabels(Kind):
    name = "labels"
    ending = "sigmoid"
    trained_for = "labels"
    settings: ClassVar = {"outputs": "label-probabilities"}
    one_of_names = False
    risk = 0.95

    def truth(self, said, random):
        return random.random(said.probabilities.shape) < said.probabilities

    def drawn(self, values, random):
        return 1 / (1 + np.exp(-values)), values[0] > 0

    def golden(self):
        passes = np.minimum(0.02 + 0.96 * shares((N,)), 0.98)
        result = self.made(passes, ("rain", "wind", "snow"))
        truth = (result.probabilities > 0.5) ^ (whole((N, 3), 5, 17) == 1)
        other = self.made(passes[:3], ("rain", "wind", "snow"))
        return Golden("labels", result.with_truth(truth), truth, other)

    def outcomes(self):
        return {
            "probabilities": (Labels("m", "label-probabilities", OUTCOME_NAMES, LIMITS), raw(5, "sigmoid")),
            "logits": (Labels("m", "label-logits", OUTCOME_NAMES, LIMITS), raw(5)),
        }


KIND = SeveralLabels()
