"""The tasks of howsure. `howsure` adds them when it is imported; see `howsure.tasks.task`."""

from __future__ import annotations

from howsure.tasks.classification.task import Classification
from howsure.tasks.multilabel.task import Multilabel
from howsure.tasks.regression.task import Regression
from howsure.tasks.segmentation.task import Segmentation

OWN_TASKS = (Classification(), Multilabel(), Regression(), Segmentation())
"""The last is asked first whether it fits a model; classification is asked last, and says what is wrong."""
