"""Whether spread and interval between networks are right, and what they tell; written to docs/between.md.

    python -m validation.between        on digits with known answers, 10 minutes

`tests/sampling/test_between.py` holds both against all thinned networks of small ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import howsure
from benchmarks.docs import Page, percent, shares, table

Floats = NDArray[np.float64]
Figures = dict[str, Any]

PAGE = Page("between")

DIGITS, TEST = 4_000, 4_000
OTHERS = 3
"""Networks trained from other seeds."""

REFERENCE, RUNS = 4_000, 3
"""Passes that tell what all thinned networks are like, and seeds that are held against them."""

GRAIN = 1e-4
"""How far an end may be off near 0 and 1, where bins are 0.004 points wide and passes many in one of them."""


def look() -> Figures:
    """How wide intervals are by verdict, and how often they hold what others say."""
    from howsure.demo import mnist
    from validation.digits import known_digits
    from validation.known_digits import BAYES_ERROR, EPOCHS, trained

    data = mnist.load()
    digits = known_digits(data.x_train, data.y_train, bayes_error=BAYES_ERROR, train=DIGITS, test=TEST)

    first, *others = trained(digits.x_train[..., None], digits.y_train, EPOCHS[DIGITS], 1 + OTHERS)
    x = digits.x_test[..., None]
    certainty = howsure.assess(first, x)
    every, label = np.arange(len(x)), certainty.label
    of_others = [
        howsure.assess(each, x, method=howsure.Softmax()).probabilities[every, label] for each in others
    ]
    low, high = certainty.interval(0.9).T
    thinned = howsure.passes(first, x, 200, seed=1)[:, every, label]

    def inside(p: Floats) -> NDArray[np.bool_]:
        return np.asarray((low - GRAIN <= p) & (p <= high + GRAIN))

    reference = howsure.assess(first, x, method=howsure.MCDropout(passes=REFERENCE), seed=1_000)
    runs = [howsure.assess(first, x, seed=seed) for seed in range(RUNS)]
    found = {}
    for verdict in ("sure", "leaning", "coin flip"):
        rows = certainty.verdict == verdict
        found[verdict] = {
            "rows": int(rows.sum()),
            "widths": np.quantile((high - low)[rows], [0.1, 0.5, 0.9]).tolist(),
            "thinned": float(np.mean([inside(each)[rows] for each in thinned])),
            "others": float(np.mean([inside(each)[rows] for each in of_others])),
            "truth": float(np.mean(inside(digits.p_test[every, label])[rows])),
            "covers": np.mean([_covers(run, reference, verdict) for run in runs], axis=0).tolist(),
        }
    return {"verdicts": found, "accuracy": float(np.mean(label == digits.y_test))}


def _covers(run: howsure.Certainty, reference: howsure.Certainty, verdict: str) -> list[float]:
    """How often ± 1.96 errors hold the spread, the lower and the upper end of a reference."""
    rows = np.flatnonzero((run.verdict == verdict) & (run.label == reference.label))
    of_label = rows, run.label[rows]
    off = np.abs(run.spread - reference.spread)[of_label] <= 1.96 * run.spread_error[of_label]
    ends = np.abs(run.interval() - reference.interval()) <= 1.96 * run.interval_error()
    return [float(off.mean()), *ends[rows].mean(axis=0).tolist()]


def parts(found: Figures) -> dict[str, object]:
    """Figures and tables of the page."""
    verdicts = [
        [
            verdict,
            f"{each['rows']:,}",
            ", ".join(f"{100 * width:.1f}" for width in each["widths"]),
            *(percent(each[name], 0) for name in ("thinned", "others", "truth")),
            ", ".join(percent(cover, 0) for cover in each["covers"]),
        ]
        for verdict, each in found["verdicts"].items()
    ]
    heads = ["verdict", "digits", "interval width in points: 10, 50, 90 % of digits below"]
    heads += ["thinned networks inside", "other seeds inside", "the truth inside"]
    return {
        "inside": shares([each["thinned"] for each in found["verdicts"].values()]),
        "verdicts": table([*heads, "errors cover the spread, lower end, upper end"], *verdicts),
        "accuracy": percent(found["accuracy"]),
    }


if __name__ == "__main__":
    PAGE.measure(look, parts)
