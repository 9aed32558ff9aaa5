"""Commands that read tables: from `howsure assess`, or probabilities from other programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import howsure
from howsure.arguments import check_whole
from howsure.atomic import FITTED, LINES, PAGES
from howsure.cli.command import Command, check_exist, check_output
from howsure.cli.output import STDOUT, check_table, say_result, write_page, write_table
from howsure.cli.settings import TABLES, VERDICTS
from howsure.errors import InputError
from howsure.evaluation.calibrator_files import read_calibrator
from howsure.external.files import FileColumns, read_parts, read_result, read_sample
from howsure.inputs.files import read_class_names
from howsure.inputs.label_files import LabelFile, LabelFolder, read_label_file
from howsure.results.export import write_csv_file
from howsure.scale.parts import is_results, rows_of_input
from howsure.tasks.classification import maps
from howsure.tasks.classification.decide import CHOSEN
from howsure.tasks.printed import kind_of, summary_of
from howsure.tasks.regression.decide import CHOSEN as OF_NUMBERS
from howsure.tasks.task import task_of
from howsure.terminal import paragraph, say
from howsure.words import counted

MapName = StrEnum("MapName", [maps.AUTO, *maps.METHODS])  # type: ignore[misc]
Which = StrEnum("Which", list(dict.fromkeys((*CHOSEN, *OF_NUMBERS))))  # type: ignore[misc]


@dataclass(frozen=True, kw_only=True)
class TableCommand(Command):
    """A command that reads a table.

    Attributes:
        table: A table from `howsure assess`; or probabilities, or numbers in columns mean and std: {answers}.
        labels: File with the true answers, {answers}, if the table lacks them; or, for a class of each
            pixel, a folder of .png files named like the images.
        class_names: Names of the columns that are classes, or class names in their order: a,b,c or a file.
            For numbers: names of the targets, whose columns are mean.NAME and std.NAME.
        id_column: Column with the id of each row, if it is not called id.
    """

    places = ("table",)
    also: ClassVar[str] = "new"
    """Name of the option for another file that it reads."""

    table: Path
    labels: Path | None = None
    class_names: str | None = None
    id_column: str | None = None

    @cached_property
    def files(self) -> list[Path]:
        """All files that it reads; no output may overwrite them. A `FileError` if one does not exist."""
        other = getattr(self, self.also, None)
        return check_exist(table=self.table, file_of_labels=self.labels, file=other)

    @cached_property
    def columns(self) -> FileColumns:
        """The meaning of the columns in the table.

        Raises:
            InputError: Options or settings that do not fit the table.
        """
        settings = self.settings
        if settings.above is None and settings.target is not None:
            raise InputError("`target` has no effect alone", expected="`above` with `target`")
        return FileColumns(
            None if self.class_names is None else read_class_names(self.class_names),
            settings.roles(self.table, self.labels, self.id_column),
            settings.several_labels,
            settings.normalise,
            None if self.labels is None else settings.label_column,
            settings.thresholds if settings.above is None else None,
            labelled=False,
            form=settings.csv_form(*self.files),
        )

    def check(self, out: Path | None, endings: tuple[str, ...]) -> None:
        """Raise if the input does not fit, or if an output cannot be written; before any work."""
        files, _ = self.files, self.columns
        check_output(out, endings, files)

    def converted(self, result: Any) -> Any:
        """The result of one label, or of whether a number is above a limit, if a setting asks for that.

        Raises:
            InputError: The rows have no such numbers or labels.
        """
        settings = self.settings
        if settings.of_label is not None:
            if not hasattr(result, "of_label"):
                raise InputError(
                    f"`of_label` has no effect on {task_of(result).in_words}",
                    expected="several labels per row",
                )
            result = result.of_label(settings.of_label)
        if settings.above is not None:
            result = task_of(result).above(result, settings.above, settings.target)
            if settings.thresholds is not None:
                result = replace(result, thresholds=settings.thresholds)
        return result

    def sample(self, *parts: str) -> tuple[Any, int]:
        """The result in the table, or a random sample of a large folder; and the number of all rows.

        Args:
            parts: Parts that the command needs, of which the kind of the result must have one.

        Raises:
            InputError: It has none.
        """
        columns = replace(self.columns, labelled=bool(parts))
        result, total = read_sample(self.table, columns, for_scores=bool(parts))
        empty = self.converted(result[:0])
        task = task_of(empty)
        if parts and not any(task.can(part) for part in parts):
            task.check_can(parts[0], empty)
        if total > len(result):
            message = f"{len(result):,} of {total:,} {kind_of(result)}s were drawn at random for this."
            paragraph(self.console, message)
        return self.converted(self.with_labels(result)), total

    def labelled(self, *parts: str) -> Any:
        """The result with labels; raise if there are none, or if its kind has none of the parts."""
        result, _ = self.sample(*parts)
        if not result.has("truth") or result.truth is None:
            raise InputError(
                f"'{self.table}' holds no true answers",
                expected="--labels FILE, or a column y, or --set label_column=COLUMN",
            )
        return result

    def with_labels(self, result: Any, label_file: LabelFile | LabelFolder | None = None) -> Any:
        """Rows of the table, with the labels of the file of labels, if there is one.

        Args:
            result: Some rows of it.
            label_file: The file, if it was read before.
        """
        if self.labels is None:
            return result
        label_file = label_file or self.label_file_of(result)
        truth = label_file.of_some(result, result.row) if is_results(self.table) else label_file.of(result)
        return result.with_truth(truth)

    def label_file_of(self, result: Any) -> LabelFile | LabelFolder:
        """The file of labels. It has ids if a column has the same name as in the table.

        For a folder it holds one label for each row of the input, also for rows without a result.
        """
        id_name = result.id_name if result.has("id_name") else None
        names, columns = getattr(result, result.names), self.columns
        label_file = read_label_file(
            self.labels or "", column=columns.label_in_file, id_column=id_name, names=names, form=columns.form
        )
        if not is_results(self.table):
            return label_file
        total = rows_of_input(self.table)
        if isinstance(label_file, LabelFile) and result.has("ids") and result.ids is not None:
            label_file.check_count_by_id(total)
        else:
            label_file.check_count(total)
        return label_file

    def chosen(self, parts: Iterator[Any], keep: Callable[[Any], Any]) -> tuple[Any, int]:
        """The rows that `keep` chooses for a person to see, of one part after the other; and of how many."""
        chosen, total = list[Any](), 0
        for part in parts:
            rows = self.converted(part)
            task_of(rows).check_can("hand_over", rows)
            total += len(rows)
            chosen.append(rows[keep(rows)])
        return chosen[0].joined(chosen), total


@dataclass(frozen=True, kw_only=True)
class Evaluate(TableCommand):
    """Check percentages, or numbers, against the true answers: scores, each with its 95 % interval.

    Attributes:
        outside: A table of out-of-distribution (OOD) rows: they belong to none of the classes.
        out: File to write the scores to, .csv.
    """

    takes = (*TABLES, "background")
    also = "outside"

    outside: Path | None = None
    out: Path | None = None

    def run(self) -> bool:
        """Print the scores, and write them."""
        self.check(self.out, LINES)
        result = self.labelled("evaluate")
        strangers: Any = None
        if self.outside is not None:
            strangers = self.converted(read_sample(self.outside, self.columns.alike, for_scores=True)[0])
        evaluation = howsure.evaluate(result, outside=strangers, background=self.settings.background)
        say(self.console, str(evaluation))
        if self.out is not None:
            write_csv_file(task_of(result).score_lines(result, evaluation), self.out)
            say(self.console, f"\nScores:  {self.out}")
        return True


@dataclass(frozen=True, kw_only=True)
class Calibrate(TableCommand):
    """Fit a calibrator of percentages or numbers on labelled rows, or apply one to a table.

    Attributes:
        method: Method of calibration of percentages (default auto). Of numbers: shift also takes off
            what they are too high or too low by on average.
        calibrator: Calibrator to apply to the table, instead of fitting one.
        out: File to write the calibrator to, .json. With --calibrator: the calibrated table, .parquet, .csv,
            or - for csv to stdout.
        seed: Seed of the folds and of the bootstrap.
    """

    takes = (*TABLES, *VERDICTS)
    also = "calibrator"

    method: MapName | None = None
    calibrator: Path | None = None
    out: Path | None = None
    seed: int = 0

    def run(self) -> bool:
        """Fit one, or apply one."""
        if self.calibrator is not None:
            self._apply(self.calibrator)
            return True
        self.check(self.out, FITTED)
        chosen = {} if self.method is None else {"method": self.method.value}
        learnt = howsure.calibrate(self.labelled("calibrate"), seed=self.seed, **chosen)
        paragraph(self.console, learnt.in_words())
        if self.out is not None:
            learnt.save(self.out)
            say(self.console, f"\nCalibrator:  {self.out}")
        return True

    def _apply(self, calibrator: Path) -> None:
        for name, wish in (("--method", self.method), ("--seed", self.seed)):
            if wish:
                raise InputError(f"{name} has no effect with --calibrator", expected="one of the two")
        if self.out is None:
            raise InputError("--calibrator needs a file for the calibrated table", expected="--out TABLE")
        self.check(None, ())
        check_table(self.out, self.files)
        map_of: Any = read_calibrator(calibrator)
        calibrated = map_of(self.converted(self.with_labels(read_result(self.table, self.columns))))
        write_table(calibrated, self.out)
        if self.out != STDOUT:
            paragraph(self.console, summary_of(calibrated))
            say(self.console, f"\nTable:   {self.out}")


@dataclass(frozen=True, kw_only=True)
class WithNew(TableCommand):
    """A command that learns from labelled rows, and applies that to new ones.

    Attributes:
        new: A table of new rows, to which to apply what was learnt.
        out: File to write what that gives, .csv.
    """

    new: Path | None = None
    out: Path | None = None

    def parts_of(self, new: Path) -> Iterator[Any]:
        """The new rows; of a folder one part after the other."""
        return read_parts(new, self.columns.alike)

    def check(self, out: Path | None, endings: tuple[str, ...]) -> None:
        """Raise if the input does not fit, or if the output cannot be written."""
        if (out is None) != (self.new is None):
            raise InputError(
                "--new and --out need each other",
                expected="both, or neither",
                hint="Without them, howsure prints what it learns",
            )
        super().check(out, endings)


@dataclass(frozen=True, kw_only=True)
class Sets(WithNew):
    """Fit prediction sets, or intervals of numbers, with a promised coverage; and give them for new rows.

    Attributes:
        coverage: Promised share of sets, or intervals, that contain the true answer.
    """

    takes = (*TABLES, "by_class")

    coverage: float = 0.95

    def run(self) -> bool:
        """Fit them, and write those of the new rows."""
        self.check(self.out, LINES)
        labelled = self.labelled("prediction_sets", "prediction_intervals")
        by_class = self.settings.by_class
        if task_of(labelled).can("prediction_sets"):
            fitted: Any = howsure.prediction_sets(labelled, coverage=self.coverage, by_class=by_class)
        elif by_class:
            raise InputError("`by_class` has no effect on intervals of numbers", expected="--coverage alone")
        else:
            fitted = howsure.prediction_intervals(labelled, coverage=self.coverage)
        paragraph(self.console, str(fitted))
        if self.new is not None and self.out is not None:
            sets = task_of(labelled).sets_told(labelled, fitted)
            write_csv_file(self._lines(sets, self.new), self.out)
            say(self.console, f"\n{sets}")
            say(self.console, f"{sets.called + ':':<8} {self.out}")
        return True

    def _lines(self, sets: Any, new: Path) -> Iterator[list[Any]]:
        for number, rows in enumerate(self.parts_of(new)):
            of_part = sets.lines(self.converted(rows))
            heading = next(of_part)
            if not number:
                yield heading
            yield from of_part


@dataclass(frozen=True, kw_only=True)
class Abstain(WithNew):
    """Learn from labelled rows which rows to give to a person, so that few of the others are wrong.

    Attributes:
        out: File to write the --new rows for a person to, .csv.
        risk: Largest share of mistakes among the rows that the model keeps.
        tolerance: For numbers: a number that is off by more than this is a mistake. For a class of each
            pixel: how far the Dice of an image may be below 1.
    """

    takes = (*TABLES, "confidence", "background")

    risk: float = 0.001
    tolerance: float | None = None

    def run(self) -> bool:
        """Learn it, and write the new rows for a person."""
        self.check(self.out, LINES)
        settings = self.settings
        promise: dict[str, Any] = {"risk": self.risk, "tolerance": self.tolerance}
        promise |= {"confidence": settings.confidence, "background": settings.background}
        rule: Any = howsure.abstain(self.labelled("abstain"), **promise)
        paragraph(self.console, rule.in_words())
        if self.new is not None and self.out is not None:
            rows, total = self.chosen(self.parts_of(self.new), rule)
            say(self.console, f"\nFor a person: {len(rows):,} of {counted(total, f'new {rows.kind}')}.")
            howsure.hand_over(rows, np.ones(len(rows), dtype=bool), self.out)
            say(self.console, f"Rows:    {self.out}")
        return True


@dataclass(frozen=True, kw_only=True)
class Handover(TableCommand):
    """Write the rows that a person should look at, the most undecided or the least certain first.

    Attributes:
        out: File to write the rows for a person to, .csv.
        which: Rows to choose (default coin-flips; of numbers all).
        most: Choose only this number of rows, the most undecided or the least certain ones.
    """

    takes = (*TABLES, *VERDICTS)

    out: Path
    which: Which | None = None
    most: int | None = None

    def run(self) -> bool:
        """Choose them, and write them."""
        self.check(self.out, LINES)
        word = None if self.which is None else self.which.value
        if self.most is not None:
            check_whole(self.most, "most", least=0)

        def first(rows: Any) -> Any:
            return task_of(rows).choose(rows, word, self.most)

        rows, total = self.chosen(self._parts(), lambda rows: np.sort(first(rows)))
        chosen = first(rows)[: self.most]
        howsure.hand_over(rows, chosen, self.out)
        say(self.console, f"For a person: {len(chosen):,} of {counted(total, rows.kind)}.")
        say(self.console, f"Rows:    {self.out}")
        return True

    def _parts(self) -> Iterator[Any]:
        """The rows with their labels; of a folder one part after the other."""
        label_file: LabelFile | LabelFolder | None = None
        for part in read_parts(self.table, self.columns):
            if self.labels is not None:
                label_file = label_file or self.label_file_of(part)
            yield self.with_labels(part, label_file)


@dataclass(frozen=True, kw_only=True)
class Report(TableCommand):
    """Write a page about a table: which rows to check and, with labels, whether to trust the others.

    Attributes:
        report: HTML page to write, .html.
    """

    takes = (*TABLES, *VERDICTS, "background")

    report: Path

    def run(self) -> bool:
        """Write the page, and print the summary."""
        self.check(self.report, PAGES)
        result, total = self.sample()
        write_page(self.report, self.table, result, total, background=self.settings.background)
        say_result(result, self.console)
        say(self.console, f"\nReport:  {self.report}")
        return True
