"""Options that several commands share, several of them as one parameter, and checks of the paths in them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from rich.console import Console

import howsure
from howsure.answers.registry import OUTPUTS, part_of
from howsure.atomic import check_ending, check_place
from howsure.data.files import read_class_names
from howsure.data.label_files import read_labels
from howsure.data.rows import Array, Rows
from howsure.data.table_files import CSV, CsvForm
from howsure.data.tables import Roles
from howsure.errors import FileError, InputError
from howsure.methods.choices import CHOICES, ENSEMBLE, Choice, choice_of
from howsure.methods.mc_dropout import MCDropout
from howsure.request import KEEP_PROBABILITIES, Request
from howsure.sampling.plan import Plan
from howsure.scale.read import parquet_files
from howsure.scale.work import Asked

LEFT_OUT, WRONG, INTERRUPTED = 1, 2, 130
"""Exit codes other than 0."""

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only warnings and errors.")]


MethodName = StrEnum("MethodName", {choice.option: choice.option for choice in CHOICES})  # type: ignore[misc]


Outputs = StrEnum("Outputs", {word: word for word in OUTPUTS})  # type: ignore[misc]


Keep = StrEnum("Keep", [KEEP_PROBABILITIES])  # type: ignore[misc]


Seed = Annotated[
    int,
    typer.Option(min=0, max=2**32 - 1, help="Seed of the random masks. The same seed gives the same passes."),
]
DivideBy = Annotated[
    float | None, typer.Option(help="Divide the rows by this number first, for example 255 for images.")
]
Background = Annotated[
    str | None,
    typer.Option(
        help="For a class of each pixel: the class, by name or number, that means of Dice and IoU leave out."
    ),
]
Member = Annotated[
    list[Path] | None,
    typer.Option(help="Another model, trained from another seed, for an ensemble. Can be repeated."),
]
KeepOff = Annotated[
    list[str] | None,
    typer.Option(help="Name of a random layer that stays off, as `howsure audit` shows it. Can be repeated."),
]
AllowCode = Annotated[
    bool,
    typer.Option("--allow-code", help="Let the model file run its own code. Use this only if you trust it."),
]
Weights = Annotated[
    Path | None, typer.Option(help="File with the state dict of the module that the function makes.")
]


# --- groups: one parameter of a command, several options -------------------------------------------


@dataclass(frozen=True)
class Above:
    """A question about numbers."""

    above: Annotated[
        float | None,
        typer.Option(
            help="Ask of each number whether it is above this one, or of the mean if the noise is unknown. "
            "Rows then have one of two classes, with verdicts."
        ),
    ] = None
    target: Annotated[
        str | None,
        typer.Option(help="The number for --above, if rows have several: by name, or by position from 0."),
    ] = None

    def check(self) -> None:
        """Raise an `InputError` for `--target` without `--above`."""
        if self.above is None and self.target is not None:
            raise InputError("--target has no effect alone", expected="--above with --target")

    def of(self, result: Any, thresholds: howsure.Thresholds | None = None) -> Any:
        """The result as it is; or, if the caller asks, whether its numbers are above the threshold.

        Args:
            result: The result of `assess`.
            thresholds: Thresholds of the verdicts on the answer, or None.

        Raises:
            InputError: The rows have no numbers, or no such number.
        """
        if self.above is None:
            return result
        found = part_of(result, "above")(result, self.above, self.target)
        return found if thresholds is None else replace(found, thresholds=thresholds)


@dataclass(frozen=True)
class VerdictLimits:
    """Thresholds of the verdicts."""

    sure: Annotated[
        float | None, typer.Option(help="Least probability for the verdict `sure` (default 0.95).")
    ] = None
    coin_flip: Annotated[
        float | None,
        typer.Option(help="Largest lead over the second class for the verdict `coin flip` (default 0.2)."),
    ] = None

    @property
    def thresholds(self) -> howsure.Thresholds | None:
        """Thresholds if the caller gave any, otherwise None."""
        given = {name: value for name, value in vars(self).items() if name in ("sure", "coin_flip")}
        given = {name: value for name, value in given.items() if value is not None}
        return howsure.Thresholds(**given) if given else None


@dataclass(frozen=True)
class Names(VerdictLimits):
    """Class names, and thresholds of the verdicts."""

    class_names: Annotated[
        str | None,
        typer.Option(
            "--class-names",
            "--target-names",
            help="Names of the classes, labels or numbers in the order of the model's outputs: a,b,c, or a "
            "file.",
        ),
    ] = None


@dataclass(frozen=True)
class Asking:
    """Options of every command that reads a model."""

    outputs: Annotated[
        Outputs | None, typer.Option(help="Kind of the model's outputs, if its last layer does not show it.")
    ] = None
    seed: Seed = 0
    class_axis: Annotated[
        int | None,
        typer.Option(
            help="For a model with a class at each position, such as a pixel: the axis of its output that "
            "holds the classes, where 0 is that of the rows (default 1 for PyTorch, -1 for Keras)."
        ),
    ] = None
    of_label: Annotated[
        str | None,
        typer.Option(
            help="For a model with several labels at each position: the label whose map is assessed, by name "
            "or by position from 0."
        ),
    ] = None

    @property
    def request(self) -> Request:
        """The request of all options that are named like a wish, but for the outcome in a user's module.

        Raises:
            InputError: A value that cannot be used.
            FileError: The file of class names cannot be read.
        """
        given = {name: value for name, value in vars(self).items() if value is not None and name != "outcome"}
        read = {name: _READ[name](value) for name, value in given.items() if name in _READ}
        return Request.of(given | read | {"thresholds": getattr(self, "thresholds", None)})


@dataclass(frozen=True)
class Running(Asking):
    """Options of commands that run rows through the model."""

    output: Annotated[
        str | None, typer.Option(help="The output to use, if a model has several: name, or position from 0.")
    ] = None
    outcome: Annotated[
        str | None,
        typer.Option(
            help="Your own kind of answer, instead of the one that howsure reads from the model: "
            "package.module:Name of an Outcome."
        ),
    ] = None
    batch_size: Annotated[int, typer.Option(min=1, help="Number of rows that run together.")] = 256

    def asked(self, divide_by: float | None) -> Asked:
        """The request and the name of the outcome, which workers import.

        Args:
            divide_by: Number by which rows are divided first, or None.
        """
        return Asked(self.request, divide_by, self.outcome)


@dataclass(frozen=True)
class Wishes(Running, Names):
    """Options of commands that assess rows."""

    tile: Annotated[
        str | None,
        typer.Option(
            help="Assess large images or volumes in tiles with these sides: 512, or one number for each "
            "axis, 512,512.",
            metavar="SIDES",
        ),
    ] = None
    overlap: Annotated[
        int | None,
        typer.Option(min=0, help="Positions that neighbouring tiles share (default a quarter of the tile)."),
    ] = None


@dataclass(frozen=True)
class AssessWishes(Wishes):
    """Options of `howsure assess`."""

    keep: Annotated[
        Keep | None,
        typer.Option(
            help="Keep the probabilities of all classes at each position, not only that of the top class."
        ),
    ] = None


@dataclass(frozen=True)
class GraphWishes(Asking, Names):
    """Options of `howsure export`."""


@dataclass(frozen=True)
class RowColumns:
    """Meaning of the columns in a file of rows."""

    label_column: Annotated[
        str | None,
        typer.Option(
            help="Column with the true answers, if it is not called y. It is in --labels or in the rows."
        ),
    ] = None
    id_column: Annotated[
        str | None,
        typer.Option(
            help="Column with the id of each row in a .csv or .parquet file, if it is not called id."
        ),
    ] = None
    drop: Annotated[
        str | None,
        typer.Option(help="Columns of a .csv or .parquet file to ignore: a,b,c.", metavar="COLUMNS"),
    ] = None
    separator: Annotated[
        str | None,
        typer.Option(help="Character between the cells of .csv files, or the word tab (default a comma)."),
    ] = None
    decimal: Annotated[
        str | None, typer.Option(help="Decimal sign of the numbers in .csv files, . or , (default a point).")
    ] = None

    def form(self, *paths: Path | None) -> CsvForm:
        """The form of the csv files among some paths.

        Raises:
            InputError: It is given and there are none, or it cannot be used.
        """
        named = {name: value for name, value in vars(self).items() if name in ("separator", "decimal")}
        named = {name: value for name, value in named.items() if value is not None}
        if named and not any(path is not None and path.suffix.lower() == CSV for path in paths):
            raise InputError(f"--{next(iter(named))} has no effect without csv", expected="a .csv file")
        if named.get("separator") == "tab":
            named["separator"] = "\t"
        return CsvForm(**named)

    def roles(self, data: Path, labels: Path | None = None) -> Roles:
        """The meaning of the columns in a file of rows.

        Raises:
            InputError: The file has no columns, labels come from two places, or a name in --drop is empty.
                With a csv file of labels, --label-column is a column of that file.
        """
        label_column = self.label_column
        if label_column is not None and labels is not None and labels.suffix.lower() != CSV:
            raise InputError(
                "--labels and --label-column both say where the labels are",
                expected="one of the two, or a .csv file as --labels, of which --label-column names a column",
                received=f"--labels {labels} --label-column {label_column}",
                hint="Leave one of them out",
            )
        if labels is not None:
            label_column = None  # it is a column of that file
        named = given(RowColumns(label_column, self.id_column, self.drop))
        has_columns = data.suffix.lower() in (CSV, ".parquet") or (data.is_dir() and parquet_files(data))
        if named and not has_columns:
            raise InputError(
                f"{next(iter(named))} names columns, but '{data}' has no columns",
                expected="a .csv or .parquet file",
            )
        dropped = () if self.drop is None else tuple(name.strip() for name in self.drop.split(","))
        if "" in dropped:
            raise InputError(
                "--drop contains an empty name",
                expected="names of columns separated by commas",
                received=self.drop,
            )
        return Roles(label_column, self.id_column, tuple(dict.fromkeys(dropped)))


@dataclass(frozen=True)
class RowOptions(RowColumns):
    """Options of rows, and the place of their labels."""

    labels: Annotated[
        Path | None,
        typer.Option(
            help="File with the true classes or numbers, .npy or .csv; or, for a class of each pixel, a "
            "folder of .png files named like the images."
        ),
    ] = None
    divide_by: DivideBy = None

    def labels_of(self, rows: Rows, names: Sequence[str] | None) -> Array | None:
        """The labels in the file of labels, in the order of the rows; None without such a file.

        Raises:
            HowsureError: The file cannot be read, or holds labels of other rows.
        """
        if self.labels is None:
            return None
        form = self.form(self.labels) if self.labels.suffix.lower() == CSV else CsvForm()
        return read_labels(
            self.labels, rows, column=self.label_column, id_column=rows.id_name, names=names, form=form
        )


@dataclass(frozen=True)
class MethodOptions:
    """Options of the method that draws the passes."""

    method: Annotated[
        MethodName | None,
        typer.Option(
            help="Method that draws the passes (default mc-dropout, or ensemble with --member). "
            "A scikit-learn model has a method of its own."
        ),
    ] = None
    member: Member = None
    passes: Annotated[int | None, typer.Option(help="Draw this number of passes for every row.")] = None
    target_error: Annotated[
        float | None,
        typer.Option(
            help="Or draw passes until no probability has a larger standard error (default 0.01). For "
            "numbers: as a share of the number's standard deviation (default 0.05)."
        ),
    ] = None
    max_error: Annotated[
        float | None,
        typer.Option(
            help="For numbers, instead of --target-error: largest standard error in the unit of the target."
        ),
    ] = None
    max_passes: Annotated[int | None, typer.Option(help="Draw at most this number of passes for a row.")] = (
        None
    )
    budget: Annotated[
        float | None,
        typer.Option(
            help="Cost at most this many plain predictions a row, on average, everything included (default "
            "20, or more for small networks; no limit with --target-error, --max-error or --max-passes)."
        ),
    ] = None
    plan: Annotated[
        Path | None,
        typer.Option(
            help="Plan from `howsure audit --save-plan`, so that a row's numbers do not depend on other rows."
        ),
    ] = None
    keep_off: KeepOff = None

    @property
    def members(self) -> list[Path]:
        """The other models of an ensemble."""
        return self.member or []

    @property
    def choice(self) -> Choice:
        """The method by its name; an ensemble where there are members and no name."""
        alone = ENSEMBLE.option if self.members else None
        return choice_of(alone if self.method is None else self.method.value)

    @property
    def dropout(self) -> MCDropout:
        """Settings of MC dropout.

        Raises:
            InputError: A value that cannot be used.
            FileError: The plan cannot be read.
        """
        plan = None if self.plan is None else Plan.load(self.plan)
        return MCDropout(
            passes=self.passes,
            target_error=self.target_error,
            max_error=self.max_error,
            max_passes=self.max_passes,
            budget=self.budget,
            plan=plan,
            keep_off=self.keep_off or (),
        )

    def check(self, dropout: MCDropout) -> None:
        """Raise an `InputError` if members are missing, or if an option would have no effect."""
        choice = self.choice
        if choice.takes_members and not self.members:
            raise InputError(
                f"--method {choice.option} needs other models", expected="--member, once or more"
            )
        if self.members and not choice.takes_members:
            raise InputError(f"--member has no effect with --method {choice.option}", expected="an ensemble")
        if not choice.takes_dropout and dropout != MCDropout():
            raise InputError(
                f"Passes and plans have no effect with --method {choice.option}",
                expected="--method mc-dropout, or mc-dropout-ensemble with --member",
            )


@dataclass(frozen=True)
class Opening:
    """Options for opening a model file."""

    weights: Weights = None
    allow_code: AllowCode = False


def named_or_placed(output: str) -> str | int:
    """An output as Python names it: a whole number is a position."""
    return int(output) if output.isdecimal() else output


def sides_in(text: str) -> int | list[int]:
    """Sides of tiles: `512` is one for all axes, `512,512` one for each.

    Raises:
        InputError: Anything but whole numbers from 1 on.
    """
    sides = [side.strip() for side in text.split(",")]
    if not all(side.isascii() and side.isdecimal() and int(side) for side in sides):
        raise InputError(
            "--tile takes whole numbers", expected="512, or one for each axis: 512,512", received=text
        )
    return int(sides[0]) if len(sides) == 1 else [int(side) for side in sides]


_READ: dict[str, Callable[[Any], Any]] = {
    "outputs": str,
    "keep": str,
    "output": named_or_placed,
    "of_label": named_or_placed,
    "class_names": read_class_names,
    "tile": sides_in,
}
"""Readers of the texts of options, for wishes that take something else than the text."""


def consoles(quiet: bool) -> tuple[Console, Console]:
    """The consoles for progress (stderr) and for results (stdout); both print nothing if `quiet`."""
    return Console(stderr=True, quiet=quiet), Console(quiet=quiet)


def say_version(wanted: bool) -> None:
    """Print the version and exit, if `wanted`."""
    if wanted:
        typer.echo(f"howsure {howsure.__version__}")
        raise typer.Exit


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command in the form for typer: each group is replaced by its options.

    Args:
        command: A function. Some of its parameters may be dataclasses whose fields are options.
    """
    given = inspect.signature(command, eval_str=True).parameters.values()
    groups: dict[str, Any] = {each.name: each.annotation for each in given if is_dataclass(each.annotation)}
    spread = list[inspect.Parameter]()
    for each in given:
        if each.name in groups:
            hints = get_type_hints(each.annotation, include_extras=True)
            spread += [
                inspect.Parameter(
                    option.name,
                    each.KEYWORD_ONLY,
                    default=each.empty if option.default is MISSING else option.default,
                    annotation=hints[option.name],
                )
                for option in fields(each.annotation)
            ]
        else:
            spread.append(each.replace(kind=each.KEYWORD_ONLY))

    @functools.wraps(command)
    def run(**options: Any) -> None:
        made = {
            name: group(**{option.name: options.pop(option.name) for option in fields(group)})
            for name, group in groups.items()
        }
        command(**options, **made)

    run.__signature__ = inspect.Signature(spread)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in spread}
    return run


