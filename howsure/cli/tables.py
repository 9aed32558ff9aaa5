"""Commands on results that are there: tables that `howsure assess` wrote, or probabilities from elsewhere."""

from __future__ import annotations

import functools
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
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
from howsure.cli.grouped import grouped
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
    typer.Argument(help="A table that `howsure assess` wrote, or probabilities: .parquet, .csv or .npy."),
]
Normalise = Annotated[
    bool, typer.Option("--normalise", help="Divide the probabilities of each row by their sum.")
]


@dataclass(frozen=True)
class TableOptions(RowColumns):
    """What the columns of a table are for, and where labels are."""

    labels: Annotated[
        Path | None, typer.Option(help="True classes, .npy or .csv, where not in the table.")
    ] = None
    class_names: Annotated[
        str | None,
        typer.Option(
            help="Names of the columns that are classes, or of the classes in order: a,b,c or a file."
        ),
    ] = None
    normalise: Normalise = False

    outcome: Annotated[
        str | None,
        typer.Option(
            help="What an answer in the table is, where howsure does not know that kind: "
            "package.module:Name of an Outcome, whose module adds it."
        ),
    ] = None

    def columns(self, table: Path) -> Columns:
        """What the columns of a table are for, as it is read.

        Args:
            table: The file.

        Raises:
            InputError: Options that do not fit the table.
            FileError: A file or module that is not there.
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
        """Where the verdicts lie, or None."""
        return None


@dataclass(frozen=True)
class AnyTableOptions(TableOptions):
    """The same where a row may have several labels."""

    several_labels: Annotated[
        bool, typer.Option("--several-labels", help="Each column is the probability of a label of its own.")
    ] = False

    @property
    def of_labels(self) -> bool:
        """Likewise."""
        return self.several_labels


@dataclass(frozen=True)
class JudgedOptions(Limits, AnyTableOptions):
    """The same where verdicts on given probabilities are told."""


@dataclass(frozen=True)
class HandedOptions(Limits, TableOptions):
    """The same for one class per row."""


@dataclass(frozen=True)
class SetOptions:
    """What is promised of sets."""

    coverage: Annotated[float, typer.Option(help="Share of sets that hold the true class.")] = 0.95
    score: Annotated[ScoreName, typer.Option(help="By what classes are taken into a set.")] = ScoreName["lac"]
    by_class: Annotated[bool, typer.Option("--by-class", help="Promise it for every class.")] = False
    seed: Annotated[int, typer.Option(min=0, help="Of the scores aps and raps.")] = 0


New = Annotated[Path | None, typer.Option(help="A table of other rows, to which this is applied.")]


# --- the commands -------------------------------------------------------------------------------------


def evaluate_command(
    table: Table,
    options: AnyTableOptions,
    outside: Annotated[Path | None, typer.Option(help="A table of rows that belong to no class.")] = None,
    out: Annotated[Path | None, typer.Option(help="Scores to write, .csv.")] = None,
    quiet: Quiet = False,
) -> None:
    """Say whether percentages are true: scores against true classes, each with its 95 % interval."""
    console = consoles(quiet)[1]
    asked = options.columns(table)
    taken = check_paths(table, options.labels, outside)
    if out is not None:
        check_output(out, ".csv", taken)
    result = _labelled(console, table, asked, options.labels, "evaluate")
    strangers: Any = None if outside is None else read_sample(outside, asked.alike, without=BETWEEN)[0]
    evaluation = howsure.evaluate(result, outside=strangers)
    say(console, str(evaluation))
    if out is not None:
        _write_csv(out, part_of(result, "score_lines")(result, evaluation))
        say(console, f"\nScores:  {out}")


def calibrate_command(
    table: Table,
    options: JudgedOptions,
    method: Annotated[MapName | None, typer.Option(help="Which map to fit (default temperature).")] = None,
    calibrator: Annotated[
        Path | None, typer.Option(help="A calibrator to apply to the table, instead of learning one.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The calibrator to write, .json; or with --calibrator the table: .parquet, .csv, .jsonl, "
            "or - for csv to stdout."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of folds and replicas.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Learn from labelled rows how to mend percentages, or mend those of a table."""
    console = consoles(quiet)[1]
    asked = options.columns(table)
    taken = check_paths(table, options.labels, calibrator)
    if out is not None:
        if calibrator is None:
            check_output(out, ".json", taken)
        else:
            check_table(out, taken)
    if calibrator is None:
        kind = "temperature" if method is None else method.value
        known = _labelled(console, table, asked, options.labels, "calibrate")
        learnt = howsure.calibrate(known, method=kind, seed=seed)
        paragraph(console, learnt.in_words())
        if out is not None:
            learnt.save(out)
            say(console, f"\nCalibrator:  {out}")
        return
    if method is not None:
        raise InputError("--method has no effect with --calibrator", expected="one of the two")
    if seed:
        raise InputError("--seed has no effect with --calibrator", expected="one of the two")
    if out is None:
        raise InputError("There is nowhere to write the calibrated table", expected="--out TABLE.parquet")
    map_of: Any = read_calibrator(calibrator)
    mended = map_of(read(table, asked, options.labels))
    write_table(mended, out)
    if out == STDOUT:
        return
    paragraph(console, summary(mended))
    say(console, f"\nTable:   {out}")


