"""Do intervals hold what calibration gains, are equal methods left together? Part of docs/intervals.md.

    python -m validation.cross_fitted            simulates all, to docs/cross-fitted.json

A comparison adds each method after calibration, cross-fitted in five folds. What that gains is expected over
data sets of the same size, so the fits learn from four fifths of so many rows: the mean of the cross-fitted
difference over all draws. It is also looked up on very many rows for the fits of single draws. Takes about
ten minutes. `python -m validation.intervals --page` writes the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import softmax

import howsure
from benchmarks.docs import Page, fold, table  # noqa
from howsure.answers.classes import maps
from howsure.answers.classes.calibrate import cross_calibrated
from howsure.answers.numbers.compare import COMPARING as OF_NUMBERS
from howsure.answers.positions.compare import COMPARING as OF_POSITIONS
from howsure.judge.cross_fit import Through
from howsure.judge.scores import (
    SMALLEST,
    Mean,
    Measured,
    centred,
    of_ranking,
    share_of_rows,
    through_cross_fits,
)
from howsure.sampling.outcome import Floats, Integers
from howsure.statistics import simultaneous_reach
from validation import intervals
from validation.compare_positions import World as Images
from validation.positions import result_of

PAGE = Page("cross-fitted")

DRAWS, DRAWS_OF_MAPS, OWN_FITS = 1000, 300, 200
"""Draws of each cell, fewer of maps, and those whose own fits are looked at on very many rows."""

MANY = 20_000
"""Such rows."""

SHARP = (0.6, 1.0, 1.3, 2.0, 3.0)
"""What true logits are multiplied by."""

CLASSES = ((2, 0.7, (30, 100, 300)), (3, 0.9, (100, 300)), (10, 0.8, (30, 100, 300)), (10, 0.97, (300,)))
"""Classes, accuracy, and rows: so many that five mistakes are likely, as with fewer there is no interval."""

FACTORS = (0.5, 1.0, 2.0)
"""What true standard deviations are multiplied by."""

TAILS = {"normal": np.inf, "heavy": 4.0}
"""Degrees of freedom of the t distribution of errors."""

ROWS = (30, 100, 300)

METHODS = 8
OWN = {"independent": 1.0, "alike": 0.05}
"""Share of the noise of a method's logits that no other has."""

NOISE = 0.7
"""Standard deviation of the noise of a method's logits, of which the calibrated ones have as much."""

COMPARISONS = 300
AHEAD = (1.5, 2.0, 3.0)
"""By how many standard errors one method is better."""


# --- what calibration gains -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Gain:
    """A difference, calibrated less not, in one draw.

    Attributes:
        value: As seen.
        low: Lower end; NaN without an interval.
        high: Upper end.
        of_fits: On very many rows, by the fits of this draw; NaN where it was not looked at.
    """

    value: float
    low: float
    high: float
    of_fits: float = np.nan


Gains = dict[str, Gain]
"""By the name of the score."""


def of_classes(
    p: Floats, truth: Integers, through: Mapping[str, Through] | None = None
) -> dict[str, Measured]:
    """The scores that methods are compared in here, as `howsure.evaluate` makes them."""
    at, label = np.arange(len(p)), p.argmax(axis=1)
    right = label == truth
    mistakes = int(np.sum(~right))
    losses = {
        "nll": -np.log(np.maximum(p[at, truth], SMALLEST)),
        "brier": np.sum((p - np.eye(p.shape[1])[truth]) ** 2, axis=1),
    }
    found: dict[str, Measured] = {
        name: Mean(float(each.mean()), centred(each), mistakes, least=0.0) for name, each in losses.items()
    }
    found["accuracy"] = share_of_rows(right)
    found["aurc"] = of_ranking(p[at, label], right.astype(np.float64))["aurc"]
    return through_cross_fits(found, through or {})


def gains_of(before: Any, after: Any, names: Sequence[str]) -> Gains:
    """Those of two evaluations of the same rows, or of their measured scores."""
    found = {}
    for name in names:
        one, two = (each[name] if isinstance(each, dict) else each.measured(name) for each in (after, before))
        gap = one.minus(two)
        found[name] = Gain(gap.value, gap.low, gap.high)
    return found


