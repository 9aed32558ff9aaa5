"""What the answer of a row is, and what is averaged over passes for it. One line in `OUTCOMES` adds one."""

from __future__ import annotations

from collections.abc import Sequence

from howsure.data.rows import quoted
from howsure.errors import InputError
from howsure.models.protocol import ModelInfo
from howsure.outcomes.classes import Classes
from howsure.outcomes.labels import Labels
from howsure.outcomes.outcome import Outcome
from howsure.results.verdict import Thresholds

OUTCOMES = (Labels, Classes)
"""The first that fits is taken; the last says what is wrong where none does."""


def outcome_of(
    info: ModelInfo,
    outputs: str | None,
    names: Sequence[str] | None,
    thresholds: Thresholds,
    found: Sequence[str] | None = None,
) -> Outcome:
    """What the answer of a row is, declared or read from the model; never guessed from values.

    Args:
        info: Of the model.
        outputs: What the caller declared, or None.
        names: K names of the classes or labels; None takes those of the model, where it has some.
        thresholds: Where the verdicts lie.
        found: Names that came with the rows, for a model that has none. Its own say the order of its outputs.

    Raises:
        InputError: Names that do not fit, or `outputs` is unknown.
        ModelError: The output is none that howsure knows, or does not say what it is.
    """
    if names is not None and info.class_names is not None:
        _check_order(tuple(map(str, names)), info.class_names)
    if names is None:
        names = found if info.class_names is None else info.class_names
    for kind in OUTCOMES:
        outcome = kind.of(info, outputs, names, thresholds)
        if outcome is not None:
            return outcome
    raise AssertionError("the last outcome raises where it does not fit")


def _check_order(names: tuple[str, ...], own: tuple[str, ...]) -> None:
    """Raise an `InputError` for a model's own names in another order: every answer would be another."""
    if names != own and sorted(names) == sorted(own):
        raise InputError(
            "The class names are the model's own in another order",
            expected=f"{quoted(own)}, the order of its outputs",
            received=quoted(names),
            mend="Leave class_names out: the model has them",
        )
