"""Commands that read tables: from `howsure assess`, or probabilities from other programs."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

import howsure
from howsure.answers.classes import maps
from howsure.answers.classes.choose import CHOSEN
from howsure.answers.classes.sets import SCORES
from howsure.answers.files import BETWEEN
from howsure.answers.printed import kind_of
from howsure.answers.registry import part_of
from howsure.atomic import write_whole
from howsure.bare.files import Columns, read_parts, read_result, read_sample
from howsure.cli.columns import RowColumns
from howsure.cli.options import Limits, Quiet, consoles
from howsure.cli.output import STDOUT, check_table, write_table
from howsure.cli.paths import check_exists, check_output
from howsure.data.files import read_class_names
from howsure.data.label_files import LabelFile, read_label_file
from howsure.errors import InputError
from howsure.judge.calibrator_files import read_calibrator
from howsure.report import write_report
from howsure.results.export import write_csv_lines
from howsure.scale.recipe import OutcomeSource
from howsure.scale.there import check_by_place, missing_in, rows_of_input
from howsure.terminal import paragraph, say, summary, undecided_table
from howsure.words import counted

SHOWN = 10

ScoreName = StrEnum("ScoreName", {name: name for name in SCORES})  # type: ignore[misc]
MapName = StrEnum("MapName", {name: name for name in maps.METHODS})  # type: ignore[misc]
Which = StrEnum("Which", {name.replace("-", "_"): name for name in CHOSEN})  # type: ignore[misc]


Table = Annotated[
    Path,
    typer.Argument(help="A table from `howsure assess`, or probabilities: .parquet, .csv or .npy."),
]
Normalise = Annotated[
    bool, typer.Option("--normalise", help="Divide the probabilities of each row by their sum.")
]


@dataclass(frozen=True)
class TableOptions(RowColumns):
    """Meaning of the columns in a table, and the place of its labels."""

    labels: Annotated[
        Path | None, typer.Option(help="File with the true classes, .npy or .csv, if the table lacks them.")
    ] = None
    class_names: Annotated[
        str | None,
        typer.Option(
            help="Names of the columns that are classes, or class names in their order: a,b,c or a file."
        ),
    ] = None
    normalise: Normalise = False
    outcome: Annotated[
        str | None,
        typer.Option(
            help="Your own kind of answer, for a table of such answers: package.module:Name of an Outcome. "
            "Its module adds the kind."
        ),
    ] = None

    def columns(self, table: Path) -> Columns:
        """The meaning of the columns in a table.

        Args:
            table: The file.

        Raises:
            InputError: Options that do not fit the table.
            FileError: A file or module does not exist.
        """
        if self.outcome is not None:
            OutcomeSource(self.outcome).load()
        roles = self.roles(table, self.labels)
        names = None if self.class_names is None else read_class_names(self.class_names)
        in_file = None if self.labels is None else self.label_column
        return Columns(names, roles, self.of_labels, self.normalise, in_file, self.thresholds)

    @property
    def of_labels(self) -> bool:
        """Whether each column is the probability of a label of its own."""
        return False

    @property
    def thresholds(self) -> howsure.Thresholds | None:
        """Thresholds of the verdicts, or None."""
        return None


@dataclass(frozen=True)
class AnyTableOptions(TableOptions):
    """Options of tables whose rows may have several labels."""

    several_labels: Annotated[
        bool, typer.Option("--several-labels", help="Each column is the probability of a label of its own.")
    ] = False

    @property
    def of_labels(self) -> bool:
        """Whether each column is the probability of a label of its own."""
        return self.several_labels


@dataclass(frozen=True)
class JudgedOptions(Limits, AnyTableOptions):
    """Options of commands that give verdicts on such tables."""


@dataclass(frozen=True)
class HandedOptions(Limits, TableOptions):
    """Options of commands that give verdicts on tables with one class per row."""


@dataclass(frozen=True)
class SetOptions:
    """Options of prediction sets."""

    coverage: Annotated[float, typer.Option(help="Promised share of sets that contain the true class.")] = (
        0.95
    )
    score: Annotated[ScoreName, typer.Option(help="Score that decides which classes are in a set.")] = (
        ScoreName["lac"]
    )
    by_class: Annotated[
        bool, typer.Option("--by-class", help="Promise the coverage for each class by itself.")
    ] = False
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random part in the scores aps and raps.")] = 0


New = Annotated[Path | None, typer.Option(help="A table of new rows, to which to apply the result.")]


@dataclass(frozen=True)
class Input:
    """What a command reads.

    Attributes:
        table: The table.
        labels: A file of labels, or None.
        columns: Meaning of the columns in the table.
        console: Console for results.
        taken: All input files; no output may overwrite them.
    """

    table: Path
    labels: Path | None
    columns: Columns
    console: Console
    taken: list[Path]

    @classmethod
    def of(cls, table: Path, options: TableOptions, quiet: bool, *others: Path | None) -> Input:
        """The input of a command; raise if a file in it, or among `others`, does not exist."""
        columns = options.columns(table)
        taken = check_paths(table, options.labels, *others)
        return cls(table, options.labels, columns, consoles(quiet)[1], taken)

    def sample(self, part: str | None = None, without: Collection[str] = ()) -> tuple[Any, int]:
        """The result in the table, or a random sample of a large folder; and the number of all rows.

        Raises:
            InputError: The kind of the result does not have the part that the command needs.
        """
        result, total = read_sample(self.table, self.columns, without=without)
        if part is not None:
            part_of(result, part)
        if total > len(result):
            said = f"{len(result):,} of {total:,} {kind_of(result)}s were drawn at random for this."
            paragraph(self.console, said)
        if self.labels is None:
            return result, total
        known = label_file_of(result, self.table, self.labels, self.columns)
        return result.with_truth(labels_of(result, self.table, known)), total

    def labelled(self, part: str) -> Any:
        """The result with labels; raise if there are none, or if its kind does not have the part."""
        result, _ = self.sample(part, without=BETWEEN)
        if not result.has("truth") or result.truth is None:
            raise InputError(
                f"'{self.table}' holds no true classes",
                expected="--labels FILE, or a column y, or --label-column COLUMN",
            )
        return result


# --- the commands -------------------------------------------------------------------------------------


def evaluate_command(
    table: Table,
    options: AnyTableOptions,
    outside: Annotated[
        Path | None,
        typer.Option(help="A table of out-of-distribution (OOD) rows: they belong to none of the classes."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write the scores to, .csv.")] = None,
    quiet: Quiet = False,
) -> None:
    """Check percentages against the true classes: scores, each with its 95 % interval."""
    given = Input.of(table, options, quiet, outside)
    if out is not None:
        check_output(out, ".csv", given.taken)
    result = given.labelled("evaluate")
    strangers: Any = (
        None if outside is None else read_sample(outside, given.columns.alike, without=BETWEEN)[0]
    )
    evaluation = howsure.evaluate(result, outside=strangers)
    say(given.console, str(evaluation))
    if out is not None:
        _write_csv(out, part_of(result, "score_lines")(result, evaluation))
        say(given.console, f"\nScores:  {out}")


def calibrate_command(
    table: Table,
    options: JudgedOptions,
    method: Annotated[
        MapName | None, typer.Option(help="Method of calibration (default temperature).")
    ] = None,
    calibrator: Annotated[
        Path | None, typer.Option(help="Calibrator to apply to the table, instead of fitting one.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write the calibrator to, .json. With --calibrator: the calibrated table, .parquet, "
            ".csv, .jsonl, or - for csv to stdout."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the folds and of the bootstrap.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Fit a calibrator of percentages on labelled rows, or apply one to a table."""
    given = Input.of(table, options, quiet, calibrator)
    if out is not None:
        if calibrator is None:
            check_output(out, ".json", given.taken)
        else:
            check_table(out, given.taken)
    if calibrator is None:
        kind = None if method is None else method.value
        known = given.labelled("calibrate")
        learnt = howsure.calibrate(known, method=kind, seed=seed)
        paragraph(given.console, learnt.in_words())
        if out is not None:
            learnt.save(out)
            say(given.console, f"\nCalibrator:  {out}")
        return
    if method is not None:
        raise InputError("--method has no effect with --calibrator", expected="one of the two")
    if seed:
        raise InputError("--seed has no effect with --calibrator", expected="one of the two")
    if out is None:
        raise InputError("--calibrator needs a file for the calibrated table", expected="--out TABLE.parquet")
    map_of: Any = read_calibrator(calibrator)
    calibrated = map_of(read(table, given.columns, options.labels))
    write_table(calibrated, out)
    if out == STDOUT:
        return
    paragraph(given.console, summary(calibrated))
    say(given.console, f"\nTable:   {out}")


