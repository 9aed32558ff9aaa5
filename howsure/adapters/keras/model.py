"""The Keras adapter: one implementation for the JAX, TensorFlow and PyTorch backends.

It takes and returns numpy arrays. `KerasModel` examines a model without changing it, and runs passes. Steps
that depend on no random layer run once for each chunk of rows (`trunk`); the others run once for each thinned
network (`thin`).
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from howsure import tuning
from howsure.adapters.choose_output import Output, Pair
from howsure.adapters.input_scale import times_larger, untouched
from howsure.adapters.keras import private
from howsure.adapters.keras.draws import Masked, NoDraws
from howsure.adapters.keras.examine import examine, layers_kept_off, unswitchable
from howsure.adapters.keras.fast import bfloat16_is_faster, computing_in, reducible_steps, without_copies
from howsure.adapters.keras.features import to_last_layer
from howsure.adapters.keras.graph import Program, Slot, Step, Value, ending_in, flatten, run, widen
from howsure.adapters.keras.inputs import (
    check_backend,
    check_model,
    input_specs,
    specs_from_rows,
    warn_of_states,
)
from howsure.adapters.keras.layers import counted_calls, layer_infos, multiply_adds
from howsure.adapters.keras.losses import KerasLoss, loss_of, loss_takes, trained_for
from howsure.adapters.keras.model_cache import Wishes, forget, keep, kept, seen
from howsure.adapters.keras.onnx_graph import passes_graph
from howsure.adapters.keras.private import graph_of
from howsure.adapters.keras.switch import quiet, switched, widens_itself
from howsure.adapters.networks import NetworkCache
from howsure.adapters.protocol import BFLOAT16, FLOAT32, Level, Limits, ModelInfo, RawOutputs, raw_outputs
from howsure.inputs.rows import InputSpec, check_rows, made_up_rows

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

IN_CACHES = 1 << 20
"""Numbers, 4 MiB in float32, that a tensor of several passes may hold on JAX and PyTorch, which run one layer
after the other: what lies in the processor's caches is read faster. 2,000 rows of an MLP 128–128–64 with
`passes=100` take 0.62 of the time that `LARGEST_FOLD` takes on JAX, 0.65 on PyTorch; a transformer 0.3 and
0.55; the question's CNN 0.46 on JAX."""

LEAST_ROWS = 128
"""On PyTorch a tensor may hold so many rows of one pass in any case. With 16 rows the question's CNN takes
1.7 times as long, since its kernels are read too often."""

SHARED_FOLDS = {"tensorflow": 2}
"""How many times `LARGEST_FOLD` a tensor that all passes share may hold, by backend; 1 if that is no
faster."""

Array = NDArray[Any]
Tensor = Any


def adapt(
    model: Any,
    x: Any,
    *,
    gaussian_noise: bool,
    keep_off: frozenset[str] = frozenset(),
    output: Output = None,
) -> tuple[KerasModel, list[Array]]:
    """Examine a model, and check its rows; see `howsure.adapters.resolve.ModelHandle.adapt`."""
    check_model(model)
    if graph_of(model) is not None or getattr(model, "inputs", None):
        specs = input_specs(model)
        structure: Any = (
            private.inputs_structure(model) if graph_of(model) is None else list(range(len(specs)))
        )
    else:
        specs, structure = specs_from_rows(x)
    check_backend(specs, model)
    rows = check_rows(x, specs)
    shapes = tuple(array.shape[1:] for array in rows)
    wishes = (shapes, tuple(specs), gaussian_noise, keep_off, output, _fixed_batch(model))
    adapter: KerasModel | None = seen(model, wishes)
    if adapter is None:
        adapter = _examined(model, flatten(model, structure), rows, wishes)
    warn_of_states(adapter.examination.layers, str(model.name), len(rows[0]), _fixed_batch(model))
    return adapter, rows


