"""Parts that a text names, `module:name`: the only way from a lower room of the package to a higher one."""

from __future__ import annotations

import importlib
from typing import Any


def imported(named: Any) -> Any:
    """The object that `module:name` names, imported now. Anything else is returned as it is."""
    if not isinstance(named, str):
        return named
    module, _, name = named.partition(":")
    return getattr(importlib.import_module(module), name)