def sets_command(
    table: Table,
    options: TableOptions,
    promise: SetOptions,
    new: New = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write the sets of the --new rows to, .csv.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Fit prediction sets with a promised coverage on labelled rows, and give them for new rows."""
    given = Input.of(table, options, quiet, new)
    _check_new(new, out)
    if out is not None:
        check_output(out, ".csv", given.taken)
    known = given.labelled("prediction_sets")
    fitted = howsure.prediction_sets(known, **vars(promise) | {"score": promise.score.value})
    paragraph(given.console, str(fitted))
    if new is None:
        return
    sizes: Counter[int] = Counter()
    kind = "row"

    def lines() -> Iterator[list[Any]]:
        nonlocal kind
        for number, rows in enumerate(read_parts(new, given.columns.alike)):
            kind, found, sets = rows.kind, fitted(rows).sum(axis=1).tolist(), fitted.in_words(rows)
            sizes.update(found)
            if not number:
                ids = [] if rows.ids is None else [rows.id_name]
                yield ["row", *ids, "label", "set", "classes"]
            for i, row in enumerate(rows):
                yield [row.row, *([] if row.id is None else [row.id]), row.label_name, sets[i], found[i]]

    if out is None:
        deque(lines(), maxlen=0)
    else:
        _write_csv(out, lines())
    counts = [f"{sizes[size]:,} of {size}" for size in sorted(sizes)]
    say(
        given.console,
        f"\nSets of {counted(sizes.total(), kind)} by their number of classes: {', '.join(counts)}.",
    )
    if out is not None:
        say(given.console, f"Sets:    {out}")


def abstain_command(
    table: Table,
    options: TableOptions,
    risk: Annotated[
        float, typer.Option(help="Largest share of mistakes among the rows that the model keeps.")
    ] = 0.001,
    confidence: Annotated[float, typer.Option(help="Probability that the promise holds.")] = 0.95,
    new: New = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write the --new rows for a person to: .csv, or .json for Label Studio."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Learn from labelled rows which rows to give to a person, so that few of the others are wrong."""
    given = Input.of(table, options, quiet, new)
    _check_new(new, out)
    _check_handed(out, given.taken)
    known = given.labelled("abstain")
    rule = howsure.abstain(known, risk=risk, confidence=confidence)
    paragraph(given.console, rule.in_words())
    if new is None:
        return
    rows, total = _kept(new, given.columns.alike, None, rule)
    say(given.console, f"\nFor a person: {len(rows):,} of {counted(total, f'new {rows.kind}')}.")
    if out is not None:
        howsure.hand_over(rows, np.ones(len(rows), dtype=bool), out)
        say(given.console, f"Rows:    {out}")


def handover_command(
    table: Table,
    options: HandedOptions,
    out: Annotated[
        Path, typer.Option(help="File to write the rows for a person to: .csv, or .json for Label Studio.")
    ],
    which: Annotated[Which, typer.Option(help="Rows to choose.")] = Which["coin_flips"],
    most: Annotated[
        int | None, typer.Option(min=0, help="Choose only this number of rows, the most undecided ones.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write the rows that a person should look at, the most undecided first."""
    given = Input.of(table, options, quiet)
    _check_handed(out, given.taken)
    rows, total = _kept(table, given.columns, options.labels, partial(_chosen, which), most)
    chosen = rows.most_undecided()[:most]
    howsure.hand_over(rows, chosen, out)
    say(given.console, f"For a person: {len(chosen):,} of {counted(total, rows.kind)}.")
    say(given.console, f"Rows:    {out}")


def report_command(
    table: Table,
    options: JudgedOptions,
    report: Annotated[Path, typer.Option(help="HTML page to write, .html.")],
    quiet: Quiet = False,
) -> None:
    """Write a page about a table: verdicts, coin flips and, with labels, whether the percentages are true."""
    given = Input.of(table, options, quiet)
    check_output(report, ".html", given.taken)
    result, total = given.sample()
    drawn_from = total if total > len(result) else None
    write_report(report, result, drawn_from=drawn_from, missing=missing_in(table))
    paragraph(given.console, summary(result))
    if len(result):
        say(given.console, "\nThe most undecided:\n")
        given.console.print(undecided_table(result, SHOWN))
    say(given.console, f"\nReport:  {report}")


COMMANDS: dict[str, Callable[..., None]] = {
    "evaluate": evaluate_command,
    "calibrate": calibrate_command,
    "sets": sets_command,
    "abstain": abstain_command,
    "handover": handover_command,
    "report": report_command,
}


# --- what commands share ------------------------------------------------------------------------------


def check_paths(table: Path, labels: Path | None, *others: Path | None) -> list[Path]:
    """All paths that were given; raise if one does not exist."""
    check_exists(table, "table")
    if labels is not None:
        check_exists(labels, "file of labels")
    given = [other for other in others if other is not None]
    for other in given:
        check_exists(other, "file")
    return [path for path in (table, labels, *given) if path is not None]


def _check_new(new: Path | None, out: Path | None) -> None:
    if out is not None and new is None:
        raise InputError(
            "--out needs --new",
            expected="--new TABLE with --out",
            hint="howsure prints what it learns without --out",
        )


def _check_handed(out: Path | None, taken: Sequence[Path]) -> None:
    if out is not None:
        check_output(out, (".csv", ".json"), taken)


def read(table: Path, columns: Columns, labels: Path | None = None) -> Any:
    """The result in a file, with the labels of another file, if there is one."""
    result = read_result(table, columns)
    if labels is None:
        return result
    return result.with_truth(labels_of(result, table, label_file_of(result, table, labels, columns)))


def label_file_of(result: Any, table: Path, labels: Path, columns: Columns) -> LabelFile:
    """The file of labels for a table. It has ids if a column has the same name as in the table.

    For a folder it holds one label for each row of the input, also for rows without a result.
    """
    id_name = result.id_name if result.has("id_name") else None
    known = read_label_file(labels, column=columns.label_in_file, id_column=id_name)
    if not table.is_dir():
        return known
    known.check_count(rows_of_input(table))
    if known.ids is None:
        check_by_place(table)
    return known.decided(result.truth_names)


def labels_of(result: Any, table: Path, known: LabelFile) -> Any:
    """The labels of all rows of a table; for a folder, those of the rows in `result`."""
    ids = result.ids if result.has("ids") else None
    return known.of_some(ids, result.row) if table.is_dir() else known.of(ids)


def _kept(
    table: Path,
    columns: Columns,
    labels: Path | None,
    keep: Callable[[Any], Any],
    most: int | None = None,
) -> tuple[Any, int]:
    """The rows that `keep` chooses, and the number of all rows. A folder is read part by part.

    With `most`, only that number of the most undecided rows of each part is kept in memory.
    """
    known: LabelFile | None = None
    kept, total = list[Any](), 0
    for part in read_parts(table, columns):
        part_of(part, "hand_over")
        if labels is not None:
            known = known or label_file_of(part, table, labels, columns)
            part = part.with_truth(labels_of(part, table, known))
        total += len(part)
        chosen = part[keep(part)]
        kept.append(chosen if most is None else chosen[np.sort(chosen.most_undecided()[:most])])
    return kept[0].joined(kept), total


def _chosen(which: Which, rows: Any) -> Any:
    """(N,) whether each row is chosen for a person."""
    return part_of(rows, "choose")(rows, which.value)


def _write_csv(path: Path, lines: Iterable[Sequence[Any]]) -> None:
    def write(temporary: str) -> None:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            write_csv_lines(lines, file)

    write_whole(path, write)
