"""Do intervals hold, are equal methods recommended, are calibrated claims kept? To docs/intervals.md.

    python -m validation.intervals             everything, to docs/intervals.json and docs/intervals.md

Simulated tables whose truth is known, numpy only: x = m · onehot(y) + noise makes softmax(m x) the true
probabilities of y. m varies from row to row, and its mean sets how many mistakes there are. A second method
claims too much, softmax(2 m x), and has noise partly its own. Takes about five minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import ttest_rel

import howsure
from benchmarks.docs import Page, table
from howsure.compare.comparison import Comparison
from howsure.compare.findings import lead
from howsure.evaluation import score as scores
from howsure.tasks.classification import maps
from howsure.tasks.classification.evaluate import OUTSIDE
from howsure.tasks.classification.scores import of_probabilities
from howsure.words import counted
from validation import promises

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PAGE = Page("intervals")

SIZES = (100, 300, 1000, 3000)
MISTAKES = (1, 3, 5, 10, 30, 100)
SETS = 160
MANY = 100_000
"""Rows that the true scores are taken from."""

CLASSES = 3
UNEVEN = (0.3, 1.0)
"""Standard deviations of log m: rows that are alike, and rows that are very different."""

SHARP = (1.0, 2.0)
OWN = 0.3
"""Share of the variance of a method's noise that no other method has."""

METHODS = (2, 4, 8, 16)
COMPARISONS = 200
POWER = 60
SLIGHT = 2.0
"""How much too sharp all methods are, but the one that may be better."""

BETTER = 10**5
"""Seeds from which on the last method is better."""

NAMES = (
    *("accuracy", "nll", "brier", "ece"),
    *("aurc", "error_auroc", "error_fpr95", *OUTSIDE[:2]),
)


# --- rows ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Rows of K classes: the geometric mean of m, and the standard deviation of its logarithm."""

    mean: float
    uneven: float
    classes: int = CLASSES

    def draw(self, rows: int, methods: int, random: np.random.Generator) -> tuple[Integers, list[Floats]]:
        """True classes (N,), and logits (N, K) of each method, equally good ones."""
        truth = random.integers(self.classes, size=rows)
        m = self.mean * np.exp(self.uneven * random.normal(size=rows))[:, None]
        signal = m * np.eye(self.classes)[truth]
        shared = np.sqrt(1 - OWN) * random.normal(size=signal.shape)
        own = np.sqrt(OWN) * random.normal(size=(methods, *signal.shape))
        return truth, [m * (signal + shared + each) for each in own]

    def strangers(self, rows: int, random: np.random.Generator) -> Floats:
        """Logits (N, K) of rows of no class."""
        m = self.mean * np.exp(self.uneven * random.normal(size=rows))[:, None]
        return np.asarray(m * random.normal(size=(rows, self.classes)))


