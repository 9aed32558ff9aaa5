"""Commands that read tables: from `howsure assess`, or probabilities from other programs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from rich.console import Console

import howsure
from howsure.arguments import check_choice, check_whole
from howsure.atomic import FITTED, LINES, PAGES
from howsure.cli.command import Command, check_exist, check_output
from howsure.cli.output import STDOUT, check_table, maps_on_disk, say_result, write_page, write_table
from howsure.cli.settings import TABLES, VERDICTS
from howsure.digits import significant
from howsure.errors import InputError
from howsure.evaluation.rules import read_rules
from howsure.external.files import FileColumns, read_parts, read_sample
from howsure.inputs.files import read_class_names
from howsure.inputs.formats import has_columns, open_table
from howsure.inputs.label_files import LabelFile, LabelFolder, read_label_file
from howsure.inputs.tables import Roles
from howsure.results.export import write_csv_file
from howsure.results.origin import DECIDED
from howsure.results.saved import is_saved
from howsure.scale.parts import is_results, rows_of_input
from howsure.tasks.classification.decide import CHOSEN
from howsure.tasks.printed import kind_of
from howsure.tasks.regression.decide import CHOSEN as OF_NUMBERS
from howsure.tasks.task import task_of
from howsure.terminal import paragraph, say
from howsure.words import counted, listed

Which = StrEnum("Which", list(dict.fromkeys((*CHOSEN, *OF_NUMBERS))))  # type: ignore[misc]

CALIBRATION, SETS, HAND_OVER = PARTS = ("calibration", "sets", "hand-over")
"""Parts of rules, of which `leave_out` names some."""


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

    def line(self, command: str, *more: str) -> str:
        """The line to type for another command about this table, with the same meaning of its columns."""
        named = {"--labels": self.labels, "--class-names": self.class_names, "--id-column": self.id_column}
        options = [text for name, value in named.items() if value for text in (name, str(value))]
        options += [text for setting in self.given or () for text in ("--set", setting)]
        return shlex.join(["howsure", command, str(self.table), *options, *more])

    @staticmethod
    def tolerance_of(result: Any) -> tuple[str, ...]:
        """The option of `rules` that answers need which are not just right or wrong."""
        return ("--tolerance", "TOLERANCE") if result.answer in ("numbers", "positions") else ()

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
        return result.with_truth(self.beside(result, label_file or self.label_file_of(result)))

    def beside(self, result: Any, label_file: LabelFile | LabelFolder) -> Any:
        """The values that a file holds of some rows of the table."""
        return label_file.of_some(result, result.row) if is_results(self.table) else label_file.of(result)

    def label_file_of(self, result: Any) -> LabelFile | LabelFolder:
        """The file of labels."""
        names = getattr(result, result.names)
        return self.file_beside(result, self.labels or Path(), self.columns.label_in_file, names)

    def file_beside(
        self, result: Any, path: Path, column: str | None, names: Sequence[str] | None = None
    ) -> LabelFile | LabelFolder:
        """A file with a value for each row. It has ids if a column has the same name as in the table.

        For a folder it holds one value for each row of the input, also for rows without a result.

        Args:
            result: Some rows of the table.
            path: The file.
            column: As in `read_label_file`.
            names: Likewise.
        """
        id_name = result.id_name if result.has("id_name") else None
        label_file = read_label_file(
            path, column=column, id_column=id_name, names=names, form=self.columns.form
        )
        if not is_results(self.table):
            return label_file
        total = rows_of_input(self.table)
        if isinstance(label_file, LabelFile) and result.has("ids") and result.ids is not None:
            label_file.check_count_by_id(total)
        else:
            label_file.check_count(total)
        return label_file

    def parts(self) -> Iterator[Any]:
        """The rows with their labels; of a folder one part after the other."""
        label_file: LabelFile | LabelFolder | None = None
        for part in read_parts(self.table, self.columns):
            if self.labels is not None:
                label_file = label_file or self.label_file_of(part)
            yield self.with_labels(part, label_file)


@dataclass(frozen=True, kw_only=True)
class GroupedCommand(TableCommand):
    """A command that reads a table whose rows may depend on each other.

    Attributes:
        groups_column: Column of the table or of --labels with the group of each row, such as its patient, if
            rows of a group depend on each other.
    """

    groups_column: str | None = None

    @cached_property
    def columns(self) -> FileColumns:
        """The meaning of the columns; that of groups is no class."""
        columns = super().columns
        if self.groups_column is None or self._file_of_groups != self.table:
            return columns
        roles = replace(columns.roles, drop=(*columns.roles.drop, self.groups_column))
        return replace(columns, roles=roles)

    @cached_property
    def _file_of_groups(self) -> Path | None:
        """The file with the column of groups, if there is one.

        Raises:
            InputError: It is in no file.
        """
        if self.groups_column is None:
            return None
        for path in (self.table, self.labels):
            if path is not None and has_columns(path) and not is_saved(path):
                table = open_table(path, self.settings.csv_form(*self.files), Roles())
                if self.groups_column in table.names:
                    return path
        raise InputError(
            f"No file has a column '{self.groups_column}' for the groups",
            expected="one in the table, or beside the labels in --labels",
        )

    def groups_of(self, known: Any) -> Any:
        """(N,) the group of each row, or None."""
        path = self._file_of_groups
        if path is None:
            return None
        return self.beside(known, self.file_beside(known, path, self.groups_column))


@dataclass(frozen=True, kw_only=True)
class Evaluate(GroupedCommand):
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
        evaluation = howsure.evaluate(
            result,
            outside=strangers,
            background=self.settings.background,
            groups=self.groups_of(result),
        )
        say(self.console, str(evaluation))
        if self.out is not None:
            write_csv_file(task_of(result).score_lines(result, evaluation), self.out)
            say(self.console, f"\nScores:  {self.out}")
        if task_of(result).can("abstain"):
            say(
                self.console,
                f"\nNext:    {self.line('rules', *self.tolerance_of(result), '--out', 'rules.json')}",
            )
        return True


@dataclass(frozen=True, kw_only=True)
class RulesCommand(GroupedCommand):
    """Fit rules on labelled rows: they calibrate, give sets or intervals, and choose rows for a person.

    Attributes:
        out: File to write the rules to, .json.
        coverage: Promised share of sets, or intervals, that contain the true answer.
        risk: Largest share of mistakes among the rows that no person sees.
        tolerance: For numbers: a number that is off by more than this is a mistake. For a class of each
            pixel: how far the Dice of an image may be below 1.
        seed: Seed by which rows are divided.
    """

    takes = (*TABLES, "background", "leave_out")

    out: Path | None = None
    coverage: float = 0.9
    risk: float = 0.05
    tolerance: float | None = None
    seed: int = 0

    def run(self) -> bool:
        """Fit them, and write them."""
        self.check(self.out, FITTED)
        left_out, settings = self._left_out(), self.settings
        known = self.labelled("abstain", "coverage")
        rules = howsure.fit_rules(
            known,
            calibrate=CALIBRATION not in left_out,
            coverage=None if SETS in left_out else self.coverage,
            risk=None if HAND_OVER in left_out else self.risk,
            tolerance=self.tolerance,
            groups=self.groups_of(known),
            background=settings.background,
            seed=self.seed,
        )
        for line in str(rules).splitlines():
            paragraph(self.console, line)
        if self.out is not None:
            rules.save(self.out)
            say(self.console, f"\nRules:   {self.out}")
        return True

    def _left_out(self) -> tuple[str, ...]:
        """The parts to leave out.

        Raises:
            InputError: A word that means none, or nothing would be left.
        """
        left_out = self.settings.leave_out
        for word in left_out:
            check_choice(word, PARTS, "leave_out")
        if {*PARTS} <= {*left_out}:
            raise InputError("Rules without any part decide nothing", expected="at most two in `leave_out`")
        return left_out


@dataclass(frozen=True, kw_only=True)
class Decide(TableCommand):
    """Calibrate rows and decide them by rules: what else each may be, and whether a person should look.

    Attributes:
        rules: File of rules from `howsure rules`.
        out: Table to write: .parquet, .csv, or - for csv to stdout.
        chosen_columns: Columns of the table: all, or names such as set,in_set (those that most ask for).
        to_check: File to write the rows for a person to, .csv.
    """

    takes = TABLES
    also = "rules"

    rules: Path
    out: Path
    chosen_columns: str | None = None
    to_check: Path | None = None

    @property
    def console(self) -> Console:
        """The console for the summary, which is not stdout if the table goes there."""
        return self.errors if self.out == STDOUT else super().console

    def run(self) -> bool:
        """Decide them, and write table and rows."""
        check_table(self.out, self.files)
        self.check(self.to_check, LINES)
        check_output(self.to_check, LINES, [] if self.out == STDOUT else [self.out])
        rules = read_rules(self.rules)
        if self.to_check is not None and rules.risk is None:
            raise InputError(
                "These rules choose no rows for a person", expected="rules with a risk, or no --to-check"
            )
        decisions = Decisions(keep=self.to_check is not None)
        with maps_on_disk(self.out) as moved:
            parts = (moved(rules(self.converted(part))) for part in self.parts())
            write_table(map(decisions.counted, parts), self.out, self.table_columns)
            for line in decisions.lines():
                say(self.console, line)
            if self.to_check is not None:
                rows = decisions.rows[0].joined(decisions.rows)
                howsure.hand_over(rows, np.ones(len(rows), dtype=bool), self.to_check)
        if self.out != STDOUT:
            say(self.console, f"\nTable:   {self.out}")
        if self.to_check is not None:
            say(self.console, f"Rows:    {self.to_check}")
        return True


class Decisions:
    """The decisions about the parts of a table, counted one after the other.

    Args:
        keep: Whether the rows for a person are kept.

    Attributes:
        rows: Those of each part, or none.
    """

    def __init__(self, keep: bool) -> None:
        self._keep, self.rows = keep, list[Any]()
        self._count, self._for_a_person = 0, 0
        self._sizes: Any = 0

    def counted(self, decided: Any) -> Any:
        """A decided part, after it was counted.

        Raises:
            InputError: Its kind has no table of rows for a person, and they are kept.
        """
        if self._keep:
            task_of(decided).check_can("hand_over", decided)
        self._count += len(decided)
        if decided.hand_over is not None:
            self._for_a_person += int(decided.hand_over.sum())
        if _has(decided, "in_set"):
            self._sizes += decided.in_set.sum()
        elif _has(decided, "low"):
            self._sizes += (decided.high - decided.low).sum(axis=0)
        self.rows.append(decided[decided.hand_over] if self._keep else decided[:0])
        return decided

    def lines(self) -> Iterator[str]:
        """The counts, a line each."""
        like = self.rows[0]
        rows, names = counted(self._count, like.kind), getattr(like, like.names)
        yield (
            f"Decided: {rows}."
            if like.hand_over is None
            else (f"For a person: {self._for_a_person:,} of {rows}.")
        )
        if self._count and _has(like, "in_set"):
            yield f"Sets hold {self._sizes / self._count:.2g} of {len(names)} answers on average."
        elif self._count and _has(like, "low"):
            widths = [significant(float(width), 4) for width in self._sizes / self._count]
            if len(names) > 1:
                widths = [f"{width} ('{name}')" for width, name in zip(widths, names, strict=True)]
            yield f"Intervals are {listed(widths)} wide on average."


def _has(decided: Any, column: str) -> bool:
    return decided.has(column) and getattr(decided, column) is not None


@dataclass(frozen=True, kw_only=True)
class Handover(TableCommand):
    """Write the rows that a person should look at, the most undecided or the least certain first.

    Attributes:
        out: File to write the rows for a person to, .csv.
        which: Rows to choose (default: those that rules hand over; without rules coin-flips, of numbers all).
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
            task = task_of(rows)
            if word is None and getattr(rows, "hand_over", None) is not None:  # what rules promised counts
                order = np.asarray(task.choose(rows, "all", None))
                return order[rows.hand_over[order]][: self.most]
            return task.choose(rows, word, self.most)

        kept, total = list[Any](), 0
        for part in self.parts():
            rows = self.converted(part)
            task_of(rows).check_can("hand_over", rows)
            total += len(rows)
            kept.append(rows[np.sort(first(rows))])
        rows = kept[0].joined(kept)
        chosen = first(rows)[: self.most]
        howsure.hand_over(rows, chosen, self.out)
        say(self.console, f"For a person: {len(chosen):,} of {counted(total, rows.kind)}.")
        say(self.console, f"Rows:    {self.out}")
        following: tuple[str, ...] = "rules", *self.tolerance_of(rows), "--out", "rules.json"
        if DECIDED in rows.method:
            following = "watch", "--rules", "RULES.json", "--labels", "LABELS.csv"
        elif rows.truth is None:
            following = "evaluate", "--labels", "LABELS.csv"
        say(self.console, f"Next:    {self.line(*following)}")
        return True


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
