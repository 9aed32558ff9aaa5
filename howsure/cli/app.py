"""The command line: parse, call, print; no logic.

Exit codes: 0 done, 1 done but parts of the data were left out, 2 wrong use or wrong input, 130 interrupted.
Results go to stdout; progress, warnings and errors go to stderr.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from howsure.atomic import check_folder, folder_made
from howsure.cli import tables
from howsure.cli.assessing import assess_command
from howsure.cli.comparing import compare_command
from howsure.cli.hints import in_options, told
from howsure.cli.models import audit_command, export_command
from howsure.cli.options import INTERRUPTED, WRONG, Quiet, Seed, consoles, grouped, say_version
from howsure.cli.stopping import INTERRUPTIONS, Unbreakable, open_the_closed
from howsure.errors import HowsureError, HowsureWarning, is_of_a_model, raised
from howsure.models.import_keras import load_keras
from howsure.terminal import say

_BEGINNING = 60
"""Characters of a warning that the count of more such warnings repeats."""

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback()
def all_commands(
    version: Annotated[
        bool,
        typer.Option("--version", callback=say_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """How sure is your model, row by row, and what else could the answer be?"""


def demo_command(
    folder: Annotated[Path, typer.Option(help="Folder for the model, the table and the report.")] = Path(
        "demo"
    ),
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Train for this number of epochs instead of two minutes.")
    ] = None,
    ensemble: Annotated[
        int,
        typer.Option(
            min=1, help="Number of networks to train. With two or more, their ensemble is compared too."
        ),
    ] = 1,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train a digit classifier with dropout on MNIST and show which digits it cannot decide."""
    check_folder(folder)
    with INTERRUPTIONS.held():
        load_keras()
    from howsure.demo import run as demo

    with folder_made(folder):
        demo.run(folder, epochs=epochs, members=ensemble, seed=seed, console=consoles(quiet)[1])


def main() -> None:
    """Run the command line."""
    open_the_closed()
    columns = os.environ.get("COLUMNS", "1")
    if not columns.isdecimal() or int(columns) == 0:  # a shell without a terminal may say 0
        del os.environ["COLUMNS"]
    streams = [each or open(os.devnull, "w") for each in (sys.stdout, sys.stderr)]  # noqa: SIM115
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an old terminal shows '?' for unknown characters
    printed = Unbreakable(streams[0])
    sys.stdout, sys.stderr = printed, Unbreakable(streams[1])
    try:
        app()
    finally:
        printed.flush()
        if printed.lost is not None:
            say(
                Console(stderr=True),
                f"error: the output could not be printed completely ({printed.lost.strerror})",
            )
            sys.exit(WRONG)


def _here() -> bool:
    try:
        return bool(os.getcwd())
    except FileNotFoundError:
        return False


class _Warned:
    """Prints warnings when they come: each text once, and of each kind only the first, then a count."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[str] = set()
        self._first: dict[str, str] = {}
        self._more = Counter[str]()

    def show(self, warning: HowsureWarning) -> None:
        """Print a warning, unless it or another of its kind was printed before."""
        text = in_options(str(warning))
        if text in self._said:
            return
        self._said.add(text)
        if warning.kind in self._first:
            self._more[warning.kind] += 1
            return
        self._first[warning.kind] = text
        say(self._console, f"warning: {text}")

    def close(self) -> None:
        """Print how many warnings were not printed."""
        for kind, count in self._more.items():
            beginning = self._first[kind][:_BEGINNING]
            say(self._console, f"warning: {count:,} more such warnings about other rows: {beginning}…")


@contextlib.contextmanager
def _plain_words() -> Iterator[None]:
    """Print howsure's errors and warnings, and Ctrl-C, as one line on stderr, and set the exit code."""
    errors = Console(stderr=True)
    warned = _Warned(errors)
    with warnings.catch_warnings(), INTERRUPTIONS.heard():
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
            INTERRUPTIONS.check()
        except HowsureError as error:
            say(errors, f"error: {told(error)}")
            raise typer.Exit(WRONG) from error
        except Exception as error:
            if isinstance(error, FileNotFoundError) and not _here():
                say(errors, "error: The current folder was deleted. Expected: one that exists, as after cd.")
                raise typer.Exit(WRONG) from error
            if not is_of_a_model(error):
                raise
            say(errors, f"error: {in_options(f'The model raised {raised(error)}').rstrip('.')}.")
            raise typer.Exit(WRONG) from error
        except KeyboardInterrupt as error:
            say(errors, "interrupted")
            raise typer.Exit(INTERRUPTED) from error


COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo_command,
    "audit": audit_command,
    "assess": assess_command,
    "compare": compare_command,
    **tables.COMMANDS,
    "export": export_command,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_plain_words()(grouped(_command)))
