"""`howsure assess --out FOLDER`: results part by part, so that a run that is stopped goes on where it was."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from howsure.answers.verdict import VERDICTS
from howsure.cli.models import WEIGHTS, load_model
from howsure.cli.options import Opening
from howsure.cli.output import ENDINGS, STDOUT
from howsure.cli.stopping import Interruptions
from howsure.data.rows import counted
from howsure.errors import InputError
from howsure.models.factory import is_factory
from howsure.scale.folder import is_results
from howsure.scale.local import one_process
from howsure.scale.ray import cluster
from howsure.scale.ray import several as several_workers
from howsure.scale.recipe import Source
from howsure.scale.run import Job, begun
from howsure.scale.sources import parquet_files
from howsure.scale.there import left_out_in, verdicts_in
from howsure.scale.worker import Recipe
from howsure.terminal import Report, duration, paragraph, progress, say


@dataclass(frozen=True)
class FolderOptions:
    """How many rows are shared out, and what is left out of them."""

    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes of Ray that share the rows, here or on the cluster of RAY_ADDRESS.",
        ),
    ] = None
    part_rows: Annotated[
        int | None,
        typer.Option(min=1, help="Rows in each part of a folder; what is stopped loses one at most."),
    ] = None
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave unreadable images out, and say which.")
    ] = False
    skip_rows: Annotated[
        bool,
        typer.Option(
            "--skip-rows",
            help="In a folder, leave rows out on which the data or the model fails, and say which.",
        ),
    ] = False


class Folder(type(Path())):  # type: ignore[misc]  # the class of paths on this system
    """A path that was written with a slash at its end."""


def out_path(text: str) -> Path:
    """What `--out` names; a slash at the end of it is kept in its type."""
    return Folder(text) if text.endswith(("/", os.sep)) else Path(text)


def is_folder(out: Path, workers: int | None) -> bool:
    """Whether results go to a folder of parts.

    Raises:
        InputError: Several workers are to write one file.
    """
    named = isinstance(out, Folder) or not out.suffix
    there = os.path.isdir(out) and (out.suffix.lower() not in ENDINGS or is_results(out))
    folder = out != STDOUT and (named or there)
    if workers is not None and not folder:
        raise InputError(
            "--workers write into a folder",
            expected="--out FOLDER",
            received=out,
            hint="A folder has no ending, or a slash at the end of its name",
        )
    return folder


def source_of(path: Path, opening: Opening, like: Path | None = None) -> Source:
    """A model as a worker is told of it, which may stand in another folder."""
    weights, allow_code = opening.weights, opening.allow_code
    if like is not None and is_factory(like) and path.suffix.lower() in WEIGHTS:
        path, weights = like, path
    # What a link points at may have no ending, or another.
    weights = None if weights is None else weights.absolute()
    if is_factory(path):
        return Source(path, weights, allow_code, os.getcwd())
    return Source(path.absolute(), weights, allow_code)


def check_unused(many: FolderOptions, data: Path) -> None:
    """Raise where something was asked for, or given, that is for a folder of results alone."""
    for option, given in (("--part-rows", many.part_rows is not None), ("--skip-rows", many.skip_rows)):
        if given:
            raise InputError(f"{option} has no effect on one table", expected="--out FOLDER")
    if data.is_dir() and parquet_files(data):
        raise InputError(
            f"'{data}' holds Parquet files, whose results go into a folder", expected="--out FOLDER"
        )


def check_free(out: Path, taken: list[Path], report: Path | None) -> None:
    """Raise where the folder of results is one of the inputs, or a file, or where a report is wanted too."""
    if report is not None:
        raise InputError(
            "--report is written of a folder that is done",
            expected="--out TABLE with --report",
            hint=f"howsure report {out} --report {report}",
        )
    if out.exists() and not out.is_dir():
        raise InputError(
            f"'{out}' is a file, and no folder",
            expected=f"a folder, or a name ending in {', '.join(ENDINGS)}",
        )
    same = next((path for path in taken if path.exists() and out.exists() and path.samefile(out)), None)
    if same is not None:
        raise InputError(f"'{out}' would overwrite '{same}'", expected="another folder for the results")
    around = next((path for path in taken if path.is_dir() and path.resolve() in out.resolve().parents), None)
    if around is not None:
        raise InputError(
            f"'{out}' lies within '{around}', and would be taken for some of it",
            expected="a folder elsewhere for the results",
        )


def assess_into(
    recipe: Recipe, many: FolderOptions, errors: Console, console: Console, interruptions: Interruptions
) -> bool:
    """Assess rows into a folder, and say what came of it.

    Args:
        recipe: What was asked for.
        many: Rows in a part, and processes of Ray.
        errors: Where progress is shown.
        console: Where it is said.
        interruptions: Held around imports.

    Returns:
        Whether all rows are there.
    """

    def load_models() -> list[Any]:
        return [
            load_model(each.path, Opening(each.weights, each.allow_code), errors, interruptions.held)
            for each in (recipe.model, *recipe.members)
        ]

    workers = many.workers
    several = contextlib.nullcontext() if workers is None else cluster(workers)
    run = one_process if workers is None else several_workers(workers)
    beginning = begun(recipe, size=many.part_rows, load_models=load_models, during=partial(progress, errors))
    with several, beginning as job:
        if job.manifest.plan_from is not None:
            say(console, f"Plan:    made from {counted(job.manifest.plan_from, 'row')}, spread over all")
        if job.rows_before:
            say(console, f"There:   {job.rows_before:,} of {job.rows:,} rows, from before")
        begin = time.monotonic()
        try:
            with progress(errors, "Assessing", waiting="compiling") as shown:
                job.run(run, _told(shown, interruptions.check))
        except BaseException:
            done = job.rows_before + sum(len(each.part) for each in job.outcomes if each.fault is None)
            say(
                Console(stderr=True),
                f"kept: {done:,} of {job.rows:,} rows, in '{recipe.folder}'; the same command goes on",
            )
            _say_faults(job)
            raise
        return _say_what_came(job, time.monotonic() - begin, console)


def _say_faults(job: Job) -> None:
    """What is missing and why, after the first traceback of what is none of howsure's errors."""
    loud, faults = Console(stderr=True), job.faults()
    first = next((each for each in job.outcomes if each.traceback), None)
    if first is not None:
        say(loud, f"raised at {job.place(first.part)}:")
        for line in first.traceback.splitlines():
            say(loud, f"  {line}")
    if faults:
        say(
            loud,
            f"missing: {counted(len(faults), 'part')}; mend the rows, and the same command does these",
        )
        for line in faults:
            say(loud, f"  {line}")


