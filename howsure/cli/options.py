"""Options that commands have in common."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

import howsure

Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print nothing but warnings and errors."),
]


def consoles(quiet: bool) -> tuple[Console, Console]:
    """Where progress goes, and where results go; nowhere for who wants it quiet."""
    return Console(stderr=True, quiet=quiet), Console(quiet=quiet)


def say_version(wanted: bool) -> None:
    """Print the version and end, where it was asked for."""
    if wanted:
        typer.echo(f"howsure {howsure.__version__}")
        raise typer.Exit
