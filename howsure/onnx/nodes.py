"""Writing an ONNX graph node by node: each method returns the name of what it computes."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
    for given in graph.input:
        given.name = names.get(given.name, given.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                rename_inputs(attribute.g, names)


def keep_one_of_equals(graph: Any) -> None:
    """Keep one of the constants of an `onnx.GraphProto` that are equal, such as weights of two passes."""
    kept: dict[Any, Any] = {}
    names = {}
    for each in graph.initializer:
        key = each.data_type, *each.dims, hashlib.sha256(each.raw_data).digest()
        names[each.name] = kept.setdefault(key if each.raw_data else each.name, each).name
    unique = list(kept.values())
    del graph.initializer[:]
    graph.initializer.extend(unique)
    rename_inputs(graph, names)


@contextlib.contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Nothing of these loggers below a critical message, and no warnings."""
    loud = [logging.getLogger(name) for name in loggers]
    levels = [each.level for each in loud]
    try:
        for each in loud:
            each.setLevel(logging.CRITICAL)
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for each, level in zip(loud, levels, strict=True):
            each.setLevel(level)
