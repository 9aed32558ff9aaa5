"""The facts of `howsure.training` about a model's weights, whatever its framework."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import InputError

Array = NDArray[Any]

BATCH_SIZE = 256
"""Most rows that run together while statistics are recomputed."""


@dataclass(frozen=True)
class Weight:
    """One weight of a model.

    Attributes:
        name: Its name in the model.
        owner: Name of its layer.
        place: Equal for two weights that share memory.
        trained: True if an optimizer may change it.
        statistic: True for a running statistic of batch normalisation or its like.
    """

    name: str
    owner: str
    place: Hashable
    trained: bool
    statistic: bool


def changed(before: Sequence[Array], after: Sequence[Array]) -> list[bool]:
    """For each weight, True if its values differ; of a model without weights before, all do."""
    if len(before) != len(after):
        return [True] * len(after)
    return [not np.array_equal(old, new) for old, new in zip(before, after, strict=True)]


def joined(arrays: Sequence[Array], chosen: Sequence[bool]) -> Array:
    """(P,) the values of the chosen weights; a complex number is two."""
    return np.concatenate([_as_real(array) for array, is_in in zip(arrays, chosen, strict=True) if is_in])


def replaced(arrays: Sequence[Array], chosen: Sequence[bool], values: Array) -> list[Array]:
    """The weights with (P,) other values in the chosen ones: the reverse of `joined`."""
    made, position = list(arrays), 0
    for index, array in enumerate(arrays):
        if chosen[index]:
            real = _as_real(array)
            part = values[position : position + real.size].astype(real.dtype)
            made[index] = part.view(array.dtype).reshape(array.shape)
            position += real.size
    return made


def _as_real(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1).view(array.real.dtype)


def in_batches(rows: Sequence[Array]) -> list[tuple[Array, ...]]:
    """The rows (N, …) of each input, in batches whose sizes differ by at most one."""
    if len(rows[0]) < 2:
        raise InputError("Too few rows", expected="at least 2, for a variance", received=str(len(rows[0])))
    parts = -(-len(rows[0]) // BATCH_SIZE)
    return list(zip(*(np.array_split(array, parts) for array in rows), strict=True))
