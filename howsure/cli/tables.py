"""Commands on results that are there: tables that `howsure assess` wrote, or probabilities from elsewhere."""

from __future__ import annotations

import functools
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

import howsure
from howsure.answers.classes import maps
from howsure.answers.classes.evaluate import Evaluation
from howsure.answers.classes.result import Certainty
from howsure.answers.classes.sets import SCORES
from howsure.answers.files import BETWEEN
from howsure.answers.labels.evaluate import MultilabelEvaluation
from howsure.answers.verdict import COIN_FLIP, SURE
from howsure.atomic import write_whole
from howsure.bare.files import Columns, read_parts, read_result, read_sample
from howsure.cli.columns import Drop, IdColumn, LabelColumn, roles_of
from howsure.cli.options import Quiet, consoles
from howsure.cli.output import STDOUT, check_table, write_table
from howsure.cli.paths import check_exists, check_output
from howsure.data.files import read_class_names
from howsure.data.label_files import LabelFile, read_label_file
from howsure.errors import InputError
from howsure.judge.calibrator_files import read_calibrator
from howsure.judge.scores import Score
from howsure.report import write_report
from howsure.results.export import write_csv_lines
from howsure.scale.there import check_by_place, missing_in, rows_of_input
from howsure.terminal import paragraph, say, summary, undecided_table
from howsure.words import counted

SHOWN = 10

ScoreName = StrEnum("ScoreName", {name: name for name in SCORES})  # type: ignore[misc]
MapName = StrEnum("MapName", {name: name for name in maps.METHODS})  # type: ignore[misc]


class Which(StrEnum):
    """Rows that a person may be asked about."""

    coin_flips = "coin-flips"
    not_sure = "not-sure"
    not_settled = "not-settled"
    unfamiliar = "unfamiliar"
    all = "all"


Table = Annotated[
    Path,
    typer.Argument(help="A table that `howsure assess` wrote, or probabilities: .parquet, .csv or .npy."),
]
Labels = Annotated[Path | None, typer.Option(help="True classes, .npy or .csv, where not in the table.")]
ClassNames = Annotated[
    str | None,
    typer.Option(help="Names of the columns that are classes, or of the classes in order: a,b,c or a file."),
]
Several = Annotated[
    bool, typer.Option("--several-labels", help="Each column is the probability of a label of its own.")
]
Normalise = Annotated[
    bool, typer.Option("--normalise", help="Divide the probabilities of each row by their sum.")
]
New = Annotated[Path | None, typer.Option(help="A table of other rows, to which this is applied.")]


# --- the commands -------------------------------------------------------------------------------------


def evaluate_command(
    table: Table,
    labels: Labels = None,
    label_column: LabelColumn = None,
    id_column: IdColumn = None,
    drop: Drop = None,
    class_names: ClassNames = None,
    several_labels: Several = False,
    outside: Annotated[Path | None, typer.Option(help="A table of rows that belong to no class.")] = None,
    out: Annotated[Path | None, typer.Option(help="Scores to write, .csv.")] = None,
    normalise: Normalise = False,
    quiet: Quiet = False,
) -> None:
    """Say whether percentages are true: scores against true classes, each with its 95 % interval."""
    console = consoles(quiet)[1]
    asked = columns_of(table, label_column, id_column, drop, class_names, several_labels, labels, normalise)
    taken = check_paths(table, labels, outside)
    if out is not None:
        check_output(out, ".csv", taken)
    result = _labelled(console, table, asked, labels)
    strangers: Any = None if outside is None else read_sample(outside, asked.alike, without=BETWEEN)[0]
    evaluation = howsure.evaluate(result, outside=strangers)
    say(console, str(evaluation))
    if out is not None:
        _write_csv(out, _scores(evaluation))
        say(console, f"\nScores:  {out}")


def calibrate_command(
    table: Table,
    labels: Labels = None,
    label_column: LabelColumn = None,
    id_column: IdColumn = None,
    drop: Drop = None,
    class_names: ClassNames = None,
    several_labels: Several = False,
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
    normalise: Normalise = False,
    quiet: Quiet = False,
) -> None:
    """Learn from labelled rows how to mend percentages, or mend those of a table."""
    console = consoles(quiet)[1]
    asked = columns_of(table, label_column, id_column, drop, class_names, several_labels, labels, normalise)
    taken = check_paths(table, labels, calibrator)
    if out is not None:
        if calibrator is None:
            check_output(out, ".json", taken)
        else:
            check_table(out, taken)
    if calibrator is None:
        kind = "temperature" if method is None else method.value
        learnt = howsure.calibrate(_labelled(console, table, asked, labels), method=kind, seed=seed)
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
    mended = map_of(read(table, asked, labels))
    write_table(mended, out)
    if out == STDOUT:
        return
    paragraph(console, summary(mended))
    say(console, f"\nTable:   {out}")


