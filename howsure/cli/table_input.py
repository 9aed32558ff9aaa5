"""The input of commands: a table, the meaning of its columns, and its labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import howsure
from howsure.answers.printed import kind_of
from howsure.answers.registry import answer_of, part_of
from howsure.bare.files import FileColumns, read_result, read_sample
from howsure.cli.hints import paragraph
from howsure.cli.options import Above, RowColumns, VerdictLimits, check_exists, consoles, named_or_placed
from howsure.data.files import read_class_names
from howsure.data.label_files import LabelFile, LabelFolder, read_label_file
from howsure.errors import InputError
from howsure.scale.parts import is_results, rows_of_input
from howsure.scale.work import outcome_named

Table = Annotated[
    Path,
    typer.Argument(
        help="A table from `howsure assess`; or probabilities, or numbers in columns mean and std: .parquet, "
        ".csv or .npy."
    ),
]
Normalise = Annotated[
    bool, typer.Option("--normalise", help="Divide the probabilities of each row by their sum.")
]
SeveralLabels = Annotated[
    bool, typer.Option("--several-labels", help="Each column is the probability of a label of its own.")
]


@dataclass(frozen=True)
class TableOptions(RowColumns, Above):
    """Meaning of the columns in a table, and the place of its labels."""

    labels: Annotated[
        Path | None,
        typer.Option(
            help="File with the true answers, .npy or .csv, if the table lacks them; or, for a class of each "
            "pixel, a folder of .png files named like the images."
        ),
    ] = None
    class_names: Annotated[
        str | None,
        typer.Option(
            "--class-names",
            "--target-names",
            help="Names of the columns that are classes, or class names in their order: a,b,c or a file. For "
            "numbers: names of the targets, whose columns are mean.NAME and std.NAME.",
        ),
    ] = None
    normalise: Normalise = False
    several_labels: SeveralLabels = False
    of_label: Annotated[
        str | None,
        typer.Option(
            help="The label to take, if a row has several, yes or no: by name, or by position from 0."
        ),
    ] = None
    outcome: Annotated[
        str | None,
        typer.Option(
            help="Your own kind of answer, for a table of such answers: package.module:Name of an Outcome. "
            "Its module adds the kind."
        ),
    ] = None

    def columns(self, table: Path, *others: Path | None) -> FileColumns:
        """The meaning of the columns in a table, and the form of csv files among it, its labels and `others`.

        Raises:
            InputError: Options that do not fit the table.
            FileError: A file or module does not exist.
        """
        self.check()
        if self.outcome is not None:
            outcome_named(self.outcome)
        roles = self.roles(table, self.labels)
        names = None if self.class_names is None else read_class_names(self.class_names)
        in_file = None if self.labels is None else self.label_column
        limits = self.thresholds if self.above is None else None
        form = self.form(table, self.labels, *others)
        return FileColumns(names, roles, self.several_labels, self.normalise, in_file, limits, form=form)

    @property
    def asks(self) -> bool:
        """Whether rows are judged by the answer to a question about them."""
        return self.above is not None or self.of_label is not None

    def asked(self, result: Any) -> Any:
        """The result as it is, or the answer to the question of `--above` or `--of-label`.

        Raises:
            InputError: The rows have no such numbers or labels.
        """
        if self.of_label is not None:
            if not hasattr(result, "of_label"):
                raise InputError(
                    f"`of_label` has no effect on {answer_of(result).in_words}",
                    expected="several labels per row",
                )
            result = result.of_label(named_or_placed(self.of_label))
        return self.of(result, self.thresholds)

    @property
    def thresholds(self) -> howsure.Thresholds | None:
        """Thresholds of the verdicts, or None."""
        return None


@dataclass(frozen=True)
class JudgedOptions(VerdictLimits, TableOptions):
    """Options of commands that give verdicts on tables."""


@dataclass(frozen=True)
class Input:
    """The input of a command.

    Attributes:
        table: The table.
        labels: A file of labels, or None.
        columns: Meaning of the columns in the table.
        asked: Puts the question of `--above` or `--of-label` to a result, if there is one.
        console: Console for results.
        taken: All input files; no output may overwrite them.
    """

    table: Path
    labels: Path | None
    columns: FileColumns
    asked: Callable[[Any], Any]
    console: Console
    taken: list[Path]

    @classmethod
    def of(cls, table: Path, options: TableOptions, quiet: bool, *others: Path | None) -> Input:
        """The input of a command; raise if a file in it, or among `others`, does not exist."""
        columns = replace(options.columns(table, *others), labelled=False)
        taken = check_paths(table, options.labels, *others)
        return cls(table, options.labels, columns, options.asked, consoles(quiet)[1], taken)

    def sample(self, *parts: str) -> tuple[Any, int]:
        """The result in the table, or a random sample of a large folder; and the number of all rows.

        Args:
            parts: Parts that the command needs, of which the kind of the result must have one.

        Raises:
            InputError: It has none.
        """
        columns = replace(self.columns, labelled=bool(parts))
        result, total = read_sample(self.table, columns, for_scores=bool(parts))
        asked = self.asked(result[:0])
        if parts and not any(answer_of(asked).has(part) for part in parts):
            part_of(asked, parts[0])
        if total > len(result):
            said = f"{len(result):,} of {total:,} {kind_of(result)}s were drawn at random for this."
            paragraph(self.console, said)
        if self.labels is not None:
            known = label_file_of(result, self.table, self.labels, self.columns)
            result = result.with_truth(labels_of(result, self.table, known))
        return self.asked(result), total

    def labelled(self, *parts: str) -> Any:
        """The result with labels; raise if there are none, or if its kind has none of the parts."""
        result, _ = self.sample(*parts)
        if not result.has("truth") or result.truth is None:
            raise InputError(
                f"'{self.table}' holds no true answers",
                expected="--labels FILE, or a column y, or --label-column COLUMN",
            )
        return result


def check_paths(table: Path, labels: Path | None, *others: Path | None) -> list[Path]:
    """All paths that were given; raise if one does not exist."""
    check_exists(table, "table")
    if labels is not None:
        check_exists(labels, "file of labels")
    given = [other for other in others if other is not None]
    for other in given:
        check_exists(other, "file")
    return [path for path in (table, labels, *given) if path is not None]


def read(table: Path, columns: FileColumns, labels: Path | None = None) -> Any:
    """The result in a file, with the labels of another file, if there is one."""
    result = read_result(table, columns)
    if labels is None:
        return result
    return result.with_truth(labels_of(result, table, label_file_of(result, table, labels, columns)))


def label_file_of(result: Any, table: Path, labels: Path, columns: FileColumns) -> LabelFile | LabelFolder:
    """The file of labels for a table. It has ids if a column has the same name as in the table.

    For a folder it holds one label for each row of the input, also for rows without a result.
    """
    id_name = result.id_name if result.has("id_name") else None
    names = getattr(result, result.names)
    known = read_label_file(
        labels, column=columns.label_in_file, id_column=id_name, names=names, form=columns.form
    )
    if not is_results(table):
        return known
    total = rows_of_input(table)
    if isinstance(known, LabelFile) and result.has("ids") and result.ids is not None:
        known.check_count_by_id(total)
    else:
        known.check_count(total)
    return known


def labels_of(result: Any, table: Path, known: LabelFile | LabelFolder) -> Any:
    """The labels of all rows of a table; for a folder, those of the rows in `result`."""
    return known.of_some(result, result.row) if is_results(table) else known.of(result)
