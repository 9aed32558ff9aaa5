"""Settings: what a command takes besides its options, by the names of the arguments in Python.

`--set passes=50` gives one of them, and `--settings FILE` several, as lines of a TOML file. `Settings`
declares each one, and a method its own options. From these follow how a value is read, what `-h` says, and
the table in docs/command-line.md.
"""

from __future__ import annotations

import difflib
import inspect
import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from howsure.errors import InputError
from howsure.inputs.csv_files import CsvForm
from howsure.inputs.files import read_class_names
from howsure.inputs.formats import IN_WORDS, format_of, has_columns
from howsure.inputs.reading import reading
from howsure.inputs.tables import Roles
from howsure.methods.choices import DEFAULT, ENSEMBLE, OPTIONS
from howsure.request import Request
from howsure.results.thresholds import Thresholds
from howsure.scale.read import parquet_files


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting, with its type and its default; each command takes some of them. Methods have more.

    A text gets the first of several types that it can have: `output=1` is a position, and `background=1` a
    name if a class has that name.

    Attributes:
        label_column: Column with the true answers, of --labels or else of the rows, if it is not called y.
        drop: Columns of a {columns} file to ignore, such as note,colour.
        separator: Character between the cells of .csv files, or tab (a comma).
        decimal: Decimal sign of the numbers in .csv files, . or , (a point).
        divide_by: Number by which rows are divided first, such as 255 for images.
        skip_unreadable: Leave out images that cannot be read, and list them.
        normalise: Divide the probabilities of each row by their sum.
        several_labels: Each column is the probability of a label of its own.
        weights: File with the state dict of the module that a function makes.
        output: The output to use, if a model has several: name, or position from 0.
        outputs: Kind of the model's outputs, if its last layer does not show it, such as logits.
        levels: Shares of answers below the quantiles, for outputs=quantiles, such as 0.05,0.5,0.95.
        class_axis: Axis of the output with the classes of each position (1 for PyTorch, -1 for Keras).
        of_label: The label to take, if there are several, yes or no: name, or position from 0.
        batch_size: Number of rows that run together.
        tile: Sides of the tiles in which large images are assessed, such as 512.
        overlap: Positions that neighbouring tiles share (a quarter of a tile).
        members: Other models for an ensemble, trained from other seeds, such as b.keras,c.keras.
        precision: With float32 the plan is valid on every machine.
        sure: Least probability for the verdict sure (0.95).
        coin_flip: Largest lead over the second class for the verdict coin flip (0.2).
        keep: With probabilities: keep those of all classes at each position.
        above: Ask of each number whether it is above this one. Rows then have one of two classes.
        target: The number for above, if rows have several: name, or position.
        background: Class at each position that means of Dice and IoU leave out: name, or number.
        shifts: Files of the same rows in the same order, changed in some way, to compare as well.
        leave_out: Parts that rules do not have: calibration, sets, hand-over.
        part_rows: Rows in each part of a folder of results.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    """The options of methods that are given, by name; see `howsure.methods.protocol.Option`."""

    label_column: str | None = None
    drop: tuple[str, ...] = ()
    separator: str | None = None
    decimal: str | None = None
    divide_by: float | None = None
    skip_unreadable: bool = False
    normalise: bool = False
    several_labels: bool = False
    weights: Path | None = None
    output: int | str | None = None
    outputs: str | None = None
    levels: tuple[float, ...] = ()
    class_axis: int | None = None
    of_label: int | str | None = None
    batch_size: int = 256
    tile: int | tuple[int, ...] | None = None
    overlap: int | None = None
    members: tuple[Path, ...] = ()
    precision: str | None = None
    sure: float | None = None
    coin_flip: float | None = None
    keep: str | None = None
    above: float | None = None
    target: str | int | None = None
    background: str | int | None = None
    shifts: tuple[Path, ...] = ()
    leave_out: tuple[str, ...] = ()
    part_rows: int | None = None

    @property
    def given(self) -> list[str]:
        """Names of the settings that do not have their default."""
        own = [name for name, default in _DEFAULTS.items() if getattr(self, name) != default]
        return [*own, *self.options]

    @property
    def thresholds(self) -> Thresholds | None:
        """Thresholds of the verdicts, if there are any."""
        limits = {name: getattr(self, name) for name in VERDICTS if name in self.given}
        return Thresholds(**limits) if limits else None

    def request(self, class_names: str | None, seed: int) -> Request:
        """The wishes for an assessment.

        Args:
            class_names: Names `a,b,c`, or a file of them.
            seed: Seed of the masks.

        Raises:
            InputError: A value that cannot be used.
            FileError: The file of class names cannot be read.
        """
        names = None if class_names is None else read_class_names(class_names)
        arguments = {name: getattr(self, name) for name in _DEFAULTS if name in self.given}
        return Request.of(arguments | {"class_names": names, "seed": seed, "thresholds": self.thresholds})

    def csv_form(self, *paths: Path | None) -> CsvForm:
        """The form of the csv files among some paths.

        Raises:
            InputError: It is given and there are none, or it cannot be used.
        """
        form = {name: getattr(self, name) for name in ("separator", "decimal") if name in self.given}
        formats = [format_of(path) for path in paths if path is not None]
        if form and not any(format is not None and format.has_form for format in formats):
            raise InputError(f"`{next(iter(form))}` has no effect without csv", expected="a .csv file")
        if form.get("separator") == "tab":
            form["separator"] = "\t"
        return CsvForm(**form)

    def roles(self, data: Path, labels: Path | None, id_column: str | None) -> Roles:
        """The meaning of the columns in a file of rows, or in a table.

        Raises:
            InputError: Columns are named, and the file has none.
        """
        label_column = self.label_column if labels is None else None  # else a column of that file
        named = {"label_column": label_column, "--id-column": id_column, "drop": self.drop}
        first = next((name for name, value in named.items() if value), None)
        if first is not None and not (has_columns(data) or (data.is_dir() and parquet_files(data))):
            raise InputError(
                f"{first} names columns, but '{data}' has no columns",
                expected=f"a {IN_WORDS['columns']} file",
            )
        return Roles(label_column, id_column, tuple(dict.fromkeys(self.drop)))


