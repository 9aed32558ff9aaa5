"""The task of numbers per row: what can be done with a `RegressionCertainty`."""

from __future__ import annotations

from typing import Any

from howsure.adapters.protocol import COUNTED, NUMBERS, QUANTILES
from howsure.tasks.regression import above as thresholds
from howsure.tasks.regression import calibrate as calibration
from howsure.tasks.regression import counts, decide, printed
from howsure.tasks.regression import evaluate as scoring
from howsure.tasks.regression import given as tables
from howsure.tasks.regression import graph as graphs
from howsure.tasks.regression.compare import COMPARING
from howsure.tasks.regression.compare_distributions import COMPARING_COUNTS, comparing_quantiles
from howsure.tasks.regression.outcome import Numbers
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.task import Task, refused


class Regression(Task[RegressionCertainty]):
    """Numbers per row."""

    outcome_type = Numbers
    result_type = RegressionCertainty
    outputs = (*NUMBERS, *COUNTED, QUANTILES)
    decisions = (decide.PredictionIntervals, decide.RegressionAbstention)

    evaluate = staticmethod(scoring.evaluate)
    score_lines = staticmethod(scoring.score_lines)
    ignored = refused()
    background = refused()
    calibrate = staticmethod(calibration.calibrate)
    read_calibrator = staticmethod(calibration.read)
    prediction_sets = refused(
        "`howsure.prediction_intervals(result, y, coverage=0.9)` gives intervals that keep their promise"
    )
    prediction_intervals = staticmethod(decide.prediction_intervals)
    coverage = staticmethod(decide.prediction_intervals)
    abstain = staticmethod(decide.abstain)
    choose = staticmethod(decide.choose)
    hand_over = staticmethod(decide.handed_over)
    above = staticmethod(thresholds.asked)
    lead = staticmethod(printed.lead)
    lines = staticmethod(printed.lines)
    summary = staticmethod(printed.summary)
    given = refused()
    claims = staticmethod(tables.claims)
    given_columns = staticmethod(tables.read)
    tiled = refused()
    first_tile = refused()
    graph = staticmethod(graphs.NumbersGraph)
    graph_numbers = staticmethod(graphs.numbers)
    graph_words = staticmethod(graphs.words)

    def compare(self, result: RegressionCertainty | None = None) -> Any:
        if result is not None and counts.is_counts(result):
            return COMPARING_COUNTS
        return comparing_quantiles(result.levels) if result is not None and result.levels else COMPARING

    def page(self, result: RegressionCertainty, asked: Any) -> str:
        from howsure.tasks.regression.page import page  # late, as its templates take time to import

        return page(result, asked)
