"""How often a comparison of positions takes a method that is no better: to docs/compare-positions.json.

    python -m validation.compare_positions

Images have two classes, and their pixels depend strongly on each other. In the first worlds three methods see
different parts of the evidence, as much each, and say exactly the right probability given what they see. So
all have the same expected negative log-likelihood (NLL), and calibration cannot lower it. In two more worlds
the differences between images are as skewed as they can be. There any sentence "Take …" that names another
method than the baseline is false, which may happen in at most 5 % of the draws; more than chance allows is an
error. In the last world a method is better, and it is counted how often it is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import expit, ndtr

import howsure
from benchmarks.docs import Page
from howsure.sampling.outcome import Floats, Integers
from validation.compare_numbers import count

FIGURES = Page("compare-positions")
DRAWS = 300
SIDE = 8
NAMES, METHODS = ("ground", "object"), ("a", "b", "c")
EVIDENCE = 1.0
"""Standard deviation of what one method sees, in log-odds."""

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(25)

Drawn = tuple[dict[str, howsure.DenseCertainty], Integers]


@dataclass(frozen=True)
class World:
    """Draws of so many images, as three methods see them.

    `offset` is the log-odds of the second class where nothing is seen, and `uneven` the standard deviation of
    the logarithm by which images differ in how much there is to see. Evidence is smoothed over `smooth`
    pixels (inf: the same in an image). Of a share of the images `left_out`, three quarters of the pixels do
    not count. Calibrated methods are compared, too, if `calibrated`; then of two methods, as that is slow.
    `better` sees twice as much. With `off`, methods do not see parts of the evidence: on this share of the
    images the other methods are off, as much in all as the baseline `first` is on all images.
    """

    images: int
    offset: float = 0.0
    uneven: float = 0.3
    smooth: float = 2.0
    left_out: float = 0.0
    calibrated: bool = False
    better: str | None = None
    off: float = 0.0
    first: str = METHODS[0]

    @property
    def size(self) -> int:
        """How many rows: images."""
        return self.images

    def draw(self, random: np.random.Generator) -> Drawn:
        """One draw, with the baseline first."""
        p, truth = (self._off if self.off else self._seen)(random)
        names = [self.first, *(name for name in p if name != self.first)][: 2 if self.calibrated else None]
        partly = random.random(self.images) < self.left_out
        truth = np.where(partly[:, None, None] & (np.arange(SIDE) >= SIDE // 4), -1, truth)
        return {
            name: howsure.DenseCertainty.from_probabilities(np.stack([1 - p[name], p[name]], axis=-1), NAMES)
            for name in names
        }, truth

    def _seen(self, random: np.random.Generator) -> tuple[dict[str, Floats], Integers]:
        """Each method sees a part of the log-odds, and averages over what it does not see."""
        scale = EVIDENCE * np.exp(self.uneven * random.normal(size=(self.images, 1, 1)))
        deviation = {name: scale * (2.0 if name == self.better else 1.0) for name in METHODS}
        seen = {name: deviation[name] * self._smoothed(random) for name in METHODS}
        uniform = ndtr(self._smoothed(random))  # neighbours are right and wrong together
        truth = (uniform < expit(self.offset + sum(seen.values()))).astype(np.int64)
        p = {}
        for name in METHODS:
            unseen = np.sqrt(sum(deviation[other] ** 2 for other in METHODS if other != name))
            p[name] = sum(
                weight * expit(self.offset + seen[name] + node * unseen)
                for node, weight in zip(NODES, WEIGHTS / WEIGHTS.sum(), strict=True)
            )
        return p, truth

    def _smoothed(self, random: np.random.Generator) -> Floats:
        """(N, SIDE, SIDE) standard normal numbers, alike in neighbours."""
        if np.isinf(self.smooth):
            return np.repeat(random.normal(size=(self.images, 1, 1)), SIDE**2, axis=1).reshape(-1, SIDE, SIDE)
        of_one = np.zeros((4 * SIDE + 1, 4 * SIDE + 1))
        of_one[2 * SIDE, 2 * SIDE] = 1
        unit = np.sqrt(np.sum(gaussian_filter(of_one, self.smooth, mode="wrap") ** 2))
        margin = 2 * SIDE
        noise = random.normal(size=(self.images, SIDE + 2 * margin, SIDE + 2 * margin))
        found = gaussian_filter(noise, (0, self.smooth, self.smooth), mode="wrap") / unit
        return found[:, margin:-margin, margin:-margin]

    def _off(self, random: np.random.Generator) -> tuple[dict[str, Floats], Integers]:
        """The first gives the true class the same percentage everywhere, others a low one in few images."""
        truth = (self._smoothed(random) > 0).astype(np.int64)
        of_true = {METHODS[0]: np.full(self.images, np.exp(-0.1))}
        for name in METHODS[1:]:
            of_true[name] = np.where(random.random(self.images) < self.off, np.exp(-0.1 / self.off), 1.0)
        return {
            name: np.where(truth == 1, each[:, None, None], 1 - each[:, None, None])
            for name, each in of_true.items()
        }, truth


WORLDS: Mapping[str, World] = {
    "30 images": World(30, calibrated=True),
    "6 images": World(6),
    "10 images": World(10, calibrated=True),
    "80 images": World(80),
    "a class in a twentieth of the pixels": World(40, offset=-4.0),
    "images that differ much": World(30, uneven=1.2),
    "each image as a whole": World(20, smooth=np.inf, calibrated=True),
    "images of which most pixels do not count": World(30, left_out=0.5),
    "a baseline that is a little off everywhere": World(40, off=0.1),
    "a baseline that is far off in a tenth": World(40, off=0.1, first="b"),
    "one method sees twice as much": World(30, better="b"),
}


if __name__ == "__main__":
    count(FIGURES, WORLDS, "images", DRAWS)
