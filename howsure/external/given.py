"""Probabilities as callers hold them, as arrays: lists, tensors, and frames whose columns are named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError
from howsure.inputs.by_name import chosen_columns, places_of_names
from howsure.inputs.frames import in_memory, is_frame, labelled_frame
from howsure.inputs.labels import check_names, in_order
from howsure.inputs.rows import as_array, quoted
from howsure.results.thresholds import Thresholds
from howsure.sampling.outcome import Outcome

Floats = NDArray[np.float64]


MAPS = "Maps with a class at each position belong to `howsure.DenseCertainty`, which has the same function"


@dataclass(frozen=True)
class Kind:
    """The part `given` of a kind of answers: it makes results of that kind from probabilities.

    Attributes:
        noun: Kind of the columns, `class` or `label`.
        expected: Expected values, for messages.
        sums: Whether rows sum to 1. Then one column alone is that of the second of two.
        checked: From (N, K) numbers, (N,) what rows are called, the name of their type and what they are,
            in words, to (N, K) probabilities; an `InputError` for what are none.
        outcome: From K names and where the verdicts lie to the outcome.
    """

    noun: str
    expected: str
    sums: bool
    checked: Callable[[Floats, NDArray[np.int64], str, str], Floats]
    outcome: Callable[[tuple[str, ...], Thresholds], Outcome]


@dataclass(frozen=True, eq=False)
class Given:
    """Numbers that may be probabilities.

    Attributes:
        values: (N, K) of any value.
        dtype: Name of the type they came in.
        names: K names of the columns, or None if they have none.
        ids: (N,) what the caller calls each row, or None.
        id_name: The caller's name for the ids, or None.
        labels: True classes that came with the rows, or None.
        frame_index: (N,) the index of the data frame, or None.
        columns: The columns of the data frame that hold the values, as it calls them, or None.
    """

    values: Floats
    dtype: str
    names: tuple[str, ...] | None = None
    ids: Any = None
    id_name: str | None = None
    labels: Any = None
    frame_index: Any = None
    columns: tuple[str, ...] | None = None


def read_given(p: Any, names: Any, kind: Kind, called: str, labels: Any = None) -> Given:
    """Numbers as a caller holds them, in double precision.

    Args:
        p: (N, K) as a list, array, tensor or frame; also (N,) of two classes.
        names: K names, or None. If a frame has columns of these names, they choose columns.
        kind: Kind of the columns.
        called: The numbers in words, the subject of a message.
        labels: True classes that came beside a frame, or None.

    Raises:
        InputError: No numbers, another shape, or names that do not fit.
    """
    if is_frame(p):
        return _from_frame(p, names, kind, called, labels)
    values, dtype = numbers_of(p, called)
    if kind.sums:
        values = _of_two_classes(values, names, kind, called)
    elif values.ndim == 1 and names is not None and len(in_order(names, "", "")) == 1:
        values = values[:, None]
    if values.ndim != 2 or values.shape[1] < (2 if kind.sums else 1):
        hint = MAPS if kind.sums and values.ndim > 2 else None
        raise InputError(
            f"{called} cannot be used", expected=kind.expected, received=_shape_in_words(values), hint=hint
        )
    if names is not None:
        called = f"The {kind.noun} names"
        names = check_names(names, kind.noun, called, values.shape[1], "the probabilities")
    return Given(values, dtype, names)


def numbers_of(p: Any, called: str) -> tuple[Floats, str]:
    """An array of doubles, and the name of the type it came in."""
    array = as_array(p, called)
    dtype = "bfloat16" if str(getattr(p, "dtype", "")) == "torch.bfloat16" else array.dtype.name
    numbers = array.dtype.kind in "biuf" or dtype == "bfloat16"
    if array.dtype.kind == "O" and not any(isinstance(value, str) for value in array.flat):
        try:
            return np.asarray(array, np.float64), "float64"
        except (TypeError, ValueError):
            pass
    if not numbers:
        raise InputError(f"{called} are not numbers", expected="numbers from 0 to 1", received=repr(p)[:200])
    return np.asarray(array, np.float64), dtype


def _of_two_classes(values: Floats, names: Any, kind: Kind, called: str) -> Floats:
    """(N, 2) where only the probability of the second of two classes was given."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        return values
    one_row = len(values) > 2 and abs(float(np.sum(values)) - 1) < 1e-6
    several = names is not None and not isinstance(names, (str, bytes)) and len(in_order(names, "", "")) > 2
    if one_row or several:
        raise InputError(
            f"{called} may be one row of {len(values)} classes, or {len(values)} rows of two",
            expected=kind.expected,
            received=_shape_in_words(values),
            hint="Give one row as `[p]`, and rows of two classes as `numpy.stack([1 - p, p], axis=1)`",
        )
    return np.stack([1 - values, values], axis=1)


