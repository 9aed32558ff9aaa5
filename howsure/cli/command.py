"""The base of all commands. A command is a dataclass, and its fields are its arguments and options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, get_type_hints

import typer
from rich.console import Console

from howsure.atomic import check_ending, check_place
from howsure.cli.settings import SENTENCES, Settings, read_settings, sentences_of
from howsure.errors import FileError, InputError
from howsure.results.result import ALL_COLUMNS
from howsure.terminal import Report

LEFT_OUT, WRONG, INTERRUPTED = 1, 2, 130
"""Exit codes other than 0."""

_NAMES = {
    "class_names": ("--class-names", "--target-names"),
    "quiet": ("--quiet", "-q"),
    "given": ("--set", "--settings"),
    "chosen_columns": ("--columns",),
}
"""Names of options that are not called as their fields are."""

_LAST = ("id_column", "seed", "allow_code", "quiet", "given")
"""Options that help shows after the others."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command: its first line is its help, and `Attributes` says what its arguments and options are.

    Attributes:
        quiet: Print only warnings and errors.
        given: A setting, NAME=VALUE, or a .toml file of settings. Can be repeated.
    """

    places: ClassVar[tuple[str, ...]] = ()
    """Fields that are arguments, in this order; the others are options."""

    takes: ClassVar[tuple[str, ...]] = ()
    """Names of its settings."""

    quiet: bool = False
    given: list[str] | None = None

    @classmethod
    def name(cls) -> str:
        """Its name on the command line."""
        return cls.__name__.removesuffix("Command").lower()

    def run(self) -> bool:
        """Do it; False if something in the data was left out.

        Raises:
            HowsureError: Wrong use or wrong input.
        """
        raise NotImplementedError

    @property
    def table_columns(self) -> str | list[str] | None:
        """The columns of the table to write, as `Result.to_arrow` takes them."""
        chosen: str | None = getattr(self, "chosen_columns", None)
        return chosen if chosen in (None, ALL_COLUMNS) else [name.strip() for name in chosen.split(",")]

    @property
    def errors(self) -> Console:
        """The console for progress."""
        return Console(stderr=True, quiet=self.quiet)

    @property
    def console(self) -> Console:
        """The console for results."""
        return Console(quiet=self.quiet)

    @cached_property
    def settings(self) -> Settings:
        """The settings that the caller gives.

        Raises:
            InputError: A name or value that cannot be used.
            FileError: A file of settings cannot be read.
        """
        return read_settings(self.given or (), self.takes, self.name())


def typed(command: type[Command]) -> Callable[..., None]:
    """A function of a command's arguments and options, as typer reads it."""
    sentences, hints = sentences_of(command), get_type_hints(command)
    parameters = list[inspect.Parameter]()
    order = [*command.places, *(field.name for field in fields(command) if field.name not in _LAST), *_LAST]
    for field in sorted(fields(command), key=lambda field: order.index(field.name)):
        if field.name == "given" and not command.takes:
            continue
        names = _NAMES.get(field.name, (f"--{field.name.replace('_', '-')}",))
        default = ... if field.default is MISSING else field.default
        value = (
            typer.Argument(help=sentences.get(field.name))
            if field.name in command.places
            else typer.Option(default, *names, help=sentences.get(field.name))
        )
        parameters.append(
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=value, annotation=hints[field.name]
            )
        )

    def run(**values: Any) -> None:
        job = command(**values)
        _ = job.settings  # which are checked before anything else
        if not job.run():
            raise typer.Exit(LEFT_OUT)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def settings_of(command: type[Command]) -> str | None:
    """A line for each setting of a command, as `-h` shows them."""
    lines = [
        "Settings, as --set NAME=VALUE or lines of --settings FILE.toml:",
        *(f"{name}: {SENTENCES[name]}" for name in command.takes),
    ]
    return "\n\n".join(lines) if command.takes else None


def rows_on(report: Report) -> Callable[[int, int], None]:
    """A progress function of (rows done, rows in all) that shows both."""
    return lambda done, total: report(done / max(1, total), f"{done:,} of {total:,} rows")


def check_exist(**paths: Path | None) -> list[Path]:
    """The paths that were given; a `FileError` that says what is missing, where there is nothing at one."""
    named_paths = [(what.replace("_", " "), path) for what, path in paths.items() if path is not None]
    for what, path in named_paths:
        try:
            path.stat()
        except FileNotFoundError as error:
            raise FileError(f"The {what} does not exist", received=path) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise FileError(f"The {what} cannot be read ({reason})", received=path) from error
    return [path for _, path in named_paths]


def check_output(path: Path | None, endings: tuple[str, ...], inputs: Sequence[Path]) -> None:
    """Raise if a path has another ending, cannot be written, or is one of the paths in `inputs`."""
    if path is None:
        return
    check_ending(path, endings)
    place = check_place(path)
    for other in inputs:
        if place == other.resolve() or (place.exists() and other.exists() and place.samefile(other)):
            raise InputError(f"'{path}' would overwrite '{other}'", expected="another name for the output")
