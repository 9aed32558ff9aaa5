"""How sure is your model, row by row, and what else could the answer be?"""

import typing as _typing

from howsure.adapters.features import Features, features_of
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
from howsure.evaluation.abstain import abstain
from howsure.evaluation.calibrate import calibrate
from howsure.evaluation.evaluate import evaluate
from howsure.evaluation.familiarity import Familiarity, familiarity
from howsure.evaluation.handover import hand_over
from howsure.evaluation.prediction_sets import prediction_intervals, prediction_sets
from howsure.evaluation.rules import Rules, fit_rules
from howsure.evaluation.score import Score
from howsure.evaluation.watch import Watch, watch
from howsure.export.run import Exported, export
from howsure.methods.augmentation import Augmentation
from howsure.methods.ensemble import Ensemble
from howsure.methods.laplace import LastLayerLaplace
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.plain import Members, PlainPrediction, Softmax
from howsure.objects import Objects, ObjectScores, objects
from howsure.own_tasks import OWN_TASKS as _OWN_TASKS
from howsure.passes import passes
from howsure.results.thresholds import Thresholds
from howsure.sampling.plan import Plan
from howsure.scale.load import load
from howsure.tasks.classification.calibrate import Calibrator
from howsure.tasks.classification.decide import Abstention, PredictionSets
from howsure.tasks.classification.evaluate import Evaluation
from howsure.tasks.classification.result import Certainty
from howsure.tasks.classification.sentence import Row
from howsure.tasks.multilabel.calibrate import MultilabelCalibrator
from howsure.tasks.multilabel.decide import MultilabelAbstention, MultilabelPredictionSets
from howsure.tasks.multilabel.evaluate import MultilabelEvaluation
from howsure.tasks.multilabel.result import MultilabelCertainty
from howsure.tasks.multilabel.sentence import MultilabelRow
from howsure.tasks.regression.calibrate import RegressionCalibrator
from howsure.tasks.regression.decide import PredictionIntervals, RegressionAbstention
from howsure.tasks.regression.evaluate import RegressionEvaluation, TargetScores
from howsure.tasks.regression.result import RegressionCertainty
from howsure.tasks.regression.sentence import NumbersRow
from howsure.tasks.segmentation.calibrate import DenseCalibrator
from howsure.tasks.segmentation.decide import DenseAbstention, DensePredictionSets
from howsure.tasks.segmentation.evaluate import DenseEvaluation
from howsure.tasks.segmentation.regions import Region
from howsure.tasks.segmentation.result import DenseCertainty
from howsure.tasks.segmentation.sentence import DenseRow
from howsure.tasks.task import add as _add

__version__: str

for _task in _OWN_TASKS:
    _add(_task)

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
    "MultilabelAbstention",
    "MultilabelCalibrator",
    "MultilabelCertainty",
    "MultilabelEvaluation",
    "MultilabelPredictionSets",
    "MultilabelRow",
    "NumbersRow",
    "ObjectScores",
    "Objects",
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
    "Rules",
    "Score",
    "Softmax",
    "TargetScores",
    "Thresholds",
    "Watch",
    "abstain",
    "assess",
    "audit",
    "calibrate",
    "compare",
    "evaluate",
    "export",
    "familiarity",
    "features_of",
    "fit_rules",
    "hand_over",
    "load",
    "objects",
    "passes",
    "plan",
    "predict_with_uncertainty",
    "prediction_intervals",
    "prediction_sets",
    "stream",
    "watch",
]


if not _typing.TYPE_CHECKING:  # which would else believe that howsure has any attribute

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version  # looked up only where somebody asks

            return version("howsure")
        if name == "plot":
            import howsure.plot

            return howsure.plot
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
