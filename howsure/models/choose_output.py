"""Choose one of several outputs of a model, by name or index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from howsure.data.rows import quoted
from howsure.errors import InputError

Output = str | int | None
"""The chosen output: its name, its index from 0, or None for the only one."""


def check_output_choice(output: object) -> None:
    """Raise an `InputError` unless this is a possible choice of an output."""
    whole = isinstance(output, (int, np.integer)) and not isinstance(output, bool)
    if not (output is None or isinstance(output, str) or (whole and output >= 0)):  # type: ignore[operator]
        raise InputError(
            "`output` cannot be used",
            expected="the name of an output of the model, its place from 0, or None",
            received=repr(output),
        )


def place_of(output: str | int, names: Sequence[str], count: int, model: str) -> int:
    """Index of the chosen output among `count` outputs.

    Args:
        output: A choice that `check_output_choice` accepted.
        names: Names of the outputs, in order; may be shorter or empty if outputs have no names.
        count: Number of outputs.
        model: Name of the model.

    Raises:
        InputError: No output has this name or index.
    """
    if isinstance(output, str) and output in names:
        return list(names).index(output)
    if not isinstance(output, str) and output < count:
        return int(output)
    called = f" or a name: {quoted(names)}" if names else ""
    raise InputError(
        f"Model '{model}' has no output {output!r}",
        expected=f"a place from 0 to {count - 1}{called}",
        received=repr(output),
    )
