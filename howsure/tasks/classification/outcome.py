"""One class per row: the answer is a distribution over K classes, the result a `Certainty`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from howsure.adapters.protocol import PROBABILITIES, ModelInfo, RawOutputs
from howsure.external.given import Kind
from howsure.external.rounding import distributions
from howsure.inputs.labels import check_class_names, check_labels
from howsure.request import Request
from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Booleans, Estimates, Floats, Integers, ResultMetadata
from howsure.tasks.classification.result import Certainty
from howsure.tasks.distributions import OneOfClasses
from howsure.tasks.outputs import read_outputs, to_probabilities
from howsure.tasks.probabilities import GIVEN_PROBABILITIES
from howsure.tasks.verdict import LEAST_DRAWN, judge


@dataclass(frozen=True)
class Classes(OneOfClasses):
    """One of K classes for each row.

    Args:
        model: Name of the model, for messages.
        outputs: `probabilities` or `logits`.
        dtype: Type of number in which the model computes its output.
        class_names: K names.
        thresholds: Thresholds of the verdicts.
        order: Places of the K classes in the outputs of the model; None if they are in this order.
    """

    model: str
    outputs: str
    dtype: str
    class_names: tuple[str, ...]
    thresholds: Thresholds
    order: Sequence[int] | None = None
    name = "classes"
    has_one_top = True

    @classmethod
    def of(cls, info: ModelInfo, request: Request) -> Classes:
        """The outcome of a model.

        Raises:
            InputError: Names that do not fit, or `outputs` is unknown.
            ModelError: The output is not a distribution over classes, or does not say what it is.
        """
        kind = read_outputs(request.outputs, info, named=request.class_names is not None)
        class_names = check_class_names(request.class_names, max(2, info.output_shape[-1]))
        return cls(info.name, kind, info.output_dtype, class_names, request.limits)

    @property
    def width(self) -> int:
        """K."""
        return len(self.class_names)

    @property
    def truth_names(self) -> tuple[str, ...]:
        """Names of classes, one of which is true."""
        return self.class_names

    def values(self, raw: RawOutputs, rows: Integers) -> Floats:
        """(W, n, K) probabilities."""
        probabilities = to_probabilities(raw, self.outputs, self.model, rows, self.dtype)
        return probabilities if self.order is None else probabilities[..., self.order]

    def in_order(self, order: Sequence[int]) -> Classes:
        """The same for a model whose outputs have the classes in another order."""
        return replace(self, order=order)

    def fitted_on(self, mean: Floats) -> Booleans:
        """(n, C) the two top classes and the entropies; others are nearly 0, and more than enough."""
        p = mean[..., : self.width]
        fitted = np.ones(mean.shape, dtype=bool)
        fitted[..., : self.width] = p >= np.partition(p, -2, axis=-1)[..., -2, None]
        return fitted

    def doubt(self, values: Floats) -> Floats:
        """(n,) gap between the two top probabilities."""
        two = np.partition(values, -2, axis=-1)[..., -2:]
        return np.asarray(two[..., 1] - two[..., 0])

    def is_enough(self, estimates: Estimates, target_error: float) -> Booleans:
        """(n,) whether every probability is known to `target_error` and the verdict is settled."""
        p, mc_error = estimates.mean[:, : self.width], estimates.error[:, : self.width]
        _, settled = judge(p, mc_error, self.thresholds, estimates.passes < LEAST_DRAWN)
        return np.asarray(np.all(mc_error <= target_error, axis=-1) & settled)

    def check_truth(self, labels: Any, rows: int) -> Integers:
        """(N,) class numbers, or an `InputError` unless these say one class for each row."""
        return check_labels(labels, rows, self.width, self.class_names)

    def result(self, estimates: Estimates, metadata: ResultMetadata) -> Certainty:
        """A `Certainty` of N rows."""
        fields = self.shared_fields(estimates, metadata)
        one_each = {name: fields[name][:, 0] for name in fields if "entropy" in name or "information" in name}
        return Certainty(
            **{**fields, **one_each},
            quantiles=estimates.quantiles,
            quantiles_error=estimates.quantiles_error,
            class_names=self.class_names,
            thresholds=self.thresholds,
        )


GIVEN = Kind(
    noun="class",
    expected="an array of shape (rows, classes), or (rows,) of the second of two classes",
    sums=True,
    checked=distributions,
    outcome=lambda names, limits: Classes(GIVEN_PROBABILITIES, PROBABILITIES, "float64", names, limits),
)
"""How given probabilities are read: the part `given`."""
