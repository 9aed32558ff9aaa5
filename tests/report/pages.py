"""Pages of every sort that the tests of the report look at."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.adapters.protocol import LayerInfo
from howsure.audit import Audit
from howsure.report.page import render
from howsure.tasks.classification.result import Certainty
from howsure.tasks.regression.result import RegressionCertainty
from tests.made import certainty_of
from tests.report.made import Lazily, make_certainty, make_dense, make_multilabel, make_numbers

AUDIT = Audit(
    model="digits <b>",
    backend="jax",
    layers=(
        LayerInfo("conv2d", "Conv2D", None, None, (22, 22, 128), 300, False),
        LayerInfo("dropout", "Dropout", "drops 20 %", None, (22, 22, 128), 0, True),
        LayerInfo("norm", "BatchNormalization", None, "keeps its statistics", (64,), 0, True),
        LayerInfo("dense", "Dense", None, None, (10,), 100, True),
    ),
    passes_differ=True,
    largest_difference=0.4321,
    warnings=("The layer 'lambda' could not be switched.",),
    advice="Add a Dropout layer.",
)


ONCE = (np.ones(300, dtype=np.int64), ("value",))
"""Passes, and the name of the target, of a number that was predicted once."""


def images(rows: int, side: int = 28) -> NDArray[Any]:
    return np.random.default_rng(0).integers(256, size=(rows, side, side), dtype=np.uint8)


DAYS = np.datetime64("2020-01-01") + np.arange(300)


def number() -> RegressionCertainty:
    return make_numbers(300)


def certain() -> Certainty:
    return make_certainty(400)


PAGES = Lazily(
    {
        "images": lambda: render(certain(), images(400), audit=AUDIT),
        "features": lambda: render(dataclasses.replace(certain(), kind="row"), np.ones((400, 13))),
        "texts": lambda: render(certain(), np.full((400, 1), "<b>text</b>")),
        "no truth": lambda: render(make_certainty(400, truth=False), images(400)),
        "a thousand classes": lambda: render(make_certainty(50, 1_000)),
        "one row": lambda: render(certain()[5:6], images(1)),
        "zero rows": lambda: render(certain()[:0], images(0), audit=AUDIT),
        "all sure": lambda: render(certainty_of([[0.99, 0.01]] * 30, truth=np.zeros(30, dtype=int))),
        "few labels": lambda: render(make_multilabel(120, 3), images(120)),
        "many labels": lambda: render(make_multilabel(60, 80, kind="row"), np.ones((60, 13)), audit=AUDIT),
        "one row of labels": lambda: render(make_multilabel(1, 3), images(1)),
        "zero rows of labels": lambda: render(make_multilabel(0, 3)),
        "number of one feature": lambda: render(number(), number().mean),
        "number with days": lambda: render(
            number().with_ids(np.datetime_as_string(DAYS), "day"), np.ones((300, 9))
        ),
        "number of images": lambda: render(
            dataclasses.replace(number(), kind="image"), images(300), audit=AUDIT
        ),
        "number without noise": lambda: render(make_numbers(300, noise=False)),
        "number without truth": lambda: render(make_numbers(300, truth=False)),
        "zero numbers": lambda: render(number()[:0]),
        "several numbers": lambda: render(make_numbers(60, 8, scale=1e-9), np.ones((60, 5))),
        "numbers alike": lambda: render(
            RegressionCertainty.from_mean_std(np.ones(30), np.zeros(30)).with_truth(np.ones(30))
        ),
        "maps of images": lambda: render(
            make_dense(14, (12, 16), 11, class_names=("<b>a & b</b>", *map(str, range(10)))),
            np.random.default_rng(0).normal(size=(14, 5, 24, 32)),
            audit=AUDIT,
        ),
        "maps alone": lambda: render(make_dense(1, (9, 7), truth=False)),
        "maps of volumes": lambda: render(make_dense(2, (5, 9, 7)), np.ones((2, 1, 5, 9, 7))),
        "words": lambda: render(make_dense(2, (6,)), [["<i>", "b", "c"], ["a"] * 6]),
        "signals": lambda: render(make_dense(6, (40,)), np.random.default_rng(0).normal(size=(6, 40, 2))),
        "zero rows of maps": lambda: render(make_dense(2, (4, 4))[:0], images(0)),
    }
)
"""One page of every sort, by name."""
