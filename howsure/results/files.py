"""Saved results read back, whichever type they are of."""

from __future__ import annotations

import os

from howsure.results.certainty import Certainty
from howsure.results.multilabel import MultilabelCertainty
from howsure.results.saved import read_table


def load(path: str | os.PathLike[str]) -> Certainty | MultilabelCertainty:
    """Read a result that was saved: a `Certainty`, or a `MultilabelCertainty` where the file holds one.

    Raises:
        FileError: The file is missing, damaged, or not a saved result.
    """
    table, settings = read_table(path)
    if MultilabelCertainty.names in settings:
        return MultilabelCertainty.from_table(path, table, settings)
    return Certainty.from_table(path, table, settings)
