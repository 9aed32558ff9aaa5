"""Do rules keep what they promise on new rows? Written to docs/rules-kept.md.

    python -m validation.rules

The rows are those of `validation.promises`, whose models claim too much. `fit_rules` gets labelled rows, and
its decisions are looked at on many new rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import howsure
from benchmarks.docs import Page, table
from howsure.statistics import proportion_interval
from validation import promises

PAGE = Page("rules-kept")

RUNS = 500
ROWS = {"classes": 1000, "labels": 1000, "numbers": 1000, "positions": 400}
"""Fits of each kind, and labelled rows of each; fewer of images, as these take long."""

MANY = 5_000
"""New rows; 1,250 where rows are images."""

COVERAGE = 0.9
RISKS = {"classes": 0.2, "labels": 0.35, "numbers": 0.06, "positions": 0.2}
"""Risks that are promised: below the shares of mistakes among all rows."""


def _right(new: Any, decided: Any) -> Any:
    return decided.label == new.truth


def _all_right(new: Any, decided: Any) -> Any:
    return (decided.yes == new.truth).all(axis=1)


def _near(new: Any, decided: Any) -> Any:
    return (np.abs(decided.mean - new.truth) <= TOLERANCES["numbers"]).all(axis=1)


def _good(new: Any, decided: Any) -> Any:
    return ~promises._dice_below(decided)


def _in_set(new: Any, decided: Any) -> float:
    return float(decided.in_set[np.arange(len(new)), new.truth].mean())


def _true_labels_in_set(new: Any, decided: Any) -> float:
    missed = (new.truth & ~decided.in_set).sum(axis=1) / np.maximum(new.truth.sum(axis=1), 1)
    return float(1 - missed.mean())


def _in_interval(new: Any, decided: Any) -> float:
    return float(((decided.low <= new.truth) & (new.truth <= decided.high)).mean())


TOLERANCES: dict[str, float | None] = {
    "classes": None,
    "labels": None,
    "numbers": 2.0,
    "positions": promises.DICE_OFF,
}
KINDS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., float] | None]] = {
    "classes": (promises.classes, _right, _in_set),
    "labels": (promises.labels, _all_right, _true_labels_in_set),
    "numbers": (promises.claimed, _near, _in_interval),
    "positions": (promises.positions, _good, None),
}
"""How rows are drawn, which answers are right, and the share that a set or interval holds."""


def look_at(kind: str) -> dict[str, Any]:
    """Coverage, risk and rows handed over in each run, and in how many nothing could be promised."""
    make, right, covered = KINDS[kind]
    new = make(np.random.default_rng(0), promises.MANY if kind == "positions" else MANY)
    found: dict[str, Any] = {"coverage": [], "risk": [], "handed over": [], "refused": 0}
    with warnings.catch_warnings(action="ignore"):
        for seed in range(RUNS):
            known = make(np.random.default_rng([1, seed]), ROWS[kind])
            wishes = {"coverage": COVERAGE, "risk": RISKS[kind], "tolerance": TOLERANCES[kind], "seed": seed}
            try:
                decided = howsure.fit_rules(known, **wishes)(new)
            except howsure.InputError:
                found["refused"] += 1
                continue
            kept = ~decided.hand_over
            found["risk"].append(float((~right(new, decided))[kept].mean()) if kept.any() else 0.0)
            found["handed over"].append(float(decided.hand_over.mean()))
            if covered is not None:
                found["coverage"].append(covered(new, decided))
    return summary(kind, found)


def summary(kind: str, found: dict[str, Any]) -> dict[str, Any]:
    """What the runs came to."""
    runs, broken = len(found["risk"]), int(np.sum(np.array(found["risk"]) > RISKS[kind]))
    low, high = proportion_interval(broken, runs)
    coverage = np.array(found["coverage"])
    return {
        "risk": f"{100 * RISKS[kind]:g} %",
        "coverage": f"{100 * coverage.mean():.1f} ± {196 * coverage.std() / np.sqrt(len(coverage)):.1f} %"
        if len(coverage)
        else "no sets",
        "broken": f"{100 * broken / runs:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)",
        "handed over": f"{100 * np.mean(found['handed over']):.0f} %",
        "refused": f"{found['refused']} of {RUNS}",
    }


def parts(found: dict[str, dict[str, Any]]) -> dict[str, object]:
    """The table of the page."""
    heads = ["kind", "risk", "covered, of 90 %", "risk exceeded", "handed over", "no promise possible"]
    return {"kept": table(heads, *([kind, *of.values()] for kind, of in found.items()))}


if __name__ == "__main__":
    PAGE.look_at(KINDS, look_at, parts)
