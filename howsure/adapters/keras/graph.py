"""Flatten a Keras model into a list of steps, and run the steps on folded passes.

Functional and Sequential models, nested at any depth, become one list of layer and operation calls in order
of execution. Anything else (a subclassed model, a layer that contains random layers) is one step that runs
whole. A value has a width: the number of passes that are folded, pass-major, into its first axis. Values that
depend on no random layer have width 1 and are computed once for all passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import ops

from howsure.adapters.choose_output import Pair, place_of, places_of_pair
from howsure.adapters.keras import private
from howsure.adapters.keras.inputs import names_of_outputs
from howsure.adapters.keras.private import Graph, GraphCall, graph_of
from howsure.adapters.keras.switch import quiet, widens_itself
from howsure.errors import ModelError

Tensor = Any


@dataclass(frozen=True)
class Slot:
    """The place of a value among all values of a run."""

    index: int


@dataclass(frozen=True)
class Value:
    """A tensor of `width` passes: its first axis is width × rows, pass-major."""

    tensor: Tensor
    width: int = 1


@dataclass(frozen=True)
class Step:
    """One call of one layer or operation.

    Attributes:
        operation: The layer or operation.
        name: Its path inside the model.
        args: Positional arguments, with `Slot`s instead of tensors.
        kwargs: Keyword arguments, with `Slot`s instead of tensors.
        outputs: Slots of the results.
    """

    operation: Any
    name: str
    args: Any
    kwargs: Any
    outputs: tuple[Slot, ...]

    def inputs(self) -> tuple[Slot, ...]:
        """The slots that this step reads."""
        arguments = keras.tree.flatten((self.args, self.kwargs))
        return tuple(item for item in arguments if isinstance(item, Slot))


@dataclass(frozen=True)
class Program:
    """The whole model: inputs, steps in order, outputs.

    Attributes:
        inputs: Slots of the model's inputs, flattened.
        steps: The calls.
        outputs: Slots of the model's outputs, flattened.
        foldable: True if the first axis of every tensor holds the rows, and any number of them.
    """

    inputs: tuple[Slot, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Slot, ...]
    foldable: bool


def flatten(model: Any, structure: Any) -> Program:
    """The program of a model.

    Args:
        model: A built Keras model.
        structure: The model's input with any objects in place of arrays; only the nesting matters.
    """
    builder = _Builder()
    inputs = tuple(builder.new_slot() for _ in keras.tree.flatten(structure))
    graph = graph_of(model)
    if graph is None:
        output = builder.new_slot()
        step = Step(model, "", (keras.tree.pack_sequence_as(structure, list(inputs)),), {}, (output,))
        return Program(inputs, (step,), (output,), foldable=True)
    outputs = builder.inline(graph, inputs, prefix="")
    return Program(inputs, tuple(builder.steps), outputs, builder.foldable)


class Concatenate:
    """Joins values (n, …) and (n, …) of the same shape as one (n, 2 K); a step that is no layer."""

    def __call__(self, one: Tensor, other: Tensor) -> Tensor:
        """(n, 2 K): all numbers of one value, then all of the other."""
        width = math.prod(one.shape[1:])
        return ops.concatenate([ops.reshape(tensor, (-1, width)) for tensor in (one, other)], axis=-1)


_CONCATENATE = Concatenate()
"""One object, so that a program is the same each time it is made."""


def ending_in(program: Program, output: str | int | Pair, model: Any, rows: Sequence[Any]) -> Program:
    """The program for one of its outputs, without the steps that this output does not need.

    The output of a `Pair`, (n, 2 K), is the mean and then the variance; a model with one output keeps it.

    Args:
        program: Program of a model.
        output: Name or index of the output, or what its two outputs are.
        model: The model.
        rows: Rows of its inputs, flattened; only shapes and types matter.

    Raises:
        InputError: There is no such output.
        ModelError: The outputs are no pair.
    """
    names: Sequence[str] = names_of_outputs(model)
    outputs = getattr(model, "output", None)
    if graph_of(model) is None:  # a model of a user's class, in one step
        (step,) = program.steps
        outputs = _returned(program, rows)
        first = step.outputs[0].index
        slots = tuple(Slot(first + number) for number in range(len(keras.tree.flatten(outputs))))
        program = replace(program, steps=(replace(step, outputs=slots),), outputs=slots)
        names = sorted(outputs) if isinstance(outputs, dict) else getattr(outputs, "_fields", ())
    if isinstance(output, Pair):
        if len(program.outputs) == 1:
            return program
        shapes = [tuple(tensor.shape[1:]) for tensor in keras.tree.flatten(outputs)]
        in_order = not isinstance(outputs, dict)  # Keras sorts the names in a dict
        places = places_of_pair(output, shapes, names, str(model.name), in_order=in_order)
        joined = Slot(
            1 + max(slot.index for step in program.steps for slot in (*step.inputs(), *step.outputs))
        )
        step = Step(_CONCATENATE, "concatenate", tuple(program.outputs[at] for at in places), {}, (joined,))
        return replace(program, steps=(*program.steps, step), outputs=(joined,))
    slot = program.outputs[place_of(output, names, len(program.outputs), str(model.name))]
    needed, steps = {slot}, []
    for step in reversed(program.steps):
        if needed.intersection(step.outputs):
            needed.update(step.inputs())
            steps.append(step)
    return replace(program, steps=tuple(reversed(steps)), outputs=(slot,))


def _returned(program: Program, rows: Sequence[Any]) -> Any:
    """The result of the only step of a program, nested as its author wrote it, with `KerasTensor`s."""
    (step,) = program.steps
    inputs = (keras.KerasTensor((1, *array.shape[1:]), dtype=str(array.dtype)) for array in rows)
    of_slot = dict(zip(program.inputs, inputs, strict=True))
    with quiet([step.operation]):
        return step.operation.compute_output_spec(*keras.tree.map_structure(of_slot.get, step.args))


class _Builder:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.foldable = True
        self._count = 0

    def new_slot(self) -> Slot:
        self._count += 1
        return Slot(self._count - 1)

    def inline(self, graph: Graph, inputs: Sequence[Slot], prefix: str) -> tuple[Slot, ...]:
        """Append the calls of `graph`, which read `inputs`; return the slots of its outputs."""
        slots = {id(tensor): slot for tensor, slot in zip(graph.inputs, inputs, strict=True)}
        self._check(graph.inputs)

        def to_slot(item: Any) -> Any:
            return slots.get(id(item)) if isinstance(item, keras.KerasTensor) else item

        for call in private.calls_of(graph):
            args, kwargs = keras.tree.map_structure(to_slot, (call.args, dict(call.kwargs)))
            name = prefix + call.operation.name
            if isinstance(call.operation, keras.layers.Layer):
                kwargs.pop("training", None)  # `run` sets it
            outputs = self._inline_nested(call, args, kwargs, name)
            if outputs is None:
                outputs = tuple(self.new_slot() for _ in call.outputs)
                self.steps.append(Step(call.operation, name, args, kwargs, outputs))
            self._check(call.outputs)
            slots.update({id(tensor): slot for tensor, slot in zip(call.outputs, outputs, strict=True)})
        return tuple(slots[id(tensor)] for tensor in graph.outputs)

    def _inline_nested(self, call: GraphCall, args: Any, kwargs: Any, name: str) -> tuple[Slot, ...] | None:
        graph = graph_of(call.operation)
        if graph is None or len(args) != 1 or any(value is not None for value in kwargs.values()):
            return None
        inputs, symbolic = args[0], call.args[0]
        if isinstance(inputs, dict):
            names = private.inputs_structure(graph)
            if not isinstance(names, dict) or set(names) != set(inputs):
                return None
            inputs = [inputs[key] for key in sorted(names)]
            symbolic = [symbolic[key] for key in sorted(names)]
        flat, tensors = keras.tree.flatten(inputs), keras.tree.flatten(symbolic)
        same = len(flat) == len(graph.inputs) and all(
            isinstance(slot, Slot) and len(tensor.shape) == len(inner.shape) and tensor.dtype == inner.dtype
            for slot, tensor, inner in zip(flat, tensors, graph.inputs, strict=False)
        )
        return self.inline(graph, flat, prefix=f"{name}/") if same else None

    def _check(self, tensors: Sequence[Any]) -> None:
        if any(len(tensor.shape) == 0 or tensor.shape[0] is not None for tensor in tensors):
            self.foldable = False


def run(
    steps: Sequence[Step],
    values: dict[Slot, Value],
    width_of: Callable[[Step], int],
    in_training: Callable[[Step], bool] = lambda step: False,
    around: Callable[[Step, int], AbstractContextManager[object]] = lambda step, width: nullcontext(),
) -> None:
    """Run steps on `values`, and add their results to it.

    Args:
        steps: The steps, in order.
        values: Known values; each step's inputs must be there when the step runs.
        width_of: Least width of a step; above 1 for steps with random layers.
        in_training: Tells whether a step is called as in training.
        around: Context for a step, given the number of passes in its inputs. A random layer that is a step of
            its own gets its input unchanged and widens it itself.
    """
    for step in steps:
        input_width = max([1, *(values[slot].width for slot in step.inputs())])
        width = max(width_of(step), input_width)
        filled = input_width if widens_itself(step.operation) else width

        def fill(item: Any, filled: int = filled) -> Any:
            return widen(values[item], filled) if isinstance(item, Slot) else item

        args = keras.tree.map_structure(fill, step.args)
        kwargs = dict(keras.tree.map_structure(fill, step.kwargs))
        if isinstance(step.operation, keras.layers.Layer):
            kwargs["training"] = in_training(step)
        with around(step, filled):
            results = keras.tree.flatten(step.operation(*args, **kwargs))
        if filled < width:
            _widen_masks(results, filled, width)
        if len(results) != len(step.outputs):  # a model of a user's class
            raise ModelError(
                f"Model '{step.operation.name}' returns {len(results)} outputs from its `call`",
                expected="one output",
                hint="Say which one is meant, by name or place: output=0; of a mean and a variance say "
                "outputs='mean-variance', or 'mean-log-variance'",
            )
        values.update(
            {slot: Value(tensor, width) for slot, tensor in zip(step.outputs, results, strict=True)}
        )


def widen(value: Value, width: int) -> Tensor:
    """The tensor of `value` repeated to `width` passes, with its Keras mask."""
    if width == value.width:
        return value.tensor
    widened = _repeat(value.tensor, value.width, width)
    mask = private.mask_of(value.tensor)
    if mask is not None:
        private.set_mask(widened, _repeat(mask, value.width, width))
    return widened


def _widen_masks(tensors: Sequence[Tensor], width: int, new_width: int) -> None:
    """Repeat the Keras masks of results: Keras copies them from the inputs, which hold fewer passes."""
    for tensor in tensors:
        mask = private.mask_of(tensor)
        if mask is not None:
            private.set_mask(tensor, _repeat(mask, width, new_width))


def _repeat(tensor: Tensor, width: int, new_width: int) -> Tensor:
    units = tensor.shape[1:]
    folded = ops.reshape(tensor, (width, 1, -1, *units))
    return ops.reshape(ops.repeat(folded, new_width // width, axis=1), (-1, *units))
