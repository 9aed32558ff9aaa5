"""Saved results read back, whichever type they are of."""

from __future__ import annotations

import os

from howsure.arguments import check_path
from howsure.results.certainty import Certainty
from howsure.results.multilabel import MultilabelCertainty
from howsure.results.saved import read_table


def load(path: str | os.PathLike[str]) -> Certainty | MultilabelCertainty:
    """Read a result that was saved: a `Certainty`, or a `MultilabelCertainty` where the file holds one.

    Args:
        path: A file, or a folder of parts that `howsure assess --out FOLDER` wrote. All of it is read into
            memory; a warning says where parts are missing.

    Raises:
        FileError: The file is missing, damaged, or not a saved result.
    """
    source = check_path(path)
    if os.path.isdir(source):
        from howsure.scale.folder import present  # which is not needed for a file

        first, *others = map(_load, present(source))
        return first.joined([first, *others])  # type: ignore[list-item]
    return _load(path)


def _load(path: str | os.PathLike[str]) -> Certainty | MultilabelCertainty:
    table, settings = read_table(path)
    if MultilabelCertainty.names in settings:
        return MultilabelCertainty.from_table(path, table, settings)
    return Certainty.from_table(path, table, settings)
