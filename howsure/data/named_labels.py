"""Labels as they came with rows, until the names in them are read.

A frame or series has names of columns and rows, and a list may hold names of labels. As an array it would
lose them, so nothing here makes one of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from howsure.data.by_name import chosen_columns, columns_of, has_columns
from howsure.data.frames import in_memory, is_frame
from howsure.data.labels import are_names
from howsure.data.rows import quoted
from howsure.errors import InputError


def has_names(labels: Any) -> bool:
    """True for a frame, a series, or a list of lists of names."""
    return is_frame(labels) or (isinstance(labels, (list, tuple)) and all(map(are_names, labels)))


def of_one_row(labels: Any) -> Any:
    """The labels of a single row as those of a batch of one."""
    if hasattr(labels, "iloc"):
        return labels.to_frame().T  # a row of a data frame, whose index has the names of its columns
    return [labels] if isinstance(labels, (list, tuple)) else np.asarray(labels)[np.newaxis]


def in_same_order(part: Any, first: Any, called: str) -> Any:
    """A further part of labels or rows with its columns in the order of the first; anything else unchanged.

    Args:
        part: A frame, a series, or anything else.
        first: The part before.
        called: The further part in words, the subject of a message.

    Raises:
        InputError: Its columns or its name are others.
    """
    if not is_frame(part) or not is_frame(first):
        return part
    one, other = _names(first), _names(part)
    if sorted(map(repr, one)) != sorted(map(repr, other)):
        raise InputError(
            f"{called} has other columns than those before",
            expected=quoted(list(map(str, one))),
            received=quoted(list(map(str, other))),
        )
    return chosen_columns(part, list(map(str, one)), called, rename=False)


def _names(part: Any) -> list[Any]:
    if len(part.shape) == 1:
        return [getattr(part, "name", None)]
    return columns_of(part) if has_columns(part) else list(range(part.shape[1]))


def joined(parts: Sequence[Any]) -> Any:
    """Labels of one batch after the other in one, in the form that they have."""
    first = parts[0]
    if isinstance(first, (list, tuple)):
        return [row for part in parts for row in part]
    if not is_frame(first):
        return np.concatenate(parts)
    if hasattr(first, "iloc"):
        import pandas as pd

        return pd.concat(parts)
    import narwhals as nw

    if len(first.shape) == 2:
        return nw.concat([in_memory(part) for part in parts]).to_native()
    column = nw.concat([in_memory(part).to_frame() for part in parts])
    return column.get_column(column.columns[0]).to_native()
