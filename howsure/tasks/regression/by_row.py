"""A factor of the standard deviation that depends on features of the row, learnt from squared errors.

Boosted trees of scikit-learn predict log z² from features, by least squares, where z are the standardised
errors. For normal errors the mean of log z² is log v − 1.27 and its variance π²/2, whatever the variance v of
z is (Davidian and Carroll 1987). So trees learn log v but for a constant, equally well where v is small and
where it is large. The constant follows from held-out rows: z² / v has mean 1 there, so that v is right on
average whatever the distribution of z.

Trees by the gamma deviance would use the data better (a variance of 2). But Newton's steps of scikit-learn go
far too low where most z² lie below their mean, as they do if v differs much between rows.

Cross-validation chooses the number of trees by the NLL of normal errors, which is the gamma deviance of z².
With no tree the factor is 1 in all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Self

import msgspec
import numpy as np

from howsure.errors import InputError
from howsure.evaluation.cross_fit import FOLDS, random_folds
from howsure.inputs.align import aligned
from howsure.inputs.by_name import columns_of, has_columns, only_count
from howsure.inputs.rows import as_floats
from howsure.inputs.targets import by_target, check_finite
from howsure.inputs.typed_json import FINITE, FROM_0, digest, typed, wrong
from howsure.optional import needs
from howsure.results.result import Result
from howsure.sampling.outcome import Floats

TREES, LEAVES = 100, 4
"""Most trees, the default of scikit-learn, and leaves of each (Friedman 2001 tries 2 to 21)."""

SMALLEST = 1e-8
"""Least z², as a share of the mean, whose logarithm is taken: of normal errors one in 12,500 is below."""

_Count = Annotated[int, FROM_0]
_Number = Annotated[float, FINITE]


@dataclass(frozen=True)
class BoostedTree:
    """A tree by node: a row goes `left` if its `feature` is at most `threshold`; a leaf leads to itself.

    Attributes:
        feature: Number of the feature.
        threshold: In its unit.
        left: Number of the next node, after its own.
        right: Likewise.
        value: Logarithm of z² that a leaf adds.
    """

    feature: tuple[_Count, ...]
    threshold: tuple[_Number, ...]
    left: tuple[_Count, ...]
    right: tuple[_Count, ...]
    value: tuple[_Number, ...]

    @classmethod
    def of(cls, nodes: Any) -> Self:
        """From the nodes of a tree of scikit-learn's `HistGradientBoostingRegressor`."""
        own, leaf = np.arange(len(nodes)), nodes["is_leaf"].astype(bool)
        feature, threshold = (np.where(leaf, 0, nodes[name]) for name in ("feature_idx", "num_threshold"))
        left, right = (np.where(leaf, own, nodes[name]) for name in ("left", "right"))
        fields = feature.astype(int), threshold, left, right, nodes["value"]
        return cls(*(tuple(field.tolist()) for field in fields))

    def check(self, features: int) -> None:
        """Raise an `InputError` unless each path through it ends, and it reads these features alone."""
        nodes, own = len(self.value), range(len(self.value))
        ends = all(
            (low == high == node) or node < min(low, high) <= max(low, high) < nodes
            for node, low, high in zip(own, self.left, self.right, strict=True)
        )
        if not ends or not nodes == len(self.feature) == len(self.threshold) or max(self.feature) >= features:
            raise wrong("trees", "trees as they were saved", self)

    def __call__(self, features: Floats) -> Floats:
        """(N,) values of the rows' leaves."""
        feature, threshold, left, right, value = map(np.asarray, vars(self).values())
        node, rows = np.zeros(len(features), int), np.arange(len(features))
        for _ in range(LEAVES - 1):
            node = np.where(features[rows, feature[node]] <= threshold[node], left[node], right[node])
        return np.asarray(value[node])


