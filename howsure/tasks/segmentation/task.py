"""The task of a class at each position: what can be done with a `DenseCertainty`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from howsure.adapters.protocol import LOGITS, PROBABILITIES
from howsure.request import Request
from howsure.tasks.segmentation import (
    calibrate,
    compare,
    decide,
    evaluate,
    given_maps,
    graph,
    labelled,
    printed,
    tiles,
)
from howsure.tasks.segmentation.calibrate import DenseCalibrator
from howsure.tasks.segmentation.decide import DenseAbstention, DensePredictionSets
from howsure.tasks.segmentation.evaluate import DenseEvaluation
from howsure.tasks.segmentation.outcome import Positions
from howsure.tasks.segmentation.result import DenseCertainty
from howsure.tasks.task import Task, refused


class Segmentation(Task[DenseCertainty]):
    """A class at each position of a row."""

    outcome_type = Positions
    result_type = DenseCertainty
    outputs = (PROBABILITIES, LOGITS)

    def evaluate(
        self,
        result: DenseCertainty,
        labels: Any,
        *,
        outside: DenseCertainty | None,
        seed: int,
        background: int | None = None,
    ) -> DenseEvaluation:
        return evaluate.evaluate(result, labels, outside=outside, seed=seed, background=background)

    def score_lines(self, result: DenseCertainty, evaluation: Any) -> list[list[Any]]:
        return evaluate.score_lines(result, evaluation)

    def ignored(self, result: DenseCertainty, labels: Any, ignore: int | Sequence[int]) -> Any:
        return evaluate.ignored(result, labels, ignore)

    def background(self, result: DenseCertainty, background: int | str) -> int:
        return labelled.background_of(result, background)

    def calibrate(
        self, result: DenseCertainty, labels: Any, *, method: str | None, seed: int
    ) -> DenseCalibrator:
        return calibrate.calibrate(result, labels, method=method, seed=seed)

    def read_calibrator(self, content: Mapping[str, Any]) -> DenseCalibrator:
        return calibrate.read(content)

    def compare(self, result: DenseCertainty | None = None) -> Any:
        return compare.COMPARING

    def prediction_sets(
        self, result: DenseCertainty, labels: Any, *, coverage: float, by_class: bool
    ) -> DensePredictionSets:
        return decide.prediction_sets(result, labels, coverage=coverage, by_class=by_class)

    prediction_intervals = refused(
        "`howsure.prediction_sets(result, labels)` gives sets of classes at each position that keep their "
        "promise, and `result.share_interval(0.9)` says between which shares networks lie"
    )

    def sets_told(self, result: DenseCertainty, fitted: Any) -> Any:
        return decide.MapSetsTold(result, fitted)

    def abstain(
        self,
        result: DenseCertainty,
        labels: Any,
        *,
        risk: float,
        confidence: float,
        tolerance: Any,
        background: int | None = None,
    ) -> DenseAbstention:
        return decide.abstain(
            result, labels, risk=risk, confidence=confidence, tolerance=tolerance, background=background
        )

    def choose(self, result: DenseCertainty, which: str | None, most: int | None) -> Any:
        return decide.choose(result, which, most)

    def hand_over(self, result: DenseCertainty, sets: Any) -> Any:
        return decide.handed_over(result, sets)

    above = refused("`result.share` is the share of each class in each row")

    def lead(self, result: DenseCertainty) -> str:
        return printed.lead(result)

    def lines(self, result: DenseCertainty, count: int | None) -> Any:
        return printed.lines(result, count)

    def summary(self, result: DenseCertainty) -> str:
        return printed.summary(result)

    def page(self, result: DenseCertainty, asked: Any) -> str:
        from howsure.tasks.segmentation.page import page  # late, as its templates take time to import

        return page(result, asked)

    given = refused("`howsure.DenseCertainty.from_probabilities` takes maps of probabilities")

    def claims(self, table: Any, columns: Any) -> bool:
        return given_maps.claims(table, columns)

    def given_columns(self, table: Any, columns: Any, source: Path) -> DenseCertainty:
        return given_maps.read(table, columns, source)

    def tiled(self, model: Any, given: Any, method: Any, request: Request, progress: Any) -> Any:
        return tiles.tiled(model, given, method, request, progress)

    def first_tile(self, x: Any, request: Request) -> Any:
        return tiles.first_tile(x, request)

    def graph(self, outcome: Any) -> Any:
        return graph.PositionsGraph(outcome)

    def graph_numbers(self, result: DenseCertainty, tolerance: float) -> Any:
        return graph.numbers(result, tolerance)

    def graph_words(self, result: DenseCertainty, tolerance: float) -> Any:
        return graph.words(result, tolerance)
