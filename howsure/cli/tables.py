"""Commands that read tables: from `howsure assess`, or probabilities from other programs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import howsure
from howsure.answers.classes import maps
from howsure.answers.classes.handover import CHOSEN
from howsure.answers.classes.sets import SCORES
from howsure.answers.numbers.handover import CHOSEN as OF_NUMBERS
from howsure.answers.printed import summary_of
from howsure.answers.registry import answer_of, part_of
from howsure.atomic import FITTED, LINES, PAGES
from howsure.bare.files import FileColumns, read_parts, read_sample
from howsure.cli.hints import in_options, paragraph
from howsure.cli.options import Background, Quiet, check_output
from howsure.cli.options import given as given_of
from howsure.cli.output import STDOUT, check_table, say_result, write_page, write_table
from howsure.cli.table_input import Input, JudgedOptions, Table, TableOptions, label_file_of, labels_of, read
from howsure.data.label_files import LabelFile, LabelFolder
from howsure.errors import InputError
from howsure.judge.calibrator_files import read_calibrator
from howsure.results.export import write_csv_file
from howsure.terminal import say
from howsure.words import counted

ScoreName = StrEnum("ScoreName", {name: name for name in SCORES})  # type: ignore[misc]
MapName = StrEnum("MapName", {name: name for name in (*maps.METHODS, "offsets", "shift")})  # type: ignore[misc]
Which = StrEnum("Which", list(dict.fromkeys((*CHOSEN, *OF_NUMBERS))))  # type: ignore[misc]


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


# --- the commands -------------------------------------------------------------------------------------


def evaluate_command(
    table: Table,
    options: TableOptions,
    outside: Annotated[
        Path | None,
        typer.Option(help="A table of out-of-distribution (OOD) rows: they belong to none of the classes."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write the scores to, .csv.")] = None,
    background: Background = None,
    quiet: Quiet = False,
) -> None:
    """Check percentages, or numbers, against the true answers: scores, each with its 95 % interval."""
    given = Input.of(table, options, quiet, outside)
    check_output(out, LINES, given.taken)
    result = given.labelled("evaluate")
    strangers: Any = None
    if outside is not None:
        strangers = given.asked(read_sample(outside, given.columns.alike, for_scores=True)[0])
    evaluation = howsure.evaluate(result, outside=strangers, background=background)
    say(given.console, in_options(str(evaluation)))
    if out is not None:
        write_csv_file(part_of(result, "score_lines")(result, evaluation), out)
        say(given.console, f"\nScores:  {out}")


def calibrate_command(
    table: Table,
    options: JudgedOptions,
    method: Annotated[
        MapName | None,
        typer.Option(
            help="Method of calibration of percentages (default temperature). Of numbers: shift also takes "
            "off what they are too high or too low by on average."
        ),
    ] = None,
    calibrator: Annotated[
        Path | None, typer.Option(help="Calibrator to apply to the table, instead of fitting one.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write the calibrator to, .json. With --calibrator: the calibrated table, .parquet, "
            ".csv, or - for csv to stdout."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the folds and of the bootstrap.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Fit a calibrator of percentages or numbers on labelled rows, or apply one to a table."""
    given = Input.of(table, options, quiet, calibrator)
    if out is not None and calibrator is not None:
        check_table(out, given.taken)
    elif out is not None:
        check_output(out, FITTED, given.taken)
    if calibrator is None:
        known = given.labelled("calibrate")
        chosen = {} if method is None else {"method": method.value}
        learnt = howsure.calibrate(known, seed=seed, **chosen)
        paragraph(given.console, learnt.in_words())
        if out is not None:
            learnt.save(out)
            say(given.console, f"\nCalibrator:  {out}")
        return
    for name, wish in (("--method", method), ("--seed", seed)):
        if wish:
            raise InputError(f"{name} has no effect with --calibrator", expected="one of the two")
    if out is None:
        raise InputError("--calibrator needs a file for the calibrated table", expected="--out TABLE.parquet")
    map_of: Any = read_calibrator(calibrator)
    calibrated = map_of(given.asked(read(table, given.columns, options.labels)))
    write_table(calibrated, out)
    if out == STDOUT:
        return
    paragraph(given.console, summary_of(calibrated))
    say(given.console, f"\nTable:   {out}")


def sets_command(
    table: Table,
    options: TableOptions,
    promise: SetOptions,
    new: New = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write the sets, or intervals, of the --new rows to, .csv.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Fit prediction sets, or intervals of numbers, with a promised coverage; and give them for new rows."""
    given = Input.of(table, options, quiet, new)
    _check_new(new, out)
    check_output(out, LINES, given.taken)
    known = given.labelled("prediction_sets", "prediction_intervals")
    if answer_of(known).has("prediction_sets"):
        fitted: Any = howsure.prediction_sets(known, **vars(promise) | {"score": promise.score.value})
    else:
        unused = [name for name in given_of(promise) if name != "--coverage"]
        if unused:
            raise InputError(
                f"{' and '.join(unused)} has no effect on intervals of numbers", expected="--coverage alone"
            )
        fitted = howsure.prediction_intervals(known, coverage=promise.coverage)
    paragraph(given.console, str(fitted))
    if new is None:
        return
    told = part_of(known, "sets_told")(known, fitted)

    def lines() -> Iterator[list[Any]]:
        for number, rows in enumerate(map(given.asked, read_parts(new, given.columns.alike))):
            of_part = told.lines(rows)
            heading = next(of_part)
            if not number:
                yield heading
            yield from of_part

    if out is None:
        deque(lines(), maxlen=0)  # which counts what `told` says
    else:
        write_csv_file(lines(), out)
    say(given.console, f"\n{told}")
    if out is not None:
        say(given.console, f"{told.called + ':':<8} {out}")


def abstain_command(
    table: Table,
    options: TableOptions,
    risk: Annotated[
        float, typer.Option(help="Largest share of mistakes among the rows that the model keeps.")
    ] = 0.001,
    confidence: Annotated[float, typer.Option(help="Probability that the promise holds.")] = 0.95,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="For numbers: a number that is off by more than this is a mistake. For a class of each "
            "pixel: how far the Dice of an image may be below 1."
        ),
    ] = None,
    background: Background = None,
    new: New = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write the --new rows for a person to."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Learn from labelled rows which rows to give to a person, so that few of the others are wrong."""
    given = Input.of(table, options, quiet, new)
    _check_new(new, out)
    check_output(out, LINES, given.taken)
    known = given.labelled("abstain")
    promise: dict[str, Any] = {"risk": risk, "confidence": confidence, "tolerance": tolerance}
    rule: Any = howsure.abstain(known, **promise, background=background)
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
    options: JudgedOptions,
    out: Annotated[Path, typer.Option(help="File to write the rows for a person to.")],
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
    check_output(out, LINES, given.taken)
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
    background: Background = None,
    quiet: Quiet = False,
) -> None:
    """Write a page about a table: which rows to check and, with labels, whether to trust the others."""
    given = Input.of(table, options, quiet)
    check_output(report, PAGES, given.taken)
    result, total = given.sample()
    write_page(report, table, result, total, background=background)
    say_result(result, given.console)
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


def _check_new(new: Path | None, out: Path | None) -> None:
    if out is not None and new is None:
        raise InputError(
            "--out needs --new",
            expected="--new TABLE with --out",
            hint="howsure prints what it learns without --out",
        )


def _kept(
    given: Input, table: Path, columns: FileColumns, labels: Path | None, keep: Callable[[Any], Any]
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
