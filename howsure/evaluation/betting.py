"""Tests of means that may be looked at after every draw, by betting (Waudby-Smith and Ramdas 2024).

A loss x in [0, 1] should have a mean of at most m, whatever came before. A bet of size λ, 0 ≤ λ < 1/m, turns
its money into 1 + λ (x − m) times as much with every draw. While losses keep to the limit, that is a
nonnegative supermartingale, which ever reaches 1/α times its beginning with a probability of at most α
(Ville 1939): however often one looks, and whatever one does then.

Nobody knows from which draw on losses grow, and by how much. So the money is divided beforehand among all
beginnings and `SIZES` sizes of bets: after t draws a share (1 + t / `PATIENCE`)^−½ of it has not been bet.
Sums over beginnings are carried along, so the state has a fixed size, and portions make no difference.
Several tests are joined by the mean of their wealth, which is such a supermartingale too, however they depend
on each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from howsure.inputs.typed_json import FINITE, numbers, typed
from howsure.sampling.outcome import Floats, Integers

SIZES = 12
"""Sizes of bets: λ m from m / 8 to 1/2, for means from little to far above their limit."""

PATIENCE = 100
"""Draws after which 0.71 of the money is not bet yet. With 10 a loss that grows after 10,000 draws is seen a
tenth later, and with 1,000 one that is too large from the first draw on a half later."""

NOTHING = -1e300
"""The logarithm of no money, as JSON can hold it."""

POINTS = 128
"""Most points of a course that are kept. Their distance in draws is a power of two."""

AT_ONCE = 2**20
"""Numbers that are computed at once."""


@dataclass(frozen=True)
class Portion:
    """Some draws, each of a row or of a group of rows, and their losses in P tests.

    Attributes:
        losses: (n, P) in [0, 1].
        weights: (n, P) in [0, 1], how much of each draw has such a loss; a bet is for that part of a draw.
        rows: (n,) number of the first row of each, from 1.
        ids: (n,) the ids of these rows, or empty texts.
        counted: (n, P, K) how much of each draw is of each of K classes.
        missed: (n, P, K) how much of that is a loss.
    """

    losses: Floats
    weights: Floats
    rows: Integers
    ids: NDArray[Any]
    counted: Floats
    missed: Floats

    def part(self, begin: int, end: int) -> Self:
        """The draws from one to before another."""
        return replace(self, **{name: values[begin:end] for name, values in vars(self).items()})


@dataclass(frozen=True)
class CoursePoint:
    """A point in the course of P tests.

    Attributes:
        draw: How many draws came before.
        row: Number of the first row of the draw after it, from 1.
        id: The id of that row, or an empty text.
        draws: (P,) sum of the weights that came before.
        totals: (P,) sum of their losses, by weight.
        wealth: (P,) logarithm of the wealth.
        counted: (P, K) how much of each of K classes came before.
        missed: (P, K) how much of that was a loss.
    """

    draw: int
    row: int
    id: str
    draws: Floats
    totals: Floats
    wealth: Floats
    counted: Floats
    missed: Floats

    @classmethod
    def first(cls, tests: int, classes: int) -> Self:
        """The point before the first draw."""
        none, by_class = np.zeros(tests), np.zeros((tests, classes))
        return cls(0, 1, "", none, none, none, by_class, by_class)

    @property
    def as_json(self) -> dict[str, Any]:
        """The point as JSON can hold it."""
        return {name: value.tolist() if name in _ARRAYS else value for name, value in vars(self).items()}

    @classmethod
    def read(cls, content: Any, tests: int, classes: int) -> Self:
        """The inverse of `as_json`."""
        saved = typed(Mapping[str, Any], content, "point")
        shapes = [(tests,)] * 3 + [(tests, classes)] * 2
        arrays = [
            numbers(saved[name], shape, FINITE, name) for name, shape in zip(_ARRAYS, shapes, strict=True)
        ]
        draw, row = (typed(int, saved[name], name) for name in ("draw", "row"))
        return cls(draw, row, typed(str, saved["id"], "id"), *arrays)


_ARRAYS = ("draws", "totals", "wealth", "counted", "missed")


@dataclass
class Course:
    """The course of P tests, which are looked at together.

    Attributes:
        limits: (P,) largest means, in (0, 1].
        level: α of all tests together.
        now: The point after the last draw.
        points: Points before some of the draws.
        growth: (P, `SIZES`) logarithm of what a bet from the first draw on would have become.
        pooled: (P, `SIZES`) logarithm of the sum, over beginnings, of the money bet ÷ `growth` before it.
        alarm: Number of the row at which the limits were refuted, or None.
        test: The test with the largest wealth then.
        since: The point from which on the losses of that test were too large, as far as was seen then.
    """

    limits: Floats
    level: float
    now: CoursePoint
    points: list[CoursePoint] = field(default_factory=list)
    growth: Floats = field(default_factory=lambda: np.zeros(0))
    pooled: Floats = field(default_factory=lambda: np.zeros(0))
    alarm: int | None = None
    test: int = 0
    since: CoursePoint | None = None

    @classmethod
    def of(cls, limits: Floats, level: float, classes: int = 0) -> Self:
        """The course before the first draw, with losses counted by K classes as well."""
        shape = len(limits), SIZES
        now = CoursePoint.first(len(limits), classes)
        return cls(np.asarray(limits), level, now, [], np.zeros(shape), np.full(shape, NOTHING))

    def add(self, draws: Portion) -> None:
        """Go on with further draws."""
        size = max(1, AT_ONCE // (len(self.limits) * max(SIZES, draws.counted.shape[-1])))
        for begin in range(0, len(draws.rows), size):
            self._add(draws.part(begin, begin + size))

    def _add(self, draws: Portion) -> None:
        count = len(draws.rows)
        if not count:
            return
        growth, pooled, states = self._after_each(draws)
        over = np.flatnonzero(_joined(states["wealth"][1:]) >= -np.log(self.level))
        if self.alarm is None and len(over) and over[0] + 1 < count:
            self._add(draws.part(0, int(over[0]) + 1))
            self._add(draws.part(int(over[0]) + 1, count))
            return
        before = self.now.draw

        def point(place: int) -> CoursePoint:
            row, name = (draws.rows[place], draws.ids[place]) if place < count else (draws.rows[-1], "")
            return CoursePoint(
                before + place, int(row), str(name), *(states[name][place] for name in _ARRAYS)
            )

        distance = 1
        while (before + count) // distance >= POINTS:
            distance *= 2
        places = range(-before % distance, count, distance)
        self.points = [old for old in self.points if old.draw % distance == 0] + [*map(point, places)]
        self.growth, self.pooled, self.now = growth, pooled, point(count)
        if self.alarm is None and len(over):
            self.alarm, self.test = int(draws.rows[-1]), int(np.argmax(self.now.wealth))
            self.since = self._beginning(self.test)

    def _after_each(self, draws: Portion) -> tuple[Floats, Floats, dict[str, Floats]]:
        """Growth and pooled money after all draws; the arrays of a point before, and after each draw."""
        sizes = np.geomspace(self.limits / 8, 0.5, SIZES, axis=-1) / self.limits[:, None]
        gains = np.log1p(sizes * (draws.weights * (draws.losses - self.limits))[..., None])
        growth = _sums(self.growth, gains)
        kept = (1 + (self.now.draw + np.arange(len(gains) + 1)) / PATIENCE) ** -0.5
        money = np.log(kept[:-1] - kept[1:])[:, None, None] - growth[:-1]
        pooled = np.logaddexp.accumulate(np.concatenate([self.pooled[None], money]), axis=0)
        bets = np.logaddexp.reduce(pooled + growth, axis=-1) - np.log(SIZES)
        states = {
            "draws": _sums(self.now.draws, draws.weights),
            "totals": _sums(self.now.totals, draws.weights * draws.losses),
            "wealth": np.logaddexp(np.log(kept)[:, None], bets),
            "counted": _sums(self.now.counted, draws.counted),
            "missed": _sums(self.now.missed, draws.missed),
        }
        return growth[-1], pooled[-1], states

    def _beginning(self, test: int) -> CoursePoint:
        """The point after which the losses of a test speak most against its limit: n KL(mean, limit)."""
        limit, found = self.limits[test], []
        for point in self.points:
            count = self.now.draws[test] - point.draws[test]
            mean = max((self.now.totals[test] - point.totals[test]) / max(count, 1e-9), limit)
            found.append(count * (rel_entr(mean, limit) + rel_entr(1 - mean, 1 - limit)))
        return self.points[int(np.argmax(found))]

    @property
    def as_json(self) -> dict[str, Any]:
        """The course as JSON can hold it, without limits and level."""
        return {
            "now": self.now.as_json,
            "points": [point.as_json for point in self.points],
            "growth": self.growth.tolist(),
            "pooled": self.pooled.tolist(),
            "alarm": self.alarm,
            "test": self.test,
            "since": None if self.since is None else self.since.as_json,
        }

    @classmethod
    def read(cls, content: Any, limits: Floats, level: float, classes: int = 0) -> Self:
        """The inverse of `as_json`."""
        saved = typed(Mapping[str, Any], content, "course")
        tests = len(limits)
        points = [
            CoursePoint.read(point, tests, classes) for point in typed(list[Any], saved["points"], "points")
        ]
        growth, pooled = (numbers(saved[name], (tests, SIZES), FINITE, name) for name in ("growth", "pooled"))
        since = None if saved["since"] is None else CoursePoint.read(saved["since"], tests, classes)
        alarm, test = typed(int | None, saved["alarm"], "alarm"), typed(int, saved["test"], "test")
        now = CoursePoint.read(saved["now"], tests, classes)
        return cls(np.asarray(limits), level, now, points, growth, pooled, alarm, test, since)


def _sums(before: Floats, added: NDArray[Any]) -> Floats:
    """(n + 1, …) running sums, from what was there before; added one by one, so portions do not matter."""
    return np.cumsum(np.concatenate([before[None], added]), axis=0)


def _joined(wealth: Floats) -> Floats:
    """(n,) logarithm of the mean wealth of P tests."""
    return np.asarray(np.logaddexp.reduce(wealth, axis=-1) - np.log(wealth.shape[-1]))
