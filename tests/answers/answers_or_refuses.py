"""What tables of functions, methods of results and commands have in common, whatever the kind of answer."""

import inspect

import pytest
import typer.main

import howsure
from howsure.cli.app import app
from tests.commands import run

ANSWERS = ""
"""What stands for no refusal."""

NO_MODEL_OF_THE_USER = {"demo"}


def functions():
    """Names of all public functions."""
    return {name for name in howsure.__all__ if inspect.isfunction(getattr(howsure, name))}


def methods_of(kind):
    """Names of all public methods of a result."""
    return {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))}


def commands():
    """Names of all commands for a user's model or results."""
    return set(typer.main.get_command(app).commands) - NO_MODEL_OF_THE_USER


def check_call(call, refusal, result, folder):
    """A call answers, or is refused in these words."""
    if refusal == ANSWERS:
        call(result, folder)
        return
    with pytest.raises((howsure.InputError, howsure.ModelError), match=refusal):
        call(result, folder)


def check_command(name, arguments, refusal, places):
    """A command answers, or says in one line of these words why not."""
    done = run(name, *(part.format(**places) for part in arguments))
    if refusal == ANSWERS:
        assert done.exit_code == 0, done.stderr
        return
    assert done.exit_code == 2, done.stdout
    assert refusal in done.stderr
    assert len(done.stderr.splitlines()) == 1
