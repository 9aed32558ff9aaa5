"""A class at each position: the answer is a distribution over K classes there, the result a `DenseCertainty`.

raw outputs (W, n, K, *P) or (W, n, *P, K)
  │ values               classes on the last axis, softmax, in single precision
  ▼
columns (W, n, *P, K + 3)   sums over passes, as for one class per row
maps of labels (W, n, *P)   `PassesTally`: what each network says of the whole row

A mask by row number, `Positions.counts`, says which positions count. `take` gives the outcome of some rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from howsure.adapters.protocol import (
    CLASSES,
    COUNTED,
    LABEL_LOGITS,
    LOGITS,
    NUMBERS,
    PROBABILITIES,
    QUANTILES,
    SEVERAL_LABELS,
    Model,
    ModelInfo,
    RawOutputs,
)
from howsure.errors import InputError, ModelError
from howsure.inputs.labels import check_class_names
from howsure.inputs.rows import in_rows, row_number
from howsure.inputs.transforms import Change, Layout
from howsure.request import KEEP_PROBABILITIES, Request
from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Booleans, Estimates, Floats, InputRows, Integers, ResultMetadata
from howsure.statistics import total_entropy
from howsure.tasks.distributions import OneOfClasses
from howsure.tasks.multilabel.outcome import Labels
from howsure.tasks.outputs import SUM_OFF, SUMS_OFF, read_outputs
from howsure.tasks.segmentation.padding import given_counts, own_counts
from howsure.tasks.segmentation.result import DenseCertainty
from howsure.tasks.segmentation.tally import PassesTally, columns_of
from howsure.tasks.segmentation.truth import IGNORED, truth_map
from howsure.tasks.verdict import LEAST_DRAWN, judge, pick, too_few, top_two

SHARE_KNOWN = 0.9
"""Share of its positions that are settled, and known to the target error, in a row that has enough passes.

