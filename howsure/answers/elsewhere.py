"""Results of what others have computed: how they are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from howsure.sampling.outcome import Integers

GIVEN_PROBABILITIES, GIVEN_PASSES = "given probabilities", "given passes"
"""Names of the methods of such results."""


def are_alone(method: Mapping[str, Any]) -> bool:
    """Whether the probabilities of a result came alone: without passes, and so without an error."""
    return method.get("name") == GIVEN_PROBABILITIES


def nothing_drawn(method: Mapping[str, Any], passes: Integers) -> str:
    """That no verdict waits for more passes, where rows have one (N,) each: a sentence, else empty."""
    if are_alone(method):
        return "The percentages came without passes, so no verdict waits for more of them."
    return "Nothing was drawn, so no verdict waits for more passes." if (passes == 1).all() else ""
