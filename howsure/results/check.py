"""Whether something is a result, and of the kind that is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from howsure.errors import InputError
from howsure.inputs.rows import quoted
from howsure.results.result import Result


def check_is_result(result: object) -> None:
    """Raise an `InputError` unless this is a result."""
    if not isinstance(result, Result):
        raise InputError(
            "This is not an assessed set of rows",
            expected="a result, as `howsure.assess` gives it",
            received=type(result).__name__,
            hint="Make one of probabilities with `howsure.Certainty.from_probabilities(p)`, or of numbers "
            "with `howsure.RegressionCertainty.from_mean_std(mean, std)`",
        )


def check_result(result: Any, expected: type[Result[Any]], names: Sequence[str] | None = None) -> None:
    """Raise an `InputError` unless a result is of this type, and of these classes or targets if given.

    If it is of another type, the error says what to do instead.
    """
    check_is_result(result)
    if result.answer != expected.answer:
        instead = result.as_classes if expected.answer == "classes" else None
        raise InputError(
            "These rows have answers of another kind",
            expected=f"a result with {expected.in_words}",
            received=f"one with {result.in_words}",
            hint=None if instead is None else with_first_name(instead, result),
        )
    if names is not None and (own := getattr(result, result.names)) != tuple(names):
        called = {"class": "classes"}.get(kind := result.names.removesuffix("_names"), f"{kind}s")
        raise InputError(
            f"These rows have other {called} than the labelled ones had",
            expected=quoted(names),
            received=quoted(own),
        )


def with_first_name(hint: str, result: Result[Any]) -> str:
    """A hint, with the first name of a result in the place of `{first}`."""
    return hint.replace("{first}", repr(getattr(result, result.names)[0]))
