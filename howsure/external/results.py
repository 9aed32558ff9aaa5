"""Results from probabilities, or from the passes they are means of, whoever computed them.

Probabilities count as one pass, of which no error is known and nothing that could disagree. Passes are
averaged, and seen from their mean.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure import tuning
from howsure.arguments import check_type
from howsure.errors import InputError
from howsure.external.given import MAPS, Given, Kind, read_given
from howsure.inputs.align import ID, places
from howsure.inputs.duplicates import mark_of_pass, warn_of_same_passes
from howsure.inputs.labels import check_class_names
from howsure.inputs.rows import quoted
from howsure.methods.members import mean_over
from howsure.methods.plain import NO_NETWORK
from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Estimates, Outcome, ResultMetadata
from howsure.tasks.probabilities import GIVEN_PASSES, GIVEN_PROBABILITIES

Floats = NDArray[np.float64]

_BY_PLACE = "If they are in that order, give it the index of pass 0: `passes[{0}].set_axis(passes[0].index)`"


def of_probabilities(
    p: Any,
    names: Sequence[str] | None,
    of: Kind,
    source: str | None,
    thresholds: Thresholds | None,
    kind: str,
) -> Any:
    """The result of given probabilities `of` a kind of answer; see `Certainty.from_probabilities`."""
    return of_given(read_given(p, names, of, "The probabilities"), of, source, thresholds, kind)


def of_given(
    numbers: Given,
    of: Kind,
    source: str | None = None,
    thresholds: Thresholds | None = None,
    kind: str = "row",
) -> Any:
    """The same for numbers that were read; the other arguments as for `of_probabilities`."""
    values = _checked_probabilities(numbers, of, "The probabilities")
    outcome = _outcome(of, numbers.names, values.shape[1], thresholds)
    # Whether they are a mean over passes, and how these disagree, is not known.
    return _result(
        outcome, Estimates.alone(values, outcome), numbers, settings_of(GIVEN_PROBABILITIES, source), kind
    )


def of_passes(
    passes: Any,
    names: Sequence[str] | None,
    of: Kind,
    source: str | None,
    thresholds: Thresholds | None,
    kind: str,
) -> Any:
    """The result of given passes (S, N, K), or S of (N, K) one by one; see `Certainty.from_passes`.

    The other arguments are those of `of_probabilities`.
    """
    read = list(_one_by_one(passes, names, of))
    if len(read) < 2:
        raise too_few(len(read))
    first, values = read[0]
    outcome = _outcome(of, first.names, values.shape[1], thresholds)
    estimates = _estimates_of([values for _, values in read], outcome)
    return _result(outcome, estimates, first, settings_of(GIVEN_PASSES, source), kind)


def settings_of(name: str, source: str | None) -> dict[str, Any]:
    """The settings of a result of given probabilities or passes, by the name of their method."""
    check_type(source, (str, type(None)), "source", "a text that says where they come from, or None")
    words = {"pass": "what was given"}
    if name == GIVEN_PASSES:
        words = {"pass": "one of those that you gave", "between": "passes"}
    settings: dict[str, Any] = {"name": name, "words": words | NO_NETWORK}
    return settings if source is None else settings | {"source": source}


def metadata_of(numbers: NDArray[np.int64], settings: dict[str, Any], kind: str) -> ResultMetadata:
    """How such rows came about."""
    return ResultMetadata(numbers, kind, settings, 0, None, importlib.metadata.version("howsure"))


def _result(
    outcome: Outcome, estimates: Estimates, numbers: Given, settings: dict[str, Any], kind: str
) -> Any:
    result: Any = outcome.result(estimates, metadata_of(np.arange(len(estimates)), settings, kind))
    if numbers.labels is not None:
        result = result.with_truth(numbers.labels)
    result = replace(result, frame_index=numbers.frame_index)
    if numbers.ids is None:
        return result
    id_name = numbers.id_name if numbers.id_name is not None and result.can_call(numbers.id_name) else ID
    return replace(result, ids=numbers.ids, id_name=id_name)


def _outcome(of: Kind, names: tuple[str, ...] | None, width: int, thresholds: Thresholds | None) -> Outcome:
    return of.outcome(check_class_names(names, width), limits_of(thresholds))


def limits_of(thresholds: Thresholds | None) -> Thresholds:
    """The thresholds of the verdicts, as given or by default."""
    if thresholds is None:
        return Thresholds()
    check_type(thresholds, Thresholds, "thresholds", "howsure.Thresholds(sure=0.95, coin_flip=0.2)")
    return thresholds


def _checked_probabilities(numbers: Given, of: Kind, called: str) -> Floats:
    """(N, K) probabilities."""
    return of.checked(numbers.values, np.arange(len(numbers.values)), numbers.dtype, called)


# --- passes -------------------------------------------------------------------------------------------


def _one_by_one(passes: Any, names: Sequence[str] | None, of: Kind) -> Iterator[tuple[Given, Floats]]:
    """Each pass as it was given, and checked; all of the same rows and classes."""
    if isinstance(passes, (str, bytes)) or not isinstance(passes, Iterable) or hasattr(passes, "columns"):
        raise InputError(
            "The passes cannot be used",
            expected="an array of shape (passes, rows, classes), or one pass (rows, classes) after the other",
            received=type(passes).__name__,
        )
    shape = getattr(passes, "shape", None)
    if shape is not None and len(shape) != 3:
        raise InputError(
            "The passes cannot be used",
            expected="an array of shape (passes, rows, classes)",
            received=f"an array of shape {tuple(shape)}",
            hint="One pass over some rows, or a mean, belongs to `from_probabilities`"
            if len(shape) == 2
            else MAPS
            if of.sums and len(shape) > 3
            else None,
        )
    first: Given | None = None
    marks = list[Hashable]()
    for number, pass_values in enumerate(passes):
        called = f"The probabilities of pass {number}"
        _check_pass(pass_values, called)
        numbers = read_given(pass_values, names, of, called)
        if first is None:
            first = numbers
        elif numbers.values.shape != first.values.shape:
            raise InputError(
                f"Pass {number} is not of the same rows and classes as pass 0",
                expected=f"an array of shape {first.values.shape}",
                received=f"an array of shape {numbers.values.shape}",
            )
        elif (numbers.names, numbers.columns or first.columns) != (
            first.names,
            first.columns or numbers.columns,
        ):
            raise InputError(
                f"Pass {number} has other classes than pass 0",
                expected=quoted(first.columns or first.names or ()),
                received=quoted(numbers.columns or numbers.names or ()),
            )
        order = places(first, numbers, f"Pass {number} holds probabilities", _BY_PLACE.format(number))
        if order is not None:
            numbers = replace(numbers, values=numbers.values[order])
        values = _checked_probabilities(numbers, of, called)
        marks.append(mark_of_pass(number, numbers.values))
        yield numbers, values
    warn_of_same_passes(marks, "Passes")


def _check_pass(pass_values: Any, called: str) -> None:
    """Raise an `InputError` for a list of numbers: it may be one row of a single pass."""
    if isinstance(pass_values, (list, tuple)) and not any(hasattr(value, "__len__") for value in pass_values):
        raise InputError(
            f"{called} are a list of numbers",
            expected="an array or a list of shape (rows, classes)",
            received=repr(pass_values)[:200],
            hint="One pass over some rows, or a mean, belongs to `from_probabilities`",
        )


def too_few(passes: int) -> InputError:
    """The error for so few passes."""
    return InputError(
        "Too few passes to tell the error of their mean",
        expected="2 or more",
        received=passes,
        hint="One alone belongs to `from_probabilities`" if passes else None,
    )


def _estimates_of(passes: Sequence[Floats], outcome: Outcome) -> Estimates:
    """Estimates from passes that are all in memory: seen from their mean, some rows at a time."""
    rows = len(passes[0])
    at_once = max(1, tuning.LARGEST_FOLD // (len(passes) * len(outcome.families)))
    blocks = [
        mean_over(np.stack([values[start : start + at_once] for values in passes]), outcome)
        for start in range(0, max(1, rows), at_once)
    ]
    return Estimates.joined(blocks)
