"""Where in a user's code random numbers are drawn: file and line, as a trace of the backend has them."""

from __future__ import annotations

import inspect
import itertools
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras

_HERE = str(Path(__file__).parents[2])
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")})


def innermost_of_a_user(frames: Iterable[tuple[str, int]]) -> str | None:
    """The first of these frames, innermost first, that is in no library, in words; or None.

    Frames of howsure's own come first, where it was asked for the draw, and again where it called the layer.
    """
    inside = itertools.dropwhile(lambda frame: frame[0].startswith(_HERE), frames)
    for file, line in itertools.takewhile(lambda frame: not frame[0].startswith(_HERE), inside):
        if not file.startswith((*_LIBRARIES, "<")):
            return f"{Path(file).name}, line {line}"
    return None


def line_of_a_draw(call: Callable[[], Any]) -> str | None:
    """Where a call draws past Keras, or None where no trace tells; it is called once."""
    trace = {"tensorflow": _in_tensorflow, "jax": _in_jax, "torch": _in_torch}[keras.backend.backend()]
    return next((line for frames in trace(call) if (line := innermost_of_a_user(frames))), None)


def _in_tensorflow(call: Any) -> Iterator[list[tuple[str, int]]]:
    import tensorflow as tf

    graph = tf.function(call, autograph=False).get_concrete_function().graph
    for operation in graph.get_operations():
        if "Random" in operation.type or operation.type == "Multinomial":
            yield [(frame.filename, frame.lineno) for frame in reversed(list(operation.traceback))]


def _in_jax(call: Any) -> Iterator[list[tuple[str, int]]]:
    import jax

    for equation in jax.make_jaxpr(call)().eqns:
        if "random" in equation.primitive.name or "threefry" in str(equation):
            frames = equation.source_info.traceback.frames
            yield [(frame.file_name, frame.line_num) for frame in frames]


def _in_torch(call: Any) -> list[list[tuple[str, int]]]:
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    found: list[list[tuple[str, int]]] = []

    class Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if torch.Tag.nondeterministic_seeded in func.tags:
                found.append([(frame.filename, frame.lineno) for frame in inspect.stack(context=0)])
            return func(*args, **(kwargs or {}))

    with torch.no_grad(), Watching():  # type: ignore[no-untyped-call]
        call()
    return found
