"""Probabilities as callers hold them, as arrays: lists, tensors, and frames whose columns are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.arguments import as_array
from howsure.data.labels import check_names, in_order
from howsure.data.rows import check_unmasked, quoted
from howsure.errors import InputError

Floats = NDArray[np.float64]

CLASSES, LABELS = "class", "label"
"""What each column may be of."""

_EXPECTED = {
    CLASSES: "an array of shape (rows, classes), or (rows,) of the second of two classes",
    LABELS: "an array of shape (rows, labels), the probability that each label holds",
}


@dataclass(frozen=True, eq=False)
class Given:
    """Numbers that may be probabilities.

    Attributes:
        values: (N, K) of any value.
        dtype: Name of the type they came in.
        names: K names of the columns, or None where they have none.
        ids: (N,) what the caller calls each row, or None.
        id_name: What the caller calls that, or None.
    """

    values: Floats
    dtype: str
    names: tuple[str, ...] | None = None
    ids: Any = None
    id_name: str | None = None


def read_given(p: Any, names: Any, each: str, called: str) -> Given:
    """Numbers as a caller holds them, in double precision.

    Args:
        p: (N, K) as a list, array, tensor or frame; also (N,) of two classes.
        names: K names, or None. Of a frame they choose columns, where it has columns of these names.
        each: What a column is of, `class` or `label`.
        called: What the numbers are, in words, the subject of a message.

    Raises:
        InputError: No numbers, another shape, or names that do not fit.
    """
    if hasattr(p, "columns") or hasattr(p, "column_names"):
        return _from_frame(p, names, each, called)
    values, dtype = _numbers(p, called)
    if each == CLASSES:
        values = _of_two_classes(values, names, called)
    if values.ndim != 2 or values.shape[1] < (2 if each == CLASSES else 1):
        raise InputError(f"{called} cannot be used", expected=_EXPECTED[each], received=_described(values))
    if names is not None:
        names = _checked_names(names, each, values.shape[1])
    return Given(values, dtype, names)


def _checked_names(names: Any, each: str, count: int) -> tuple[str, ...]:
    found = check_names(names, each, f"The {each} names")
    if len(found) != count:
        raise InputError(
            f"The {each} names do not fit the probabilities",
            expected=f"{count} names, one for each column",
            received=f"{len(found)}: {quoted(found)}",
        )
    return found


def _numbers(p: Any, called: str) -> tuple[Floats, str]:
    """An array of doubles, and the name of the type it came in."""
    check_unmasked(p, called)
    if hasattr(p, "detach"):  # a tensor of PyTorch
        p = p.detach().cpu()
        if str(p.dtype) == "torch.bfloat16":  # which numpy lacks
            return np.asarray(p.float().numpy(), np.float64), "bfloat16"
    given = as_array(p, called)
    dtype = given.dtype.name
    numbers = given.dtype.kind in "biuf" or dtype == "bfloat16"
    if given.dtype.kind == "O" and not any(isinstance(value, str) for value in given.flat):
        try:
            return np.asarray(given, np.float64), "float64"
        except (TypeError, ValueError):
            pass
    if not numbers:
        raise InputError(f"{called} are not numbers", expected="numbers from 0 to 1", received=repr(p)[:200])
    return np.asarray(given, np.float64), dtype


def _of_two_classes(values: Floats, names: Any, called: str) -> Floats:
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
            expected=_EXPECTED[CLASSES],
            received=_described(values),
            mend="Give one row as `[p]`, and rows of two classes as `numpy.stack([1 - p, p], axis=1)`",
        )
    return np.stack([1 - values, values], axis=1)


def _described(values: Floats) -> str:
    return f"an array of shape {values.shape}"


# --- frames -------------------------------------------------------------------------------------------


def _from_frame(frame: Any, names: Any, each: str, called: str) -> Given:
    """A frame of pandas, polars or pyarrow: its columns are the classes, but for one of ids."""
    columns = [str(name) for name in getattr(frame, "column_names", None) or frame.columns]
    index = _index_of(frame)
    id_name = "id" if "id" in columns else None
    ids = _column(frame, columns.index("id")) if id_name else None
    if ids is None and index is not None:
        ids, id_name = index, str(frame.index.name or "id")
    chosen = [name for name in columns if name != "id"]
    if names is not None:
        wanted = check_names(names, each, f"The {each} names")
        missing = [name for name in wanted if name not in columns]
        if not missing:
            chosen = list(wanted)
        elif len(missing) < len(wanted) or len(wanted) != len(chosen):
            raise InputError(
                f"{called} have no columns {quoted(missing)}",
                expected=f"all of {quoted(wanted)}, or names for as many columns as there are",
                received=f"columns {quoted(columns)}",
            )
    else:
        wanted = tuple(chosen)
    parts, dtypes, wrong = [], [], []
    for name in chosen:
        if columns.count(name) > 1:
            raise InputError(f"{called} have two columns '{name}'", expected="distinct names")
        try:
            values, dtype = _numbers(_column(frame, columns.index(name)), called)
        except InputError:
            wrong.append(name)
            continue
        parts.append(values)
        dtypes.append(dtype)
    if wrong:
        raise InputError(
            f"{called} have columns without numbers: {quoted(wrong)}",
            expected=f"one column of numbers for each {each}, and perhaps a column 'id'",
            mend=f"Choose the columns: {each}_names=[{', '.join(map(repr, chosen[:2]))}, …]",
        )
    if len(parts) < (2 if each == CLASSES else 1):
        raise InputError(
            f"{called} have too few columns",
            expected="a column for each class, two or more" if each == CLASSES else "a column for each label",
            received=f"columns {quoted(columns)}",
            mend=f"If '{chosen[0]}' is the probability of the second of two classes, give that column and "
            "both names"
            if parts
            else None,
        )
    coarse = [dtype for dtype in dtypes if dtype in ("float16", "bfloat16")]
    dtype = coarse[0] if coarse else dtypes[0]
    return Given(np.stack(parts, axis=1), dtype, tuple(wanted), ids, id_name)


def _column(frame: Any, place: int) -> Any:
    """A column of a frame by its place."""
    if hasattr(frame, "iloc"):
        column = frame.iloc[:, place]
        gaps = {"dtype": np.float64, "na_value": np.nan} if _is_nullable(column) else {}
        return column.to_numpy(**gaps)
    column = frame.column(place) if hasattr(frame, "column") else frame[frame.columns[place]]
    return column.to_numpy()


def _is_nullable(column: Any) -> bool:
    """Whether it is of pandas' own types of numbers, whose gaps numpy does not know."""
    dtype = column.dtype
    return not isinstance(dtype, np.dtype) and getattr(dtype, "kind", "O") in "biuf"


def _index_of(frame: Any) -> Any:
    """The index of a frame of pandas, where it is more than the numbers of its rows."""
    index = getattr(frame, "index", None)
    if index is None or not hasattr(index, "nlevels") or index.nlevels > 1:
        return None
    values = index.to_numpy()
    numbered = values.dtype.kind in "iu" and np.array_equal(values, np.arange(len(values)))
    return None if numbered and index.name is None else values
