"""The task of several labels per row: what can be done with a `MultilabelCertainty`."""

from __future__ import annotations

from typing import Any

from howsure.adapters.protocol import LABEL_LOGITS, LABEL_PROBABILITIES
from howsure.tasks.classification.graph import numbers
from howsure.tasks.multilabel import calibrate as calibration
from howsure.tasks.multilabel import decide, outcome, printed
from howsure.tasks.multilabel import evaluate as scoring
from howsure.tasks.multilabel import graph as graphs
from howsure.tasks.multilabel.outcome import Labels
from howsure.tasks.multilabel.result import MultilabelCertainty
from howsure.tasks.task import Task, refused


class Multilabel(Task[MultilabelCertainty]):
    """Several labels per row, each yes or no."""

    outcome_type = Labels
    result_type = MultilabelCertainty
    outputs = (LABEL_PROBABILITIES, LABEL_LOGITS)
    decisions = (decide.MultilabelPredictionSets, decide.MultilabelAbstention)

    evaluate = staticmethod(scoring.evaluate)
    score_lines = staticmethod(scoring.score_lines)
    ignored = refused()
    background = refused()
    calibrate = staticmethod(calibration.calibrate)
    read_calibrator = staticmethod(calibration.read)
    compare = refused(
        "Assess the rows by each method, and compare one label of the results, "
        "`certainty.of_label({first})`, with `howsure.Comparison.of_results`"
    )
    prediction_sets = refused(MultilabelCertainty.as_classes)
    prediction_intervals = refused(
        "Take one label at a time: `howsure.prediction_sets(certainty.of_label({first}), labels)` gives sets "
        "of 'no' and 'yes' that keep their promise"
    )
    coverage = staticmethod(decide.label_sets)
    abstain = staticmethod(decide.abstain)
    choose = refused(MultilabelCertainty.as_classes)
    hand_over = refused(MultilabelCertainty.as_classes)
    above = refused()
    lead = staticmethod(printed.lead)
    lines = staticmethod(printed.lines)
    summary = staticmethod(printed.summary)
    claims = refused()
    given_columns = refused()
    tiled = refused()
    first_tile = refused()
    graph = staticmethod(graphs.LabelsGraph)
    graph_numbers = staticmethod(numbers)
    graph_words = staticmethod(graphs.label_words)

    def given(self) -> Any:
        return outcome.GIVEN

    def page(self, result: MultilabelCertainty, asked: Any) -> str:
        from howsure.tasks.multilabel.page import page  # late, as its templates take time to import

        return page(result, asked)
