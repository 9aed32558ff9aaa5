"""Whether spread and interval between networks are right, and what they tell; written to docs/between.md.

    python -m validation.between law        against all thinned networks of small ones, 5 minutes
    python -m validation.between digits     on digits with known answers, 10 minutes

Without arguments both, with `--page` the page alone. Figures of what was not run stay in
docs/between.json, and on the page.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

import howsure
from benchmarks.docs import Page, percent, shares, table
from howsure.models.arrays import ArrayModel, Dense, Dropout
from howsure.models.protocol import Level
from validation.small_network import chain, thinned

Floats = NDArray[np.float64]
Figures = dict[str, Any]

PAGE = Page("between")

# --- against all thinned networks ---------------------------------------------------------------------

NETWORKS = 8
ROWS = 60
SEEDS = 20
UNITS = ((6, 0.25), (6, 0.4))
"""Of two dropout layers, and their rates: 4,096 thinned networks."""

COSTS = (0.4, 0.599, 0.001)
"""Shares of a plain prediction, as of a CNN: what follows the last dropout costs next to nothing."""

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
PASSES = (10, 20, 50, 100, 1_000)


class Priced(ArrayModel):
    """A network whose levels cost `COSTS`, so that late masks are many."""

    @property
    def levels(self) -> tuple[Level, ...]:  # type: ignore[override]  # a cached property there
        """As of any network, at these costs."""
        return tuple(replace(level, cost=cost) for level, cost in zip(super().levels, COSTS, strict=True))


class Law:
    """What all thinned networks of a random network say, and how probable each is.

    Args:
        seed: Of weights and rows. Early layers vary more from one network to the next.
    """

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        (first, _), (second, _) = UNITS
        scale = random.uniform(0.5, 1.5)
        weights = [
            random.normal(0, scale / np.sqrt(sides[0]), sides) for sides in ((4, first), (first, second))
        ]
        biases = [0.3 * random.standard_normal(count) for count, _ in UNITS]
        last = random.uniform(0.5, 2) * random.standard_normal((second, 3))
        layers = [
            part
            for weight, bias, (_, rate) in zip(weights, biases, UNITS, strict=True)
            for part in (Dense(weight, bias, "relu"), Dropout(rate))
        ]
        layers.append(Dense(last, activation="softmax"))
        self.flat, self.priced = chain((4,), *layers), chain((4,), *layers, of=Priced)
        self.x = (2 * random.standard_normal((ROWS, 4))).astype(np.float32)
        masks = [thinned(*units) for units in UNITS]
        early, late = (kept / (1 - rate) for (kept, _), (_, rate) in zip(masks, UNITS, strict=True))
        hidden = np.maximum(self.x.astype(np.float64) @ weights[0] + biases[0], 0)
        hidden = np.maximum((hidden * early[:, None]) @ weights[1] + biases[1], 0)
        logits = (hidden[:, None] * late[None, :, None]) @ last
        self.p = softmax(logits, axis=-1).reshape(-1, ROWS, 3)
        self.weights = np.outer(masks[0][1], masks[1][1]).reshape(-1)

    @property
    def spread(self) -> Floats:
        """(N, K)."""
        mean = np.tensordot(self.weights, self.p, 1)
        return np.asarray(np.sqrt(np.tensordot(self.weights, (self.p - mean) ** 2, 1)))

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """(N, K, L) the smallest probabilities that at least so much of all networks do not exceed."""
        order = np.argsort(self.p, axis=0, kind="stable")
        share = np.cumsum(self.weights[order], axis=0)
        found = [np.argmax(share >= level - 1e-12, axis=0) for level in levels]
        places = np.take_along_axis(order, np.array(found), axis=0)
        return np.moveaxis(np.take_along_axis(self.p, places, axis=0), 0, -1)


def designs(law: Law) -> dict[str, Callable[[int], howsure.Certainty]]:
    """By name, from a seed to an assessment."""
    found: dict[str, Callable[[int], howsure.Certainty]] = {}
    for balanced, passes in itertools.product((False, True), PASSES):
        name = f"{passes:,} {'balanced' if balanced else 'independent'} passes"
        method = howsure.MCDropout(passes=passes, balanced=balanced)
        found[name] = lambda seed, method=method: howsure.assess(law.flat, law.x, method=method, seed=seed)
    for name, model in (("as many as rows need, flat", law.flat), ("the same, late masks split", law.priced)):
        found[name] = lambda seed, model=model: howsure.assess(
            model, law.x, method=howsure.MCDropout(plan=howsure.plan(model, law.x, seed=seed)), seed=seed
        )
    return found


def look_at_laws() -> Figures:
    """Coverage of both errors in every design, over networks, seeds and rows."""
    seen: dict[str, dict[str, list[Floats]]] = {}
    for number in range(NETWORKS):
        law = Law(number)
        spread = law.spread
        tails = [tail for level in LEVELS for tail in ((1 - level) / 2, (1 + level) / 2)]
        exact = law.quantiles(tails)
        for name, run in designs(law).items():
            of_design = seen.setdefault(name, {})
            for seed in range(SEEDS):
                found = run(100 * number + seed)
                every = np.arange(len(found))
                _add(of_design, "spread", found.spread - spread, found.spread_error, spread)
                of_label = exact[every, found.label].reshape(len(found), len(LEVELS), 2)
                for place, level in enumerate(LEVELS):
                    ends, truth = found.interval(level), of_label[:, place]
                    width = np.repeat(truth[:, 1:] - truth[:, :1], 2, axis=1)
                    _add(of_design, str(level), ends - truth, found.interval_error(level), width)
        print(f"network {number + 1} of {NETWORKS}", file=sys.stderr, flush=True)
    return {name: {what: _summed_up(parts) for what, parts in each.items()} for name, each in seen.items()}


def _add(seen: dict[str, list[Floats]], what: str, off: Floats, told: Floats, true: Floats) -> None:
    seen.setdefault(what, []).append(np.stack([off.ravel(), told.ravel(), true.ravel()]))


def _summed_up(parts: list[Floats]) -> dict[str, float] | None:
    """Coverage, true over told error, mean error, and how many could be told; None where none could."""
    off, told, true = np.concatenate(parts, axis=1)
    known = np.isfinite(off + told)
    if not known.any():
        return None
    return {
        "cover": float(np.mean(np.abs(off[known]) <= 1.96 * told[known])),
        "off": float(np.sqrt(np.mean(off[known] ** 2))),
        "told": float(np.sqrt(np.mean(told[known] ** 2))),
        "mean": float(np.mean(off[known])),
        "true": float(np.mean(true[known])),
        "known": float(np.mean(known)),
    }


def parts(found: Figures) -> dict[str, object]:
    """Figures and tables of the page."""
    laws, of_digits = found["law"], found["digits"]
    covers = [each["cover"] for design in laws.values() for each in design.values() if each is not None]

    def cell(each: dict[str, float] | None) -> str:
        return "–" if each is None else f"{percent(each['cover'])}, {each['off'] / each['told']:.2f}"

    lines = [
        [name, *(cell(design[what]) for what in ("spread", *map(str, LEVELS)))]
        for name, design in laws.items()
    ]
    verdicts = [
        [
            verdict,
            f"{each['rows']:,}",
            ", ".join(f"{100 * width:.1f}" for width in each["widths"]),
            *(percent(each[name], 0) for name in ("thinned", "others", "truth")),
            ", ".join(percent(cover, 0) for cover in each["covers"]),
        ]
        for verdict, each in of_digits["verdicts"].items()
    ]
    heads = ["verdict", "digits", "interval width in points: 10, 50, 90 % of digits below"]
    heads += ["thinned networks inside", "other seeds inside", "the truth inside"]
    ends = (f"ends of {level}: coverage, ratio" for level in LEVELS)
    return {
        "inside": shares([each["thinned"] for each in of_digits["verdicts"].values()]),
        "verdicts": table([*heads, "errors cover the spread, lower end, upper end"], *verdicts),
        "accuracy": percent(of_digits["accuracy"]),
        "of_spreads": shares([design["spread"]["cover"] for design in laws.values()]),
        "of_ends": shares([design["0.9"]["cover"] for design in laws.values() if design["0.9"] is not None]),
        "least": percent(min(covers), 0),
        "passes": table(["passes", "spread: coverage, ratio", *ends], *lines),
    }


# --- on digits with known answers ---------------------------------------------------------------------

DIGITS, TEST = 4_000, 4_000
OTHERS = 3
"""Networks trained from other seeds."""

REFERENCE, RUNS = 4_000, 3
"""Passes that tell what all thinned networks are like, and seeds that are held against them."""

GRAIN = 1e-4
"""How far an end may be off near 0 and 1, where bins are 0.004 points wide and passes many in one of them."""


def look_at_digits() -> Figures:
    """How wide intervals are by verdict, and how often they hold what others say."""
    from howsure.demo import mnist
    from howsure.training.members import train_members
    from validation.digits import known_digits
    from validation.known_digits import BAYES_ERROR, EPOCHS, build

    data = mnist.load()
    digits = known_digits(data.x_train, data.y_train, bayes_error=BAYES_ERROR, train=DIGITS, test=TEST)

    def fit(model: Any, seed: int) -> None:
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
        model.fit(digits.x_train[..., None], digits.y_train, epochs=EPOCHS[DIGITS], batch_size=64, verbose=0)

    first, *others = train_members(build, fit, 1 + OTHERS)
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


LOOKS = {"law": look_at_laws, "digits": look_at_digits}


if __name__ == "__main__":
    PAGE.look_at(LOOKS, lambda name: LOOKS[name](), parts)
