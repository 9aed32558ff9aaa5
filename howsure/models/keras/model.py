"""The Keras adapter: one piece of code for the JAX, TensorFlow and PyTorch backends.

numpy in, numpy out. `KerasModel` examines a model without touching it and runs passes of it: what
no random layer feeds runs once for a chunk of rows (`share`), the rest once per pass (`passes`).
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras.src.backend import get_keras_mask, set_keras_mask
from numpy.typing import NDArray

from howsure.data.rows import InputSpec, check_rows
from howsure.errors import ModelError
from howsure.models import Unswitchable
from howsure.models.features import Features
from howsure.models.keras import switch as random_layers
from howsure.models.keras.costs import counted_calls, multiply_adds
from howsure.models.keras.examine import examine, random_when_predicting, unswitchable
from howsure.models.keras.fast.convolutions import without_copies
from howsure.models.keras.fast.kernels import Dropped, Folded, thinned_dense_layers
from howsure.models.keras.fast.precision import bfloat16_is_faster, in_bfloat16, reducible_steps
from howsure.models.keras.files import load
from howsure.models.keras.graph import Program, Slot, Step, Value, flatten, graph_of, run, widen
from howsure.models.keras.kept import forget, keep, kept
from howsure.models.keras.losses import loss_of, trained_for
from howsure.sampling.masks import Site, draw

Array = NDArray[Any]
Tensor = Any

__all__ = ["KerasModel", "adapt", "check_model", "input_specs", "load"]

LARGEST_FOLD = 1 << 24
"""Numbers a folded tensor may hold, 64 MiB in float32; bounds the passes that run together."""

SHARED_FOLDS = {"tensorflow": 2}
"""How many times that a tensor of what all passes share may hold; 1 where that runs no faster."""

KEPT_GRAPHS = 64
"""Graphs of different shapes that are kept with TensorFlow; the one that was not used for longest goes."""

ELEMENTWISE = 8
"""What reading, masking and writing one number costs, in multiply-adds."""


def input_specs(model: Any) -> list[InputSpec]:
    """The inputs of a built model, in the order Keras flattens them.

    Raises:
        ModelError: The model has not been built, or does not say what it takes.
    """
    check_model(model)
    graph = graph_of(model)
    if graph is None and getattr(model, "inputs", None):
        graph = model
    if graph is not None:
        names = _input_names(graph)
        return [
            InputSpec(name, tuple(tensor.shape[1:]), str(tensor.dtype))
            for name, tensor in zip(names, graph.inputs, strict=True)
        ]
    shapes = model.get_build_config() or {}
    shape = shapes.get("input_shape")
    if shape is None:
        raise ModelError(
            f"Model '{model.name}' does not say what input it takes",
            mend="Assess it in Python with the rows it takes: howsure.assess(model, x)",
        )
    if isinstance(shape, dict):
        return [InputSpec(key, tuple(shape[key][1:]), "float32") for key in sorted(shape)]
    if isinstance(shape[0], (list, tuple)):
        return [InputSpec(f"input_{n}", tuple(one[1:]), "float32") for n, one in enumerate(shape)]
    return [InputSpec("x", tuple(shape[1:]), "float32")]


def _input_names(graph: Any) -> list[str]:
    struct = graph._inputs_struct
    if isinstance(struct, dict):
        return sorted(struct)
    return [tensor.name for tensor in graph.inputs]


def check_model(model: Any) -> None:
    """Raise a `ModelError` unless `model` is a Keras model that has its weights."""
    if not isinstance(model, keras.Model):
        raise ModelError(
            "This is not a Keras model",
            expected="a keras.Model: Sequential, Functional or subclassed",
            received=f"{type(model).__module__}.{type(model).__name__}",
        )
    if not model.built:
        raise ModelError(
            f"Model '{model.name}' has not been built, so it has no weights",
            expected="a trained model",
            mend="Train it, or call it once on a batch of rows",
        )


def adapt(model: Any, x: Any, *, gaussian_noise: bool) -> tuple[KerasModel, list[Array], list[InputSpec]]:
    """Examine a model and check the rows it is given.

    Args:
        model: A built Keras model.
        x: Rows as `howsure.assess` takes them.
        gaussian_noise: Whether `GaussianNoise` layers are random.

    Returns:
        The adapter, the checked rows in the order of the inputs, and the inputs.
    """
    check_model(model)
    if graph_of(model) is not None or getattr(model, "inputs", None):
        specs = input_specs(model)
        structure: Any = model._inputs_struct if graph_of(model) is None else list(range(len(specs)))
    else:
        specs, structure = _specs_from_rows(x)
    rows = check_rows(x, specs)
    program = flatten(model, structure)
    settings = (specs, gaussian_noise, _fixed_batch(model))
    adapter: KerasModel | None = kept(model, program, settings)
    if adapter is None:
        examined = [np.empty((0, *a.shape[1:]), spec.dtype) for a, spec in zip(rows, specs, strict=True)]
        adapter = KerasModel(model, program, examined, inputs=specs, gaussian_noise=gaussian_noise)
        if adapter.examination.arguments:  # code of a user's, which may change
            forget(model)
        else:
            keep(model, program, settings, adapter)
    return adapter, rows, specs


def _specs_from_rows(x: Any) -> tuple[list[InputSpec], Any]:
    """What a subclassed model takes is known from the rows alone: any shape, several as list or dict."""

    def spec(name: str, array: Any) -> InputSpec:
        given = np.asarray(array)
        dtype = keras.config.floatx() if given.dtype.kind == "f" else str(given.dtype)
        return InputSpec(name, tuple(given.shape[1:]), dtype)

    if isinstance(x, dict):
        return [spec(key, x[key]) for key in sorted(x)], dict.fromkeys(x, 0)
    if isinstance(x, (list, tuple)) and x and all(hasattr(part, "shape") for part in x):
        return [spec(f"input_{number}", part) for number, part in enumerate(x)], [0] * len(x)
    return [spec("x", x)], 0


class Prepared(NamedTuple):
    """Masks as passes take them.

    Attributes:
        width: Passes.
        masks: For each site its masks, or None where `kernels` stands for them.
        kernels: For each site the kernel behind it as its masks need it, or None.
    """

    width: int
    masks: list[Tensor | None]
    kernels: list[Dropped | Folded | None]


class KerasModel:
    """A Keras model, examined and ready to run passes. The model itself stays as it is.

    Args:
        model: A built Keras model.
        program: Its steps.
        rows: What it will be given, flattened in Keras's order; only shapes and types are used.
        inputs: The same in words.
        gaussian_noise: Whether `GaussianNoise` layers are random.
    """

    def __init__(
        self,
        model: Any,
        program: Program,
        rows: Sequence[Array],
        *,
        inputs: list[InputSpec],
        gaussian_noise: bool,
    ) -> None:
        self.model = model
        self.name = str(model.name)
        self.backend = keras.backend.backend()
        self.inputs = inputs
        self.fixed_batch = _fixed_batch(model)
        self._gaussian_noise = gaussian_noise
        self._program = program
        self._rows = [_made_up(array, self.fixed_batch or 2) for array in rows]
        self.examination = examine(model, self._program, self._rows, gaussian_noise=gaussian_noise)
        self._crossing = self._find_crossing()
        self._thinned = thinned_dense_layers(program, self.examination)
        self._state = list(model.variables) if self.backend == "jax" else []
        self._in_bfloat16: frozenset[int] = frozenset()
        self._share = self._compile(self._run_shared)
        self._pass = self._compile(self._run_passes)
        self._plain = self._compile(self._run_plain)

    # --- what it is ---------------------------------------------------------------------------

    @property
    def sites(self) -> tuple[Site, ...]:
        """The random calls in order."""
        return self.examination.sites

    @property
    def levels(self) -> tuple[int, ...]:
        """For each site the number of its level, from 1."""
        return self.examination.levels

    @functools.cached_property
    def costs(self) -> tuple[float, ...]:
        """Share of a plain prediction's cost at each level: multiply-adds, and `ELEMENTWISE` a number."""
        found = self.examination
        costs = np.zeros(len(found.sizes))
        for call in counted_calls(found.calls):
            level = found.level_of[id(call.step)]
            costs[level] += multiply_adds(call) + ELEMENTWISE * int(np.prod(call.shape))
        return tuple(float(cost) for cost in costs / max(1.0, costs.sum()))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers in the largest tensor for one row at each level."""
        return self.examination.sizes

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the model's output for one row."""
        return self.examination.output_shape

    @property
    def output_dtype(self) -> str:
        """Type of number in which the model computes its output."""
        return self.examination.output_dtype

    @property
    def output_activation(self) -> str | None:
        """What the model ends in, read from its last layer."""
        return self.examination.output_activation

    @property
    def trained_for(self) -> str | None:
        """What the loss says the outputs are, compiled or in the model's file; see `check_trained_for`."""
        return trained_for(loss_of(self.model), self.output_activation, self.output_shape)

    @property
    def layer_names(self) -> list[str]:
        """Paths of all layers."""
        return list(self.examination.names.values())

    @property
    def rescales(self) -> bool:
        """Whether the model brings raw values into range itself, by a layer or by arithmetic."""
        layers = (keras.layers.Rescaling, keras.layers.Normalization, keras.layers.BatchNormalization)
        arithmetic = ("Divide", "TrueDivide", "Multiply", "Subtract")
        return any(isinstance(layer, layers) for layer in self.examination.layers[:4]) or any(
            type(step.operation).__name__ in arithmetic for step in self._program.steps[:4]
        )

    def unswitchable(self) -> list[Unswitchable]:
        """What would be random in training and cannot be switched on."""
        with self._as_found():
            return unswitchable(self.model, self.examination, gaussian_noise=self._gaussian_noise)

    def check_prediction(self) -> None:
        """Raise a `ModelError` where a layer draws whatever `training` says, and no switch reaches it."""
        with self._as_found():
            name = random_when_predicting(self.model, self.examination)
        if name is not None:
            raise ModelError(
                f"Layer '{name}' draws random numbers also when predicting, so model '{self.name}' has no "
                "plain prediction",
                expected="layers that leave the drawing to Keras's random layers, which can be switched off",
                mend="Use a Dropout layer there, or draw only where `training` is true",
            )

    def probe(self) -> float:
        """Largest difference between two passes over made-up rows; 0 where nothing is random."""
        masks = [[draw(site, seed=0, group=group, size=1) for site in self.sites] for group in (0, 1)]
        shared = self.share(self._rows)
        first, second = (self.passes(shared, self.prepare(one, len(self._rows))) for one in masks)
        return float(np.max(np.abs(first - second)))

    # --- running ------------------------------------------------------------------------------

    def predict(self, rows: Sequence[Array]) -> NDArray[np.float32]:
        """Raw outputs of the plain prediction, with nothing random.

        Args:
            rows: The inputs, flattened, each (n, …) in its input's type.

        Returns:
            (n, …) with the model's output shape.
        """
        with self._as_found():
            output = self._plain(*(keras.ops.convert_to_tensor(array) for array in rows))
            return np.asarray(keras.ops.convert_to_numpy(output), dtype=np.float32)

    def features(self, rows: Sequence[Array], batch_size: int) -> Features:
        """What the last layer gets and puts out for the inputs (n, …), with nothing random."""
        from howsure.models.keras.features import read_features

        return read_features(self, rows, self.inputs, batch_size)

    def share(self, rows: Sequence[Array]) -> Any:
        """Compute once what every pass over these rows shares.

        Args:
            rows: The inputs, flattened, each (n, …) in its input's type.

        Returns:
            Something for `passes`; tensors, not numpy.
        """
        with self._as_found():
            return self._share(*(keras.ops.convert_to_tensor(array) for array in rows))

    def share_of(self, shared: Any, rows: Array) -> Any:
        """What passes over some of the rows share.

        Args:
            shared: What `share` returned for n rows.
            rows: Positions among these n; a row may come several times.

        Returns:
            Something for `passes`.
        """
        with self._as_found():

            def some(tensor: Tensor) -> Tensor:
                return None if tensor is None else keras.ops.take(tensor, rows, axis=0)

            return [(some(tensor), some(mask)) for tensor, mask in shared]

    @property
    def shared_size(self) -> int:
        """Numbers in what `share` returns, for one row."""
        return sum(self.examination.sizes_of[slot] for slot in self._crossing)

    def joined(self, shares: Sequence[Any]) -> Any:
        """What `share` returned for several chunks of rows, as for one chunk of all of them."""
        with self._as_found():

            def one(parts: Sequence[Tensor]) -> Tensor:
                return None if parts[0] is None else keras.ops.concatenate(parts, axis=0)

            return [tuple(map(one, zip(*parts, strict=True))) for parts in zip(*shares, strict=True)]

    def prepare(self, masks: Sequence[Array], rows: int) -> Prepared:
        """What passes with these masks need, for as many chunks of rows as there are.

        Args:
            masks: For each site (W_l, *site.shape), where W_l passes are told apart at its level l;
                W_l divides W_{l+1}. See `howsure.sampling.masks.draw`.
            rows: How many rows will run with them.
        """
        with self._as_found():
            kernels = [self._kernel(number, masks, rows) for number in range(len(masks))]
            kept = [
                None if kernel is not None else keras.ops.convert_to_tensor(mask)
                for mask, kernel in zip(masks, kernels, strict=True)
            ]
        return Prepared(len(masks[-1]), kept, kernels)

    def passes(self, shared: Any, prepared: Prepared) -> NDArray[np.float32]:
        """Raw outputs of the passes with some masks.

        Args:
            shared: What `share` returned for n rows.
            prepared: What `prepare` returned for the masks.

        Returns:
            (W, n, …) with W that of the last level and the model's output shape.
        """
        with self._as_found():
            output = self._pass(shared, prepared.masks, prepared.kernels)
            values = np.asarray(keras.ops.convert_to_numpy(output), dtype=np.float32)
        return values.reshape(prepared.width, -1, *values.shape[1:])

    def _kernel(self, number: int, masks: Sequence[Array], rows: int) -> Dropped | Folded | None:
        """The kernel behind a site as its masks need it, where that serves so many rows better; or None."""
        if number not in self._thinned:
            return None
        layers = self._thinned[number]
        before = (len(mask) for mask, level in zip(masks, self.levels, strict=True) if level == layers.before)
        return layers.prepared(masks[number], max(before, default=1), rows)

    def largest_fold(self) -> int | None:
        """Numbers a folded tensor may hold, or None where passes must run one at a time."""
        if not self._program.foldable or self.fixed_batch is not None:
            return None
        return LARGEST_FOLD

    def largest_shared(self) -> int:
        """Numbers that a tensor may hold in what all passes share."""
        return SHARED_FOLDS.get(self.backend, 1) * (self.largest_fold() or 1)

    @functools.cached_property
    def _reduced(self) -> KerasModel | None:
        heavy = reducible_steps(self.examination, [layers.dense for layers in self._thinned.values()])
        if not heavy or not bfloat16_is_faster():
            return None
        reduced = copy.copy(self)
        reduced._in_bfloat16 = frozenset(map(id, heavy))
        reduced._share = reduced._compile(reduced._run_shared)
        reduced._pass = reduced._compile(reduced._run_passes)
        return reduced

    def reduced(self) -> KerasModel | None:
        """The same with the heavy layers of the passes in bfloat16, or None where that is not faster."""
        return self._reduced

    def _find_crossing(self) -> list[Slot]:
        """What the repeated steps read and the shared ones, or the inputs, provide."""
        repeated = self.examination.repeated
        made_later = {slot for step in repeated for slot in step.outputs}
        read = [*(slot for step in repeated for slot in step.inputs()), *self._program.outputs]
        return list(dict.fromkeys(slot for slot in read if slot not in made_later))

    def _run_plain(self, *rows: Tensor) -> Tensor:
        values = {slot: Value(tensor) for slot, tensor in zip(self._program.inputs, rows, strict=True)}
        with random_layers.switched(random_layers.Still()):
            run(self._program.steps, values, lambda step: 1, lambda step, width: self._fast(step))
        return values[self._program.outputs[0]].tensor

    def _run_shared(self, *rows: Tensor) -> list[tuple[Tensor, Tensor | None]]:
        values = {slot: Value(tensor) for slot, tensor in zip(self._program.inputs, rows, strict=True)}
        draws = random_layers.Masked(self.sites, [], self._gaussian_noise)
        with random_layers.switched(draws, self.examination.own_calls):
            run(self.examination.shared, values, lambda step: 1, lambda step, width: self._fast(step))
        tensors = [values[slot].tensor for slot in self._crossing]
        return [(tensor, get_keras_mask(tensor)) for tensor in tensors]

    def _run_passes(
        self,
        shared: Sequence[tuple[Tensor, Tensor | None]],
        masks: Sequence[Tensor | None],
        kernels: Sequence[Dropped | Folded | None],
    ) -> Tensor:
        values: dict[Slot, Value] = {}
        for slot, (tensor, mask) in zip(self._crossing, shared, strict=True):
            if mask is not None:
                set_keras_mask(tensor, mask)
            values[slot] = Value(tensor)
        width_of: dict[int, int] = {}
        instead: dict[int, Callable[..., Tensor]] = {}
        applied: dict[Site, Tensor] = {}
        for site, level, mask, kernel in zip(self.sites, self.levels, masks, kernels, strict=True):
            if mask is not None:
                applied[site] = mask
                width_of[id(self.examination.random_steps[level - 1])] = mask.shape[0]
            elif kernel is not None:
                layers = self._thinned[site.number]
                width_of[id(layers.dense)] = kernel.width
                instead |= {id(step): lambda inputs: inputs for step in (layers.dropout, *layers.between)}
                instead[id(layers.dense)] = functools.partial(layers, prepared=kernel)
        draws = random_layers.Masked(list(applied), list(applied.values()), self._gaussian_noise)

        @contextlib.contextmanager
        def around(step: Step, width: int) -> Iterator[None]:
            draws.width = width if random_layers.widens_itself(step.operation) else None
            with self._fast(step):
                yield

        with random_layers.switched(draws, self.examination.own_calls):
            run(self.examination.repeated, values, lambda step: width_of.get(id(step), 1), around, instead)
        output = values[self._program.outputs[0]]
        return widen(output, max(output.width, *width_of.values()))

    @contextlib.contextmanager
    def _fast(self, step: Step) -> Iterator[None]:
        """What a step runs in, so that it takes no longer than need be."""
        with contextlib.ExitStack() as stack:
            if id(step) in self._in_bfloat16:
                stack.enter_context(in_bfloat16(step))
            if self.backend == "torch":
                stack.enter_context(without_copies(step.operation))
            yield

    def _compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compile for fixed shapes; no update of a variable, seed or loss leaves the function."""

        def without_effect(state: Sequence[Tensor], *args: Any) -> Any:
            mapping = list(zip(self._state, state, strict=True))
            with random_layers.quiet([self.model, *self.examination.layers], mapping):
                return function(*args)

        if self.backend == "jax":
            import jax

            jitted = jax.jit(without_effect)
            return lambda *args: jitted([variable.value for variable in self._state], *args)
        if self.backend == "tensorflow":
            return _concrete(lambda *args: without_effect([], *args))
        return lambda *args: without_effect([], *args)

    @contextlib.contextmanager
    def _as_found(self) -> Iterator[None]:
        """On torch: no gradients, and the modules' `training` flags as found."""
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


