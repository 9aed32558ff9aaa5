"""The command that compares: methods of a model on the same rows, or two tables of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import howsure
from howsure.answers.registry import outcome_of, part_of
from howsure.bare.files import ENDINGS
from howsure.cli.columns import RowOptions
from howsure.cli.grouped import grouped
from howsure.cli.models import check_models, load_model, rows_of
from howsure.cli.options import KeepOff, Opening, Quiet, Wishes, consoles
from howsure.cli.paths import check_exists, check_output
from howsure.cli.stopping import Interruptions
from howsure.cli.tables import HandedOptions, Normalise, check_paths, label_file_of, labels_of, read
from howsure.compare.findings import findings, lead
from howsure.compare.run import default_methods
from howsure.data.csv_form import kind_of
from howsure.data.label_files import read_labels
from howsure.data.rows import Rows
from howsure.divide import check_divisor, divided
from howsure.errors import InputError
from howsure.methods.mc_dropout import MCDropout
from howsure.models.adapt import adapt, names_for
from howsure.report import write_comparison
from howsure.request import Request
from howsure.scale.folder import is_results
from howsure.scale.recipe import Asked
from howsure.terminal import COMPILING, comparison_table, paragraph, progress, say


@dataclass(frozen=True)
class Others:
    """What a model is compared with, and on which further rows."""

    member: Annotated[
        list[Path] | None,
        typer.Option(help="One more model, trained from another seed; together they are an ensemble."),
    ] = None
    outside: Annotated[
        list[Path] | None,
        typer.Option(help="Rows that are of none of the model's classes, to see which method notices."),
    ] = None
    shifted: Annotated[
        list[Path] | None,
        typer.Option(help="The same rows in the same order, as they come when something has changed."),
    ] = None
    shifts: Annotated[
        bool,
        typer.Option(
            help="Whether images are also turned, moved, made noisy and blurred; not with --shifted."
        ),
    ] = True
    keep_off: KeepOff = None

    @property
    def given(self) -> dict[str, object]:
        """What was given, by the names of the options."""
        return {
            "--member": self.member,
            "--outside": self.outside,
            "--shifted": self.shifted,
            "--no-shifts": not self.shifts,
            "--keep-off": self.keep_off,
        }


@dataclass(frozen=True)
class Page:
    """What is told, and where."""

    report: Annotated[Path | None, typer.Option(help="Page to write, .html.")] = None
    quiet: Quiet = False


@dataclass(frozen=True)
class Run:
    """Where progress is shown, and what hears interruptions."""

    errors: Console
    interruptions: Interruptions


def register(
    app: typer.Typer, plainly: Callable[[], AbstractContextManager[None]], interruptions: Interruptions
) -> None:
    """Add the command to a command line.

    Args:
        app: The command line.
        plainly: What turns errors and interruptions into one line and an exit code.
        interruptions: What is heard, and held while a framework is imported.
    """

    @app.command("compare")
    @grouped
    def compare_command(
        model: Annotated[
            Path,
            typer.Argument(help="A Keras model: .keras, or legacy .h5; or a table of the same rows as DATA."),
        ],
        data: Annotated[
            Path,
            typer.Argument(
                help="Rows with known classes: .npz, .npy, .csv, .parquet, or class folders; or the other "
                "table."
            ),
        ],
        rows: RowOptions,
        others: Others,
        page: Page,
        wishes: Wishes,
        opening: Opening,
        normalise: Normalise = False,
    ) -> None:
        """Say which method, or which of two tables, has the truest percentages, by how much, and why."""
        errors, console = consoles(page.quiet)
        labels = [] if rows.labels is None else [rows.labels]
        further = [*(others.shifted or ()), *(others.outside or ())]
        with plainly():
            if is_table(model):
                unused = {**others.given, "--divide-by": rows.divide_by, **_given(opening)}
                on_tables = ("--seed", "--sure", "--coin-flip", "--class-names", "--outcome")
                unused |= {name: value for name, value in wishes.given.items() if name not in on_tables}
                check_unused(unused)
                if page.report is not None:
                    check_output(page.report, ".html", [model, data, *labels])
                options = HandedOptions(
                    label_column=rows.label_column,
                    id_column=rows.id_column,
                    drop=rows.drop,
                    labels=rows.labels,
                    class_names=wishes.class_names,
                    normalise=normalise,
                    outcome=wishes.outcome,
                    sure=wishes.sure,
                    coin_flip=wishes.coin_flip,
                )
                compared = compared_tables(model, data, options, wishes.seed)
                say_comparison(console, compared, page.report)
                return
            if normalise:
                raise InputError(
                    "--normalise has no effect on a model", expected="two tables with --normalise"
                )
            check_divisor(rows.divide_by)
            models = check_models(model, others.member or [], opening.weights)
            for path in (data, *further):
                check_exists(path, "data")
            for path in labels:
                check_exists(path, "file of labels")
            if page.report is not None:
                check_output(page.report, ".html", [*models, data, *further, *labels])
            asked, run = wishes.asked(rows.divide_by), Run(errors, interruptions)
            comparison = compared_methods(model, data, rows, others, asked, opening, run)
            say_comparison(console, comparison, page.report)


def _given(opening: Opening) -> dict[str, object]:
    return {"--weights": opening.weights, "--allow-code": opening.allow_code}


def is_table(path: Path) -> bool:
    """Whether a path, by its ending, is a table and no model, or a folder of results."""
    return kind_of(path) in ENDINGS or is_results(path)


def check_unused(options: Mapping[str, object]) -> None:
    """Raise where something was asked for that has no effect on tables."""
    given = [name for name, value in options.items() if value]
    if given:
        raise InputError(
            f"{' and '.join(given)} has no effect on tables",
            expected="a model and rows, or two tables of the same rows",
        )


def compared_tables(first: Path, second: Path, options: HandedOptions, seed: int) -> howsure.Comparison:
    """The comparison of two tables of the same rows.

    Args:
        first: The yardstick.
        second: The other.
        options: What their columns are for, and where labels are.
        seed: Of the folds.

    Raises:
        InputError: Tables of other rows or classes, of one name, or without labels.
        FileError: A file is missing or damaged.
    """
    asked = options.columns(first).alike
    labels = options.labels
    check_paths(first, labels, second)
    names = [path.stem if first.stem != second.stem else path.name for path in (first, second)]
    if names[0] == names[1]:
        raise InputError(
            "The two tables have the same name",
            expected="names to tell them by",
            received=f"'{first}' and '{second}'",
            hint="Copy one of them to a file of another name",
        )
    results = {name: read(path, asked) for name, path in zip(names, (first, second), strict=True)}
    for each in results.values():
        part_of(each, "compare")  # before labels are read
    truth = None
    if labels is not None:
        known = label_file_of(results[names[0]], first, labels, asked)
        truth = labels_of(results[names[0]], first, known)
    if truth is None and all(each.truth is None for each in results.values()):
        raise InputError(
            "There is nothing to compare by",
            expected="true classes: --labels FILE, or a column y in one of the tables",
        )
    return howsure.Comparison.of_results(results, truth, seed=seed)


def compared_methods(
    model: Path, data: Path, rows: RowOptions, others: Others, asked: Asked, opening: Opening, run: Run
) -> howsure.Comparison:
    """The comparison of the methods that a model allows.

    Args:
        model: The model.
        data: Rows with known classes.
        rows: What their columns are for, and where labels are.
        others: Members, and further rows.
        asked: What is asked of the model.
        opening: How it is opened.
        run: Where progress is shown, and interruptions are heard.

    Raises:
        HowsureError: Something cannot be read, or does not fit.
    """
    labels = rows.labels
    roles = rows.roles(data, labels)
    if labels is not None:
        read_labels(labels, column=rows.label_column)  # before work begins
    request = asked.wished()
    network = load_model(model, opening, run.errors, run.interruptions.held)
    given = rows_of(data, network, False, roles)
    request = replace(request, class_names=names_for(network, given, request.class_names, request.output))
    truth = given.truth(request.class_names)
    if labels is not None:
        truth = read_labels(labels, given.ids, column=rows.label_column, id_column=given.id_name)
    if truth is None:
        raise InputError(
            "There is nothing to compare by",
            expected="true classes: --labels, --label-column, an array or column y, or class folders",
            received="rows alone",
        )
    _check_truth(truth, given, network, request)
    alike = Opening(None, opening.allow_code)
    members = [
        load_model(path, alike, run.errors, run.interruptions.held, like=model)
        for path in others.member or ()
    ]
    dropout = MCDropout(keep_off=others.keep_off or ())
    methods = default_methods(network, given.x, members, dropout, request.output)

    def named(paths: Sequence[Path]) -> dict[str, Any]:
        read = {path.name: rows_of(path, network, False, replace(roles, needed=False)).x for path in paths}
        if len(read) < len(paths):
            raise InputError(
                "Two files of rows have the same name",
                expected="names to tell them by",
                received=", ".join(map(str, paths)),
                hint="Copy one of them to a file of another name",
            )
        return {name: divided(x, rows.divide_by, network) for name, x in read.items()}

    changed = others.shifted or []
    with progress(run.errors, "Comparing", waiting=COMPILING) as shown:
        return howsure.compare(
            network,
            divided(given.x, rows.divide_by, network),
            truth,
            methods=methods,
            shifts=None if others.shifts and not changed else named(changed),
            outside=named(others.outside or ()),
            progress=run.interruptions.told(shown),
            **vars(request),
        )


def _check_truth(truth: Any, rows: Rows, network: Any, request: Request) -> None:
    """Raise for labels that do not fit now, rather than after the passes."""
    adapted, checked = adapt(network, rows.x, output=request.output)
    with warnings.catch_warnings(action="ignore"):  # said when the rows are assessed
        outcome = outcome_of(adapted.info, request)
    outcome.check_truth(truth, len(checked[0]))


def say_comparison(console: Console, comparison: howsure.Comparison, report: Path | None) -> None:
    """Print a comparison in words, and write its page where that is asked for.

    Args:
        console: Where.
        comparison: What is told.
        report: The page, or None.
    """
    paragraph(console, lead(comparison))
    say(console, "")
    console.print(comparison_table(comparison))
    for finding in findings(comparison):
        say(console, f"\n{finding.question}")
        paragraph(console, finding.said)
        for rows_like, said in finding.points:
            paragraph(console, f"- {rows_like}: {said}")
        if finding.note:
            paragraph(console, finding.note)
    if report is not None:
        write_comparison(report, comparison)
        say(console, f"\nReport:  {report}")
