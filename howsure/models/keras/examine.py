"""Examining a Keras model without any effect on it: what is random, what it ends in, what it computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from howsure.errors import ModelError
from howsure.models.keras import private
from howsure.models.keras import switch as random_layers
from howsure.models.keras.graph import Program, Slot, Step, Value, run
from howsure.models.protocol import Unswitchable
from howsure.sites import Site

Array = NDArray[Any]
Tensor = Any
Layer = Any


@dataclass(frozen=True)
class LayerCall:
    """One call of one layer, as seen on a run.

    Attributes:
        layer: The layer.
        name: Its path inside the model.
        input_shape: Shape of its first input for one row.
        shape: Shape of its (first) output for one row.
        step: The step of the program it belongs to.
    """

    layer: Layer
    name: str
    input_shape: tuple[int, ...]
    shape: tuple[int, ...]
    step: Step


@dataclass(frozen=True)
class Examination:
    """What a run without any effect showed.

    Attributes:
        names: Path of every layer below the model, by identity, in order.
        layers: Those layers.
        own_calls: Random layers with a `call` of their own.
        sites: The random calls in order.
        random_steps: The steps that make them.
        calls: Every layer call in order.
        arguments: For the user's own layers, what they were called with, as `KerasTensor`s.
        output_shape: Shape of the model's output for one row.
        output_dtype: Type of its numbers.
        output_activation: `softmax`, `sigmoid`, `linear`, another name, or None if it is not a layer's.
        shared: The steps that no random layer feeds.
        repeated: The steps that every pass computes anew.
        levels: For each site the number of its level: random steps in the order of execution, from 1.
        level_of: Level of every step, by identity: the last random step it depends on, 0 for none.
        sizes: Numbers in the largest tensor for one row at each level.
        sizes_of: Numbers in every value for one row.
        masked: The values with a Keras mask, which says which time steps count.
    """

    names: dict[int, str]
    layers: tuple[Layer, ...]
    own_calls: tuple[Layer, ...]
    sites: tuple[Site, ...]
    random_steps: tuple[Step, ...]
    calls: tuple[LayerCall, ...]
    arguments: dict[int, Any]
    output_shape: tuple[int, ...]
    output_dtype: str
    output_activation: str | None
    shared: tuple[Step, ...]
    repeated: tuple[Step, ...]
    levels: tuple[int, ...]
    level_of: dict[int, int]
    sizes: tuple[int, ...]
    sizes_of: dict[Slot, int]
    masked: frozenset[Slot]


def examine(model: Any, program: Program, rows: Sequence[Array], *, gaussian_noise: bool) -> Examination:
    """Run a model on a few rows, traced where the backend can, and note what happens.

    Args:
        model: A built Keras model.
        program: Its steps.
        rows: A few rows of its inputs, flattened; only shapes and types count.
        gaussian_noise: Whether `GaussianNoise` layers are random.
    """
    if len(program.outputs) != 1:
        raise ModelError(
            f"Model '{model.name}' has {len(program.outputs)} outputs",
            expected="one output, a distribution over classes",
            mend="Assess one of them: keras.Model(model.inputs, model.outputs[0])",
        )
    names = _paths(model)
    layers = tuple(layer for layer in private.layers_below(model) if id(layer) in names)
    own_calls = tuple(layer for layer in layers if random_layers.has_own_call(layer))
    recording = random_layers.Recording(names, gaussian_noise)
    random_steps: list[Step] = []
    levels: list[int] = []
    calls: list[LayerCall] = []
    arguments: dict[int, Any] = {}
    sizes: dict[Slot, int] = {}
    masked: set[Slot] = set()
    noted: dict[str, Any] = {}

    def examined(*tensors: Tensor) -> Tensor:
        values = {slot: Value(tensor) for slot, tensor in zip(program.inputs, tensors, strict=True)}
        makers: list[tuple[Tensor, Layer]] = []
        for step in program.steps:
            known = len(recording.sites)

            def note(layer: Layer, args: Any, kwargs: Any, outputs: Tensor, step: Step = step) -> None:
                first = keras.tree.flatten(outputs)[0]
                makers.append((first, layer))
                if id(layer) in names:
                    given = _row_shape(args, kwargs)
                    calls.append(LayerCall(layer, names[id(layer)], given, tuple(first.shape[1:]), step))
                if (
                    not is_keras(type(layer))
                    or layer in own_calls
                    or random_layers.runs_code_of_a_user(layer)
                ):
                    arguments.setdefault(id(layer), _symbolic(args, kwargs))

            def watched(layer: Layer, original: Any, note: Any = note) -> Any:
                def call(*args: Any, **kwargs: Any) -> Any:
                    outputs = original(*args, **kwargs)
                    note(layer, args, kwargs, outputs)
                    return outputs

                return call

            with private.calls_replaced([*layers, model], watched):
                run([step], values, lambda step: 1)
            if len(recording.sites) > known:
                random_steps.append(step)
                levels.extend([len(random_steps)] * (len(recording.sites) - known))
        output = values[program.outputs[0]].tensor
        # The innermost layer returned it first.
        maker = next((layer for tensor, layer in makers if tensor is output), None)
        noted["activation"] = _activation(maker, program)
        noted["shape"] = tuple(output.shape[1:])
        noted["dtype"] = keras.backend.standardize_dtype(output.dtype)
        sizes.update({slot: _size(value.tensor) for slot, value in values.items()})
        masked.update(slot for slot, value in values.items() if private.mask_of(value.tensor) is not None)
        return output

    with (
        random_layers.quiet([model, *layers]),
        random_layers.switched(recording, own_calls),
    ):
        _trace(examined, rows)
    level_of = _levels(program, random_steps)
    largest = [1] * (len(random_steps) + 1)
    for step in program.steps:
        level = level_of[id(step)]
        seen = [sizes[slot] for slot in (*step.inputs(), *step.outputs)]
        seen.extend(int(np.prod(call.shape)) for call in calls if call.step is step)
        largest[level] = max([largest[level], *seen])
    return Examination(
        names=names,
        layers=layers,
        own_calls=own_calls,
        sites=tuple(recording.sites),
        random_steps=tuple(random_steps),
        calls=tuple(calls),
        arguments=arguments,
        output_shape=noted["shape"],
        output_dtype=noted["dtype"],
        output_activation=noted["activation"],
        shared=tuple(step for step in program.steps if level_of[id(step)] == 0),
        repeated=tuple(step for step in program.steps if level_of[id(step)] > 0),
        levels=tuple(levels),
        level_of=level_of,
        sizes=tuple(largest),
        sizes_of=sizes,
        masked=frozenset(masked),
    )


def unswitchable(model: Any, examination: Examination, *, gaussian_noise: bool) -> list[Unswitchable]:
    """What in a model would be random in training and cannot be switched on."""
    found: list[Unswitchable] = []
    names = examination.names
    for layer in examination.layers:
        inner = random_layers.named_dropout(layer)
        if inner is not None and not any(names[id(layer)].startswith(f"{other.name}/") for other in found):
            what = f"{type(layer).__name__} with {inner} inside its call"
            found.append(Unswitchable(names[id(layer)], what, refused=False))
    users = [layer for layer in examination.layers if id(layer) in examination.arguments]
    innermost_first = sorted(users, key=lambda layer: -names[id(layer)].count("/"))
    for layer in [*innermost_first, model]:
        below = "" if layer is model else f"{names[id(layer)]}/"
        explained = any(other.name.startswith(below) for other in found)
        arguments = examination.arguments.get(id(layer))
        if explained or arguments is None:
            continue
        if not random_layers.draws_of_its_own(layer, arguments, training=True):
            continue
        what = f"{type(layer).__name__} draws random numbers inside its call"
        always = random_layers.draws_of_its_own(layer, arguments, training=False)
        if always:
            what += ", also when predicting, and no seed of howsure's reaches them; use a Dropout layer there"
        refused = always or random_layers.kind_of(layer) is not None
        found.append(Unswitchable(names.get(id(layer), str(model.name)), what, refused))
    return [*found, *_in_training_only(model, examination, gaussian_noise)]


def random_when_predicting(model: Any, examination: Examination) -> str | None:
    """Path of a layer that draws by itself whatever `training` says, the innermost one, or None."""
    names = examination.names
    users = [layer for layer in examination.layers if id(layer) in examination.arguments]
    for layer in [*sorted(users, key=lambda layer: -names[id(layer)].count("/")), model]:
        arguments = examination.arguments.get(id(layer))
        if arguments is not None and random_layers.draws_of_its_own(layer, arguments, training=False):
            return names.get(id(layer), str(model.name))
    return None


def _in_training_only(model: Any, examination: Examination, gaussian_noise: bool) -> list[Unswitchable]:
    """Random layers behind `if training`, which no switch reaches as they are not called here."""
    names = examination.names
    found: dict[str, Unswitchable] = {}
    for layer in [*examination.layers, model]:
        arguments = examination.arguments.get(id(layer))
        below = private.layers_below(layer)
        if arguments is None or not any(random_layers.is_random(one, gaussian_noise) for one in below):
            continue
        for one in random_layers.called_in_training_only(
            layer, arguments, examination.own_calls, gaussian_noise=gaussian_noise
        ):
            path = names.get(id(one), one.name)
            what = (
                f"{type(one).__name__} that is called in training only, as behind `if training`; where it is "
                "always called, it can be switched on, and does nothing in `predict` all the same"
            )
            found[path] = Unswitchable(path, what, refused=False)
    return list(found.values())


def _levels(program: Program, random_steps: Sequence[Step]) -> dict[int, int]:
    """Level of every step, by identity."""
    level_of: dict[int, int] = {}
    of_slot: dict[Slot, int] = {}
    number_of = {id(step): number for number, step in enumerate(random_steps, start=1)}
    for step in program.steps:
        reached = [number_of.get(id(step), 0), *(of_slot.get(slot, 0) for slot in step.inputs())]
        level_of[id(step)] = max(reached)
        of_slot.update(dict.fromkeys(step.outputs, max(reached)))
    return level_of


def _activation(maker: Layer | None, program: Program) -> str | None:
    """What the model ends in, read from the layer or operation that made its output."""
    if maker is None:
        last = next(step.operation for step in program.steps if program.outputs[0] in step.outputs)
        if isinstance(last, keras.layers.Layer):
            return None
        name = {"LogSoftmax": "log_softmax"}.get(type(last).__name__, type(last).__name__.lower())
        over_classes = getattr(last, "axis", -1) in (-1, 1)
        return name if over_classes else f"{name} over another axis"
    if isinstance(maker, keras.layers.Softmax):
        return "softmax" if maker.axis in (-1, 1) else "softmax over another axis"
    activation = getattr(maker, "activation", None)
    written_in = random_layers.defining_class(type(maker))
    if activation is None or not is_keras(written_in):  # a user's call may do more than its activation
        return f"a {type(maker).__name__} layer"
    known = {
        keras.activations.softmax: "softmax",
        keras.activations.sigmoid: "sigmoid",
        keras.activations.linear: "linear",
        keras.activations.log_softmax: "log_softmax",
    }
    return str(known.get(activation) or getattr(activation, "__name__", type(activation).__name__))


def _trace(function: Callable[..., Any], rows: Sequence[Array]) -> None:
    """Run `function` once for what it notes: as a trace, or on torch for real."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        jax.eval_shape(function, *(jax.ShapeDtypeStruct(array.shape, array.dtype) for array in rows))
    elif backend == "tensorflow":
        import tensorflow as tf

        specs = [tf.TensorSpec(array.shape, array.dtype) for array in rows]
        tf.function(function, autograph=False).get_concrete_function(*specs)
    else:
        import torch

        with torch.no_grad():
            function(*(keras.ops.convert_to_tensor(array) for array in rows))


