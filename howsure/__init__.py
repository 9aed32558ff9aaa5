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
from howsure.verdict import Thresholds

load = Certainty.load

__all__ = [
    "Audit",
    "Certainty",
    "DependencyError",
    "FileError",
    "HowsureError",
    "HowsureWarning",
    "InputError",
    "MCDropout",
    "ModelError",
    "Plan",
    "Row",
    "Thresholds",
    "assess",
    "audit",
    "load",
    "plan",
    "predict_with_uncertainty",
    "stream",
]
