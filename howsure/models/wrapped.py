"""Refuse what follows scikit-learn and holds a network: skorch, scikeras, a pipeline or search around them.

Such a wrapper can only predict; the network inside it can run passes. Nothing is imported: the attributes of
a wrapper identify it.

    module_, model_    the network of skorch, and of scikeras
    steps              a pipeline; its last step predicts
    best_estimator_    a search
    the others         what changes the predictions of its parts, as CalibratedClassifierCV does
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from howsure.errors import ModelError

NETWORKS = ("keras", "torch")
"""Packages that define networks."""

_OF_NETWORKS = ("module_", "model_")
_OF_PARTS = ("best_estimator_", "estimator_", "estimator", "regressor_", "final_estimator_")
_OF_LISTS = ("estimators_", "calibrated_classifiers_")

_PARTS_OF_A_LIST = 6
"""Number of parts that are looked at, where there may be hundreds."""

_DEPTH = 4


def roots_of(model: Any) -> set[str]:
    """The packages that define a model's class and its bases; imports nothing."""
    return {cls.__module__.split(".")[0] for cls in type(model).__mro__}


def check_holds_no_network(model: Any) -> None:
    """Raise a `ModelError` that says where the network is, if an object of scikit-learn holds one."""
    where = _path_to_network(model)
    if where is None:
        return
    before, is_pipeline, _ = where.rpartition("[-1]")
    rows = f", with the rows that model{before}[:-1].transform(x) makes" if is_pipeline else ""
    own = ""
    if hasattr(model, "classes_"):
        own = ". Its own predictions can be passed in Python to howsure.Certainty.from_probabilities"
    raise ModelError(
        f"This {type(model).__name__} holds a network, and howsure assesses the network itself",
        expected="a Keras model, a module of PyTorch, or an estimator without a network",
        hint=f"In Python, pass model{where}{rows}. If nothing shows what the network puts out, say it: "
        f"outputs='logits', 'probabilities' or 'values'{own}",
    )


def _path_to_network(model: Any, depth: int = _DEPTH) -> str | None:
    """The attributes that lead to the network inside an estimator; None if there is none."""
    for name in _OF_NETWORKS:
        if not roots_of(getattr(model, name, None)).isdisjoint(NETWORKS):
            return f".{name}"
    for path, part in _parts(model) if depth else ():
        further = _path_to_network(part, depth - 1)
        if further is not None:
            return path + further
    return None


def _parts(model: Any) -> Iterator[tuple[str, Any]]:
    """The estimators inside an estimator, with the attributes that lead to them."""
    steps = getattr(model, "steps", None)
    if isinstance(steps, list) and steps:
        yield "[-1]", steps[-1][1]
    for name in _OF_PARTS:
        yield f".{name}", getattr(model, name, None)
    for name in _OF_LISTS:
        parts = np.asarray(getattr(model, name, []), dtype=object).ravel()
        for number, part in enumerate(parts[:_PARTS_OF_A_LIST]):
            yield f".{name}[{number}]", part