The rest lies close to a threshold. On CamVid, 0.95 takes 33 instead of 20 passes of a U-Net with dropout at
the bottom, and changes neither accuracy nor log-likelihood (docs/segmentation-study.md).
"""

MOST_AXES = 3
"""Axes of positions: of a text or a signal, of an image, of a volume."""


_ONE_LABEL = (
    "A position with K labels has a result for each, from a model of that label alone: in PyTorch a module "
    "that returns module(x)[:, k : k + 1], in Keras "
    "keras.Model(model.inputs, model.outputs[0][..., k : k + 1])"
)
"""The remedy where a model has several labels at each position."""


@dataclass(frozen=True)
class Positions(OneOfClasses):
    """One of K classes for each position of a row.

    Args:
        model: Name of the model, for messages.
        outputs: `probabilities` or `logits`.
        dtype: Type of number in which the model computes its output.
        class_names: K names.
        thresholds: Thresholds of the verdicts.
        positions: Shape *P of the positions of a row.
        class_axis: Axis of the classes in the output of one row; None if a position has one number, which
            is of the second of two classes.
        keep: Whether the probabilities of all classes are kept.
        counts: Maps row numbers (n,) to whether their positions count, (n, *P); None if all do.
        position_called: Name of a position; empty for the usual word.
        has_mask: Whether the model says of each row which positions count.
        undo: Moves outputs for moved rows back; None if none moved.
        seen: Shape of the positions in the outputs for moved rows; empty if none moved.
    """

    model: str
    outputs: str
    dtype: str
    class_names: tuple[str, ...]
    thresholds: Thresholds
    positions: tuple[int, ...]
    class_axis: int | None
    keep: bool = False
    counts: Any = field(default=None, compare=False, repr=False)
    position_called: str = ""
    has_mask: bool = False
    undo: Any = field(default=None, compare=False, repr=False)
    seen: tuple[int, ...] = ()
    name = "positions"
    follows_plans = False

    first_passes = 20
    """Four balanced groups at a dropout rate of 0.2, which are worth almost four times as many independent
    passes on CamVid. None of 10 passes would be balanced at that rate (docs/segmentation-study.md)."""

    most_passes = 80
    """On CamVid, 160 change neither accuracy nor log-likelihood beyond the third digit, also where a tenth of
    the positions is not settled (docs/segmentation-study.md)."""

    usual_target = 0.02
    """Twice that of one class per row. On CamVid, 80 passes of the most doubtful networks leave a root mean
    square error of 0.01 in the map, so few of their images could be known to less
    (docs/segmentation-study.md)."""

    precision = np.float32

    @classmethod
    def of(cls, info: ModelInfo, request: Request) -> Positions | None:
        """The outcome of a model with axes of positions, or None if its answers are of another kind.

        Raises:
            InputError: Names or a `class_axis` that do not fit, or `outputs` is unknown.
            ModelError: The output does not say which of its axes holds the classes, or what it holds.
        """
        shape = info.output_shape
        declared = request.outputs in ("probabilities", LOGITS)
        of_another_kind = request.outputs in (*NUMBERS, *COUNTED, QUANTILES) or (
            not declared and info.trained_for not in (None, CLASSES, SEVERAL_LABELS)
        )
        if not 2 <= len(shape) <= MOST_AXES + 1 or of_another_kind:
            return None
        axis = _class_axis(info, request)
        classes = shape[axis]
        positions = tuple(np.delete(shape, axis).tolist())
        if request.class_axis is None and math.prod(positions) == 1 and not _has_one_position(info, axis):
            raise _one_position(info, axis)
        settings = request.limits, positions, axis, request.keep == KEEP_PROBABILITIES
        of_row = replace(info, output_shape=(classes,))
        labels = Labels.of(of_row, request)
        if labels is not None:
            if labels.width > 1:
                raise ModelError(
                    f"Model '{info.name}' has {labels.width} labels at each position, none of which excludes "
                    "another",
                    expected="one of them, yes or no at each position",
                    received=f"an output of shape (rows, {', '.join(map(str, shape))})",
                    hint=f"{_ONE_LABEL}. If a position has one class, say so: outputs='logits' or "
                    "'probabilities'",
                )
            (name,) = labels.label_names
            kind = LOGITS if labels.outputs == LABEL_LOGITS else PROBABILITIES
            return cls(info.name, kind, info.output_dtype, (f"not {name}", name), *settings)
        named = request.class_names is not None
        kind = read_outputs(request.outputs, of_row, named=named, at_position=True)
        names = check_class_names(request.class_names, max(2, classes))
        return cls(info.name, kind, info.output_dtype, names, *settings)

    def of_rows(self, model: Model, rows: Sequence[InputRows], total: int, positions: Any) -> Positions:
        """The same with the positions that count: given, or those that an attention mask or Keras counts."""
        own = own_counts(model, rows, (total, *(self.seen or self.positions)))
        if positions is not None:
            counts = given_counts(positions, (total, *self.positions))
        elif (counts := own.counts) is not None and self.undo is not None:
            axis = 1 + (self.class_axis or 0)
            counts = np.squeeze(self._back(np.expand_dims(counts, axis)), axis)
        return replace(self, counts=counts, position_called=own.called, has_mask=own.known)

    def take(self, rows: Integers) -> Self:
        """The same for some rows, with the positions that count in these."""
        return self if self.counts is None else replace(self, counts=self.counts[rows])

    @property
    def layout(self) -> Layout:
        """The axes of positions in rows and outputs."""
        return Layout(self.positions, self.class_axis or 0)

    def moved_back(self, undo: Change) -> Self:
        """The same for rows that were moved, whose outputs (n, …) are moved back."""
        moved, axis = replace(self, undo=undo, seen=self.positions), self.class_axis or 0
        back = moved._back(np.zeros((1, *np.insert(self.positions, axis, 1)), np.float32))
        return replace(moved, positions=tuple(np.delete(back.shape[1:], axis).tolist()))

    def _back(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Outputs (n, …) for moved rows in the order of the rows as they were."""
        return np.asarray(self.undo(outputs.copy()))

    @property
    def width(self) -> int:
        """K."""
        return len(self.class_names)

    @property
    def columns(self) -> tuple[int, ...]:
        """(*P, K + 3)."""
        return (*self.positions, self.width + 3)

    @property
    def truth_names(self) -> tuple[str, ...]:
        """Names of classes, one of which is true at each position."""
        return self.class_names

    def values(self, raw: RawOutputs, rows: Integers) -> Floats:
        """(W, n, *P, K) probabilities, in single precision.

        Raises:
            ModelError: NaN or infinity came out, or what was declared probabilities is none.
        """
        if self.undo is not None:
            back = self._back(raw.reshape(-1, *raw.shape[2:]))
            raw = back.reshape(*raw.shape[:2], *back.shape[1:])
        values: Any = np.moveaxis(raw, 2 + (self.class_axis or 0), -1)
        is_single = values.shape[-1] == 1
        if self.outputs == LOGITS:
            if is_single:
                values = np.concatenate([np.zeros_like(values), values], axis=-1)
            # Of logits in double precision the differences are rounded, and not the logits.
            with np.errstate(invalid="ignore", over="ignore"):
                values = (values - values.max(axis=-1, keepdims=True)).astype(np.float32, copy=False)
            np.exp(values, out=values)
        else:
            values = (np.concatenate([1 - values, values], axis=-1) if is_single else values).astype(
                np.float32
            )
        if self.counts is not None:  # anything may stand where positions do not count
            values = np.where(self.counts[rows][..., None], values, np.float32(1 / self.width))
        total = values.sum(axis=-1, keepdims=True)
        if not np.isfinite(total).all():
            bad = ~np.isfinite(total).all(axis=(0, *range(2, total.ndim)))
            raise ModelError(
                f"Model '{self.model}' put out NaN or infinity "
                f"{in_rows(int(bad.sum()), rows[bad][:5].tolist())}",
                expected="finite numbers at every position",
                hint="Check the model's weights and the range of these rows",
            )
        if self.outputs != LOGITS:
            self._check_distributions(values, total, rows)
            np.maximum(values, 0, out=values)
            total = values.sum(axis=-1, keepdims=True)
        values /= total
        probabilities: Floats = values  # in single precision
        return probabilities

    def _check_distributions(self, values: Any, total: Any, rows: Integers) -> None:
        """Raise a `ModelError` unless these are probabilities that add up to 1 at every position."""
        off = np.abs(total[..., 0] - 1) > SUMS_OFF.get(self.dtype, SUM_OFF)
        off |= (values < -1e-6).any(axis=-1) | (values > 1 + 1e-3).any(axis=-1)
        if not off.any():
            return
        where = tuple(np.argwhere(off)[0].tolist())
        raise ModelError(
            f"The output of model '{self.model}' is not a distribution over classes at each position, first "
            f"in row {row_number(rows[where[1]])} at {where[2:]}",
            expected="numbers from 0 to 1 that add up to 1 over the classes",
            received=np.array2string(values[where][:6], precision=4) + f", sum {values[where].sum():.4g}",
            hint="If the classes lie on another axis, say so: class_axis=1 or class_axis=-1. If the model "
            "ends in logits, say so: outputs='logits'",
        )

    def keeping_all(self) -> Self:
        """The same, with the probabilities of all classes."""
        return replace(self, keep=True)

    def tally(self, rows: int, *, all_there: bool = False) -> PassesTally:
        """The shares of each network over the positions of whole rows that count."""
        return PassesTally(self.width, self._there(rows), all_there=all_there)

    def _there(self, rows: int) -> Booleans:
        """(n, *P) which positions count; an error unless `counts` is of so many rows."""
        shape = (rows, *self.positions)
        return np.broadcast_to(True, shape) if self.counts is None else np.reshape(self.counts, shape)

    def is_enough(self, estimates: Estimates, target_error: float) -> Booleans:
        """(n,) whether `SHARE_KNOWN` of the positions that count are settled and known to `target_error`."""
        p, error = self.parts(estimates.mean)[0], self.parts(estimates.error)[0]
        _, settled = judge(p, error, self.thresholds, estimates.passes < LEAST_DRAWN)
        there = self._there(len(settled))
        is_known = there & settled & (pick(error, p.argmax(axis=-1)) <= target_error)
        known, counted = (np.sum(mask, axis=tuple(range(1, mask.ndim))) for mask in (is_known, there))
        return np.asarray(known >= SHARE_KNOWN * counted)

    def is_within(self, estimates: Estimates, bound: float) -> Booleans:
        """As `is_enough`: probabilities have no other unit."""
        return self.is_enough(estimates, bound)

    def read_as(self, shape: tuple[int, ...]) -> str:
        """On which axis of the output the classes or labels lie."""
        axis, output = self.class_axis or 0, f"(rows, {', '.join(map(str, shape))})"
        return f"Its output {output} is read as {self.width} classes at each position, on axis {axis + 1}."

    def check_truth(self, labels: Any, rows: int) -> Integers:
        """(N, *P) class numbers, −1 where a position is ignored."""
        numbers: Integers = truth_map(labels, (rows, *self.positions), self.class_names)
        return numbers if self.counts is None else np.where(self.counts[np.arange(rows)], numbers, IGNORED)

    def result(self, estimates: Estimates, metadata: ResultMetadata) -> DenseCertainty:
        """A `DenseCertainty` of N rows."""
        fields = self.shared_fields(estimates, metadata)
        p, error = fields["probabilities"], fields["mc_error"]
        label, runner_up = top_two(p)
        _, settled = judge(p, error, self.thresholds, too_few(metadata.method, estimates.passes))
        top, expected = pick(p, label), fields["expected_entropy"][..., 0]
        of_all_classes: dict[str, Any] = {"all_probabilities": p, "all_errors": error} if self.keep else {}
        return DenseCertainty(
            label=label.astype(np.int16),  # maps are in the types that their columns have
            runner_up=runner_up.astype(np.int16),
            probability=top,
            gap=top - pick(p, runner_up),
            mc_error=pick(error, label),
            entropy=total_entropy(p, fields["entropy_correction"][..., 0], expected),
            expected_entropy=expected,
            settled=settled,
            passes=estimates.passes,
            counts=None if self.counts is None else np.asarray(self.counts[metadata.row]),
            position_called=self.position_called,
            class_names=self.class_names,
            thresholds=self.thresholds,
            **columns_of(estimates.of_rows, self.width),
            **{name: fields[name] for name in ("row", "kind", "method", "seed", "plan", "version")},
            **of_all_classes,
        )


