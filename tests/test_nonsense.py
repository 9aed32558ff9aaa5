"""Nonsense in the place of any argument of a public function is answered, or refused in words."""

import hypothesis
import pytest
from hypothesis import strategies as some

import howsure
from howsure.tasks.task import task_named
from tests.guard import check_none
from tests.kinds import KINDS
from tests.nonsense import answer, functions, nonsense

NOT_CALLED = {
    "ObjectScores",
    "Audit",
    "Comparison",
    "Exported",
    "Familiarity",
    "Score",
    "Plan",
    "MultilabelPredictionSets",
} | {
    "Softmax",
    "PlainPrediction",
    "Members",
}
"""Classes that functions of howsure make, and methods that take nothing."""


def is_made(name):
    """Whether a class belongs to a kind of answer and is no result: functions of howsure make it."""
    kinds = [f"{task_named(kind).result_type.__module__.rpartition('.')[0]}." for kind in KINDS]
    made = getattr(howsure, name)
    return made.__module__.startswith(tuple(kinds)) and not hasattr(made, "columns")


def test_every_public_function_is_called():
    public = {name for name in howsure.__all__ if not (name.endswith(("Error", "Warning")) or is_made(name))}
    called = {name.split(".")[0].split("[")[0] for name in functions()}
    check_none(
        public - called - NOT_CALLED, "public names are called with no nonsense", open="tests/nonsense.py"
    )


@pytest.mark.parametrize("name", functions())
@hypothesis.settings(max_examples=8, deadline=None, derandomize=True, database=None)
@hypothesis.given(data=some.data())
def test_nonsense_is_answered_or_refused(name, data):
    argument = data.draw(some.sampled_from(list(functions()[name][1])))
    raised = answer(name, {argument: data.draw(nonsense(argument))})
    if raised is not None:
        raise raised
