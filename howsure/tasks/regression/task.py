"""The task of numbers per row: what can be done with a `RegressionCertainty`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from howsure.adapters.protocol import NUMBERS
from howsure.tasks.classification.result import Certainty
from howsure.tasks.regression import (
    above,
    abstain,
    calibrate,
    compare,
    evaluate,
    given,
    graph,
    handover,
    intervals,
    printed,
)
from howsure.tasks.regression.abstain import RegressionAbstention
from howsure.tasks.regression.calibrate import RegressionCalibrator
from howsure.tasks.regression.evaluate import RegressionEvaluation
from howsure.tasks.regression.intervals import PredictionIntervals
from howsure.tasks.regression.outcome import Numbers
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.task import Task, refused


class Regression(Task[RegressionCertainty]):
    """Numbers per row."""

    outcome_type = Numbers
    result_type = RegressionCertainty
    outputs = NUMBERS

    def evaluate(
        self,
        result: RegressionCertainty,
        labels: Any,
        *,
        outside: RegressionCertainty | None,
        seed: int,
        background: int | None = None,
    ) -> RegressionEvaluation:
        return evaluate.evaluate(result, labels, outside=outside, seed=seed)

    def score_lines(self, result: RegressionCertainty, evaluation: Any) -> list[list[Any]]:
        return evaluate.score_lines(result, evaluation)

    ignored = refused()

    background = refused()

    def calibrate(
        self, result: RegressionCertainty, labels: Any, *, method: str | None, seed: int
    ) -> RegressionCalibrator:
        return calibrate.calibrate(result, labels, method=method, seed=seed)

    def read_calibrator(self, content: Mapping[str, Any]) -> RegressionCalibrator:
        return calibrate.read(content)

    def compare(self, result: RegressionCertainty | None = None) -> Any:
        return compare.COMPARING

    prediction_sets = refused(
        "`howsure.prediction_intervals(result, y, coverage=0.9)` gives intervals that keep their promise"
    )

    def prediction_intervals(
        self, result: RegressionCertainty, labels: Any, *, coverage: float
    ) -> PredictionIntervals:
        return intervals.prediction_intervals(result, labels, coverage=coverage)

    def sets_told(self, result: RegressionCertainty, fitted: Any) -> Any:
        return handover.IntervalsTold(result, fitted)

    def abstain(
        self,
        result: RegressionCertainty,
        labels: Any,
        *,
        risk: float,
        confidence: float,
        tolerance: Any,
        background: int | None = None,
    ) -> RegressionAbstention:
        return abstain.abstain(result, labels, risk=risk, confidence=confidence, tolerance=tolerance)

    def choose(self, result: RegressionCertainty, which: str | None, most: int | None) -> Any:
        return handover.choose(result, which, most)

    def hand_over(self, result: RegressionCertainty, sets: Any) -> Any:
        return handover.handed_over(result, sets)

    def above(self, result: RegressionCertainty, threshold: float, target: str | int | None) -> Certainty:
        return above.asked(result, threshold, target)

    def lead(self, result: RegressionCertainty) -> str:
        return printed.lead(result)

    def lines(self, result: RegressionCertainty, count: int | None) -> Any:
        return printed.lines(result, count)

    def summary(self, result: RegressionCertainty) -> str:
        return printed.summary(result)

    def page(self, result: RegressionCertainty, asked: Any) -> str:
        from howsure.tasks.regression.page import page  # late, as its templates take time to import

        return page(result, asked)

    given = refused()

    def claims(self, table: Any, columns: Any) -> bool:
        return given.claims(table, columns)

    def given_columns(self, table: Any, columns: Any, source: Path) -> RegressionCertainty:
        return given.read(table, columns, source)

    tiled = refused()

    first_tile = refused()

    def graph(self, outcome: Any) -> Any:
        return graph.NumbersGraph(outcome)

    def graph_numbers(self, result: RegressionCertainty, tolerance: float) -> Any:
        return graph.numbers(result, tolerance)

    def graph_words(self, result: RegressionCertainty, tolerance: float) -> Any:
        return graph.words(result, tolerance)
