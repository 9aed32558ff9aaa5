"""`howsure assess`: assess rows and write one table, or a folder of parts, so that a stopped run goes on."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import howsure
from howsure.adapters.resolve import GRAPHS, PICKLES, resolve_model
from howsure.arguments import check_whole
from howsure.atomic import PAGES, TABLES
from howsure.cli.command import check_exist, check_output, rows_on
from howsure.cli.models import RowsCommand, load_model
from howsure.cli.output import STDOUT, check_table, maps_on_disk, say_result, write_page, write_table
from howsure.cli.settings import ROWS
from howsure.compare.passes import Recorded
from howsure.compare.sentences import predictions_in_words
from howsure.divide import divided
from howsure.errors import InputError
from howsure.evaluation.rules import Rules, read_rules
from howsure.external.files import FileColumns, read_sample
from howsure.inputs.csv_files import CsvForm
from howsure.inputs.images import is_image_name
from howsure.inputs.sizes import RowsOfSizes
from howsure.inputs.tables import Roles
from howsure.methods.choices import CHOICES, DEFAULT, ENSEMBLE, OPTIONS, choice_of
from howsure.methods.protocol import Choice
from howsure.report.page import write_report
from howsure.request import Request
from howsure.scale.parts import counts_in, is_results, left_out_in
from howsure.scale.ray import cluster, several
from howsure.scale.read import RowSource, parquet_files
from howsure.scale.work import FolderJob, ModelSource, Recipe, begin, one_process
from howsure.tasks.task import fed, task_of
from howsure.tasks.verdict import VERDICTS
from howsure.terminal import COMPILING, duration, paragraph, progress, say
from howsure.words import counted, listed

_OPTIONS = [choice.option for choice in CHOICES if choice.option]
MethodName = StrEnum("MethodName", {option: option for option in _OPTIONS})  # type: ignore[misc]


@dataclass(frozen=True, kw_only=True)
class Assess(RowsCommand):
    """Say for each row what the model predicts, how certain it is, and why it is unsure.

    Attributes:
        data: Rows: {rows}, or a folder of images.
        out: Table to write: .parquet, .csv, or - for csv to stdout. Or a folder for many rows; the
            same command continues a stopped run there.
        chosen_columns: Columns of the table: all, or names such as label,mc_error (those that most ask for).
        method: Method that draws the passes (default {default}, or {ensemble} with members). A scikit-learn
            model has a method of its own.
        rules: Rules from `howsure rules`, by which the rows are then calibrated and decided.
        plan: Plan from `howsure audit --save-plan`, so that a row's numbers do not depend on other rows.
        workers: Number of Ray processes that share the rows, here or on the cluster at RAY_ADDRESS.
    """

    places = ("model", "data")
    takes = tuple(dict.fromkeys((*ROWS, *OPTIONS, "keep", "part_rows", "skip_unreadable")))

    data: Path
    out: str
    chosen_columns: str | None = None
    method: MethodName | None = None
    rules: Path | None = None
    plan: Path | None = None
    workers: int | None = None

    @cached_property
    def place(self) -> Path:
        """The table, or the folder."""
        return Path(self.out)

    @property
    def console(self) -> Console:
        """The console for the summary, which is not stdout if the table goes there."""
        return self.errors if self.place == STDOUT else super().console

    @cached_property
    def decided_by(self) -> Rules | None:
        """The rules; a `FileError` if they cannot be read."""
        return None if self.rules is None else read_rules(self.rules)

    @cached_property
    def options(self) -> dict[str, Any]:
        """Options of the method, by name; a `FileError` if the plan cannot be read."""
        plan = {} if self.plan is None else {"plan": howsure.Plan.load(self.plan)}
        return {**self.settings.options, **plan}

    @cached_property
    def choice(self) -> Choice | None:
        """The method by its name; an ensemble where there are members and no name; None without either.

        Raises:
            InputError: Members are missing, or an option cannot be used, or would have no effect.
        """
        members = self.settings.members
        choice = ENSEMBLE if members else DEFAULT
        if self.method is not None:
            choice = choice_of(self.method.value)
        if choice.takes_members and not members:
            raise InputError(f"--method {choice.option} needs other models", expected="--set members=FILE")
        if members and not choice.takes_members:
            raise InputError(f"`members` has no effect with --method {choice.option}", expected="an ensemble")
        for name in self.options:
            if not choice.takes(name):
                others = [f"--method {other.option}" for other in CHOICES if other.takes(name)]
                raise InputError(
                    f"`{name}` has no effect with --method {choice.option}", expected=listed(others, "or")
                )
        choice.make(members, self.options)  # whose arguments are checked before models are read
        return choice if members or self.method is not None else None

    def run(self) -> bool:
        """Assess the rows; False if some were left out."""
        request = self.settings.request(self.class_names, self.seed)
        _ = self.choice, self.decided_by  # which are checked before work begins
        to_folder, roles = self._check(request.class_names)
        return self._into_folder(request, roles) if to_folder else self._into_table(request, roles)

    def _check(self, names: Sequence[str] | None) -> tuple[bool, Roles]:
        """Whether results go to a folder, and the roles of the columns; raise if paths do not fit.

        Args:
            names: Names of the classes, labels or numbers, if the caller gave them.
        """
        settings, data, labels = self.settings, self.data, self.labels
        if settings.background is not None and self.report is None:
            raise InputError("`background` has no effect without --report", expected="--report PAGE.html")
        inputs = [*self.model_files, *check_exist(data=data, file_of_labels=labels, file_of_rules=self.rules)]
        if settings.skip_unreadable and data.is_file() and not is_image_name(data):
            raise InputError("`skip_unreadable` is for images", expected="a folder of images", received=data)
        for name, number in (("workers", self.workers), ("part_rows", settings.part_rows)):
            if number is not None:
                check_whole(number, name, least=1)
        roles, form = self.form_of(data, labels)
        to_folder = self._is_folder()
        if to_folder:
            self._check_folder(inputs, form)
        else:
            self._check_table(inputs)
        check_output(self.report, PAGES, inputs if self.place == STDOUT else [*inputs, self.place])
        if labels is not None and (labels.is_dir() or not to_folder):
            self.label_file(names)  # before work begins
        return to_folder, roles

    def _is_folder(self) -> bool:
        """Whether results go to a folder of parts.

        Raises:
            InputError: There are workers, and the output is one file.
        """
        place, ending = self.place, self.place.suffix.lower()
        named = not ending or self.out.endswith(("/", os.sep))
        exists = place.is_dir() and (ending not in TABLES or is_results(place))
        folder = place != STDOUT and (named or exists)
        if self.workers is not None and not folder:
            raise InputError(
                "--workers needs a folder as its output",
                expected="--out FOLDER",
                received=self.out,
                hint="The name of a folder has no ending, or ends in a slash",
            )
        return folder

    def _check_table(self, inputs: Sequence[Path]) -> None:
        """Raise if the table cannot be written, or if a setting or the rows need a folder of results."""
        if self.settings.part_rows is not None:
            raise InputError("`part_rows` has no effect on one table", expected="--out FOLDER")
        if self.data.is_dir() and parquet_files(self.data):
            raise InputError(
                f"'{self.data}' is a folder of Parquet files, so its results need a folder",
                expected="--out FOLDER",
            )
        check_table(self.place, inputs)

    def _check_folder(self, inputs: Sequence[Path], form: CsvForm) -> None:
        """Raise if the folder is an input or a file, or if something needs one table."""
        out = self.place
        if out.exists() and not out.is_dir():
            raise InputError(f"'{out}' is a file", expected=f"a folder, or a name in {', '.join(TABLES)}")
        for path in inputs:
            if out.exists() and path.samefile(out):
                raise InputError(f"'{out}' would overwrite '{path}'", expected="another folder")
            if path.is_dir() and path.resolve() in out.resolve().parents:
                raise InputError(f"'{out}' lies inside the input '{path}'", expected="a folder elsewhere")
        needs_table = {
            "the results of a classifier": self.model.suffix.lower() in PICKLES,
            "the results of a graph": self.model.suffix == GRAPHS,
            "`separator` and `decimal`": form != CsvForm(),
            "--columns": self.chosen_columns is not None,
            "`label_column` with --labels": None not in (self.labels, self.settings.label_column),
        }
        for what, applies in needs_table.items():
            if applies:
                raise InputError(f"One table is needed for {what}", expected="--out TABLE.parquet")

    def _check_result(self, result: Any) -> Any:
        """The result as it is; an `InputError` where it cannot be told as the caller wants it."""
        result._in_table(self.table_columns)
        if self.settings.background is not None:
            task_of(result).background(result, self.settings.background)
        return result

    def _into_folder(self, request: Request, roles: Roles) -> bool:
        """Assess rows part by part; True if all rows were assessed."""
        model, *members = (
            ModelSource.of(source.path, source.weights, source.allow_code) for source in self.sources
        )
        recipe = Recipe(
            model,
            tuple(members),
            (self.choice or DEFAULT).option,
            self.options,
            request,
            self.settings.divide_by,
            None if self.labels is None else self.labels.absolute(),
            self.place.resolve(),
            self.decided_by,
        )
        rows = RowSource(self.data.absolute(), roles, self.settings.skip_unreadable)
        workers = self.workers
        with contextlib.nullcontext() if workers is None else cluster(workers):
            job = begin(
                recipe,
                rows,
                size=self.settings.part_rows,
                load_models=lambda: [load_model(source, self.errors) for source in self.sources],
                during=partial(progress, self.errors),
                check=self._check_result,
            )
            whole = do_parts(job, workers, rows.path, self.errors, self.console)
        if self.report is not None:
            result, total = read_sample(self.place, FileColumns())
            write_page(self.report, self.place, result, total, background=self.settings.background)
            say(self.console, f"Report:  {self.report}")
        return whole

    def _into_table(self, request: Request, roles: Roles) -> bool:
        """Assess rows, write the table and the report; True if all rows could be read."""
        settings = self.settings
        model, *members = (load_model(source, self.errors) for source in self.sources)
        network, form = resolve_model(model), settings.csv_form(self.data, self.labels)
        rows = network.read(self.data, skip_unreadable=settings.skip_unreadable, roles=roles, form=form)
        if self.labels is not None:
            names = network.class_names(rows, request.class_names, request.assessed_output)
            request = replace(request, class_names=names)
            rows = replace(rows, labels=self.labels_of(rows, names), class_names=None)
        rows_in = replace(rows, x=divided(rows.x, settings.divide_by, network, request))
        if self.choice is None and network.brings_method:
            if self.options:
                raise InputError(
                    f"`{next(iter(self.options))}` has no effect with "
                    + ("a classifier of scikit-learn" if network.is_estimator else "a graph"),
                    expected="no such setting: it has a method of its own",
                )
            method = None
        else:
            method = (self.choice or DEFAULT).make(members, self.options)
            if not isinstance(rows_in.x, RowsOfSizes):  # of which one plan is made
                method = Recorded(method)
        start = time.monotonic()
        with maps_on_disk(self.place) as moved:
            with progress(self.errors, "Assessing", waiting=COMPILING) as report:
                wishes = vars(request) | {
                    "method": method,
                    "progress": rows_on(report),
                    "rules": self.decided_by,
                }
                stream = howsure.stream(network, rows_in, **wishes)
                blocks = [moved(self._check_result(block)) for block in stream]
            seconds = time.monotonic() - start
            result = blocks[0].joined(blocks)
            write_table([result], self.place, self.table_columns)
            say_result(result, self.console)
            if self.place != STDOUT:
                say(self.console, f"\nTable:   {self.place}")
            cost = getattr(method, "cost", np.nan)
            spent = [] if np.isnan(cost) else [predictions_in_words(cost)]
            say(self.console, f"Cost:    {', '.join([duration(seconds), *spent])}")
            images = counted(len(rows.left_out), "unreadable image")
            _say_lines(f"left out: {images}. Row numbers do not count them", rows.left_out)
            if self.report is not None:
                extras: dict[str, Any] = {"background": settings.background}
                if self.model.suffix != GRAPHS:  # in which no layers are left
                    some = replace(rows_in, x=fed(rows_in.x, request))
                    wished = request.arguments_of(howsure.audit)
                    keep_off = self.options.get("keep_off", ())
                    extras["audit"] = howsure.audit(network, some, keep_off=keep_off, **wished)
                write_report(self.report, result, rows.by_column, **extras)
                say(self.console, f"Report:  {self.report}")
        return not rows.left_out


def _say_lines(what: str, lines: Sequence[str]) -> None:
    if lines:
        for line in (what, *(f"  {line}" for line in lines)):
            say(Console(stderr=True), line)


# --- a folder of results ------------------------------------------------------------------------------


def do_parts(job: FolderJob, workers: int | None, rows: Path, errors: Console, console: Console) -> bool:
    """Do the parts that are not there yet, and print a summary; True if all rows were assessed.

    Args:
        job: The folder.
        workers: Number of processes of Ray, or None for this one.
        rows: Path of the rows, for messages.
        errors: Console for progress.
        console: Console for the summary.
    """
    total, plan = job.manifest.rows, job.worker.recipe.plan
    if job.plan_from:
        say(console, f"Plan:    made from {counted(job.plan_from, 'row')} spread over the input")
        if plan is not None and plan.pilot is not None:
            say(console, f"         {plan.pilot.in_words}")
    if job.rows_before:
        say(console, f"Done:    {job.rows_before:,} of {total:,} rows in an earlier run")
    start = time.monotonic()
    try:
        with progress(errors, "Assessing", waiting="compiling") as report:
            job.run(one_process if workers is None else several(workers), rows_on(report))
    except BaseException:
        done = job.rows_before + sum(len(outcome.part) for outcome in job.outcomes if outcome.fault is None)
        kept_rows = f"kept: {done:,} of {total:,} rows, in '{job.folder}'. The same command continues"
        say(Console(stderr=True), kept_rows)
        _say_faults(job)
        raise
    return _say_summary(job, time.monotonic() - start, rows, console)


def _say_faults(job: FolderJob) -> None:
    """Print what is missing and why, after the first traceback that is not an error of howsure."""
    first, faults = next((outcome for outcome in job.outcomes if outcome.traceback), None), job.faults()
    if first is not None:
        _say_lines(f"raised at {job.place(first.part)}:", first.traceback.splitlines())
    _say_lines(f"missing: {counted(len(faults), 'part')}", faults)


def _say_summary(job: FolderJob, seconds: float, rows: Path, console: Console) -> bool:
    parts, done = job.manifest.parts, sum(outcome.rows for outcome in job.outcomes)
    verdicts = counts_in(job.folder, parts, "verdict")
    if verdicts:
        counts = [f"{name} {verdicts.get(name, 0):,}" for name in VERDICTS]
        paragraph(console, f"Of {counted(verdicts.total(), 'answer')}: {', '.join(counts)}.")
    if handed_over := counts_in(job.folder, parts, "hand_over"):
        say(console, f"For a person: {handed_over[True]:,} of {counted(handed_over.total(), 'row')}.")
    if done:
        say(console, f"Speed:   {done:,} rows in {duration(seconds)}, {done / seconds:,.0f} rows/s")
    say(console, f"Folder:  {job.folder}")
    left_out, passed_over = left_out_in(job.folder, parts), job.worker.reader.passed_over
    _say_lines(f"left out: {counted(len(left_out), 'unreadable image')}", left_out)
    _say_lines(f"not read: {len(passed_over):,} files or folders in '{rows}'", passed_over)
    _say_faults(job)
    return not (job.faults() or left_out or passed_over)
