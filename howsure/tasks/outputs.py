"""From what a model puts out to probabilities over classes; declared or read, never guessed from values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from howsure.adapters.protocol import (
    EMBEDDINGS,
    LOGITS,
    MARGINS,
    PROBABILITIES,
    SEVERAL_LABELS,
    ModelInfo,
    RawOutputs,
)
from howsure.errors import InputError, ModelError, warn
from howsure.inputs.rows import in_rows, row_number
from howsure.sampling.outcome import Floats
from howsure.tasks.task import tasks
from howsure.words import counted, listed

_SAY_SO = "If it puts out logits of classes, say so: outputs='logits'"

SAY_NUMBERS = (
    "If it puts out the numbers of a regression: outputs='values'; if variances or their logarithms follow: "
    "'mean-variance' or 'mean-log-variance'"
)
"""The hint about a regression, for messages about outputs that nothing explains."""

SUM_OFF = 0.005
"""How far the sum of probabilities may be from 1, for rounding and no more."""

SUMS_OFF = {"bfloat16": 0.015}
"""The same where outputs are coarser: bfloat16 keeps three digits, its sums were off by up to 0.008."""


def read_outputs(
    declared: str | None, info: ModelInfo, *, named: bool = False, at_position: bool = False
) -> str:
    """Whether a model puts out `probabilities` or `logits` over classes.

    Args:
        declared: `probabilities`, `logits`, or None to read it from the last layer.
        info: Description of the model; its output has shape (K,) for one row, where K = 1 means two classes.
        named: True if somebody named the classes, so that linear outputs are their logits.
        at_position: True for the outputs at one position of a row, for messages.

    Raises:
        InputError: `declared` is something else.
        ModelError: The output is not a distribution over classes, or does not say what it is.
    """
    if declared not in (None, PROBABILITIES, LOGITS):
        raise InputError(
            "`outputs` is unknown",
            expected=". ".join(
                f"{listed([*map(repr, task.outputs)]).replace(' and ', ' or ')} for {task.in_words}"
                for task in reversed(tasks())
                if task.outputs
            ),
            received=repr(declared),
        )
    shape, ending = info.output_shape, info.ending
    if len(shape) != 1 or shape[0] < 1:
        raise ModelError(
            f"The output of model '{info.name}' is not one distribution over classes per row",
            expected="an output of shape (rows, classes)",
            received=f"(rows, {', '.join(map(str, shape))})" if shape else "(rows)",
            hint="If these are the numbers of a regression, say so: outputs='values'",
        )
    classes = shape[0]
    if declared is not None:
        return declared
    if info.says in (PROBABILITIES, LOGITS):
        check_embeddings(info)
        return info.says
    if ending == PROBABILITIES and classes > 1:
        return PROBABILITIES
    if (ending == "softmax" and classes > 1) or (ending == "sigmoid" and classes == 1):
        check_trained_for(info, PROBABILITIES)
        return PROBABILITIES
    if ending in ("linear", "log_softmax"):
        if not named:
            check_known(info, at_position=at_position)
        check_trained_for(info, LOGITS)
        return LOGITS
    check_embeddings(info)
    hint = (
        "If you know better, say so: outputs='probabilities' if its rows add up to 1 (or it is the "
        "probability of the second of two classes), outputs='logits' if a softmax or sigmoid is still due, "
        "outputs='label-probabilities' if each is the probability of a label of its own"
    )
    if ending == "softmax":
        hint = "A softmax over one output is always 1: use a sigmoid, or two outputs"
    found = "something that is not a layer's activation" if ending is None else f"'{ending}'"
    raise ModelError(
        f"Model '{info.name}' does not end in a distribution over classes",
        expected="softmax, sigmoids, or linear (logits) in its last layer",
        received=f"{found}, {counted(classes, 'output')}",
        hint=hint,
    )


def check_embeddings(info: ModelInfo) -> None:
    """Raise a `ModelError` where a model was trained for embeddings."""
    if info.trained_for == EMBEDDINGS:
        raise ModelError(
            f"Model '{info.name}' was trained for embeddings, not to tell classes apart",
            expected="a model of classes, labels or numbers",
            hint=f"outputs='values' assesses the numbers of an embedding as they are. {_SAY_SO}",
        )


def check_trained_for(info: ModelInfo, kind: str) -> None:
    """Check that the training loss agrees with how the last layer is read, if the caller did not declare it.

    Args:
        info: Description of the model.
        kind: `logits` or `probabilities`, as the outputs are read.

    Raises:
        ModelError: Trained for something other than classes.
    """
    model = f"Model '{info.name}'"
    labels = "label-" if info.trained_for == SEVERAL_LABELS else ""
    without = (
        f"outputs='{labels}logits' reads the outputs as the loss did, "
        f"outputs='{labels}probabilities' as they are, without this warning."
    )
    if kind == LOGITS:
        check_embeddings(info)
    if kind == LOGITS and info.trained_for == MARGINS:
        warn(
            f"{model} was trained by a hinge loss, so its outputs are margins. They are read as logits all "
            "the same: their order means something, the percentages do not."
        )
    elif kind == LOGITS and info.loss_takes == PROBABILITIES:
        warn(
            f"{model} ends in linear outputs, which are read as logits, but its loss took them for "
            "probabilities (from_logits=False). Unless it was trained otherwise, its percentages mean "
            f"nothing: train it with from_logits=True. outputs='{labels}logits' reads them so without this "
            "warning."
        )
    elif kind == PROBABILITIES and info.loss_takes == LOGITS and not info.keeps_loss:
        warn(
            f"{model} ends in a {info.ending}, and its loss, '{info.loss}', takes logits. If it was trained "
            f"on these outputs, training put another {info.ending} on top, and the percentages are not those "
            f"that were trained. {without}"
        )
    elif kind == PROBABILITIES and info.loss_takes == LOGITS:
        warn(
            f"{model} ends in a {info.ending}, but its loss took its outputs for logits (from_logits=True). "
            "Unless Keras noticed that in training, as it may on TensorFlow, the percentages are not those "
            f"that were trained. {without}"
        )


def check_known(info: ModelInfo, *, at_position: bool = False) -> None:
    """Raise a `ModelError` for linear outputs where no loss and no configuration says what they are."""
    if info.ending != "linear" or info.trained_for is not None:
        return
    width = info.output_shape[0]
    if width == 1:
        these, classes = "one linear output", "it is the logit of the second of two classes"
        numbers = "it is a number"
    else:
        these, classes = f"{width} linear outputs", f"they are the logits of {width} classes"
        numbers = "they are numbers"
    if at_position:
        these += " at a position"
    why = "" if info.loss is None else f", and its loss '{info.loss}' does not tell either"
    knows = "" if info.to_know is None else f". A loss that says so will do as well: {info.to_know}"
    raise ModelError(
        f"Nothing says what the {these} of model '{info.name}' mean{'s' if width == 1 else ''}{why}",
        expected=f"outputs='logits' if {classes}, outputs='values' if {numbers}",
        hint="If each is a label of its own: outputs='label-logits'; if a mean and its variance, or the "
        f"logarithm of it: outputs='mean-variance' or outputs='mean-log-variance'{knows}",
    )


def _tell_nothing(logits: RawOutputs) -> NDArray[np.bool_]:
    """(F, n) where (F, n, K) logits are no distribution. A class whose logit is -inf has probability 0.

    Infinite logits of two classes, K = 1, are probabilities of 0 and 1.
    """
    wrong = np.isnan(logits).any(axis=-1)
    if logits.shape[-1] == 1:
        return np.asarray(wrong)
    return np.asarray(wrong | np.isposinf(logits).any(axis=-1) | np.isneginf(logits).all(axis=-1))


def to_probabilities(
    raw: RawOutputs, outputs: str, model: str, rows: NDArray[np.int64], dtype: str = "float32"
) -> Floats:
    """Raw outputs as probabilities, in double precision; each pass by itself, so means come after.

    Args:
        raw: (F, n, K) outputs of F passes.
        outputs: `probabilities` or `logits`.
        model: Its name, for messages.
        rows: (n,) numbers of the rows, for messages.
        dtype: Type in which the model computes its outputs; sets the tolerance for the sum.

    Returns:
        (F, n, K), or (F, n, 2) = [1 − p, p] for K = 1; rounding of the model's precision is taken
        out, so that they add up to 1 in double precision.

    Raises:
        ModelError: NaN or infinity came out, other than -inf among logits, or what was declared
            probabilities is none.
    """
    # Sums and extremes of all numbers cost little; what is wrong, and where, is looked for only then.
    with np.errstate(invalid="ignore"):
        total = raw.sum(axis=-1, dtype=np.float64)
    one = raw.shape[-1] == 1
    bad = ~np.isfinite(total)
    if outputs == LOGITS and bad.any():
        bad = _tell_nothing(raw)
    bad = bad.any(axis=0)
    if bad.any():
        raise ModelError(
            f"Model '{model}' put out NaN or infinity {in_rows(int(bad.sum()), rows[bad][:5].tolist())}",
            expected="finite numbers"
            + (", or -inf for some classes of a row, which are impossible" if outputs == LOGITS else ""),
            hint="Check the model's weights and the range of these rows",
        )
    values = raw.astype(np.float64)
    if outputs == LOGITS:
        if one:
            largest = np.finfo(np.float64).max
            values = np.concatenate([np.zeros_like(values), np.clip(values, -largest, largest)], axis=-1)
        shifted = np.exp(values - values.max(axis=-1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
    if one:
        values = np.concatenate([1 - values, values], axis=-1)
        total = np.ones_like(total)
    lowest, highest = raw.min(initial=0), raw.max(initial=0)
    most = SUMS_OFF.get(dtype, SUM_OFF)
    wrong = np.abs(total - 1) > most
    if lowest < -1e-6 or highest > 1 + 1e-3:
        wrong |= ((values < -1e-6) | (values > 1 + 1e-3)).any(axis=-1)
    if wrong.any():
        row = int(np.argmax(wrong.any(axis=0)))
        one_pass = int(np.argmax(wrong[:, row]))
        raise ModelError(
            f"The output of model '{model}' is not a distribution over classes, "
            f"first in row {row_number(rows[row])}",
            expected="numbers from 0 to 1 that add up to 1",
            received=np.array2string(values[one_pass, row, :6], precision=4)
            + f", sum {values[one_pass, row].sum():.4g}",
            hint="If each is the probability of a label of its own, say so: outputs='label-probabilities'"
            if lowest >= 0 and highest <= 1
            else f"If the model ends in logits, say so: outputs='logits'. {SAY_NUMBERS}",
        )
    if lowest < 0 or one:
        values = np.clip(values, 0.0, None)
    return np.asarray(values / values.sum(axis=-1, keepdims=True))
