"""What comes out of a door, in a form that can be compared: of each row, and of all rows together."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass, field, is_dataclass
from typing import Any

import numpy as np

RELATIVE = 1e-5
"""What another order of sums may change in single precision."""

OF_LARGEST = 1e-4
"""The same of numbers that are small beside the largest of their kind: errors whose parts cancel."""

NUMBERING = ("row",)
"""Columns that count the rows of one call, and are not about a row."""


@dataclass(frozen=True)
class Said:
    """What a door says.

    Attributes:
        rows: By name, what it says of each row: arrays or lists of length N.
        wide: Names among them whose last axis is that of classes, labels or targets.
        whole: By name, what it says of all rows together.
    """

    rows: dict[str, Any] = field(default_factory=dict)
    wide: frozenset[str] = frozenset()
    whole: dict[str, Any] = field(default_factory=dict)

    def taken(self, rows):
        """What it says of some rows."""
        return {name: _taken(values, rows) for name, values in self.rows.items()}


def _taken(values, rows):
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]


def of_result(result, **whole):
    """The columns of a result."""
    rows, wide = {}, set()
    for column in result.columns:
        values = getattr(result, column.name, None) if column.name != "all_probabilities" else None
        if values is None or column.name in NUMBERING:
            continue
        rows[column.name] = np.asarray(values)
        if "K" in column.shape and column.shape.endswith("K)"):
            wide.add(column.name)
    return Said(rows, frozenset(wide), whole)


def of_table(table):
    """The columns of an Arrow table."""
    return {name: table[name].to_pylist() for name in table.column_names if name not in NUMBERING}


def of_lines(text):
    """The rows of CSV, as texts."""
    read = csv.DictReader(io.StringIO(text))
    return {"line": [{name: v for name, v in row.items() if name not in NUMBERING} for row in read]}


def check_same(found, expected, what):
    """Whether both say the same: numbers nearly, all else exactly."""
    difference = _difference(found, expected)
    assert difference is None, f"{what}: {difference}"


def _difference(found, expected, at=""):
    """Where two things differ, in words; None where they do not."""
    if isinstance(expected, dict):
        if not isinstance(found, dict) or found.keys() != expected.keys():
            return f"{at}: {list(found)} for {list(expected)}"
        pairs = [(found[name], expected[name], f"{at}.{name}") for name in expected]
        return next(filter(None, (_difference(*pair) for pair in pairs)), None)
    if isinstance(expected, np.ndarray) and expected.dtype.kind == "f":
        found = np.asarray(found)
        close = found.shape == expected.shape and np.allclose(
            found, expected, rtol=RELATIVE, atol=OF_LARGEST * _scale(expected), equal_nan=True
        )
        return None if close else f"{at}: {_where(found, expected)}"
    if isinstance(expected, (np.ndarray, list, tuple)):
        if len(found) != len(expected):
            return f"{at}: {len(found)} values for {len(expected)}"
        pairs = [
            (one, other, f"{at}[{n}]") for n, (one, other) in enumerate(zip(found, expected, strict=True))
        ]
        return next(filter(None, (_difference(*pair) for pair in pairs)), None)
    if isinstance(expected, float):
        same = math.isclose(found, expected, rel_tol=RELATIVE, abs_tol=1e-7)
        return (
            None if same or (math.isnan(found) and math.isnan(expected)) else f"{at}: {found} for {expected}"
        )
    return None if found == expected else f"{at}: {found!r} for {expected!r}"


def _where(found, expected):
    if found.shape != expected.shape:
        return f"shape {found.shape} for {expected.shape}"
    apart = np.abs(found - expected)
    at = np.unravel_index(np.argmax(np.where(np.isnan(apart), np.inf, apart)), apart.shape)
    return f"{found[at]} for {expected[at]} at {tuple(map(int, at))}"


def _scale(values):
    known = np.abs(values[np.isfinite(values)])
    return float(known.max()) if known.size else 1.0


def numbers_of(record):
    """The numbers in an object of scores, by name, whatever it is nested in."""
    if hasattr(record, "value") and hasattr(record, "low"):
        return [float(record.value)]
    if isinstance(record, (int, float, str, np.number)):
        return record if isinstance(record, str) else float(record)
    if isinstance(record, dict):
        return {str(name): numbers_of(each) for name, each in record.items()}
    if isinstance(record, (tuple, list)):
        return [numbers_of(each) for each in record]
    if is_dataclass(record):
        return {name: numbers_of(each) for name, each in vars(record).items() if not name.startswith("_")}
    return str(record)


def words_of(text):
    """A text without what counts rows, for calls that number them otherwise."""
    return re.sub(r"\brow \d+", "row", text)
