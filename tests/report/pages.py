"""Pages of every sort that the tests of the report look at."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.answers.numbers.result import RegressionCertainty
from howsure.audit import Audit
from howsure.models.protocol import LayerInfo
from howsure.report import render
from tests.report.made import certainty_of, make_certainty, make_multilabel, make_numbers

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


def many() -> dict[str, str]:
    """One page of every sort, by name."""
    certainty = make_certainty(400)
    number, days = make_numbers(300), np.datetime64("2020-01-01") + np.arange(300)
    return {
        "images": render(certainty, images(400), audit=AUDIT),
        "colour": render(certainty, np.random.default_rng(0).normal(size=(400, 9, 7, 3))),
        "features": render(dataclasses.replace(certainty, kind="row"), np.ones((400, 13))),
        "texts": render(certainty, np.full((400, 1), "<b>text</b>")),
        "numbers alone": render(certainty),
        "no truth": render(make_certainty(400, truth=False), images(400)),
        "two classes": render(make_certainty(400, 2)),
        "a thousand classes": render(make_certainty(50, 1_000)),
        "one row": render(certainty[5:6], images(1)),
        "one row without truth": render(make_certainty(1, truth=False)),
        "zero rows": render(certainty[:0], images(0), audit=AUDIT),
        "all sure": render(certainty_of([[0.99, 0.01]] * 30, truth=np.zeros(30, dtype=int))),
        "all coin flips": render(certainty_of([[0.51, 0.49]] * 3, truth=np.ones(3, dtype=int))),
        "few labels": render(make_multilabel(120, 3), images(120)),
        "many labels": render(make_multilabel(60, 80, kind="row"), np.ones((60, 13)), audit=AUDIT),
        "labels without truth": render(make_multilabel(30, 4, truth=False)),
        "one row of labels": render(make_multilabel(1, 3), images(1)),
        "zero rows of labels": render(make_multilabel(0, 3)),
        "number along a feature": render(number, number.mean),
        "number over time": render(number.with_ids(np.datetime_as_string(days), "day"), np.ones((300, 9))),
        "number of images": render(dataclasses.replace(number, kind="image"), images(300), audit=AUDIT),
        "number without noise": render(make_numbers(300, noise=False)),
        "number without truth": render(make_numbers(300, truth=False)),
        "number given": render(
            RegressionCertainty.from_mean_std(number.mean, number.std).with_truth(number.truth)
        ),
        "number alone": render(RegressionCertainty(number.mean, 0 * number.mean, *ONCE, number.row)),
        "one number": render(number[:1], np.ones((1, 3))),
        "zero numbers": render(number[:0]),
        "several numbers": render(make_numbers(60, 8, scale=1e-9), np.ones((60, 5))),
        "one row of several numbers": render(make_numbers(1, 3, noise=False)),
        "numbers alike": render(
            RegressionCertainty.from_mean_std(np.ones(30), np.zeros(30)).with_truth(np.ones(30))
        ),
        "error not known": render(dataclasses.replace(certainty, mc_error=np.full((400, 10), np.nan))),
    }


PAGES = many()
