"""Networks in numpy that are put through the conformance suite of adapters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.inputs.rows import InputSpec
from howsure.random_ops import ALPHA_DROPOUT, GAUSSIAN_DROPOUT, GAUSSIAN_NOISE
from tests.support.arrays import Add, ArrayModel, Dense, Dropout, Network

ROWS = 9
"""Two more than the last layers have inputs, so that they can be seen to be linear."""

EVERYTHING = ("Model", "PassModel", "FeatureModel")


@dataclass(frozen=True)
class Case:
    """One adapter of one network.

    Attributes:
        make: Makes the adapter.
        rows: What it is given.
        protocols: The protocols it keeps to.
    """

    make: Callable[[], Any]
    rows: Sequence[Any]
    protocols: tuple[str, ...] = EVERYTHING


def dense(inputs, outputs, activation="linear", seed=0):
    random = np.random.default_rng([seed, inputs, outputs])
    weights = random.normal(0, 1.3 / np.sqrt(inputs), (inputs, outputs))
    return Dense(weights, random.normal(0, 0.5, outputs), activation)


def two_layers(drop, end="softmax", outputs=3, seed=0):
    """Two hidden layers, each with a random layer after it."""
    return {
        "hidden": (dense(4, 6, "relu", seed), "x"),
        "drop": (drop, "hidden"),
        "late": (dense(6, 7, "tanh", seed), "drop"),
        "late_drop": (Dropout(0.25), "late"),
        "output": (dense(7, outputs, end, seed), "late_drop"),
    }


def gaussian(drop, **settings):
    steps = {"hidden": (dense(4, 6, "relu"), "x"), "drop": (drop, "hidden")}
    return steps | {"output": (dense(6, 3, "softmax"), "drop")}


def nested():
    drop = Dropout(0.4)
    inner = Network(("h",), {"dense": (dense(6, 6, "relu"), "h"), "drop": (drop, "dense")})
    outer = Network(("h",), {"inner": (inner, "h"), "again": (inner, "inner"), "drop": (drop, "again")})
    return {
        "first": (dense(4, 6, "relu"), "x"),
        "middle": (outer, "first"),
        "output": (dense(6, 3, "softmax"), "middle"),
    }


def skip():
    return {
        "hidden": (dense(4, 6, "relu"), "x"),
        "drop": (Dropout(0.3), "hidden"),
        "late": (dense(6, 6, "tanh"), "drop"),
        "sum": (Add(), "hidden", "drop", "late"),
        "sum_drop": (Dropout(0.2), "sum"),
        "output": (dense(6, 3, "softmax"), "sum_drop"),
    }


def branches():
    """Random ops side by side, the first of which feeds the output past the second."""
    return {
        "left": (dense(4, 6, "relu", seed=1), "x"),
        "left_drop": (Dropout(0.5), "left"),
        "right": (dense(4, 6, "tanh", seed=2), "x"),
        "right_drop": (Dropout(0.2), "right"),
        "sum": (Add(), "right_drop", "left_drop", "left"),
        "output": (dense(6, 3, "softmax"), "sum"),
    }


def two_inputs():
    return {
        "left": (dense(4, 6, "relu"), "a"),
        "drop": (Dropout(0.3), "left"),
        "right": (dense(2, 6), "b"),
        "sum": (Add(), "drop", "right"),
        "sum_drop": (Dropout(0.2), "sum"),
        "output": (dense(6, 3, "softmax"), "sum_drop"),
    }


def input_drop():
    return {"drop": (Dropout(0.25), "x"), "output": (dense(4, 3, "softmax"), "drop")}


def drop_at_the_end():
    return {"hidden": (dense(4, 3, "softmax"), "x"), "drop": (Dropout(0.25), "hidden")}


def positions():
    """A dense layer and a mask at three positions of a row, each unit's mask the same at all of them."""
    return {
        "hidden": (dense(4, 6, "relu"), "x"),
        "drop": (Dropout(0.4, mask_shape=(1, 6)), "hidden"),
        "output": (dense(6, 3, "softmax"), "drop"),
    }


def nothing_random():
    steps = {"hidden": (dense(4, 6, "relu"), "x"), "drop": (Dropout(0.0), "hidden")}
    return steps | {"output": (dense(6, 3, "softmax"), "drop")}


def rows_of(*shapes, rows=ROWS, dtype="float32"):
    random = np.random.default_rng(5)
    return [random.normal(0, 2, (rows, *shape)).astype(dtype) for shape in shapes]


def arrays(steps, shapes=((4,),), protocols=EVERYTHING, rows=ROWS, dtype="float32", **settings):
    names = ("x",) if len(shapes) == 1 else ("a", "b")
    specs = [InputSpec(name, shape, dtype) for name, shape in zip(names, shapes, strict=True)]
    return Case(
        lambda: ArrayModel("network", specs, steps, **settings),
        rows_of(*shapes, rows=rows, dtype=dtype),
        protocols,
    )


def array_cases():
    drop = Dropout(0.4)
    noise = Dropout(0.6, GAUSSIAN_NOISE)
    return {
        "two_layers": arrays(two_layers(drop), trained_for="classes"),
        "input_drop": arrays(input_drop()),
        "drop_at_the_end": arrays(drop_at_the_end(), protocols=("Model", "PassModel")),
        "high_rate": arrays(two_layers(Dropout(0.99))),
        "rate_of_one": arrays(two_layers(Dropout(1.0))),
        "alpha": arrays(two_layers(Dropout(0.3, ALPHA_DROPOUT))),
        "gaussian_dropout": arrays(gaussian(Dropout(0.3, GAUSSIAN_DROPOUT))),
        "gaussian_noise": arrays(gaussian(noise), gaussian_noise=True),
        "gaussian_noise_not_asked_for": arrays(gaussian(noise)),
        "nested": arrays(nested()),
        "skip": arrays(skip()),
        "branches": arrays(branches()),
        "two_inputs": arrays(two_inputs(), ((4,), (2,))),
        "positions": arrays(positions(), ((3, 4),), protocols=("Model", "PassModel")),
        "nothing_random": arrays(nothing_random()),
        "whole_numbers": arrays(two_layers(drop), dtype="int32"),
        "logits": arrays(two_layers(drop, "linear"), trained_for="classes"),
        "one_sigmoid": arrays(two_layers(drop, "sigmoid", 1)),
        "labels": arrays(two_layers(drop, "sigmoid", 5), trained_for="several labels"),
        "regression": arrays(two_layers(drop, "linear", 1), trained_for="regression"),
        "one_pass_at_a_time": arrays(two_layers(drop), fold=None),
        "fixed_batch": arrays(two_layers(drop), rows=4, fixed_batch=4),
        "small_fold": arrays(two_layers(drop), fold=3 * 7 * ROWS),
    }  # fmt: skip


CASES = array_cases()
