"""Convert rows to a module's call, and the module's result to its output."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from howsure.adapters.choose_output import Output, Pair, place_of, places_of_pair
from howsure.adapters.torch.snapshot import device_of
from howsure.errors import InputError, ModelError
from howsure.inputs.rows import InputSpec, as_array, made_up_rows

Array = NDArray[Any]
Tensor = torch.Tensor

_WRAP = (
    "Say which of several outputs is meant, howsure.assess(module, x, output=0), or wrap it in a module "
    "whose forward returns the tensor that is meant, and assess that one"
)

_PAIR = (
    "If they are a mean and a variance, say so: outputs='mean-variance', or 'mean-log-variance' where the "
    "variance is given as its natural logarithm"
)


@dataclass(frozen=True)
class InputForm:
    """How rows are passed to a module.

    Attributes:
        form: `positional`, `keywords`, or `mapping` for a dict as the only argument.
        specs: For each tensor its name, the shape of one row, and its numpy type.
        dtypes: Type of each tensor on the device, or None to keep it.
        device: Device of the tensors.
        output: The output to assess if there are several, by name or index; a `Pair` joins two; None for
            the only one.
    """

    form: str
    specs: tuple[InputSpec, ...]
    dtypes: tuple[torch.dtype | None, ...]
    device: torch.device
    output: Output = None

    def tensors(self, rows: Sequence[Array]) -> list[Tensor]:
        """Rows (n, …) of each input, as the module takes them."""
        arrays = (
            np.ascontiguousarray(array, spec.array_dtype)
            for array, spec in zip(rows, self.specs, strict=True)
        )
        tensors = (torch.from_numpy(array if array.flags.writeable else array.copy()) for array in arrays)
        return [
            tensor.to(device=self.device, dtype=dtype)
            for tensor, dtype in zip(tensors, self.dtypes, strict=True)
        ]

    def forward(self, module: nn.Module, tensors: Sequence[Tensor]) -> Any:
        """The result of the module, unchanged."""
        if self.form == "positional":
            return module(*tensors)
        named = {spec.name: tensor for spec, tensor in zip(self.specs, tensors, strict=True)}
        return module(**named) if self.form == "keywords" else module(named)

    def run(self, module: nn.Module, tensors: Sequence[Tensor]) -> Tensor:
        """The output (n, …) of a module for n rows."""
        return self.read(module, self.forward(module, tensors), len(tensors[0]))

    def read(self, module: nn.Module, outputs: Any, rows: int) -> Tensor:
        """The output (n, …) in a result for n rows."""
        if isinstance(self.output, Pair):
            outputs = _joined(outputs, self.output, name_of(module))
        elif self.output is not None:
            outputs = _chosen(outputs, self.output, name_of(module))
        return output_of(outputs, rows, name_of(module))


def _chosen(outputs: Any, output: str | int, name: str) -> Any:
    """One of several outputs, by key, field name or index."""
    names, values = _parts(outputs)
    return values[place_of(output, names, len(values), name)]


def _joined(outputs: Any, pair: Pair, name: str) -> Any:
    """The mean and the variance (n, …) in a result as one tensor (n, 2 K); a single tensor as it is."""
    names, values = _parts(outputs)
    if _tensor_in(outputs) is not None or not all(isinstance(value, Tensor) for value in values):
        return outputs
    shapes = [tuple(value.shape[1:]) or (1,) for value in values]
    in_order = not isinstance(outputs, Mapping)
    both = [values[place] for place in places_of_pair(pair, shapes, names, name, in_order=in_order)]
    return torch.cat([value.flatten(1) if value.ndim > 1 else value.reshape(-1, 1) for value in both], dim=-1)


def _parts(outputs: Any) -> tuple[list[str], list[Any]]:
    """Names of the parts of a module's result, where they have some, and the parts."""
    if isinstance(outputs, Mapping):
        return [str(key) for key in outputs], list(outputs.values())
    if isinstance(outputs, (list, tuple)):
        return list(getattr(outputs, "_fields", ())), list(outputs)
    return [], [outputs]