@dataclass(frozen=True)
class Boosted:
    """The factor of one target.

    Attributes:
        base: Logarithm of z² without trees, with the level.
        trees: The trees; each adds to it.
    """

    base: _Number
    trees: tuple[BoostedTree, ...]

    @classmethod
    def fitted(cls, features: Floats, squares: Floats, seed: int) -> Self:
        """Learn from features (N, F) and z² (N,)."""
        with needs("sklearn", "`scale_by`", "scikit-learn"):
            from sklearn.ensemble import HistGradientBoostingRegressor

        def model(rows: Any, trees: int) -> Any:
            boosting = HistGradientBoostingRegressor(
                max_iter=trees, max_leaf_nodes=LEAVES, early_stopping=False, random_state=seed
            )
            return boosting.fit(features[rows], logs[rows])

        if not squares.any():
            return cls(0.0, ())
        order = np.lexsort((squares, *features.T))  # so that folds do not depend on the order of the rows
        features, squares = features[order], squares[order]
        logs = np.log(np.maximum(squares, SMALLEST * squares.mean()))
        fold, predicted = random_folds(len(squares), seed), np.zeros((TREES + 1, len(squares)))
        for number in range(FOLDS):
            left_out = fold == number
            predicted[0, left_out] = np.log(squares[~left_out].mean())
            predicted[1:, left_out] = [*model(~left_out, TREES).staged_predict(features[left_out])]
        levels = np.log(np.mean(squares * np.exp(-predicted), axis=1, keepdims=True))
        levels[0] = 0.0
        predicted += levels
        loss = squares * np.exp(-predicted) + predicted
        count = int(np.argmin(loss.mean(axis=1)))
        gain = loss[0] - loss[count]
        if not gain.mean() > gain.std() / np.sqrt(len(gain)):
            return cls(0.0, ())
        boosting = model(slice(None), count)
        trees = tuple(BoostedTree.of(tree.nodes) for (tree,) in boosting._predictors)
        return cls(float(boosting._baseline_prediction.item() + levels[count].item()), trees)

    def __call__(self, features: Floats) -> Floats:
        """(N,) factors of the standard deviation."""
        return np.asarray(
            np.exp(sum((tree(features) for tree in self.trees), np.full(len(features), self.base)) / 2)
        )


@dataclass(frozen=True)
class ByRow:
    """Factors (N, K) of the standard deviation, from features (N, F).

    Attributes:
        columns: Names of the features; their numbers if they have none.
        of_targets: By target, its factor.
    """

    columns: tuple[str, ...]
    of_targets: tuple[Boosted, ...]

    @classmethod
    def fitted(cls, columns: tuple[str, ...], features: Floats, squares: Floats, seed: int) -> Self:
        """Learn from features (N, F) and z² (N, K)."""
        return cls(columns, tuple(Boosted.fitted(features, of_target, seed) for of_target in squares.T))

    def __call__(self, features: Floats) -> Floats:
        """(N, K) factors."""
        return np.stack([of_target(features) for of_target in self.of_targets], axis=-1)

    @property
    def settings(self) -> dict[str, Any]:
        """The entry in the record of a calibrated result."""
        return {"features": len(self.columns), "trees": digest(self.as_json)[:12]}

    @property
    def as_json(self) -> Any:
        """As JSON can hold it."""
        return msgspec.to_builtins(self)

    @classmethod
    def read(cls, content: Any, targets: int) -> ByRow | None:
        """The inverse of `as_json`."""
        if content is None:
            return None
        read: ByRow = typed(cls, content, "by_row")
        if len(read.of_targets) != targets:
            raise wrong("by_row.of_targets", f"{targets} of them", read.of_targets)
        for of_target in read.of_targets:
            for tree in of_target.trees:
                tree.check(len(read.columns))
        return read


def features_of(
    values: Any, result: Result[Any], columns: tuple[str, ...] | None = None
) -> tuple[Floats, tuple[str, ...]]:
    """Features (N, F) as a caller gives them, and their names; `columns` are those that were learnt from.

    Raises:
        InputError: Another number of rows or columns, no numbers, or not finite.
    """
    called = "The features of `scale_by`"
    if columns is not None and not only_count(columns):
        values = by_target(values, columns, called)
    names = tuple(map(str, columns_of(values))) if has_columns(values) else None
    given = as_floats(aligned(values, result, called, "scale_by"), called)
    features = given[:, None] if given.ndim == 1 else given
    rows, count = len(result), features.shape[-1] if columns is None else len(columns)
    if features.shape != (rows, count) or not count:
        raise InputError(
            f"{called} do not fit the rows",
            expected=f"an array of shape ({rows}, {'F' if columns is None else count})",
            received=f"an array of shape {given.shape}",
        )
    check_finite(features, called)
    return features, columns or names or tuple(map(str, range(count)))
