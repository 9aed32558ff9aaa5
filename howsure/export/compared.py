"""A graph runs in ONNX Runtime, and what it says is held against what `assess` says of the same rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from howsure.answers.registry import part_of
from howsure.data.reading import is_out_of_memory
from howsure.errors import ModelError
from howsure.models.protocol import Array
from howsure.optional import needs

TOLERANCE = 1e-4
"""Largest difference between a number of the graph and that of `assess`: a hundredth of the error that is
aimed at, so that it never shows. For numbers that have a unit it is a share of their spread. Rounding in
float32 comes to some 1e-6."""

ALONE = 2
"""Rows that also run by themselves, as a row's numbers may not depend on its neighbours."""

SMALLEST = float(np.finfo(np.float64).tiny)

APART = ("mutual_information", "spread", "share_spread")
"""Columns that are 0 where all passes say the same."""


def runner(path: str) -> Callable[[Mapping[str, Array]], dict[str, Array]]:
    """A graph, ready to run: from rows (n, …) by input to the outputs, both by their names.

    Args:
        path: Path of the file.

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
            found = session.run(outputs, dict(rows))
        return dict(zip(outputs, found, strict=True))

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


def check_graph(path: str, rows: Mapping[str, Array], expected: Any, calibrated: Any = None) -> float:
    """Hold a graph against a result.

    Args:
        path: Path of the graph.
        rows: For each input by its name (n, …) in its type.
        expected: The result of `assess` for these rows.
        calibrated: The same calibrated, where the graph calibrates.

    Returns:
        The largest difference between two numbers; of numbers that have a unit, as a share of their spread.

    Raises:
        ModelError: The graph says something else, or its passes do not differ where they should.
        DependencyError: ONNX Runtime is not installed.
    """
    run = runner(path)
    found = run(rows)
    numbers = part_of(expected, "graph_numbers")(expected, TOLERANCE)
    apart = {name: numbers[name] for name in APART if name in numbers and name in found}
    if any(np.any(wanted > allowed) and not found[name].any() for name, (wanted, allowed) in apart.items()):
        raise ModelError(
            "The passes of the graph do not differ",
            expected="masks that are kept, as `assess` has them",
            received="the same answer in every pass",
        )
    largest = _compared(found, expected, calibrated)
    for row in range(min(ALONE, len(expected))):
        alone = run({name: array[row : row + 1] for name, array in rows.items()})
        this = slice(row, row + 1)
        of_it = None if calibrated is None else calibrated[this]
        largest = max(largest, _compared(alone, expected[this], of_it))
    return largest


def _compared(found: dict[str, Array], expected: Any, calibrated: Any) -> float:
    largest = 0.0
    numbers = dict(part_of(expected, "graph_numbers")(expected, TOLERANCE))
    if calibrated is not None:
        numbers["calibrated"] = calibrated.probabilities, np.array(TOLERANCE)
    numbers = {name: of_it for name, of_it in numbers.items() if name in found}
    for name, (wanted, allowed) in numbers.items():
        if found[name].shape != wanted.shape:
            raise _other(name, f"an array of shape {wanted.shape}", f"one of shape {found[name].shape}")
        apart = TOLERANCE * np.abs(found[name] - wanted) / np.maximum(allowed, SMALLEST)
        apart = np.where(np.isnan(wanted), 0.0, apart)  # of which `assess` says nothing
        if not (apart <= TOLERANCE).all():  # also where it is NaN
            place = np.unravel_index(np.argmax(np.where(np.isnan(apart), np.inf, apart)), apart.shape)
            where = f"{wanted[place]:.6g} in row {expected.row[place[0]]}"
            raise _other(name, where, f"{found[name][place]:.6g}")
        largest = max(largest, float(apart.max(initial=0)))
    words = dict(part_of(expected, "graph_words")(expected, TOLERANCE))
    if calibrated is not None:
        words["calibrated_verdict"] = part_of(calibrated, "graph_words")(calibrated, TOLERANCE)["verdict"]
    for name, (wanted, undecided) in words.items():
        wrong = (found[name] != wanted) & ~undecided
        if wrong.any():
            place = tuple(np.argwhere(wrong)[0])
            where = f"{wanted[place]} in row {expected.row[place[0]]}"
            raise _other(name, where, f"{found[name][place]}")
    return largest


def _other(name: str, expected: str, received: str) -> ModelError:
    return ModelError(
        f"The graph says something else than `assess` (column '{name}')",
        expected=expected,
        received=received,
        hint="Nothing was written. An operation of the model computes otherwise in ONNX Runtime"
        + ("; if it masks classes with -inf, mask them with -1e9" if received == "nan" else ""),
    )
