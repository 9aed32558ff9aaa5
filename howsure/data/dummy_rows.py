"""Make up rows for a model when there are no real ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from howsure.data.rows import TEXT, Array, InputSpec

ANY_SIZE = (16, 32, 60, 128, 224)
"""Sizes to try for a free axis in made-up rows; the first that the model accepts is used. They are lengths of
short sequences, a number that 2 to 6 divide, and the image side of most published networks."""


def made_up_rows(
    inputs: Sequence[InputSpec],
    like: Sequence[Any] | None = None,
    count: int = 2,
    any_size: int = ANY_SIZE[0],
) -> list[Array]:
    """Made-up rows for some inputs: normal numbers, ones for whole numbers, or some text.

    Args:
        inputs: The model's inputs.
        like: Rows of each input, whose shapes fill in free axes, or None.
        count: Number of rows.
        any_size: Size of free axes if `like` is None.
    """
    random, rows = np.random.default_rng(0), []
    for number, spec in enumerate(inputs):
        sides = tuple(any_size if side is None else side for side in spec.shape)
        shape = (count, *(sides if like is None else like[number].shape[1:]))
        if spec.dtype.startswith(("float", "bfloat")):
            made = random.normal(size=shape)
        else:
            made = np.full(shape, "some text" if spec.dtype == TEXT else 1)
        rows.append(made.astype(spec.array_dtype))
    return rows
