"""The command line: parse, call, print; no logic.

Exit codes: 0 done, 1 done but something in the data was left out and said, 2 wrong use or wrong input,
130 interrupted. Results go to stdout; progress, warnings and errors to stderr.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from howsure.cli import assessing, auditing, comparing, exporting, tables
from howsure.cli.options import INTERRUPTED, WRONG, Quiet, Seed, consoles, say_version
from howsure.cli.paths import check_folder
from howsure.cli.stopping import Interruptions, Unbreakable, open_the_closed
from howsure.cli.warned import Warned
from howsure.errors import HowsureError, HowsureWarning
from howsure.models.import_keras import load_keras
from howsure.terminal import say

_INTERRUPTIONS = Interruptions()

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback()
def all_commands(
    version: Annotated[
        bool,
        typer.Option("--version", callback=say_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """How sure is your neural network, row by row?"""


@app.command("demo")
def demo_command(
    folder: Annotated[Path, typer.Option(help="Where model, table and report go.")] = Path("demo"),
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs to train for, instead of two minutes; the question has 30."),
    ] = None,
    ensemble: Annotated[
        int,
        typer.Option(min=1, help="Networks to train; with more than one, their ensemble is compared too."),
    ] = 1,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train a digit classifier with dropout on MNIST and show for which digits it flips a coin."""
    with _plain_words():
        check_folder(folder)
        with _INTERRUPTIONS.held():
            load_keras()
        from howsure.demo import run as demo

        demo.run(folder, epochs=epochs, members=ensemble, seed=seed, console=consoles(quiet)[1])


def main() -> None:
    """Run the command line."""
    open_the_closed()
    nowhere = open(os.devnull, "w")  # noqa: SIM115  # as long as the program runs
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an old terminal shows '?' for what it cannot draw
    printed = Unbreakable(sys.stdout or nowhere)
    sys.stdout, sys.stderr = printed, Unbreakable(sys.stderr or nowhere)
    try:
        app()
    finally:
        printed.flush()
        if printed.lost is not None:
            say(Console(stderr=True), f"error: not all could be printed ({printed.lost.strerror})")
            sys.exit(WRONG)


@contextlib.contextmanager
def _plain_words() -> Iterator[None]:
    """Turn howsure's errors and warnings, and Ctrl-C, into one line on stderr and an exit code."""
    errors = Console(stderr=True)
    warned = Warned(errors)
    with warnings.catch_warnings(), _INTERRUPTIONS.heard():
        show_others = warnings.showwarning

        def show(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            if isinstance(message, HowsureWarning):
                warned.show(message)
            else:
                show_others(message, category, *place, **more)

        warnings.showwarning = show
        warnings.simplefilter("always", HowsureWarning)
        try:
            with contextlib.closing(warned):
                yield
            _INTERRUPTIONS.check()
        except HowsureError as error:
            say(errors, f"error: {error}")
            raise typer.Exit(WRONG) from error
        except KeyboardInterrupt as error:
            say(errors, "interrupted")
            raise typer.Exit(INTERRUPTED) from error


auditing.register(app, _plain_words, _INTERRUPTIONS)
assessing.register(app, _plain_words, _INTERRUPTIONS)
comparing.register(app, _plain_words, _INTERRUPTIONS)
tables.register(app, _plain_words)
exporting.register(app, _plain_words, _INTERRUPTIONS)