def _has_one_position(info: ModelInfo, axis: int) -> bool:
    """Whether an input has one position too, as a text of one token, or may have."""
    for spec in info.inputs:
        sides = [1 if side is None else side for side in spec.shape]
        positions = sides[1:] if axis == 0 else sides[:-1]
        if math.prod(sides) == 1 or (positions and math.prod(positions) == 1):
            return True
    return False


def _one_position(info: ModelInfo, axis: int) -> ModelError:
    shape = info.output_shape
    return ModelError(
        f"The output of model '{info.name}' is a map of one position",
        expected=f"an output of shape (rows, {shape[axis]}) for one answer per row",
        received=f"(rows, {', '.join(map(str, shape))})",
        hint="Return output.flatten(1) in PyTorch, keras.layers.Flatten()(output) in Keras. "
        f"class_axis={axis + 1} reads the map as it is, outputs='values' numbers",
    )


def _has_positions_of(info: ModelInfo, shape: tuple[int | None, ...]) -> bool:
    """Whether the output has all positions of an input of two axes of them or more, and no other axis.

    A softmax shows that one of the axes holds classes all the same.
    """
    first = info.framework == "torch" if info.class_axis is None else info.class_axis == 0
    positions = shape[1:] if first else shape[:-1]
    same = len(positions) > 1 and positions == tuple(info.output_shape)
    return same and info.ending not in ("softmax", "log_softmax")


