"""Features of a Keras model: the input of its last linear layer, and its logits before the activation.

features ── Dense, linear ── temperature, shift ── logits ── softmax ── output

The operations between the `Dense` layer and the activation are tried on made-up numbers. If they map sums to
sums, they make another linear layer of the `Dense` one: a temperature T makes (W h + b) / T of W h + b.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from howsure.errors import ModelError
from howsure.models.keras import private
from howsure.models.keras.draws import Still
from howsure.models.keras.graph import Program, Step, Value, run
from howsure.models.keras.switch import switched

Array = NDArray[Any]
Tensor = Any

TRIED = 16
"""Sizes of made-up outputs of a `Dense` layer, from 0.1 to 1,000."""

ROUNDING = {"float32": 1e-5, "float16": 1e-2, "bfloat16": 5e-2}
"""Share of the largest number by which sums may differ: a few times the rounding error of the type."""

ACTIVATION_LAYERS = (keras.layers.Activation, keras.layers.Softmax)
ACTIVATION_OPERATIONS = ("Softmax", "LogSoftmax", "Sigmoid", "Cast")
"""Operations that may follow the last layer with weights; by name, since their classes are private in Keras.
With mixed precision, older versions of Keras cast in steps of their own."""


def to_last_layer(
    program: Program, name: str, output_shape: tuple[int, ...]
) -> Callable[..., tuple[Tensor, Tensor]]:
    """A function from inputs to features (n, F) and logits (n, K), as in `predict` (no dropout).

    The last linear layer must be a `Dense` layer with one output for each class. Its input then is one
    vector for each row, so nothing has to be flattened or averaged.

    Args:
        program: Steps of the model.
        name: Name of the model.
        output_shape: Shape of its output, for one row.

    Raises:
        ModelError: The model ends in something else.
    """
    last, rescaling = _last_weighted(program, name, output_shape)
    layer, (given,) = last.operation, last.inputs()
    before = program.steps[: program.steps.index(last)]

    def to_the_end(*rows: Tensor) -> tuple[Tensor, Tensor]:
        values = {slot: Value(tensor) for slot, tensor in zip(program.inputs, rows, strict=True)}
        with switched(Still()):
            run(before, values, lambda step: 1)
        reached = values[given].tensor
        kernel, bias = (_as_computed(layer, each) for each in (layer.kernel, layer.bias))
        logits = ops.matmul(ops.cast(reached, layer.compute_dtype), kernel)
        if bias is not None:
            logits = logits + bias
        return reached, _rescaled(rescaling, logits)

    return to_the_end


def _as_computed(layer: Any, weight: Any) -> Tensor | None:
    """A weight in the type of number in which the layer computes."""
    return None if weight is None else ops.cast(ops.convert_to_tensor(weight), layer.compute_dtype)


def _last_weighted(program: Program, name: str, output_shape: tuple[int, ...]) -> tuple[Step, list[Step]]:
    """The last `Dense` step, and what rescales its output before the activations; or a `ModelError`."""
    step, rescaling = last_dense(program)
    layer: Any = None if step is None else step.operation
    if step is None or (rescaling and not _maps_sums_to_sums(rescaling, layer, output_shape)):
        end = head(program)
        found = "its input" if end is None else f"{type(end.operation).__name__} '{end.name or name}'"
        raise _ends_otherwise(name, f"{found} before any activation at the end")
    if type(layer).call is not keras.layers.Dense.call:
        raise _ends_otherwise(name, f"{type(layer).__name__} '{step.name}' with a call of its own")
    if getattr(layer, "quantization_mode", None) is not None:
        raise _ends_otherwise(name, f"'{step.name}', quantized to {layer.quantization_mode}")
    if len(output_shape) != 1:
        shape = ", ".join(map(str, output_shape))
        raise _ends_otherwise(name, f"'{step.name}' with an output of shape (rows, {shape})")
    return step, rescaling


def last_dense(program: Program) -> tuple[Step | None, list[Step]]:
    """The last `Dense` step, or None, and the steps from there to the activations at the end.

    Each of these steps has one input: the output of the step before it.
    """
    maker = {slot: step for step in program.steps for slot in step.outputs}
    step, after = head(program), list[Step]()
    while step is not None and not isinstance(step.operation, keras.layers.Dense):
        after.insert(0, step)
        step = maker.get(step.inputs()[0]) if len(step.inputs()) == 1 else None
    return step, after


def constants_after(program: Program) -> Iterator[Array]:
    """The numbers, besides weights, by which the output of the last `Dense` layer is rescaled."""
    step, after = last_dense(program)
    for each in after if step is not None else ():
        given: Any = (each.args, each.kwargs)
        if isinstance(each.operation, keras.layers.Layer):
            with contextlib.suppress(Exception):  # a user's layer may have no `get_config`, or a broken one
                given = each.operation.get_config()
        for value in keras.tree.flatten(given):
            is_number = isinstance(value, (int, float, np.ndarray)) and not isinstance(value, bool)
            if is_number or ops.is_tensor(value):
                yield np.asarray(ops.convert_to_numpy(value))


def _rescaled(steps: Sequence[Step], logits: Tensor) -> Tensor:
    """The result of some steps, one after the other, for the output (n, K) of the last `Dense` layer."""
    if not steps:
        return logits
    values = {steps[0].inputs()[0]: Value(logits)}
    with switched(Still()):
        run(steps, values, lambda step: 1)
    return values[steps[-1].outputs[0]].tensor


def _maps_sums_to_sums(steps: Sequence[Step], layer: Any, output_shape: tuple[int, ...]) -> bool:
    """True if steps map the output of a linear layer to logits so that f(a + b) = f(a) + f(b) − f(0)."""
    if layer.activation is not keras.activations.linear or output_shape != (layer.units,):
        return False
    sizes = np.geomspace(0.1, 1e3, TRIED)[:, None]
    a, b = np.random.default_rng(0).normal(size=(2, TRIED, layer.units)) * sizes
    given = ops.convert_to_tensor(np.concatenate([0 * a, a, b, a + b]).astype(np.float32))
    made = ops.cast(_rescaled(steps, ops.cast(given, layer.compute_dtype)), "float32")
    if tuple(made.shape) != tuple(given.shape):
        return False
    parts = np.asarray(ops.convert_to_numpy(made), np.float64).reshape(4, TRIED, layer.units)
    zero, of_a, of_b, of_sum = parts
    rounding = ROUNDING.get(layer.compute_dtype, ROUNDING["float32"]) * np.abs(parts).max(axis=(0, 2))
    return bool(np.all(np.abs(of_a + of_b - zero - of_sum) <= rounding[:, None]))


def head(program: Program) -> Step | None:
    """The last step before the activations at the end; None where they follow the input."""
    maker = {slot: step for step in program.steps for slot in step.outputs}
    step = maker.get(program.outputs[0])
    while step is not None and _is_activation(step.operation):
        step = maker.get(step.inputs()[0])
    return step


def _is_activation(operation: Any) -> bool:
    """True if a step is only one of Keras's own activations, or a cast."""
    known = type(operation) in ACTIVATION_LAYERS
    return known or private.is_own_operation(operation, ACTIVATION_OPERATIONS)


def _ends_otherwise(name: str, received: str) -> ModelError:
    return ModelError(
        f"The features of model '{name}' cannot be read",
        expected="a Sequential or Functional model that ends in a Dense layer, one number for each class, "
        "with nothing but a temperature and activations after it",
        received=received,
        hint="Put what the model computes into layers of a Functional model, its Dense layer last; or make "
        "`howsure.Features` of what its last layer gets and puts out",
    )
