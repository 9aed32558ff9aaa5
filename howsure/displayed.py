"""What a notebook shows in the place of text."""

from __future__ import annotations


class Displayed:
    """Shown by notebooks as a sentence and a small table, without a script, all of it escaped."""

    def _repr_html_(self) -> str:
        from howsure.report.notebook import html_of  # nothing here needs it before a notebook asks

        return html_of(self)
