"""The method of a result that existed before a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from howsure.errors import ModelError
from howsure.methods.protocol import Job, Needs, Passes
from howsure.models.protocol import Model

GIVEN = "given"
"""Its name."""


@dataclass(frozen=True)
class GivenMethod:
    """Stands in for the method of a given result. It cannot run.

    Args:
        in_words: Description of the results, a sentence.
    """

    in_words: str

    @property
    def settings(self) -> dict[str, Any]:
        """A name."""
        return {"name": GIVEN}

    @property
    def needs(self) -> Needs:
        """Nothing that a model could have."""
        return Needs(Model, fitted=True)

    def begin(self, job: Job) -> Passes:
        """Not possible.

        Raises:
            ModelError: Always.
        """
        raise ModelError("A given result has no method that can run", expected="a method")
