"""Do intervals of scores hold where each position has a class? To docs/positions.md.

    python -m validation.positions             to docs/positions.json and docs/positions.md
    python -m validation.positions --page      the page alone, also from figures of `validation.rare`

Images are drawn from a made population whose scores are known exactly, numpy and scipy only. Neighbouring
pixels are strongly correlated. Takes about two minutes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

import howsure
from benchmarks.docs import Page, percent, table
from howsure.sampling.outcome import Integers
from howsure.statistics import proportion_interval
from validation import rare

PAGE = Page("positions")
IMAGES, SIDE = 1500, 12
NAMES = ("road", "car", "bicycle")
THERE = (1.0, 0.9, 0.25)
"""Share of the images that have each class."""

SETS, SIZES = 400, (10, 20, 30, 60)
SCORES = (
    *("accuracy", "mean_dice", "mean_iou", "dice of car", "dice of bicycle", "nll", "brier", "ece"),
    *("error_auroc", "row_dice", "aurc", "aurg"),
)


def population(seed: int = 0) -> tuple[howsure.DenseCertainty, Integers]:
    """Images of smooth regions, and what a model that is worse on some says of them."""
    random = np.random.default_rng(seed)
    shape = (IMAGES, len(NAMES), SIDE, SIDE)
    there = np.where(random.random(shape[:2]) < THERE, 0.0, -99.0)
    regions = 6 * gaussian_filter(random.normal(size=shape), (0, 0, 3, 3)) + there[..., None, None]
    truth = (regions + np.array([0.5, 0.0, -0.3])[:, None, None]).argmax(axis=1)
    skill = 1.5 * np.exp(0.7 * random.normal(size=(IMAGES, 1, 1, 1)))
    logits = skill * (np.arange(len(NAMES))[None, :, None, None] == truth[:, None])
    logits += 5 * gaussian_filter(random.normal(size=shape), (0, 0, 2, 2))
    logits += 0.5 * random.normal(size=(*shape[:2], 1, 1))
    p = np.exp(np.moveaxis(logits, 1, -1))
    return howsure.DenseCertainty.from_probabilities(p / p.sum(axis=-1, keepdims=True), NAMES), truth


def look() -> dict[str, Any]:
    """The true scores, and by size how often their 95 % intervals hold them, and how often there is one."""
    (result, truth), random = population(), np.random.default_rng(1)
    of_all = howsure.evaluate(result, truth)
    found = {name: {"true": of_all.measured(name).value, "held": {}} for name in SCORES}
    for size in SIZES:
        counts = dict.fromkeys(SCORES, np.zeros(2, int))
        for _ in range(SETS):
            rows = random.integers(0, IMAGES, size)
            evaluation = howsure.evaluate(result[rows], truth[rows])
            for name in SCORES:
                score = evaluation.measured(name).score(0.95)
                if score.known:
                    counts[name] = counts[name] + [score.low <= found[name]["true"] <= score.high, 1]
        for name in SCORES:
            found[name]["held"][str(size)] = counts[name].tolist()
    return found


def shares_of(found: dict[str, Any]) -> list[float]:
    """How often intervals hold, where a tenth of the sets or more have one."""
    held = [each for score in found.values() for each in score["held"].values()]
    return [hits / known for hits, known in held if known >= SETS / 10]


def _share(hits: int, known: int) -> str:
    if known < SETS / 10:
        return "no interval"
    low, high = proportion_interval(hits, known)
    told = f"{100 * hits / known:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
    return told if known == SETS else f"{told}, of {100 * known / SETS:.0f} % that have one"


def parts(found: dict[str, Any]) -> dict[str, object]:
    """Figures and tables of the page."""
    lines = [
        [name, f"{of['true']:.3f}", *(_share(*each) for each in of["held"].values())]
        for name, of in found.items()
    ]
    return {
        "accuracy": percent(found["accuracy"]["true"], 0),
        "scores": table(["score", "true value", *(f"{size} images" for size in SIZES)], *lines),
        "maps": rare.maps(),
    }


if __name__ == "__main__":
    PAGE.measure(look, parts)
