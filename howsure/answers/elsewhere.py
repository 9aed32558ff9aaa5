"""Results of what others have computed: how they are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GIVEN_PROBABILITIES, GIVEN_PASSES = "given probabilities", "given passes"
"""Names of the methods of such results."""


def are_alone(method: Mapping[str, Any]) -> bool:
    """Whether the probabilities of a result came alone: without passes, and so without an error."""
    return method.get("name") == GIVEN_PROBABILITIES
