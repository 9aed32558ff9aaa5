"""Refuse what follows scikit-learn and holds a network: skorch, scikeras, a pipeline or search around them.

Such a wrapper can only predict; the network inside it can run passes. Nothing is imported: the attributes of
a wrapper identify it.

    module_, model_    the network of skorch, and of scikeras
    steps              a pipeline; its last step predicts
    best_estimator_    a search

An estimator makes answers of its own from those of a network, as CalibratedClassifierCV or a vote does.
"""

from __future__ import annotations

from typing import Any

from howsure.errors import ModelError

NETWORKS = ("keras", "torch")
"""Packages that define networks."""

_OF_NETWORKS = ("module_", "model_")


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


def _path_to_network(model: Any) -> str | None:
    """The attributes that lead to the network inside an estimator; None if there is none."""
    path = ""
    while model is not None:
        for name in _OF_NETWORKS:
            if not roots_of(getattr(model, name, None)).isdisjoint(NETWORKS):
                return f"{path}.{name}"
        steps = getattr(model, "steps", None)
        if isinstance(steps, list) and steps:
            path, model = f"{path}[-1]", steps[-1][1]
        else:
            path, model = f"{path}.best_estimator_", getattr(model, "best_estimator_", None)
    return None
