"""Do intervals and promises for a class at each position hold? To docs/positions.md.

    python -m validation.positions

Images are drawn from a made population whose scores are known exactly, numpy and scipy only. Neighbouring
pixels are strongly correlated. Takes about two minutes.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

import howsure
from benchmarks.docs import Page, percent, table
from howsure.answers.positions.calibrate import METHODS
from howsure.answers.positions.result import DenseCertainty
from howsure.sampling.outcome import Integers
from howsure.statistics import proportion_interval
from validation import rare

IMAGES, SIDE = 1500, 12
NAMES = ("road", "car", "bicycle")
THERE = (1.0, 0.9, 0.25)
"""Share of the images that have each class."""

SETS = 400
SIZES = (10, 20, 30, 60)
SCORES = (
    *("accuracy", "mean_dice", "mean_iou", "dice of car", "dice of bicycle", "nll", "brier", "ece"),
    *("error_auroc", "row_dice", "aurc", "aurg"),
)


def population(seed: int = 0) -> tuple[DenseCertainty, Integers]:
    """Images of smooth regions, and what a model that is worse on some says of them."""
    random = np.random.default_rng(seed)
    shape = (IMAGES, len(NAMES), SIDE, SIDE)
    near = (0, 0, 3, 3)
    there = np.where(random.random(shape[:2]) < THERE, 0.0, -99.0)
    regions = 6 * gaussian_filter(random.normal(size=shape), near) + there[..., None, None]
    truth = (regions + np.array([0.5, 0.0, -0.3])[:, None, None]).argmax(axis=1)
    skill = 1.5 * np.exp(0.7 * random.normal(size=(IMAGES, 1, 1, 1)))
    logits = skill * (np.arange(len(NAMES))[None, :, None, None] == truth[:, None])
    logits += 5 * gaussian_filter(random.normal(size=shape), (0, 0, 2, 2))
    logits += 0.5 * random.normal(size=(*shape[:2], 1, 1))
    p = np.exp(np.moveaxis(logits, 1, -1))
    return howsure.DenseCertainty.from_probabilities(p / p.sum(axis=-1, keepdims=True), NAMES), truth


def coverage_of_scores(result: DenseCertainty, truth: Integers) -> str:
    """How often the 95 % intervals of scores hold the score of the population."""
    random = np.random.default_rng(1)
    of_all = howsure.evaluate(result, truth)
    true = {name: of_all.measured(name).value for name in SCORES}
    held = {name: {size: [0, 0] for size in SIZES} for name in SCORES}
    for size in SIZES:
        for _ in range(SETS):
            rows = random.integers(0, IMAGES, size)
            found = howsure.evaluate(result[rows], truth[rows])
            for name in SCORES:
                score = found.measured(name).score(0.95)
                if score.known:
                    held[name][size][0] += bool(score.low <= true[name] <= score.high)
                    held[name][size][1] += 1
    lines = [
        [name, f"{true[name]:.3f}", *(_share(*held[name][size], SETS) for size in SIZES)] for name in SCORES
    ]
    return table(["score", "true value", *(f"{size} images" for size in SIZES)], *lines)


def _share(hits: int, known: int, sets: int) -> str:
    if known < sets / 10:
        return "no interval"
    low, high = proportion_interval(hits, known)
    told = f"{100 * hits / known:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
    return told if known == sets else f"{told}, of {100 * known / sets:.0f} % that have one"


def temperatures(result: DenseCertainty, truth: Integers) -> str:
    """How often the interval of the temperature holds that of the population."""
    random, true = np.random.default_rng(4), howsure.calibrate(result, truth).temperature
    lines = []
    for size in (20, 60):
        held, better = 0, 0
        for _ in range(SETS // 2):
            rows = random.integers(0, IMAGES, size)
            found = howsure.calibrate(result[rows], truth[rows])
            held += bool(found.temperature.low <= true.value <= found.temperature.high)
            better += found.after.value < found.before.value
        lines.append([size, _share(held, SETS // 2, SETS // 2), percent(better / (SETS // 2), 0)])
    head = ["labelled images", f"intervals that hold {true.value:.3f}", "held-out NLL lower than before"]
    return table(head, *lines)


def offsets() -> str:
    """What `validation.offsets` found on CamVid."""
    found = Page("offsets").figures()
    lines = []
    for name in next(iter(found.values())):
        cells: list[object] = [name if name in ("none", *METHODS) else f"{name} (not in howsure)"]
        for of_part in found.values():
            of, (gap, low, high) = of_part[name], of_part[name]["difference"]
            more = "" if name == "none" else f" ({gap:+.3f}, {low:+.3f} to {high:+.3f})".replace("-", "−")
            cells.append(f"{of['NLL']:.3f}{more}, {100 * of['accuracy']:.1f}, {100 * of['Dice']:.1f}")
        lines.append(cells)
    return table(["calibration", *(f"learnt from {part}: NLL, accuracy, Dice" for part in found)], *lines)


def parts() -> dict[str, object]:
    """Figures and tables of the page."""
    result, truth = population()
    return {
        "accuracy": percent(float(np.mean(result.label == truth)), 0),
        "scores": coverage_of_scores(result, truth),
        "maps": rare.maps(),
        "temperatures": temperatures(result, truth),
        "offsets": offsets(),
    }


if __name__ == "__main__":
    Page("positions").fill(parts())
