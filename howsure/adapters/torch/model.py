"""The PyTorch adapter for any `torch.nn.Module`, which runs as a whole once for each pass.

It takes and returns numpy arrays. `TorchModel` holds a module that `examine` has run without side effects,
and runs its passes. Rows are repeated for each pass, training flags are on in modules that drop, and the
masks replace the module's draws.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from howsure import tuning
from howsure.adapters.choose_output import Output
from howsure.adapters.input_scale import times_larger, untouched
from howsure.adapters.protocol import FLOAT32, LayerInfo, Level, Limits, ModelInfo, RawOutputs, raw_outputs
from howsure.adapters.protocol import KEPT_OFF as KEPT_OFF_BY_CALLER
from howsure.adapters.torch.declared_outputs import declared_output, padding_of
from howsure.adapters.torch.draws import Draws, Masks, control_flow
from howsure.adapters.torch.dry_run import ROWS, DryRun, middle
from howsure.adapters.torch.examine import Examination, examine, first_look
from howsure.adapters.torch.find_draws import KEPT_OFF
from howsure.adapters.torch.inputs import InputForm, calls_for, name_of, probes
from howsure.adapters.torch.noted_tensors import tensors_in
from howsure.adapters.torch.output_activation import LINEAR
from howsure.adapters.torch.recorder import ModuleCall
from howsure.adapters.torch.snapshot import Snapshot, as_found, drawing_in_the_open, switch
from howsure.errors import InputError, ModelError
from howsure.inputs.reading import is_out_of_memory
from howsure.inputs.rows import check_rows
from howsure.words import listed

Array = NDArray[Any]
Tensor = torch.Tensor

_Ran = TypeVar("_Ran")


def adapt(
    module: nn.Module, x: Any, gaussian_noise: bool, keep_off: frozenset[str], output: Output
) -> tuple[TorchModel, list[Array]]:
    """Examine a checked module, and check its rows; see `howsure.adapters.resolve.ModelHandle.adapt`."""
    with contextlib.ExitStack() as examining:

        def look(call: InputForm, some: Sequence[Array]) -> DryRun:
            with contextlib.ExitStack() as looking:
                snapshot = looking.enter_context(as_found(module, None))
                dry_run = first_look(module, call, some, snapshot, gaussian_noise, keep_off)
                examining.push(looking.pop_all())
                return dry_run

        rows, dry_run = read_rows(module, x, output, look)
        return TorchModel(examine(dry_run)), rows


def check_module(model: Any) -> nn.Module:
    """The module, unwrapped; or a `ModelError` if it cannot run."""
    if not isinstance(model, nn.Module):
        raise ModelError(
            "This is not a module of PyTorch",
            expected="a torch.nn.Module",
            received=f"{type(model).__module__}.{type(model).__qualname__}",
            hint="Give the module that the exported program was made from, whose dropout can be switched"
            if isinstance(model, torch.export.ExportedProgram)
            else None,
        )
    module = getattr(model, "_orig_mod", model)  # the module inside a torch.compile wrapper
    assert isinstance(module, nn.Module)
    if any(_is_compiled_program(layer) for layer in module.modules()):
        raise ModelError(
            f"Module '{name_of(module)}' was scripted, traced or exported, so its layers cannot be switched",
            expected="the torch.nn.Module that it was made from, with its weights",
            hint="Its plain prediction can be assessed in Python: "
            "howsure.Certainty.from_probabilities(module(x).softmax(-1).detach())",
        )
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta:
            raise ModelError(
                f"Module '{name_of(module)}' has no weights yet: '{name}' is empty",
                expected="a trained module",
                hint="Load its weights, or call it once on a batch of rows",
            )
    return module


def _is_compiled_program(module: nn.Module) -> bool:
    """True for a module of TorchScript, and for one that torch.export made."""
    if isinstance(module, torch.jit.ScriptModule):
        return True
    nodes = module.graph.nodes if isinstance(module, fx.GraphModule) else ()
    return any(isinstance(node.target, torch._ops.OpOverload) for node in nodes)


def read_rows(
    module: nn.Module, x: Any, output: Output, run: Callable[[InputForm, Sequence[Array]], _Ran]
) -> tuple[list[Array], _Ran]:
    """The checked rows, and what `run` returns for two of them and the first call that the module accepts."""
    ways, arrays = calls_for(module, x)
    failed: list[tuple[InputForm, Exception]] = []
    for way in ways:
        call = way if output is None else replace(way, output=output)
        try:
            rows = check_rows(arrays, call.specs)
        except InputError:
            if not failed:
                raise
            continue  # the rows do not fit this way of calling
        some = probes(call.specs, rows, lambda some: False)
        cast = [array.astype(spec.array_dtype) for array, spec in zip(some, call.specs, strict=True)]
        if any(
            (array != original).any()
            for array, original in zip(cast, some, strict=True)
            if array.dtype.kind == "i"
        ):
            continue
        try:
            return rows, run(call, some)
        except (ModelError, InputError):
            raise
        except Exception as error:  # a user's code, which may need another type of number
            failed.append((call, error))
    raise _refused(module, failed)


def _refused(module: nn.Module, failed: Sequence[tuple[InputForm, Exception]]) -> Exception:
    """The error of a user's code itself; for an error of PyTorch, an error that quotes it."""
    call, error = next((attempt for attempt in reversed(failed) if None not in attempt[0].dtypes), failed[0])
    if type(error).__qualname__ == "Unsupported":  # of torch._dynamo: it cannot compile what is watched
        unseen = control_flow("an operation that PyTorch compiles")
        unseen.__cause__ = error
        return unseen
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    raised_in = "" if at is None else at.tb_frame.f_globals.get("__name__", "")
    if raised_in.partition(".")[0] not in ("torch", "howsure") or is_out_of_memory(error):
        return error
    shapes = listed([f"'{spec.name}' {('N', *spec.shape)}".replace("'N'", "N") for spec in call.specs])
    lines = {
        "whole numbers" if None in form.dtypes else "floating point": str(cause).partition("\n")[0]
        for form, cause in failed
    }
    says = " " + "; ".join(f"of {kind}: {line}" for kind, line in lines.items())
    if len(lines) == 1:
        says = f": {next(iter(lines.values()))}"
    refused = InputError(
        f"Module '{name_of(module)}' does not run on these rows",
        expected="rows as it takes them, the axis of the rows first",
        received=f"{shapes}; PyTorch says{says}",
        hint="Call the module on a few of them yourself. If that fails too, its layers do not fit each "
        "other, or it was trained on rows of another shape",
    )
    refused.__cause__ = error
    return refused