# --- which command takes which ----------------------------------------------------------------------

FILES = ("label_column", "drop", "separator", "decimal")
VERDICTS = tuple(field.name for field in fields(Thresholds))
TABLES = (*FILES, "of_label", "normalise", "several_labels", "above", "target")
MODELS = (*FILES, "divide_by", "weights", "outputs", "class_axis")
PASSES = (*MODELS, "levels", "output", "batch_size", "keep_off")
ROWS = (*PASSES, *VERDICTS, "tile", "overlap", "members", "background")


# --- how they are read ------------------------------------------------------------------------------

_DEFAULTS = {field.name: field.default for field in fields(Settings) if field.name != "options"}
_HINTS = get_type_hints(Settings) | {name: option.kind for name, option in OPTIONS.items()}
_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", Path: "a path"}


def read_settings(assignments: Sequence[str], allowed: Sequence[str], command: str) -> Settings:
    """The settings that a caller gives.

    Args:
        assignments: Texts `NAME=VALUE`, and names of TOML files; a text goes before the line of a file.
        allowed: Names of the settings that the command takes.
        command: For messages.

    Raises:
        InputError: A name or value that cannot be used.
        FileError: A file cannot be read.
    """
    lines, texts = dict[str, Any](), dict[str, str]()
    for text in assignments:
        name, is_one, value = text.partition("=")
        if not is_one:
            lines |= _lines_of(Path(text))
            continue
        if name in texts:
            raise InputError(
                f"`{name}` is given twice", expected=f"it once; a list as {name}={texts[name]},{value}"
            )
        texts[name] = value
    for name in (*lines, *texts):
        _check_taken(name, allowed, command)
    read = {name: _read_value(name, value) for name, value in lines.items()}
    read |= {name: _read_value(name, text, from_text=True) for name, text in texts.items()}
    options = {name: read.pop(name) for name in OPTIONS if name in read}
    return Settings(**read, options=options)


