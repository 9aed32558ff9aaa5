"""Do intervals hold what calibration gains, are equal methods left together? Part of docs/intervals.md.

    python -m validation.cross_fitted            simulates all, to docs/cross-fitted.json

A comparison adds each method after calibration, cross-fitted in five folds. The truth of what that gains is
its mean over all draws of so many rows: what is gained on new rows, on average, by a fit to four fifths of
them. It is also looked at on very many rows for the fits of single draws. Takes about ten minutes.
`python -m validation.intervals --page` writes the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np
from scipy.special import softmax

import howsure
from benchmarks.docs import Page, percent, table
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

PAGE = Page("cross-fitted")

DRAWS, DRAWS_OF_MAPS, OWN_FITS = 1000, 300, 200
"""Draws of each cell, fewer of maps, and those whose own fits are looked at on very many rows."""

MANY, GRID = 20_000, 200
"""Such rows, and the temperatures at which they are scored."""

SHARP = (0.6, 1.0, 1.3, 2.0, 3.0)
"""What true logits are multiplied by."""

CLASSES = ((2, 0.7, (30, 100, 300)), (3, 0.9, (100, 300)), (10, 0.8, (30, 100)), (10, 0.97, (300,)))
"""Classes, accuracy, and rows, of which five mistakes are likely: with fewer there is no interval."""

FACTORS = (0.5, 1.0, 2.0)
"""What true standard deviations are multiplied by."""

TAILS = {"normal": np.inf, "heavy": 4.0}
"""Degrees of freedom of the t distribution of errors."""

ROWS, IMAGES = (30, 100, 300), (30, 100)

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
    on_many = gain_of_fits(softmax(sharp * logits, axis=1), true, rows)
    for draw in range(DRAWS):
        truth, (logits,) = of.draw(rows, 1, random)
        said = howsure.Certainty.from_probabilities(softmax(sharp * logits, axis=1), names)
        (mended,), _, (through,) = cross_calibrated(said, truth, seed=draw)
        before = of_classes(said.probabilities, truth)
        gains = gains_of(before, of_classes(mended.probabilities, truth, through), ("nll", "brier"))
        if draw < OWN_FITS:
            of_fits = on_many(said.probabilities, truth, draw)
            gains = {name: replace(each, of_fits=of_fits[name]) for name, each in gains.items()}
        yield gains


def gain_of_fits(
    many: Floats, true: Integers, rows: int
) -> Callable[[Floats, Integers, int], dict[str, float]]:
    """From probabilities, true classes and a seed to what the fits of their folds gain on very many rows.

    Read off a grid of temperatures, as all fits to four fifths of so many `rows` have the same `most`.
    """
    grid, most = np.geomspace(1 / maps.LIMIT, maps.LIMIT, GRID), maps.supported(rows * 4 // 5)
    fits = [{"temperature": np.array(each), "most": np.array(most)} for each in grid]
    gained = np.array([losses_of(maps.mapped(fit, many), true) for fit in fits])
    gained -= losses_of(many, true)

    def found(p: Floats, truth: Integers, seed: int) -> dict[str, float]:
        where = maps.folds(truth, seed)
        known = [where != number for number in range(maps.FOLDS)]
        at = [float(np.log(maps.fitted(p[each], truth[each])["temperature"])) for each in known]
        return {
            name: float(np.mean(np.interp(at, np.log(grid), gained[:, score])))
            for score, name in enumerate(("nll", "brier"))
        }

    return found


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
        said = howsure.DenseCertainty.from_probabilities(
            p / p.sum(axis=-1, keepdims=True), ("ground", "object")
        )
        (mended,), *_ = OF_POSITIONS.calibrated(said, truth, seed=draw)
        scored = (OF_POSITIONS.scored(each, truth, 0) for each in (said, mended))
        yield gains_of(*scored, ("nll", "brier"))


def summary(draws: Iterator[Gains]) -> dict[str, dict[str, float | None]]:
    """By score: what is expected, how often there is an interval, how often these hold, and what they tell.

    Shares are of the draws with an interval. What the fits of a draw gain was not looked at where it is None.
    """
    each = list(draws)
    found: dict[str, dict[str, float | None]] = {}
    for name in each[0]:
        value, low, high, of_fits = (
            np.array([getattr(gains[name], end) for gains in each])
            for end in ("value", "low", "high", "of_fits")
        )
        told = np.isfinite(low)
        looked_at = told & np.isfinite(of_fits)
        expected = float(value.mean())
        shares = {
            "told": told,
            "held": ((low <= expected) & (expected <= high))[told],
            "held_of_fits": ((low <= of_fits) & (of_fits <= high))[looked_at],
            "better": (high < 0)[told],
            "worse": (low > 0)[told],
            "false": ((high < 0) if expected > 0 else (low > 0))[told],
        }
        found[name] = {"expected": round(expected, 6)}
        found[name] |= {
            what: round(float(np.mean(of)), 4) if len(of) else None for what, of in shares.items()
        }
    return found


def cells() -> Iterator[tuple[str, int, float, Iterator[Gains]]]:
    """What was drawn, of how many rows, by which factor its claims are off, and the draws."""
    for number, accuracy, sizes in CLASSES:
        for rows, sharp in product(sizes, SHARP):
            yield (
                f"{number} classes, accuracy {accuracy:g}",
                rows,
                sharp,
                classes(number, accuracy, rows, sharp),
            )
    for tails, rows, factor in product(TAILS, ROWS, FACTORS):
        yield f"numbers, {tails} tails", rows, factor, numbers(tails, rows, factor)
    for rows, sharp in product(IMAGES, (1.0, 2.0)):
        yield "maps of 2 classes", rows, sharp, images(rows, sharp)


# --- equal methods ------------------------------------------------------------------------------------


SCORES = ("nll", "brier", "accuracy", "aurc")


def methods(own: float, rows: int, seed: int, ahead: float = 0.0) -> tuple[Integers, list[Floats]]:
    """True classes, and logits of equally good methods; the last gives the true class `ahead` more."""
    random = np.random.default_rng([rows, round(100 * own), seed])
    of = intervals.world(0.2, intervals.UNEVEN[0])
    truth, (logits,) = of.draw(rows, 1, random)
    shared = np.sqrt(1 - own) * random.normal(size=logits.shape)
    found = [
        SHARP[2] * logits + NOISE * (shared + np.sqrt(own) * random.normal(size=logits.shape))
        for _ in range(METHODS)
    ]
    found[-1][np.arange(rows), truth] += ahead
    return truth, found


def ahead_by(own: float, rows: int, errors: float) -> float:
    """What makes the last of `methods` better by so many standard errors of the difference in NLL."""
    low, high = 0.0, 5.0
    for _ in range(20):
        middle = (low + high) / 2
        truth, logits = methods(own, MANY, 0, middle)
        one, two = (
            -np.log(softmax(each, axis=1)[np.arange(MANY), truth]) for each in (logits[0], logits[-1])
        )
        gap = one - two
        low, high = (middle, high) if gap.mean() < errors * gap.std() / np.sqrt(rows) else (low, middle)
    return middle


def told_apart(own: float, rows: int, ahead: float = 0.0) -> dict[str, dict[str, float]]:
    """By whether calibrated, and score: how often any two of the methods are told apart.

    Where one is ahead, how often it is told from the first, by intervals that hold together for all.
    """
    pairs = [*combinations(range(METHODS), 2)]
    asked, among = (("nll",), [(0, METHODS - 1)]) if ahead else (SCORES, pairs)
    found = {kind: dict.fromkeys(asked, 0) for kind in ("as given", "calibrated")}
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
        for (kind, each), name in product(measured.items(), asked):
            scores = [of[name] for of in each]
            reach = simultaneous_reach(np.stack([score.added for score in scores]), pairs)
            found[kind][name] += any(scores[i].minus(scores[j], reach).excludes_zero for i, j in among)
    return {kind: {name: count / COMPARISONS for name, count in each.items()} for kind, each in found.items()}


# --- the section --------------------------------------------------------------------------------------


def parts(figures: dict[str, Any]) -> dict[str, object]:
    """Figures and tables of docs/intervals.md, from what was looked at."""
    gains = figures["gains"]
    lowest, all_cells = [], []
    for kind, rows in dict.fromkeys((each["kind"], each["rows"]) for each in gains):
        here = [each for each in gains if (each["kind"], each["rows"]) == (kind, rows)]
        first, second = here[0]["scores"]
        of_fits = [of["held_of_fits"] for each in here for of in each["scores"].values()]
        least = (min(each["scores"][name]["held"] for each in here) for name in (first, second))
        told_falsely = max(of["false"] for each in here for of in each["scores"].values())
        of_fit = percent(min(of_fits)) if of_fits[0] is not None else "–"
        lowest.append([kind, rows, *map(percent, least), of_fit, percent(told_falsely)])
        for each in here:
            cells_of = [percent(of[what]) for of in each["scores"].values() for what in ("held", "better")]
            known = percent(each["scores"][first]["told"])
            all_cells.append([kind, rows, f"{each['factor']:g}", known, *cells_of])
    held = sorted(
        (of["held"], each["kind"], each["rows"], each["factor"])
        for each in gains
        for of in each["scores"].values()
    )
    low = [
        f"{percent(share)} in {kind}, {rows} rows, times {by:g}"
        for share, kind, rows, by in held
        if share < 0.92
    ]
    equal = [
        [name, rows, *(percent(of[kind][score]) for kind in of for score in SCORES)]
        for name, rows, of in figures["equal"]
    ]
    ahead = [
        [name, rows, f"{errors:g}", *(percent(of[kind]["nll"]) for kind in of)]
        for name, rows, errors, of in figures["ahead"]
    ]
    heads = ["kind", "rows", "lowest coverage, NLL", "Brier score or CRPS"]
    of_all = [
        "kind",
        "rows",
        "times",
        "with interval",
        "NLL holds",
        "told better",
        "Brier score or CRPS holds",
    ]
    scores = ["NLL", "Brier score", "accuracy", "AURC"]
    return {
        "gains_known": len(held),
        "gains_least": percent(held[0][0]),
        "gains_mean": percent(float(np.mean([share for share, *_ in held]))),
        "gains_low": f"{len(low)}: {'; '.join(low) or 'none'}",
        "gains": table([*heads, "of the gain of the fits themselves", "sign told falsely, at most"], *lowest),
        "gains_of_all": table([*of_all, "told better"], *all_cells),
        "told_apart": table(["noise", "rows", *scores, "NLL, calibrated", *scores[1:]], *equal),
        "ahead": table(["noise", "rows", "standard errors", "as given", "calibrated"], *ahead),
    }


def main() -> None:
    """Look, and keep the figures."""
    found: dict[str, list[Any]] = {"gains": [], "equal": [], "ahead": []}
    for kind, rows, factor, draws in cells():
        found["gains"].append({"kind": kind, "rows": rows, "factor": factor, "scores": summary(draws)})
        print(kind, rows, factor, found["gains"][-1]["scores"], flush=True)
    for (name, own), rows in product(OWN.items(), ROWS):
        found["equal"].append([name, rows, told_apart(own, rows)])
        print(*found["equal"][-1], flush=True)
    for (name, own), errors in product(OWN.items(), AHEAD):
        of = told_apart(own, ROWS[1], ahead_by(own, ROWS[1], errors))
        found["ahead"].append([name, ROWS[1], errors, of])
        print(*found["ahead"][-1], flush=True)
    PAGE.keep(found)


if __name__ == "__main__":
    main()
