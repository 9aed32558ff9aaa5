"""`howsure compare`: compare methods of a model on the same rows, or two tables of the same rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import howsure
from howsure.answers.registry import fed, named, outcome_of, part_of
from howsure.atomic import LINES, PAGES
from howsure.bare.files import ENDINGS
from howsure.cli.hints import paragraph
from howsure.cli.models import check_models, load_model
from howsure.cli.options import (
    Above,
    Background,
    KeepOff,
    Member,
    Opening,
    Quiet,
    RowOptions,
    Wishes,
    check_exists,
    check_output,
    consoles,
    given,
)
from howsure.cli.output import comparison_table
from howsure.cli.stopping import INTERRUPTIONS
from howsure.cli.table_input import (
    JudgedOptions,
    Normalise,
    SeveralLabels,
    check_paths,
    label_file_of,
    labels_of,
    read,
)
from howsure.compare.findings import findings, lead
from howsure.compare.run import default_methods
from howsure.data.label_files import read_label_file
from howsure.data.rows import Rows
from howsure.divide import check_divisor, divided
from howsure.errors import InputError
from howsure.methods.choices import CHOICES
from howsure.methods.mc_dropout import MCDropout
from howsure.models.adapt import opened
from howsure.request import Request
from howsure.results.saved import table_in
from howsure.scale.parts import is_results
from howsure.scale.work import Asked
from howsure.terminal import COMPILING, progress, say


@dataclass(frozen=True)
class Others:
    """Options for a model: other members and further rows."""

    member: Member = None
    outside: Annotated[
        list[Path] | None,
        typer.Option(help="Out-of-distribution (OOD) rows: of none of the model's classes. Can be repeated."),
    ] = None
    shifted: Annotated[
        list[Path] | None,
        typer.Option(help="The same rows in the same order, changed in some way. Can be repeated."),
    ] = None
    keep_off: KeepOff = None


@dataclass(frozen=True)
class Page:
    """Options of the output."""

    report: Annotated[Path | None, typer.Option(help="HTML page to write, .html.")] = None
    out: Annotated[Path | None, typer.Option(help="File to write all scores to, .csv.")] = None
    background: Background = None
    quiet: Quiet = False

    def check(self, taken: Sequence[Path]) -> None:
        """Raise if a file cannot be written, or is one of the paths in `taken`."""
        for path, endings in ((self.report, PAGES), (self.out, LINES)):
            check_output(path, endings, taken)


def compare_command(
    model: Annotated[
        Path, typer.Argument(help="A model, as for `howsure assess`; or a table of the same rows as DATA.")
    ],
    data: Annotated[
        Path,
        typer.Argument(
            help="Rows with true answers: .npz, .npy, .csv, .parquet, or class folders; or the second table."
        ),
    ],
    rows: RowOptions,
    others: Others,
    page: Page,
    wishes: Wishes,
    question: Above,
    opening: Opening,
    normalise: Normalise = False,
    several_labels: SeveralLabels = False,
) -> None:
    """Say which method, or which of two tables, has the most accurate answers, by how much, and why."""
    errors, console = consoles(page.quiet)
    labels = [] if rows.labels is None else [rows.labels]
    further = [*(others.shifted or ()), *(others.outside or ())]
    if is_table(model):
        check_unused(given(others) | given(opening) | given(rows) | given(wishes))
        page.check([model, data, *labels])
        known = vars(rows) | vars(wishes) | vars(question)
        known |= {"normalise": normalise, "several_labels": several_labels}
        options = JudgedOptions(**{each.name: known[each.name] for each in fields(JudgedOptions)})
        compared = compared_tables(model, data, options, wishes.seed, page.background)
        say_comparison(console, compared, page)
        return
    for name, given_there in (("--normalise", normalise), ("--several-labels", several_labels)):
        if given_there:
            raise InputError(f"{name} has no effect on a model", expected=f"two tables with {name}")
    if given(question):
        raise InputError(
            "--above has no effect on a model",
            expected="two tables of numbers with --above, as of two methods",
        )
    check_divisor(rows.divide_by)
    models = check_models(model, others.member or [], opening.weights)
    for path in (data, *further):
        check_exists(path, "data")
    for path in labels:
        check_exists(path, "file of labels")
    page.check([*models, data, *further, *labels])
    asked = wishes.asked(rows.divide_by)
    comparison = compared_methods(model, data, rows, others, asked, opening, errors, page.background)
    say_comparison(console, comparison, page)


def is_table(path: Path) -> bool:
    """Whether a path is a table, by its ending, or a folder of results or of one with maps."""
    return path.suffix.lower() in ENDINGS or is_results(path) or table_in(path) != path


def check_unused(options: Iterable[str]) -> None:
    """Raise an `InputError` if an option has no effect on tables."""
    taken = {f"--{each.name.replace('_', '-')}" for each in fields(JudgedOptions)} | {"--seed"}
    unused = [name for name in options if name not in taken]
    if unused:
        raise InputError(
            f"{' and '.join(unused)} has no effect on tables",
            expected="a model and rows, or two tables of the same rows",
        )


def compared_tables(
    first: Path, second: Path, options: JudgedOptions, seed: int, background: str | None
) -> howsure.Comparison:
    """The comparison of two tables of the same rows, of which the first is the baseline.

    Raises:
        InputError: The tables differ in rows or classes, have the same name, or have no labels.
        FileError: A file is missing or damaged.
    """
    labels = options.labels
    asked = replace(options.columns(first, second).alike, labelled=labels is None)
    check_paths(first, labels, second)
    if first.samefile(second):
        raise InputError(
            "The same table is given twice",
            expected="two tables of the same rows",
            received=f"'{first}' and '{second}'",
        )
    names = [path.stem if first.stem != second.stem else path.name for path in (first, second)]
    if names[0] == names[1]:
        raise InputError(
            "The two tables have the same name",
            expected="different names",
            received=f"'{first}' and '{second}'",
            hint="Copy one of them to a file of another name",
        )
    results = {name: read(path, asked) for name, path in zip(names, (first, second), strict=True)}
    # Before labels are read.
    needs = [part_of(options.asked(each[:0]), "compare").needs for each in results.values()]
    truth = None
    if labels is not None:
        known = label_file_of(results[names[0]], first, labels, asked)
        truth = labels_of(results[names[0]], first, known)
    if truth is None and all(each.truth is None for each in results.values()):
        raise InputError(
            f"A comparison needs {needs[0]}", expected="--labels FILE, or a column y in one of the tables"
        )
    if options.asks and truth is not None:
        results, truth = {name: each.with_truth(truth) for name, each in results.items()}, None
    asked_of = {name: options.asked(each) for name, each in results.items()}
    return howsure.Comparison.of_results(asked_of, truth, seed=seed, background=background)


def compared_methods(
    model: Path,
    data: Path,
    rows: RowOptions,
    others: Others,
    asked: Asked,
    opening: Opening,
    errors: Console,
    background: str | None,
) -> howsure.Comparison:
    """The comparison of the methods that a model allows, on rows with true answers."""
    labels = rows.labels
    roles, form = rows.roles(data, labels), rows.form(data, labels)
    if labels is not None:
        names = asked.request.class_names
        read_label_file(labels, column=rows.label_column, names=names, form=form)  # before work
    request = asked.wished()
    network = opened(load_model(model, opening, errors))
    found = network.read(data, roles=roles, form=form)
    names = network.class_names(found, request.class_names, request.assessed_output)
    request = replace(request, class_names=names)
    truth = found.truth(names) if labels is None else rows.labels_of(found, names)
    if truth is None:
        raise InputError(
            "A comparison needs true answers",
            expected="--labels, --label-column, an array or column y, or one folder of images per class",
            received="rows alone",
        )
    plain = _checked(truth, found, network, request)
    members = [load_model(path, opening, errors, like=model) for path in others.member or ()]
    dropout = MCDropout(keep_off=others.keep_off or ())
    one = fed(found.x, request)
    methods = default_methods(network, one, members, dropout, request.assessed_output, plain)

    def in_unit(read: Rows) -> Rows:
        return replace(read, x=divided(read.x, rows.divide_by, network, request), labels=None)

    def named(paths: Sequence[Path]) -> dict[str, Any]:
        alike = replace(roles, needed=False)
        read = {path.name: network.read(path, roles=alike, form=form) for path in paths}
        if len(read) < len(paths):
            raise InputError(
                "Two files of rows have the same name",
                expected="different names",
                received=", ".join(map(str, paths)),
                hint="Copy one of them to a file of another name",
            )
        return {name: in_unit(each) for name, each in read.items()}

    with progress(errors, "Comparing", waiting=COMPILING) as shown:
        return howsure.compare(
            network,
            in_unit(found),
            truth,
            methods=methods,
            shifts=named(others.shifted or ()),
            outside=named(others.outside or ()),
            background=background,
            progress=INTERRUPTIONS.told(shown),
            **request.arguments_of(howsure.compare),
        )


def _checked(truth: Any, rows: Rows, network: Any, request: Request) -> str:
    """Name of the plain prediction of such a model; raises for labels that do not fit before the passes."""
    adapted, checked = network.adapt(fed(rows.x, request), output=request.assessed_output)
    with warnings.catch_warnings(action="ignore"):  # they come again when the rows are assessed
        outcome = outcome_of(adapted.info, request)
    if request.tile is None:
        outcome.check_truth(truth, len(checked[0]))
    kind = named(outcome.name)
    return str(kind.part("compare").plain) if kind.has("compare") else CHOICES[0].name


def say_comparison(console: Console, comparison: howsure.Comparison, page: Page) -> None:
    """Print a comparison in words, and write its files if they are wanted."""
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
    if page.report is not None:
        comparison.report(page.report)
        say(console, f"\nReport:  {page.report}")
    if page.out is not None:
        comparison.to_csv(page.out)
        say(console, f"\nScores:  {page.out}")
