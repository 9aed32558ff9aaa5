"""The arrays and settings of a result are its own, so that nobody outside of it can change them.

An array may share its memory with the caller's, who uses a buffer again for the next rows. So a result copies
what it is given, once: memory of its own is marked, and goes from result to result as it is.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from howsure.inputs.rows import as_array

AnyArray = TypeVar("AnyArray", bound=NDArray[Any])


class _OwnMemory(np.ndarray[Any, Any]):
    """Memory that belongs to results. An array is theirs if it is a view of this."""


class OwnSettings(dict[str, Any]):
    """Settings that belong to results, with copies of all lists and dicts in them."""

    @classmethod
    def of(cls, settings: Any) -> Any:
        """The same settings as a copy; those of a result, and what are no settings by name, as they are."""
        is_given = isinstance(settings, dict) and not isinstance(settings, cls)
        return cls(deepcopy(settings)) if is_given else settings


def own_copy(values: Any, called: str, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """The array that a result keeps of what it is given: a read-only copy, unless it is a result's already.

    Args:
        values: Anything that numpy makes an array of.
        called: The values in words, for the message.
        dtype: Type of the copy; None for that of the values.

    Raises:
        InputError: Masked values, or what numpy makes no array of.
    """
    array = as_array(values, called)
    if _is_own(array) and dtype in (None, array.dtype):
        return read_only(array)
    copy = _OwnMemory(array.shape, array.dtype if dtype is None else dtype)
    copy[...] = array
    return _as_locked(copy)


def adopted(array: AnyArray) -> AnyArray:
    """As `own_copy`, without a copy: for an array that was made anew, and that nobody else holds."""
    array.flags.writeable = False
    # numpy leaves out a base of the type of the view, so the mark stays only as the base of another one.
    return _as_locked(array.view(_OwnMemory).view(_OwnMemory))  # type: ignore[return-value]


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A view that cannot be written to."""
    view = np.asanyarray(array).view()
    view.flags.writeable = False
    return view


def _as_locked(memory: _OwnMemory) -> NDArray[Any]:
    memory.flags.writeable = False  # so that no view of it can be unlocked
    return memory.view(np.ndarray)


def _is_own(array: Any) -> bool:
    """Whether an array is a view of a result's memory."""
    while type(array) is np.ndarray:
        array = array.base
    return isinstance(array, _OwnMemory)
