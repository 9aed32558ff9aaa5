"""A graph runs in ONNX Runtime, and what it says is held against what `assess` says of the same rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from howsure.adapters.protocol import Array
from howsure.errors import ModelError
from howsure.inputs.reading import is_out_of_memory
from howsure.optional import needs
from howsure.tasks.classification.graph import Numbers, Wanted
from howsure.tasks.task import task_of

TOLERANCE = 1e-4
"""Largest difference between a number of the graph and that of `assess`: a hundredth of the error that is
aimed at, so that it never shows. For numbers that have a unit it is a share of their spread. Rounding in
float32 comes to some 1e-6."""

SMALLEST = float(np.finfo(np.float64).tiny)


def runner(path: str) -> Callable[[Mapping[str, Array]], dict[str, Array]]:
    """A graph, ready to run: from rows (n, …) by input to the outputs, both by their names.

    Raises:
        ModelError: ONNX Runtime refuses the graph, now or when it runs.
        DependencyError: It is not installed.
    """
    with needs("onnxruntime", "An export", "onnx"):
        import onnxruntime
    with _refusals(path):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]

    def run(rows: Mapping[str, Array]) -> dict[str, Array]:
        with _refusals(path):
            outputs_of_rows = session.run(outputs, dict(rows))
        return dict(zip(outputs, outputs_of_rows, strict=True))

    return run


@contextlib.contextmanager
def _refusals(path: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # its errors have no class in common
        if is_out_of_memory(error):
            raise ModelError(
                "Memory ran out while ONNX Runtime ran the graph",
                hint="Nothing was written. Export it where more memory is free, or with fewer rows as x",
            ) from error
        first_line = str(error).strip().partition("\n")[0]
        raise ModelError(
            "ONNX Runtime does not run the graph",
            expected="operations that it has, of the types that they get",
            received=first_line.replace(path, "it"),
            hint="Nothing was written. Replace the operation in the model, or build it in another framework",
        ) from error


def check_graph(
    path: str,
    rows: Mapping[str, Array],
    expected: Any,
    calibrated: Any = None,
    familiar: tuple[Array, Array] | None = None,
    alone: Mapping[int, tuple[Any, Any, Any]] | None = None,
) -> float:
    """Hold a graph against a result.

    Args:
        path: Path of the graph.
        rows: For each input by its name (n, …) in its type.
        expected: The result of `assess` for these rows.
        calibrated: The same calibrated, where the graph calibrates.
        familiar: (N,) the least and the greatest possible familiarities, where the graph tells them.
        alone: By position, all three for rows that were assessed by themselves; None for no row.

    Returns:
        The largest difference between two numbers; of numbers that have a unit, as a share of their spread.

    Raises:
        ModelError: The graph says something else.
        DependencyError: ONNX Runtime is not installed.
    """
    run = runner(path)
    largest = _compared(run(rows), expected, calibrated, familiar)
    for row, columns in (alone or {}).items():
        of_it = run({name: array[row : row + 1] for name, array in rows.items()})
        largest = max(largest, _compared(of_it, *columns))
    return largest


def _compared(
    outputs: dict[str, Array], expected: Any, calibrated: Any, familiar: tuple[Array, Array] | None
) -> float:
    numbers = dict(task_of(expected).graph_numbers(expected, TOLERANCE))
    if calibrated is not None:
        numbers["calibrated"] = calibrated.probabilities, np.array(TOLERANCE)
    if familiar is not None:
        least, greatest = familiar  # also where it is NaN
        nearest = np.fmin(np.fmax(outputs["familiarity"], least), greatest)
        numbers["familiarity"] = nearest, np.array(TOLERANCE)
    numbers = {name: of_it for name, of_it in numbers.items() if name in outputs}
    words = dict(task_of(expected).graph_words(expected, TOLERANCE))
    if calibrated is not None:
        words |= calibrated_words(calibrated)
    return check_columns(outputs, numbers, words, expected.row)


def calibrated_words(calibrated: Any) -> Wanted:
    """The answers and verdicts of a calibrated result as a graph should give them; see `check_columns`."""
    said = task_of(calibrated).graph_words(calibrated, TOLERANCE)
    return {f"calibrated_{name}": said[name] for name in said}


def check_columns(outputs: Mapping[str, Array], numbers: Numbers, words: Wanted, rows: Array) -> float:
    """Hold columns of a graph against what they should say.

    Args:
        outputs: (n, …) columns that the graph put out, by name.
        numbers: By column, the numbers (n, …), and how far each may be off.
        words: By column, the codes or booleans (n, …), and where rounding may decide otherwise.
        rows: (n,) numbers of the rows, for messages.

    Returns:
        The largest difference of two numbers, where `TOLERANCE` is the largest that is allowed.

    Raises:
        ModelError: The graph says something else.
    """
    largest = 0.0
    for name, (expected, allowed) in numbers.items():
        if outputs[name].shape != expected.shape:
            raise _other(name, f"an array of shape {expected.shape}", f"one of shape {outputs[name].shape}")
        apart = TOLERANCE * np.abs(outputs[name] - expected) / np.maximum(allowed, SMALLEST)
        apart = np.where(np.isnan(expected), 0.0, apart)  # of which `assess` says nothing
        if not (apart <= TOLERANCE).all():  # also where it is NaN
            place = np.unravel_index(np.argmax(np.where(np.isnan(apart), np.inf, apart)), apart.shape)
            where = f"{expected[place]:.6g} in row {rows[place[0]]}"
            raise _other(name, where, f"{outputs[name][place]:.6g}")
        largest = max(largest, float(apart.max(initial=0)))
    for name, (expected, undecided) in words.items():
        wrong = (outputs[name] != expected) & ~undecided
        if wrong.any():
            place = tuple(np.argwhere(wrong)[0])
            raise _other(name, f"{expected[place]} in row {rows[place[0]]}", f"{outputs[name][place]}")
    return largest


def _other(name: str, expected: str, received: str) -> ModelError:
    return ModelError(
        f"The graph says something else than `assess` (column '{name}')",
        expected=expected,
        received=received,
        hint="Nothing was written. An operation of the model computes otherwise in ONNX Runtime"
        + ("; if it masks classes with -inf, mask them with -1e9" if received == "nan" else ""),
    )
