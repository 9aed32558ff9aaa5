"""A graph runs in ONNX Runtime, and what it says is held against what `assess` says of the same rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from howsure.errors import ModelError
from howsure.export.arithmetic import COIN_FLIP, LEANING, SURE
from howsure.models.protocol import Array
from howsure.optional import needs
from howsure.results.certainty import Certainty
from howsure.results.verdict import COIN_FLIP as COIN_FLIP_WORD
from howsure.results.verdict import LEANING as LEANING_WORD
from howsure.results.verdict import SURE as SURE_WORD

TOLERANCE = 1e-4
"""Largest difference between a number of the graph and that of `assess`: a hundredth of the error that is
aimed at, so that it never shows. Rounding in float32 comes to some 1e-6."""

ALONE = 2
"""Rows that also run by themselves, as a row's numbers may not depend on its neighbours."""

NUMBERS = ("probabilities", "mc_error", "entropy", "expected_entropy", "mutual_information")
CODES = {SURE_WORD: SURE, LEANING_WORD: LEANING, COIN_FLIP_WORD: COIN_FLIP}


def runner(path: str) -> Callable[[Sequence[Array]], dict[str, Array]]:
    """A graph, ready to run: from rows (n, …) of each input in its type to the outputs by their names.

    Args:
        path: Of the file.

    Raises:
        ModelError: ONNX Runtime refuses the graph, now or when it runs.
        DependencyError: It is not installed.
    """
    with needs("onnxruntime", "An export", "onnx"):
        import onnxruntime
    with _refusals():
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs, outputs = ([each.name for each in both] for both in (session.get_inputs(), session.get_outputs()))

    def run(rows: Sequence[Array]) -> dict[str, Array]:
        with _refusals():
            found = session.run(outputs, dict(zip(inputs, rows, strict=True)))
        return dict(zip(outputs, found, strict=True))

    return run


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # its errors have no class in common
        first_line = str(error).strip().partition("\n")[0]
        raise ModelError("ONNX Runtime does not run the graph", received=first_line) from error


def check_graph(path: str, rows: Sequence[Array], expected: Any) -> float:
    """Hold a graph against a result.

    Args:
        path: Of the graph.
        rows: For each input (n, …) in its type.
        expected: What `assess` says of these rows.

    Returns:
        The largest difference between two numbers.

    Raises:
        ModelError: The graph says something else, or its passes do not differ where they should.
        DependencyError: ONNX Runtime is not installed.
    """
    run = runner(path)
    found = run(rows)
    if expected.mutual_information.max() > TOLERANCE and not found["mutual_information"].any():
        raise ModelError(
            "The passes of the graph do not differ",
            expected="masks that are kept, as `assess` has them",
            received="the same answer in every pass",
        )
    largest = _compared(found, expected)
    for row in range(min(ALONE, len(rows[0]))):
        alone = run([array[row : row + 1] for array in rows])
        largest = max(largest, _compared(alone, expected[row : row + 1]))
    return largest


def _compared(found: dict[str, Array], expected: Any) -> float:
    """The largest difference, or a `ModelError`."""
    largest = 0.0
    for name in NUMBERS:
        wanted = getattr(expected, name)
        if found[name].shape != wanted.shape:
            raise _other(name, f"an array of shape {wanted.shape}", f"one of shape {found[name].shape}")
        apart = np.abs(found[name] - wanted)
        if not (apart <= TOLERANCE).all():  # also where it is NaN
            place = np.unravel_index(np.argmax(np.where(np.isnan(apart), np.inf, apart)), apart.shape)
            where = f"{wanted[place]:.6g} in row {expected.row[place[0]]}"
            raise _other(name, where, f"{found[name][place]:.6g}")
        largest = max(largest, float(apart.max(initial=0)))
    codes = np.vectorize(CODES.get, otypes=[np.int64])(expected.verdict)
    words = {"verdict": codes} | (
        {"label": expected.label, "runner_up": expected.runner_up}
        if isinstance(expected, Certainty)
        else {"yes": expected.yes}
    )
    for name, wanted in words.items():
        wrong = (found[name] != wanted) & ~_on_the_edge(name, found, expected)
        if wrong.any():
            place = tuple(np.argwhere(wrong)[0])
            where = f"{wanted[place]} in row {expected.row[place[0]]}"
            raise _other(name, where, f"{found[name][place]}")
    return largest


def _on_the_edge(name: str, found: dict[str, Array], expected: Any) -> Array:
    """Where rounding may decide: on a threshold, or between two classes that are equally probable."""
    if not isinstance(expected, Certainty):
        top = np.maximum(expected.probabilities, 1 - expected.probabilities)
        gap, same = expected.gap, expected.gap
    else:
        top, gap = expected.probability, expected.gap
        third = np.sort(expected.probabilities, axis=-1)[:, -3:-2].sum(axis=-1)
        same = np.minimum(gap, top - gap - third) if expected.probabilities.shape[1] > 2 else gap
    if name != "verdict":
        return np.asarray(same <= 2 * TOLERANCE)
    limits = expected.thresholds
    near_sure = np.abs(top - limits.sure) <= TOLERANCE
    near_flip = np.abs(gap - limits.coin_flip) <= 2 * TOLERANCE
    return np.asarray(near_sure | near_flip)


def _other(name: str, expected: str, received: str) -> ModelError:
    return ModelError(
        f"The graph says something else than `assess` (column '{name}')",
        expected=expected,
        received=received,
        mend="Nothing was written. An operation of the model computes otherwise in ONNX Runtime",
    )
