"""Scores of one number per row against true numbers, with what each row contributes.

With e = y − mean, z = e / std, and Φ and φ the normal distribution function and density:

    bias            −e, the prediction less the truth
    nll             ½ log 2π std² + ½ z²                                           (deep ensembles 2017)
    nll_mixture     −log mean_t N(y; y_t, noise²) over networks t                  (Gal and Ghahramani 2016)
    crps            std · (z (2 Φ(z) − 1) + 2 φ(z) − 1/√π)                         (Gneiting and Raftery 2007)
    pinball         max(l (y − q), (l − 1) (y − q)), averaged over levels l         (Koenker and Bassett 1978)
    interval_score  width + 2/α · how far y lies outside, α = 1 − level            (the same)
    counts          nll, crps and the rest by the distributions of `counts` instead of the normal one
    miscalibration  ∫ |share of rows with Φ(z) ≤ t, less t| dt                     (Tran and others 2020)
    ause            area under the sparsification error                            (Ilg and others 2018)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

from howsure.evaluation.metrics import Metric, by_name, of_outside
from howsure.evaluation.score import (
    LEAST_MISTAKES,
    OUTSIDE,
    UNKNOWN,
    CalibrationError,
    Mean,
    Measured,
    Score,
    area_under_risk,
    centred,
    in_cells,
    share_of_rows,
    told_apart,
    wider,
)
from howsure.sampling.outcome import Floats, Integers
from howsure.statistics import skewed_interval, symmetric_interval
from howsure.tasks.regression import counts
from howsure.tasks.regression.above import networks_of
from howsure.tasks.regression.quantiles import between, pairs_of, widest_between
from howsure.tasks.regression.result import RegressionCertainty

LEVELS = (0.5, 0.8, 0.9, 0.95)
"""Shares of new answers in the intervals that are scored."""

AT_LEVELS = ("coverage", "width", "interval_score")
"""Scores of intervals, each at all `LEVELS`."""

UNIT = "in the unit of the target"

_ERRORS = "Root of the mean squared error, and mean absolute error, of the predictions alone."

METRICS = by_name(
    Metric("rmse", "RMSE", f"lower is better; {UNIT}", _ERRORS, alone=True),
    Metric("mae", "MAE", f"lower is better; {UNIT}", _ERRORS, alone=True),
    Metric("bias", "bias", f"0 is best; mean of prediction − truth, {UNIT}", None),
    Metric("r2", "R²", "higher is better; 0 is as good as always the mean", None),
    Metric(
        "nll",
        "NLL",
        "lower is better; depends on the unit of the target",
        "Negative log-likelihood, averaged over {{ kinds }}, in nats: minus the logarithm of the "
        "probability density that a method gives to the true number. The density is normal, with the "
        "prediction as its mean and with the standard deviation of a new answer. A large error with a "
        "small standard deviation costs most. The value of the NLL depends on the unit of the target; "
        "differences between methods do not.",
    ),
    Metric(
        "nll_mixture",
        "NLL of the networks",
        "lower is better; depends on the unit of the target",
        None,
    ),
    Metric(
        "crps",
        "CRPS",
        f"lower is better; {UNIT}",
        "Continuous ranked probability score: how far that distribution lies from the true number. It "
        "punishes large errors less than the NLL does. Without uncertainty it is the absolute error.",
        alone=True,
    ),
    Metric(
        "pinball",
        "pinball loss",
        f"lower is better; {UNIT}",
        "How far answers lie from each quantile, averaged over levels. At level l, an answer above the "
        "quantile counts l times its distance, and one below 1 − l times. True quantiles make it least.",
        alone=True,
    ),
    Metric("coverage", "coverage", "as much as the intervals claim is best", None),
    Metric("width", "width", "lower is better, where the coverage is kept", None),
    Metric("interval_score", "interval score", "lower is better; width and misses in one", None),
    Metric(
        "miscalibration",
        "miscalibration",
        "lower is better; chance alone makes it more than 0",
        None,
    ),
    Metric("ause", "AUSE", "lower is better; 0 orders rows by their errors", None),
    Metric("aurg", "AURG", "higher is better; 0 orders rows no better than chance", None),
    *of_outside("spread"),
)
"""The scores of `TargetScores`, which `of_target` computes."""

LEAST_OUTSIDE = 2
"""Answers outside of their intervals below which an interval score has no interval: one alone does not show
how far answers lie outside."""

DRAWS, CELLS = 500, 100
"""Draws of chance behind the interval of `miscalibration`, and parts into which it divides 0 to 1."""

AT_ONCE = 10_000
"""Rows whose networks are held at a time; bounds memory."""

_LOG_TWO_PI = float(np.log(2 * np.pi))


@dataclass(frozen=True, eq=False)
class Loss(Mean):
    """A mean of losses, which may have long tails.

    Attributes:
        worst: By how much one more row, as bad as the worst, would change the score.
        least_mistakes: With fewer there is no interval.
    """

    worst: float = 0.0
    least_mistakes: int = 1

    def interval(self, confidence: float) -> tuple[float, float]:
        """See `Measured`.

        The wider of an interval without its skewness (Hall 1992) and a t with the degrees of freedom that the
        variance has. The worse end allows for one more row as bad as the worst: among few rows the worst that
        happen have not been seen.
        """
        if self.mistakes < self.least_mistakes or len(self.parts) < LEAST_MISTAKES or not self.parts.any():
            return UNKNOWN
        low, high = wider(
            skewed_interval(self.value, self.parts, confidence),
            symmetric_interval(self.value, self.parts, confidence),
        )
        low, high = low + min(self.worst, 0.0), high + max(self.worst, 0.0)
        return max(low, self.least), min(high, self.most)

    def by_group(self, groups: Integers) -> Measured:
        """See `Measured`; the worst is that of groups."""
        loss = super().by_group(groups)
        ends = loss.parts.min(initial=0.0), loss.parts.max(initial=0.0)
        return replace(loss, worst=float(ends[self.worst > 0]) if self.worst else 0.0)  # type: ignore[call-arg]


@dataclass(frozen=True, eq=False)
class Root(Measured):
    """The root of a mean of squares.

    Attributes:
        square: The mean.
    """

    square: Loss

    def interval(self, confidence: float) -> tuple[float, float]:
        """See `Measured`: the roots of the ends."""
        low, high = np.sqrt(self.square.interval(confidence))
        return float(low), float(high)

    def minus(self, other: Measured, reach: float | None = None) -> Score:
        """See `Measured`: that of two means with the contributions of the roots."""
        return _as_mean(self).minus(_as_mean(other), reach)

    def by_group(self, groups: Integers) -> Measured:
        """See `Measured`."""
        return replace(super().by_group(groups), square=self.square.by_group(groups))  # type: ignore[call-arg]


def _as_mean(of: Measured) -> Mean:
    return Mean(of.value, of.parts, of.mistakes, sizes=of.sizes)


@dataclass(frozen=True, eq=False)
class Width(Mean):
    """A mean width of intervals; known exactly where all are as wide."""

    def interval(self, confidence: float) -> tuple[float, float]:
        """See `Measured`."""
        return super().interval(confidence) if self.parts.any() else (self.value, self.value)


def of_target(
    result: RegressionCertainty, k: int, y: Floats, seed: int, outside: RegressionCertainty | None
) -> dict[str, Measured]:
    """All scores of one target that its columns allow, by name; at levels as `named_at` names them.

    Args:
        result: Result of N ≥ 2 rows.
        k: Number of the target.
        y: (N,) true numbers.
        seed: Seed of the draws of chance.
        outside: Rows from outside the distribution, or None.
    """
    mean, std = result.mean[:, k], result.std[:, k]
    error = y - mean
    scale, ranked_by = scale_of(result)
    scores: dict[str, Measured] = of_errors(error, y)
    if result.answer_quantiles is not None:
        scores |= of_quantiles(result.answer_quantiles[:, k], result.levels, y)
    elif counts.is_counts(result):
        scores |= of_counts(mean, std, y, seed)
    elif not np.isnan(std).any():
        scores |= of_normal(error, std, seed)
    if mixed := nll_of_networks(result, k, y):
        scores["nll_mixture"] = mixed
    if ranked_by != "nothing":
        scores |= of_ranking(scale[:, k], np.abs(error))
    if outside is not None:
        std_inside, other = result.std[:, k], outside.std[:, k]
        if not (np.isnan(std_inside).any() or np.isnan(other).any()):
            scores |= dict(zip(OUTSIDE[:2], told_apart(-std_inside, -other), strict=True))
        if result.spread is not None and outside.spread is not None:
            scores[OUTSIDE[2]] = told_apart(-result.spread[:, k], -outside.spread[:, k])[0]
    return scores


def named_at(score: str, level: float) -> str:
    """The name of a score at a level: `coverage at 90 %`."""
    return f"{score} at {100 * level:g} %"


def mean_loss(losses: Floats, *, least: float = 0.0) -> Loss:
    """The mean of losses (N,) as a score."""
    value = float(losses.mean())
    if not np.isfinite(value):
        return Loss(value, np.zeros(len(losses)), 0)
    parts = np.zeros(len(losses)) if np.ptp(losses) == 0 else centred(losses)
    return Loss(value, parts, len(losses), least=least, worst=float(losses.max() - value) / len(losses))


def root_of(squares: Floats) -> Root:
    """The root of the mean of squares (N,) as a score."""
    square = mean_loss(squares)
    root = math.sqrt(square.value)
    return Root(root, square.parts / (2 * root) if root else square.parts, square.mistakes, square)


def of_errors(error: Floats, y: Floats) -> dict[str, Measured]:
    """Scores of errors (N,) of true numbers (N,), which need no std."""
    deviation = (y - y.mean()) ** 2
    return {
        "rmse": root_of(error**2),
        "mae": mean_loss(np.abs(error)),
        "bias": Loss(-float(error.mean()), -centred(error), len(error)),
        "r2": _gain(error**2, deviation),
    }


def _gain(losses: Floats, of_constant: Floats) -> Measured:
    """1 − mean loss / mean loss of a constant answer, as a score; NaN where a constant is never wrong."""
    usual = float(of_constant.mean())
    if not usual > 0:
        return Measured(np.nan, np.zeros(len(losses)), 0)
    share = float(losses.mean()) / usual
    parts = -centred(losses - share * of_constant) / usual
    worst = (float(losses.max()) - float(losses.mean())) / usual / len(losses)
    return Loss(1 - share, parts, len(losses), most=1.0, worst=-worst)


def of_normal(error: Floats, std: Floats, seed: int) -> dict[str, Measured]:
    """Scores of a normal distribution with this std (N,) around the mean.

    A std of 0 claims that an answer is exactly the mean. Its NLL is infinite, and its CRPS is |e|.
    """
    sure = std == 0
    z = np.divide(error, std, out=np.copysign(np.inf, error), where=~sure)
    z[sure & (error == 0)] = 0.0
    scores: dict[str, Measured] = {
        "nll": mean_loss(np.where(sure, np.inf, nll(np.zeros_like(error), std, error)), least=-np.inf),
        "crps": mean_loss(crps(np.zeros_like(error), std, error)),
        "miscalibration": miscalibration(ndtr(z), seed),
    }
    for level in LEVELS:
        reach = float(ndtri((1 + level) / 2)) * std
        scores |= of_intervals(level, np.abs(error) - reach, 2 * reach)
    return scores


def of_counts(mean: Floats, std: Floats, y: Floats, seed: int) -> dict[str, Measured]:
    """Scores of counts (N,) with this mean and std; `counts.pit` draws within true counts."""
    scores: dict[str, Measured] = {
        "nll": mean_loss(counts.nll(mean, std, y)),
        "crps": mean_loss(counts.crps(mean, std, y)),
        "miscalibration": miscalibration(counts.pit(mean, std, y, seed), seed),
    }
    for level in LEVELS:
        low, high = counts.interval(mean, std, level).T
        scores |= of_intervals(level, np.maximum(low - y, y - high), high - low)
    return scores


def of_intervals(level: float, beyond: Floats, width: Floats) -> dict[str, Measured]:
    """Scores of intervals of one level, of this width (N,), beyond which answers lie so far (N,)."""
    missed = beyond > 0
    losses = width + 2 / (1 - level) * np.where(missed, beyond, 0.0)
    same = np.ptp(width) == 0
    return {
        named_at("coverage", level): share_of_rows(~missed),
        named_at("width", level): Width(
            float(width.mean()), np.zeros(len(width)) if same else centred(width), len(width), least=0.0
        ),
        named_at("interval_score", level): replace(
            mean_loss(losses), mistakes=int(missed.sum()), least_mistakes=LEAST_OUTSIDE
        ),
    }


def of_quantiles(quantiles: Floats, levels: tuple[float, ...], y: Floats) -> dict[str, Measured]:
    """Scores of quantiles (N, L) of answers: their pinball loss, and intervals between pairs of them."""
    scores: dict[str, Measured] = {"pinball": mean_loss(pinball(quantiles, levels, y))}
    for level in pairs_of(levels):
        low, high = between(quantiles, levels, level).T
        scores |= of_intervals(level, np.maximum(low - y, y - high), high - low)
    return scores


def pinball(quantiles: Floats, levels: tuple[float, ...], y: Floats) -> Floats:
    """(…) pinball loss of quantiles (…, L) at levels for true numbers (…), averaged over levels."""
    away = y[..., None] - quantiles
    return np.asarray(np.maximum(np.array(levels) * away, (np.array(levels) - 1) * away).mean(axis=-1))


def nll(mean: Floats, std: Floats, y: Floats) -> Floats:
    """Minus the logarithm of the normal density at the true number, in nats; lower is better.

    ½ log 2πσ² + (y − μ)² / 2σ². A unit that is a thousand times smaller adds log 1000 to each.

    Args:
        mean: (…) μ.
        std: (…) σ ≥ 0. At 0 the score is infinite, unless the mean is exactly right; then it is −∞.
        y: (…) the true numbers.

    Returns:
        (…); NaN where `std` is NaN.
    """
    error = np.abs(y - mean)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # beyond 1e308 it is infinite
        away = np.where(error > 0, error / std, 0.0)
        return np.asarray(np.where(np.isinf(away), np.inf, np.log(std) + away**2 / 2) + _LOG_TWO_PI / 2)


def crps(mean: Floats, std: Floats, y: Floats) -> Floats:
    """Continuous ranked probability score of a normal distribution, in the unit of y; lower is better.

    ∫ (F(t) − [t ≥ y])² dt = σ (z (2 Φ(z) − 1) + 2 φ(z) − 1/√π) with z = (y − μ)/σ (Gneiting and Raftery 2007,
    Strictly proper scoring rules, prediction, and estimation).

    Args:
        mean: (…) μ.
        std: (…) σ ≥ 0. At 0 the score is the absolute error.
        y: (…) the true numbers.

    Returns:
        (…); NaN where `std` is NaN.
    """
    error = np.abs(y - mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(std > 0, error / std, 0.0)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    spread_out = std * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))
    return np.asarray(np.where(std == 0, error, spread_out))


def nll_of_networks(result: RegressionCertainty, k: int, y: Floats) -> Loss | None:
    """The NLL of the mixture of networks, each with its noise; None if either is unknown.

    A result with quantiles instead of networks may have one between two groups of networks far apart.
    """
    noise = result.noise[:, k]
    if result.spread is None or np.isnan(noise).any() or np.isnan(result.spread[:, k]).any():
        return None
    if (noise == 0).any() and not counts.is_counts(result):
        return Loss(np.inf, np.zeros(len(y)), 0)
    losses = np.empty(len(y))
    for start in range(0, len(y), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        networks = networks_of(result[part], k)
        assert networks is not None  # spread is known
        noises = networks.noise
        if networks.dispersion is not None:
            noises = np.sqrt(networks.numbers + networks.dispersion[:, None] * networks.numbers**2)
        of_network = nll if networks.dispersion is None else counts.nll
        losses_of_networks = of_network(networks.numbers, noises, y[part, None])
        losses[part] = -logsumexp(-losses_of_networks, axis=1, b=networks.shares)
    return mean_loss(losses, least=-np.inf)


# --- calibration of quantiles -------------------------------------------------------------------------


def miscalibration(pit: Floats, seed: int) -> CalibrationError:
    """The area between the distribution function of the PIT (N,) and the diagonal, exactly.

    Its interval is that of `CalibrationError`. Chance is drawn twice: as if the quantiles were true, and as
    if they were off as seen (bootstrap). The larger noise counts.
    """
    rows = len(pit)
    area, parts = _off_the_diagonal(pit)
    random = np.random.default_rng(seed)
    cell = np.minimum((pit * CELLS).astype(np.int64), CELLS - 1)
    share_of_cell = np.bincount(cell, minlength=CELLS) / rows
    noise = np.zeros(DRAWS)
    for true in (np.full(CELLS, 1 / CELLS), share_of_cell):
        deviation = np.cumsum(random.multinomial(rows, true, size=DRAWS) / rows - true, axis=1)
        noise = np.maximum(noise, np.sort(np.abs(deviation).mean(axis=1)))
    return CalibrationError(area, centred(parts), rows, noise, partial(_deviations, cell))


def _deviations(cell: Integers, groups: Integers) -> Floats:
    """(G, CELLS) what each group adds to the area below the end of each cell, less its part of all."""
    below = np.cumsum(in_cells(groups, cell, None, CELLS), axis=1)
    own = below[:, -1:] * below.sum(axis=0) / len(cell)
    return np.asarray((below - own) / (len(cell) * CELLS))


def _off_the_diagonal(pit: Floats) -> tuple[float, Floats]:
    """∫ |F − t| dt for the distribution function F of (N,) numbers from 0 to 1, and each row's influence."""
    rows = len(pit)
    order = np.argsort(pit, kind="stable")
    edges = np.concatenate([[0.0], pit[order], [1.0]])
    share = np.arange(rows + 1) / rows

    def half_square(x: Floats) -> Floats:
        return np.asarray(x * np.abs(x) / 2)

    area = float(np.sum(half_square(edges[1:] - share) - half_square(edges[:-1] - share)))
    signed = np.abs(edges[:-1] - share) - np.abs(edges[1:] - share)  # ∫ sign(share − t) dt between edges
    parts = np.empty(rows)
    parts[order] = np.cumsum(signed[::-1])[::-1][1:]
    return area, parts


