"""How sure is your model, row by row, and what else could the answer be?"""

import typing as _typing

from howsure.answers.classes.abstain import Abstention
from howsure.answers.classes.calibrate import Calibrator
from howsure.answers.classes.evaluate import Evaluation
from howsure.answers.classes.result import Certainty
from howsure.answers.classes.sentence import Row
from howsure.answers.classes.sets import PredictionSets
from howsure.answers.files import load
from howsure.answers.labels.calibrate import MultilabelCalibrator
from howsure.answers.labels.evaluate import MultilabelEvaluation
from howsure.answers.labels.result import MultilabelCertainty
from howsure.answers.labels.sentence import MultilabelRow
from howsure.answers.numbers.abstain import RegressionAbstention
from howsure.answers.numbers.calibrate import RegressionCalibrator
from howsure.answers.numbers.evaluate import RegressionEvaluation, TargetScores
from howsure.answers.numbers.intervals import PredictionIntervals
from howsure.answers.numbers.result import RegressionCertainty
from howsure.answers.numbers.sentence import NumbersRow
from howsure.answers.positions.calibrate import DenseCalibrator
from howsure.answers.positions.decide import DenseAbstention, DensePredictionSets
from howsure.answers.positions.evaluate import DenseEvaluation
from howsure.answers.positions.regions import Region
from howsure.answers.positions.result import DenseCertainty
from howsure.answers.positions.sentence import DenseRow
from howsure.assess import assess, plan, predict_with_uncertainty, stream
from howsure.audit import Audit, audit
from howsure.compare.comparison import Comparison
from howsure.compare.run import compare
from howsure.errors import (
    DependencyError,
    FileError,
    HowsureError,
    HowsureWarning,
    InputError,
    ModelError,
)
from howsure.export.run import Exported, export
from howsure.judge.abstain import abstain
from howsure.judge.calibrate import calibrate
from howsure.judge.evaluate import evaluate
from howsure.judge.familiarity import Familiarity, familiarity
from howsure.judge.handover import hand_over
from howsure.judge.scores import Score
from howsure.judge.sets import prediction_intervals, prediction_sets
from howsure.methods.augmentation import Augmentation
from howsure.methods.ensemble import Ensemble
from howsure.methods.laplace import LastLayerLaplace
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.plain import Members, PlainPrediction, Softmax
from howsure.models.features import Features, features_of
from howsure.passes import passes
from howsure.results.thresholds import Thresholds
from howsure.sampling.plan import Plan

__version__: str

__all__ = [
    "Abstention",
    "Audit",
    "Augmentation",
    "Calibrator",
    "Certainty",
    "Comparison",
    "DenseAbstention",
    "DenseCalibrator",
    "DenseCertainty",
    "DenseEvaluation",
    "DensePredictionSets",
    "DenseRow",
    "DependencyError",
    "Ensemble",
    "Evaluation",
    "Exported",
    "Familiarity",
    "Features",
    "FileError",
    "HowsureError",
    "HowsureWarning",
    "InputError",
    "LastLayerLaplace",
    "MCDropout",
    "Members",
    "ModelError",
    "MultilabelCalibrator",
    "MultilabelCertainty",
    "MultilabelEvaluation",
    "MultilabelRow",
    "NumbersRow",
    "PlainPrediction",
    "Plan",
    "PredictionIntervals",
    "PredictionSets",
    "Region",
    "RegressionAbstention",
    "RegressionCalibrator",
    "RegressionCertainty",
    "RegressionEvaluation",
    "Row",
    "Score",
    "Softmax",
    "TargetScores",
    "Thresholds",
    "abstain",
    "assess",
    "audit",
    "calibrate",
    "compare",
    "evaluate",
    "export",
    "familiarity",
    "features_of",
    "hand_over",
    "load",
    "passes",
    "plan",
    "predict_with_uncertainty",
    "prediction_intervals",
    "prediction_sets",
    "stream",
]


if not _typing.TYPE_CHECKING:  # which would else believe that howsure has any attribute

    def __getattr__(name: str) -> str:
        if name == "__version__":
            from importlib.metadata import version  # looked up only where somebody asks

            return version("howsure")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
