"""An extension of Griffe, which reads the docstrings for the site."""

import re
from typing import Any

import griffe


class OneExample(griffe.Extension):
    """Takes the section `Example` for what Griffe calls `Examples`, so that it is shown as code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section in the docstring of whatever was read."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
