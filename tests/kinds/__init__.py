"""An example of each kind of answer, in a file that is named as the kind is in the registry.

Tests that go through all kinds take it from `of_kind`: the doors, every command, the golden texts, the
conformance of outcomes, columns and files. So a kind without its file fails in all of these.
"""

from importlib import import_module

from howsure.tasks.task import tasks

KINDS = tuple(each.name for each in reversed(tasks()))
"""Names of all kinds that howsure has."""


def of_kind(name):
    """The `Kind` of this name."""
    return import_module(f"tests.kinds.{name}").KIND