@cache
def world(share: float, uneven: float, classes: int = CLASSES) -> World:
    """One in which this share of the answers is wrong, by bisection on a sample of its own."""
    low, high = 0.2, 100.0
    for _ in range(30):
        middle = float(np.sqrt(low * high))
        truth, (logits,) = World(middle, uneven, classes).draw(MANY // 4, 1, np.random.default_rng(1))
        if np.mean(logits.argmax(axis=1) != truth) > share:
            low = middle
        else:
            high = middle
    return World(float(np.sqrt(low * high)), uneven, classes)


def measured(truth: Integers, logits: Floats, strange: Floats, seed: int) -> dict[str, scores.Measured]:
    """All scores, as `evaluate` makes them."""
    p, q = softmax(logits, axis=1), softmax(strange, axis=1)
    found = of_probabilities(p, p.argmax(axis=1), truth, seed)
    by_entropy = scores.told_apart(*(np.sum(each * np.log(each + 1e-300), axis=1) for each in (p, q)))
    return found | dict(zip(OUTSIDE[:2], by_entropy, strict=True))


def drawn(of: World, rows: int, *seeds: int) -> list[dict[str, scores.Measured]]:
    """All scores of both methods on the same rows, with a third as many strangers beside them."""
    random = np.random.default_rng([rows, *seeds])
    truth, logits = of.draw(rows, len(SHARP), random)
    strange = of.strangers(rows // 3, random)
    return [
        measured(truth, sharp * each, sharp * strange, seeds[-1])
        for sharp, each in zip(SHARP, logits, strict=True)
    ]


# --- intervals ----------------------------------------------------------------------------------------


class Held(list[bool | None]):
    """Of intervals whether they held the truth, or None where there was none."""

    def add(self, low: float, high: float, true: float) -> None:
        """Another one."""
        self.append(bool(low - 1e-12 <= true <= high + 1e-12) if np.isfinite(low + high) else None)

    @property
    def share(self) -> float:
        """Of the intervals that were told; NaN where few were."""
        told = [each for each in self if each is not None]
        return float(np.mean(told)) if told and len(told) >= 0.1 * len(self) else np.nan

    def __str__(self) -> str:
        if np.isnan(self.share):
            return "cannot tell"
        known = f" of {100 * (1 - self.count(None) / len(self)):.0f}" if None in self else ""
        return f"{100 * self.share:.0f}{known}"


def coverage(rows: int, mistakes: int) -> dict[str, list[Held]]:
    """By score: of the first method, of the second, and of their difference."""
    found = {name: [Held(), Held(), Held()] for name in NAMES}
    for uneven in UNEVEN:
        of = world(mistakes / rows, uneven)
        true = [{name: each.value for name, each in one.items()} for one in drawn(of, MANY, 0)]
        true[0]["ece"] = 0.0  # the first method's percentages are the true ones
        for seed in range(SETS // len(UNEVEN)):
            one, other = drawn(of, rows, mistakes, int(10 * uneven), seed)
            for name in NAMES:
                if np.isfinite(one[name].value):
                    found[name][0].add(*one[name].interval(0.95), true[0][name])
                    gap = one[name].minus(other[name])
                    found[name][2].add(gap.low, gap.high, true[0][name] - true[1][name])
                if np.isfinite(other[name].value):
                    found[name][1].add(*other[name].interval(0.95), true[1][name])
    return found


def look_at_intervals() -> dict[str, Any]:
    """Coverage of every score, as texts of cells, by the number of rows."""
    kinds = ("true percentages", "too sharp", "difference")
    tables, shares = {}, []
    for rows in SIZES:
        found = {mistakes: coverage(rows, mistakes) for mistakes in MISTAKES if mistakes <= rows / 3}
        lines = []
        for name in NAMES:
            for kind, of in enumerate(kinds):
                cells = [each[name][kind] for each in found.values()]
                lines.append([name.replace("_", " "), of, *map(str, cells)])
                shares += [cell.share for cell in cells if not np.isnan(cell.share)]
        heads = ["score", "of", *(counted(mistakes, "mistake") for mistakes in found)]
        tables[f"{rows:,} rows"] = [heads, *lines]
    hold = int(np.sum(np.array(shares) >= 0.9))
    return {"cells": len(shares), "hold": hold, "mean": round(100 * float(np.mean(shares)), 1)} | {
        "tables": tables
    }


# --- comparisons --------------------------------------------------------------------------------------


def compared(truth: Integers, logits: Sequence[Floats]) -> Comparison:
    """A comparison of methods that say this of the same rows; the first is the baseline."""
    said = {
        f"method {number}": howsure.Certainty.from_probabilities(softmax(each, axis=1))
        for number, each in enumerate(logits)
    }
    return Comparison.of_results(said, truth, calibrated=False)


def often(happened: Callable[[int], bool], sets: int) -> str:
    """How often something happens, in per cent."""
    return f"{100 * np.mean([happened(seed) for seed in range(sets)]):.1f}"


def look_at_comparisons() -> list[list[Any]]:
    """How often another method than the baseline is recommended."""
    lines: list[list[Any]] = [["rows", "mistakes", "rows are", "methods are"]]
    lines[0] += [*(f"{j} methods" for j in METHODS), "t-test of two"]
    for rows, mistakes, uneven in ((300, 30, 0.3), (1000, 100, 1.0)):
        of = world(mistakes / rows, uneven, classes=2)

        def made(seed: int, methods: int, of: World = of, rows: int = rows) -> Comparison:
            truth, logits = of.draw(rows, methods, np.random.default_rng(seed))
            last = SLIGHT if seed < BETTER else 1.0
            return compared(truth, [*(SLIGHT * each for each in logits[:-1]), last * logits[-1]])

        def taken(seed: int, methods: int, made: Any = made) -> bool:
            return not lead(made(seed, methods)).startswith("Take the method 0:")

        def by_t(seed: int, made: Any = made, rows: int = rows) -> bool:
            found = made(BETTER + seed, 2)
            said = [each.probabilities[np.arange(rows), found.truth] for each in found.certainties.values()]
            test = ttest_rel(*(-np.log(p) for p in said))
            return bool(test.pvalue < 0.05 and test.statistic > 0)

        equal = [often(lambda seed, j=j, taken=taken: taken(seed, j), COMPARISONS) for j in METHODS]
        one = [often(lambda seed, j=j, taken=taken: taken(BETTER + seed, j), POWER) for j in METHODS]
        told = [f"{rows:,}", mistakes, "alike" if uneven < 1 else "very different"]
        lines += [[*told, "all equally good", *equal, "–"]]
        lines += [[*told, "one is better", *one, often(by_t, COMPARISONS)]]
    return lines


# --- calibration --------------------------------------------------------------------------------------


def look_at_claims() -> list[list[Any]]:
    """What temperature scaling does to NLL and claims."""
    lines: list[list[Any]] = [["model", "rows", "mistakes", "NLL before", "after", "true", "claims"]]
    lines[0] += ["is right", "highest"]
    models = {"too modest": 0.4, "true": 1.0, "too sharp": 2.0}
    for (model, sharp), rows, mistakes in product(models.items(), (50, 200, 1000), (0, 1, 3, 10)):
        of = world(max(mistakes, 1) / rows, 0.3)
        random, kept = np.random.default_rng(mistakes), list[list[Any]]()
        for _ in range(2000):
            truth, (logits,) = of.draw(rows, 1, random)
            p = softmax(sharp * logits, axis=1)
            if np.sum(p.argmax(axis=1) != truth) != mistakes:
                continue
            fitted = maps.fitted(p, truth)
            fresh, (logits,) = of.draw(2000, 1, random)
            each = [softmax(factor * logits, axis=1) for factor in (sharp, 1.0)]
            each.append(maps.mapped(fitted, each[0]))
            before, true, after = (-np.log(q[np.arange(2000), fresh]).mean() for q in each)
            right = np.mean(each[2].argmax(axis=1) == fresh)
            kept.append([before, after, true, each[2].max(axis=1).mean(), right, each[2].max()])
            if len(kept) == 50:
                break
        means = np.mean(kept, axis=0)
        lines.append([model, f"{rows:,}", mistakes, *(f"{number:.4f}" for number in means[:3])])
        lines[-1] += [f"{100 * number:.2f} %" for number in means[3:]]
    return lines


# --- the page -----------------------------------------------------------------------------------------


def parts(figures: dict[str, Any]) -> dict[str, object]:
    """Figures and tables of the page."""
    found = figures["intervals"]
    cells: list[tuple[int, str, str, str, str]] = []
    for rows, (head, *lines) in found["tables"].items():
        for score, of, *told in lines:
            for mistakes, cell in zip(head[2:], told, strict=True):
                if cell != "cannot tell":
                    cells.append((int(cell.split()[0]), score, of, rows, mistakes))
    share, *least = min(cells)
    by_mistakes = []
    for number in MISTAKES:
        here = [each for each, *_, known in cells if known == counted(number, "mistake")]
        low = sum(each < 90 for each in here)
        by_mistakes.append([number, len(here), f"{min(here)} %", f"{np.median(here):.0f} %", low])
    head, *lines = figures["claims"]
    some = [line for line in lines if line[1] != "200" and line[2] == 3]
    heads = ["mistakes expected", "kinds of interval", "lowest coverage", "median", "below 90 %"]
    return {
        "cells": found["cells"],
        "hold": found["hold"],
        "mean": f"{found['mean']} %",
        "by_mistakes": table(heads, *by_mistakes),
        "least": f"{share} %: {', '.join(least)} expected",
        "comparisons": table(*figures["comparisons"]),
        "claims": table(head, *some),
        "promises": promises.in_table(promises.PAGE.figures()),
    }


def look() -> dict[str, Any]:
    """Everything."""
    return {
        "intervals": look_at_intervals(),
        "comparisons": look_at_comparisons(),
        "claims": look_at_claims(),
    }


if __name__ == "__main__":
    PAGE.measure(look, parts)
