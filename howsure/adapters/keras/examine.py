"""Examine a Keras model without side effects: what is random, what it ends in, what it computes.

The model runs once as in training. Its draws are recorded, but nothing is drawn. In later passes, the steps
that drew something run in training mode, and inside them the layers on the way to a draw. Everything else
runs as in predicting.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from howsure.adapters.keras import private
from howsure.adapters.keras.draws import ROWS_NOT_FIRST, Recording
from howsure.adapters.keras.graph import Program, Slot, Step, Value, run
from howsure.adapters.keras.switch import (
    as_in_predicting,
    defining_class,
    is_random,
    kind_of,
    quiet,
    switched,
)
from howsure.adapters.keras.user_code import (
    does_more_in_training,
    draws_of_its_own,
    holds_a_module,
    is_augmentation,
    is_keras,
    runs_code_of_a_user,
    symbolic,
)
from howsure.adapters.protocol import Unswitchable, check_kept_off
from howsure.errors import HowsureError, ModelError
from howsure.random_ops import RandomOp

Array = NDArray[Any]
Tensor = Any
Layer = Any

_HINT = (
    "Use a Dropout layer there, or draw with keras.random.dropout, uniform or normal, outside of loops; put "
    "what else training does into a layer of its own"
)


@dataclass(frozen=True)
class LayerCall:
    """One call of one layer, recorded in a run.

    Attributes:
        layer: The layer.
        name: Its path inside the model.
        input_shape: Shape of its first input, for one row.
        shape: Shape of its (first) output, for one row.
        step: The step of the program that the call belongs to.
        random_ops: Numbers of the random ops that it drew itself.
    """

    layer: Layer
    name: str
    input_shape: tuple[int, ...]
    shape: tuple[int, ...]
    step: Step
    random_ops: tuple[int, ...]


@dataclass(frozen=True)
class Examination:
    """Results of examining a model.

    Attributes:
        names: Path of every layer below the model, by identity, in order; the model's own name is last.
        layers: Those layers.
        random_ops: The random calls, in order.
        whole: Numbers of the random ops that are drawn once for all rows; their masks have no batch axis.
        random_steps: The steps that draw the random ops.
        in_training: Identities of these steps.
        never_in_training: Layers inside them that always run as in predicting, since they draw nothing.
        on_path: Identities of the layers in whose calls something was drawn.
        only_dropped: Identities of those layers that drew only dropout or normal numbers.
        without_masks: Draws that accept no masks.
        calls: Every layer call, in order.
        arguments: Arguments of each call of a user's code, with tensors as `KerasTensor`s.
        output_shape: Shape of the model's output, for one row.
        output_dtype: Type of its numbers.
        coarse_ending: The Keras layer that makes the output, if it does so in 16 bits; else None.
        output_activation: `softmax`, `sigmoid`, `linear` or another name; None if no layer's activation.
        shared: The steps that depend on no random layer.
        repeated: The steps that every pass computes again.
        levels: Number of each random op's level, from 1: its random step in order of execution.
        level_of: Level of every step, by identity: the last random step that it depends on, 0 for none.
        sizes: Numbers in the largest tensor at each level, for one row.
        sizes_of: Numbers in every value, for one row.
        masked: The values with a Keras mask, which marks the time steps that count.
    """

    names: dict[int, str]
    layers: tuple[Layer, ...]
    random_ops: tuple[RandomOp, ...]
    whole: frozenset[int]
    random_steps: tuple[Step, ...]
    in_training: frozenset[int]
    never_in_training: tuple[Layer, ...]
    on_path: frozenset[int]
    only_dropped: frozenset[int]
    without_masks: tuple[Unswitchable, ...]
    calls: tuple[LayerCall, ...]
    arguments: dict[int, Any]
    output_shape: tuple[int, ...]
    output_dtype: str
    output_activation: str | None
    coarse_ending: Layer | None
    shared: tuple[Step, ...]
    repeated: tuple[Step, ...]
    levels: tuple[int, ...]
    level_of: dict[int, int]
    sizes: tuple[int, ...]
    sizes_of: dict[Slot, int]
    masked: frozenset[Slot]


def examine(
    model: Any,
    program: Program,
    rows: Sequence[Array],
    *,
    gaussian_noise: bool,
    fixed_batch: bool,
    off: Collection[int] = (),
) -> Examination:
    """Run a model on a few rows, as a trace if the backend has one, and record what happens.

    Args:
        model: A built Keras model.
        program: Its steps.
        rows: A few rows of its inputs, flattened; only shapes and types matter.
        gaussian_noise: True makes `GaussianNoise` layers random.
        fixed_batch: True if the model accepts only one batch size.
        off: Identities of layers that stay fixed, as in predicting.
    """
    if len(program.outputs) != 1:
        raise ModelError(
            f"Model '{model.name}' has {len(program.outputs)} outputs",
            expected="one output, or a mean and a variance",
            hint="Say which one is meant, by name or place: howsure.assess(model, x, output=0). Functions "
            "without `output` take a model of one: keras.Model(model.inputs, model.outputs[0]). For a mean "
            "and a variance, say outputs='mean-variance', or 'mean-log-variance'",
        )

    look = _Look(model, program, rows, gaussian_noise, off)
    sides, count = look.drawn.leading, len(rows[0])
    whole_numbers = [number for number, side in enumerate(sides) if side is not None]
    others = [None if side is None else count + 1 for side in sides]
    if whole_numbers and not fixed_batch:
        # A side may equal the number of rows by chance, or depend on it in another way.
        more = [np.concatenate([array, array[:1]]) for array in rows]
        others = _Look(model, program, more, gaussian_noise, off).drawn.leading
    of_rows = {number for number in whole_numbers if (sides[number], others[number]) == (count, count + 1)}
    whole = frozenset(whole_numbers) - of_rows
    misshapen = [number for number in sorted(whole) if not fixed_batch and sides[number] != others[number]]
    return look.examination(whole, misshapen)


class _Look:
    """One run of a model as in training, and what was recorded.

    Args:
        model: As in `examine`, like the next four.
        program: Its steps.
        rows: A few rows.
        gaussian_noise: True makes noise random.
        off: Identities of layers that stay fixed.
    """

    def __init__(
        self,
        model: Any,
        program: Program,
        rows: Sequence[Array],
        gaussian_noise: bool,
        off: Collection[int],
    ) -> None:
        self.model, self.program = model, program
        self.names = _paths(model)
        self.layers = tuple(layer for layer in private.layers_below(model) if id(layer) in self.names)
        self.names[id(model)] = str(model.name)
        self.drawn = Recording(self.names, len(rows[0]), gaussian_noise, off)
        self.random_steps: list[Step] = []
        self.levels: list[int] = []
        self.calls: list[LayerCall] = []
        self.arguments: dict[int, Any] = {}
        self.failed: list[Unswitchable] = []
        self.values: dict[Slot, tuple[int, bool]] = {}
        self.output: tuple[tuple[int, ...], str, str | None] = ((), "", None)
        self.coarse_ending: Layer | None = None
        self._step: Any = None
        self._makers: list[tuple[Tensor, Layer, Tensor]] = []
        with quiet([model, *self.layers]), switched(self.drawn):
            _traced(self._run, rows)

    def _run(self, *rows: Tensor) -> Tensor:
        program = self.program
        values = {slot: Value(tensor) for slot, tensor in zip(program.inputs, rows, strict=True)}
        self.drawn.begin()
        computed = set[Slot]()
        with private.calls_replaced([*self.layers, self.model], self._watched):
            for self._step in program.steps:
                drawn_before = len(self.drawn.random_ops)
                self.drawn.computed = not computed.isdisjoint(self._step.inputs())
                self._run_step(self._step, values)
                if self.drawn.computed:
                    computed.update(self._step.outputs)
                if len(self.drawn.random_ops) > drawn_before:
                    self.random_steps.append(self._step)
                    self.levels.extend([len(self.random_steps)] * (len(self.drawn.random_ops) - drawn_before))
        output = values[program.outputs[0]].tensor
        # Nested layers return the same tensor; the innermost one returned it first.
        maker = next((layer for tensor, layer, _ in self._makers if tensor is output), None)
        ending = self._last_of_numbers(output)
        self._makers.clear()
        dtype = keras.backend.standardize_dtype(output.dtype)
        self.output = (tuple(output.shape[1:]), dtype, _activation(ending, program, len(output.shape)))
        is_own = maker is not None and is_keras(defining_class(type(maker)))
        if is_own and dtype in ("float16", "bfloat16") and not private.is_quantized(maker):
            self.coarse_ending = maker
        for slot, value in values.items():
            self.values[slot] = (_size(value.tensor), private.mask_of(value.tensor) is not None)
        return output

    def _run_step(self, step: Step, values: dict[Slot, Value]) -> None:
        """Run a step as in training; if that fails, as in predicting."""
        calls, users = len(self.calls), set(self.arguments)
        try:
            with self.drawn.undone_by_errors():
                run([step], values, lambda step: 1, lambda step: True)
        except HowsureError:
            raise
        except Exception as error:  # a user's code, which may need more than inputs to train
            del self.calls[calls:]
            self.arguments = {key: arguments for key, arguments in self.arguments.items() if key in users}
            run([step], values, lambda step: 1)
            message = " ".join(str(error).split())
            what = f"{type(step.operation).__name__} fails when it is called as in training"
            name = step.name or str(self.model.name)
            self.failed.append(Unswitchable(name, f"{what} ({type(error).__name__}: {message:.120})", False))

    def _last_of_numbers(self, output: Tensor) -> Layer | None:
        """The layer that made the numbers of the output, which further ones may only lay out otherwise."""
        layer_of_numbers = None
        while output is not None:
            maker, inputs = next(
                ((layer, inputs) for tensor, layer, inputs in self._makers if tensor is output), (None, None)
            )
            layer_of_numbers = maker or layer_of_numbers
            output = inputs if maker is not None and _lays_out(maker, inputs, output) else None
        return layer_of_numbers

    def _watched(self, layer: Layer, original: Any) -> Any:
        never = holds_a_module(layer) or is_augmentation(layer)
        called = as_in_predicting(original) if never else original

        def call(*args: Any, **kwargs: Any) -> Any:
            with self.drawn.call_of(layer) as random_ops:
                outputs = called(*args, **kwargs)
            first = keras.tree.flatten(outputs)[0]
            inputs = next((argument for argument in args if keras.ops.is_tensor(argument)), None)
            self._makers.append((first, layer, inputs))
            if layer is not self.model or random_ops:
                of_row, shape = _row_shape(args, kwargs), _sides(first)
                self.calls.append(
                    LayerCall(layer, self.names[id(layer)], of_row, shape, self._step, tuple(random_ops))
                )
            if runs_code_of_a_user(layer):
                self.arguments.setdefault(id(layer), symbolic(args, kwargs))
            return outputs

        return call

    def examination(self, whole: frozenset[int], misshapen: Sequence[int]) -> Examination:
        """The examination, given the random ops drawn once for all rows, and those of other shapes."""
        program, recording = self.program, self.drawn
        level_of = _levels(program, self.random_steps)
        largest = [1] * (len(self.random_steps) + 1)
        for step in program.steps:
            level = level_of[id(step)]
            sizes = [self.values[slot][0] for slot in (*step.inputs(), *step.outputs)]
            sizes.extend(int(np.prod(call.shape)) for call in self.calls if call.step is step)
            largest[level] = max([largest[level], *sizes])
        in_training = frozenset(map(id, self.random_steps))
        inside = (call.layer for call in self.calls if id(call.step) in in_training)
        return Examination(
            names=self.names,
            layers=self.layers,
            random_ops=tuple(
                recording.op(number, number in whole) for number in range(len(recording.random_ops))
            ),
            whole=whole,
            random_steps=tuple(self.random_steps),
            in_training=in_training,
            never_in_training=tuple(dict.fromkeys(filter(self._never_trains, inside))),
            on_path=frozenset(recording.on_path),
            only_dropped=frozenset(recording.on_path - recording.with_numbers),
            without_masks=(
                *self.failed,
                *(
                    Unswitchable(self.names[id(layer)], what, refused=id(layer) in recording.on_path)
                    for layer, what in recording.without_masks
                ),
                *(
                    Unswitchable(recording.random_ops[number].name, ROWS_NOT_FIRST, refused=True)
                    for number in misshapen
                ),
            ),
            calls=tuple(self.calls),
            arguments=self.arguments,
            output_shape=self.output[0],
            output_dtype=self.output[1],
            output_activation=self.output[2],
            coarse_ending=self.coarse_ending,
            shared=tuple(step for step in program.steps if level_of[id(step)] == 0),
            repeated=tuple(step for step in program.steps if level_of[id(step)] > 0),
            levels=tuple(self.levels),
            level_of=level_of,
            sizes=tuple(largest),
            sizes_of={slot: size for slot, (size, _) in self.values.items()},
            masked=frozenset(slot for slot, (_, masked) in self.values.items() if masked),
        )

    def _never_trains(self, layer: Layer) -> bool:
        """True if a layer runs as in training beside a draw, but has no part in the draw."""
        if not private.takes_training(layer) or private.keeps_masks(layer) or kind_of(layer):
            return False
        own = is_keras(type(layer)) and not is_augmentation(layer) and not holds_a_module(layer)
        return not own and id(layer) not in self.drawn.on_path


def unswitchable(model: Any, examination: Examination) -> tuple[list[Unswitchable], str | None]:
    """Layers that are random in training, or do more in training, and cannot be switched on.

    Returns:
        These layers; and the path of the innermost one that draws also when predicting, or None.
    """
    findings, always_random = list(examination.without_masks), None
    names = examination.names
    users = [layer for layer in examination.layers if id(layer) in examination.arguments]
    users.sort(key=lambda layer: -names[id(layer)].count("/"))  # innermost first, then the model
    for layer in (*users, *([model] if id(model) in examination.arguments else [])):
        name, arguments = names[id(layer)], examination.arguments[id(layer)]
        always = draws_of_its_own(layer, arguments, training=False)
        if always and always_random is None:
            always_random = name
        below = "" if layer is model else f"{name}/"
        if any(other.name == name or other.name.startswith(below) for other in findings):
            continue  # the layer inside explains it
        if always or _draws_in_training(layer, arguments):
            what = f"{type(layer).__name__} draws random numbers inside its call"
            what += ", also when predicting, where nothing switches them off" if always else ""
            findings.append(Unswitchable(name, what, refused=always or id(layer) in examination.on_path))
        elif id(layer) in examination.only_dropped and does_more_in_training(
            layer, arguments, examination.never_in_training
        ):
            what = (
                f"{type(layer).__name__} computes something else in training, apart from what it draws, "
                "and the two cannot be told apart"
            )
            findings.append(Unswitchable(name, what, refused=True))
    return [replace(finding, hint=_HINT) for finding in findings], always_random


def _draws_in_training(layer: Layer, arguments: Any) -> bool:
    try:
        return draws_of_its_own(layer, arguments, training=True)
    except Exception:  # a failure in training is reported where the step runs
        return False


def layers_kept_off(model: Any, gaussian_noise: bool, names: Collection[str]) -> frozenset[int]:
    """Identities of the random layers with these names.

    Raises:
        InputError: A name belongs to no random layer of the model.
    """
    if not names:
        return frozenset()
    paths = _paths(model)
    below = [layer for layer in private.layers_below(model) if id(layer) in paths]
    random = {
        id(layer): paths[id(layer)]
        for layer in below
        if is_random(layer, gaussian_noise) or runs_code_of_a_user(layer)
    }
    check_kept_off(names, list(random.values()))
    return frozenset(number for number, name in random.items() if name in names)


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


def _activation(maker: Layer | None, program: Program, axes: int) -> str | None:
    """The last operation of the model, from the layer or operation that made its output of so many axes."""
    if maker is None:
        last = next(step.operation for step in program.steps if program.outputs[0] in step.outputs)
        if isinstance(last, keras.layers.Layer):
            return None
        name = {"LogSoftmax": "log_softmax"}.get(type(last).__name__, type(last).__name__.lower())
        return name if _is_last(getattr(last, "axis", -1), axes) else f"{name} over another axis"
    if isinstance(maker, keras.layers.TimeDistributed) and is_keras(defining_class(type(maker))):
        inner = maker.layer
        return _activation(inner.layers[-1] if type(inner) is keras.Sequential else inner, program, axes - 1)
    if isinstance(maker, keras.layers.Softmax):
        return "softmax" if _is_last(maker.axis, axes) else "softmax over another axis"
    activation = getattr(maker, "activation", None)
    written_in = defining_class(type(maker))
    if activation is None or not is_keras(written_in):  # a user's call may do more than the activation
        return f"a {type(maker).__name__} layer"
    names = {
        keras.activations.softmax: "softmax",
        keras.activations.sigmoid: "sigmoid",
        keras.activations.linear: "linear",
        keras.activations.log_softmax: "log_softmax",
    }
    return str(names.get(activation) or getattr(activation, "__name__", type(activation).__name__))


_CROPPING = (keras.layers.Cropping1D, keras.layers.Cropping2D, keras.layers.Cropping3D)
_UPSAMPLING = (keras.layers.UpSampling1D, keras.layers.UpSampling2D, keras.layers.UpSampling3D)


def _lays_out(layer: Layer, inputs: Tensor, output: Tensor) -> bool:
    """True if a layer of Keras only lays out or interpolates numbers, and their last axis stays the last."""
    if inputs is None or not is_keras(defining_class(type(layer))):
        return False
    if isinstance(layer, keras.layers.Reshape):
        return bool(inputs.shape[-1] == output.shape[-1])
    interpolates = getattr(layer, "interpolation", "nearest") in ("nearest", "bilinear")
    last = getattr(layer, "data_format", "channels_last") == "channels_last"
    return isinstance(layer, (*_CROPPING, *_UPSAMPLING)) and interpolates and last


def _is_last(axis: Any, axes: int) -> bool:
    """True if an axis, as a layer keeps it, is the last of so many."""
    return axis in (-1, axes - 1, [axes - 1], (axes - 1,), [-1], (-1,))


def _traced(function: Callable[..., Any], rows: Sequence[Array]) -> None:
    """Run `function` once for its recordings: as a trace, or on PyTorch for real."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        kinds = [jax.dtypes.canonicalize_dtype(array.dtype) for array in rows]  # int32 if int64 is disabled
        shapes = [array.shape for array in rows]
        jax.eval_shape(function, *map(jax.ShapeDtypeStruct, shapes, kinds))
    elif backend == "tensorflow":
        import tensorflow as tf

        specs = [tf.TensorSpec(array.shape, array.dtype) for array in rows]
        tf.function(function, autograph=False).get_concrete_function(*specs)
    else:
        import torch

        with torch.no_grad():
            function(*(keras.ops.convert_to_tensor(array) for array in rows))


def _size(tensor: Tensor) -> int:
    """Numbers for one row."""
    return int(np.prod(_sides(tensor), dtype=np.int64))


def _paths(model: Any) -> dict[int, str]:
    """Path of every layer below `model`, by identity; a shared layer keeps the first path."""
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
    return () if first is None else _sides(first)


def _sides(tensor: Tensor) -> tuple[int, ...]:
    """Shape for one row; 1 for a side whose size only a run shows, such as the number of words in a text."""
    return tuple(1 if side is None else side for side in tensor.shape[1:])
