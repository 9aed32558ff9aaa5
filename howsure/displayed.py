"""The display of objects in a notebook, in the place of text."""

from __future__ import annotations

from typing import ClassVar

from howsure.on_first_use import imported


class Displayed:
    """Shown by notebooks as a sentence and a small table, without a script, all of it escaped.

    Attributes:
        in_notebooks: `module:name` of what makes a `howsure.report.notebook.View` of it.
    """

    in_notebooks: ClassVar[str] = "howsure.report.notebook:of_anything"

    def _repr_html_(self) -> str:
        html: str = imported("howsure.report.notebook:html_of")(self)
        return html
