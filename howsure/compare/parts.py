"""The parts of the negative log-likelihood (NLL) of a method: calibration, accuracy, order, alternatives.

    calibration   NLL − NLL once it is mended: zeros filled, a best temperature, and best offsets of classes;
                  of numbers a best factor of the standard deviation, and a best constant off the mean
    accuracy      NLL of a forecaster who knows no more than how often, or how far, the method is off
    order         what it is worth to know which answers are doubtful: of classes the NLL of "the top class is
                  right", mended, less that of saying the same of all rows
    alternatives  of wrong answers, the NLL of the true class among all but the top one, less log (K − 1)

They add up to the NLL, so those of a difference of two methods add up to the difference. The first is what
calibration can mend (Murphy 1973, Guo and others 2017, Alexandari and others 2020), and is divided: `zeros`,
then `sureness` (temperature or factor) and `offsets`, each on average over both orders in which they can be
mended (Shapley 1953). The others are left after it.

The rows that choose a temperature also judge it. So the loss there is too small, by tr(J I⁻¹)/2N on
average, with J the mean square of the slopes and I the mean curvature (Takeuchi 1976); this is added. A row
contributes what leaving it out changes (the jackknife, Tukey 1958), by one step of Newton's method: with s
the slope of its loss, c its curvature and C that of all rows, s²/2(C − c) beside its loss, and −s/(C − c) to
the logarithm of a scale. A row that decides the scale alone hides how much it decides without this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from howsure.evaluation.score import LEAST_MISTAKES, UNKNOWN, Mean, Measured, centred, wider
from howsure.evaluation.temperature import LIMIT
from howsure.sampling.outcome import Floats, Integers
from howsure.statistics import skewed_interval, symmetric_interval

CALIBRATION, ACCURACY, ORDER, ALTERNATIVES = PARTS = ("calibration", "accuracy", "order", "alternatives")
"""The parts, in the order in which they are told."""

SURENESS, OFFSETS, ZEROS = MENDED = ("sureness", "offsets", "zeros")
"""The parts of calibration."""

DISCRIMINATION = "discrimination"
"""All parts but calibration: what is left once that is mended."""

EVERY = (*PARTS, DISCRIMINATION, *MENDED)


@dataclass(frozen=True, eq=False)
class Claims:
    """The claims of a method beside the truth, for one set of rows.

    Attributes:
        claimed: Mean percentage of the answers; of numbers, the root mean square of standard deviations.
        true: Share of right answers; of numbers, the root mean square of errors.
        within: Share of answers within central intervals, of numbers; NaN of classes.
        zeros: Share of rows whose true class got exactly 0 %; 0 of numbers.
        tilted: The class that is claimed too often or too seldom by most, the share that it claims on
            average, and the true one; or, for each target, how far its numbers are too high on average.
    """

    claimed: float
    true: float
    within: float = np.nan
    zeros: float = 0.0
    tilted: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of the NLL of one method; see the module.

    Attributes:
        nll: The whole.
        best: The NLL once calibration is mended.
        accuracy: The NLL of a forecaster who knows no more than how often, or how far, the method is off.
        alternatives: The NLL of other classes where the top one is wrong; 0 of numbers.
        zeros: The cost of exactly 0 % for the true class; 0 of numbers.
        offsets: The cost of classes that are given too often, or of numbers that are too high or too low.
        scale: Logarithm of the best temperature, or factor; above 0 where the method is too sure.
    """

    nll: Measured
    best: Measured
    accuracy: Measured
    alternatives: Measured
    zeros: Measured
    offsets: Measured
    scale: Measured

    def __getitem__(self, name: str) -> Measured:
        if name == CALIBRATION:
            return less(self.nll, self.best)
        if name == SURENESS:
            return less(less(self[CALIBRATION], self.zeros), self.offsets)
        if name == ORDER:
            return less(less(self.best, self.accuracy), self.alternatives)
        return self.best if name == DISCRIMINATION else getattr(self, name)


@dataclass(frozen=True, eq=False)
class Scale(Measured):
    """The logarithm of a temperature, or of a factor of standard deviations.

    Attributes:
        skewed: Whether a few rows may decide it that were not drawn, as of squared errors.
        far: Whether as many rows lie far out as is claimed, or more. Then it is not known to be below 0: of
            heavy tails most samples hold too few of the rows that decide it.
        leverage: (N,) share of each row in the curvature.
    """

    skewed: bool = False
    far: bool = False
    leverage: Floats = field(kw_only=True)

    def by_group(self, groups: Integers) -> Measured:
        """See `Measured`; a group that decides the scale alone hides how much it decides, as a row does."""
        alone = left_out(self.leverage)
        steps = np.bincount(groups, np.divide(self.parts, alone, out=np.zeros_like(alone), where=alone > 0))
        leverage = np.bincount(groups, self.leverage).astype(np.float64)
        parts = steps * left_out(leverage)
        return replace(super().by_group(groups), parts=parts, leverage=leverage)  # type: ignore[call-arg]

    @staticmethod
    def mean(of: Sequence[Measured], mistakes: int) -> Measured:
        """See `Measured`; leverage on average, too."""
        leverage = np.mean([scale.leverage for scale in of if isinstance(scale, Scale)], axis=0)
        return replace(Measured.mean(of, mistakes), leverage=leverage)  # type: ignore[call-arg]

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


def halved(one: Measured, other: Measured) -> Mean:
    """Half of the sum of two differences of the same rows."""
    return Mean((one.value + other.value) / 2, (one.parts + other.parts) / 2, one.mistakes)


def at_best(losses: Floats, steps: Floats, slopes: Floats, leverage: Floats, mistakes: int) -> Mean:
    """The mean of losses (N,) at the parameters that make it least, with what the choice hides added.

    Args:
        losses: Loss of each row.
        steps: (N, P) C⁻¹ s, with the sum C of curvatures.
        slopes: (N, P) their derivatives s, which add up to 0.
        leverage: (N,) share of each row in C, tr C⁻¹c; or (N, P) where C is diagonal.
        mistakes: How many rows decide the score.
    """
    hidden = steps * slopes / 2
    alone = hidden * left_out(leverage).reshape(len(losses), -1)
    return Mean(
        float(np.mean(losses) + hidden.sum() / len(losses)), centred(losses + alone.sum(axis=1)), mistakes
    )


def left_out(leverage: Floats) -> Floats:
    """How much farther parameters move without a row than one step with it; 0 where nothing else decides."""
    return np.divide(1.0, 1 - leverage, out=np.zeros_like(leverage), where=leverage < 1 - 1e-9)


def nothing(of: Measured) -> Mean:
    """A part that a method does not have."""
    return Mean(0.0, np.zeros_like(of.parts), of.mistakes)


def ends_of(value: float, parts: Floats, confidence: float) -> tuple[float, float]:
    """The wider of two intervals of a sum of parts (N,), which may be skewed, or seem so by chance."""
    return wider(skewed_interval(value, parts, confidence), symmetric_interval(value, parts, confidence))
