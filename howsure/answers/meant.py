"""What the outputs of a model mean: the one place that decides, and the evidence that it goes by.

The caller's word counts first, then the model's own, its loss, and its last layer (`outcome_of`). Without a
loss, as in PyTorch or before a Keras model is compiled, K linear outputs may be logits, a regression, an
embedding, or a reconstruction of the row. Names, and values over a few rows, decide many of these cases. For
the others a warning says how the outputs are read. `howsure.audit` shows the evidence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from howsure.answers.outputs import SAY_NUMBERS, SUM_OFF, SUMS_OFF
from howsure.answers.registry import outcome_of
from howsure.data.rows import Rows, cast_rows, counted
from howsure.errors import ModelError, warn
from howsure.models.protocol import (
    CLASSES,
    LABEL_LOGITS,
    LABEL_PROBABILITIES,
    LOGITS,
    PROBABILITIES,
    REGRESSION,
    Array,
    Model,
    ModelInfo,
)
from howsure.request import Request
from howsure.sampling.outcome import Floats, Outcome
from howsure.words import listed

LOOKED_AT = 64
"""Rows whose plain prediction is looked at."""

ENOUGH = 16
"""Rows, or numbers in them, below which values tell nothing."""

REBUILT = 0.5
"""Share of the variation of rows that a reconstruction may miss."""

UNIT = 1e-3
"""How far lengths may be from 1, for rounding."""

MOVES_TOGETHER = 0.3
"""The gradient of cross-entropy adds up to 0 over the classes, so training moves no logit without moving
others the other way. The mean of trained logits over the classes varies less from row to row than this share
of what it would if they varied independently; 0.00 to 0.25 was usual. Regressions mostly are above 0.5, but a
few targets that depend on one or two directions of the rows may come below by chance."""

FOR_EACH = 0.08
"""The same for each class but one, where they are so few that a regression may come near it by chance."""

OUTSTANDING, LOUDEST = 0.6, 30.0
"""How probable the top class is on average, at least, and how far the logits of a row are apart, at most,
where they were trained. Numbers with a unit of their own are often farther apart."""

_MEANS_AND_VARIANCES = "means and variances of a regression"

_CLASSES = (
    *("classifier", "classif", "classification", "logits", "logit", "classes", "class_head", "cls_head"),
    *("logistic", "softmax", "multinomial"),  # regressions by name, and none by what they do
)
_OF_ANY = {
    "a regression": ("regress", "regression", "regressor"),
    "rows made anew, as an autoencoder does": ("autoencoder", "auto_encoder", "vae"),
    "embeddings": ("siamese", "embedder"),
}
"""By what outputs are: words in the names of a model, or of its last layers, that say so."""

_OF_LAYERS = {
    "a regression": ("bbox", "boxes", "coordinates", "depth", "disparity", "keypoints", "landmarks"),
    _MEANS_AND_VARIANCES: (
        *("logvar", "log_var", "logsigma", "log_sigma", "log_std", "logstd", "log_variance"),
        *("sigma", "variance", "var"),
    ),
    "rows made anew, as an autoencoder does": ("reconstruction",),
    "embeddings": ("embed", "embedding", "embeddings", "projector", "projection_head"),
}
"""The same in the names of the last layers alone: of a model they may name what it is given."""

_AS_VALUES = "outputs='values' assesses them as numbers"
_AS_NUMBERS = {
    _MEANS_AND_VARIANCES: "If it puts out means, then variances: outputs='mean-variance'; if their natural "
    "logarithms instead: outputs='mean-log-variance'"
}
"""The hint for outputs of another kind, by kind."""

_SAY_SO = "If it does tell classes apart, say so: outputs='logits'"


def evidence(info: ModelInfo, declared: str | None) -> str:
    """What shows the meaning of outputs, in the order in which it counts; a sentence or two.

    Args:
        info: Description of the model.
        declared: The caller's `outputs`.
    """
    task = "" if info.trained_for is None else f" ({info.trained_for})"
    what, name = _by_name(info)
    found = {
        f"outputs='{declared}'": declared,
        f"the model, which declares {info.says}": info.says,
        f"its loss, '{info.loss}'{task}": info.loss,
        f"what it was trained for{task}": info.trained_for if info.loss is None else None,
        "its names of classes": info.class_names,
        f"the name '{name}'": name if what == CLASSES and not info.keeps_loss else None,
        f"its last layer, '{info.ending}'": info.ending,
    }
    shown = [said for said, there in found.items() if there is not None]
    if shown == [f"its last layer, '{info.ending}'"] and info.ending == "linear":
        return (
            "Only its last layer, 'linear', shows it. If it is something else, outputs=… says so, such as "
            "outputs='values' for numbers."
        )
    return f"What shows it: {listed(shown)}." if shown else ""


def meant(
    model: Model, rows: Sequence[Array], request: Request, given: Rows, like: ModelInfo | None
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
    outcome = outcome_of(model.info, request, given.class_names)
    declared, size = request.outputs, request.batch_size
    told = request.class_names is not None or given.class_names is not None
    if like is None and declared in (None, LOGITS, PROBABILITIES) and not told:
        _check_no_steps(model, rows, outcome)
    if request.outcome is not None:
        return outcome
    if declared in (LOGITS, LABEL_LOGITS) and (like is None or like.ending != model.info.ending):
        _check_logits(model, rows, size, outcome, declared)
    if declared is None and like is None:
        _check_meant(model, rows, size, told=told or given.labels is not None)
    return outcome


def _check_meant(model: Model, rows: Sequence[Array], batch_size: int, *, told: bool) -> None:
    """Refuse outputs that are neither classes nor labels, and warn if nothing shows that they are."""
    info = model.info
    several, at_positions = math.prod(info.output_shape) > 1, len(info.output_shape) > 1
    if info.keeps_loss or told or not several or info.ending not in ("linear", "sigmoid") or info.says:
        return
    if info.trained_for in (CLASSES, REGRESSION) or info.class_names is not None:
        return
    if not len(rows[0]):
        return
    values, given = _looked_at(model, rows, batch_size)
    if np.isneginf(values).any():  # the logit of a class that is impossible; nothing else is -inf
        return
    values = values.reshape(len(values), -1)
    fine = np.isfinite(values).all(axis=1)
    values, given = values[fine], None if given is None else given[fine]
    if len(values):
        _check_values(info, values, given)
    if info.trained_for is not None:
        return
    what, name = _by_name(info)
    if what == CLASSES or (what is None and at_positions):  # whose outcome warns
        return
    if what is None and info.ending == "linear" and are_like_logits(values):
        return
    if what is not None:
        raise _refused(info, what, f"'{name}' among the names of the model and its last layers")
    width = info.output_shape[0]
    kind, read, words = "linear outputs", f"logits of {width} classes", "logits"
    other = "; outputs='label-logits' reads each as a label of its own"
    if info.ending == "sigmoid":
        kind, read, words = "sigmoids", f"probabilities of {width} labels of their own", "label-probabilities"
        other = ""
    also = " or class_names=[…]" if info.to_know is None else f", class_names=[…] or {info.to_know}"
    warn(
        f"Nothing says what the {width} {kind} of model '{info.name}' are, so they are read as {read}. "
        f"outputs='{words}'{also} confirms that{other}. {SAY_NUMBERS}."
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
        values, _ = _looked_at(model, rows, batch_size, few)
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


def are_like_logits(values: Floats) -> bool:
    """Whether (n, K) numbers are spread over rows as logits are after training by cross-entropy."""
    if len(values) < ENOUGH:
        return False
    values = values[:, values.std(axis=0) > 0]  # without classes that are masked out
    if values.shape[1] < 2:
        return False
    mean = values.mean(axis=1, keepdims=True)
    apart = values - mean
    width = values.shape[1]
    together = width * float(mean.var()) / max(float(apart.var(axis=0).sum()) / (width - 1), 1e-30)
    odds = np.exp(apart - apart.max(axis=1, keepdims=True))
    top = float((1 / odds.sum(axis=1)).mean())
    if not (top > OUTSTANDING and float(apart.std()) < LOUDEST and len(np.unique(apart.argmax(axis=1))) > 1):
        return False
    return bool(together < min(MOVES_TOGETHER, FOR_EACH * (width - 1)))


def _looked_at(
    model: Model, rows: Sequence[Array], size: int, most: int = LOOKED_AT
) -> tuple[Floats, Floats | None]:
    """Predictions (n, K) for a few rows, and these rows (n, F) where they are numbers of one input."""
    cast = cast_rows(rows, model.info.inputs)
    count = min(most, len(cast[0]))
    spread = np.arange(count) * len(cast[0]) // count  # rows may lie in the order of their classes
    some = [array[spread] for array in cast]
    size = model.info.fixed_batch or size
    filled = np.resize(spread, -(-count // size) * size) if model.info.fixed_batch else spread
    parts = [[array[filled[at : at + size]] for array in cast] for at in range(0, count, size)]
    values = np.concatenate([model.predict(part) for part in parts])[:count].astype(np.float64)
    if len(some) != 1 or some[0].dtype.kind != "f":
        return values, None
    return values, np.asarray(some[0], np.float64).reshape(count, -1)


def _check_values(info: ModelInfo, values: Floats, given: Floats | None) -> None:
    if given is not None and given.shape == values.shape and values.size >= ENOUGH:
        missed = float(((values - given) ** 2).sum()) / max(float(((given - given.mean()) ** 2).sum()), 1e-30)
        if missed < REBUILT:
            raise _refused(
                info,
                "rows made anew, as an autoencoder does",
                f"outputs that are nearly the rows ({1 - missed:.0%} of their variation)",
            )
    lengths = np.sqrt((values**2).sum(axis=1))
    varied = len(np.unique(values.round(4), axis=0)) > 1
    if info.ending == "linear" and varied and bool(np.all(np.abs(lengths - 1) < UNIT)):
        raise _refused(info, "embeddings", f"{counted(len(values), 'output')} that all have length 1")


def _by_name(info: ModelInfo) -> tuple[str | None, str]:
    """The meaning of the outputs by a name of the last layers or of the model, or None; and that name."""
    layers = [part for head in info.heads for part in head.split(".")]
    said: list[tuple[str, tuple[str, ...], list[str]]] = [(CLASSES, _CLASSES, [*layers, info.name])]
    said += [(what, words, [*layers, info.name]) for what, words in _OF_ANY.items()]
    said += [(what, words, layers) for what, words in _OF_LAYERS.items()]
    for what, words, names in said:
        for name in names:
            if any(re.search(rf"(^|_){word}(_|$|\d)", _plain(name)) for word in words):
                return what, name
    return None, ""


def _plain(name: str) -> str:
    """`LogVar` as `log_var`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _refused(info: ModelInfo, what: str, received: str) -> ModelError:
    width = math.prod(info.output_shape)
    return ModelError(
        f"The {width} outputs of model '{info.name}' seem to be {what}, and no classes",
        expected="a model that tells classes apart, or outputs=…",
        received=received,
        hint=f"{_AS_NUMBERS.get(what, _AS_VALUES)}. {_SAY_SO}",
    )
