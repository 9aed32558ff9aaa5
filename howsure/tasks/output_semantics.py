"""The meaning of a model's outputs: the one place that decides, and what shows it.

The caller's word counts first, then the model's own: its configuration, its loss, and its last layer
(`outcome_of`). The model is refused if none of them tells (`howsure.tasks.outputs`): values that look
like logits, or names of layers, are no evidence. Values may only contradict what was declared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from howsure.adapters.protocol import (
    LABEL_LOGITS,
    LABEL_PROBABILITIES,
    LOGITS,
    PROBABILITIES,
    Array,
    Model,
    ModelInfo,
)
from howsure.errors import ModelError, warn
from howsure.inputs.rows import Rows, cast_rows
from howsure.request import Request
from howsure.sampling.outcome import Floats, Outcome
from howsure.tasks.outputs import SUM_OFF, SUMS_OFF
from howsure.tasks.task import outcome_of
from howsure.words import counted, listed

ENOUGH = 16
"""Rows, or numbers in them, below which values contradict nothing."""


def evidence(info: ModelInfo, declared: str | None) -> str:
    """A sentence about what shows the meaning of outputs, in the order in which it counts.

    Args:
        info: Description of the model.
        declared: The caller's `outputs`.
    """
    task = "" if info.trained_for is None else f" ({info.trained_for})"
    found = {
        f"outputs='{declared}'": declared,
        f"the model, which declares {info.says}": info.says,
        f"its loss, '{info.loss}'{task}": info.loss,
        f"what it was trained for{task}": info.trained_for if info.loss is None else None,
        "its names of classes": info.class_names,
        f"its last layer, '{info.ending}'": info.ending,
    }
    shown = [said for said, there in found.items() if there is not None]
    return f"This is shown by {listed(shown)}." if shown else ""


def infer_outcome(
    model: Model, rows: Sequence[Array], request: Request, given: Rows, like: ModelInfo | None = None
) -> Outcome:
    """The kind of answer in the outputs of a model, from all that shows it.

    Args:
        model: The model, adapted.
        rows: Its checked rows.
        request: The wishes of the caller.
        given: The rows, with what came with them.
        like: Description of the first model, if the outputs are to be read as its outputs were; or None.

    Raises:
        InputError: Names that do not fit, or `outputs` is unknown.
        ModelError: The outputs are something else, or nothing shows what they are.
    """
    info = model.info
    if like is not None and info.trained_for is None and like.ending == info.ending:
        info = replace(info, trained_for=like.trained_for, class_names=info.class_names or like.class_names)
    outcome = outcome_of(info, request, given.class_names)
    declared, size = request.outputs, request.batch_size
    told = request.class_names is not None or given.class_names is not None
    if like is None and declared in (None, LOGITS, PROBABILITIES) and not told:
        _check_no_steps(model, rows, outcome)
    if request.outcome is not None:
        return outcome
    if declared in (LOGITS, LABEL_LOGITS) and (like is None or like.ending != info.ending):
        _check_logits(model, rows, size, outcome, declared)
    if declared is None and like is None and not told:
        _say_how_sigmoids_are_read(info)
    return outcome


def _say_how_sigmoids_are_read(info: ModelInfo) -> None:
    """Warn where only its last layer shows that the sigmoids of a row are probabilities of labels."""
    if info.ending != "sigmoid" or len(info.output_shape) != 1 or info.output_shape[0] == 1:
        return
    if (
        info.keeps_loss
        or info.says is not None
        or info.trained_for is not None
        or info.class_names is not None
    ):
        return
    width, also = info.output_shape[0], "" if info.to_know is None else f" or {info.to_know}"
    warn(
        f"Only its last layer says what the {width} sigmoids of model '{info.name}' are: "
        f"probabilities of {width} labels. outputs='label-probabilities'{also} confirms that; "
        "outputs='values' reads numbers."
    )


def _check_logits(
    model: Model, rows: Sequence[Array], batch_size: int, outcome: Outcome, declared: str
) -> None:
    """Refuse probabilities that the caller declared logits; warn where values alone leave it open."""
    info, axis = model.info, getattr(outcome, "class_axis", None) or 0
    if info.loss_takes == LOGITS:  # training put a softmax or sigmoid on top of them
        return
    alone = declared == LABEL_LOGITS or info.output_shape[axis] == 1
    found = f"'{info.ending}' in its last layer"
    ends = info.ending in (PROBABILITIES, *(("sigmoid", LABEL_PROBABILITIES) if alone else ("softmax",)))
    if not ends:
        if not len(rows[0]):
            return
        at_positions = len(outcome.columns) > 1  # of which a row has many
        few = 2 if at_positions else ENOUGH if alone else max(2, -(-ENOUGH // info.output_shape[axis]))
        if not at_positions and min(few, len(rows[0])) * math.prod(info.output_shape) < ENOUGH:
            return
        values = _looked_at(model, rows, batch_size, few)
        if not np.isfinite(values).all():
            return
        sums = np.ones(1) if alone else values.sum(axis=1 + axis)
        off = np.abs(sums - 1) > SUMS_OFF.get(info.output_dtype, SUM_OFF)
        if values.size < ENOUGH or not (values.min() >= 0 and values.max() <= 1) or off.any():
            return
        found = f"numbers from 0 to 1 that add up to 1, in {counted(len(values), 'row')}"
    said = f"The outputs of model '{info.name}' are declared logits and "
    words = LABEL_PROBABILITIES if declared == LABEL_LOGITS else PROBABILITIES
    if alone and not ends:
        warn(
            f"{said}may be probabilities: in {counted(len(values), 'row')} all are from 0 to 1, so that as "
            f"logits none says less than 50 %. If they are probabilities, say so: outputs='{words}'."
        )
        return
    raise ModelError(
        f"{said}are probabilities already",
        expected=f"outputs='{words}'",
        received=found,
        hint="If training put a softmax or sigmoid on top of these, the model needs it as well",
    )


def _check_no_steps(model: Model, rows: Sequence[Array], outcome: Outcome) -> None:
    """Refuse outputs of which there is one for each step of a row, so that more steps make more of them.

    Rows that are one step shorter show it, or else the shape of the last layer that multiplies: one for each
    step, or pixel. If none multiplies, a row of nothing but numbers has columns, and no steps.
    """
    info, some = model.info, [each[:2] for each in cast_rows(rows, model.info.inputs)]
    steps = info.output_shape[0] if info.output_shape else 1
    of_row = outcome.are_probabilities and outcome.layout is None and info.class_names is None
    if info.fixed_batch or not of_row or steps < 3 or not len(some[0]):
        return
    multiply = [layer for layer in info.layers if layer.multiply_adds]
    stepped = [each for each in some if each.ndim > 2 or each.dtype.kind in "iu" or multiply]
    axes = sorted({at for each in stepped for at, side in enumerate(each.shape) if at and side == steps})
    found = f"{steps} outputs for {steps} steps"
    if not any(_shorter_by_one(model, some, axis, steps) for axis in axes):
        sides = {side for each in some for side in each.shape[1:]}
        last = multiply[-1].shape if multiply else ()
        others = [side for side in last if side != 1]
        if len(others) != len(last) - 1 or math.prod(others) != steps or not sides.issuperset(others):
            return
        found += f", from layer '{multiply[-1].name}' of shape {last}"
    raise ModelError(
        f"Model '{info.name}' puts out a number for each step of a row, and no classes of all of it",
        expected="an output with an axis of classes, even of length 1, beside that of the steps",
        received=found,
        hint="If each is a yes or no, return output.unsqueeze(-1) in PyTorch, "
        "keras.ops.expand_dims(output, -1) in Keras, and say outputs='logits' or outputs='probabilities'. "
        "If each is a number, outputs='values'; if each step is a label of its own, "
        "outputs='label-logits' or 'label-probabilities'; if one of them is the answer, "
        "class_names=[…] names the steps",
    )


def _shorter_by_one(model: Model, rows: Sequence[Array], axis: int, steps: int) -> bool:
    """Whether rows of one step less along an axis have one output less, where a model takes them."""
    if model.info.framework != "torch" and not any(None in spec.shape for spec in model.info.inputs):
        return False
    shorter = [
        each.take(range(steps - 1), axis) if each.ndim > axis and each.shape[axis] == steps else each
        for each in rows
    ]
    try:
        return model.predict(shorter).shape == (len(rows[0]), steps - 1)
    except Exception:  # whatever a model raises for rows that it was not made for
        return False


def _looked_at(model: Model, rows: Sequence[Array], size: int, most: int) -> Floats:
    """Predictions (n, K) for at most so many rows."""
    cast = cast_rows(rows, model.info.inputs)
    count = min(most, len(cast[0]))
    spread = np.arange(count) * len(cast[0]) // count  # rows may lie in the order of their classes
    size = model.info.fixed_batch or size
    filled = np.resize(spread, -(-count // size) * size) if model.info.fixed_batch else spread
    parts = [[array[filled[at : at + size]] for array in cast] for at in range(0, count, size)]
    return np.concatenate([model.predict(part) for part in parts])[:count].astype(np.float64)
