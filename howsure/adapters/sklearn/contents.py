"""The contents of an estimator: its arrays, texts and numbers, in the order in which pickle meets them.

Its pickle itself will not do. A string that two attributes share is written once, so an estimator that was
loaded from a file has another pickle than before.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

from howsure.adapters.protocol import Array

NOT_LEARNT = ("n_jobs", "verbose")
"""Attributes that change nothing of what an estimator says."""

SMALL = (str, bytes, bytearray, bool, int, float, complex, type(None), np.generic)
"""Values that count as they are."""


class _Contents(pickle.Pickler):
    """Collects what it would write."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), protocol=5)
        self.parts = list[bytes]()

    def persistent_id(self, value: Any) -> str | None:
        """Keep a value that has no parts, and write nothing of it; None for any other one."""
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            # A field at a time: what lies between the fields of a tree's nodes is never set.
            fields = [value[name] for name in value.dtype.names or ()] or [value]
            self.parts.extend(field.tobytes() for field in fields)
        elif isinstance(value, (str, bytes)):
            self.parts.append(value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)
        elif isinstance(value, SMALL):
            self.parts.append(repr(value).encode())
        elif isinstance(value, (set, frozenset)):
            self.parts.append(repr(sorted(map(repr, value))).encode())
        elif not isinstance(value, (np.random.RandomState, np.random.Generator)):
            return None
        return "kept"


def contents_of(estimator: Any) -> Array:
    """All that an estimator consists of, as bytes.

    Args:
        estimator: A fitted one.

    Raises:
        Exception: Something in it cannot be pickled.
    """
    contents, state = _Contents(), estimator.__getstate__()
    if isinstance(state, dict):
        state = {name: value for name, value in state.items() if name not in NOT_LEARNT}
    contents.dump((type(estimator), state))
    return np.frombuffer(b"\0".join(contents.parts), np.uint8)
