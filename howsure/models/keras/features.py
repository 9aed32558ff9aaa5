"""What the last layer of a Keras model gets, and what it makes of it before its activation: its features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from howsure.data.rows import InputSpec, in_rows
from howsure.errors import InputError, ModelError
from howsure.models.features import Features
from howsure.models.keras import switch as random_layers
from howsure.models.keras.graph import Program, Step, Value, run
from howsure.models.keras.model import KerasModel, adapt

Array = NDArray[Any]
Tensor = Any

ACTIVATION_LAYERS = (keras.layers.Activation, keras.layers.Softmax)
ACTIVATION_OPERATIONS = ("Softmax", "LogSoftmax", "Sigmoid", "Cast")
"""What may follow the last layer with weights; operations by name, as Keras keeps their classes private. In
models of mixed precision Keras 3.8 casts in steps of their own."""

_COMPILED = "_compiled_features"


def features(model: Any, x: Any, *, batch_size: int = 256) -> Features:
    """The features and logits of rows, with everything as in `predict` (no dropout).

    The last layer with weights has to be a `Dense` that puts out one number for each class; then what it
    gets is one vector for each row already, and nothing has to be flattened or averaged. What is compiled
    stays with the model for the next call; the model itself is left as found.

    Args:
        model: A trained Keras 3 model that ends in a `Dense` layer, after which only activations come.
        x: (N, …) rows as the model takes them; zero rows pass.
        batch_size: Rows that run together, ≥ 1; changes speed and memory, not the result.

    Returns:
        `Features` with features (N, F) and logits (N, K), where K = 1 for one sigmoid.

    Raises:
        InputError: Rows that do not fit the model, or the batch size.
        ModelError: The model ends otherwise, is random also when predicting, or puts out NaN or infinity.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise InputError(
            "`batch_size` cannot be used",
            expected="a whole number of at least 1",
            received=repr(batch_size),
        )
    adapter, rows, specs = adapt(model, x, gaussian_noise=False)
    adapter.check_prediction()
    return read_features(adapter, rows, specs, int(batch_size))


def read_features(
    adapter: KerasModel, rows: Sequence[Array], specs: Sequence[InputSpec], batch_size: int
) -> Features:
    """The same of an examined model and checked rows."""
    call, shape = _compiled(adapter)
    found = [np.zeros((len(rows[0]), size), np.float32) for size in shape]
    with adapter._as_found():
        for chunk, inputs in _batches(rows, specs, adapter.fixed_batch, batch_size):
            for whole, tensor in zip(found, call(*map(ops.convert_to_tensor, inputs)), strict=True):
                whole[chunk] = ops.convert_to_numpy(tensor)[: len(whole[chunk])]
    for name, whole in zip(("features", "logits"), found, strict=True):
        bad = np.flatnonzero(~np.isfinite(whole).all(axis=1))
        if len(bad):
            raise ModelError(
                f"The {name} of model '{adapter.name}' are NaN or infinite "
                + in_rows(len(bad), bad[:5].tolist()),
                mend="Check the model's weights and the range of these rows",
            )
    return Features(*found)


def _batches(
    rows: Sequence[Array], specs: Sequence[InputSpec], fixed: int | None, batch_size: int
) -> Iterator[tuple[slice, list[Array]]]:
    """Which rows run together, and the inputs of these, cast.

    The last ones are repeated up to a power of two, or to the one number of rows that the model takes, so
    that little is compiled anew.
    """
    size = fixed or batch_size
    for start in range(0, len(rows[0]), size):
        positions = np.arange(start, min(start + size, len(rows[0])))
        wanted = fixed or min(size, 1 << (len(positions) - 1).bit_length())
        padded = np.concatenate([positions, np.full(wanted - len(positions), positions[-1])])
        chunk = slice(start, start + len(positions))
        yield chunk, [np.asarray(a[padded]).astype(spec.dtype) for a, spec in zip(rows, specs, strict=True)]


def _compiled(adapter: KerasModel) -> tuple[Callable[..., Any], tuple[int, int]]:
    """From inputs to (features, logits), and the widths of both; kept with the examined model."""
    if _COMPILED not in vars(adapter):
        program = adapter._program
        last = _last_weighted(program, adapter)
        layer, (given,) = last.operation, last.inputs()
        before = program.steps[: program.steps.index(last)]

        def to_the_end(*rows: Tensor) -> tuple[Tensor, Tensor]:
            values = {slot: Value(tensor) for slot, tensor in zip(program.inputs, rows, strict=True)}
            with random_layers.switched(random_layers.Still()):
                run(before, values, lambda step: 1)
            reached = values[given].tensor
            kernel, bias = (_as_computed(layer, each) for each in (layer.kernel, layer.bias))
            logits = ops.matmul(ops.cast(reached, layer.compute_dtype), kernel)
            if bias is not None:
                logits = logits + bias
            return ops.cast(reached, "float32"), ops.cast(logits, "float32")

        width, classes = layer.kernel.shape
        vars(adapter)[_COMPILED] = adapter._compile(to_the_end), (int(width), int(classes))
    kept: tuple[Callable[..., Any], tuple[int, int]] = vars(adapter)[_COMPILED]
    return kept


def _as_computed(layer: Any, weight: Any) -> Tensor | None:
    """A weight in the type of number the layer computes with."""
    return None if weight is None else ops.cast(ops.convert_to_tensor(weight), layer.compute_dtype)


def _last_weighted(program: Program, adapter: KerasModel) -> Step:
    """The `Dense` step from which only activations lead to the output, or a `ModelError`."""
    maker = {slot: step for step in program.steps for slot in step.outputs}
    step = maker.get(program.outputs[0])
    while step is not None and _is_activation(step.operation):
        step = maker.get(step.inputs()[0])
    layer = None if step is None else step.operation
    if step is None or not isinstance(layer, keras.layers.Dense):
        found = "its input" if step is None else f"{type(layer).__name__} '{step.name or adapter.name}'"
        raise _ends_otherwise(adapter, f"{found} before any activation at the end")
    if type(layer).call is not keras.layers.Dense.call:
        raise _ends_otherwise(adapter, f"{type(layer).__name__} '{step.name}' with a call of its own")
    if getattr(layer, "quantization_mode", None) is not None:
        raise _ends_otherwise(adapter, f"'{step.name}', quantized to {layer.quantization_mode}")
    if len(adapter.output_shape) != 1:
        shape = ", ".join(map(str, adapter.output_shape))
        raise _ends_otherwise(adapter, f"'{step.name}' with an output of shape (rows, {shape})")
    return step


def _is_activation(operation: Any) -> bool:
    """Whether a step is one of Keras's own activations, or a cast, and nothing more."""
    if type(operation) in ACTIVATION_LAYERS:
        return True
    kind = type(operation)
    return kind.__module__.startswith("keras.src.ops.") and kind.__name__ in ACTIVATION_OPERATIONS


def _ends_otherwise(adapter: KerasModel, received: str) -> ModelError:
    return ModelError(
        f"The features of model '{adapter.name}' cannot be read",
        expected="a Sequential or Functional model that ends in a Dense layer, one number for each class, "
        "with nothing but activations after it",
        received=received,
        mend="Put what the model computes into layers of a Functional model, its Dense layer last; or make "
        "`howsure.Features` of what its last layer gets and puts out",
    )
