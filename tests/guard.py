"""How a check of the project's own rules fails: with what is wrong, the file to open, and a command."""

import os

import pytest


def check_none(wrong, problem, *, open, command=None):
    """Fail if anything is wrong.

    Args:
        wrong: Names or lines.
        problem: What is wrong with them, as the end of a sentence: `have no row in the table "Scores"`.
        open: The file to open, and what to do there.
        command: A command that shows more. Default: that which runs this check alone.
    """
    lines = [str(name) for name in wrong]
    if lines:
        test = os.environ["PYTEST_CURRENT_TEST"].partition(" ")[0]
        shows = f"`{command}` shows more" if command else f"`python -m pytest '{test}'` checks it again"
        listed = "\n".join(f"  {line}" for line in lines)
        pytest.fail(f"These {problem}:\n{listed}\nOpen {open}.\n{shows}.", pytrace=False)


def check_same(found, expected, *, found_in, expected_in, open, command=None):
    """Fail if two places do not have the same names.

    Args:
        found: Names, or pairs of a name and what is said of it, in the one place.
        expected: Those in the other place.
        found_in: The first place, in words.
        expected_in: The second place, in words.
        open: As of `check_none`.
        command: As of `check_none`.
    """
    for here, there, missing, present in (
        (found, expected, found_in, expected_in),
        (expected, found, expected_in, found_in),
    ):
        problem = f"are in {present}, and not in {missing}"
        check_none(sorted({*there} - {*here}, key=str), problem, open=open, command=command)