def _shape_in_words(values: Floats) -> str:
    return f"an array of shape {values.shape}"


# --- frames -------------------------------------------------------------------------------------------


def _from_frame(frame: Any, names: Any, kind: Kind, called: str, labels: Any) -> Given:
    """A data frame, or a series: its columns are the classes, but for those of labels and ids."""
    import narwhals as nw

    noun = kind.noun
    chosen_names = None if names is None else check_names(names, noun, f"The {noun} names")
    rows = labelled_frame(frame, chosen_names or ())
    labels = rows.labels if labels is None else labels
    opened = in_memory(rows.x)
    if isinstance(opened, nw.Series):
        _check_lone([] if opened.name is None else [str(opened.name)], chosen_names or (), kind)
        if not kind.sums and names is None:
            names = [opened.name or "0"]
        numbers = read_given(opened.to_numpy(), names, kind, called)
        return replace(numbers, ids=rows.ids, id_name=rows.id_name, frame_index=rows.frame_index)
    if chosen_names is not None:
        _check_lone(opened.columns, chosen_names, kind)
        if len(opened.columns) > 1 or len(chosen_names) != 2:
            opened = chosen_columns(opened, chosen_names, called)
    chosen = opened.columns
    columns = [opened[name].to_numpy() for name in chosen]
    wrong = [name for name, values in zip(chosen, columns, strict=True) if not _are_numbers(values)]
    if wrong:
        raise InputError(
            f"{called} have columns without numbers: {quoted(wrong)}",
            expected=f"one column of numbers for each {noun}, and perhaps one of labels (`y`) and ids (`id`)",
            hint=f"Choose the columns: {noun}_names=[{', '.join(map(repr, chosen[:2]))}, …]",
        )
    if chosen_names is None and kind.sums:
        _check_no_flags(dict(zip(chosen, columns, strict=True)), labels, called)
    if len(chosen) < (1 if not kind.sums or (chosen_names and len(chosen_names) == 2) else 2):
        raise InputError(
            f"{called} have too few columns",
            expected=f"a column for each {noun}{', two or more' if kind.sums else ''}",
            received=f"columns {quoted(opened.columns)}",
            hint=f"If '{chosen[0]}' is the probability of the second of two classes, give both names: "
            f"class_names=['other', '{chosen[0]}']"
            if chosen
            else None,
        )
    read = [numbers_of(values, called) for values in columns]
    coarse = [dtype for _, dtype in read if dtype == "float16"]
    values = np.stack([values for values, _ in read], axis=1)
    return Given(
        np.concatenate([1 - values, values], axis=1) if len(chosen) < len(chosen_names or chosen) else values,
        (coarse or [dtype for _, dtype in read])[0],
        tuple(chosen if chosen_names is None else chosen_names),
        rows.ids,
        rows.id_name,
        labels,
        rows.frame_index,
        tuple(chosen),
    )


def _check_lone(columns: Sequence[str], names: Sequence[str], kind: Kind) -> None:
    """Raise an `InputError` for one column of two classes that is called as the first of them."""
    if kind.sums and len(columns) == 1 and len(names) == 2 and places_of_names(columns, names) == [0]:
        raise InputError(
            "The only column of probabilities is that of the second of two classes",
            expected=f"'{columns[0]}' as the second of the class names",
            received=quoted(names),
            hint=f"For '{names[0]}', give both columns, `numpy.column_stack([p, 1 - p])`",
        )


def _check_no_flags(columns: Mapping[str, NDArray[Any]], labels: Any, called: str) -> None:
    """Raise an `InputError` for a column of whole zeros beside fractions: a fold or a flag, and no class.

    A column is a class if a label is called so.

    Args:
        columns: (N,) values by name.
        labels: True classes that came with them, or None.
        called: The numbers in words, the subject of a message.
    """
    names = list(columns)
    whole = [name for name, values in columns.items() if values.dtype.kind in "iu"]
    label_names = set() if labels is None else set(map(str, np.asarray(labels).tolist()))
    zero = [
        name for name in whole if name not in label_names and len(columns[name]) and not columns[name].any()
    ]
    if zero and len(whole) < len(columns):
        raise InputError(
            f"{called} have a column of nothing but 0, '{zero[0]}', which may be no class",
            expected="a column for each class, and others left out",
            received=f"columns {quoted(names)}",
            hint=f"If it is none, leave it out. If it is one, name all: class_names={names[:12]}",
        )


def _are_numbers(values: NDArray[Any]) -> bool:
    """Whether a column is one of numbers, those of Python and gaps among them too."""
    if values.dtype.kind in "biuf":
        return True
    return values.dtype.kind == "O" and all(
        value is None or isinstance(value, (int, float, np.number, Decimal)) for value in values
    )