def sets_command(
    table: Table,
    labels: Labels = None,
    label_column: LabelColumn = None,
    id_column: IdColumn = None,
    drop: Drop = None,
    class_names: ClassNames = None,
    coverage: Annotated[float, typer.Option(help="Share of sets that hold the true class.")] = 0.95,
    score: Annotated[ScoreName, typer.Option(help="By what classes are taken into a set.")] = ScoreName[
        "lac"
    ],
    by_class: Annotated[bool, typer.Option("--by-class", help="Promise it for every class.")] = False,
    new: New = None,
    out: Annotated[Path | None, typer.Option(help="Sets of the --new rows to write, .csv.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the scores aps and raps.")] = 0,
    normalise: Normalise = False,
    quiet: Quiet = False,
) -> None:
    """Learn from labelled rows what else a row could be, with a promised coverage, and say it of new ones."""
    console = consoles(quiet)[1]
    asked = columns_of(table, label_column, id_column, drop, class_names, False, labels, normalise)
    taken = check_paths(table, labels, new)
    _check_new(new, out)
    if out is not None:
        check_output(out, ".csv", taken)
    known = _labelled(console, table, asked, labels, one_class=True)
    fitted = howsure.prediction_sets(
        known, coverage=coverage, score=score.value, by_class=by_class, seed=seed
    )
    paragraph(console, str(fitted))
    if new is None:
        return
    sizes: Counter[int] = Counter()
    kind = "row"

    def lines() -> Iterator[list[Any]]:
        nonlocal kind
        for number, rows in enumerate(map(_one_class, read_parts(new, asked.alike))):
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
    labels: Labels = None,
    label_column: LabelColumn = None,
    id_column: IdColumn = None,
    drop: Drop = None,
    class_names: ClassNames = None,
    risk: Annotated[float, typer.Option(help="Largest share of mistakes among rows that are kept.")] = 0.001,
    confidence: Annotated[float, typer.Option(help="That the promise is kept.")] = 0.95,
    new: New = None,
    out: Annotated[
        Path | None, typer.Option(help="Rows of --new for a person: .csv, or .json for Label Studio.")
    ] = None,
    normalise: Normalise = False,
    quiet: Quiet = False,
) -> None:
    """Learn from labelled rows which ones a person should see, so that few of the rest are wrong."""
    console = consoles(quiet)[1]
    asked = columns_of(table, label_column, id_column, drop, class_names, False, labels, normalise)
    taken = check_paths(table, labels, new)
    _check_new(new, out)
    _check_handed(out, taken)
    known = _labelled(console, table, asked, labels, one_class=True)
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
    out: Annotated[Path, typer.Option(help="Rows for a person: .csv, or .json for Label Studio.")],
    labels: Labels = None,
    label_column: LabelColumn = None,
    id_column: IdColumn = None,
    drop: Drop = None,
    class_names: ClassNames = None,
    which: Annotated[Which, typer.Option(help="Which rows.")] = Which.coin_flips,
    most: Annotated[int | None, typer.Option(min=0, help="The most undecided of them, so many.")] = None,
    normalise: Normalise = False,
    quiet: Quiet = False,
) -> None:
    """Write down the rows that a person should look at, the most undecided first."""
    console = consoles(quiet)[1]
    asked = columns_of(table, label_column, id_column, drop, class_names, False, labels, normalise)
    _check_handed(out, check_paths(table, labels))
    rows, total = _kept(table, asked, labels, partial(_members, which), most)
    chosen = rows.most_undecided()[:most]
    howsure.hand_over(rows, chosen, out)
    say(console, f"For a person: {len(chosen):,} of {counted(total, rows.kind)}.")
    say(console, f"Rows:    {out}")


def report_command(
    table: Table,
    report: Annotated[Path, typer.Option(help="Page to write, .html.")],
    labels: Labels = None,
    label_column: LabelColumn = None,
    id_column: IdColumn = None,
    drop: Drop = None,
    class_names: ClassNames = None,
    several_labels: Several = False,
    normalise: Normalise = False,
    quiet: Quiet = False,
) -> None:
    """Write a page about a table: verdicts, coin flips, and with labels whether the percentages are true."""
    console = consoles(quiet)[1]
    asked = columns_of(table, label_column, id_column, drop, class_names, several_labels, labels, normalise)
    check_output(report, ".html", check_paths(table, labels))
    result, total = _sample(console, table, asked, labels)
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
        app.command(name)(_within(command, plainly))


def _within(
    command: Callable[..., None], plainly: Callable[[], AbstractContextManager[None]]
) -> Callable[..., None]:
    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        with plainly():
            command(*args, **kwargs)

    return run


# --- what commands share ------------------------------------------------------------------------------