def _examined(model: Any, program: Program, rows: list[Array], wishes: Wishes) -> KerasModel:
    """The adapter of an earlier call if the model has not changed, or a new one; see `adapt`."""
    _, specs, gaussian_noise, keep_off, output, _ = wishes
    if output is not None:
        whole, program = program, ending_in(program, output, model, rows)
        output = None if isinstance(output, Pair) and len(program.steps) == len(whole.steps) else output
    off = layers_kept_off(model, gaussian_noise, keep_off)
    adapter: KerasModel | None = kept(model, program, wishes)
    if adapter is None:
        adapter = KerasModel(model, program, rows, inputs=list(specs), gaussian_noise=gaussian_noise, off=off)
        adapter.output = output
        if adapter.examination.arguments:  # a user's code, which may change
            forget(model)
        else:
            keep(model, program, wishes, adapter)
    return adapter


@dataclass(frozen=True, eq=False)
class KerasTrunk:
    """The part that all passes over some rows share: tensors and their Keras masks.

    Attributes:
        model: The adapted model.
        parts: Pairs of tensor (n, …) and Keras mask (n, …) or None.
    """

    model: KerasModel
    parts: Sequence[tuple[Tensor, Tensor | None]]

    def __len__(self) -> int:
        return int(self.parts[0][0].shape[0])

    def take(self, positions: NDArray[np.int64]) -> KerasTrunk:
        """The trunk of the rows at these positions."""

        def some(tensor: Tensor) -> Tensor:
            return None if tensor is None else keras.ops.take(tensor, positions, axis=0)

        with self.model.as_found():
            parts = [(some(tensor), some(mask)) for tensor, mask in self.parts]
            return KerasTrunk(self.model, parts)

    def join(self, others: Sequence[KerasTrunk]) -> KerasTrunk:
        """This trunk and others as one, in order."""
        if not others:
            return self

        def one(parts: Sequence[Tensor]) -> Tensor:
            return None if parts[0] is None else keras.ops.concatenate(parts, axis=0)

        with self.model.as_found():
            joined = []
            for pairs in zip(self.parts, *(other.parts for other in others), strict=True):
                tensors, masks = zip(*pairs, strict=True)
                joined.append((one(tensors), one(masks)))
            return KerasTrunk(self.model, joined)


