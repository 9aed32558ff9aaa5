"""Find the file and line in a user's code that draws random numbers, from a trace of the backend."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras

from howsure.models.source_lines import innermost_of_a_user


def line_of_a_draw(call: Callable[[], Any]) -> str | None:
    """Line where a call draws random numbers outside Keras; None if no trace shows it. It is called once."""
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

    from howsure.models.torch.dispatch_mode import DispatchMode

    found: list[list[tuple[str, int]]] = []

    class Watching(DispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if torch.Tag.nondeterministic_seeded in func.tags:
                found.append([(frame.filename, frame.lineno) for frame in inspect.stack(context=0)])
            return func(*args, **(kwargs or {}))

    with torch.no_grad(), Watching():  # type: ignore[no-untyped-call]
        call()
    return found