def kinds_of(name: str) -> str:
    """The types of a setting, in words."""
    return " or ".join(_KINDS.get(kind, "a list, a,b") for kind in _kinds_of(name))


def _kinds_of(name: str) -> list[Any]:
    hint = _HINTS[name]
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    return [kind for kind in kinds if kind is not NoneType]


def _lines_of(path: Path) -> dict[str, Any]:
    """The lines of a TOML file."""
    if path.suffix != ".toml":
        raise InputError(
            f"'{path}' is no setting", expected="NAME=VALUE, such as passes=50, or a file that ends in .toml"
        )
    with reading(path, "text"):
        text = path.read_text(encoding="utf-8")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        expected = 'lines such as passes = 50, outputs = "logits" or drop = ["a", "b"]'
        raise InputError(f"'{path}' is no TOML: {error}", expected=expected) from error


def _check_taken(name: str, allowed: Sequence[str], command: str) -> None:
    """Raise an `InputError` unless a command takes a setting of this name."""
    if name in allowed:
        return
    alike = difflib.get_close_matches(name.replace("-", "_"), allowed, 1)
    if name == "allow_code":
        why = "no file can allow code: type --allow-code"
    elif alike:
        why = f"perhaps {alike[0]} is meant"
    else:
        why = "other commands do" if name in _HINTS else "--out and other options are none"
    raise InputError(
        f"howsure {command} takes no setting `{name}`; {why}", expected=", ".join(sorted(allowed))
    )


def _read_value(name: str, value: Any, *, from_text: bool = False) -> Any:
    """A value in the first type of a setting that it can be; a text may be a number, and a list of texts."""
    for kind in _kinds_of(name):
        items = value
        if from_text and get_origin(kind) is tuple:
            items = [part.strip(" '\"") for part in value.strip("[]()").split(",")]
            if "" in items:
                continue
        with suppress(msgspec.ValidationError):
            return msgspec.convert(items, kind, strict=not from_text, dec_hook=_path)
    raise InputError(f"`{name}` cannot be used", expected=kinds_of(name), received=repr(value))


def _path(kind: type, value: object) -> object:
    if not isinstance(value, str):
        raise msgspec.ValidationError("no path")
    return kind(value)


# --- settings that are typed as options --------------------------------------------------------------


def of_an_option(option: str, value: str | None, allowed: Sequence[str]) -> str | None:
    """The error for an option that is a setting; None for any other option.

    Args:
        option: As it was typed, `--passes`.
        value: The word after it, or None.
        allowed: Names of the settings that the command takes.
    """
    name = option.removeprefix("--").replace("-", "_")
    if name not in allowed:
        return None
    value = "true" if bool in _kinds_of(name) else value or "VALUE"
    return f"{option} is a setting: write --set {shlex.quote(f'{name}={value}')}"


def sentences_of(kind: type) -> dict[str, str]:
    """The sentence about each field in the docstring of a dataclass, or of its base classes.

    Endings of files stand there as names in braces, such as `{rows}`; see `howsure.inputs.formats`. So do
    the options of the methods that are used by default.
    """
    sentences = dict[str, str]()
    for base in reversed(kind.__mro__):
        _, _, listed = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")
        lines = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", listed, re.M)
        sentences |= {name: _filled_in(" ".join(text.split())) for name, text in lines}
    return sentences


def _filled_in(sentence: str) -> str:
    names = {**IN_WORDS, "default": DEFAULT.option, "ensemble": ENSEMBLE.option}
    for name, words in names.items():
        sentence = sentence.replace(f"{{{name}}}", words)
    return sentence


SENTENCES = sentences_of(Settings) | {name: option.sentence for name, option in OPTIONS.items()}
"""The sentence about each setting, also about the options of methods."""
