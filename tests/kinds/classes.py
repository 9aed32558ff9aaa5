"""One class per row."""

import numpy as np

import howsure
from howsure.tasks.classification.outcome import Classes
from tests.kinds.kind import LIMITS, OUTCOME_NAMES, Golden, Kind, N, raw, shares, softmax, true_class


class OneClass(Kind):
    name = "classes"
    risk = 0.6
    scores = (howsure.Evaluation, ("constant_accuracy", "accuracy_gain"))

    def truth(self, said, random):
        return np.array([random.choice(3, p=p / p.sum()) for p in said.probabilities])

    def drawn(self, values, random):
        return softmax(values), random.integers(0, values.shape[-1], values.shape[1])

    def golden(self):
        passes, ids = shares((N,)), [f"r{number}" for number in range(100, 100 + N)]
        result = self.made(passes, self.names).with_ids(ids, "scan")
        truth = true_class(result.label, (N,))
        other = howsure.Certainty.from_passes(passes[:3, :, ::-1], self.names).with_ids(ids, "scan")
        return Golden("classes", result.with_truth(truth), truth, other)

    def outcomes(self):
        def of(names, outputs, end, width=5):
            return Classes("m", outputs, "float32", names, LIMITS), raw(width, end)

        return {
            "probabilities": of(OUTCOME_NAMES, "probabilities", "softmax"),
            "logits": of(OUTCOME_NAMES, "logits", "linear"),
            "one sigmoid": of(("no", "yes"), "probabilities", "sigmoid", 1),
            "one logit": of(("no", "yes"), "logits", "linear", 1),
        }


KIND = OneClass()
