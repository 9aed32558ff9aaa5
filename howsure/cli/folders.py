"""`howsure assess --out FOLDER`: write results part by part, so that a stopped run can be continued."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from howsure.answers.verdict import VERDICTS
from howsure.cli.models import load_model, placed
from howsure.cli.options import Opening
from howsure.cli.output import ENDINGS, STDOUT
from howsure.cli.stopping import INTERRUPTIONS
from howsure.data.rows import counted
from howsure.errors import InputError
from howsure.scale.folder import is_results
from howsure.scale.ray import cluster
from howsure.scale.ray import several as several_workers
from howsure.scale.recipe import ModelSource
from howsure.scale.run import FolderJob, Told, begun
from howsure.scale.sources import parquet_files
from howsure.scale.there import left_out_in, verdicts_in
from howsure.scale.worker import PartOutcome, Recipe
from howsure.terminal import Report, duration, paragraph, progress, say


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
    skip_rows: Annotated[
        bool,
        typer.Option(
            "--skip-rows",
            help="In a folder, leave out rows on which reading or the model fails, and list them.",
        ),
    ] = False


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
    there = os.path.isdir(out) and (out.suffix.lower() not in ENDINGS or is_results(out))
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


def check_unused(many: FolderOptions, data: Path) -> None:
    """Raise an `InputError` if an option, or the rows, need a folder of results."""
    for option, given in (("--part-rows", many.part_rows is not None), ("--skip-rows", many.skip_rows)):
        if given:
            raise InputError(f"{option} has no effect on one table", expected="--out FOLDER")
    if data.is_dir() and parquet_files(data):
        raise InputError(
            f"'{data}' is a folder of Parquet files, so its results need a folder", expected="--out FOLDER"
        )


def check_free(out: Path, taken: list[Path]) -> None:
    """Raise if the folder of results is an input or a file."""
    if out.exists() and not out.is_dir():
        raise InputError(
            f"'{out}' is a file, not a folder", expected=f"a folder, or a name ending in {', '.join(ENDINGS)}"
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
    recipe: Recipe, many: FolderOptions, errors: Console, console: Console, check: Callable[[Any], object]
) -> bool:
    """Assess rows into a folder, and print a summary.

    Args:
        recipe: Model, method, rows and folder.
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
    several = contextlib.nullcontext() if workers is None else cluster(workers)
    run = one_process if workers is None else several_workers(workers)
    beginning = begun(
        recipe, size=many.part_rows, load_models=load_models, during=partial(progress, errors), check=check
    )
    with several, beginning as job:
        if job.manifest.plan_from is not None:
            say(console, f"Plan:    made from {counted(job.manifest.plan_from, 'row')} spread over the input")
            plan = job.recipe.dropout.plan
            if plan is not None and plan.pilot is not None:
                say(console, f"         {plan.pilot.in_words}")
        if job.rows_before:
            say(console, f"Done:    {job.rows_before:,} of {job.rows:,} rows in an earlier run")
        begin = time.monotonic()
        try:
            with progress(errors, "Assessing", waiting="compiling") as shown:
                job.run(run, _told(shown, INTERRUPTIONS.check))
        except BaseException:
            done = job.rows_before + sum(len(each.part) for each in job.outcomes if each.fault is None)
            say(
                Console(stderr=True),
                f"kept: {done:,} of {job.rows:,} rows, in '{recipe.folder}'. The same command continues",
            )
            _say_faults(job)
            raise
        return _say_what_came(job, time.monotonic() - begin, console)


def _say_faults(job: FolderJob) -> None:
    """Print what is missing and why, after the first traceback that is not an error of howsure."""
    loud, faults = Console(stderr=True), job.faults()
    first = next((each for each in job.outcomes if each.traceback), None)
    if first is not None:
        say(loud, f"raised at {job.place(first.part)}:")
        for line in first.traceback.splitlines():
            say(loud, f"  {line}")
    if faults:
        say(
            loud,
            f"missing: {counted(len(faults), 'part')}. Correct the rows, then run the same command again",
        )
        for line in faults:
            say(loud, f"  {line}")


def _told(shown: Report, check: Callable[[], None]) -> Callable[[int, int], None]:
    """A progress function that shows rows per second and the time left."""
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


def _say_what_came(job: FolderJob, seconds: float, console: Console) -> bool:
    folder, done, after = job.recipe.folder, sum(each.rows for each in job.outcomes), _speed_after_start(job)
    verdicts = verdicts_in(folder, job.parts)
    if verdicts:
        told = [f"{name} {verdicts.get(name, 0):,}" for name in VERDICTS]
        paragraph(console, f"Of {counted(verdicts.total(), 'answer')}: {', '.join(told)}.")
    if done:
        started = "" if after is None else f"; {after:,.0f} rows/s after the first part"
        say(console, f"Speed:   {done:,} rows in {duration(seconds)}, {done / seconds:,.0f} rows/s{started}")
    say(console, f"Folder:  {folder}")
    images = job.left_out + [line for each in job.outcomes for line in each.left_out]
    rows_left_out = [
        f"'{job.manifest.files[part.file].name}', row {place}: {why}"
        for part, place, why in left_out_in(folder, job.parts)
    ]
    for what, lines in (
        (f"left out: {counted(len(images), 'unreadable image')}", images),
        (f"left out: {counted(len(rows_left_out), 'row')}", rows_left_out),
        (f"gone: {counted(len(job.gone()), 'file')} of rows. Their results are kept", job.gone()),
        (f"not read: {len(job.passed_over):,} files or folders in '{job.recipe.rows.path}'", job.passed_over),
    ):
        if lines:
            loud = Console(stderr=True)
            say(loud, what)
            for line in lines:
                say(loud, f"  {line}")
    _say_faults(job)
    return not (job.manifest.faults or images or rows_left_out or job.gone() or job.passed_over)


# --- parts done one after the other in this process, without Ray --------------------------------------


def one_process(job: FolderJob, told: Told) -> Iterator[PartOutcome]:
    """The outcome of each part that is not there yet.

    Args:
        job: The job.
        told: Called with (rows done, rows in all), also within a part.
    """
    worker, done = job.worker, job.rows_before
    for part in job.pending:
        yield worker.do(part, partial(_within, told, done, job.rows))
        done += len(part)
        told(done, job.rows)


def _within(told: Told, before: int, total: int, done: int, rows: int) -> None:
    told(before + done, total)
