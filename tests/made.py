"""Certainties whose numbers a test gives, for tests that need no model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from howsure.inputs.label_files import read_label_file
from howsure.results.saved import maps_of
from howsure.tasks.classification.result import Certainty


def certainty_of(probabilities: ArrayLike, **fields: Any) -> Certainty:
    """A certainty with exactly these probabilities (N, K), whose passes have no doubt by themselves.

    Args:
        probabilities: Of the classes `0`, `1`, …
        fields: All else that it holds; `mc_error` and `passes` may be one number for all.
    """
    p = np.array(probabilities, dtype=float)
    settings: dict[str, Any] = {
        "mc_error": 0.001,
        "expected_entropy": np.zeros(len(p)),
        "passes": 20,
        "class_names": tuple(map(str, range(p.shape[1]))),
        "row": np.arange(len(p)),
        **fields,
    }
    for name, shape in {"mc_error": p.shape, "passes": (len(p),)}.items():
        if np.ndim(settings[name]) == 0:
            settings[name] = np.full(shape, settings[name])
    return Certainty(p, **settings)


def maps_beside(table: Path) -> Path:
    """The folder of maps that a saved table names."""
    maps = maps_of(table)
    assert maps is not None
    return table.parent / maps.folder


def read_labels(path: Path, rows: Any = None, **meant: Any) -> Any:
    """True answers in a file, in the order of the rows."""
    return np.asarray(read_label_file(path, **meant).of(rows))
