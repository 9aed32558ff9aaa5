"""The worth of numbers and their standard deviations, part by part; see `howsure.compare.parts`."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from howsure.answers.numbers.result import RegressionCertainty
from howsure.compare.parts import Claims, Parts, at_best, of_scale
from howsure.judge.paired import Comparable
from howsure.judge.scores import Measured
from howsure.sampling.outcome import Floats

LEVELS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
"""Levels of the central intervals whose coverage is counted."""

FAR = 0.01
"""Share of normal answers that lie far out. If as many do, or more, standard deviations are not called too
wide. For normal errors this costs little power; docs/reasons.md covers errors with heavy tails."""


def parts(result: RegressionCertainty, truth: Floats, evaluation: Comparable) -> Parts | None:
    """The parts of the NLL of normal distributions, targets on average; None if it is not defined.

    At the best factor f of the standard deviations, f² = mean ((y − μ)/σ)², and for the plain one, which has
    the same standard deviation in every row, σ² = mean (y − μ)².
    """
    nll, std, error = evaluation.measured("nll"), result.std, truth - result.mean
    if not np.isfinite(nll.value) or not (std > 0).all() or not error.any(axis=0).all():
        return None
    best, scale = _at_best_width(error, std)
    plain, _ = _at_best_width(error, np.ones_like(std))
    return Parts(nll=nll, best=best, plain=plain, scale=scale)


def _at_best_width(error: Floats, std: Floats) -> tuple[Measured, Measured]:
    """The NLL of errors (N, K) at the best factor of `std`, and its logarithm, targets on average."""
    squares = (error / std) ** 2
    size = squares.mean(axis=0)
    losses = np.log(std) + (np.log(2 * np.pi * size) + squares / size) / 2
    slopes, curvatures = 1 - squares / size, 2 * squares / size  # in log f
    rows = len(error)
    found = [at_best(losses[:, k], slopes[:, k], curvatures[:, k], rows) for k in range(error.shape[1])]
    far = bool(np.mean(squares > ndtri(FAR / 2) ** 2) >= FAR)
    scales = [
        of_scale(np.log(size[k]) / 2, slopes[:, k], curvatures[:, k], rows, skewed=True, far=far)
        for k in range(error.shape[1])
    ]
    return Measured.mean(found, rows), Measured.mean(scales, rows)


def claims(result: RegressionCertainty, truth: Floats, evaluation: Comparable) -> Claims | None:
    """Standard deviations beside errors, and the share of answers within central intervals."""
    del evaluation
    error, std = truth - result.mean, result.std
    if not (std > 0).all() or not error.any(axis=0).all():
        return None
    unit = np.sqrt((error**2).mean(axis=0)) if truth.shape[1] > 1 else np.ones(1)
    claimed, true = (float(np.sqrt(((each / unit) ** 2).mean())) for each in (std, error))
    away = np.abs(error) / std
    within = [float(np.mean(away <= reach)) for reach in ndtri((1 + LEVELS) / 2)]
    curve = np.column_stack([np.full(len(LEVELS), len(error)), LEVELS, within])
    return Claims(claimed, true, curve)
