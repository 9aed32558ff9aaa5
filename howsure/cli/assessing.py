"""`howsure assess`: assess rows and write one table, or a folder of parts, so that a stopped run goes on."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import howsure
from howsure.answers.files import parts_of
from howsure.answers.registry import fed, part_of
from howsure.answers.verdict import VERDICTS
from howsure.atomic import PAGES, TABLES
from howsure.bare.files import FileColumns, read_sample
from howsure.cli.models import Model, check_models, load_model, placed
from howsure.cli.options import (
    LEFT_OUT,
    Above,
    AssessWishes,
    Background,
    MethodOptions,
    Opening,
    Quiet,
    RowOptions,
    check_exists,
    check_output,
    consoles,
)
from howsure.cli.output import (
    STDOUT,
    MapOptions,
    check_table,
    maps_on_disk,
    parquet_beside,
    say_result,
    write_page,
    write_table,
)
from howsure.cli.stopping import INTERRUPTIONS, kept
from howsure.data.images import is_image_name
from howsure.data.label_files import LabelFolder, read_label_file
from howsure.data.table_files import CsvForm
from howsure.data.tables import Roles
from howsure.divide import check_divisor, divided
from howsure.errors import InputError
from howsure.methods.mc_dropout import MCDropout
from howsure.models.adapt import PICKLES, opened
from howsure.report import write_report
from howsure.request import Request
from howsure.scale.parts import is_results, left_out_in, verdicts_in
from howsure.scale.ray import cluster, several
from howsure.scale.read import RowSource, parquet_files
from howsure.scale.work import Asked, FolderJob, ModelSource, Recipe, begin, one_process
from howsure.terminal import COMPILING, Report, duration, paragraph, progress, say
from howsure.words import counted


@dataclass(frozen=True)
class FolderOptions:
    """Options of a folder of results."""

    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of Ray processes that share the rows, here or on the cluster at RAY_ADDRESS."
        ),
    ] = None
    part_rows: Annotated[
        int | None,
        typer.Option(min=1, help="Rows in each part of a folder. A stopped run loses at most one part."),
    ] = None
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out images that cannot be read, and list them.")
    ] = False
    skip_rows: Annotated[bool, typer.Option("--skip-rows", hidden=True)] = False

    def check(self) -> None:
        """Raise an `InputError` for an option that is gone."""
        if self.skip_rows:
            raise InputError(
                "--skip-rows is gone",
                expected="rows that the model takes",
                hint="Leave it out: a part that fails is named with the row that failed. Take such rows out "
                "of the file, then assess it again",
            )


class Folder(type(Path())):  # type: ignore[misc]  # the class of paths on this system
    """A path with a slash at its end."""


def out_path(text: str) -> Path:
    """The path of `--out`; its type says whether it ends in a slash."""
    return Folder(text) if text.endswith(("/", os.sep)) else Path(text)


def is_folder(out: Path, workers: int | None) -> bool:
    """Whether results go to a folder of parts.

    Raises:
        InputError: `workers` are given, and the output is one file.
    """
    named = isinstance(out, Folder) or not out.suffix
    there = os.path.isdir(out) and (out.suffix.lower() not in TABLES or is_results(out))
    folder = out != STDOUT and (named or there)
    if workers is not None and not folder:
        raise InputError(
            "--workers needs a folder as its output",
            expected="--out FOLDER",
            received=out,
            hint="The name of a folder has no ending, or ends in a slash",
        )
    return folder


def source_of(path: Path, opening: Opening, like: Path | None = None) -> ModelSource:
    """The source from which a worker loads the model. The worker may run in another folder."""
    return ModelSource.of(*placed(path, opening, like), opening.allow_code)


@dataclass(frozen=True, kw_only=True)
class Results:
    """Options of the output."""

    out: Annotated[
        Path,
        typer.Option(
            parser=out_path,
            metavar="PATH",
            help="Table to write: .parquet, .csv, or - for csv to stdout. Or a folder for many rows; "
            "the same command continues a stopped run there.",
        ),
    ]
    report: Annotated[Path | None, typer.Option(help="HTML page to write, .html.")] = None
    background: Background = None
    quiet: Quiet = False

    def consoles(self) -> tuple[Console, Console]:
        """The consoles for progress and for the summary, which is not stdout if the table goes there."""
        errors, console = consoles(self.quiet)
        return errors, errors if self.out == STDOUT else console


def assess_command(
    model: Model,
    data: Annotated[Path, typer.Argument(help="Rows: .npz, .npy, .csv, .parquet, or a folder of images.")],
    results: Results,
    rows: RowOptions,
    many: FolderOptions,
    passes: MethodOptions,
    wishes: AssessWishes,
    question: Above,
    maps: MapOptions,
    opening: Opening,
) -> None:
    """Say for each row what the model predicts, how certain it is, and why it is unsure."""
    run = _Run(model, data, results, rows, many, passes, question, maps, opening)
    dropout = passes.dropout
    passes.check(dropout)
    check_divisor(rows.divide_by)
    asked = wishes.asked(rows.divide_by)
    to_folder, roles = run.check(asked.request.class_names)
    if to_folder:
        asked.wished()  # imports the module of the outcome before work begins
        whole = run.into_folder(asked, dropout, roles)
    else:
        whole = run.into_table(asked.wished(), dropout, roles)
    if not whole:
        raise typer.Exit(LEFT_OUT)


@dataclass(frozen=True)
class _Run:
    model: Path
    data: Path
    results: Results
    rows: RowOptions
    many: FolderOptions
    passes: MethodOptions
    question: Above
    maps: MapOptions
    opening: Opening

    def check(self, names: Sequence[str] | None) -> tuple[bool, Roles]:
        """Whether results go to a folder, and the roles of the columns; raise if paths do not fit.

        Args:
            names: Names of the classes, labels or numbers, if the caller gave them.
        """
        self.question.check()
        self.many.check()
        if self.results.background is not None and self.results.report is None:
            raise InputError("--background has no effect without --report", expected="--report PAGE.html")
        data, labels, out, report = self.data, self.rows.labels, self.results.out, self.results.report
        inputs = [*check_models(self.model, self.passes.members, self.opening.weights), data]
        check_exists(data, "data")
        if labels is not None:
            check_exists(labels, "file of labels")
            inputs.append(labels)
        to_folder = is_folder(out, self.many.workers)
        if to_folder and self.model.suffix.lower() in PICKLES:
            raise InputError("The results of a classifier need one table", expected="--out TABLE.parquet")
        if self.many.skip_unreadable and data.is_file() and not is_image_name(data):
            raise InputError("--skip-unreadable is for images", expected="a folder of images", received=data)
        if not to_folder:
            check_unused(self.many, data)
            check_table(out, inputs)
        check_output(report, PAGES, inputs if out == STDOUT else [*inputs, out])
        roles, form = self.rows.roles(data, labels), self.rows.form(data, labels)
        self.maps.check([*inputs, out])
        if to_folder:
            check_free(out, inputs)
            if self.question.above is not None:
                raise InputError(
                    "--above needs one table",
                    expected="--out TABLE.parquet with --above",
                    hint=f"The folder holds the numbers. Ask afterwards: howsure evaluate {out} --above "
                    f"{self.question.above:g}",
                )
            if labels is not None and self.rows.label_column is not None:
                raise InputError(
                    "A folder cannot have both --labels and --label-column", expected="a column y in --labels"
                )
            if form != CsvForm():
                raise InputError(
                    "--separator and --decimal need one table",
                    expected="for a folder, --labels with commas and decimal points",
                )
        elif labels is not None:
            column = self.rows.label_column
            read_label_file(labels, column=column, names=names, form=form)  # before work begins
        if labels is not None and labels.is_dir():
            LabelFolder.of_folder(labels)  # before work begins
        return to_folder, roles

    def _checked(self, result: Any) -> Any:
        """The result as it is; an `InputError` where it cannot be told as the options want it."""
        if self.results.background is not None:
            part_of(result, "background")(result, self.results.background)
        return self.maps.checked(result)

    def into_folder(self, asked: Asked, dropout: MCDropout, roles: Roles) -> bool:
        """Assess rows part by part; True if all rows were assessed."""
        errors, console = self.results.consoles()
        labels, members = self.rows.labels, self.passes.members
        recipe = Recipe(
            source_of(self.model, self.opening),
            tuple(source_of(path, self.opening, like=self.model) for path in members),
            self.passes.choice.option,
            dropout,
            asked,
            None if labels is None else labels.absolute(),
            self.results.out.resolve(),
        )
        rows = RowSource(self.data.absolute(), roles, self.many.skip_unreadable)
        whole = assess_into(recipe, rows, self.many, errors, console, self._checked)
        self.maps.write(lambda: parts_of(self.results.out), console)
        if self.results.report is not None:
            sample = read_sample(self.results.out, FileColumns())
            write_page(self.results.report, self.results.out, *sample, background=self.results.background)
            say(console, f"Report:  {self.results.report}")
        return whole

    def into_table(self, request: Request, dropout: MCDropout, roles: Roles) -> bool:
        """Assess rows, write the table and the report; True if all rows could be read."""
        errors, console = self.results.consoles()
        out, labels = self.results.out, self.rows.labels
        network = opened(load_model(self.model, self.opening, errors))
        others = [load_model(path, self.opening, errors, like=self.model) for path in self.passes.members]
        form = self.rows.form(self.data, labels)
        rows = network.read(self.data, skip_unreadable=self.many.skip_unreadable, roles=roles, form=form)
        if labels is not None:
            names = network.class_names(rows, request.class_names, request.assessed_output)
            request = replace(request, class_names=names)
            rows = replace(rows, labels=self.rows.labels_of(rows, names), class_names=None)
        rows_in = replace(rows, x=divided(rows.x, self.rows.divide_by, network, request))
        own = self.passes.method is None and not others and network.is_estimator
        if own and dropout != MCDropout():
            raise InputError(
                "Passes and plans have no effect with a classifier of scikit-learn",
                expected="no such options: it has a method of its own",
            )
        limits = request.thresholds
        if self.question.above is not None:  # verdicts are on the answer to the question
            request = replace(request, thresholds=None)
        blocks: list[Any] = []
        with maps_on_disk(out) as moved:
            with kept(blocks, parquet_beside(out)):
                with progress(errors, "Assessing", waiting=COMPILING) as shown:
                    stream = howsure.stream(
                        network,
                        rows_in,
                        method=None if own else self.passes.choice.make(others, dropout),
                        progress=INTERRUPTIONS.told(shown),
                        **vars(request),
                    )
                    blocks += (moved(self._checked(self.question.of(block, limits))) for block in stream)
                result = blocks[0].joined(blocks)
                with INTERRUPTIONS.held():
                    write_table(result, out)
                    blocks.clear()
            say_result(result, console)
            if out != STDOUT:
                say(console, f"\nTable:   {out}")
            self.maps.write(lambda: [result], console)
            images = counted(len(rows.left_out), "unreadable image")
            _say_lines(f"left out: {images}. Row numbers do not count them", rows.left_out)
            if self.results.report is not None:
                audit = howsure.audit(
                    network,
                    replace(rows_in, x=fed(rows_in.x, request)),
                    keep_off=dropout.keep_off,
                    **request.arguments_of(howsure.audit),
                )
                wishes: dict[str, Any] = {"audit": audit, "background": self.results.background}
                write_report(self.results.report, result, rows.by_column, **wishes)
                say(console, f"Report:  {self.results.report}")
        return not rows.left_out


def _say_lines(what: str, lines: Sequence[str]) -> None:
    if lines:
        for line in (what, *(f"  {line}" for line in lines)):
            say(Console(stderr=True), line)


# --- a folder of results ------------------------------------------------------------------------------


def check_unused(many: FolderOptions, data: Path) -> None:
    """Raise an `InputError` if an option, or the rows, need a folder of results."""
    if many.part_rows is not None:
        raise InputError("--part-rows has no effect on one table", expected="--out FOLDER")
    if data.is_dir() and parquet_files(data):
        raise InputError(
            f"'{data}' is a folder of Parquet files, so its results need a folder", expected="--out FOLDER"
        )


def check_free(out: Path, taken: list[Path]) -> None:
    """Raise if the folder of results is an input or a file."""
    if out.exists() and not out.is_dir():
        raise InputError(
            f"'{out}' is a file, not a folder", expected=f"a folder, or a name ending in {', '.join(TABLES)}"
        )
    same = next((path for path in taken if path.exists() and out.exists() and path.samefile(out)), None)
    if same is not None:
        raise InputError(f"'{out}' would overwrite '{same}'", expected="another folder for the results")
    around = next((path for path in taken if path.is_dir() and path.resolve() in out.resolve().parents), None)
    if around is not None:
        raise InputError(
            f"'{out}' lies inside the input '{around}'", expected="a folder elsewhere for the results"
        )


def assess_into(
    recipe: Recipe,
    rows: RowSource,
    many: FolderOptions,
    errors: Console,
    console: Console,
    check: Callable[[Any], object],
) -> bool:
    """Assess rows into a folder, and print a summary.

    Args:
        recipe: Model, method and folder.
        rows: To be assessed.
        many: Options of the folder.
        errors: Console for progress.
        console: Console for the summary.
        check: Raises where a first result of a few rows is not what the caller can go on with.

    Returns:
        True if all rows were assessed.

    Raises:
        InputError: From `check`, before the folder is begun.
    """

    def load_models() -> list[Any]:
        return [
            load_model(each.path, Opening(each.weights, each.allow_code), errors)
            for each in (recipe.model, *recipe.members)
        ]

    workers = many.workers
    run = one_process if workers is None else several(workers)
    with contextlib.nullcontext() if workers is None else cluster(workers):
        job = begin(
            recipe,
            rows,
            size=many.part_rows,
            load_models=load_models,
            during=partial(progress, errors),
            check=check,
        )
        total, plan = job.manifest.rows, job.worker.recipe.dropout.plan
        if job.plan_from:
            say(console, f"Plan:    made from {counted(job.plan_from, 'row')} spread over the input")
            if plan is not None and plan.pilot is not None:
                say(console, f"         {plan.pilot.in_words}")
        if job.rows_before:
            say(console, f"Done:    {job.rows_before:,} of {total:,} rows in an earlier run")
        start = time.monotonic()
        try:
            with progress(errors, "Assessing", waiting="compiling") as shown:
                job.run(run, _told(shown, INTERRUPTIONS.check))
        except BaseException:
            done = job.rows_before + sum(len(each.part) for each in job.outcomes if each.fault is None)
            kept_rows = f"kept: {done:,} of {total:,} rows, in '{job.folder}'. The same command continues"
            say(Console(stderr=True), kept_rows)
            _say_faults(job)
            raise
        return _say_what_came(job, time.monotonic() - start, rows.path, console)


def _say_faults(job: FolderJob) -> None:
    """Print what is missing and why, after the first traceback that is not an error of howsure."""
    first, faults = next((each for each in job.outcomes if each.traceback), None), job.faults()
    if first is not None:
        _say_lines(f"raised at {job.place(first.part)}:", first.traceback.splitlines())
    _say_lines(f"missing: {counted(len(faults), 'part')}", faults)


def _told(shown: Report, check: Callable[[], None]) -> Callable[[int, int], None]:
    first: tuple[float, int] | None = None

    def tell(done: int, total: int) -> None:
        nonlocal first
        check()
        first = first or (time.monotonic(), done)  # after compiling and the start of workers
        rate = (done - first[1]) / max(1e-9, time.monotonic() - first[0])
        left = f", {duration((total - done) / rate)} left" if rate > 0 else ""
        shown(done / max(1, total), f"{done:,} of {total:,} rows, {rate:,.0f} rows/s{left}")

    return tell


def _speed_after_start(job: FolderJob) -> float | None:
    """Rows per second without compiling and the start of workers; None if there was only one part."""
    later = sum(each.rows for each in job.outcomes[1:])
    if job.first_done is None or not later:
        return None
    return later / max(1e-9, time.monotonic() - job.first_done)


def _say_what_came(job: FolderJob, seconds: float, rows: Path, console: Console) -> bool:
    parts, done, after = job.manifest.parts, sum(each.rows for each in job.outcomes), _speed_after_start(job)
    verdicts = verdicts_in(job.folder, parts)
    if verdicts:
        told = [f"{name} {verdicts.get(name, 0):,}" for name in VERDICTS]
        paragraph(console, f"Of {counted(verdicts.total(), 'answer')}: {', '.join(told)}.")
    if done:
        started = "" if after is None else f"; {after:,.0f} rows/s after the first part"
        say(console, f"Speed:   {done:,} rows in {duration(seconds)}, {done / seconds:,.0f} rows/s{started}")
    say(console, f"Folder:  {job.folder}")
    left_out, passed_over = left_out_in(job.folder, parts), job.worker.reader.passed_over
    _say_lines(f"left out: {counted(len(left_out), 'unreadable image')}", left_out)
    _say_lines(f"not read: {len(passed_over):,} files or folders in '{rows}'", passed_over)
    _say_faults(job)
    return not (job.faults() or left_out or passed_over)
