"""Modules from files: what PyTorch keeps of a network."""

from __future__ import annotations

import os
from typing import Any

from howsure.errors import FileError


def load(path: str | os.PathLike[str], *, allow_code: bool = False) -> Any:
    """The module in a file.

    Raises:
        FileError: Such files are not opened yet.
    """
    raise FileError(
        f"'{path}' cannot be opened", mend="Load it in Python and pass the module to howsure.assess"
    )