def classes(number: int, accuracy: float, rows: int, sharp: float) -> Iterator[Gains]:
    """Draws of probabilities that are too sharp by a factor."""
    of = intervals.world(1 - accuracy, intervals.UNEVEN[0], number)
    random = np.random.default_rng([rows, number, round(100 * accuracy), round(10 * sharp)])
    names = [f"{k}" for k in range(number)]
    true, (logits,) = of.draw(MANY, 1, random)
    many = softmax(sharp * logits, axis=1)
    before_many = losses_of(many, true)
    for draw in range(DRAWS):
        truth, (logits,) = of.draw(rows, 1, random)
        said = howsure.Certainty.from_probabilities(softmax(sharp * logits, axis=1), names)
        (mended,), _, (through,) = cross_calibrated(said, truth, seed=draw)
        before = of_classes(said.probabilities, truth)
        gains = gains_of(before, of_classes(mended.probabilities, truth, through), ("nll", "brier"))
        if draw < OWN_FITS:
            where = maps.folds(truth, draw)
            own = np.zeros(2)
            for number_of in range(maps.FOLDS):
                known = where != number_of
                fit = maps.fitted("temperature", 0.0, said.probabilities[known], truth[known])
                own += (losses_of(maps.mapped("temperature", fit, many), true) - before_many) * np.mean(
                    ~known
                )
            gains = {
                name: Gain(each.value, each.low, each.high, float(of))
                for (name, each), of in zip(gains.items(), own, strict=True)
            }
        yield gains


def losses_of(p: Floats, truth: Integers) -> Floats:
    """Mean NLL and Brier score."""
    of_true = p[np.arange(len(p)), truth]
    nll = -np.mean(np.log(np.maximum(of_true, SMALLEST)))
    return np.array([nll, np.mean(np.sum(p**2, axis=1) - 2 * of_true + 1)])


def numbers(tails: str, rows: int, factor: float) -> Iterator[Gains]:
    """Draws of standard deviations that differ between rows, and are off by a factor."""
    random = np.random.default_rng([rows, len(tails), round(10 * factor)])
    for draw in range(DRAWS):
        std = np.exp(0.5 * random.normal(size=rows))
        degrees = TAILS[tails]
        error = random.normal(size=rows) if np.isinf(degrees) else random.standard_t(degrees, rows)
        error /= 1 if np.isinf(degrees) else np.sqrt(degrees / (degrees - 2))
        said = howsure.RegressionCertainty.from_mean_std(np.zeros(rows), factor * std)
        truth = (std * error)[:, None]
        (mended,), _, (through,) = OF_NUMBERS.calibrated(said, truth, seed=draw)
        scored = OF_NUMBERS.scored(said, truth, 0), OF_NUMBERS.scored(mended, truth, 0, through)
        yield gains_of(*scored, ("nll", "crps"))


def images(rows: int, sharp: float) -> Iterator[Gains]:
    """Draws of maps of two classes whose probabilities are too sharp by a factor."""
    random = np.random.default_rng([rows, round(10 * sharp)])
    of = Images(rows, calibrated=True)
    for draw in range(DRAWS_OF_MAPS):
        results, truth = of.draw(random)
        p = np.asarray(next(iter(results.values())).all_probabilities, dtype=np.float64) ** sharp
        said = result_of(p / p.sum(axis=-1, keepdims=True), ("ground", "object"))
        (mended,), *_ = OF_POSITIONS.calibrated(said, truth, seed=draw)
        scored = (OF_POSITIONS.scored(each, truth, 0) for each in (said, mended))
        yield gains_of(*scored, ("nll", "brier"))


def summary(draws: Iterator[Gains]) -> dict[str, dict[str, float]]:
    """By score: what is expected, how often there is an interval, and how often these hold and tell."""
    found, each = {}, list(draws)
    for name in each[0]:
        value, low, high, of_fits = (
            np.array([getattr(gains[name], end) for gains in each])
            for end in ("value", "low", "high", "of_fits")
        )
        expected, told = float(value.mean()), np.isfinite(low)
        own = told & np.isfinite(of_fits)
        found[name] = {
            "expected": expected,
            "told": float(told.mean()),
            "held": float(np.mean((low <= expected) & (expected <= high), where=told)),
            "held_of_fits": float(np.mean((low <= of_fits) & (of_fits <= high), where=own)),
            "better": float(np.mean(high < 0, where=told)),
            "worse": float(np.mean(low > 0, where=told)),
        }
    return found


