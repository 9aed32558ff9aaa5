"""Several labels per row: each of K labels has its own yes or no, the result is a `MultilabelCertainty`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from howsure.adapters.protocol import (
    LABEL_LOGITS,
    LABEL_PROBABILITIES,
    LOGITS,
    PROBABILITIES,
    SEVERAL_LABELS,
    ModelInfo,
    RawOutputs,
)
from howsure.errors import ModelError
from howsure.external.given import Kind
from howsure.external.rounding import check_range
from howsure.inputs.labels import check_class_names, check_yes_or_no
from howsure.inputs.rows import in_rows, row_number
from howsure.request import Request
from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Booleans, Estimates, Floats, Integers, ResultMetadata
from howsure.statistics import entropy_correction, entropy_of
from howsure.tasks.distributions import SMALLEST, Distributions
from howsure.tasks.multilabel.result import MultilabelCertainty, no_and_yes
from howsure.tasks.outputs import SUM_OFF, check_trained_for
from howsure.tasks.probabilities import GIVEN_PROBABILITIES
from howsure.tasks.verdict import LEAST_DRAWN, judge


@dataclass(frozen=True)
class Labels(Distributions):
    """Some of K labels for each row; none excludes another.

    Args:
        model: Name of the model, for messages.
        outputs: `label-probabilities` or `label-logits`.
        label_names: K names.
        thresholds: Thresholds of the verdicts on each label.
    """

    model: str
    outputs: str
    label_names: tuple[str, ...]
    thresholds: Thresholds
    name = "labels"

    @classmethod
    def of(cls, info: ModelInfo, request: Request) -> Labels | None:
        """The outcome of a model, or None if its output is no yes or no for each of K labels.

        If the request does not say what the outputs are, K > 1 sigmoids are read as labels, and so are as
        many linear outputs of a model that was trained with binary cross-entropy.

        Raises:
            InputError: Names that do not fit.
            ModelError: Declared, but the output is not one number for each label.
        """
        outputs = request.outputs
        several = len(info.output_shape) == 1 and info.output_shape[0] > 1
        if outputs is None and info.says is None and info.ending == LABEL_PROBABILITIES:
            outputs = LABEL_PROBABILITIES
        elif outputs is None and several:
            if info.says is not None:
                outputs = info.says
            elif info.ending == "sigmoid":
                outputs = LABEL_PROBABILITIES
                check_trained_for(info, PROBABILITIES)
            elif info.ending == "linear" and info.trained_for == SEVERAL_LABELS:
                outputs = LABEL_LOGITS
                check_trained_for(info, LOGITS)
        if outputs not in (LABEL_PROBABILITIES, LABEL_LOGITS):
            return None
        if len(info.output_shape) != 1:
            raise ModelError(
                f"The output of model '{info.name}' is not one number per label",
                expected="an output of shape (rows, labels)",
                received=f"(rows, {', '.join(map(str, info.output_shape))})",
            )
        return cls(
            info.name, outputs, check_class_names(request.class_names, info.output_shape[0]), request.limits
        )

    @property
    def width(self) -> int:
        """K."""
        return len(self.label_names)

    @property
    def distributions(self) -> int:
        """One for each label."""
        return self.width

    def values(self, raw: RawOutputs, rows: Integers) -> Floats:
        """(W, n, K) probabilities that a row has each label."""
        # A label whose logit is infinite has probability 0 or 1.
        is_known = ~np.isnan(raw) if self.outputs == LABEL_LOGITS else np.isfinite(raw)
        bad = ~is_known.all(axis=(0, 2))
        if bad.any():
            where = in_rows(int(bad.sum()), rows[bad][:5].tolist())
            what = "NaN" if self.outputs == LABEL_LOGITS else "NaN or infinity"
            raise ModelError(
                f"Model '{self.model}' put out {what} {where}",
                hint="Check the model's weights and the range of these rows",
            )
        values = raw.astype(np.float64)
        if self.outputs == LABEL_LOGITS:
            return np.asarray(expit(values))
        outside = (values < -1e-6) | (values > 1 + 1e-3)
        if outside.any():
            row = int(np.argmax(outside.any(axis=(0, 2))))
            one_pass = int(np.argmax(outside[:, row].any(axis=-1)))
            raise ModelError(
                f"The outputs of model '{self.model}' are no probabilities, "
                f"first in row {row_number(rows[row])}",
                expected="numbers from 0 to 1, one for each label",
                received=np.array2string(values[one_pass, row, :6], precision=4),
                hint="If the model ends in logits, say so: outputs='label-logits'",
            )
        return np.clip(values, 0.0, 1.0)

    def entropy(self, probabilities: Floats) -> Floats:
        """(…, K) nats, of yes and no."""
        return entropy_of(no_and_yes(probabilities))

    def cross_entropy(self, probabilities: Floats, reference: Floats) -> Floats:
        """(…, K) nats."""
        surprise = -np.log(np.maximum(no_and_yes(reference), SMALLEST))
        return np.asarray(np.sum(no_and_yes(probabilities) * surprise, axis=-1))

    def correction(self, probabilities: Floats, squared_error: Floats) -> Floats:
        """(…, K) nats."""
        return entropy_correction(no_and_yes(probabilities), np.stack([squared_error] * 2, axis=-1))

    def least_moved(self, probabilities: Floats) -> Floats:
        """(…, K) the label's own."""
        return probabilities

    def doubt(self, values: Floats) -> Floats:
        """(n,) of the most undecided label, how far yes and no are apart."""
        return np.asarray(np.min(np.abs(2 * values - 1), axis=-1))

    def is_enough(self, estimates: Estimates, target_error: float) -> Booleans:
        """(n,) whether every probability is known to `target_error` and every verdict is settled."""
        p, mc_error = estimates.mean[:, : self.width], estimates.error[:, : self.width]
        errors = np.stack([mc_error, mc_error], axis=-1)
        _, settled = judge(no_and_yes(p), errors, self.thresholds, estimates.passes < LEAST_DRAWN)
        return np.asarray(np.all((mc_error <= target_error) & settled, axis=-1))

    def check_truth(self, labels: Any, rows: int) -> Booleans:
        """(N, K) yes or no, or an `InputError` unless these say of each row which labels hold."""
        return check_yes_or_no(labels, rows, self.width, self.label_names)

    def result(self, estimates: Estimates, metadata: ResultMetadata) -> MultilabelCertainty:
        """A `MultilabelCertainty` of N rows."""
        fields = self.shared_fields(estimates, metadata)
        return MultilabelCertainty(**fields, label_names=self.label_names, thresholds=self.thresholds)


def _checked_probabilities(p: Floats, numbers: Integers, dtype: str, called: str) -> Floats:
    check_range(p, numbers, called, SUM_OFF, "the probability of each label")
    return np.clip(p, 0.0, 1.0)


GIVEN = Kind(
    noun="label",
    expected="an array of shape (rows, labels), the probability that each label holds",
    sums=False,
    checked=_checked_probabilities,
    outcome=lambda names, limits: Labels(GIVEN_PROBABILITIES, LABEL_PROBABILITIES, names, limits),
)
"""How given probabilities are read: the part `given`."""
