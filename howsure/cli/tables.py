"""Commands that read tables: from `howsure assess`, or probabilities from other programs."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

import howsure
from howsure.answers.classes import maps
from howsure.answers.classes.choose import CHOSEN
from howsure.answers.classes.sets import SCORES
from howsure.answers.numbers import choose as numbers
from howsure.answers.printed import kind_of, lines_of
from howsure.answers.registry import answer_of, part_of
from howsure.atomic import write_whole
from howsure.bare.files import Columns, read_parts, read_result, read_sample
from howsure.cli.columns import RowColumns
from howsure.cli.grouped import given as given_of
from howsure.cli.options import Above, Limits, Quiet, consoles
from howsure.cli.output import STDOUT, check_table, write_table
from howsure.cli.paths import check_exists, check_output
from howsure.data.files import read_class_names
from howsure.data.label_files import LabelFile, read_label_file
from howsure.data.label_images import LabelFolder
from howsure.errors import InputError
from howsure.judge.calibrator_files import read_calibrator
from howsure.report import write_report
from howsure.results.export import write_csv_lines
from howsure.scale.folder import is_results
from howsure.scale.recipe import OutcomeSource
from howsure.scale.there import check_by_place, missing_in, rows_of_input
from howsure.terminal import paragraph, say, summary, undecided_table
from howsure.words import counted

SHOWN = 10

ScoreName = StrEnum("ScoreName", {name: name for name in SCORES})  # type: ignore[misc]
MapName = StrEnum("MapName", {name: name for name in (*maps.METHODS, "offsets")})  # type: ignore[misc]
Which = StrEnum(  # type: ignore[misc]
    "Which", {name.replace("-", "_"): name for name in dict.fromkeys((*CHOSEN, *numbers.CHOSEN))}
)


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


@dataclass(frozen=True)
class TableOptions(RowColumns, Above):
    """Meaning of the columns in a table, and the place of its labels."""

    labels: Annotated[
        Path | None,
        typer.Option(
            help="File with the true answers, .npy or .csv, if the table lacks them; or, for a class of each "
            "pixel, a folder of .png, .tif or NIfTI files named like the images."
        ),
    ] = None
    class_names: Annotated[
        str | None,
        typer.Option(
            help="Names of the columns that are classes, or class names in their order: a,b,c or a file. For "
            "numbers: names of the targets, whose columns are mean.NAME and std.NAME."
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
        self.check()
        if self.outcome is not None:
            OutcomeSource(self.outcome).load()
        roles = self.roles(table, self.labels)
        names = None if self.class_names is None else read_class_names(self.class_names)
        in_file = None if self.labels is None else self.label_column
        limits = self.thresholds if self.above is None else None
        return Columns(names, roles, self.of_labels, self.normalise, in_file, limits)

    def asked(self, result: Any) -> Any:
        """The result as it is, or the answer to the question of `--above`."""
        return self.of(result, self.thresholds)

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

    coverage: Annotated[
        float, typer.Option(help="Promised share of sets, or intervals, that contain the true answer.")
    ] = 0.95
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
        asked: Puts the question of `--above` to a result, if there is one.
        console: Console for results.
        taken: All input files; no output may overwrite them.
    """

    table: Path
    labels: Path | None
    columns: Columns
    asked: Callable[[Any], Any]
    console: Console
    taken: list[Path]

    @classmethod
    def of(cls, table: Path, options: TableOptions, quiet: bool, *others: Path | None) -> Input:
        """The input of a command; raise if a file in it, or among `others`, does not exist."""
        columns = options.columns(table)
        taken = check_paths(table, options.labels, *others)
        return cls(table, options.labels, columns, options.asked, consoles(quiet)[1], taken)

    def sample(self, *parts: str) -> tuple[Any, int]:
        """The result in the table, or a random sample of a large folder; and the number of all rows.

        Args:
            parts: What the command needs, of which the kind of the result must have one.

        Raises:
            InputError: It has none.
        """
        result, total = read_sample(self.table, self.columns, for_scores=bool(parts))
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
    """Check percentages, or numbers, against the true answers: scores, each with its 95 % interval."""
    given = Input.of(table, options, quiet, outside)
    if out is not None:
        check_output(out, ".csv", given.taken)
    result = given.labelled("evaluate")
    strangers: Any = (
        None
        if outside is None
        else given.asked(read_sample(outside, given.columns.alike, for_scores=True)[0])
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
        MapName | None, typer.Option(help="Method of calibration of percentages (default temperature).")
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
    """Fit a calibrator of percentages or numbers on labelled rows, or apply one to a table."""
    given = Input.of(table, options, quiet, calibrator)
    if out is not None:
        if calibrator is None:
            check_output(out, ".json", given.taken)
        else:
            check_table(out, given.taken)
    if calibrator is None:
        known = given.labelled("calibrate")
        chosen = {} if method is None else {"method": method.value}
        learnt = howsure.calibrate(known, seed=seed, **chosen)
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
    calibrated = map_of(given.asked(read(table, given.columns, options.labels)))
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
        Path | None,
        typer.Option(help="File to write the sets, or intervals, of the --new rows to, .csv."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Fit prediction sets, or intervals of numbers, with a promised coverage; and give them for new rows."""
    given = Input.of(table, options, quiet, new)
    _check_new(new, out)
    if out is not None:
        check_output(out, ".csv", given.taken)
    known = given.labelled("prediction_sets", "prediction_intervals")
    if answer_of(known).has("prediction_intervals"):
        _intervals(given, known, promise, new, out)
        return
    fitted = howsure.prediction_sets(known, **vars(promise) | {"score": promise.score.value})
    paragraph(given.console, str(fitted))
    if new is None:
        return
    sizes: Counter[int] = Counter()
    kind = "row"

    def lines() -> Iterator[list[Any]]:
        nonlocal kind
        for number, rows in enumerate(map(given.asked, read_parts(new, given.columns.alike))):
            kind, found, sets = rows.kind, fitted(rows).sum(axis=1).tolist(), fitted.in_words(rows)
            sizes.update(found)
            if not number:
                ids = [] if rows.ids is None else [rows.id_name]
                yield ["row", *ids, "label", "set", "classes"]
            for i, row in enumerate(rows):
                yield [row.row, *([] if row.id is None else [row.id]), row.label_name, sets[i], found[i]]

    _take(lines(), out)
    counts = [f"{sizes[size]:,} of {size}" for size in sorted(sizes)]
    say(
        given.console,
        f"\nSets of {counted(sizes.total(), kind)} by their number of classes: {', '.join(counts)}.",
    )
    if out is not None:
        say(given.console, f"Sets:    {out}")


def _intervals(given: Input, known: Any, promise: SetOptions, new: Path | None, out: Path | None) -> None:
    """Fit prediction intervals on labelled rows, and give them for new rows."""
    unused = [name for name in given_of(promise) if name != "--coverage"]
    if unused:
        raise InputError(
            f"{' and '.join(unused)} has no effect on intervals of numbers", expected="--coverage alone"
        )
    fitted = part_of(known, "prediction_intervals")(known, known.truth, coverage=promise.coverage, by=None)
    paragraph(given.console, str(fitted))
    if new is None:
        return
    names = getattr(known, known.names)
    total, width = 0, np.zeros(len(names))

    def lines() -> Iterator[list[Any]]:
        nonlocal total, width
        for number, rows in enumerate(map(given.asked, read_parts(new, given.columns.alike))):
            ends = fitted(rows)
            total, width = total + len(rows), width + np.diff(ends, axis=-1)[..., 0].sum(axis=0)
            told = part_of(rows, "interval_lines")(rows, ends)
            heading = next(told)
            if not number:
                yield heading
            yield from told

    _take(lines(), out)
    of_each = ", ".join(
        f"{each:.4g}" + (f" ('{name}')" if len(names) > 1 else "")
        for name, each in zip(names, width / max(1, total), strict=True)
    )
    said = f"\nIntervals of {counted(total, kind_of(known))}"
    say(given.console, said + (f", on average {of_each} wide." if total else "."))
    if out is not None:
        say(given.console, f"Intervals:  {out}")


def abstain_command(
    table: Table,
    options: TableOptions,
    risk: Annotated[
        float, typer.Option(help="Largest share of mistakes among the rows that the model keeps.")
    ] = 0.001,
    confidence: Annotated[float, typer.Option(help="Probability that the promise holds.")] = 0.95,
    tolerance: Annotated[
        float | None,
        typer.Option(help="For numbers: a number that is off by more than this is a mistake."),
    ] = None,
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
    if tolerance is not None and not answer_of(known).has("above"):
        raise InputError(
            "--tolerance is for numbers",
            expected="a table of numbers with --tolerance",
            received=f"rows of {answer_of(known).in_words}",
        )
    more: dict[str, Any] = {} if tolerance is None else {"tolerance": tolerance}
    rule = howsure.abstain(known, risk=risk, confidence=confidence, **more)
    paragraph(given.console, rule.in_words())
    if new is None:
        return
    rows, total = _kept(given, new, given.columns.alike, None, rule)
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
    which: Annotated[
        Which | None, typer.Option(help="Rows to choose (default coin-flips; of numbers all).")
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(
            min=0, help="Choose only this number of rows, the most undecided or the least certain ones."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write the rows that a person should look at, the most undecided or the least certain first."""
    given = Input.of(table, options, quiet)
    _check_handed(out, given.taken)
    word = None if which is None else which.value

    def first(rows: Any) -> Any:
        return part_of(rows, "choose")(rows, word, most)

    rows, total = _kept(given, table, given.columns, options.labels, lambda rows: np.sort(first(rows)))
    chosen = first(rows)[:most]
    howsure.hand_over(rows, chosen, out)
    say(given.console, f"For a person: {len(chosen):,} of {counted(total, rows.kind)}.")
    say(given.console, f"Rows:    {out}")


def report_command(
    table: Table,
    options: JudgedOptions,
    report: Annotated[Path, typer.Option(help="HTML page to write, .html.")],
    quiet: Quiet = False,
) -> None:
    """Write a page about a table: which rows to check and, with labels, whether to trust the others."""
    given = Input.of(table, options, quiet)
    check_output(report, ".html", given.taken)
    result, total = given.sample()
    drawn_from = total if total > len(result) else None
    write_report(report, result, drawn_from=drawn_from, missing=missing_in(table))
    paragraph(given.console, summary(result))
    if len(result):
        say(given.console, f"\n{lines_of(result, SHOWN).which}:\n")
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


def label_file_of(result: Any, table: Path, labels: Path, columns: Columns) -> LabelFile | LabelFolder:
    """The file of labels for a table. It has ids if a column has the same name as in the table.

    For a folder it holds one label for each row of the input, also for rows without a result.
    """
    id_name = result.id_name if result.has("id_name") else None
    names = getattr(result, result.names)
    known = read_label_file(labels, column=columns.label_in_file, id_column=id_name, names=names)
    if isinstance(known, LabelFolder):
        known.warn_of_places()
    if not is_results(table):
        return known
    known.check_count(rows_of_input(table))
    if known.ids is None:
        check_by_place(table)
    return known.decided(result.truth_names)


def labels_of(result: Any, table: Path, known: LabelFile | LabelFolder) -> Any:
    """The labels of all rows of a table; for a folder, those of the rows in `result`."""
    ids = result.ids if result.has("ids") else None
    return known.of_some(ids, result.row) if is_results(table) else known.of(ids)


def _kept(
    given: Input, table: Path, columns: Columns, labels: Path | None, keep: Callable[[Any], Any]
) -> tuple[Any, int]:
    """The rows that `keep` chooses, and the number of all rows. A folder is read part by part."""
    known: LabelFile | LabelFolder | None = None
    kept, total = list[Any](), 0
    for part in read_parts(table, columns):
        part_of(given.asked(part[:0]), "hand_over")
        if labels is not None:
            known = known or label_file_of(part, table, labels, columns)
            part = part.with_truth(labels_of(part, table, known))
        part = given.asked(part)
        total += len(part)
        kept.append(part[keep(part)])
    return kept[0].joined(kept), total


def _take(lines: Iterable[Sequence[Any]], out: Path | None) -> None:
    """Write lines to a csv file, or only go through them where none is wanted."""
    if out is None:
        deque(lines, maxlen=0)
    else:
        _write_csv(out, lines)


def _write_csv(path: Path, lines: Iterable[Sequence[Any]]) -> None:
    def write(temporary: str) -> None:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            write_csv_lines(lines, file)

    write_whole(path, write)
