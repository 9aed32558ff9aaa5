"""How sure is your neural network, row by row."""

from howsure.assess import assess, plan, predict_with_uncertainty, stream
from howsure.audit import Audit, audit
from howsure.certainty import Certainty, Row
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
from howsure.verdict import Thresholds

load = Certainty.load

__all__ = [
    "Audit",
    "Certainty",
    "DependencyError",
    "Evaluation",
    "FileError",
    "HowsureError",
    "HowsureWarning",
    "InputError",
    "MCDropout",
    "ModelError",
    "Plan",
    "Row",
    "Score",
    "Thresholds",
    "assess",
    "audit",
    "evaluate",
    "load",
    "plan",
    "predict_with_uncertainty",
    "stream",
]
