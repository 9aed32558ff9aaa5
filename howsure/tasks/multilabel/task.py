"""The task of several labels per row: what can be done with a `MultilabelCertainty`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from howsure.adapters.protocol import LABEL_LOGITS, LABEL_PROBABILITIES
from howsure.tasks.classification.graph import numbers
from howsure.tasks.multilabel import calibrate, evaluate, graph, outcome, printed
from howsure.tasks.multilabel.calibrate import MultilabelCalibrator
from howsure.tasks.multilabel.evaluate import MultilabelEvaluation
from howsure.tasks.multilabel.outcome import Labels
from howsure.tasks.multilabel.result import MultilabelCertainty
from howsure.tasks.task import Task, refused


class Multilabel(Task[MultilabelCertainty]):
    """Several labels per row, each yes or no."""

    outcome_type = Labels
    result_type = MultilabelCertainty
    outputs = (LABEL_PROBABILITIES, LABEL_LOGITS)

    def evaluate(
        self,
        result: MultilabelCertainty,
        labels: Any,
        *,
        outside: MultilabelCertainty | None,
        seed: int,
        background: int | None = None,
    ) -> MultilabelEvaluation:
        return evaluate.evaluate(result, labels, outside=outside, seed=seed)

    def score_lines(self, result: MultilabelCertainty, evaluation: Any) -> list[list[Any]]:
        return evaluate.score_lines(result, evaluation)

    ignored = refused()

    background = refused()

    def calibrate(
        self, result: MultilabelCertainty, labels: Any, *, method: str | None, seed: int
    ) -> MultilabelCalibrator:
        return calibrate.calibrate(result, labels, method=method, seed=seed)

    def read_calibrator(self, content: Mapping[str, Any]) -> MultilabelCalibrator:
        return calibrate.read(content)

    compare = refused(
        "Assess the rows by each method, and compare one label of the results, "
        "`certainty.of_label({first})`, with `howsure.Comparison.of_results`"
    )

    prediction_sets = refused(MultilabelCertainty.as_classes)

    prediction_intervals = refused(
        "Take one label at a time: `howsure.prediction_sets(certainty.of_label({first}), labels)` gives sets "
        "of 'no' and 'yes' that keep their promise"
    )

    sets_told = refused()

    abstain = refused(MultilabelCertainty.as_classes)

    choose = refused(MultilabelCertainty.as_classes)

    hand_over = refused(MultilabelCertainty.as_classes)

    above = refused()

    def lead(self, result: MultilabelCertainty) -> str:
        return printed.lead(result)

    def lines(self, result: MultilabelCertainty, count: int | None) -> Any:
        return printed.lines(result, count)

    def summary(self, result: MultilabelCertainty) -> str:
        return printed.summary(result)

    def page(self, result: MultilabelCertainty, asked: Any) -> str:
        from howsure.tasks.multilabel.page import page  # late, as its templates take time to import

        return page(result, asked)

    def given(self) -> Any:
        return outcome.GIVEN

    claims = refused()

    given_columns = refused()

    tiled = refused()

    first_tile = refused()

    def graph(self, outcome: Any) -> Any:
        return graph.LabelsGraph(outcome)

    def graph_numbers(self, result: MultilabelCertainty, tolerance: float) -> Any:
        return numbers(result, tolerance)

    def graph_words(self, result: MultilabelCertainty, tolerance: float) -> Any:
        return graph.label_words(result, tolerance)
