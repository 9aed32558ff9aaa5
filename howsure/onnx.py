"""Writing an ONNX graph: node by node, or by arrays whose operators and functions of numpy write nodes.

    numpy       np.sqrt(p * (1 - p))  ─>  numbers
    traced      np.sqrt(p * (1 - p))  ─>  nodes Sub, Mul, Sqrt

So a formula is written once, in numpy, and an exported graph is traced from it. A traced array has the
functions that howsure's formulas use; others raise a `TypeError`, as numpy does for arrays that it does not
know.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.linalg import solve_triangular

from howsure.errors import ModelError

OPSET = 18
"""Version of ONNX's operators (ONNX 1.13, 2022): the latest that tf2onnx writes."""

IR_VERSION = 10
"""Version of the file format: the latest that ONNX Runtime 1.18, the oldest one allowed, reads."""

SIXTEEN_BITS = ("float16", "bfloat16")


def check_type_of(dtype: str, model: str) -> None:
    """Raise a `ModelError` where a model computes in 16 bits, whose rounding a graph cannot repeat.

    Args:
        dtype: In which it computes, anywhere.
        model: Its name.
    """
    if dtype in SIXTEEN_BITS:
        raise ModelError(
            f"Model '{model}' computes in {dtype}, and graphs compute in float32",
            expected="a model that computes in float32",
            received=dtype,
            hint="Build it in float32 and load its weights",
        )


def cannot_write(what: str, model: str, why: str, hint: str) -> ModelError:
    """The error of a package that cannot write a model as a graph."""
    return ModelError(
        f"{what} cannot write model '{model}' as an ONNX graph",
        expected="operations that ONNX has",
        received=why,
        hint=hint,
    )


