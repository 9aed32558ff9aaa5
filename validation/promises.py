"""Are promises kept after calibration, with other labels and with the same? Part of docs/intervals.md.

    python -m validation.promises            simulates all, to docs/promises-kept.json

Simulated rows of all kinds of answers whose truth is known, numpy only. Models claim too much, so that each
calibrator has something to learn. Takes about ten minutes. `python -m validation.intervals --page` writes the
page.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy.special import expit, softmax

import howsure
from benchmarks.docs import Page, table
from howsure.errors import InputError
from howsure.sampling.outcome import Floats
from howsure.statistics import proportion_interval
from howsure.tasks.segmentation.result import DenseCertainty

PAGE = Page("promises-kept")

RUNS = 200
ROWS = 150
"""Labelled rows that a calibrator learns from, and as many others."""

MANY = 10_000
"""New rows that show whether promises are kept; an eighth of that where rows are images."""

COVERAGE, RISK, CONFIDENCE = 0.9, 0.2, 0.95
SIDE = 5
DICE_OFF = 0.3


def classes(random: np.random.Generator, rows: int) -> Any:
    """Rows of two classes."""
    logits = random.normal(size=(rows, 2))
    truth = (random.random(rows) < softmax(logits, axis=1)[:, 1]).astype(np.int64)
    return howsure.Certainty.from_probabilities(softmax(3 * logits, axis=1), ["no", "yes"]).with_truth(truth)


def labels(random: np.random.Generator, rows: int) -> Any:
    """Rows of two labels."""
    logits = 1.5 * random.normal(size=(rows, 2))
    truth = random.random((rows, 2)) < expit(logits)
    result = howsure.MultilabelCertainty.from_probabilities(expit(2 * logits), ["rain", "wind"])
    return result.with_truth(truth)


def claimed(random: np.random.Generator, rows: int) -> Any:
    """Rows of one number whose std is half of the truth."""
    mean, std = random.normal(size=rows), np.exp(0.5 * random.normal(size=rows))
    truth = mean + std * random.normal(size=rows)
    return howsure.RegressionCertainty.from_mean_std(mean, std / 2).with_truth(truth)


def unknown(random: np.random.Generator, rows: int) -> Any:
    """Rows of one number whose noise is unknown."""
    mean, spread = random.normal(size=rows), 0.7 * np.exp(0.5 * random.normal(size=rows))
    samples = mean + spread * random.normal(size=(20, rows))
    truth = mean + spread * random.normal(size=rows) + 0.5 * random.normal(size=rows)
    return howsure.RegressionCertainty.from_samples(samples).with_truth(truth)


def positions(random: np.random.Generator, rows: int) -> DenseCertainty:
    """Images of two classes, some harder than others."""
    rows = rows // 8 if rows == MANY else rows
    hard = np.exp(0.5 * random.normal(size=(rows, 1, 1)))
    logit = 2 * hard * random.normal(size=(rows, SIDE, SIDE))
    truth, p = (random.random(logit.shape) < expit(logit)).astype(np.int64), expit(2 * logit)
    both = np.stack([1 - p, p], axis=-1).astype(np.float32)
    return howsure.DenseCertainty.from_probabilities(both, ("no", "yes")).with_truth(truth)


@dataclass(frozen=True)
class Promise:
    """What makes of labelled rows what keeps a promise, and of that and new rows its share.

    A coverage is promised on average (`of_mean`), a risk with some confidence.
    """

    name: str
    make: Callable[[Any], Any]
    kept: Callable[[Any, Any], float]
    of_mean: bool = False


def _abstain(tolerance: float | None) -> Callable[[Any], Any]:
    return lambda known: howsure.abstain(known, risk=RISK, confidence=CONFIDENCE, tolerance=tolerance)  # type: ignore[call-overload]


def _mistakes(wrong: Callable[[Any], Any]) -> Callable[[Any, Any], float]:
    def share(rule: Any, new: Any) -> float:
        kept = ~rule(new)
        return float(wrong(new)[kept].mean()) if kept.any() else 0.0

    return share


def _dice_below(result: Any) -> Any:
    """(N,) whether the Dice of an image is below 1 − `DICE_OFF`, by its definition."""
    label, truth = (np.asarray(each).reshape(len(result), -1) for each in (result.label, result.truth))
    dice = np.full((len(label), 2), np.nan)
    for k in range(2):
        both = ((label == k) & (truth == k)).sum(axis=1)
        size = (label == k).sum(axis=1) + (truth == k).sum(axis=1)
        np.divide(2 * both, size, out=dice[:, k], where=size > 0)
    return np.nanmean(dice, axis=1) < 1 - DICE_OFF


def _in_sets(sets: Any, new: Any) -> float:
    if isinstance(new, DenseCertainty):
        inside = np.array([sets(new[at : at + 1])[0] for at in range(len(new))])
        truth = np.asarray(new.truth, np.int64)
        return float(np.take_along_axis(inside, truth[..., None], axis=-1).mean())
    return float(sets(new)[np.arange(len(new)), new.truth].mean())


def _in_intervals(intervals: Any, new: Any) -> float:
    low, high = np.moveaxis(intervals(new), -1, 0)
    return float(np.mean((low <= new.truth) & (new.truth <= high)))


SETS = Promise("sets", lambda known: howsure.prediction_sets(known, coverage=COVERAGE), _in_sets, True)
OF_NUMBERS = (
    Promise(
        "intervals", lambda rows: howsure.prediction_intervals(rows, coverage=COVERAGE), _in_intervals, True
    ),
    Promise("abstention", _abstain(1.0), _mistakes(lambda new: np.abs(new.mean - new.truth)[:, 0] > 1)),
)
OF_CLASSES = (SETS, Promise("abstention", _abstain(None), _mistakes(lambda new: new.label != new.truth)))
OF_POSITIONS = (SETS, Promise("abstention", _abstain(DICE_OFF), _mistakes(_dice_below)))

KINDS: tuple[tuple[str, Callable[..., Any], tuple[str | None, ...], tuple[Promise, ...]], ...] = (
    ("classes", classes, ("temperature", "both"), OF_CLASSES),
    ("labels", labels, ("temperature", "both"), OF_CLASSES),
    ("numbers, std known", claimed, (None,), OF_NUMBERS),
    ("numbers, noise unknown", unknown, (None,), OF_NUMBERS),
    ("positions", positions, ("temperature",), OF_POSITIONS),
)


def look_at(
    make: Callable[..., Any], method: str | None, promises: tuple[Promise, ...]
) -> dict[str, dict[str, Any]]:
    """For each promise, what it came to in each run, and how often it warned, by whose labels it was made."""
    asked = (lambda result: result.of_label("wind")) if make is labels else (lambda result: result)
    new = make(np.random.default_rng(0), MANY)
    found: dict[str, dict[str, Any]] = {}
    for seed in range(RUNS):
        known = make(np.random.default_rng([1, seed]), 2 * ROWS)
        calibrator = howsure.calibrate(known[:ROWS], method=method)
        calibrated = asked(calibrator(new))
        for name, rows in (("others", known[ROWS:]), ("the same", known[:ROWS])):
            of_rows = asked(calibrator(rows))
            for promise in promises:
                told = found.setdefault(f"{promise.name}, {name}", {"shares": [], "warned": 0})
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    try:
                        made = promise.make(of_rows)
                    except InputError:
                        continue
                told["warned"] += any("has learnt from" in str(each.message) for each in caught)
                told["shares"].append(round(promise.kept(made, calibrated), 4))
    return found


def cells(promise: Promise, told: dict[str, Any]) -> str:
    """What a promise came to: the mean coverage ± 1.96 errors, or in how many runs it was broken."""
    shares: Floats = np.array(told["shares"])
    if promise.of_mean:
        error = 1.96 * shares.std() / np.sqrt(len(shares))
        return f"{100 * shares.mean():.1f} ± {100 * error:.1f} %"
    broken = int(np.sum(shares > RISK))
    low, high = proportion_interval(broken, RUNS)
    return f"{100 * broken / RUNS:.1f} % ({100 * low:.1f} to {100 * high:.1f} %) broken"


def lines(figures: dict[str, Any]) -> list[list[str]]:
    """The table, without its heading."""
    found = []
    for kind, _, methods, promises in KINDS:
        for method, promise in product(methods, promises):
            of = figures[f"{kind}, {method}"]
            each = [of[f"{promise.name}, {name}"] for name in ("others", "the same")]
            told = [f"{one['warned']} of {len(one['shares'])}" for one in each]
            shares = [cells(promise, one) for one in each]
            found.append([kind, method or "calibrate", promise.name, *shares, *told])
    return found


def in_table(figures: dict[str, Any]) -> str:
    """The table of docs/intervals.md, from what was looked at."""
    heads = ["kind", "calibrated by", "promise", "other labels", "the same labels"]
    return table([*heads, "warned", "warned, the same"], *lines(figures))


if __name__ == "__main__":
    figures = {}
    warnings.simplefilter("ignore")
    for kind, make, methods, promises in KINDS:
        for method in methods:
            figures[f"{kind}, {method}"] = look_at(make, method, promises)
            print(kind, method, flush=True)
    PAGE.keep(figures)
    print(in_table(figures))