def sets_command(
    table: Table,
    options: TableOptions,
    promise: SetOptions,
    new: New = None,
    out: Annotated[Path | None, typer.Option(help="Sets of the --new rows to write, .csv.")] = None,
    quiet: Quiet = False,
) -> None:
    """Learn from labelled rows what else a row could be, with a promised coverage, and say it of new ones."""
    console = consoles(quiet)[1]
    asked = options.columns(table)
    taken = check_paths(table, options.labels, new)
    _check_new(new, out)
    if out is not None:
        check_output(out, ".csv", taken)
    known = _labelled(console, table, asked, options.labels, "prediction_sets")
    fitted = howsure.prediction_sets(known, **vars(promise) | {"score": promise.score.value})
    paragraph(console, str(fitted))
    if new is None:
        return
    sizes: Counter[int] = Counter()
    kind = "row"

    def lines() -> Iterator[list[Any]]:
        nonlocal kind
        for number, rows in enumerate(read_parts(new, asked.alike)):
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
    say(console, f"\nSets of {counted(sizes.total(), kind)} by their number of classes: {', '.join(counts)}.")
    if out is not None:
        say(console, f"Sets:    {out}")


def abstain_command(
    table: Table,
    options: TableOptions,
    risk: Annotated[float, typer.Option(help="Largest share of mistakes among rows that are kept.")] = 0.001,
    confidence: Annotated[float, typer.Option(help="That the promise is kept.")] = 0.95,
    new: New = None,
    out: Annotated[
        Path | None, typer.Option(help="Rows of --new for a person: .csv, or .json for Label Studio.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Learn from labelled rows which ones a person should see, so that few of the rest are wrong."""
    console = consoles(quiet)[1]
    asked = options.columns(table)
    taken = check_paths(table, options.labels, new)
    _check_new(new, out)
    _check_handed(out, taken)
    known = _labelled(console, table, asked, options.labels, "abstain")
    rule = howsure.abstain(known, risk=risk, confidence=confidence)
    paragraph(console, rule.in_words())
    if new is None:
        return
    rows, total = _kept(new, asked.alike, None, rule)
    say(console, f"\nFor a person: {len(rows):,} of {counted(total, f'new {rows.kind}')}.")
    if out is not None:
        howsure.hand_over(rows, np.ones(len(rows), dtype=bool), out)
        say(console, f"Rows:    {out}")


def handover_command(
    table: Table,
    options: HandedOptions,
    out: Annotated[Path, typer.Option(help="Rows for a person: .csv, or .json for Label Studio.")],
    which: Annotated[Which, typer.Option(help="Which rows.")] = Which["coin_flips"],
    most: Annotated[int | None, typer.Option(min=0, help="The most undecided of them, so many.")] = None,
    quiet: Quiet = False,
) -> None:
    """Write down the rows that a person should look at, the most undecided first."""
    console = consoles(quiet)[1]
    asked = options.columns(table)
    _check_handed(out, check_paths(table, options.labels))
    rows, total = _kept(table, asked, options.labels, partial(_chosen, which), most)
    chosen = rows.most_undecided()[:most]
    howsure.hand_over(rows, chosen, out)
    say(console, f"For a person: {len(chosen):,} of {counted(total, rows.kind)}.")
    say(console, f"Rows:    {out}")


def report_command(
    table: Table,
    options: JudgedOptions,
    report: Annotated[Path, typer.Option(help="Page to write, .html.")],
    quiet: Quiet = False,
) -> None:
    """Write a page about a table: verdicts, coin flips, and with labels whether the percentages are true."""
    console = consoles(quiet)[1]
    asked = options.columns(table)
    check_output(report, ".html", check_paths(table, options.labels))
    result, total = _sample(console, table, asked, options.labels)
    drawn_from = total if total > len(result) else None
    write_report(report, result, drawn_from=drawn_from, missing=missing_in(table))
    paragraph(console, summary(result))
    if len(result):
        say(console, "\nThe most undecided:\n")
        console.print(undecided_table(result, SHOWN))
    say(console, f"\nReport:  {report}")


COMMANDS: dict[str, Callable[..., None]] = {
    "evaluate": evaluate_command,
    "calibrate": calibrate_command,
    "sets": sets_command,
    "abstain": abstain_command,
    "handover": handover_command,
    "report": report_command,
}


def register(app: typer.Typer, plainly: Callable[[], AbstractContextManager[None]]) -> None:
    """Add these commands to a command line.

    Args:
        app: The command line.
        plainly: What turns errors and interruptions into one line and an exit code.
    """
    for name, command in COMMANDS.items():
        app.command(name)(_within(grouped(command), plainly))


def _within(
    command: Callable[..., None], plainly: Callable[[], AbstractContextManager[None]]
) -> Callable[..., None]:
    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        with plainly():
            command(*args, **kwargs)

    return run


# --- what commands share ------------------------------------------------------------------------------


def check_paths(table: Path, labels: Path | None, *others: Path | None) -> list[Path]:
    """All paths that were given, each of which is there."""
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
            "There are no rows to write", expected="--new TABLE with --out", hint="What is learnt is printed"
        )


def _check_handed(out: Path | None, taken: Sequence[Path]) -> None:
    if out is not None:
        check_output(out, (".csv", ".json"), taken)


def read(table: Path, columns: Columns, labels: Path | None = None) -> Any:
    """The result in a file, with labels of another file where there is one."""
    result = read_result(table, columns)
    if labels is None:
        return result
    return result.with_truth(labels_of(result, table, label_file_of(result, table, labels, columns)))


def label_file_of(result: Any, table: Path, labels: Path, columns: Columns) -> LabelFile:
    """A file of labels for what is in a table, with ids where these are called as in the table.

    Of a folder it holds one for each row of the input, also for those that are missing.
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
    """The labels of all rows of a table; of a folder those of the rows that are in `result`."""
    ids = result.ids if result.has("ids") else None
    return known.of_some(ids, result.row) if table.is_dir() else known.of(ids)


def _sample(
    console: Console,
    table: Path,
    columns: Columns,
    labels: Path | None,
    *,
    part: str | None = None,
    without: Collection[str] = (),
) -> tuple[Any, int]:
    """The result in a file, or rows drawn from a large folder, which is said; and how many there are.

    Raises:
        InputError: The kind of the result does not bring the part that is wanted of it.
    """
    result, total = read_sample(table, columns, without=without)
    if part is not None:
        part_of(result, part)
    drawn = total > len(result)
    if drawn:
        paragraph(console, f"{len(result):,} of {total:,} {kind_of(result)}s are looked at, drawn by chance.")
    if labels is None:
        return result, total
    known = label_file_of(result, table, labels, columns)
    return result.with_truth(labels_of(result, table, known)), total


def _kept(
    table: Path,
    columns: Columns,
    labels: Path | None,
    keep: Callable[[Any], Any],
    most: int | None = None,
) -> tuple[Any, int]:
    """The rows that are kept, and how many there are; of a folder one part after the other is read.

    Of each part the `most` most undecided will do, where no more are wanted.
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
    """(N,) whether a person may be asked about each row."""
    return part_of(rows, "choose")(rows, which.value)


def _labelled(console: Console, table: Path, columns: Columns, labels: Path | None, part: str) -> Any:
    """What scores look at, or an `InputError` without labels, or for a kind without such a part."""
    result, _ = _sample(console, table, columns, labels, part=part, without=BETWEEN)
    if not result.has("truth") or result.truth is None:
        raise InputError(
            f"'{table}' holds no true classes",
            expected="--labels FILE, or a column of them: y, or named with --label-column",
        )
    return result


def _write_csv(path: Path, lines: Iterable[Sequence[Any]]) -> None:
    def write(temporary: str) -> None:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            write_csv_lines(lines, file)

    write_whole(path, write)
