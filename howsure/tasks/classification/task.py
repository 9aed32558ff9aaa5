"""The task of one class per row: what can be done with a `Certainty`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from howsure.adapters.protocol import LOGITS, PROBABILITIES
from howsure.tasks.classification import (
    abstain,
    calibrate,
    compare,
    evaluate,
    graph,
    handover,
    outcome,
    printed,
    sets,
)
from howsure.tasks.classification.abstain import Abstention
from howsure.tasks.classification.calibrate import Calibrator
from howsure.tasks.classification.evaluate import Evaluation
from howsure.tasks.classification.outcome import Classes
from howsure.tasks.classification.result import Certainty
from howsure.tasks.classification.sets import PredictionSets
from howsure.tasks.task import Task, refused


class Classification(Task[Certainty]):
    """One class per row."""

    outcome_type = Classes
    result_type = Certainty
    outputs = (PROBABILITIES, LOGITS)

    def evaluate(
        self,
        result: Certainty,
        labels: Any,
        *,
        outside: Certainty | None,
        seed: int,
        background: int | None = None,
    ) -> Evaluation:
        return evaluate.evaluate(result, labels, outside=outside, seed=seed)

    def score_lines(self, result: Certainty, evaluation: Any) -> list[list[Any]]:
        return evaluate.score_lines(result, evaluation)

    ignored = refused()

    background = refused()

    def calibrate(self, result: Certainty, labels: Any, *, method: str | None, seed: int) -> Calibrator:
        return calibrate.calibrate(result, labels, method=method, seed=seed)

    def read_calibrator(self, content: Mapping[str, Any]) -> Calibrator:
        return calibrate.read(content)

    def compare(self, result: Certainty | None = None) -> Any:
        return compare.COMPARING

    def prediction_sets(
        self, result: Certainty, labels: Any, *, coverage: float, by_class: bool
    ) -> PredictionSets:
        return sets.prediction_sets(result, labels, coverage=coverage, by_class=by_class)

    prediction_intervals = refused(
        "`howsure.prediction_sets(certainty, labels, coverage=0.9)` gives sets of classes that keep their "
        "promise"
    )

    def sets_told(self, result: Certainty, fitted: Any) -> Any:
        return handover.SetsTold(result, fitted)

    def abstain(
        self,
        result: Certainty,
        labels: Any,
        *,
        risk: float,
        confidence: float,
        tolerance: Any,
        background: int | None = None,
    ) -> Abstention:
        return abstain.abstain(result, labels, risk=risk, confidence=confidence, tolerance=tolerance)

    def choose(self, result: Certainty, which: str | None, most: int | None) -> Any:
        return handover.choose(result, which, most)

    def hand_over(self, result: Certainty, sets: Any) -> Any:
        return handover.handed_over(result, sets)

    above = refused()

    def lead(self, result: Certainty) -> str:
        return printed.lead(result)

    def lines(self, result: Certainty, count: int | None) -> Any:
        return printed.lines(result, count)

    def summary(self, result: Certainty) -> str:
        return printed.summary(result)

    def page(self, result: Certainty, asked: Any) -> str:
        from howsure.tasks.classification.page import page  # late, as its templates take time to import

        return page(result, asked)

    def given(self) -> Any:
        return outcome.GIVEN

    claims = refused()

    given_columns = refused()

    tiled = refused()

    first_tile = refused()

    def graph(self, outcome: Any) -> Any:
        return graph.ClassesGraph(outcome)

    def graph_numbers(self, result: Certainty, tolerance: float) -> Any:
        return graph.numbers(result, tolerance)

    def graph_words(self, result: Certainty, tolerance: float) -> Any:
        return graph.class_words(result, tolerance)
