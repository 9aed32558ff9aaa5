"""The task of a class at each position: what can be done with a `DenseCertainty`."""

from __future__ import annotations

from typing import Any

from howsure.adapters.protocol import LOGITS, PROBABILITIES
from howsure.tasks.segmentation import calibrate as calibration
from howsure.tasks.segmentation import compare as comparing
from howsure.tasks.segmentation import decide, given_maps, printed, scores, tiles
from howsure.tasks.segmentation import evaluate as scoring
from howsure.tasks.segmentation import graph as graphs
from howsure.tasks.segmentation.outcome import Positions
from howsure.tasks.segmentation.result import DenseCertainty
from howsure.tasks.task import Task, refused


class Segmentation(Task[DenseCertainty]):
    """A class at each position of a row."""

    outcome_type = Positions
    result_type = DenseCertainty
    outputs = (PROBABILITIES, LOGITS)
    decisions = (decide.DenseAbstention,)

    evaluate = staticmethod(scoring.evaluate)
    score_lines = staticmethod(scoring.score_lines)
    ignored = staticmethod(scoring.ignored)
    background = staticmethod(scores.background_of)
    calibrate = staticmethod(calibration.calibrate)
    read_calibrator = staticmethod(calibration.read)
    prediction_sets = staticmethod(decide.prediction_sets)
    prediction_intervals = refused(
        "`howsure.prediction_sets(result, labels)` gives sets of classes at each position that keep their "
        "promise, and `result.share_interval(0.9)` says between which shares networks lie"
    )
    coverage = refused("`howsure.prediction_sets(result, labels)` gives sets of each position")
    abstain = staticmethod(decide.abstain)
    choose = staticmethod(decide.choose)
    hand_over = staticmethod(decide.handed_over)
    above = refused("`result.share` is the share of each class in each row")
    lead = staticmethod(printed.lead)
    lines = staticmethod(printed.lines)
    summary = staticmethod(printed.summary)
    given = refused("`howsure.DenseCertainty.from_probabilities` takes maps of probabilities")
    claims = staticmethod(given_maps.claims)
    given_columns = staticmethod(given_maps.read)
    tiled = staticmethod(tiles.tiled)
    first_tile = staticmethod(tiles.first_tile)
    graph = staticmethod(graphs.PositionsGraph)
    graph_numbers = staticmethod(graphs.numbers)
    graph_words = staticmethod(graphs.words)

    def compare(self, result: DenseCertainty | None = None) -> Any:
        return comparing.COMPARING

    def page(self, result: DenseCertainty, asked: Any) -> str:
        from howsure.tasks.segmentation.page import page  # late, as its templates take time to import

        return page(result, asked)
