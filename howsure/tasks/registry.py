"""The tasks of howsure, in the order in which they are asked whether they fit a model; see `tasks.task`."""

from __future__ import annotations

from howsure.tasks.classification.task import Classification
from howsure.tasks.multilabel.task import Multilabel
from howsure.tasks.regression.task import Regression
from howsure.tasks.segmentation.task import Segmentation
from howsure.tasks.task import add

# The one that is added last is asked first: the error of classification says what is wrong with a model that
# fits none.
for own in (Classification(), Multilabel(), Regression(), Segmentation()):
    add(own)
