"""Do errors and intervals hold where each position has a class? To docs/positions.md.

    python -m validation.rare             everything, to docs/rare.json, docs/positions.json and the page
    python -m validation.rare maps        errors of maps where few units are dropped, about five minutes
    python -m validation.rare scores      intervals of scores

Networks in numpy have a dropout of few channels. Up to 16 channels all thinned networks are enumerated, so
the truth is exact; of 64 it comes from 12,000 balanced passes. Scores are those of a made population of
images whose neighbouring pixels are strongly correlated.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import softmax

import howsure
from benchmarks.docs import Page, percent, shares, table
from howsure.random_ops import DROPOUT, RandomOp
from howsure.sampling.masks import draw
from howsure.sampling.outcome import Floats, Integers
from howsure.statistics import ERROR_FLOOR
from tests.support.arrays import ArrayModel, Dense, Dropout
from validation.small_network import chain, thinned

MAPS, PAGE = Page("rare"), Page("positions")
RATES, CHANNELS, KINDS = (0.02, 0.05, 0.1, 0.3), (4, 16, 64), ("channels", "units")
SIDE, CLASSES, ROWS, NETWORKS, SEEDS = 8, 3, 6, 8, 4
LONG = 12_000
"""Passes that the truth of 64 channels comes from, in balanced groups of 50."""


@cache
def weights(channels: int, number: int) -> tuple[Floats, ...]:
    """Of both layers, and rows."""
    random = np.random.default_rng(number)
    first = random.normal(size=(5, channels)), 0.5 * random.normal(size=channels)
    last = 2 / np.sqrt(channels) * random.normal(size=(channels, CLASSES)), 0.5 * random.normal(size=CLASSES)
    return (*first, *last, random.normal(size=(ROWS, SIDE, SIDE, 5)).astype(np.float32))


def network(rate: float, channels: int, kind: str, number: int) -> ArrayModel:
    """A network whose dropout leaves out whole channels, or single units."""
    w1, b1, w2, b2, _ = weights(channels, number)
    mask = (1, 1, channels) if kind == KINDS[0] else None
    layers = Dense(w1, b1, "relu"), Dropout(rate, mask_shape=mask), Dense(w2, b2, "softmax")
    return chain((SIDE, SIDE, 5), *layers)


def masks(rate: float, channels: int) -> Iterator[tuple[Floats, float]]:
    """Masks of the channels and how much each weighs."""
    if channels <= 16:
        yield from zip(*thinned(channels, rate), strict=True)
        return
    op = RandomOp(0, "drop", DROPOUT, rate, (channels,))
    for group in range(LONG // 50):
        for mask in draw(op, seed=12345, group=group, size=50):
            yield mask.astype(np.float64), 1 / LONG


@cache
def truth(rate: float, channels: int, number: int) -> tuple[Floats, Floats]:
    """(N, *P, K) probabilities and (N, K) shares. At a position single units have the masks of channels."""
    w1, b1, w2, b2, x = weights(channels, number)
    hidden = np.maximum(x @ w1 + b1, 0)
    p, share = np.zeros((ROWS, SIDE, SIDE, CLASSES)), np.zeros((ROWS, CLASSES))
    for mask, weight in masks(rate, channels):
        logits = (hidden * mask / (1 - rate)) @ w2 + b2
        each = softmax(logits, axis=-1)
        p += weight * each
        share += weight * np.eye(CLASSES)[each.argmax(axis=-1)].mean(axis=(1, 2))
    return p, share


def look_at(rate: float, channels: int, kind: str) -> dict[str, float]:
    """How often estimates lie within 1.96 errors, and beyond four; true over told error; and passes."""
    off, of_shares, passes, squares = [], [], [], []
    for number in range(NETWORKS):
        model, x = network(rate, channels, kind, number), weights(channels, number)[-1]
        p, share = truth(rate, channels, number)
        for seed in range(SEEDS):
            found: Any = howsure.assess(model, x, seed=seed, outputs="probabilities")
            true = np.take_along_axis(p, np.asarray(found.label, np.int64)[..., None], axis=-1)[..., 0]
            away = found.probability - true
            off.append(np.abs(away) / found.mc_error)
            squares.append([np.mean(away**2), np.mean(np.asarray(found.mc_error, np.float64) ** 2)])
            of_shares.append(np.abs(found.share - share) / np.maximum(found.share_error, ERROR_FLOOR))
            passes.append(found.passes.mean())
    (true_square, told), maps, shares = np.mean(squares, axis=0), np.array(off), np.array(of_shares)
    found = {
        **{"within": np.mean(maps <= 1.96), "beyond": np.mean(maps > 4)},
        **{"shares": np.mean(shares <= 1.96), "shares_beyond": np.mean(shares > 4)},
        **{"ratio": np.sqrt(true_square / told), "error": np.sqrt(true_square), "passes": np.mean(passes)},
    }
    return {name: float(each) for name, each in found.items()}


# --- scores of images -----------------------------------------------------------------------------------

IMAGES, WIDE = 1500, 12
NAMES = ("road", "car", "bicycle")
THERE = (1.0, 0.9, 0.25)
"""Share of the images that have each class."""

SETS, SIZES = 400, (10, 20, 30, 60)
SCORES = (
    *("accuracy", "mean_dice", "mean_iou", "dice of car", "dice of bicycle", "nll", "brier", "ece"),
    *("row_dice", "aurc", "aurg"),
)


def population(seed: int = 0) -> tuple[howsure.DenseCertainty, Integers]:
    """Images of smooth regions, and what a model that is worse on some says of them."""
    random = np.random.default_rng(seed)
    shape = (IMAGES, len(NAMES), WIDE, WIDE)
    there = np.where(random.random(shape[:2]) < THERE, 0.0, -99.0)
    regions = 6 * gaussian_filter(random.normal(size=shape), (0, 0, 3, 3)) + there[..., None, None]
    truth = (regions + np.array([0.5, 0.0, -0.3])[:, None, None]).argmax(axis=1)
    skill = 1.5 * np.exp(0.7 * random.normal(size=(IMAGES, 1, 1, 1)))
    logits = skill * (np.arange(len(NAMES))[None, :, None, None] == truth[:, None])
    logits += 5 * gaussian_filter(random.normal(size=shape), (0, 0, 2, 2))
    logits += 0.5 * random.normal(size=(*shape[:2], 1, 1))
    p = np.exp(np.moveaxis(logits, 1, -1))
    return howsure.DenseCertainty.from_probabilities(p / p.sum(axis=-1, keepdims=True), NAMES), truth


def look_at_scores() -> dict[str, Any]:
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
    told = f"{100 * hits / known:.0f} %"
    return told if known == SETS else f"{told} of {100 * known / SETS:.0f} %"


# --- the page -----------------------------------------------------------------------------------


def maps() -> str:
    """The table of docs/positions.md, from what was looked at."""
    by_rate: dict[str, list[Any]] = {}
    for name, of in MAPS.figures().items():
        by_rate.setdefault(name.partition(",")[0], []).append(of)
    lines = []
    for rate, networks in by_rate.items():
        within, told, covered = ([of[key] for of in networks] for key in ("within", "ratio", "shares"))
        passes = [of["passes"] for of in networks]
        lines.append([rate, shares(within), percent(max(of["beyond"] for of in networks))])
        lines[-1] += [f"{min(told):.2f} to {max(told):.2f}", shares(covered)]
        lines[-1].append(f"{min(passes):.0f} to {max(passes):.0f}")
    heads = ["rate", "map: within 1.96", "beyond 4, at most", "true ÷ told", "shares: within 1.96", "passes"]
    return table(heads, *lines)


def parts(found: dict[str, Any]) -> dict[str, object]:
    """Figures and tables of the page."""
    lines = [
        [name, f"{of['true']:.3f}", *(_share(*each) for each in of["held"].values())]
        for name, of in found.items()
    ]
    return {
        "accuracy": percent(found["accuracy"]["true"], 0),
        "scores": table(["score", "true value", *(f"{size} images" for size in SIZES)], *lines),
        "maps": maps(),
    }


if __name__ == "__main__":
    found = {}
    if sys.argv[1:] in ([], ["maps"]):
        for each in itertools.product(RATES, CHANNELS, KINDS):
            found[", ".join(map(str, each))] = look_at(*each)
            print(*each, found[", ".join(map(str, each))], flush=True)
        MAPS.keep(found)
    if sys.argv[1:] in ([], ["scores"]):
        PAGE.keep(look_at_scores())
    PAGE.fill(parts(PAGE.figures()))
