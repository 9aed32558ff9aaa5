"""One of several outputs of a model, by name or place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from howsure.data.rows import quoted
from howsure.errors import InputError

Output = str | int | None
"""Which output a caller wants: by its name, by its place from 0, or the only one."""


def check_output_choice(output: object) -> None:
    """Raise an `InputError` unless this can name an output."""
    whole = isinstance(output, (int, np.integer)) and not isinstance(output, bool)
    if not (output is None or isinstance(output, str) or (whole and output >= 0)):  # type: ignore[operator]
        raise InputError(
            "`output` cannot be used",
            expected="the name of an output of the model, its place from 0, or None",
            received=repr(output),
        )


def place_of(output: str | int, names: Sequence[str], count: int, model: str) -> int:
    """The place among `count` outputs of the one that is wanted.

    Args:
        output: That `check_output_choice` let pass.
        names: Of the outputs, in order; shorter where they have none.
        count: How many outputs there are.
        model: Its name.

    Raises:
        InputError: There is none of that name, or at that place.
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