def columns_of(
    table: Path,
    label_column: str | None,
    id_column: str | None,
    drop: str | None,
    class_names: str | None,
    several: bool,
    labels: Path | None,
    normalise: bool = False,
) -> Columns:
    """What the columns of a table are for, from the options of a command, or an `InputError`."""
    roles = roles_of(table, label_column, id_column, drop, labels)
    names = None if class_names is None else read_class_names(class_names)
    return Columns(names, roles, several, normalise, None if labels is None else label_column)


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
            "There are no rows to write", expected="--new TABLE with --out", mend="What is learnt is printed"
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
    known = read_label_file(labels, column=columns.label_in_file, id_column=result.id_name)
    if not table.is_dir():
        return known
    known.check_count(rows_of_input(table))
    if known.ids is None:
        check_by_place(table)
    return known.decided(result.class_names if isinstance(result, Certainty) else None)


def labels_of(result: Any, table: Path, known: LabelFile) -> Any:
    """The labels of all rows of a table; of a folder those of the rows that are in `result`."""
    return known.of_some(result.ids, result.row) if table.is_dir() else known.of(result.ids)


def _sample(
    console: Console, table: Path, columns: Columns, labels: Path | None, *, without: Collection[str] = ()
) -> tuple[Any, int]:
    """The result in a file, or rows drawn from a large folder, which is said; and how many there are."""
    result, total = read_sample(table, columns, without=without)
    drawn = total > len(result)
    if drawn:
        paragraph(console, f"{len(result):,} of {total:,} {result.kind}s are looked at, drawn by chance.")
    if labels is None:
        return result, total
    known = label_file_of(result, table, labels, columns)
    return result.with_truth(labels_of(result, table, known)), total


def _kept(
    table: Path,
    columns: Columns,
    labels: Path | None,
    keep: Callable[[Certainty], Any],
    most: int | None = None,
) -> tuple[Certainty, int]:
    """The rows that are kept, and how many there are; of a folder one part after the other is read.

    Of each part the `most` most undecided will do, where no more are wanted.
    """
    known: LabelFile | None = None
    kept, total = list[Certainty](), 0
    for part in map(_one_class, read_parts(table, columns)):
        if labels is not None:
            known = known or label_file_of(part, table, labels, columns)
            part = part.with_truth(labels_of(part, table, known))
        total += len(part)
        chosen = part[keep(part)]
        kept.append(chosen if most is None else chosen[np.sort(chosen.most_undecided()[:most])])
    return kept[0].joined(kept), total


def _members(which: Which, rows: Certainty) -> Any:
    """(N,) whether a person may be asked about each row."""
    if which is Which.unfamiliar and rows.familiarity is None:
        raise InputError(
            "How familiar these rows are was not measured",
            expected="a table with a column 'familiarity'",
            mend="Save one in Python: certainty.with_familiarity(…).save(path), see howsure.familiarity",
        )
    return {
        Which.coin_flips: rows.verdict == COIN_FLIP,
        Which.not_sure: rows.verdict != SURE,
        Which.not_settled: ~rows.settled,
        Which.unfamiliar: rows.unfamiliar,
        Which.all: np.ones(len(rows), dtype=bool),
    }[which]


def _labelled(
    console: Console, table: Path, columns: Columns, labels: Path | None, *, one_class: bool = False
) -> Any:
    """What scores look at, or an `InputError` without labels, or where a row has several and may have one."""
    result, _ = _sample(console, table, columns, labels, without=BETWEEN)
    result = _one_class(result) if one_class else result
    if result.truth is None:
        raise InputError(
            f"'{table}' holds no true classes",
            expected="--labels FILE, or a column of them: y, or named with --label-column",
        )
    return result


def _one_class(result: Any) -> Certainty:
    if not isinstance(result, Certainty):
        raise InputError(
            "This is for one class per row, and these rows have several labels each",
            expected="a table of one class per row",
            received=f"{len(getattr(result, 'label_names', ()))} labels",
            mend="In Python take one label at a time: `howsure.load(table).of_label(name)`",
        )
    return result


def _scores(evaluation: Evaluation | MultilabelEvaluation) -> list[list[Any]]:
    """A line for each score, after one of column names; of several labels, each label and their mean."""
    if isinstance(evaluation, Evaluation):
        lines = [[name, *_ends(score)] for name, score in _by_name(evaluation).items()]
        return [["score", "value", "low", "high"], *lines]
    of_each = {"": evaluation.mean} | {name: _by_name(each) for name, each in evaluation.of_label.items()}
    lines = [[name, score, *_ends(found)] for name, of in of_each.items() for score, found in of.items()]
    return [["label", "score", "value", "low", "high"], *lines]


def _by_name(evaluation: Evaluation) -> dict[str, Score]:
    """All scores, with the recall of each true class after the others."""
    scores = {name: score for name, score in vars(evaluation).items() if isinstance(score, Score)}
    return scores | {f"recall of {name}": score for name, score in evaluation.recall.items()}


def _ends(score: Score) -> list[float | str]:
    return ["" if np.isnan(end) else float(end) for end in (score.value, score.low, score.high)]


def _write_csv(path: Path, lines: Iterable[Sequence[Any]]) -> None:
    def write(temporary: str) -> None:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            write_csv_lines(lines, file)

    write_whole(path, write)
