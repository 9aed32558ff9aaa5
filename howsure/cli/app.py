"""The command line: parse, call, print; no logic.

Exit codes: 0 done, 1 done but parts of the data were left out, or an alarm of `howsure watch`, 2 wrong use or
wrong input, 130 interrupted.
Results go to stdout; progress, warnings and errors go to stderr.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperCommand

import howsure
from howsure.adapters.import_keras import load_keras
from howsure.arguments import check_whole
from howsure.atomic import check_folder, new_folder
from howsure.cli.assessing import Assess
from howsure.cli.command import INTERRUPTED, WRONG, Command, settings_of, typed
from howsure.cli.comparing import Compare
from howsure.cli.models import AuditCommand, Export
from howsure.cli.settings import of_an_option
from howsure.cli.tables import Decide, Evaluate, Handover, Report, RulesCommand
from howsure.cli.watching import WatchCommand
from howsure.errors import HowsureError, HowsureWarning, exception_text, is_of_a_model
from howsure.terminal import say

_BEGINNING = 60
"""Characters of a warning that the count of more such warnings repeats."""


@dataclass(frozen=True, kw_only=True)
class Demo(Command):
    """Train a digit classifier with dropout on MNIST and show which digits it cannot decide.

    Attributes:
        folder: Folder for the model, the table and the report.
        epochs: Train for this number of epochs instead of two minutes.
        seed: Seed of the training and of the random masks.
    """

    folder: Path = Path("demo")
    epochs: int | None = None
    seed: int = 0

    def run(self) -> bool:
        """Train, assess and compare."""
        if self.epochs is not None:
            check_whole(self.epochs, "epochs", least=1)
        check_folder(self.folder)
        load_keras()
        from howsure.demo import run as demo

        with new_folder(self.folder):
            demo.run(self.folder, epochs=self.epochs, seed=self.seed, console=self.console)
        return True


COMMANDS: tuple[type[Command], ...] = (
    Demo,
    AuditCommand,
    Assess,
    Compare,
    Evaluate,
    RulesCommand,
    Decide,
    WatchCommand,
    Handover,
    Report,
    Export,
)
_BY_NAME = {command.name(): command for command in COMMANDS}


class _TyperCommand(TyperCommand):
    """A command that says of a setting that is typed as an option, what to type instead."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        option_names = {name for parameter in self.params for name in parameter.opts}
        for text, following in itertools.pairwise([*args, ""]):
            option, _, value = text.partition("=")
            if not option.startswith("--") or option in option_names:
                continue
            message = of_an_option(option, value or following, _BY_NAME[str(self.name)].takes)
            if message is not None:
                say(Console(stderr=True), f"error: {message}")
                raise typer.Exit(WRONG)
        return super().parse_args(ctx, args)


app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"howsure {howsure.__version__}")
        raise typer.Exit


@app.callback()
def all_commands(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """How sure is your model, row by row, and what else could the answer be?"""


def main() -> None:
    """Run the command line."""
    for number in (0, 1, 2):  # a file of ours must not get the number of a closed stderr
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("SIGTERM", "SIGHUP"):  # as Ctrl-C, unless they are ignored
        at = getattr(signal, name, None)
        if at is not None and signal.getsignal(at) == signal.SIG_DFL:
            signal.signal(at, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an old terminal shows '?' for unknown characters
    app()


# --- errors and warnings in plain words --------------------------------------------------------------


class _WarningPrinter:
    """Prints warnings when they come, of each kind only the first; at the end how many more there were."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._texts = dict[str, dict[str, None]]()

    def show(self, warning: HowsureWarning) -> None:
        """Print a warning, unless it or another of its kind was printed before."""
        texts = self._texts.setdefault(warning.kind, {})
        if not texts:
            say(self._console, f"warning: {warning}")
        texts[str(warning)] = None

    def close(self) -> None:
        """Print how many warnings were not printed."""
        for first, *more in self._texts.values():
            if more:
                message = f"{len(more):,} more such warnings about other rows: {first[:_BEGINNING]}…"
                say(self._console, f"warning: {message}")


@contextlib.contextmanager
def _errors_in_one_line() -> Iterator[None]:
    """Print howsure's errors and warnings, and Ctrl-C, as one line on stderr, and set the exit code."""
    errors = Console(stderr=True)
    warned = _WarningPrinter(errors)
    with warnings.catch_warnings():
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
                sys.stdout.flush()
        except HowsureError as error:
            say(errors, f"error: {error}")
            raise typer.Exit(WRONG) from error
        except Exception as error:
            if is_of_a_model(error):
                reason = f"The model raised {exception_text(error)}".rstrip(".")
            elif isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                reason = str(error)  # such as a full disk behind stdout, or a current folder that is gone
            else:
                raise
            say(errors, f"error: {reason}.")
            raise typer.Exit(WRONG) from error
        except KeyboardInterrupt as error:
            say(errors, "interrupted")
            raise typer.Exit(INTERRUPTED) from error


for _name, _command in _BY_NAME.items():
    app.command(
        _name,
        cls=_TyperCommand,
        help=(_command.__doc__ or "").partition("\n")[0],
        epilog=settings_of(_command),
    )(_errors_in_one_line()(typed(_command)))