class KerasModel:
    """A Keras model, examined and ready to run passes. The model itself does not change.

    Args:
        model: A built Keras model.
        program: Its steps.
        rows: Example rows, flattened in Keras's order; only their shapes are used.
        inputs: The inputs of the model.
        gaussian_noise: True makes `GaussianNoise` layers random.
        off: Identities of layers that stay fixed, as in predicting.

    Attributes:
        networks: Thinned networks for few rows, kept for later calls.
    """

    def __init__(
        self,
        model: Any,
        program: Program,
        rows: Sequence[Array],
        *,
        inputs: list[InputSpec],
        gaussian_noise: bool,
        off: frozenset[int] = frozenset(),
    ) -> None:
        self.model = model
        self.name = str(model.name)
        self.backend = keras.backend.backend()
        self.inputs = inputs
        self._gaussian_noise, self._off = gaussian_noise, off
        self.output: Output = None
        self._program = program
        self._rows = made_up_rows(inputs, rows, _fixed_batch(model) or 2)
        self.networks = NetworkCache()
        self._known: tuple[KerasLoss | None, ModelInfo] | None = None
        self.examination = examine(
            model,
            self._program,
            self._rows,
            gaussian_noise=gaussian_noise,
            fixed_batch=_fixed_batch(model) is not None,
            off=off,
        )
        self._crossing = self._find_crossing()
        self._state = list(model.variables) if self.backend == "jax" else []
        self._in_bfloat16: frozenset[int] = frozenset()
        self._plain = self._compile(self._run_plain)
        self._compile_passes()

    # --- what it is ---------------------------------------------------------------------------

    @property
    def info(self) -> ModelInfo:
        """Facts about the model. Its loss is read each time, since a model may be compiled again."""
        examination, loss = self.examination, None
        if not isinstance(self.output, Pair):
            loss = loss_of(self.model, self.output)
        if self._known is not None and self._known[0] == loss:
            return self._known[1]
        facts = replace(
            self._facts,
            trained_for=trained_for(loss, examination.output_activation, examination.output_shape),
            loss=None if loss is None else loss.name,
            loss_takes=loss_takes(loss),
            keeps_loss=loss is not None,
            to_know="model.compile(loss=…)",
        )
        self._known = loss, facts
        return facts

    @functools.cached_property
    def _facts(self) -> ModelInfo:
        examination = self.examination
        with self.as_found():
            fixed, always_random = unswitchable(self.model, examination)
        return ModelInfo(
            name=self.name,
            framework=self.backend,
            inputs=tuple(self.inputs),
            output_shape=examination.output_shape,
            output_dtype=examination.output_dtype if examination.coarse_ending is None else "float32",
            ending=examination.output_activation,
            trained_for=None,
            rescales=self._rescales(),
            layers=layer_infos(examination, fixed, self._off),
            unswitchable=tuple(fixed),
            always_random=always_random,
            fixed_batch=_fixed_batch(self.model),
            class_axis=0 if keras.config.image_data_format() == "channels_first" else -1,
        )

    @functools.cached_property
    def levels(self) -> tuple[Level, ...]:
        """The shared level, then one level for each random step."""
        examination = self.examination
        costs, plain = np.zeros(len(examination.sizes)), 0
        for call in counted_calls(examination.calls):
            products, written = multiply_adds(call), tuning.ELEMENTWISE * int(np.prod(call.shape))
            costs[examination.level_of[id(call.step)]] += products + written
            if products or not call.random_ops:  # a prediction passes dropout by
                plain += products + written
        of_level = [
            tuple(
                op
                for op, level in zip(examination.random_ops, examination.levels, strict=True)
                if level == number
            )
            for number in range(len(examination.sizes))
        ]
        shares = costs / max(1, plain)
        return tuple(map(Level, of_level, shares.tolist(), examination.sizes))

    @functools.cached_property
    def limits(self) -> Limits:
        """How much of the model may run at once."""
        foldable = self._foldable
        return Limits(
            fold=self._fold if foldable else None,
            trunk=SHARED_FOLDS.get(self.backend, 1) * (tuning.LARGEST_FOLD if foldable else 1),
            trunk_size=sum(self.examination.sizes_of[slot] for slot in self._crossing),
            precisions=(FLOAT32, BFLOAT16) if self._heavy and bfloat16_is_faster() else (FLOAT32,),
        )

    @property
    def _fold(self) -> int:
        """Most numbers in a tensor of several passes."""
        of_rows = LEAST_ROWS * max(self.examination.sizes)
        fitting = {"jax": IN_CACHES, "torch": max(IN_CACHES, of_rows)}
        return min(fitting.get(self.backend, tuning.LARGEST_FOLD), tuning.LARGEST_FOLD)

    @property
    def _foldable(self) -> bool:
        """True if several passes can be folded into the batch axis."""
        return self._program.foldable and _fixed_batch(self.model) is None and not self.examination.whole

    @functools.cached_property
    def _heavy(self) -> frozenset[int]:
        """Identities of the steps that may run in bfloat16."""
        return frozenset(map(id, reducible_steps(self.examination)))

    def _rescales(self) -> bool:
        """True if the model itself rescales raw values, by a layer or by arithmetic."""
        layers = (keras.layers.Rescaling, keras.layers.Normalization, keras.layers.BatchNormalization)
        arithmetic = ("Divide", "TrueDivide", "Multiply", "Subtract")
        return any(isinstance(layer, layers) for layer in self.examination.layers[:4]) or any(
            type(step.operation).__name__ in arithmetic for step in self._program.steps[:4]
        )

    def times_larger(self, rows: Sequence[Array]) -> float | None:
        """How many times larger rows are than the training rows; see `ScaledModel`.

        The statistics come from the first normalisation that stored some, if it is among the first steps.
        """
        at = first_kept(self._program)
        if at is None:
            return None
        fixed = _fixed_batch(self.model)
        if fixed is not None:
            rows = [np.resize(array, (fixed, *array.shape[1:])) for array in rows]
        cast = [array.astype(spec.array_dtype) for array, spec in zip(rows, self.inputs, strict=True)]
        with self.as_found(), switched(NoDraws()):
            return times_larger_than_kept(self._program, at, cast)

    # --- running ------------------------------------------------------------------------------

    def predict(self, rows: Sequence[Array]) -> RawOutputs:
        """Raw outputs of the plain prediction, without randomness.

        Args:
            rows: The inputs, flattened, each (n, …) in its input's type.

        Returns:
            (n, …) with the model's output shape.
        """
        with self.as_found():
            output = self._plain(*map(_tensor, rows))
            return _raw(output)

    def counted(self, rows: Sequence[Array]) -> NDArray[np.bool_] | None:
        """Keras's mask of the output, (n, …) whether a time step counts; None where it has none."""
        if self._program.outputs[0] not in self.examination.masked:
            return None
        with self.as_found():
            mask = self._output_mask(*map(_tensor, rows))
            return np.asarray(keras.ops.convert_to_numpy(mask), dtype=bool)

    @functools.cached_property
    def _output_mask(self) -> Callable[..., Any]:
        return self._compile(lambda *rows: private.mask_of(self._run_plain(*rows)))

    def features(self, rows: Sequence[Array]) -> tuple[RawOutputs, RawOutputs]:
        """Input of the last linear layer and logits for the inputs (n, …), without randomness."""
        with self.as_found():
            outputs = self._to_the_end(*map(_tensor, rows))
            features, logits = map(_raw, outputs)
        return features, logits

    @functools.cached_property
    def _to_the_end(self) -> Callable[..., Any]:
        return self._compile(self._to_last_layer())

    def _to_last_layer(self) -> Callable[..., Any]:
        return to_last_layer(self._program, self.name, self.examination.output_shape)

    def trunk(self, rows: Sequence[Array]) -> KerasTrunk:
        """Compute the part that every pass over these rows shares.

        Args:
            rows: The inputs, flattened, each (n, …) in its input's type.
        """
        with self.as_found():
            # What JAX compiled converts arrays itself, and faster.
            tensors = list(rows) if self.backend == "jax" else [_tensor(array) for array in rows]
            return KerasTrunk(self, self.run_shared(*tensors))

    def thin(self, masks: Sequence[Array]) -> Callable[[KerasTrunk], Array]:
        """The thinned networks with these masks.

        Args:
            masks: For each random op (W_l, *op.shape), with W_l distinct passes at its level l; W_l divides
                W_{l+1}. See `howsure.sampling.masks.draw`.

        Returns:
            A function from a trunk of n rows to raw outputs (W, n, …).
        """
        width = len(masks[-1])
        if width > 1 and not self._foldable:
            return self._one_at_a_time(masks, width)
        with self.as_found():
            return KerasThinned(self, width, list(map(_tensor, masks)))

    def graph(self, masks: Sequence[Array], like: Sequence[Array], features: bool = False) -> Any:
        """The passes with these masks, as an `onnx.ModelProto`; see `ExportModel`."""
        return passes_graph(self, masks, like, features)

    def weights(self) -> Iterator[Array]:
        """The weights that the output needs, in the order of the steps."""
        return map(_read, self._variables)

    @functools.cached_property
    def _variables(self) -> list[Any]:
        layers = (step.operation for step in self._program.steps)
        return variables_of(layer for layer in layers if isinstance(layer, keras.layers.Layer))

    def _one_at_a_time(self, masks: Sequence[Array], width: int) -> Callable[[KerasTrunk], Array]:
        """The thinned networks with these masks, run one after the other instead of folded."""
        places = [[at * len(mask) // width for mask in masks] for at in range(width)]
        networks = [
            self.thin([mask[place : place + 1] for mask, place in zip(masks, of_pass, strict=True)])
            for of_pass in places
        ]
        return lambda trunk: np.concatenate([network(trunk) for network in networks])

    def in_precision(self, precision: str) -> KerasModel:
        """The same model with the heavy layers of its passes in another precision."""
        return self if precision == FLOAT32 else self._reduced

    @functools.cached_property
    def _reduced(self) -> KerasModel:
        reduced = copy.copy(self)
        reduced._in_bfloat16, reduced.networks = self._heavy, NetworkCache()
        reduced._compile_passes()
        return reduced

    def _compile_passes(self) -> None:
        self.run_shared = self._compile(self._run_shared)
        self.run_passes = self._compile(self._run_passes)

    def _find_crossing(self) -> list[Slot]:
        """The values that repeated steps or the output read, and that shared steps or the inputs provide."""
        repeated = self.examination.repeated
        made_later = {slot for step in repeated for slot in step.outputs}
        read = [*(slot for step in repeated for slot in step.inputs()), *self._program.outputs]
        return list(dict.fromkeys(slot for slot in read if slot not in made_later))

    def _run_plain(self, *rows: Tensor) -> Tensor:
        values = {slot: Value(tensor) for slot, tensor in zip(self._program.inputs, rows, strict=True)}
        with switched(NoDraws()):
            run(self._program.steps, values, lambda step: 1, around=lambda step, width: self._fast(step))
        return values[self._program.outputs[0]].tensor

    def _run_shared(self, *rows: Tensor) -> list[tuple[Tensor, Tensor | None]]:
        values = {slot: Value(tensor) for slot, tensor in zip(self._program.inputs, rows, strict=True)}
        with switched(NoDraws()):
            run(self.examination.shared, values, lambda step: 1, around=lambda step, width: self._fast(step))
        tensors = [values[slot].tensor for slot in self._crossing]
        return [(tensor, private.mask_of(tensor)) for tensor in tensors]

    def run_whole(
        self, masks: Sequence[Tensor], rows: Sequence[Tensor], features: bool = False
    ) -> list[Tensor]:
        """Raw outputs (W, n, …) for inputs (n, …), trunk and passes in one, for the export.

        With `features` also those of the prediction, and the logits, as (n, F + K).
        """
        with quiet([self.model, *self.examination.layers]), self._ending_in_float32():
            raw = self._run_passes(self._run_shared(*rows), masks)
            raw = keras.ops.cast(raw, "float32")
            outputs = [keras.ops.reshape(raw, (masks[-1].shape[0], -1, *raw.shape[1:]))]
            if features:
                features_and_logits = [
                    keras.ops.cast(tensor, "float32") for tensor in self._to_last_layer()(*rows)
                ]
                outputs.append(keras.ops.concatenate(features_and_logits, axis=1))
            return outputs

    def _run_passes(self, shared: Sequence[tuple[Tensor, Tensor | None]], masks: Sequence[Tensor]) -> Tensor:
        values: dict[Slot, Value] = {}
        for slot, (tensor, mask) in zip(self._crossing, shared, strict=True):
            if mask is not None:
                private.set_mask(tensor, mask)
            values[slot] = Value(tensor)
        examination = self.examination
        width_of = {
            id(examination.random_steps[level - 1]): mask.shape[0]
            for level, mask in zip(examination.levels, masks, strict=True)
        }
        draws = Masked(examination.random_ops, masks, examination.whole, self._gaussian_noise, self._off)

        @contextlib.contextmanager
        def around(step: Step, width: int) -> Iterator[None]:
            draws.width = width if widens_itself(step.operation) else None
            with self._fast(step):
                yield

        with switched(draws, examination.never_in_training):
            run(
                examination.repeated,
                values,
                lambda step: width_of.get(id(step), 1),
                lambda step: id(step) in examination.in_training,
                around,
            )
        output = values[self._program.outputs[0]]
        return widen(output, max(output.width, *width_of.values()))

    @contextlib.contextmanager
    def _fast(self, step: Step) -> Iterator[None]:
        """The context in which a step runs fastest."""
        with contextlib.ExitStack() as stack:
            if id(step) in self._in_bfloat16:
                stack.enter_context(computing_in("mixed_bfloat16", step.operation))
            stack.enter_context(without_copies(step.operation))
            yield

    def _compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compile for fixed shapes. No update of a variable, seed or loss leaves the compiled function."""

        def without_effect(state: Sequence[Tensor], *args: Any) -> Any:
            mapping = list(zip(self._state, state, strict=True))
            with quiet([self.model, *self.examination.layers], mapping), self._ending_in_float32():
                return function(*args)

        if self.backend == "jax":
            import jax

            jitted = jax.jit(without_effect)
            return lambda *args: jitted([variable.value for variable in self._state], *args)
        if self.backend == "tensorflow":
            return _concrete(lambda *args: without_effect([], *args))
        return lambda *args: without_effect([], *args)

    def _ending_in_float32(self) -> AbstractContextManager[None]:
        """Compute the output layer in float32, since 16 bits hold few digits."""
        ending = self.examination.coarse_ending
        return contextlib.nullcontext() if ending is None else computing_in("float32", ending)

    @contextlib.contextmanager
    def as_found(self) -> Iterator[None]:
        """On PyTorch: no gradients, and the modules' `training` flags restored on exit."""
        if self.backend != "torch":
            yield
            return
        import torch

        flags = [(module, module.training) for module in self.model.modules()]
        try:
            with torch.no_grad():
                yield
        finally:
            for module, flag in flags:
                module.training = flag


def _raw(tensor: Tensor) -> RawOutputs:
    return raw_outputs(keras.ops.convert_to_numpy(tensor))


def _tensor(array: Array) -> Tensor:
    """An array as a tensor."""
    if keras.backend.backend() == "tensorflow":  # of an array, Keras asks much before it does the same
        return tf.convert_to_tensor(array)
    return keras.ops.convert_to_tensor(array)


def _read(variable: Any) -> Array:
    """The value of a variable."""
    array = np.asarray(keras.ops.convert_to_numpy(variable))
    return array.astype(np.float32) if array.dtype.kind == "V" else array  # bfloat16, where numpy has it


def variables_of(layers: Iterable[Any]) -> list[Any]:
    """The variables of layers or models, each once."""
    return list({id(variable): variable for layer in layers for variable in layer.weights}.values())


def weights_of(layers: Iterable[Any]) -> Iterator[Array]:
    """The weights of layers or models, each once, the same on every backend."""
    return map(_read, variables_of(layers))


def _concrete(function: Callable[..., Any]) -> Callable[..., Any]:
    """One TensorFlow graph for each combination of shapes.

    `tf.function` would do the same, but warn of retracing for every new chunk shape, and take five times as
    long to call a small graph.
    """
    graphs: OrderedDict[Any, tuple[Any, list[Tensor], Any, list[Any]]] = OrderedDict()

    def call(*args: Any) -> Any:
        form = _form(args)
        if form not in graphs:
            graph = tf.function(function, autograph=False).get_concrete_function(*args)
            types = [tensor.dtype for tensor in graph.outputs]
            graphs[form] = graph, list(graph.captured_inputs), graph.structured_outputs, types
        graphs.move_to_end(form)
        if len(graphs) > tuning.KEPT_GRAPHS:
            graphs.popitem(last=False)
        graph, captured, structure, types = graphs[form]
        inputs = [*_tensors_in(args), *captured]
        return _packed(structure, iter(tf.raw_ops.StatefulPartitionedCall(args=inputs, Tout=types, f=graph)))

    return call


def _tensors_in(structure: Any) -> Iterator[Tensor]:
    """The tensors in nested lists and tuples, in order, without None."""
    if isinstance(structure, (list, tuple)):
        for item in structure:
            yield from _tensors_in(item)
    elif structure is not None:
        yield structure


def _packed(structure: Any, tensors: Iterator[Tensor]) -> Any:
    """Tensors in nested lists and tuples, with None where the structure has it."""
    if isinstance(structure, (list, tuple)):
        return [_packed(item, tensors) for item in structure]
    return None if structure is None else next(tensors)


def _form(structure: Any) -> Any:
    """Shapes and types of tensors, in the nesting in which they are given."""
    if structure is None:
        return None
    if isinstance(structure, (list, tuple)):
        return tuple(map(_form, structure))
    return tuple(structure.shape), structure.dtype


def _fixed_batch(model: Any) -> int | None:
    sizes = {tensor.shape[0] for tensor in getattr(model, "inputs", None) or []} - {None}
    return int(sizes.pop()) if sizes else None


@dataclass(frozen=True, eq=False)
class KerasThinned:
    """The thinned networks with some masks.

    Attributes:
        model: The adapted model.
        width: Number of passes.
        masks: For each random op its masks.
    """

    model: KerasModel
    width: int
    masks: list[Tensor]

    def __call__(self, trunk: KerasTrunk) -> RawOutputs:
        """Raw outputs (W, n, …) over the n rows of a trunk."""
        with self.model.as_found():
            values = _raw(self.model.run_passes(trunk.parts, self.masks))
        return values.reshape(self.width, -1, *values.shape[1:])


# --- the scale of rows --------------------------------------------------------------------------------


FIRST_STEPS = 8
"""Number of first steps that are searched, which keeps the cost low: these steps run on a few rows."""


def first_kept(program: Program) -> int | None:
    """Index of the first step that normalises with stored statistics, if it is among the first steps."""
    first = enumerate(program.steps[:FIRST_STEPS])
    return next((at for at, step in first if _stored_statistics(step.operation) is not None), None)


def times_larger_than_kept(program: Program, at: int, rows: Sequence[Array]) -> float:
    """How many times larger rows (n, …) are than the training rows, by the statistics of one step.

    Args:
        program: The model; its steps before `at` run without randomness.
        at: Index from `first_kept`.
        rows: The inputs, flattened, in their types.
    """
    tensors = map(keras.ops.convert_to_tensor, rows)
    values = {slot: Value(tensor) for slot, tensor in zip(program.inputs, tensors, strict=True)}
    run(program.steps[:at], values, lambda step: 1)
    step = program.steps[at]
    inputs = np.asarray(keras.ops.convert_to_numpy(values[step.inputs()[0]].tensor))
    statistics = _stored_statistics(step.operation)
    assert statistics is not None
    axis, mean, variance = statistics
    return times_larger(np.moveaxis(inputs, axis, -1), mean, variance)


def _stored_statistics(layer: Any) -> tuple[int, Array, Array] | None:
    """Unit axis, mean (C,) and variance (C,) that a layer stored in training, or None."""
    if isinstance(layer, keras.layers.BatchNormalization):
        axis, moments = layer.axis, (layer.moving_mean, layer.moving_variance)
    elif isinstance(layer, keras.layers.Normalization) and len(layer.axis) == 1:
        axis, moments = layer.axis[0], (layer.mean, layer.variance)
    else:
        return None
    if any(moment is None for moment in moments):
        return None
    mean, variance = (
        np.ravel(keras.ops.convert_to_numpy(getattr(moment, "value", moment))) for moment in moments
    )
    return None if untouched(mean, variance) else (int(axis), mean, variance)
