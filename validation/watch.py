"""How often does a watch raise a false alarm, and how late does it see a change? To docs/watch.md.

    python -m validation.watch            everything, to docs/watch.json and the page, about fifteen minutes
    python -m validation.watch --page     only the page

Made rows, numpy only: each run fits a threshold of sets for 90 %, and one of abstention for a risk of 5 %, to
labelled rows of its own, and then watches rows to come.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from benchmarks.docs import Page, percent, table
from howsure.errors import InputError
from howsure.evaluation.betting import Course, Portion
from howsure.evaluation.conformal import surely_covered, threshold_of
from howsure.evaluation.selective import risk_controlled_threshold
from howsure.evaluation.watch import HALF, interval
from howsure.sampling.outcome import Floats
from howsure.statistics import at_least, proportion_interval

PAGE = Page("watch")

RUNS, ROWS = 500, 100_000
COVERAGE, RISK, WRONG = 0.9, 0.05, 0.3
"""A row with a confidence of c, which is uniform, is wrong with a probability of `WRONG` · (1 − c)."""

LABELLED = (200, 1000, 5000)
DROPS = (0.02, 0.05, 0.1)
CHANGES: tuple[tuple[int | None, int], ...] = (
    *((None, beginning) for beginning in (0, 1000, 10_000)),
    *((labelled, 1000) for labelled in (1000, 5000)),
)
"""How many rows the rules are fitted to, and after how many to come the coverage falls."""

DELAY_RUNS, LONGEST = 200, 20_000
FIRST_LOOK = 30
"""Rows before which nobody would look."""


def draws(losses: Floats, weights: Floats) -> Portion:
    """Draws of single rows."""
    rows, none = len(losses), np.zeros((*losses.shape, 0))
    return Portion(losses, weights, np.arange(rows) + 1, np.full(rows, "", object), none, none)


def alarm_of(limits: list[float], losses: Floats, weights: Floats | None = None) -> Course:
    """The course of a watch after (n, P) losses."""
    course = Course.of(np.array(limits), HALF)
    course.add(draws(losses, np.ones_like(losses) if weights is None else weights))
    return course


def looked_at(losses: Floats, limit: float) -> tuple[bool, int | None]:
    """Whether a binomial test at 5 % refutes the limit after all rows; and when first, after any row."""
    counts = np.cumsum(losses)
    rows = np.arange(1, len(losses) + 1)
    refuted = at_least(counts, rows, limit) <= 0.05
    refuted[: FIRST_LOOK - 1] = False
    return bool(refuted[-1]), int(np.argmax(refuted)) + 1 if refuted.any() else None


def fitted(random: np.random.Generator, labelled: int) -> tuple[float, float]:
    """Thresholds of a conformal score, which is uniform, and of confidence; of 1 if all are handed over."""
    score, certain = random.random(labelled), random.random(labelled)
    wrong = random.random(labelled) < WRONG * (1 - certain)
    try:
        accepted = risk_controlled_threshold(certain, wrong, RISK, 0.95)[0]
    except InputError:  # these rows do not allow the promise
        accepted = 1.0
    return threshold_of(score, COVERAGE), accepted


def false_alarms(labelled: int | None) -> dict[str, int]:
    """How many of all runs raise an alarm though nothing changes.

    Args:
        labelled: How many rows the rules are fitted to; None for losses that are as frequent as the limit,
            which is 10 %.
    """
    names = ("watch", "broken", "promise", "once", "always")
    counts, random = dict.fromkeys(names, 0), np.random.default_rng(labelled or 0)
    for _ in range(RUNS):
        limit, covered, accepted = 1 - COVERAGE, COVERAGE, 1.0
        if labelled is not None:
            covered, accepted = fitted(random, labelled)
            limit = 1 - surely_covered([labelled], COVERAGE, confidence=1 - HALF)
        lost, certain = random.random(ROWS) >= covered, random.random(ROWS)
        wrong = random.random(ROWS) < WRONG * (1 - certain)
        losses = np.column_stack([lost, wrong & (certain > accepted)]).astype(np.float64)
        weights = np.column_stack([np.ones(ROWS), certain > accepted]).astype(np.float64)
        sets = losses[:, :1]
        course = alarm_of([limit], sets) if labelled is None else alarm_of([limit, RISK], losses, weights)
        once, first = looked_at(sets[:, 0], limit)
        is_broken = covered < 1 - limit or WRONG * (1 - accepted) / 2 > RISK
        counts["watch"] += course.alarm is not None
        counts["broken"] += course.alarm is not None and labelled is not None and is_broken
        counts["promise"] += alarm_of([1 - COVERAGE], sets).alarm is not None
        counts["once"] += once
        counts["always"] += first is not None
    return counts


def promised(random: np.random.Generator, labelled: int | None) -> tuple[float, float]:
    """The coverage that sets have, and the limit of their losses: with None both are as promised."""
    if labelled is None:
        return COVERAGE, 1 - COVERAGE
    limit = 1 - surely_covered([labelled], COVERAGE, confidence=1 - HALF)
    return threshold_of(random.random(labelled), COVERAGE), limit


def delay(drop: float, labelled: int | None, beginning: int) -> dict[str, Any]:
    """How many rows it takes to see that a coverage falls."""
    random = np.random.default_rng([round(1000 * drop), labelled or 0, beginning])
    delays, always, since, held, early = list[float](), list[float](), list[float](), 0, 0
    rows = np.arange(beginning + LONGEST)
    for _ in range(DELAY_RUNS):
        covered, limit = promised(random, labelled)
        losses = (random.random(len(rows)) >= np.where(rows < beginning, covered, covered - drop)) * 1.0
        course, first = alarm_of([limit], losses[:, None]), looked_at(losses, limit)[1]
        early += first is not None and first <= beginning
        always.append(np.inf if first is None else max(0, first - beginning))
        if course.alarm is not None and course.alarm <= beginning:
            continue
        delays.append(np.inf if course.alarm is None else course.alarm - beginning)
        if course.since is not None:
            since.append(abs(course.since.row - 1 - beginning))
            low, high = interval(alarm_of([limit], losses[: course.alarm, None]), course.since, 0)
            held += low <= 1 - covered + drop <= high
    return {
        "median": _finite(np.median(delays)),
        "always": _finite(np.median(always)),
        "early": early / DELAY_RUNS,
        "since": _finite(np.median(since)) if since else None,
        "held": held / max(1, len(since)),
        "fixed": fixed(drop, labelled),
    }


def fixed(drop: float, labelled: int | None) -> int | None:
    """Rows after which a binomial test that is looked at once sees a drop in half of all cases."""
    random = np.random.default_rng(0)
    fits = [promised(random, labelled) for _ in range(400)]
    covered, limit = np.array([fit[0] for fit in fits]), fits[0][1]
    for rows in np.unique(np.geomspace(20, LONGEST, 200).astype(int)):
        counts = random.binomial(rows, 1 - covered + drop)
        if np.mean(at_least(counts, rows, limit) <= 0.05) >= 0.5:
            return int(rows)
    return None


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def look() -> dict[str, Any]:
    """All figures."""
    found: dict[str, Any] = {"false": {}, "delay": {}}
    for (labelled, beginning), drop in product(CHANGES, DROPS):
        name = f"{labelled} {beginning} {drop}"
        found["delay"][name] = delay(drop, labelled, beginning)
        print(name, found["delay"][name], flush=True)
    for labelled in (None, *LABELLED):
        found["false"][str(labelled)] = false_alarms(labelled)
        print(labelled, found["false"][str(labelled)], flush=True)
    return found


def _rate(count: int) -> str:
    low, high = proportion_interval(count, RUNS)
    return f"{percent(count / RUNS)} ({100 * low:.1f} to {100 * high:.1f})"


def parts(found: dict[str, Any]) -> dict[str, object]:
    """Figures and tables of the page."""
    lines = []
    for labelled, counts in found["false"].items():
        name = "10 % lost, as the limit has it" if labelled == "None" else f"rules of {int(labelled):,} rows"
        broken = "" if labelled == "None" else f"{counts['broken']} of {counts['watch']}"
        watched = [_rate(counts[name]) for name in ("watch", "promise", "once", "always")]
        lines.append([name, watched[0], broken, *watched[1:]])
    head = ["nothing changes", "watch", "of these, promise broken by the fit"]
    head += ["bets against 90 % itself", "binomial test, looked at once", "the same, after every row"]
    delays = []
    for name, each in found["delay"].items():
        labelled, beginning, drop = name.split()
        rules = "exactly 90 %" if labelled == "None" else f"rules of {int(labelled):,} rows"
        numbers = [each[which] for which in ("median", "fixed", "always", "since")]
        median, planned, always, since = ("–" if number is None else f"{number:,.0f}" for number in numbers)
        cells = [rules, f"{int(beginning):,}", f"{100 * float(drop):.0f} points", median, planned]
        delays.append([*cells, f"{always} ({percent(each['early'], 0)})", since, percent(each["held"], 0)])
    delay_head = ["coverage before", "falls after", "by", "watch", "binomial test, planned for it"]
    delay_head += ["after every row (false before)", "`since` off by", "interval holds the truth"]
    return {"false": table(head, *lines), "delay": table(delay_head, *delays)}


if __name__ == "__main__":
    PAGE.measure(look, parts)
