"""The parts of the negative log-likelihood (NLL) of a method: calibration, accuracy and order.

    calibration  NLL − NLL at the best temperature, or factor of the standard deviation
    accuracy     NLL of a forecaster who knows no more than how often, or how far, the method is off
    order        NLL at the best temperature − accuracy

They add up to the NLL, so those of a difference of two methods add up to the difference. The first is what
calibration can mend (Murphy 1973, Guo and others 2017). The other two are left after it: how good the answers
are, and what it is worth that some are said to be surer than others.

A best temperature is chosen on the rows that judge it. So the loss there is too small, by J/2NI on average,
with J the mean square of the slopes and I the mean curvature (Takeuchi 1976); this is added. A row
contributes what leaving it out changes (the jackknife, Tukey 1958), by one step of Newton's method: with s
the slope of its loss, c its curvature and C that of all rows, s²/2(C − c) beside its loss, and −s/(C − c) to
the logarithm of a scale. A row that decides the scale alone hides how much it decides without this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from howsure.evaluation.score import LEAST_MISTAKES, UNKNOWN, Mean, Measured, centred, wider
from howsure.evaluation.temperature import LIMIT
from howsure.sampling.outcome import Floats
from howsure.statistics import skewed_interval, symmetric_interval

CALIBRATION, ACCURACY, ORDER = PARTS = ("calibration", "accuracy", "order")
"""The parts, in the order in which they are told."""

DISCRIMINATION = "discrimination"
"""Accuracy and order together: what is left once calibration is mended."""


@dataclass(frozen=True, eq=False)
class Claims:
    """The claims of a method beside the truth, for one set of rows.

    Attributes:
        claimed: Mean percentage of the answers; of numbers, the root mean square of standard deviations.
        true: Share of right answers; of numbers, the root mean square of errors.
        within: Of numbers, the share of answers within central intervals; NaN of classes.
    """

    claimed: float
    true: float
    within: float = np.nan


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of the NLL of one method.

    Attributes:
        nll: The whole.
        best: The NLL at the best temperature, or factor.
        plain: The NLL of a forecaster who knows no more than how often, or how far, the method is off.
        scale: Logarithm of the best temperature, or factor; above 0 where the method is too sure.
    """

    nll: Measured
    best: Measured
    plain: Measured
    scale: Measured

    def __getitem__(self, name: str) -> Measured:
        if name == CALIBRATION:
            return less(self.nll, self.best)
        if name == ORDER:
            return less(self.best, self.plain)
        return self.plain if name == ACCURACY else self.best


@dataclass(frozen=True, eq=False)
class Scale(Measured):
    """The logarithm of a temperature, or of a factor of standard deviations.

    Attributes:
        skewed: Whether a few rows may decide it that were not drawn, as of squared errors.
        far: Whether as many rows lie far out as is claimed, or more. Then it is not known to be below 0: of
            heavy tails most samples hold too few of the rows that decide it.
    """

    skewed: bool = False
    far: bool = False

    def interval(self, confidence: float) -> tuple[float, float]:
        """Ends that lie as far to one side as to the other in the exponent, 1/scale; at most `LIMIT`.

        In the exponent the loss is nearly a parabola, also where the percentages say nothing and the best
        exponent is 0, which has no logarithm.
        """
        if self.mistakes < LEAST_MISTAKES or not self.parts.any():
            return UNKNOWN
        _, high = symmetric_interval(0.0, self.parts, confidence)
        least, most = 1 - high, max(self.value, np.log(LIMIT))
        ends = self.value - np.log1p(high), min(self.value - np.log(least), most) if least > 0 else most
        if self.skewed:
            ends = wider(ends, skewed_interval(self.value, self.parts, confidence))
        return (ends[0], max(ends[1], 0.0)) if self.far else ends


def less(one: Measured, other: Measured) -> Mean:
    """The difference of two scores of the same rows, as a score."""
    mistakes = min(one.mistakes, other.mistakes)
    return Mean(one.value - other.value, one.parts - other.parts, mistakes)


def at_best(losses: Floats, slopes: Floats, curvatures: Floats, mistakes: int) -> Mean:
    """The mean of losses (N,) at the parameter that makes it least, with what the choice hides added.

    Args:
        losses: Loss of each row.
        slopes: Their derivatives, which add up to 0.
        curvatures: Their second derivatives.
        mistakes: How many rows decide the score.
    """
    total = float(np.sum(curvatures))
    hidden = float(np.sum(slopes**2)) / (2 * len(losses) * total) if total > 0 else 0.0
    without = slopes * _steps(slopes, curvatures) / 2
    return Mean(float(np.mean(losses)) + hidden, centred(losses + without), mistakes)


def of_scale(
    value: float,
    slopes: Floats,
    curvatures: Floats,
    mistakes: int,
    *,
    skewed: bool = False,
    far: bool = False,
) -> Scale:
    """The logarithm of a scale, with slopes and curvatures (N,) of each loss in that logarithm.

    `skewed` and `far` are those of `Scale`.
    """
    return Scale(value, -_steps(slopes, curvatures), mistakes, skewed, far)


def _steps(slopes: Floats, curvatures: Floats) -> Floats:
    """(N,) how far the best parameter moves if a row is left out; 0 where nothing else decides it."""
    others = np.sum(curvatures) - curvatures
    return np.divide(slopes, others, out=np.zeros_like(slopes), where=others > 0)


def ends_of(value: float, parts: Floats, confidence: float) -> tuple[float, float]:
    """The wider of two intervals of a sum of parts (N,), which may be skewed, or seem so by chance."""
    return wider(skewed_interval(value, parts, confidence), symmetric_interval(value, parts, confidence))