@dataclass(frozen=True, eq=False)
class TorchTrunk:
    """Rows on the device. A module that runs as a whole shares no computation between passes.

    Attributes:
        parts: Rows (n, …) of each input.
    """

    parts: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.parts[0])

    def take(self, positions: NDArray[np.int64]) -> TorchTrunk:
        """The rows at these positions."""
        at = torch.from_numpy(np.asarray(positions, np.int64).copy()).to(self.parts[0].device)
        return TorchTrunk(tuple(part[at] for part in self.parts))

    def join(self, others: Sequence[TorchTrunk]) -> TorchTrunk:
        """These rows and others, in order."""
        parts = zip(self.parts, *(trunk.parts for trunk in others), strict=True)
        return TorchTrunk(tuple(map(torch.cat, parts)))


class TorchModel:
    """A module, examined and ready to run passes. The module itself does not change.

    Args:
        examination: Results of examining it.

    Attributes:
        whole_because: Why passes run through the whole module.
        inside: Snapshot of the scope in which several runs follow one another, or None.
    """

    def __init__(self, examination: Examination) -> None:
        self.examination = examination
        self.module, self.call = examination.module, examination.call
        self.name = name_of(self.module)
        self.whole_because = "what it draws is not drawn for each row by itself"
        self.inside: Snapshot | None = None

    # --- what it is ---------------------------------------------------------------------------

    @functools.cached_property
    def info(self) -> ModelInfo:
        """Facts about the module."""
        examination = self.examination
        axis = 0 if len(examination.output_shape) == 1 else examination.class_axis
        width = 0 if axis is None else examination.output_shape[axis]
        declaration = declared_output(self.module, width)
        return ModelInfo(
            name=self.name,
            framework="torch",
            inputs=self.call.specs,
            output_shape=examination.output_shape,
            output_dtype=examination.output_dtype,
            ending=examination.ending,
            trained_for=declaration.trained_for,
            rescales=examination.rescales,
            layers=self.layers,
            unswitchable=examination.left,
            loss=declaration.loss,
            loss_takes=declaration.loss_takes,
            always_random=examination.always_random,
            class_names=declaration.class_names,
            class_axis=examination.class_axis,
            padding=padding_of(self.module),
            keeps_loss=False,
            compiles=False,
        )

    @functools.cached_property
    def layers(self) -> tuple[LayerInfo, ...]:
        """The calls of modules that compute something themselves."""
        examination = self.examination
        random_ops = [place.random_op for place in reversed(examination.places)]
        by_name = {random_op.name.partition(":")[0]: random_op for random_op in random_ops}
        how = {True: "cannot be done right", False: "stays fixed"}
        notes = {
            draw.name.partition(":")[0]: f"{how[draw.refused]}: {draw.what}" for draw in examination.left
        }
        notes |= {name.partition(":")[0]: f"{how[False]}: {KEPT_OFF}" for name in examination.kept_off}
        notes |= dict.fromkeys(examination.keep_off, KEPT_OFF_BY_CALLER)
        calls = [
            call
            for call in examination.calls
            if not call.holds or call.draws or call.multiply_adds or call.name in by_name
        ]
        return tuple(
            LayerInfo(
                name=call.name,
                kind=name_of(call.module),
                random=by_name[call.name].in_words if call.name in by_name else None,
                note=notes.get(call.name) or _why_fixed(call),
                shape=call.shape,
                multiply_adds=round(call.multiply_adds / ROWS),
                repeated=bool(examination.places),
            )
            for call in calls
        )

    def times_larger(self, rows: Sequence[Array]) -> float | None:
        """How many times larger rows are than the training rows; see `ScaledModel`."""
        cast = [array.astype(spec.array_dtype) for array, spec in zip(rows, self.call.specs, strict=True)]
        return times_larger_than_kept(self.module, self.call, cast)

    @functools.cached_property
    def levels(self) -> tuple[Level, ...]:
        """Level 0, where passes share nothing, and level 1: the whole module with all its draws."""
        random_ops = tuple(place.random_op for place in self.examination.places)
        if not random_ops:
            return (Level((), 1.0, self.examination.largest),)
        cost = max(1.0, self.examination.of_pass / max(1.0, self.examination.work))
        return (Level((), 0.0, self._row_size), Level(random_ops, cost, self.examination.largest))

    @functools.cached_property
    def limits(self) -> Limits:
        """How much of the module may run at once."""
        return Limits(
            fold=tuning.LARGEST_FOLD if self.examination.foldable else None,
            trunk=tuning.LARGEST_FOLD,
            trunk_size=self._row_size,
        )

    @property
    def _row_size(self) -> int:
        return max(1, sum(math.prod(side or 1 for side in spec.shape) for spec in self.call.specs))

    # --- running ------------------------------------------------------------------------------

    def predict(self, rows: Sequence[Array]) -> RawOutputs:
        """Raw outputs (n, …) without randomness, for inputs (n, …) in the module's input types."""
        tensors = self._tensors(rows)
        examination = self.examination
        with self.as_found(), Draws(middle) if examination.always else contextlib.nullcontext():
            switch(self.module, ())
            return in_numpy(self.call.run(self.module, tensors))

    def features(self, rows: Sequence[Array]) -> tuple[RawOutputs, RawOutputs]:
        """Input (n, F) of the last linear layer, and the logits (n, K) before the activation."""
        tensors = self._tensors(rows)
        last = Last(self.examination.last_linear, self.name)
        with self.as_found(), last:
            switch(self.module, ())
            self.call.run(self.module, tensors)
        features, logits = last.found
        return in_numpy(features), in_numpy(logits)

    def trunk(self, rows: Sequence[Array]) -> TorchTrunk:
        """The rows (n, …) of each input, on the device."""
        return TorchTrunk(tuple(self.call.tensors(rows)))

    def thin(self, masks: Sequence[Array]) -> Callable[[TorchTrunk], RawOutputs]:
        """The thinned networks: a function from a trunk to outputs (W, n, …); see `PassModel`."""
        width = len(masks[-1])
        ready = [torch.from_numpy(np.ascontiguousarray(mask)).to(self.call.device) for mask in masks]
        if width > 1 and not self.examination.foldable:
            passes = [[mask[at : at + 1] for mask in ready] for at in range(width)]
            return lambda trunk: np.concatenate([self._passes(some, trunk, 1) for some in passes])
        return lambda trunk: self._passes(ready, trunk, width)

    def graph(self, masks: Sequence[Array], like: Sequence[Array], features: bool = False) -> Any:
        """Always a `ModelError`: only modules whose operations were recorded can be exported."""
        raise self.no_graph(self.whole_because)

    def no_graph(self, because: str) -> ModelError:
        """The error for a module of which no graph can be written."""
        return ModelError(
            f"Passes of module '{self.name}' run whole, and no graph can be written of those",
            expected="a module that does the same operations for any rows, whatever is in them",
            received=because,
            hint="Mend that in its forward, and its passes will also be faster. Many models of transformers "
            "can be exported if they are made with attn_implementation='eager'",
        )

    def weights(self) -> Iterator[Array]:
        """The bytes of its parameters and kept buffers."""
        return weights_of([self.module])

    def as_found(self) -> AbstractContextManager[Snapshot]:
        """A scope without gradients; module and seeds are restored at its end."""
        return self.inside or as_found(self.module, self.examination.restless)

    def in_precision(self, precision: str) -> TorchModel:
        """The adapter itself, since it has one precision."""
        assert precision == FLOAT32
        return self

    def _tensors(self, rows: Sequence[Array]) -> list[Tensor]:
        """Rows in the module's types; copies if it writes into its inputs, which belong to the caller."""
        tensors = self.call.tensors(rows)
        return [tensor.clone() for tensor in tensors] if self.examination.writes else tensors

    def _passes(self, masks: Sequence[Tensor], trunk: TorchTrunk, width: int) -> RawOutputs:
        """Raw outputs (width, n, …) of passes that are folded into the batch axis."""
        examination = self.examination
        numbers = Masks(examination.drawn, examination.draws, masks, len(trunk), self.name)
        with self.as_found():
            tensors = [part.repeat(width, *[1] * (part.ndim - 1)) for part in trunk.parts]
            switch(self.module, examination.training)
            with drawing_in_the_open(self.module), Draws(numbers) as draws:
                output = self.call.run(self.module, tensors)
            numbers.check_all_drawn(draws.count)
            values = in_numpy(output)
        return values.reshape(width, len(trunk), *values.shape[1:])


