"""How often a comparison of numbers takes a method that is no better: to docs/compare-numbers.json.

    python -m validation.compare_numbers

In most worlds all methods have the same expected negative log-likelihood (NLL), or the others have a higher
one than the baseline. There any sentence "Take …" that names another method is false, which may happen in at
most 5 % of the draws. More than chance allows is an error. In the last worlds a method is better, and it is
counted how often it is taken.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

import howsure
from benchmarks.docs import Page
from howsure.compare.findings import chosen

Floats = NDArray[np.float64]
Results = dict[str, howsure.RegressionCertainty]
Draw = Callable[[np.random.Generator, int], tuple[Results, Floats]]

PAGE = Page("compare-numbers")
DRAWS = 400
OWN_ERROR, MEMBERS = 0.3, 5
"""Standard deviation of each method's own error, in that of the noise; members of a method that has some."""

NAMES = ("a", "b", "c", "d")


def _of_mean(mean: Floats, std: Floats | float) -> howsure.RegressionCertainty:
    return howsure.RegressionCertainty.from_mean_std(mean, np.broadcast_to(std, mean.shape))


def normal(random: np.random.Generator, rows: int) -> tuple[Results, Floats]:
    """Noise that is the same for all rows, learned for each method."""
    return _alike(random, random.normal(size=rows))


def heteroscedastic(random: np.random.Generator, rows: int) -> tuple[Results, Floats]:
    """Noise that differs by a factor of 30 between rows; methods know it, and have errors of their own."""
    std = np.exp(random.uniform(-1.7, 1.7, rows))
    y = std * random.normal(size=rows)
    return {name: _of_mean(OWN_ERROR * std * random.normal(size=rows), std) for name in NAMES}, y


def _alike(random: np.random.Generator, y: Floats) -> tuple[Results, Floats]:
    """Methods of some members each, whose noise the comparison learns."""
    own = OWN_ERROR * random.normal(size=(len(NAMES), MEMBERS, len(y)))
    return {
        name: howsure.RegressionCertainty.from_samples(each) for name, each in zip(NAMES, own, strict=True)
    }, y


def rarely_wrong(random: np.random.Generator, rows: int) -> tuple[Results, Floats]:
    """The baseline is a little off on all rows, the others far off on a twentieth; their NLL is the same."""
    share = 0.05
    y = random.normal(size=rows)
    found = {"a": _of_mean(np.full(rows, np.sqrt(share)), 1.0)}
    return found | {name: _of_mean(1.0 * (random.random(rows) < share), 1.0) for name in NAMES[1:]}, y


def mostly_wrong(random: np.random.Generator, rows: int) -> tuple[Results, Floats]:
    """The same with the baseline among those that are far off on a twentieth."""
    found, y = rarely_wrong(random, rows)
    return {"b": found["b"], "a": found["a"], "c": found["c"]}, y


def useless_spread(random: np.random.Generator, rows: int) -> tuple[Results, Floats]:
    """Standard deviations that differ between rows for no reason, beside one that is right: a higher NLL."""
    y = random.normal(size=rows)
    found = {"a": _of_mean(np.zeros(rows), 1.0)}
    return found | {
        name: _of_mean(np.zeros(rows), np.exp(random.normal(-0.05, 0.3, rows))) for name in NAMES[1:]
    }, y


def known_noise(random: np.random.Generator, rows: int) -> tuple[Results, Floats]:
    """The baseline has one standard deviation for all rows, the other knows those of single rows."""
    std = np.exp(random.uniform(-0.7, 0.7, rows))
    usual = np.sqrt(np.sinh(1.4) / 1.4)  # √E σ²
    return {"a": _of_mean(np.zeros(rows), usual), "b": _of_mean(np.zeros(rows), std)}, std * random.normal(
        size=rows
    )


def closer(random: np.random.Generator, rows: int) -> tuple[Results, Floats]:
    """The other method has half of the baseline's own error; the noise of both is learned."""
    y = random.normal(size=rows)
    samples = random.normal(size=(2, MEMBERS, rows)) + random.normal(size=(2, 1, rows))
    made = howsure.RegressionCertainty.from_samples
    return {"a": made(2 * OWN_ERROR * samples[0]), "b": made(OWN_ERROR * samples[1])}, y


@dataclass(frozen=True)
class World:
    """Draws of methods and true numbers of so many rows; with calibrated methods, too, or a better one."""

    of: Draw
    size: int
    calibrated: bool = False
    better: str | None = None

    def draw(self, random: np.random.Generator) -> tuple[Results, Floats]:
        """One draw, with the baseline first."""
        return self.of(random, self.size)


WORLDS: Mapping[str, World] = {
    "normal noise": World(normal, 200),
    "normal noise, 20 rows": World(normal, 20),
    "noise that differs between rows": World(heteroscedastic, 200),
    "noise that differs between rows, 20 rows": World(heteroscedastic, 20),
    "noise that differs between rows, also calibrated": World(heteroscedastic, 1_000, calibrated=True),
    "heavy tails": World(lambda random, rows: _alike(random, random.standard_t(3, rows)), 200),
    "heavy tails, 20 rows": World(lambda random, rows: _alike(random, random.standard_t(3, rows)), 20),
    "skewed noise": World(
        lambda random, rows: _alike(random, random.lognormal(size=rows) - np.exp(0.5)), 200
    ),
    "a baseline that is a little off everywhere": World(rarely_wrong, 200),
    "a baseline that is far off on a twentieth": World(mostly_wrong, 200),
    "a spread that means nothing": World(useless_spread, 200),
    "one method knows the noise of each row": World(known_noise, 200, better="b"),
    "one method is closer": World(closer, 200, better="b"),
}


def taken(world: Any, seed: int) -> tuple[str, str]:
    """The method that the comparison says to take, and the baseline."""
    results, truth = world.draw(np.random.default_rng([seed, world.size]))
    comparison = howsure.Comparison.of_results(results, truth, calibrated=world.calibrated, seed=seed)
    return chosen(comparison), next(iter(results))


def share_of(world: Any, draws: int) -> float:
    """How often another method than the baseline is taken; where one is better, how often that one is."""
    each = (taken(world, seed) for seed in range(draws))
    return float(
        np.mean([name != first if world.better is None else name == world.better for name, first in each])
    )


def is_too_often(share: float, draws: int) -> bool:
    """Whether a share of false sentences is above 5 % by more than chance, once in a thousand such checks."""
    return bool(binom.sf(round(share * draws) - 1, draws, 0.05) < 0.001)


def count(page: Page, worlds: Mapping[str, Any], unit: str, draws: int) -> None:
    """Draw all worlds of so many rows, or images, each; print and keep the shares.

    Raises:
        SystemExit: A method that is no better is taken too often.
    """
    found, wrong = {}, []
    for name, world in worlds.items():
        often, is_better = share_of(world, draws), world.better is not None
        found[name] = {unit: world.size, "draws": draws, "taken": often, "is_better": is_better}
        print(f"{name}: {often:.1%}", flush=True)
        wrong += [name] if not is_better and is_too_often(often, draws) else []
    page.keep(found)
    if wrong:
        sys.exit(f"A method that is no better is taken in more than 5 % of draws: {', '.join(wrong)}")


if __name__ == "__main__":
    count(PAGE, WORLDS, "rows", DRAWS)
