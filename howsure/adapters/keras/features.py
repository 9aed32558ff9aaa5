"""Features of a Keras model: the input of its last linear layer, and its logits before the activation.

features ── Dense, linear ── logits ── softmax ── output
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from howsure.adapters.keras import private
from howsure.adapters.keras.draws import NoDraws
from howsure.adapters.keras.graph import Program, Step, Value, run
from howsure.adapters.keras.switch import switched
from howsure.errors import ModelError

Tensor = Any

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
    last = _last_weighted(program, name, output_shape)
    layer, (features,) = last.operation, last.inputs()
    before = program.steps[: program.steps.index(last)]

    def to_the_end(*rows: Tensor) -> tuple[Tensor, Tensor]:
        values = {slot: Value(tensor) for slot, tensor in zip(program.inputs, rows, strict=True)}
        with switched(NoDraws()):
            run(before, values, lambda step: 1)
        reached = values[features].tensor
        kernel, bias = (_as_computed(layer, weights) for weights in (layer.kernel, layer.bias))
        logits = ops.matmul(ops.cast(reached, layer.compute_dtype), kernel)
        if bias is not None:
            logits = logits + bias
        return reached, logits

    return to_the_end


def _as_computed(layer: Any, weight: Any) -> Tensor | None:
    """A weight in the type of number in which the layer computes."""
    return None if weight is None else ops.cast(ops.convert_to_tensor(weight), layer.compute_dtype)


def _last_weighted(program: Program, name: str, output_shape: tuple[int, ...]) -> Step:
    """The `Dense` step before the activations at the end, or a `ModelError`."""
    step = head(program)
    layer: Any = None if step is None else step.operation
    if (
        step is None
        or getattr(type(layer), "call", None) is not keras.layers.Dense.call
        or len(output_shape) != 1
    ):
        ending = "its input" if step is None else f"{type(layer).__name__} '{step.name or name}'"
        shape = ", ".join(map(str, output_shape))
        raise _ends_otherwise(name, f"{ending} with an output of shape (rows, {shape})")
    if private.is_quantized(layer):
        raise _ends_otherwise(name, f"'{step.name}', quantized to {layer.quantization_mode}")
    return step


def head(program: Program) -> Step | None:
    """The last step before the activations at the end; None where they follow the input."""
    maker = {slot: step for step in program.steps for slot in step.outputs}
    step = maker.get(program.outputs[0])
    while step is not None and _is_activation(step.operation):
        step = maker.get(step.inputs()[0])
    return step


def _is_activation(operation: Any) -> bool:
    """True if a step is only one of Keras's own activations, or a cast."""
    is_layer = type(operation) in ACTIVATION_LAYERS
    return is_layer or private.is_own_operation(operation, ACTIVATION_OPERATIONS)


def _ends_otherwise(name: str, received: str) -> ModelError:
    return ModelError(
        f"The features of model '{name}' cannot be read",
        expected="a Sequential or Functional model that ends in a Dense layer, one number for each class, "
        "with nothing but activations after it",
        received=received,
        hint="Put what the model computes into layers of a Functional model, its Dense layer last, and a "
        "temperature into the weights of that layer; or make `howsure.Features` of what it gets and puts out",
    )
