"""Parts that a text names, `module:name`: the only way from a lower room of the package to a higher one."""

from __future__ import annotations

import importlib
from typing import Any, ClassVar


def imported(named: Any) -> Any:
    """The object that `module:name` names, imported now. Anything else is returned as it is."""
    if not isinstance(named, str):
        return named
    module, _, name = named.partition(":")
    return getattr(importlib.import_module(module), name)


class Displayed:
    """Shown by notebooks as a sentence and a small table, without a script, all of it escaped.

    Attributes:
        in_notebooks: `module:name` of what makes a `howsure.report.notebook.View` of it.
    """

    in_notebooks: ClassVar[str] = "howsure.report.notebook:of_anything"

    def _repr_html_(self) -> str:
        html: str = imported("howsure.report.notebook:html_of")(self)
        return html
