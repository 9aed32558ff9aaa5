"""The task of one class per row: what can be done with a `Certainty`."""

from __future__ import annotations

from typing import Any

from howsure.adapters.protocol import LOGITS, PROBABILITIES
from howsure.tasks.classification import calibrate as calibration
from howsure.tasks.classification import compare as comparing
from howsure.tasks.classification import decide, outcome, printed
from howsure.tasks.classification import evaluate as scoring
from howsure.tasks.classification import graph as graphs
from howsure.tasks.classification.outcome import Classes
from howsure.tasks.classification.result import Certainty
from howsure.tasks.task import Task, refused


class Classification(Task[Certainty]):
    """One class per row."""

    outcome_type = Classes
    result_type = Certainty
    outputs = (PROBABILITIES, LOGITS)
    decisions = (decide.PredictionSets, decide.Abstention)

    evaluate = staticmethod(scoring.evaluate)
    score_lines = staticmethod(scoring.score_lines)
    ignored = refused()
    background = refused()
    calibrate = staticmethod(calibration.calibrate)
    read_calibrator = staticmethod(calibration.read)
    prediction_sets = staticmethod(decide.prediction_sets)
    prediction_intervals = refused(
        "`howsure.prediction_sets(certainty, labels, coverage=0.9)` gives sets of classes that keep their "
        "promise"
    )
    coverage = staticmethod(decide.coverage)
    abstain = staticmethod(decide.abstain)
    choose = staticmethod(decide.choose)
    hand_over = staticmethod(decide.handed_over)
    above = refused()
    lead = staticmethod(printed.lead)
    lines = staticmethod(printed.lines)
    summary = staticmethod(printed.summary)
    claims = refused()
    given_columns = refused()
    tiled = refused()
    first_tile = refused()
    graph = staticmethod(graphs.ClassesGraph)
    graph_numbers = staticmethod(graphs.numbers)
    graph_words = staticmethod(graphs.class_words)

    def compare(self, result: Certainty | None = None) -> Any:
        return comparing.COMPARING

    def given(self) -> Any:
        return outcome.GIVEN

    def page(self, result: Certainty, asked: Any) -> str:
        from howsure.tasks.classification.page import page  # late, as its templates take time to import

        return page(result, asked)