def weights_of(modules: Iterable[nn.Module]) -> Iterator[Array]:
    """The bytes of the parameters and kept buffers of modules, in the order in which these define them."""
    for tensor in tensors_in([list(module.state_dict().values()) for module in modules]):
        parts = [tensor.detach()]
        if tensor.is_quantized:
            parts = [parts[0].dequantize()]
        elif tensor.layout != torch.strided:
            sparse = parts[0].to_sparse_coo().coalesce()
            parts = [sparse.indices(), sparse.values()]
        yield from map(_bytes_of, parts)


def _bytes_of(tensor: Tensor) -> Array:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()


def in_numpy(tensor: Tensor) -> RawOutputs:
    """A tensor as raw outputs; numpy has no bfloat16."""
    detached = tensor.detach()
    return raw_outputs((detached if detached.dtype == torch.float64 else detached.float()).cpu().numpy())


def _why_fixed(call: ModuleCall) -> str | None:
    """Why a module that could drop stays fixed, or None."""
    off = isinstance(call.module, nn.modules.dropout._DropoutNd) and call.module.p == 0
    return "stays fixed: its rate is 0" if off else None


# --- features -----------------------------------------------------------------------------------------


class Last(Draws):
    """A prediction that stores the input of its last linear layer, and the logits.

    Args:
        place: Index of this layer among all linear ones in the run.
        name: Name of the module, for messages.
    """

    def __init__(self, place: int | None, name: str) -> None:
        if place is None:
            raise ends_otherwise(name)
        super().__init__(middle)
        self._place, self._name, self._linears = place, name, 0
        self._found: tuple[Tensor, Tensor] | None = None

    @property
    def found(self) -> tuple[Tensor, Tensor]:
        """Features (n, F) and logits (n, K)."""
        if self._found is None:
            raise ends_otherwise(self._name)
        return self._found

    def ran(self, operation: Any, args: Any, kwargs: Any, outputs: Any) -> Any:
        """Store the input and the output of the layer."""
        name = operation._schema.name.removeprefix("aten::")
        if name in LINEAR:
            if self._linears == self._place:
                self._found = (args[1] if name == "addmm" else args[0]), outputs
            self._linears += 1
        return outputs


