"""What do errors of maps cover where few units are dropped? A part of docs/positions.md.

    python -m validation.rare     to docs/rare.json; `python -m validation.positions` writes the page

Networks in numpy with a dropout of few channels. Up to 16 channels all thinned networks are enumerated, so
the truth is exact; of 64 it comes from 12,000 balanced passes. Takes about five minutes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from scipy.special import softmax

import howsure
from benchmarks.docs import Page, percent, table
from howsure.models.arrays import ArrayModel, Dense, Dropout
from howsure.sampling.masks import draw
from howsure.sampling.outcome import Floats
from howsure.sites import DROPOUT, Site
from howsure.statistics import ERROR_FLOOR
from validation.small_network import chain, thinned

PAGE = Page("rare")
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
    site = Site(0, "drop", DROPOUT, rate, (channels,))
    for group in range(LONG // 50):
        for mask in draw(site, seed=12345, group=group, size=50):
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


def maps() -> str:
    """The table of docs/positions.md, from what was looked at."""
    lines = [
        [
            *name.split(", "),
            *(percent(of["within"], 0), percent(of["beyond"])),
            *(f"{of['error']:.4f}", f"{of['ratio']:.2f}"),
            *(percent(of["shares"], 0), percent(of["shares_beyond"]), f"{of['passes']:.0f}"),
        ]
        for name, of in PAGE.figures().items()
    ]
    heads = ["rate", "channels", "drops", "map: within 1.96", "beyond 4", "true error", "true ÷ told"]
    return table([*heads, "shares: within 1.96", "beyond 4", "passes"], *lines)


if __name__ == "__main__":
    found = {}
    for rate, channels, kind in itertools.product(RATES, CHANNELS, KINDS):
        found[f"{rate}, {channels}, {kind}"] = look_at(rate, channels, kind)
        print(rate, channels, kind, found[f"{rate}, {channels}, {kind}"], flush=True)
    PAGE.keep(found)