def cells() -> Iterator[tuple[str, Callable[[], Iterator[Gains]]]]:
    """Their names, and what draws them."""
    for number, accuracy, sizes in CLASSES:
        for rows in sizes:
            for sharp in SHARP:
                name = f"{number} classes, accuracy {accuracy:g}, {rows} rows, logits times {sharp:g}"
                yield name, lambda of=(number, accuracy, rows, sharp): classes(*of)  # type: ignore[misc]
    for tails in TAILS:
        for rows in ROWS:
            for factor in FACTORS:
                name = f"numbers, {tails} tails, {rows} rows, std times {factor:g}"
                yield name, lambda of=(tails, rows, factor): numbers(*of)  # type: ignore[misc]
    for rows in (30, 100):
        for sharp in (1.0, 2.0):
            name = f"maps, {rows} images, logits times {sharp:g}"
            yield name, lambda of=(rows, sharp): images(*of)  # type: ignore[misc]


# --- equal methods ------------------------------------------------------------------------------------


SCORES = ("nll", "brier", "accuracy", "aurc")


def methods(own: float, rows: int, seed: int, ahead: float = 0.0) -> tuple[Integers, list[Floats]]:
    """True classes, and logits of equally good methods; the last gives the true class `ahead` more."""
    random = np.random.default_rng([rows, round(100 * own), seed])
    of = intervals.world(0.2, intervals.UNEVEN[0])
    truth, (logits,) = of.draw(rows, 1, random)
    shared = np.sqrt(1 - own) * random.normal(size=logits.shape)
    found = [
        1.3 * logits + NOISE * (shared + np.sqrt(own) * random.normal(size=logits.shape))
        for _ in range(METHODS)
    ]
    found[-1][np.arange(rows), truth] += ahead
    return truth, found


def ahead_by(own: float, rows: int, errors: float) -> float:
    """What `methods` take to make the last one better by so many standard errors in NLL."""
    low, high = 0.0, 5.0
    for _ in range(25):
        middle = (low + high) / 2
        truth, logits = methods(own, MANY, 0, middle)
        one, two = (
            -np.log(softmax(each, axis=1)[np.arange(MANY), truth]) for each in (logits[0], logits[-1])
        )
        gap = one - two
        low, high = (middle, high) if gap.mean() < errors * gap.std() / np.sqrt(rows) else (low, middle)
    return middle


def told_apart(own: float, rows: int, ahead: float = 0.0) -> dict[str, dict[str, float]]:
    """By score, and whether calibrated: how often any two methods are told apart.

    Where one is better, how often it is told to be better than the first, among all.
    """
    found = {kind: dict.fromkeys(SCORES, 0) for kind in ("as given", "calibrated")}
    pairs = [*combinations(range(METHODS), 2)]
    for seed in range(COMPARISONS):
        truth, logits = methods(own, rows, seed, ahead)
        said = [howsure.Certainty.from_probabilities(softmax(each, axis=1), list("abc")) for each in logits]
        mended = [cross_calibrated(each, truth, seed=seed) for each in said]
        measured = {
            "as given": [of_classes(each.probabilities, truth) for each in said],
            "calibrated": [
                of_classes(each.probabilities, truth, through) for (each,), _, (through,) in mended
            ],
        }
        for kind, each in measured.items():
            for name in SCORES:
                scores = [of[name] for of in each]
                among = [(0, METHODS - 1)] if ahead else pairs
                reach = simultaneous_reach(np.stack([score.added for score in scores]), pairs)
                found[kind][name] += any(scores[i].minus(scores[j], reach).excludes_zero for i, j in among)
    return {kind: {name: count / COMPARISONS for name, count in each.items()} for kind, each in found.items()}


# --- the section --------------------------------------------------------------------------------------


def told() -> str:
    """The section, from what was looked at."""
    return ""


def main() -> None:
    """Look, and keep the figures."""
    found: dict[str, Any] = {"gains": {}, "equal": {}, "better": {}}
    for name, draws in cells():
        found["gains"][name] = summary(draws())
        print(
            name,
            {k: {a: round(b, 3) for a, b in v.items()} for k, v in found["gains"][name].items()},
            flush=True,
        )
    for name, own in OWN.items():
        for rows in ROWS:
            found["equal"][f"{name}, {rows} rows"] = told_apart(own, rows)
            print(name, rows, found["equal"][f"{name}, {rows} rows"], flush=True)
    PAGE.keep(found)


if __name__ == "__main__":
    main()