def ends_otherwise(name: str) -> ModelError:
    """The error for a module that does not end in a linear layer."""
    return ModelError(
        f"The features of module '{name}' cannot be read",
        expected="a module that ends in a linear layer, one number for each class, with nothing but a "
        "softmax or sigmoid after it",
        received="one that ends otherwise",
        hint="Put a temperature into the weights of that layer; or make `howsure.Features` of what that "
        "layer gets and puts out",
    )


# --- the scale of rows --------------------------------------------------------------------------------


class _Reached(Exception):
    """The first normalisation was reached; the rest of the module need not run."""


def times_larger_than_kept(module: nn.Module, call: InputForm, rows: Sequence[Array]) -> float | None:
    """How many times larger rows (n, …) are than the training rows; None if no statistics were stored.

    The module runs as in predicting up to its first batch normalisation, and is left as found.
    """
    norms = [
        layer
        for layer in module.modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.running_mean is not None
    ]
    if not norms:
        return None
    inputs: list[tuple[Any, torch.Tensor]] = []

    def look(norm: nn.Module, args: tuple[Any, ...]) -> None:
        if not inputs and args and isinstance(args[0], torch.Tensor):
            inputs.append((norm, args[0].detach().clone()))
        raise _Reached

    with as_found(module, None):
        switch(module, ())
        hooks = [layer.register_forward_pre_hook(look) for layer in norms]
        try:
            call.run(module, call.tensors(rows))
        except _Reached:
            pass
        finally:
            for hook in hooks:
                hook.remove()
    if not inputs:
        return None
    norm, values = inputs[0]
    mean, variance = (statistic.float().cpu().numpy() for statistic in (norm.running_mean, norm.running_var))
    if untouched(mean, variance):
        return None
    return times_larger(np.moveaxis(values.float().cpu().numpy(), 1, -1), mean, variance)
