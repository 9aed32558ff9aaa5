"""The horizontal axis of a page: times that are the ids of the rows, or the only feature of the rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.report.looks import Looks
from howsure.sampling.outcome import Floats

LEAST_PLACES = 3
"""Different places along which a line is worth drawing."""

_TIME = re.compile(r"\d{4}-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?)?Z?")
"""How a time is written as the id of a row (ISO 8601); a year alone may be any number."""


@dataclass(frozen=True)
class Along:
    """Places of N rows on an axis.

    Attributes:
        name: Name of the axis.
        x: (N,) places, NaN where unknown.
        times: Whether these are seconds since 1970.
    """

    name: str
    x: Floats
    times: bool

    @property
    def heading(self) -> str:
        """Heading of a drawing."""
        return "Over time" if self.times else f"Along {self.name}"


def along_of(looks: Looks, ids: NDArray[Any] | None, id_name: str) -> Along | None:
    """The axis of the rows, or None for several features, texts, or fewer than three places.

    The one feature of the rows, or else their ids if all of these are times.

    Args:
        looks: Pictures or values of the rows.
        ids: (N,) what the caller calls the rows, or None.
        id_name: Name of the column of ids.
    """
    given = [] if looks.images is not None else looks.columns
    found = None
    if len(given) == 1 and given[0][1].size == len(given[0][1]):
        name, values = given[0]
        found = _of(name or "the one feature of the rows", values.reshape(-1))
    if found is None and ids is not None and ids.dtype.kind != "i":
        found = _of(id_name, ids)
    return found


def _of(name: str, values: NDArray[Any]) -> Along | None:
    x, times = None, values.dtype.kind == "M"
    if values.dtype.kind in "OU" and len(values) and all(_TIME.fullmatch(str(each)) for each in values):
        try:
            values = np.array([str(each).rstrip("Z") for each in values], dtype="M8[us]")
        except ValueError:  # 2020-02-31
            return None
        times = True
    if times:
        seconds = values.astype("M8[us]").astype(np.int64) / 1e6
        x = np.where(np.isnat(values), np.nan, seconds)
    elif values.dtype.kind in "iuf":
        x = values.astype(np.float64)
    if x is None or len(np.unique(x[np.isfinite(x)])) < LEAST_PLACES:
        return None
    return Along(name, x, times)
