"""`howsure assess`: assess rows and write one table, or a folder of parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import howsure
from howsure.answers.files import parts_of
from howsure.answers.registry import fed, part_of
from howsure.bare.files import FileColumns, read_sample
from howsure.cli import folders
from howsure.cli.columns import RowOptions
from howsure.cli.folders import FolderOptions
from howsure.cli.map_options import MapOptions
from howsure.cli.models import Model, check_models, load_model
from howsure.cli.options import (
    LEFT_OUT,
    Above,
    AssessWishes,
    Background,
    MethodOptions,
    Opening,
    Quiet,
    consoles,
)
from howsure.cli.output import (
    STDOUT,
    check_table,
    maps_on_disk,
    parquet_beside,
    say_result,
    write_page,
    write_table,
)
from howsure.cli.paths import check_exists, check_output
from howsure.cli.stopping import INTERRUPTIONS, kept
from howsure.data.csv_form import kind_of
from howsure.data.images import images_of, is_image_name
from howsure.data.label_files import read_label_file
from howsure.data.label_images import LabelFolder
from howsure.data.rows import Rows, counted
from howsure.data.tables import Roles
from howsure.divide import check_divisor, divided
from howsure.errors import InputError
from howsure.methods.mc_dropout import MCDropout
from howsure.models.adapt import PICKLES, opened
from howsure.report import write_report
from howsure.request import Request
from howsure.scale.recipe import Asked
from howsure.scale.sources import RowSource
from howsure.scale.worker import Recipe
from howsure.terminal import COMPILING, progress, say


@dataclass(frozen=True, kw_only=True)
class Results:
    """Options of the output."""

    out: Annotated[
        Path,
        typer.Option(
            parser=folders.out_path,
            metavar="PATH",
            help="Table to write: .parquet, .csv, .jsonl, or - for csv to stdout. Or a folder for many rows; "
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
        if self.results.background is not None and self.results.report is None:
            raise InputError("--background has no effect without --report", expected="--report PAGE.html")
        data, labels, out, report = self.data, self.rows.labels, self.results.out, self.results.report
        inputs = [*check_models(self.model, self.passes.members, self.opening.weights), data]
        check_exists(data, "data")
        if labels is not None:
            check_exists(labels, "file of labels")
            inputs.append(labels)
        to_folder = folders.is_folder(out, self.many.workers)
        if to_folder and kind_of(self.model) in PICKLES:
            raise InputError("The results of a classifier need one table", expected="--out TABLE.parquet")
        if self.many.skip_unreadable and data.is_file() and not is_image_name(data):
            raise InputError("--skip-unreadable is for images", expected="a folder of images", received=data)
        if not to_folder:
            folders.check_unused(self.many, data)
            check_table(out, inputs)
        if report is not None:
            check_output(report, ".html", inputs if out == STDOUT else [*inputs, out])
        roles = self.rows.roles(data, labels)
        self.maps.check(data, [*inputs, out])
        if to_folder:
            folders.check_free(out, inputs)
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
        elif labels is not None:
            read_label_file(labels, column=self.rows.label_column, names=names)  # before work begins
        if labels is not None and labels.is_dir():
            root = data if data.is_dir() else data.parent
            LabelFolder.of_folder(labels).check_places(images_of(data), root)
        return to_folder, roles

    def _checked(self, result: Any) -> Any:
        """The result as it is; an `InputError` where it cannot be told as the options want it."""
        if self.results.background is not None:
            part_of(result, "background")(result, self.results.background)
        return self.maps.checked(result, self.data)

    def into_folder(self, asked: Asked, dropout: MCDropout, roles: Roles) -> bool:
        """Assess rows part by part; True if all rows were assessed."""
        errors, console = self.results.consoles()
        labels, members = self.rows.labels, self.passes.members
        recipe = Recipe(
            folders.source_of(self.model, self.opening),
            tuple(folders.source_of(path, self.opening, like=self.model) for path in members),
            self.passes.choice.option,
            dropout,
            asked,
            RowSource(self.data.absolute(), roles, self.many.skip_unreadable, self.many.skip_rows),
            None if labels is None else labels.absolute(),
            self.results.out.resolve(),
        )
        whole = folders.assess_into(recipe, self.many, errors, console, self._checked)
        self.maps.write(lambda: parts_of(self.results.out), self.data, console)
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
        rows = network.read(self.data, skip_unreadable=self.many.skip_unreadable, roles=roles)
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
            self.maps.write(lambda: [result], self.data, console)
            _say_left_out(rows)
            if self.results.report is not None:
                audit = howsure.audit(
                    network,
                    replace(rows_in, x=fed(rows_in.x, request)),
                    keep_off=dropout.keep_off,
                    **request.arguments_of(howsure.audit),
                )
                wishes: dict[str, Any] = {"audit": audit, "background": self.results.background}
                wishes["geometry"] = self.maps.geometry(self.data)
                write_report(self.results.report, result, rows.by_column, **wishes)
                say(console, f"Report:  {self.results.report}")
        return not rows.left_out


def _say_left_out(rows: Rows) -> None:
    if not rows.left_out:
        return
    loud = Console(stderr=True)
    count = counted(len(rows.left_out), "unreadable image")
    say(loud, f"left out: {count}. Row numbers do not count them")
    for line in rows.left_out:
        say(loud, f"  {line}")
