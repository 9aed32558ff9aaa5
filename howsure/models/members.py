"""Members of a classifier that predicts their mean: the trees of a forest, a bagging, a soft vote.

Boosting adds up its members instead of averaging them, and a weighted vote does not count them equally; such
classifiers have no members here.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from loky import cpu_count
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Members:
    """The members of a classifier.

    Attributes:
        count: M ≥ 2.
        alike: True if one random procedure made all members, so that more of them could be made.
        ask: Maps rows, in the classifier's form, to probabilities (M, n, K).
    """

    count: int
    alike: bool
    ask: Callable[[Any], Array]


def members_of(model: Any) -> Members | None:
    """The members of a fitted classifier, or None if it has no recognisable members.

    The caller checks whether their mean is the prediction.

    Args:
        model: A classifier; it may be the last step of a pipeline, or the best of a search.
    """
    if hasattr(model, "best_estimator_"):
        return members_of(model.best_estimator_)
    if isinstance(getattr(model, "steps", None), list):
        return _of_pipeline(model)
    members = getattr(model, "estimators_", None)
    if not isinstance(members, list) or len(members) < 2:
        return None
    if not all(hasattr(member, "predict_proba") for member in members):
        return None
    if hasattr(model, "estimators_features_"):
        return _of_bagging(model)
    if getattr(model, "voting", None) == "soft":
        weights = model.weights
        if weights is not None and len(set(np.asarray(weights).tolist())) > 1:
            return None
        return Members(len(members), False, lambda x: _stacked(members, x))
    workers = _workers(model)
    if all(hasattr(member, "tree_") for member in members) and not hasattr(model, "estimator_weights_"):
        return Members(len(members), True, lambda x: _of_trees(members, x, workers))
    return None


def _of_pipeline(model: Any) -> Members | None:
    """The members of the last step; they get the rows that the earlier steps transformed."""
    last = members_of(model.steps[-1][1])
    if last is None or len(model.steps) == 1:
        return last
    before, ask = model[:-1], last.ask
    return replace(last, ask=lambda x: ask(before.transform(x)))


def _of_bagging(model: Any) -> Members:
    """Members that were fitted on subsets of the columns, and may not have seen all classes."""
    members, features = model.estimators_, model.estimators_features_
    width = len(model.classes_)

    def ask(x: Any) -> Array:
        array = _as_array(x)
        found = np.zeros((len(members), array.shape[0], width))
        for number, (member, columns) in enumerate(zip(members, features, strict=True)):
            seen = np.arange(width) if len(member.classes_) == width else np.asarray(member.classes_, int)
            found[number][:, seen] = member.predict_proba(array[:, columns])
        return found

    return Members(len(members), True, ask)


def _of_trees(trees: list[Any], x: Any, workers: int) -> Array:
    """Check rows once for all trees; a check by each tree would take longer than its prediction."""
    array = _as_array(x, np.float32)
    sound = isinstance(array, np.ndarray) and array.ndim == 2 and bool(np.isfinite(array).all())
    if sound and array.shape[1] == trees[0].n_features_in_:
        checked = np.ascontiguousarray(array)
        with ThreadPoolExecutor(workers) as pool:  # keeps the order; trees release the interpreter lock
            return np.stack([*pool.map(lambda tree: tree.predict_proba(checked, check_input=False), trees)])
    return _stacked(trees, array)


def _workers(model: Any) -> int:
    """Number of threads that the classifier's own prediction uses; `n_jobs=-1` means all processors."""
    jobs = getattr(model, "n_jobs", None) or 1
    return int(jobs) if jobs > 0 else max(1, cpu_count() + 1 + int(jobs))


def _stacked(members: list[Any], x: Any) -> Array:
    return np.stack([member.predict_proba(x) for member in members])


def _as_array(x: Any, dtype: Any = None) -> Any:
    """An array, or a sparse matrix in CSR form: what forests and baggings convert their input to."""
    if hasattr(x, "nnz") and hasattr(x, "tocsr"):
        return x.tocsr() if dtype is None else x.tocsr().astype(dtype)
    return np.asarray(x, dtype=dtype)
