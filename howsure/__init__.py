"""How sure is your neural network, row by row."""

from howsure.assess import assess, plan, predict_with_uncertainty, stream
from howsure.audit import Audit, audit
from howsure.certainty import Certainty, Row
from howsure.compare import Comparison, compare
from howsure.dropout.method import MCDropout
from howsure.dropout.plan import Plan
from howsure.errors import (
    DependencyError,
    FileError,
    HowsureError,
    HowsureWarning,
    InputError,
    ModelError,
)
from howsure.evaluate import Evaluation, Score, evaluate
from howsure.methods.augmentation import Augmentation
from howsure.methods.ensemble import Ensemble
from howsure.methods.laplace import LastLayerLaplace
from howsure.methods.softmax import Softmax
from howsure.models.features import Features, features_of
from howsure.trust.abstain import Abstention, abstain
from howsure.trust.calibrate import Calibrator, calibrate
from howsure.trust.familiarity import Familiarity, familiarity
from howsure.trust.handover import hand_over
from howsure.trust.sets import PredictionSets, prediction_sets
from howsure.verdict import Thresholds

load = Certainty.load

__all__ = [
    "Abstention",
    "Audit",
    "Augmentation",
    "Calibrator",
    "Certainty",
    "Comparison",
    "DependencyError",
    "Ensemble",
    "Evaluation",
    "Familiarity",
    "Features",
    "FileError",
    "HowsureError",
    "HowsureWarning",
    "InputError",
    "LastLayerLaplace",
    "MCDropout",
    "ModelError",
    "Plan",
    "PredictionSets",
    "Row",
    "Score",
    "Softmax",
    "Thresholds",
    "abstain",
    "assess",
    "audit",
    "calibrate",
    "compare",
    "evaluate",
    "familiarity",
    "features_of",
    "hand_over",
    "load",
    "plan",
    "predict_with_uncertainty",
    "prediction_sets",
    "stream",
]