# --- ranking ------------------------------------------------------------------------------------------


def of_ranking(scale: Floats, error: Floats) -> dict[str, Measured]:
    """Scores of the order of std (N,) for telling small errors |e| (N,) from large ones.

    Rows are left out one by one, those with the largest std first, and the mean error of the others is the
    sparsification curve. Both scores are shares of the MAE. Nothing where all rows have the same std.
    """
    usual = float(error.mean())
    if np.ptp(scale) == 0 or not usual > 0:
        return {}
    area, parts = area_under_risk(-scale, error)
    least, of_least = area_under_risk(-error, error)
    of_usual = centred(error)

    def share(value: float, of_value: Floats, least: float, most: float) -> Loss:
        ratio = value / usual
        return Loss(ratio, (of_value - ratio * of_usual) / usual, len(error), least=least, most=most)

    return {
        "ause": share(area - least, parts - of_least, 0.0, np.inf),
        "aurg": share(usual - area, of_usual - parts, -np.inf, 1.0),
    }


def scale_of(result: RegressionCertainty) -> tuple[Floats, str]:
    """(N, K) what an error of each number is measured against, and the name of that column.

    `std`, or `spread` where nothing says how far answers scatter, or 1 where nothing is known of networks.
    """
    if result.answer_quantiles is not None:
        return np.ptp(widest_between(result), axis=-1), "width"
    if not np.isnan(result.std).any():
        return result.std, "std"
    if result.spread is not None and not np.isnan(result.spread).any():
        return result.spread, "spread"
    return np.ones_like(result.mean), "nothing"
