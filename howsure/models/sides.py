"""What to do where a model fails on rows with sides that it cannot halve, as a U-Net does."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

MULTIPLES = (2, 4, 8, 16, 32, 64)
"""Numbers of which the sides of rows are made multiples: one to six halvings."""


def advice(x: Any, adapted: Callable[[Any], Any]) -> str | None:
    """What to do with rows on which a model fails; None where their sides are not to blame.

    The model is tried on zeros whose sides are rounded up to multiples of 2, 4, … 64.

    Args:
        x: (N, *sides, C) or (N, C, *sides) rows with two or three sides.
        adapted: Adapts the model to rows; raises what the model raises.
    """
    if not isinstance(x, np.ndarray) or x.ndim not in (4, 5) or x.dtype.kind not in "biuf":
        return None
    for of in MULTIPLES:
        for axes in (slice(1, -1), slice(2, None)):
            sides = x.shape[axes]
            larger = [-(-side // of) * of for side in sides]
            if math.prod(larger) == math.prod(sides):
                continue
            shape = list(x.shape)
            shape[0], shape[axes] = min(2, len(x)), larger
            try:
                with warnings.catch_warnings(action="ignore"):
                    found = adapted(np.zeros(shape, x.dtype))
            except Exception:  # whatever the model itself may raise: such sides do not fit either
                continue
            smaller = [side // of * of for side in sides]
            tiles = len(found.info.output_shape) == x.ndim - 1 and all(smaller)
            return (
                f"The rows have sides {_by(sides)}, and the model runs where they are multiples of {of}. Pad "
                f"the rows to {_by(larger)}" + (f", or assess them in tiles: tile={smaller}" if tiles else "")
            )
    return None


def _by(sides: Any) -> str:
    return " × ".join(map(str, sides))