def _class_axis(info: ModelInfo, request: Request) -> int:
    """Axis of the classes in the output of a row: declared, known of the model, or as its framework has."""
    shape, axes = info.output_shape, len(info.output_shape)
    if request.class_axis is not None:
        axis = request.class_axis
        if not (1 <= axis <= axes or -axes <= axis <= -1):
            raise InputError(
                f"The output of model '{info.name}' has no such `class_axis`",
                expected=f"1 to {axes}, or −{axes} to −1: an axis of the output (rows, "
                f"{', '.join(map(str, shape))}) other than that of the rows",
                received=axis,
            )
        return axis - 1 if axis > 0 else axes + axis
    known_axis, names = info.class_axis, request.class_names
    same = next((spec.shape for spec in info.inputs if _has_positions_of(info, spec.shape)), None)
    if same is not None and (names is None or len(names) not in shape):
        raise ModelError(
            f"The output of model '{info.name}' has no axis of classes: it has a number for each position of "
            "its input",
            expected="an output with an axis of classes, even of length 1, beside those of the positions",
            received=f"an output of shape (rows, {', '.join(map(str, shape))}) for an input of shape "
            f"(rows, {', '.join(map(str, same))})",
            hint="If each number is a yes or no, give it an axis of its own: return output.unsqueeze(1) in "
            "PyTorch, keras.ops.expand_dims(output, -1) in Keras. If classes lie on one of these axes, name "
            "it: class_axis=1",
        )
    if known_axis is not None:
        return known_axis % axes
    if info.framework != "torch":
        return axes - 1
    if names is not None:
        fits = [axis for axis in (0, axes - 1) if max(2, shape[axis]) == len(names)]
        if len(fits) == 1:
            return fits[0]
    if axes == 2:
        raise ModelError(
            f"The output of model '{info.name}' does not say which of its two axes holds the classes",
            expected="class_axis=…",
            received=f"an output of shape (rows, {shape[0]}, {shape[1]})",
            hint=f"class_axis=1 reads {shape[0]} classes at {shape[1]} positions, as convolutions have it; "
            f"class_axis=2 reads {shape[1]} classes at {shape[0]} positions, as recurrent networks and "
            "transformers have it",
        )
    return 0