def _concrete(function: Callable[..., Any]) -> Callable[..., Any]:
    """One TensorFlow graph for each combination of shapes.

    `tf.function` would do the same, and warn that it was traced again for every new chunk shape.
    """
    import tensorflow as tf

    graphs: OrderedDict[Any, Callable[..., Any]] = OrderedDict()

    def call(*args: Any) -> Any:
        shapes = tuple(
            (tuple(tensor.shape), tensor.dtype) for tensor in keras.tree.flatten(args) if tensor is not None
        )
        if shapes not in graphs:
            graphs[shapes] = tf.function(function, autograph=False).get_concrete_function(*args)
        graphs.move_to_end(shapes)
        if len(graphs) > KEPT_GRAPHS:
            graphs.popitem(last=False)
        return graphs[shapes](*args)

    return call


def _made_up(array: Array, rows: int) -> Array:
    """Rows of the shape and type of `array`: normal numbers, or ones where they are whole."""
    shape = (rows, *array.shape[1:])
    if array.dtype.kind != "f":
        return np.ones(shape, array.dtype)
    return np.random.default_rng(0).normal(size=shape).astype(array.dtype)


def _fixed_batch(model: Any) -> int | None:
    sizes = {tensor.shape[0] for tensor in getattr(model, "inputs", None) or []} - {None}
    return int(sizes.pop()) if sizes else None