def given(options: Any) -> dict[str, object]:
    """The options of a group that do not have their default: values by the names that a user types."""
    found = dict[str, object]()
    for option in fields(options):
        value = getattr(options, option.name)
        if value != option.default:
            no = "no-" if value is False else ""
            found[f"--{no}{option.name.replace('_', '-')}"] = value
    return found


def check_exists(path: Path, what: str) -> None:
    """Raise a `FileError` if there is nothing at a path. The message calls it `what`."""
    try:
        path.stat()
    except FileNotFoundError as error:
        raise FileError(f"The {what} does not exist", received=path) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"The {what} cannot be read ({reason})", received=path) from error


def check_output(path: Path | None, endings: tuple[str, ...], taken: Sequence[Path]) -> None:
    """Raise if a path has another ending, cannot be written, or is one of the paths in `taken`."""
    if path is None:
        return
    check_ending(path, endings)
    place = check_place(path)
    for other in taken:
        if place == other.resolve() or (place.exists() and other.exists() and place.samefile(other)):
            raise InputError(f"'{path}' would overwrite '{other}'", expected="another name for the output")


def check_rows_given(data: Path | None, options: Iterable[str]) -> None:
    """Raise an `InputError` if an option needs rows and there are none."""
    first = next(iter(options), None)
    if data is None and first is not None:
        raise InputError(f"{first} has no effect without rows", expected=f"--data with {first}")
