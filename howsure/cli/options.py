"""Options that commands have in common."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

import howsure

Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print nothing but warnings and errors."),
]


class Outputs(StrEnum):
    """What a model gives."""

    logits = "logits"
    probabilities = "probabilities"
    label_logits = "label-logits"
    label_probabilities = "label-probabilities"


Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Same seed, same passes.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Rows that run together.")]
GivenOutputs = Annotated[
    Outputs | None, typer.Option(help="What the model gives, where its last layer does not say.")
]
ClassNames = Annotated[
    str | None, typer.Option(help="Names in the order of the model's outputs: a,b,c or a file.")
]
DivideBy = Annotated[
    float | None, typer.Option(help="Divide the rows by this first, for example 255 for images.")
]
KeepOff = Annotated[
    list[str] | None,
    typer.Option(help="A random layer that stays off, by its name in `audit`; once or more."),
]
Output = Annotated[
    str | None, typer.Option(help="Which of several outputs of the model is meant, by name or place from 0.")
]
AllowCode = Annotated[
    bool, typer.Option("--allow-code", help="Let the model file run code of its own; only if you trust it.")
]


def named_or_placed(output: str | None) -> str | int | None:
    """An output as Python names it: whole numbers are places."""
    return int(output) if output is not None and output.isdecimal() else output


def consoles(quiet: bool) -> tuple[Console, Console]:
    """Where progress goes, and where results go; nowhere for who wants it quiet."""
    return Console(stderr=True, quiet=quiet), Console(quiet=quiet)


def say_version(wanted: bool) -> None:
    """Print the version and end, where it was asked for."""
    if wanted:
        typer.echo(f"howsure {howsure.__version__}")
        raise typer.Exit
