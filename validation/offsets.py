"""Does calibration by offsets of classes help where classes are said too often? To docs/offsets.md.

    python -m validation.offsets             everything, to docs/offsets.json and docs/offsets.md

Five classifiers of scikit-learn with class weights or other shares of the classes, beside its own `sigmoid`;
the same without, and simulated tables, where a temperature is all that is needed. Takes about four minutes.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import howsure
from benchmarks.docs import Page, percent, table
from howsure.tasks.classification import maps

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Rows = tuple[Floats, Integers]

PAGE = Page("offsets")

SPLITS, DRAWS, FRESH = 40, 100, 4000
SHARES = {"even": 0.0, "one class 90 %": 0.9}
SHARP = (0.5, 1.0, 2.0)
SHIFTS = (0.0, 0.3, 0.7, 1.5)


# --- classifiers --------------------------------------------------------------------------------------


def digits(rare: float) -> Callable[[np.random.Generator], Rows]:
    """Ten digits, of which 5 to 9 keep this share of their rows."""

    def draw(random: np.random.Generator) -> Rows:
        x, y = load_digits(return_X_y=True)
        kept = (y < 5) | (random.random(len(y)) < rare)
        return x[kept, ::2], y[kept]

    return draw


def eight(random: np.random.Generator) -> Rows:
    """Whether a digit is an 8, from every fourth pixel."""
    del random
    x, y = load_digits(return_X_y=True)
    return x[:, ::4], (y == 8).astype(int)


def cancer(random: np.random.Generator) -> Rows:
    """Whether a tumour is malignant, from three measurements."""
    del random
    x, y = load_breast_cancer(return_X_y=True)
    return x[:, [1, 4, 8]], 1 - y


def made(classes: int, *shares: float) -> Callable[[np.random.Generator], Rows]:
    """Simulated classes with these shares."""

    def draw(random: np.random.Generator) -> Rows:
        x, y = make_classification(
            3000,
            10,
            n_informative=6,
            n_classes=classes,
            weights=[*shares],
            class_sep=0.8,
            random_state=int(random.integers(2**31)),
        )
        return x, y

    return draw


SETS: dict[str, tuple[Callable[[np.random.Generator], Rows], Any, Any]] = {
    "two classes, 5 % rare": (
        made(2, 0.95, 0.05),
        LogisticRegression(class_weight="balanced"),
        LogisticRegression(),
    ),
    "four classes, 4 to 70 %": (
        made(4, 0.7, 0.2, 0.06, 0.04),
        LogisticRegression(class_weight="balanced"),
        LogisticRegression(),
    ),
    "is it an 8?": (eight, LogisticRegression(class_weight="balanced"), LogisticRegression()),
    "ten digits, five of them rare": (
        digits(0.1),
        GaussianNB(priors=np.full(10, 0.1), var_smoothing=0.1),
        LogisticRegression(),
    ),
    "malignant or not": (
        cancer,
        LogisticRegression(class_weight={0: 1, 1: 10}),
        LogisticRegression(),
    ),
}
"""Rows, a classifier that takes classes for more or less frequent than they are, and one that does not."""


def nll(p: Floats, y: Integers) -> float:
    """Mean −log p of the true classes."""
    return float(-np.log(np.maximum(p[np.arange(len(y)), y], np.finfo(float).eps)).mean())


def look_at_set(name: str) -> dict[str, Any]:
    """Mean NLL on test rows by method, and which method was chosen, over splits."""
    draw, weighted, plain = SETS[name]
    found: dict[str, Any] = {"chosen": Counter(), "plain": Counter(), "nll": []}
    for seed in range(SPLITS):
        x, y = draw(np.random.default_rng(seed))
        train, rest, y_train, y_rest = train_test_split(x, y, test_size=0.6, random_state=seed, stratify=y)
        known, test, labels, truth = train_test_split(
            rest, y_rest, test_size=0.5, random_state=seed, stratify=y_rest
        )
        for kind, model in (("chosen", weighted), ("plain", plain)):
            fitted = make_pipeline(StandardScaler(), model).fit(train, y_train)
            results = [
                howsure.Certainty.from_probabilities(fitted.predict_proba(some)) for some in (known, test)
            ]
            calibrator = howsure.calibrate(results[0], labels)
            found[kind][calibrator.method] += 1
            if kind == "chosen":
                sigmoid = CalibratedClassifierCV(FrozenEstimator(fitted), method="sigmoid").fit(known, labels)
                temperature = howsure.calibrate(results[0], labels, method="temperature")
                after = [use(results[1]).probabilities for use in (temperature, calibrator)]
                ways = (results[1].probabilities, after[0], sigmoid.predict_proba(test), after[1])
                found["nll"].append([nll(p, truth) for p in ways])
    return {**found, "nll": np.mean(found["nll"], axis=0).round(4).tolist(), "rows": len(labels)}


# --- simulated tables ---------------------------------------------------------------------------------


def drawn(
    rows: int, classes: int, first: float, sharp: float, shift: Floats, random: np.random.Generator
) -> Rows:
    """Probabilities that are too sharp by a factor, and off by a shift, and the true classes."""
    share = np.full(classes, (1 - first) / (classes - 1)) if first else np.full(classes, 1 / classes)
    share[0] = first or share[0]
    y = random.choice(classes, size=rows, p=share)
    x = 1.8 * np.eye(classes)[y] + random.normal(size=(rows, classes))
    return softmax(sharp * (1.8 * x + np.log(share) + shift), axis=1), y


def look_at_none_needed() -> dict[str, float]:
    """How often a temperature is chosen where it is all that is needed, by cell."""
    found = {}
    for classes, rows, (name, first), sharp in product((2, 3, 10), (100, 300, 1000), SHARES.items(), SHARP):
        chosen = Counter[str]()
        for seed in range(DRAWS):
            p, y = drawn(rows, classes, first, sharp, np.zeros(classes), np.random.default_rng([rows, seed]))
            chosen[howsure.calibrate(howsure.Certainty.from_probabilities(p), y).method] += 1
        found[f"{classes} classes, {rows:,} rows, {name}, times {sharp}"] = chosen["temperature"] / DRAWS
    return found


def look_at_after() -> dict[str, list[float]]:
    """By shift: the gain on fresh rows beside a temperature, and how far `after` is from fresh rows."""
    found = {}
    for size in SHIFTS:
        gains, bias = [], []
        for classes, rows, first, seed in product((2, 3, 10), (100, 300, 1000), SHARES.values(), range(20)):
            random = np.random.default_rng([classes, rows, int(10 * first), seed])
            shift = size * random.normal(size=classes)
            known, fresh = (drawn(n, classes, first, 1.3, shift, random) for n in (rows, FRESH))
            calibrator = howsure.calibrate(howsure.Certainty.from_probabilities(known[0]), known[1])
            actual = nll(maps.mapped(calibrator.parameters, fresh[0]), fresh[1])
            gains.append(actual - nll(maps.mapped(maps.fitted(*known), fresh[0]), fresh[1]))
            bias.append(calibrator.after.nll.value - actual)
        ends = [float(np.mean(gains)), float(np.mean(bias)), float(np.std(bias) / np.sqrt(len(bias)))]
        found[str(size)] = ends
    return found


# --- the page -----------------------------------------------------------------------------------------


def parts(found: dict[str, Any]) -> dict[str, object]:
    """Figures and tables of the page."""
    lines, plain = [], []
    for name, of in found["sets"].items():
        chosen = ", ".join(f"`{way}` {count}" for way, count in of["chosen"].items())
        lines.append([name, of["rows"], *(f"{value:.3f}" for value in of["nll"]), chosen])
        plain.append([name, f"{of['plain'].get('temperature', 0)} of {SPLITS}"])
    cells = found["none needed"]
    after = [
        [size, *(text.replace("-", "−") for text in (f"{gain:.4f}", f"{bias:.4f} ± {error:.4f}"))]
        for size, (gain, bias, error) in found["after"].items()
    ]
    heads = [
        "model",
        "labelled rows",
        "as it is",
        "`temperature`",
        "scikit-learn's `sigmoid`",
        "`auto`",
        "chosen",
    ]
    return {
        "sets": table(heads, *lines),
        "plain": table(["model without weights", "`temperature` chosen"], *plain),
        "cells": len(cells),
        "mean": percent(np.mean([*cells.values()])),
        "least": f"{percent(min(cells.values()), 0)} ({min(cells, key=cells.__getitem__)})",
        "after": table(["shift", "gain beside a temperature", "`after` less fresh rows"], *after),
    }


def look() -> dict[str, Any]:
    """Everything."""
    with warnings.catch_warnings(action="ignore"):  # few mistakes, which tables tell by what is chosen
        return {
            "sets": {name: look_at_set(name) for name in SETS},
            "none needed": look_at_none_needed(),
            "after": look_at_after(),
        }


if __name__ == "__main__":
    PAGE.measure(look, parts)