def _size(tensor: Tensor) -> int:
    """Numbers per row."""
    return int(np.prod([side for side in tensor.shape[1:] if side is not None], dtype=np.int64))


def _paths(model: Any) -> dict[int, str]:
    """Path of every layer below `model`, by identity; a shared layer keeps the first it is met under."""
    paths: dict[int, str] = {}

    def visit(parent: Any, prefix: str) -> None:
        for layer in private.layers_below(parent, nested=False):
            if id(layer) not in paths and not isinstance(layer, keras.layers.InputLayer):
                hidden = private.graph_of(parent) is layer
                paths[id(layer)] = prefix + layer.name
                visit(layer, prefix if hidden else f"{prefix}{layer.name}/")

    visit(model, "")
    return paths


def _row_shape(args: Any, kwargs: Any) -> tuple[int, ...]:
    """Shape of the first tensor among the arguments of a call, for one row."""
    tensors = (item for item in keras.tree.flatten((args, kwargs)) if keras.ops.is_tensor(item))
    first = next(tensors, None)
    return () if first is None else tuple(first.shape[1:])


def is_keras(layer_class: type) -> bool:
    """Whether a class is Keras's own."""
    return layer_class.__module__.startswith("keras.")


def _symbolic(args: Any, kwargs: Any) -> tuple[Any, Any]:
    def spec(item: Any) -> Any:
        if not keras.ops.is_tensor(item):
            return item
        return keras.KerasTensor(tuple(item.shape), keras.backend.standardize_dtype(item.dtype))

    specs: tuple[Any, Any] = keras.tree.map_structure(spec, (args, dict(kwargs)))
    return specs
