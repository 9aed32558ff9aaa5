"""What tables of functions, methods of results and commands have in common, whatever the kind of answer."""

import inspect

import typer.main

import howsure
from howsure.cli.app import app

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
