"""Further examples of a kind of answer: other outputs, other origins, rows of several sizes.

A `Variant` makes the result of a case, which may have other rows than its own example.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import howsure
from howsure.inputs.rows import InputSpec
from tests.doors.cases import DROPOUT, UNITS, Case, N, case_of, network
from tests.kinds.kind import dropped
from tests.kinds.numbers import KIND as NUMBERS
from tests.kinds.positions import KIND as POSITIONS
from tests.support.arrays import ArrayModel, Dense

LEVELS = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Variant:
    """An example.

    Attributes:
        case: What a user holds.
        made: The result of a case of it.
        doors: Doors that run the model and take it; those that run none all do.
    """

    case: Case
    made: Callable[[Any], Any]
    doors: tuple[str, ...] = ()


# --- quantiles ---------------------------------------------------------------------------------------


class QuantileCase(Case):
    """A network that puts out three quantiles of each number, which never cross."""

    @property
    def model(self):
        """The levels of a target side by side."""
        random = np.random.default_rng(5)
        first = 2 * random.normal(size=(4, UNITS)), random.normal(size=UNITS)
        mixed = random.normal(size=(UNITS, UNITS)), random.normal(size=UNITS)
        middle, width = 2.5 * random.normal(size=(UNITS, 2, 1)), 0.2 * random.normal(size=(UNITS, 2, 1))
        times, plus = self.unit
        last = times * (middle + width * np.array([-1, 0, 1]))[:, list(self.turn)]
        bias = times * np.array([[-3.0, 0.0, 3.0], [-2.0, 0.5, 2.5]])[list(self.turn)] + plus
        steps = {
            "hidden": (Dense(*first, "relu"), "x"),
            "drop": (dropped(NUMBERS, UNITS), "hidden"),
            "mixed": (Dense(*mixed, "tanh"), "drop"),
            "output": (Dense(last.reshape(UNITS, 6), bias.reshape(6), "linear"), "mixed"),
        }
        return ArrayModel("quantiles", [InputSpec("x", (4,), "float32")], steps)


def _quantiles():
    case, random = case_of("numbers"), np.random.default_rng(11)
    settings = {"outputs": "quantiles", "levels": LEVELS}
    made = QuantileCase(
        "numbers", case.x, np.zeros((N, 2)), case.ids, case.names, case.turn, settings=settings
    )
    answers = made.result.mean + 2.0 * random.normal(size=(N, 2))
    return Variant(
        replace(made, truth=answers),
        lambda case: case.result,
        ("assess", "assess a frame", "assess with truth", "stream", "plan", "compare"),
    )


# --- counts ------------------------------------------------------------------------------------------


class CountsCase(Case):
    """A network that puts out the logarithms of two expected counts, from about 1 to 20."""

    @property
    def model(self):
        """With dropout."""
        random, turn = np.random.default_rng(5), list(self.turn)
        last = 0.5 * random.normal(size=(UNITS, 2))[:, turn]
        steps = {
            "hidden": (Dense(2 * random.normal(size=(4, UNITS)), np.zeros(UNITS), "tanh"), "x"),
            "drop": (dropped(NUMBERS, UNITS), "hidden"),
            "output": (Dense(last, np.array([1.0, 2.0])[turn], "linear"), "drop"),
        }
        return ArrayModel("counts", [InputSpec("x", (4,), "float32")], steps)


def _counts():
    case = case_of("numbers")
    settings = {"outputs": "log-rates"}
    made = CountsCase("numbers", case.x, np.zeros((N, 2)), case.ids, case.names, case.turn, settings=settings)
    return Variant(
        replace(made, truth=np.random.default_rng(11).negative_binomial(2, 2 / (2 + made.result.mean))),
        lambda case: case.result,
        ("assess", "assess a frame", "assess with truth", "stream", "plan", "passes", "compare"),
    )


# --- noise that depends on the row -------------------------------------------------------------------


@functools.cache
def _calibrator_by_row(unit):
    case = replace(case_of("numbers"), unit=unit)
    others = replace(case, x=np.random.default_rng(2).normal(size=(400, 4)).astype(np.float32), ids=None)
    result = howsure.assess(others.model, others.x, method=DROPOUT, class_names=case.names, **case.settings)
    random = np.random.default_rng(3)
    answers = result.mean + np.exp(others.x[:, :1]) * result.std * random.normal(size=(400, 2))
    return howsure.calibrate(result, answers, scale_by=others.x)


def _by_row():
    return Variant(
        case_of("numbers"), lambda case: _calibrator_by_row(case.unit)(case.result, scale_by=case.x)
    )


# --- images of two sizes -----------------------------------------------------------------------------


@dataclass(frozen=True)
class SizesCase(Case):
    """Images of two sizes, in lists, and maps of true classes in lists."""

    def taken(self, rows):
        """The same with some rows, in this order."""
        x, truth = ([values[row] for row in rows] for values in (self.x, self.truth))
        return replace(self, x=x, truth=truth, ids=self.ids[rows])


def _of_two_sizes(case):
    """What `assess` says of each size, in the order of the rows."""
    sizes = [image.shape for image in case.x]
    parts, numbers = [], []
    for size in sorted(set(sizes)):
        own = [number for number, each in enumerate(sizes) if each == size]
        model = network("positions", case.turn, shape=size)
        x = np.stack([case.x[number] for number in own])
        parts.append(howsure.assess(model, x, method=DROPOUT, class_names=case.names, **case.settings))
        numbers += own
    if not parts:
        return case_of("positions").result[:0]
    result = howsure.DenseCertainty.joined(parts)[np.argsort(numbers)]
    return replace(result, row=np.arange(len(numbers))).with_ids(case.ids)


def _sizes():
    case, random = case_of("positions"), np.random.default_rng(4)
    x = [image if number % 3 else image[:3, :2] for number, image in enumerate(case.x)]
    made = SizesCase(
        "positions", x, None, case.ids, case.names, case.turn, settings={"keep": "probabilities"}
    )
    label = POSITIONS.truth(case.result, random)
    truth = [labels if number % 3 else labels[:3, :2] for number, labels in enumerate(label)]
    return Variant(replace(made, truth=truth), _of_two_sizes)


# --- objects -----------------------------------------------------------------------------------------


def _objects():
    case = case_of("positions")
    found = howsure.objects(
        case.model, case.x, scheme="components", method=howsure.MCDropout(passes=40), class_names=case.names
    )
    certainty = found.certainty[:N]
    made = Case(
        "classes",
        np.arange(N),
        found.right(case.truth)[:N].astype(int),
        certainty.ids,
        certainty.class_names,
        (0, 1),
    )
    return Variant(made, lambda case: certainty[case.x] if len(case.x) else certainty[:0])


MADE = {
    "quantiles": _quantiles,
    "counts": _counts,
    "noise by row": _by_row,
    "several sizes": _sizes,
    "objects": _objects,
}


@functools.cache
def variant_of(name):
    """The variant of this name."""
    return MADE[name]()
