"""Members of an estimator that predicts their mean: the trees of a forest, a bagging, a vote.

Boosting adds up its members instead of averaging them, and a weighted vote does not count them equally; such
estimators have no members here.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

Answer = Literal["predict_proba", "predict"]
PROBABILITIES_BY: Answer = "predict_proba"
PREDICT: Answer = "predict"
"""The methods of estimators that are asked."""


@dataclass(frozen=True)
class EstimatorMembers:
    """The members of an estimator.

    Attributes:
        count: M ≥ 2.
        alike: True if one random procedure made all members, so that more of them could be made.
        ask: Maps rows, in the estimator's form, to probabilities or numbers (M, n, K).
    """

    count: int
    alike: bool
    ask: Callable[[Any], Array]


def members_of(model: Any, answer: Answer) -> EstimatorMembers | None:
    """The members of a fitted estimator, or None if it has no recognisable members.

    The caller checks whether their mean is the prediction.

    Args:
        model: An estimator; it may be the last step of a pipeline, the best of a search, or the regressor of
            transformed targets.
        answer: The function that is asked: `predict_proba`, or `predict` of a regressor.
    """
    if hasattr(model, "best_estimator_"):
        return members_of(model.best_estimator_, answer)
    if isinstance(getattr(model, "steps", None), list):
        return _of_last_step(model, members_of(model.steps[-1][1], answer))
    if hasattr(model, "regressor_") and hasattr(model, "transformer_"):
        return _of_transformed(model, answer)
    members = getattr(model, "estimators_", None)
    if not isinstance(members, list) or len(members) < 2:
        return None
    if not all(hasattr(member, answer) for member in members):
        return None
    if hasattr(model, "estimators_features_"):
        return _of_bagging(model, answer)
    is_vote = getattr(model, "voting", None) == "soft"
    if answer == PREDICT:
        is_vote = hasattr(model, "named_estimators_") and hasattr(model, "weights")
    if is_vote:
        weights = model.weights
        if weights is not None and len(set(np.asarray(weights).tolist())) > 1:
            return None
        return EstimatorMembers(len(members), False, lambda x: _stacked(members, x, answer))
    jobs = int(getattr(model, "n_jobs", None) or 1)
    from joblib import cpu_count  # scikit-learn, which made the forest, brings it

    workers = jobs if jobs > 0 else max(1, cpu_count() + 1 + jobs)  # -1 means all processors
    if all(hasattr(member, "tree_") for member in members) and not hasattr(model, "estimator_weights_"):
        return EstimatorMembers(len(members), True, lambda x: _of_trees(members, x, workers, answer))
    return None


def as_columns(values: Any) -> Array:
    """(n, K) from (n, K), or from (n,) where K = 1."""
    array = np.asarray(values)
    return array[:, None] if array.ndim == 1 else array


def _of_transformed(model: Any, answer: Answer) -> EstimatorMembers | None:
    """The members of the regressor of transformed targets, in the unit of the targets."""
    members = members_of(model.regressor_, answer)
    if members is None:
        return None
    ask, back = members.ask, model.transformer_.inverse_transform
    return replace(members, ask=lambda x: np.stack([as_columns(back(targets)) for targets in ask(x)]))


def _of_last_step(model: Any, last: EstimatorMembers | None) -> EstimatorMembers | None:
    """The members of a last step, which gets the rows that the earlier steps transformed."""
    if last is None or len(model.steps) == 1:
        return last
    before, ask = model[:-1], last.ask
    return replace(last, ask=lambda x: ask(before.transform(x)))


def _of_bagging(model: Any, answer: Answer) -> EstimatorMembers:
    """Members that were fitted on subsets of the columns, and may not have seen all classes."""
    members, features = model.estimators_, model.estimators_features_

    def ask(x: Any) -> Array:
        array = _as_array(x)
        if answer == PREDICT:
            pairs = zip(members, features, strict=True)
            return np.stack([as_columns(member.predict(array[:, columns])) for member, columns in pairs])
        width = len(model.classes_)
        probabilities = np.zeros((len(members), array.shape[0], width))
        for number, (member, columns) in enumerate(zip(members, features, strict=True)):
            classes = np.arange(width) if len(member.classes_) == width else np.asarray(member.classes_, int)
            probabilities[number][:, classes] = member.predict_proba(array[:, columns])
        return probabilities

    return EstimatorMembers(len(members), True, ask)


def _of_trees(trees: list[Any], x: Any, workers: int, answer: Answer) -> Array:
    """Check rows once for all trees; a check by each tree would take longer than its prediction."""
    array = _as_array(x, np.float32)
    sound = isinstance(array, np.ndarray) and array.ndim == 2 and bool(np.isfinite(array).all())
    if sound and array.shape[1] == trees[0].n_features_in_:
        checked = np.ascontiguousarray(array)
        with ThreadPoolExecutor(workers) as pool:  # keeps the order; trees release the interpreter lock
            outputs = pool.map(lambda tree: getattr(tree, answer)(checked, check_input=False), trees)
            return np.stack([as_columns(output) for output in outputs])
    return _stacked(trees, array, answer)


def _stacked(members: list[Any], x: Any, answer: Answer) -> Array:
    return np.stack([as_columns(getattr(member, answer)(x)) for member in members])


def _as_array(x: Any, dtype: Any = None) -> Any:
    """An array, or a sparse matrix in CSR form: what forests and baggings convert their input to."""
    if hasattr(x, "nnz") and hasattr(x, "tocsr"):
        return x.tocsr() if dtype is None else x.tocsr().astype(dtype)
    return np.asarray(x, dtype=dtype)