def name_of(module: nn.Module) -> str:
    """The module's name in messages: its class."""
    return type(module).__name__


def calls_for(module: nn.Module, x: Any) -> tuple[Iterator[InputForm], Any]:
    """Possible calls for these rows, the likeliest first, and the rows as numpy arrays.

    Args:
        module: The module.
        x: (N, …) rows: an array or tensor; a dict for keyword inputs; a list or tuple for positional ones.

    Raises:
        InputError: The module takes other inputs.
    """
    form, named = _form_and_inputs(module, x)
    values = {name: _as_numpy(value) for name, value in named.items()}
    ready: Any = next(iter(values.values())) if len(values) == 1 else values
    ways = _ways(module, form, values)
    if form == "mapping" and len(values) == 1:  # first the array itself, then the dict
        ways = chain(_ways(module, "positional", values), ways)
    return ways, ready


def input_names(module: nn.Module) -> list[str]:
    """Names of a module's `forward` arguments; empty if it takes a dict, or arguments of any name."""
    signature = _signature(module)
    parameters = {} if signature is None else dict(signature.parameters)
    kinds = {parameter.kind for parameter in parameters.values()}
    return [] if inspect.Parameter.VAR_KEYWORD in kinds else list(parameters)


def _ways(module: nn.Module, form: str, values: Mapping[str, Any]) -> Iterator[InputForm]:
    device, float_type = device_of(module), _float_type_of(module)
    in_numpy = "float64" if float_type == torch.float64 else "float32"
    inputs = {name: _shape_and_type(value) for name, value in values.items()}

    def call(*, as_float: bool = False, as_whole: bool = False) -> InputForm:
        specs, dtypes = [], []
        for name, (shape, dtype) in inputs.items():
            is_float = dtype.startswith("float")
            whole = as_whole if is_float else not as_float
            whole_type = "int64" if is_float or dtype in ("uint16", "uint32", "uint64") else dtype
            specs.append(InputSpec(name, shape, whole_type if whole else in_numpy))
            dtypes.append(None if whole else float_type)
        return InputForm(form, tuple(specs), tuple(dtypes), device)

    kinds = {dtype[:5] for _, dtype in inputs.values()}
    yield call()
    if kinds != {"float"}:
        yield call(as_float=True)
    if "float" in kinds:
        yield call(as_whole=True)


def _shape_and_type(value: Any) -> tuple[tuple[int, ...], str]:
    """Shape of one row, and type; `check_rows` reports anything that is no array."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        return (), "float32"
    is_numeric = array.dtype.kind in "biuf"
    return tuple(array.shape[1:]), str(array.dtype) if is_numeric else "float32"


def _float_type_of(module: nn.Module) -> torch.dtype:
    """Floating-point type of a module's weights."""
    kinds = (
        tensor.dtype for tensor in (*module.parameters(), *module.buffers()) if tensor.is_floating_point()
    )
    return next(kinds, torch.float32)


