"""A factor of the standard deviation that depends on features of the row, learnt from squared errors.

Boosted trees of scikit-learn predict log E[z² | features] of the standardised errors z by the gamma deviance,
mean of (z² / v + log v). It is twice the NLL of normal errors but for a constant. So v is the maximum of the
likelihood, and estimates the mean of z² without bias whatever the distribution of z. Least squares on log z²
would need the correction E log χ²₁ = −1.27, which holds for normal errors alone, and has a variance of π²/2
where this has 2.

Cross-validation chooses the number of trees, and then the level, at which the held-out z² / v have mean 1.
If the deviance without trees is within one standard error (Breiman and others 1984), the factor is 1 in all
rows.
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
                loss="gamma", max_iter=trees, max_leaf_nodes=LEAVES, early_stopping=False, random_state=seed
            )
            return boosting.fit(features[rows], positive[rows])

        if not squares.any():
            return cls(0.0, ())
        positive = np.maximum(squares, np.finfo(float).tiny ** 0.5)  # the deviance needs numbers above 0
        fold, v = random_folds(len(squares), seed), np.ones((TREES + 1, len(squares)))
        for number in range(FOLDS):
            left_out = fold == number
            v[0, left_out] = positive[~left_out].mean()
            v[1:, left_out] = [*model(~left_out, TREES).staged_predict(features[left_out])]
        loss = squares / v + np.log(v)
        count = int(np.argmin(loss.mean(axis=1)))
        gain = loss[0] - loss[count]
        if not gain.mean() > gain.std() / np.sqrt(len(gain)):
            return cls(0.0, ())
        boosting = model(slice(None), count)
        trees = tuple(BoostedTree.of(tree.nodes) for (tree,) in boosting._predictors)
        level = np.mean(squares / v[count])
        return cls(float(boosting._baseline_prediction.item() + np.log(level)), trees)

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
