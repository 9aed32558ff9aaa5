"""Intervals of numbers where noise differs by row, and of whole paths: what share of answers they hold.

    python -m validation.numbers_held

Simulated rows. Quantiles come from scikit-learn's boosting, and MAPIE corrects the same ones beside howsure.
Takes about a minute. Where `darts` is installed too, its intervals of the same paths are measured, in a
further minute.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mapie.regression import ConformalizedQuantileRegressor
from sklearn.ensemble import HistGradientBoostingRegressor

import howsure
from howsure.sampling.outcome import Floats

LEVELS = (0.05, 0.5, 0.95)
COVERAGE, SPLITS = 0.9, 10
TRAINED, KNOWN, NEW, STEPS = 1000, 500, 5000, 12


def rows(random: np.random.Generator, count: int) -> tuple[Floats, Floats, Floats]:
    """Inputs (N, 4), answers (N,), and the true standard deviation of each, 0.2 to 4."""
    x = random.uniform(-1, 1, (count, 4))
    std = 0.2 * np.exp(1.5 * (x[:, 1] + 1))
    return x, np.sin(3 * x[:, 0]) + std * random.normal(size=count), std


def held(ends: Floats, y: Floats) -> Floats:
    """(…) whether answers lie in their intervals (…, 2)."""
    return np.asarray((ends[..., 0] <= y) & (y <= ends[..., 1]))


def shares(ends: Floats, y: Floats, std: Floats) -> list[float]:
    """The share held of all rows, of the noisiest fifth, of the quietest fifth, and the mean width."""
    is_held, fifth = held(ends, y), np.quantile(std, [0.2, 0.8])
    parts = is_held, is_held[std >= fifth[1]], is_held[std <= fifth[0]], np.ptp(ends, axis=-1)
    return [float(part.mean()) for part in parts]


def split(seed: int) -> dict[str, list[float]]:
    """The shares of one draw of training, labelled and new rows, by way."""
    random = np.random.default_rng(seed)
    (x, y, _), (x_known, y_known, _), (x_new, y_new, std) = (
        rows(random, count) for count in (TRAINED, KNOWN, NEW)
    )
    models = [
        HistGradientBoostingRegressor(
            loss="quantile", quantile=level, max_iter=60, max_leaf_nodes=8, random_state=0
        ).fit(x, y)
        for level in LEVELS
    ]
    known, new = (np.stack([model.predict(part) for model in models], axis=-1) for part in (x_known, x_new))
    known, new = np.sort(known, axis=-1), np.sort(new, axis=-1)
    quantiles = howsure.RegressionCertainty.from_quantiles
    corrected = howsure.prediction_intervals(quantiles(known, LEVELS), y_known, coverage=COVERAGE)
    alone = howsure.RegressionCertainty.from_mean_std
    middle_known, middle_new = alone(known[:, 1], 1.0), alone(new[:, 1], 1.0)
    constant = howsure.prediction_intervals(middle_known, y_known, coverage=COVERAGE)
    low, middle, high = models
    theirs = ConformalizedQuantileRegressor([low, high, middle], confidence_level=COVERAGE, prefit=True)
    theirs.conformalize(x_known, y_known)
    _, of_mapie = theirs.predict_interval(x_new, symmetric_correction=True)
    by_row = howsure.calibrate(middle_known, y_known, scale_by=x_known)(middle_new, scale_by=x_new)
    return {
        "quantiles as they are": shares(new[:, [0, 2]], y_new, std),
        "howsure, corrected": shares(corrected(quantiles(new, LEVELS))[:, 0], y_new, std),
        "MAPIE, corrected": shares(of_mapie[:, :, 0], y_new, std),
        "noise learnt by row": shares(by_row.prediction_interval(COVERAGE)[:, 0], y_new, std),
        "one width for all rows": shares(constant(middle_new)[:, 0], y_new, std),
    }


def paths(seed: int) -> dict[str, list[float]]:
    """The share held of single steps, and of whole paths, of a random walk, the mean width, and seconds."""
    random = np.random.default_rng(seed)
    y = random.normal(size=(KNOWN + NEW, STEPS)).cumsum(axis=1)
    std = np.tile(np.sqrt(np.arange(1, STEPS + 1)), (len(y), 1))
    result = howsure.RegressionCertainty.from_mean_std(np.zeros_like(y), std)

    def ours(coverage: float, together: bool) -> Floats:
        known = result[:KNOWN]
        fitted = howsure.prediction_intervals(known, y[:KNOWN], coverage=coverage, together=together)
        return fitted(result[KNOWN:])

    shared = 1 - (1 - COVERAGE) / STEPS
    ways: dict[str, tuple[Callable[..., Floats], Any]] = {
        "each step by itself": (ours, (COVERAGE, False)),
        "a loop: each step at 99.2 % (Bonferroni)": (ours, (shared, False)),
        "together": (ours, (COVERAGE, True)),
    }
    if importlib.util.find_spec("darts"):
        ways |= {
            "darts": (of_darts, (y, COVERAGE)),
            "darts, each step at 99.2 %": (of_darts, (y, shared)),
        }
    found = {}
    for way, (ends_of, given) in ways.items():
        start = time.perf_counter()
        ends = ends_of(*given)
        seconds, is_held = time.perf_counter() - start, held(ends, y[KNOWN:])
        parts = is_held, is_held.all(axis=1), np.ptp(ends, axis=-1)
        found[way] = [*(float(part.mean()) for part in parts), seconds]
    return found


def of_darts(y: Floats, coverage: float) -> Floats:
    """Intervals of paths after the known ones, by conformal forecasts of darts.

    Its models forecast parts of one series. So the paths (N, 12) make one walk, each from where the last one
    ended. The forecast is the last value: a regression on it, fitted to a constant. Each forecast learns its
    widths from the 500 paths before it.
    """
    from darts import TimeSeries
    from darts.models import ConformalNaiveModel, LinearRegressionModel

    walk = np.diff(y, axis=1, prepend=0.0).ravel().cumsum()
    series = TimeSeries.from_values(np.concatenate([[0.0], walk]))
    last_value = LinearRegressionModel(lags=1, output_chunk_length=STEPS, fit_intercept=False)
    last_value.fit(TimeSeries.from_values(np.ones(2 * STEPS)))
    levels = [(1 - coverage) / 2, 0.5, (1 + coverage) / 2]
    model = ConformalNaiveModel(last_value, levels, cal_length=KNOWN, cal_stride=STEPS)
    forecasts = model.historical_forecasts(
        series,
        forecast_horizon=STEPS,
        stride=STEPS,
        start=KNOWN * STEPS + 1,
        start_format="position",
        retrain=False,
        last_points_only=False,
        predict_likelihood_parameters=True,
    )
    low, middle, high = np.moveaxis(np.array([each.values() for each in forecasts]), -1, 0)
    return np.stack([low - middle, high - middle], axis=-1)


def main() -> None:
    """Print both tables, means over splits."""
    found = [split(seed) for seed in range(SPLITS)]
    print(f"{'':24}{'all':>8}{'noisy':>8}{'quiet':>8}{'width':>8}")
    for way in found[0]:
        print(f"{way:24}" + "".join(f"{share:8.3f}" for share in np.mean([of[way] for of in found], axis=0)))
    walks = [paths(seed) for seed in range(SPLITS)]
    print(f"\n{'':42}{'steps':>8}{'paths':>8}{'width':>8}{'seconds':>9}")
    for way in walks[0]:
        *shares, seconds = np.mean([of[way] for of in walks], axis=0)
        print(f"{way:42}" + "".join(f"{share:8.3f}" for share in shares) + f"{seconds:9.3f}")


if __name__ == "__main__":
    main()
