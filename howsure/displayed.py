"""Objects show themselves in notebooks."""

from __future__ import annotations


class Displayed:
    """Shown by notebooks as a sentence and a small table, without a script, all of it escaped."""

    def _repr_html_(self) -> str:
        from howsure.report.notebook import html_of

        return html_of(self)