def _as_numpy(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    return as_array(value.float() if value.dtype == torch.float16 else value, "The rows")


def _form_and_inputs(module: nn.Module, x: Any) -> tuple[str, dict[str, Any]]:
    """The form of the call, and the inputs by name."""
    signature = _signature(module)
    if isinstance(x, Mapping):
        parts = {str(name): value for name, value in x.items()}
        if signature is None or _accepts(signature, (), parts):
            return "keywords", parts
        if _accepts(signature, (parts,), {}):
            return "mapping", parts
        raise InputError(
            f"Module '{name_of(module)}' does not take inputs of these names",
            expected=_in_words(signature),
            received=", ".join(parts),
        )
    several = (
        isinstance(x, (list, tuple)) and len(x) > 0 and all(len(getattr(part, "shape", ())) for part in x)
    )
    if several and (signature is None or _accepts(signature, x, {})):
        parts = {name: part for name, part in zip(_positional_names(signature, len(x)), x, strict=True)}
        return "positional", parts
    if signature is not None and not _accepts(signature, (x,), {}):
        raise InputError(
            f"Module '{name_of(module)}' takes more than one input",
            expected=_in_words(signature),
            received="one",
            hint="Give a dict of keyword inputs, or a list of positional ones",
        )
    return "positional", {_positional_names(signature, 1)[0]: x}


def _signature(module: nn.Module) -> inspect.Signature | None:
    try:
        return inspect.signature(module.forward)
    except (TypeError, ValueError):
        return None


def _accepts(signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _positional_names(signature: inspect.Signature | None, count: int) -> list[str]:
    """Names of the first positional inputs."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = {} if signature is None else dict(signature.parameters)
    names = [name for name, parameter in parameters.items() if parameter.kind in kinds]
    return [*names[:count], *(f"input_{number}" for number in range(len(names), count))]


def _in_words(signature: inspect.Signature) -> str:
    return f"what its forward takes: {signature}"


def output_of(outputs: Any, rows: int, name: str) -> Tensor:
    """The tensor (rows, …) of class scores or numbers in a module's result.

    Raises:
        ModelError: There is none, or several candidates.
    """
    tensor = _tensor_in(outputs)
    if tensor is None:
        raise ModelError(
            f"What module '{name}' returns cannot be read",
            expected="a tensor (rows, classes) or (rows, numbers), or something with `logits`",
            received=_described(outputs),
            hint=f"{_PAIR}. {_WRAP}" if _is_pair(outputs) else _WRAP,
        )
    if tensor.numel() == rows and tensor.ndim < 2:
        return tensor.reshape(rows, 1)
    if tensor.ndim < 2 or len(tensor) != rows:
        raise ModelError(
            f"The output of module '{name}' has no axis of rows, or not as its first",
            expected=f"a tensor ({rows}, …) for {rows} rows",
            received=f"one of shape {tuple(tensor.shape)}",
            hint="If it works on one row at a time, wrap it in torch.vmap; if rows come second, swap its "
            "axes. " + _WRAP,
        )
    return tensor


def _tensor_in(outputs: Any) -> Tensor | None:
    if isinstance(outputs, Tensor):
        return outputs
    logits = outputs.get("logits") if isinstance(outputs, Mapping) else getattr(outputs, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    if isinstance(outputs, Mapping) and "out" in outputs and len(outputs) > 1:
        others = [str(name) for name in outputs if name != "out"]
        if isinstance(outputs["out"], Tensor) and all(name.startswith("aux") for name in others):
            return outputs["out"]  # as torchvision names them: the others help training alone
    _, parts = _parts(outputs)
    return parts[0] if len(parts) == 1 and isinstance(parts[0], Tensor) else None


def _is_pair(outputs: Any) -> bool:
    """True for two tensors of the same shape, which may be a mean and a variance."""
    parts = _parts(outputs)[1]
    tensors = [part for part in parts if isinstance(part, Tensor)]
    return len(parts) == len(tensors) == 2 and tensors[0].shape == tensors[1].shape


def _described(outputs: Any) -> str:
    if isinstance(outputs, Mapping):
        return f"{type(outputs).__name__} with {', '.join(map(str, outputs))}"
    if isinstance(outputs, (list, tuple)):
        return f"a {type(outputs).__name__} of {len(outputs)}"
    return type(outputs).__name__


# --- what a module declares ---------------------------------------------------------------------------


_CONVOLUTIONS = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}


def input_specs(model: Any) -> list[InputSpec]:
    """The inputs of a module, by its first layer.

    Raises:
        ModelError: That does not tell.
    """
    specs = _of_first_layer(model)
    if specs is None:
        raise ModelError(
            f"Module '{name_of(model)}' does not say what input it takes",
            expected="rows, from which it is known",
            hint="Give some: howsure.audit(model, x)",
        )
    return specs


def declared_specs(model: Any) -> None:
    """Modules declare no inputs."""


def _of_first_layer(model: nn.Module) -> list[InputSpec] | None:
    first = next((layer for layer in model.modules() if [*layer.parameters(recurse=False)]), None)
    if isinstance(first, nn.Linear):
        return [InputSpec("x", (first.in_features,), "float32")]
    if isinstance(first, nn.Embedding):
        return [InputSpec("x", (None,), "int64")]
    if isinstance(first, nn.RNNBase):
        return [InputSpec("x", (None, first.input_size), "float32")]
    for kind, axes in _CONVOLUTIONS.items():
        if isinstance(first, kind):
            return [InputSpec("x", (first.in_channels, *[None] * axes), "float32")]
    return None


def channels_of(model: nn.Module) -> int | None:
    """Channels of the images, or volumes, that the first layer takes; None if it is no such convolution."""
    first = _of_first_layer(model)
    shape = first[0].shape if first else ()
    return shape[0] if len(shape) in (3, 4) else None


# --- rows for examining -------------------------------------------------------------------------------
# Two different ones, so that any mixing of rows shows: if a module swaps two equal rows, nothing does. With a
# row of zeros, a layer that multiplies shows nothing.

SEARCHED = 256
"""Number of rows among which the two are searched."""


def probes(
    specs: Sequence[InputSpec], rows: Sequence[Array], runs: Callable[[list[Array]], bool]
) -> list[Array]:
    """Two rows of each input, different if possible.

    Args:
        specs: Inputs of the module.
        rows: Checked rows of each input, any number.
        runs: Tells whether the module returns finite numbers for some rows.

    Returns:
        The first given row that is not constant, and the first one that differs from it in every input, if
        possible also in the length of its padding. If there is no second row, a made-up one is used, provided
        the module runs on it: normal numbers, or the same whole numbers in reverse order.
    """
    if not len(rows[0]):
        return made_up_rows(specs, rows)
    searched = range(min(SEARCHED, len(rows[0])))
    first, second, best = next((at for at in searched if _varied(rows, at)), 0), 0, (0, False, False)
    for at in searched:
        unlike = sum(not np.array_equal(array[at], array[first]) for array in rows)
        longer = any(_padding(array[at]) != _padding(array[first]) for array in rows)
        if (unlike, _varied(rows, at), longer) > best:
            second, best = at, (unlike, _varied(rows, at), longer)
        if best == (len(rows), True, True):
            break
    real = [array[[first, second]] for array in rows]
    beside = _with_made_up(specs, real)
    changed = any(one is not other for one, other in zip(beside, real, strict=True))
    return beside if changed and runs(beside) else real


def _varied(rows: Sequence[Array], at: int) -> bool:
    """True if a row is not constant in any floating-point input with more than one number."""
    return all(
        array.dtype.kind != "f" or array[at].size < 2 or bool((array[at] != array[at].flat[0]).any())
        for array in rows
    )


def _padding(row: Array) -> int:
    """Length of the constant end of a sequence of word numbers, or of a series of vectors."""
    words = row.ndim == 1 and row.dtype.kind in "iu"
    if not (words or row.ndim == 2) or not row.size:
        return 0
    others = np.flatnonzero((row != row[-1]).reshape(len(row), -1).any(axis=1))
    return len(row) - 1 - int(others[-1]) if len(others) else len(row)


def _with_made_up(specs: Sequence[InputSpec], real: Sequence[Array]) -> list[Array]:
    """Two rows; one or both are made up if they are equal or constant."""
    alike = all(np.array_equal(*array) for array in real)
    rows = []
    for array, made_up in zip(real, made_up_rows(specs, real), strict=True):
        if array.dtype.kind == "f" and (np.array_equal(*array) or not _varied([array], 1)):
            array = np.stack([array[0] if _varied([array], 0) else made_up[0], made_up[1]])
        elif array.dtype.kind in "iu" and alike and array.ndim > 1:
            array = np.stack([array[0], np.flip(array[0], axis=-1)])
        rows.append(array)
    return rows
