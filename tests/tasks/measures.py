"""A kind of answer from outside of howsure: K numbers for each row, as `docs/extend.md` builds it.

It brings an outcome, a result, and a task that evaluates. So it shows that shared code works for a kind that
howsure does not have, and that howsure refuses in words what the kind does not bring. `known` lets howsure
know it for a while; `linear` is a model of which the right answers are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from howsure.adapters.protocol import ModelInfo
from howsure.evaluation.score import Score
from howsure.inputs.rows import InputSpec
from howsure.request import Request
from howsure.results.columns import FLOAT, INTEGER, PER_ROW, WIDE, Column
from howsure.results.result import Result
from howsure.sampling.outcome import Estimates, Floats, Outcome, ResultMetadata
from howsure.statistics import skewed_interval
from howsure.tasks import task
from howsure.tasks.task import PartialTask
from tests.support.arrays import ArrayModel, Dense, Dropout


@dataclass(frozen=True, eq=False)
class Measures(Result[str]):
    """K numbers for each of N rows: mean and standard deviation over passes."""

    mean: Floats
    mc_error: Floats
    spread: Floats
    passes: NDArray[np.int64]
    row: NDArray[np.int64]
    number_names: tuple[str, ...]
    truth: Floats | None = None

    answer = "measures"
    in_words = "measures per row"
    names = "number_names"
    columns = (
        Column("row", PER_ROW, INTEGER, "from 0", "number of the row in the input"),
        Column("mean", WIDE, FLOAT, "in the unit of the output", "mean over passes"),
        Column("mc_error", WIDE, FLOAT, "likewise", "standard error of `mean` due to the number of passes"),
        Column("spread", WIDE, FLOAT, "likewise", "standard deviation over passes"),
        Column("passes", PER_ROW, INTEGER, "≥ 1", "passes spent on the row"),
        Column("truth", WIDE, FLOAT, "likewise", "what is true, where it is known", optional=True),
    )

    def _row(self, index: int) -> str:
        numbers = zip(self.number_names, self.mean[index], self.spread[index], strict=True)
        return ", ".join(f"{name} {mean:.2f}, spread {spread:.2f}" for name, mean, spread in numbers)


@dataclass(frozen=True)
class Regression(Outcome):
    """K numbers for each row. Passes average y and y², which together give the spread."""

    number_names: tuple[str, ...]
    name = "measures"

    @classmethod
    def of(cls, info: ModelInfo, request: Request) -> Self | None:
        """For models that were trained for regression."""
        if info.trained_for != "regression":
            return None
        (count,) = info.output_shape
        return cls(tuple(request.class_names or map(str, range(count))))

    @property
    def width(self) -> int:
        return len(self.number_names)

    @property
    def families(self) -> tuple[int, ...]:
        return (0,) * self.width + (1,) * self.width

    def values(self, raw: NDArray[np.float32], rows: NDArray[np.int64]) -> Floats:
        return raw.astype(np.float64)

    def derived(self, values: Floats, reference: Floats) -> Floats:
        return np.asarray(values**2)

    def is_enough(self, estimates: Estimates, target_error: float) -> NDArray[np.bool_]:
        return np.asarray(np.all(estimates.error[:, : self.width] <= target_error, axis=-1))

    def result(self, estimates: Estimates, metadata: ResultMetadata) -> Measures:
        y, of_square = np.split(estimates.mean, 2, axis=-1)
        variance = of_square - y**2 + estimates.squared_error[:, : self.width]
        spread, error = np.sqrt(np.maximum(variance, 0)), estimates.error[:, : self.width]
        return Measures(y, error, spread, estimates.passes, metadata.row, self.number_names)


@dataclass(frozen=True)
class Errors:
    """What `howsure.evaluate` gives for numbers: the root mean square error of each, by name."""

    rows: int
    rmse: Mapping[str, Score]

    def __str__(self) -> str:
        each = (f"rmse of {name}  {score}" for name, score in self.rmse.items())
        return "\n".join([f"{self.rows:,} rows", *each])


class Measuring(PartialTask[Measures]):
    """What can be done with `Measures`: `howsure.evaluate`."""

    outcome_type = Regression
    result_type = Measures

    def evaluate(
        self, result: Measures, labels: Any, *, outside: Any, seed: int, background: int | None = None
    ) -> Errors:
        """The interval is that of the mean square, as a root."""
        squares = (result.mean - (result.truth if labels is None else labels)) ** 2
        rmse = {}
        for name, each in zip(result.number_names, squares.T, strict=True):
            low, high = skewed_interval(each.mean(), (each - each.mean()) / len(each))
            rmse[name] = Score(*np.sqrt([each.mean(), max(low, 0.0), high]).tolist())
        return Errors(len(result), rmse)


@contextmanager
def known() -> Iterator[None]:
    """Let howsure know numbers, and forget them afterwards: other tests run in the same process."""
    before = dict(task._TASKS)
    task.add(Measuring())
    try:
        yield
    finally:
        task._TASKS.clear()
        task._TASKS.update(before)


def linear(numbers: int = 1, seed: int = 0) -> ArrayModel:
    """A model for rows (N, 4): dropout of the inputs, and a linear layer with `numbers` outputs."""
    weights = np.random.default_rng(seed).normal(size=(4, numbers))
    steps = {"drop": (Dropout(0.2), "x"), "output": (Dense(weights, [0.2] * numbers), "drop")}
    return ArrayModel("scales", [InputSpec("x", (4,), "float32")], steps, trained_for="regression")


def rows(count: int = 9) -> NDArray[np.float32]:
    """Rows (N, 4) for `linear`."""
    return np.random.default_rng(1).normal(size=(count, 4)).astype(np.float32)
