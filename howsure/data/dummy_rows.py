"""Rows made up for a model of which none are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from howsure.data.rows import TEXT, Array, InputSpec

ANY_SIZE = (16, 32, 60, 128, 224)
"""Stand for an axis of any size in made-up rows, the first that a model takes: short sequences, a number that
2 to 6 divide, and the side of images for which most published networks are made."""

_MADE_UP_TEXT = "some text"


def made_up_rows(
    inputs: Sequence[InputSpec],
    like: Sequence[Any] | None = None,
    count: int = 2,
    any_size: int = ANY_SIZE[0],
) -> list[Array]:
    """Rows of the shapes and types of some inputs: normal numbers, ones where they are whole, or some text.

    Args:
        inputs: What a model takes.
        like: Rows of each input, whose shapes stand for axes of any size, or None.
        count: How many.
        any_size: Stands for axes of any size where `like` is None.
    """
    random, rows = np.random.default_rng(0), []
    for number, spec in enumerate(inputs):
        sides = tuple(any_size if side is None else side for side in spec.shape)
        shape = (count, *(sides if like is None else like[number].shape[1:]))
        if spec.dtype.startswith(("float", "bfloat")):
            made = random.normal(size=shape)
        else:
            made = np.full(shape, _MADE_UP_TEXT if spec.dtype == TEXT else 1)
        rows.append(made.astype(spec.array_dtype))
    return rows
