"""Numbers per row."""

from typing import ClassVar

import numpy as np

import howsure
from howsure.tasks.regression.outcome import Numbers
from tests.kinds.kind import OUTCOME_NAMES, Golden, Kind, N, S, raw, whole


class SomeNumbers(Kind):
    name = "numbers"
    names = ("width", "depth")
    ending = "linear"
    trained_for = "regression"
    settings: ClassVar = {"outputs": "mean-log-variance"}
    one_of_names = False
    constructor = "from_samples"
    tolerance: ClassVar = {"width": 8.0, "depth": 7.0}
    risk = 0.4
    scores = (howsure.TargetScores, ())

    @property
    def outputs(self):
        return 2 * len(self.names)  # means, then logarithms of variances

    def order(self, turn):
        return [*turn, *(2 + each for each in turn)]

    def in_unit(self, last, bias, unit):
        last, bias = last.copy(), bias.copy()
        last[:, 2:] *= 0.1
        last[:, :2] *= unit[0]
        bias[:2] = bias[:2] * unit[0] + unit[1]
        bias[2:] += 2 * np.log(unit[0])
        return last, bias

    def truth(self, said, random):
        return said.mean + 1.5 * said.std * random.normal(size=said.mean.shape)

    def drawn(self, values, random):
        return values, values[0] + random.normal(size=values[0].shape)

    def golden(self):
        samples = (whole((S, N, 2), 64) + 4 * whole((N, 2), 50, 5)) / 16
        noise = whole((N, 2), 24, 9) / 16
        result = howsure.RegressionCertainty.from_samples(samples, self.names, noise=noise)
        truth = result.mean.round(2) + (whole((N, 2), 65, 17) - 33) / 16
        other = howsure.RegressionCertainty.from_mean_std(samples[0], noise + 1, self.names)
        return Golden("numbers", result.with_truth(truth), truth, other, {"width": 3.0, "depth": 3.0})

    def outcomes(self):
        return {
            "values": (Numbers("m", "values", OUTCOME_NAMES), 1e6 * raw(5)),
            "means and variances": (Numbers("m", "mean-variance", OUTCOME_NAMES[:2]), raw(4, "sigmoid")),
            "means and log variances": (Numbers("m", "mean-log-variance", OUTCOME_NAMES[:2]), raw(4)),
        }


KIND = SomeNumbers()
