"""What kinds of answers share that choose rows for a person by a word."""

from __future__ import annotations

from typing import Any

from howsure.errors import InputError


def check_familiar(rows: Any) -> None:
    """Raise an `InputError` unless it was measured how familiar rows are."""
    if rows.familiarity is None:
        raise InputError(
            "How familiar these rows are was not measured",
            expected="a table with a column 'familiarity'",
            hint="Save one in Python: certainty.with_familiarity(…).save(path), see howsure.familiarity",
        )
