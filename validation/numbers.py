"""Do intervals of numbers keep their promise, and the intervals of their scores? To docs/numbers.md.

    python -m validation.numbers             everything, to docs/numbers.json and docs/numbers.md

Simulated rows whose truth is known, numpy only. Takes about three minutes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import howsure
from benchmarks.docs import Page, percent, table
from howsure.errors import InputError
from howsure.sampling.outcome import Floats
from howsure.tasks.regression.calibrate import FACTOR, NOISE, noise_of
from howsure.tasks.regression.scores import of_target

PAGE = Page("numbers")

SPLITS = 300
ROWS, FEW = 200, 30
"""Labelled rows in a split, and in the world of few."""

MANY = 50_000
"""New rows of each world, which the true shares and scores are taken from."""

SIZES = (50, 200, 1000)
COVERAGE, RISK, TOLERANCE = 0.9, 0.1, 2.0
NETWORKS = 20
GROUPS = (0.5, 1.0, 2.0)
"""Noise of three groups that the model does not tell apart."""


@dataclass(frozen=True)
class World:
    """Rows of one kind, of so many in a split.

    Given a random generator and a count, `noise` is how far answers lie from the mean, in std 1, and `std`
    the true standard deviation of each row. From it follows what the model has `claimed`. With `networks`,
    the mean is that of networks that differ.
    """

    name: str
    noise: Callable[[np.random.Generator, int], Floats]
    std: Callable[[np.random.Generator, int], Floats]
    claimed: Callable[[np.random.Generator, Floats], Floats] = lambda random, std: std
    rows: int = ROWS
    networks: bool = False

    def draw(self, random: np.random.Generator, rows: int) -> tuple[howsure.RegressionCertainty, Floats]:
        """A result of so many rows, and the group of each; the result knows its truth."""
        std = self.std(random, rows)
        mean = random.normal(size=rows)
        y = mean + std * self.noise(random, rows)
        group = np.searchsorted(GROUPS, std)
        if self.networks:
            samples = mean + 0.5 * random.normal(size=(NETWORKS, rows))
            result = howsure.RegressionCertainty.from_samples(samples, noise=std[:, None])
        else:
            result = howsure.RegressionCertainty.from_mean_std(mean, self.claimed(random, std))
        return result.with_truth(y), group


def _normal(random: np.random.Generator, rows: int) -> Floats:
    return random.normal(size=rows)


def _uneven(random: np.random.Generator, rows: int) -> Floats:
    return np.asarray(np.exp(0.5 * random.normal(size=rows)))


def _student(degrees: int) -> Callable[[np.random.Generator, int], Floats]:
    scale = np.sqrt((degrees - 2) / degrees)
    return lambda random, rows: np.asarray(random.standard_t(degrees, rows) * scale)


_ones = lambda random, rows: np.ones(rows)  # noqa: E731
_of_groups = lambda random, rows: random.choice(GROUPS, rows)  # noqa: E731
WORLDS = (
    World("the same noise in all rows", _normal, _ones),
    World("noise differs, std knows it", _normal, _uneven),
    World("heavy tails (t, 5 degrees)", _student(5), _uneven),
    World("skewed noise (exponential)", lambda random, rows: random.exponential(size=rows) - 1, _uneven),
    World("std is half of the truth", _normal, _uneven, lambda random, std: std / 2),
    World("std is chance", _normal, _ones, lambda random, std: _uneven(random, len(std))),
    World(
        "three groups, one std",
        _normal,
        lambda random, rows: random.choice(GROUPS, rows),
        lambda random, std: np.ones_like(std),
    ),
    World(f"{FEW} labelled rows", _normal, _uneven, rows=FEW),
    World("20 networks and noise", _normal, _uneven, networks=True),
)
BEYOND = World("tails without a fourth moment (t, 3 degrees)", _student(3), _uneven)
EXACT = {
    "rmse": math.exp(0.25),
    "nll": (math.log(2 * math.pi) + 1) / 2,
    "r2": 1 - math.exp(0.5) / (1 + math.exp(0.5)),
}
"""True scores of that world: the mean of std² is e^½, and that of log std is 0."""


# --- promises -----------------------------------------------------------------------------------------


def look_at_promises(world: World) -> dict[str, Any]:
    """How often promises are kept over all splits, on many new rows."""
    new, group = world.draw(np.random.default_rng(0), MANY)
    truth = new.truth
    error = np.abs(truth - new.mean)[:, 0]
    covered, at_least, of_groups, broken, promised = [], [], [], [], 0
    for seed in range(SPLITS):
        known, known_group = world.draw(np.random.default_rng([1, seed]), world.rows)
        intervals = howsure.prediction_intervals(known, coverage=COVERAGE)
        low, high = intervals(new)[:, 0].T
        covered.append(np.mean((low <= truth[:, 0]) & (truth[:, 0] <= high)))
        at_least.append(covered[-1] >= intervals.least)
        if len(np.unique(group)) == len(GROUPS) and "groups" in world.name:
            inside = []
            for each in range(len(GROUPS)):
                of_group, there = known[known_group == each], group == each
                low, high = howsure.prediction_intervals(of_group, coverage=COVERAGE)(new[there])[:, 0].T
                inside.append(np.mean((low <= truth[there, 0]) & (truth[there, 0] <= high)))
            of_groups.append(inside)
        try:
            rule = howsure.abstain(known, risk=RISK, tolerance=TOLERANCE)
        except InputError:
            continue
        promised += 1
        kept = ~rule(new)
        broken.append(bool(kept.any()) and np.mean(error[kept] > TOLERANCE) > RISK)
    return {
        "coverage": float(np.mean(covered)),
        "coverage_error": float(np.std(covered) / np.sqrt(SPLITS)),
        "least_kept": float(np.mean(at_least)),
        "by_group": np.mean(of_groups, axis=0).tolist() if of_groups else None,
        "promised": promised / SPLITS,
        "broken": float(np.sum(broken) / SPLITS),
    }


# --- scores -------------------------------------------------------------------------------------------


def look_at_scores(
    world: World, exact: Mapping[str, float] | None = None
) -> dict[str, dict[str, list[float]]]:
    """By number of rows and score: share of splits with an interval, and of these with the truth in it.

    The truth is that of many rows, but for what is known exactly.
    """
    many, _ = world.draw(np.random.default_rng(2), 4 * MANY)
    true = {name: each.value for name, each in of_target(many, 0, many.truth[:, 0], 0, None).items()}
    true |= exact or {}
    found: dict[str, dict[str, list[float]]] = {}
    for rows in SIZES:
        held: dict[str, list[bool]] = {name: [] for name in true}
        for seed in range(SPLITS):
            known, _ = world.draw(np.random.default_rng([3, rows, seed]), rows)
            for name, each in of_target(known, 0, known.truth[:, 0], seed, None).items():
                low, high = each.interval(0.95)
                if np.isfinite(low + high):
                    slack = 1e-9 * abs(true[name])
                    held[name].append(low - slack <= true[name] <= high + slack)
        found[str(rows)] = {
            name: [len(each) / SPLITS, float(np.mean(each)) if each else np.nan]
            for name, each in held.items()
        }
    return found


def look_at_fits() -> dict[str, float]:
    """How often the interval of what was learnt holds the truth: a noise of 1, and a factor of 2."""
    noise, factor = [], []
    for seed in range(SPLITS):
        random = np.random.default_rng([4, seed])
        mean, spread = random.normal(size=ROWS), 0.5 * _uneven(random, ROWS)
        samples = mean + spread * random.normal(size=(NETWORKS, ROWS))
        result = howsure.RegressionCertainty.from_samples(samples)
        error = np.sqrt(1 + result.spread**2) * random.normal(size=(ROWS, 1))
        value = noise_of(error[:, 0], result.spread[:, 0])
        score = NOISE.score(result, 0, error[:, 0], value)
        noise.append(score.low <= 1 <= score.high)
        known, _ = WORLDS[4].draw(random, ROWS)
        score = FACTOR.score(known, 0, (known.truth - known.mean)[:, 0], 2.0)
        factor.append(score.low <= 2 <= score.high)
    return {"noise": float(np.mean(noise)), "factor": float(np.mean(factor))}


# --- the page -----------------------------------------------------------------------------------------


def parts(figures: Mapping[str, Any]) -> dict[str, object]:
    """Figures and tables of the page."""
    lines, shares = [], []
    for name, of in figures["worlds"].items():
        promise = of["promises"]
        told = [share for scores in of["scores"].values() for often, share in scores.values() if often >= 0.1]
        shares += told
        coverage = f"{100 * promise['coverage']:.1f} ± {196 * promise['coverage_error']:.1f} %"
        broken = f"{100 * promise['broken']:.1f} of {percent(promise['promised'], 0)}"
        lines.append([name, coverage, broken, percent(min(told), 0)])
    grouped = next(of["promises"] for of in figures["worlds"].values() if of["promises"]["by_group"])
    heads = ["world", f"coverage of {100 * COVERAGE:g} % intervals", "abstention: broken of promised"]
    found: dict[str, object] = {
        "worlds": table([*heads, "scores: lowest coverage"], *lines),
        "kinds": len(shares),
        "hold": int(np.sum(np.array(shares) >= 0.9)),
        "groups": f"{', '.join(f'{100 * share:.1f}' for share in grouped['by_group'])} %",
    }
    found |= {name: percent(share, 0) for name, share in figures["fits"].items()}
    for name in ("rmse", "nll", "mae", "crps"):
        found[name] = percent(min(scores[name][1] for scores in figures["beyond"].values()), 0)
    return found


def look() -> dict[str, Any]:
    """Everything."""
    warnings.simplefilter("ignore")
    worlds = {}
    for world in WORLDS:
        worlds[world.name] = {"promises": look_at_promises(world), "scores": look_at_scores(world)}
        print(world.name, worlds[world.name]["promises"], flush=True)
    return {"worlds": worlds, "beyond": look_at_scores(BEYOND, EXACT), "fits": look_at_fits()}


if __name__ == "__main__":
    PAGE.measure(look, parts)