class Nodes:
    """Nodes and constants of a graph under way.

    Args:
        prefix: Begins the name of all that is computed, so that graphs can be put together.
    """

    def __init__(self, prefix: str) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._prefix = prefix

    def __call__(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """The one result of an operator."""
        (result,) = self.several(operator, 1, *inputs, **attributes)
        return result

    def several(self, operator: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """The results of an operator that has more than one."""
        from onnx import helper

        place = f"{self._prefix}{operator}_{len(self.nodes)}"
        names = [place if count == 1 else f"{place}_{number}" for number in range(count)]
        self.nodes.append(helper.make_node(operator, inputs, names, name=place, **attributes))
        return names

    def named(self, name: str, value: str) -> str:
        """A value under a name of its own, such as that of an output."""
        from onnx import helper

        self.nodes.append(helper.make_node("Identity", [value], [name], name=f"{self._prefix}{name}"))
        return name

    def number(self, value: ArrayLike, dtype: str = "float32") -> str:
        """A constant in float32 or float64."""
        return self._constant(np.asarray(value, dtype))

    def whole(self, value: ArrayLike) -> str:
        """A constant of whole numbers."""
        return self._constant(np.asarray(value, np.int64))

    def _constant(self, array: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"{self._prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name


def rename_inputs(graph: Any, names: Mapping[str, str]) -> None:
    """Rename inputs of an `onnx.GraphProto`, and what its nodes and the graphs inside them read."""
    for graph_input in graph.input:
        graph_input.name = names.get(graph_input.name, graph_input.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                rename_inputs(attribute.g, names)


def keep_one_of_equals(graph: Any) -> None:
    """Keep one of the constants of an `onnx.GraphProto` that are equal, such as weights of two passes."""
    distinct: dict[Any, Any] = {}
    names = {}
    for tensor in graph.initializer:
        key = tensor.data_type, *tensor.dims, hashlib.sha256(tensor.raw_data).digest()
        names[tensor.name] = distinct.setdefault(key if tensor.raw_data else tensor.name, tensor).name
    unique = list(distinct.values())
    del graph.initializer[:]
    graph.initializer.extend(unique)
    rename_inputs(graph, names)


@contextlib.contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Nothing of these loggers below a critical message, and no warnings."""
    loud = [logging.getLogger(name) for name in loggers]
    levels = [logger.level for logger in loud]
    try:
        for logger in loud:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loud, levels, strict=True):
            logger.setLevel(level)


# --- traced arrays -------------------------------------------------------------------------------

Shape = tuple[int | None, ...]
"""None stands for the number of rows, which a graph leaves open."""

Value = Any
"""A `Traced`, where functions of numpy take it: their types know no arrays but numpy's own."""

NUMBER, DOUBLE, WHOLE, BOOLEAN = "float32", "float64", "int64", "bool"

OPERATORS: dict[Any, str] = {
    np.add: "Add",
    np.subtract: "Sub",
    np.multiply: "Mul",
    np.divide: "Div",
    np.matmul: "MatMul",
    np.negative: "Neg",
    np.sqrt: "Sqrt",
    np.log: "Log",
    np.exp: "Exp",
    np.abs: "Abs",
    np.maximum: "Max",
    np.minimum: "Min",
    np.equal: "Equal",
    np.greater: "Greater",
    np.greater_equal: "GreaterOrEqual",
    np.less_equal: "LessOrEqual",
    np.isnan: "IsNaN",
    np.invert: "Not",
    np.bitwise_or: "Or",
}
"""By numpy's function, the operator of ONNX."""

TRUE_OR_FALSE = ("Equal", "Greater", "GreaterOrEqual", "LessOrEqual", "IsNaN", "Not", "Or")


class Traced(NDArrayOperatorsMixin):
    """An array of a graph.

    Args:
        nodes: Nodes of the graph, to which its operators add.
        name: Name of the value in the graph.
        shape: Its shape, at most one of them None.
        dtype: `float32`, `float64`, `int64` or `bool`.
    """

    def __init__(self, nodes: Nodes, name: str, shape: Shape, dtype: str = NUMBER) -> None:
        self.nodes, self.name, self.shape, self.dtype = nodes, name, shape, dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        if self.shape[0] is None:
            raise TypeError("the number of rows is not known")
        return self.shape[0]

    def apply(self, operator: str, *others: Any, **attributes: Any) -> str:
        """Write an operator of this array and others, and name its result."""
        return self.nodes(operator, self.name, *(self._name_of(other) for other in others), **attributes)

    def like(self, name: str, shape: Shape | None = None, dtype: str | None = None) -> Traced:
        """Another array of the same graph, of the same shape and type where these are not given."""
        return Traced(self.nodes, name, self.shape if shape is None else shape, dtype or self.dtype)

    def reshape(self, *shape: int | None) -> Traced:
        """The same numbers in another shape."""
        sides = [-1 if side is None else side for side in shape]
        return self.like(self.apply("Reshape", self.nodes.whole(sides)), shape)

    def astype(self, dtype: Any) -> Traced:
        """The same numbers in another type."""
        from onnx import helper

        to = np.dtype(dtype)
        return self.like(self.apply("Cast", to=helper.np_dtype_to_tensor_dtype(to)), dtype=to.name)

    def sum(self, axis: int, keepdims: bool = False) -> Traced:
        """Sum over an axis."""
        return self.reduced("ReduceSum", axis, keepdims)

    def mean(self, axis: int, keepdims: bool = False) -> Traced:
        """Mean over an axis."""
        return self.reduced("ReduceMean", axis, keepdims)

    def max(self, axis: int) -> Traced:
        """Maximum over an axis."""
        return self.reduced("ReduceMax", axis)

    def min(self, axis: int) -> Traced:
        """Minimum over an axis."""
        return self.reduced("ReduceMin", axis)

    def var(self, axis: int) -> Traced:
        """Variance over an axis, with divisor N."""
        distances = self - self.mean(axis, keepdims=True)
        variance: Traced = (distances * distances).mean(axis)
        return variance

    def __getitem__(self, keys: Any) -> Traced:
        """Slices, `...` and `None`, as numpy has them; whole numbers take one place of an axis."""
        indices = list(keys) if isinstance(keys, tuple) else [keys]
        if Ellipsis in indices:
            at = indices.index(Ellipsis)
            named = sum(key is not None for key in indices) - 1
            indices[at : at + 1] = [slice(None)] * (self.ndim - named)
        result, axis = self, 0
        for key in indices:
            if key is None:
                side: list[int | None] = [*result.shape[:axis], 1, *result.shape[axis:]]
                result = result.like(result.apply("Unsqueeze", result.nodes.whole([axis])), tuple(side))
                axis += 1
            elif isinstance(key, slice):
                result = result._sliced(key, axis)
                axis += 1
            else:
                rest = (*result.shape[:axis], *result.shape[axis + 1 :])
                result = result.like(result.apply("Gather", result.nodes.whole(key), axis=axis), rest)
        return result

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc is np.power and inputs[1] == 2:
            return self * self
        operator = OPERATORS.get(ufunc)
        if operator is None or method != "__call__" or options:
            return NotImplemented
        shapes = [np.shape(value) if not isinstance(value, Traced) else value.shape for value in inputs]
        shape = shapes[0] if operator != "MatMul" else (*shapes[0][:-1], shapes[1][-1])
        if len(shapes) > 1 and operator != "MatMul":
            shape = _broadcast(*shapes)
        name = self.nodes(operator, *(self._name_of(value) for value in inputs))
        return self.like(name, shape, BOOLEAN if operator in TRUE_OR_FALSE else None)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        traced = FUNCTIONS.get(function)
        return NotImplemented if traced is None else traced(*arguments, **options)

    def _name_of(self, value: Any) -> str:
        """The name of a value; numbers and arrays become constants, whole numbers beside whole numbers."""
        if isinstance(value, str):
            return value
        if isinstance(value, Traced):
            return value.name
        if self.dtype == WHOLE:
            return self.nodes.whole(value)
        return self.nodes.number(value, DOUBLE if self.dtype == DOUBLE else NUMBER)

    def reduced(self, operator: str, axis: int, keepdims: bool = False) -> Traced:
        """The result of an operator over an axis."""
        axis %= self.ndim
        name = self.apply(operator, self.nodes.whole([axis]), keepdims=int(keepdims))
        remaining = [1] if keepdims else []
        return self.like(name, (*self.shape[:axis], *remaining, *self.shape[axis + 1 :]))

    def _sliced(self, part: slice, axis: int) -> Traced:
        if part == slice(None):
            return self
        side = self.shape[axis]
        if side is None:
            raise TypeError("rows cannot be sliced")
        start, stop, step = part.indices(side)
        ends = (self.nodes.whole([end]) for end in (start, stop, axis, step))
        shape = (*self.shape[:axis], len(range(start, stop, step)), *self.shape[axis + 1 :])
        return self.like(self.apply("Slice", *ends), shape)


def joined(arrays: Sequence[Traced], axis: int) -> Traced:
    """Arrays one after the other along an axis."""
    first, axis = arrays[0], axis % arrays[0].ndim
    name = first.apply("Concat", *(array.name for array in arrays[1:]), axis=axis)
    sides = [array.shape[axis] or 0 for array in arrays]
    return first.like(name, (*first.shape[:axis], sum(sides), *first.shape[axis + 1 :]))


def sigmoid(values: Value) -> Value:
    """1 / (1 + exp(−x)), which does not overflow."""
    return values.like(values.apply("Sigmoid"))


def softmax(values: Value) -> Value:
    """Over the last axis; also of numpy's own arrays."""
    if isinstance(values, np.ndarray):
        return special.softmax(values, axis=-1)
    return values.like(values.apply("Softmax", axis=-1))


def log_sum_exp(values: Value) -> Value:
    """Log Σ exp x over the last axis; also of numpy's own arrays."""
    if isinstance(values, np.ndarray):
        return special.logsumexp(values, axis=-1)
    return values.reduced("ReduceLogSumExp", -1)


def solved(factor: Any, rows: Value) -> Value:
    """(N, F) L⁻¹ z of rows z, with a lower triangular L (F, F); also of numpy's own arrays."""
    if isinstance(rows, np.ndarray):
        return solve_triangular(factor, rows.T, lower=True, check_finite=False).T
    return rows @ solve_triangular(factor, np.eye(len(factor)), lower=True).T


def two_largest(values: Value) -> tuple[Value, Value]:
    """The two largest numbers over the last axis, the largest first, and their places: (…, 2) each."""
    two, places = values.nodes.several("TopK", 2, values.name, values.nodes.whole([2]), axis=-1)
    shape = (*values.shape[:-1], 2)
    return values.like(two, shape), values.like(places, shape, WHOLE)


def place_of_largest(values: Value) -> Value:
    """(…) the place of the largest number over the last axis, of equals the first."""
    return values.like(values.apply("ArgMax", axis=-1, keepdims=0), values.shape[:-1], WHOLE)


def _where(condition: Traced, yes: Any, no: Any) -> Traced:
    traced = next((choice for choice in (yes, no) if isinstance(choice, Traced)), None)
    constant = WHOLE if isinstance(yes, int) else NUMBER
    beside = condition.like("", dtype=constant if traced is None else traced.dtype)
    name = condition.nodes("Where", condition.name, *(beside._name_of(choice) for choice in (yes, no)))
    shape = condition.shape
    for choice in (yes, no):
        shape = _broadcast(shape, choice.shape if isinstance(choice, Traced) else np.shape(choice))
    return beside.like(name, shape)


def _zeros_like(values: Traced) -> Any:
    return np.zeros([1 if side is None else side for side in values.shape])


def _moveaxis(values: Traced, source: int, destination: int) -> Traced:
    order = list(range(values.ndim))
    order.insert(destination % values.ndim, order.pop(source))
    name = values.apply("Transpose", perm=order)
    return values.like(name, tuple(values.shape[axis] for axis in order))


def _partition(values: Traced, kth: int, axis: int) -> Traced:
    """The kth + 1 smallest alone, in order."""
    several = values.nodes.several
    smallest, _ = several("TopK", 2, values.name, values.nodes.whole([kth + 1]), axis=axis, largest=0)
    shape = list(values.shape)
    shape[axis] = kth + 1
    return values.like(smallest, tuple(shape))


def _searchsorted(numbers: Any, values: Traced, side: str) -> Traced:
    if side != "right":
        raise TypeError("numbers are counted up to and with each value")
    no_more: Value = values[..., None] >= numbers
    positions: Traced = no_more.astype(values.dtype).sum(-1)
    return positions


def _stack(arrays: Sequence[Traced], axis: int) -> Traced:
    if axis != -1:
        raise TypeError("arrays are stacked along the last axis")
    return joined([array[..., None] for array in arrays], axis)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: lambda values, axis, keepdims=False: values.sum(axis, keepdims),
    np.mean: lambda values, axis, keepdims=False: values.mean(axis, keepdims),
    np.concatenate: joined,
    np.moveaxis: _moveaxis,
    np.partition: _partition,
    np.searchsorted: _searchsorted,
    np.stack: _stack,
    np.where: _where,
    np.zeros_like: _zeros_like,
}
"""By numpy's function, what it does to traced arrays."""


def _broadcast(first: Shape, second: Shape) -> Shape:
    """The shape of two arrays together; None, the rows, wins over 1."""
    length = max(len(first), len(second))
    pairs = zip((1,) * (length - len(first)) + first, (1,) * (length - len(second)) + second, strict=True)
    return tuple(other if side == 1 else side for side, other in pairs)