def _told(shown: Report, check: Callable[[], None]) -> Callable[[int, int], None]:
    """What is told of progress, and shows rows per second and the time left."""
    first: tuple[float, int] | None = None

    def tell(done: int, total: int) -> None:
        nonlocal first
        check()
        first = first or (time.monotonic(), done)  # compiling, and the start of workers, are behind
        rate = (done - first[1]) / max(1e-9, time.monotonic() - first[0])
        left = f", {duration((total - done) / rate)} left" if rate > 0 else ""
        shown(done / max(1, total), f"{done:,} of {total:,} rows, {rate:,.0f} rows/s{left}")

    return tell


def _speed_after_start(job: Job) -> float | None:
    """Rows per second without what compiling and the start of workers took; None where that does not show."""
    later = sum(each.rows for each in job.outcomes[1:])
    if job.first_done is None or not later:
        return None
    return later / max(1e-9, time.monotonic() - job.first_done)


def _say_what_came(job: Job, seconds: float, console: Console) -> bool:
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
        (f"gone: {counted(len(job.gone()), 'file')} of rows; their results stay", job.gone()),
        (f"not read: {len(job.passed_over):,} of what lies in '{job.recipe.rows.path}'", job.passed_over),
    ):
        if lines:
            loud = Console(stderr=True)
            say(loud, what)
            for line in lines:
                say(loud, f"  {line}")
    _say_faults(job)
    return not (job.manifest.faults or images or rows_left_out or job.gone() or job.passed_over)
