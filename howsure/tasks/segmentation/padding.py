"""The positions of rows that count: given by the caller, or by an attention mask or a mask of Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.adapters.protocol import MaskedModel, Model
from howsure.errors import InputError, warn
from howsure.inputs.rows import as_array, in_rows
from howsure.inputs.sizes import ATTENTION_MASK, INPUT_IDS
from howsure.sampling.outcome import Booleans, InputRows

ROWS = 256
"""Rows whose masks are read at a time."""


def given_counts(positions: Any, shape: tuple[int, ...]) -> Booleans | None:
    """The positions that count, given by a caller; None if all do.

    Args:
        positions: (N, *P) booleans, or 0 and 1.
        shape: (N, *P).

    Raises:
        InputError: Another shape or other values, or a row without any position.
    """
    counts = as_array(positions, "`positions`")
    if counts.shape == (*shape, 1):
        counts = counts[..., 0]
    if counts.shape != shape:
        raise InputError(
            "`positions` does not fit the rows",
            expected=f"yes or no for each position, an array of shape {shape}",
            received=f"an array of shape {counts.shape}",
        )
    if counts.dtype.kind not in "biuf" or not np.isin(counts, (0, 1)).all():
        raise InputError(
            "`positions` says whether each position counts",
            expected="True or False",
            received=f"dtype {counts.dtype}, for example {counts.reshape(-1)[:3].tolist()}",
        )
    return _checked_counts(counts.astype(bool))


@dataclass(frozen=True, eq=False)
class Own:
    """The positions that a model itself counts.

    Attributes:
        known: Whether it says that.
        counts: (N, *P), or None if all do or nothing says it.
        called: Its name of a position: `token`; empty for the usual word.
    """

    known: bool = False
    counts: Booleans | None = None
    called: str = ""


def own_counts(model: Model, rows: Sequence[InputRows], shape: tuple[int, ...]) -> Own:
    """The positions that the model itself counts: by its attention mask, token of padding, or mask of Keras.

    Args:
        model: The model.
        rows: Its inputs.
        shape: (N, *P).

    Raises:
        InputError: A row has no position that counts.
    """
    names = [spec.name for spec in model.info.inputs]
    masks: list[Any] = []
    called = ""
    if ATTENTION_MASK in names:
        at, called = names.index(ATTENTION_MASK), "token"
        masks = [rows[at][numbers] for numbers in _blocks(shape[0], ROWS)]
    elif INPUT_IDS in names and (pad := model.info.padding) is not None:
        at, called = names.index(INPUT_IDS), "token"
        masks = [rows[at][numbers] != pad for numbers in _blocks(shape[0], ROWS)]
        if not any((~mask).any() for mask in masks):
            return Own()
        warn(
            f"No attention_mask came along, and model '{model.info.name}' calls token {pad} padding. "
            "So it does not count, but the model looks at it as at other tokens. Give an attention_mask too."
        )
    elif isinstance(model, MaskedModel):
        for numbers in _blocks(shape[0], model.info.fixed_batch or ROWS):
            mask = model.counted([inputs[numbers] for inputs in rows])
            if mask is None:
                break
            masks.append(mask)
    counts = np.concatenate(masks)[: shape[0]] != 0 if masks else None
    return Own() if counts is None or counts.shape != shape else Own(True, _checked_counts(counts), called)


def _blocks(total: int, size: int) -> list[Any]:
    """Row numbers in blocks of one size; the last one is filled up with the last row."""
    return [np.minimum(np.arange(start, start + size), total - 1) for start in range(0, total, size)]


def _checked_counts(counts: Booleans) -> Booleans | None:
    """The same, None if all count, or an `InputError` if nothing of a row does."""
    empty = np.flatnonzero(~counts.any(axis=tuple(range(1, counts.ndim))))
    if len(empty):
        raise InputError(
            f"No position counts {in_rows(len(empty), empty[:5].tolist())}",
            expected="one or more in each row",
            hint="Leave these rows out, or say with positions=… which positions count",
        )
    return None if counts.all() else counts
