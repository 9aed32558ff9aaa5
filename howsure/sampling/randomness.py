"""Check whether the passes of a model differ, by drawing two of them, and explain why not."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from howsure.adapters.protocol import (
    ASKED_FOR,
    CLASSES,
    REGRESSION,
    SEVERAL_LABELS,
    Array,
    ModelInfo,
    PassModel,
    step_of,
)
from howsure.errors import ModelError, warn
from howsure.inputs.rows import listed, made_up_rows, quoted
from howsure.random_ops import RandomOp
from howsure.sampling.masks import draw

TRIED, COMPARED = 1000, 20
"""Masks that are drawn at most until some are unlike the first, and passes that are compared at most."""


def random_ops_of(model: PassModel) -> tuple[RandomOp, ...]:
    """The random calls of a model, in order."""
    return tuple(op for level in model.levels for op in level.random_ops)


def largest_difference(model: PassModel, like: Sequence[Array] | None = None) -> float:
    """Largest difference between two passes over made-up rows; 0 for a model without random calls."""
    return _difference_and_size(model, like)[0] if random_ops_of(model) else 0.0


def _difference_and_size(model: PassModel, like: Sequence[Array] | None) -> tuple[float, float]:
    """Largest difference between two passes over made-up rows, and the size of the largest finite output.

    Many passes drop no unit where few are dropped, or only units that matter for no row. So passes with other
    masks are drawn until one differs from the first, `COMPARED` at most.
    """
    random_ops = random_ops_of(model)
    check_sizes(model)
    rows = made_up_rows(model.info.inputs, like, model.info.fixed_batch or 2)
    trunk = model.trunk(rows)
    drawn = ([draw(op, seed=0, group=group, size=1) for op in random_ops] for group in range(TRIED))
    masks = next(drawn)
    first = model.thin(masks)(trunk)
    largest, difference = np.max(np.abs(first), initial=0, where=np.isfinite(first)), 0.0
    unlike = (other for other in drawn if not all(map(np.array_equal, masks, other)))
    for other in itertools.islice(unlike, COMPARED):
        second = model.thin(other)(trunk)
        differ = first != second  # leaves out classes whose logit is -inf in both
        difference = float(np.max(np.abs(first[differ] - second[differ]), initial=0))
        if difference:
            break
    return difference, float(largest)


def check_sizes(model: PassModel) -> None:
    """Raise a `ModelError` if the size of a mask depends on the values of the rows."""
    for op in random_ops_of(model):
        if any(side is None for side in op.shape):
            raise ModelError(
                f"The number of units that layer '{op.name}' drops from depends on the values of the rows, "
                "so it has no mask that all rows share",
                expected="sizes that follow from the shape of the rows",
                received=f"a mask of {' × '.join('?' if n is None else str(n) for n in op.shape)}",
                hint="In a TextVectorization before it, set output_sequence_length",
            )


def check_that_passes_differ(model: PassModel, like: Sequence[Array]) -> None:
    """Raise a `ModelError` if two passes over made-up rows are equal: then the cause is not the rows."""
    difference, size = _difference_and_size(model, like)
    if difference == 0:
        dtype = model.info.output_dtype
        raise ModelError(
            f"All passes of model '{model.info.name}' are the same, although it has random layers",
            expected="outputs that depend on what "
            + quoted([op.name for op in random_ops_of(model)])
            + " drops",
            received=f"outputs of up to {size:.3g} in {dtype}, which tells apart what differs by "
            f"{float(step_of(size, dtype)):.1g} there",
            hint="howsure.audit(model) shows where the randomness is lost. If passes differ by less than "
            "that, train on shifted and scaled targets",
        )


def plain_method(info: ModelInfo) -> str:
    """Name of the method that gives the plain prediction of a network, for messages."""
    of_classes = info.trained_for in (CLASSES, SEVERAL_LABELS) or info.ending in ("softmax", "sigmoid")
    return "Softmax" if of_classes and info.trained_for != REGRESSION else "PlainPrediction"


def check_random(model: PassModel) -> None:
    """Raise a `ModelError` unless the model can be made random. Warn of layers that cannot be switched on."""
    info = model.info
    refused = [layer for layer in info.unswitchable if layer.refused]
    if refused:
        raise ModelError(
            f"Layer '{refused[0].name}' cannot be done right: {refused[0].what}",
            expected="draws for which masks can be given, and nothing else that training does beside them",
            hint=refused[0].hint
            or "Use a Dropout layer there, and put what else training does into a layer of its own",
        )
    check_sizes(model)
    left_fixed = listed([f"'{layer.name}': {layer.what}" for layer in info.unswitchable], between="; ")
    if not random_ops_of(model):
        names = listed(list(dict.fromkeys(layer.name.partition("#")[0] for layer in info.layers)))
        what = "has no random layer that can be switched on, so all its passes would be the same"
        hint = (
            f"Use method=howsure.{plain_method(info)}(), or howsure.Ensemble([…]) of networks trained from "
            "different seeds. To use dropout, train a network that has it"
        )
        noise = [f"'{layer.name}'" for layer in info.layers if layer.note and ASKED_FOR in layer.note]
        if noise:
            what = f"is random only in {listed(noise)}, which adds noise and stays fixed unless asked for"
            hint = f"Ask for it: method=howsure.MCDropout({ASKED_FOR}). {hint}"
        if left_fixed:
            what = f"has no random layer that can be switched on. These stay as in predicting: {left_fixed}"
        raise ModelError(
            f"Model '{info.name}' {what}",
            expected="Dropout of a rate above 0, or another layer that drops units at random",
            received=f"layers {names or 'none'}",
            hint=hint,
        )
    if left_fixed:
        warn(
            f"Part of what is random in model '{info.name}' cannot be switched on yet and stays off, so "
            f"its uncertainty may be understated: {left_fixed}."
        )
