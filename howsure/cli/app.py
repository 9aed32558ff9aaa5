"""The command line: parse, call, print; no logic.

Exit codes: 0 done, 1 done but something in the data was left out and said, 2 wrong use or wrong input,
130 interrupted. Results go to stdout; progress, warnings and errors to stderr.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import howsure
from howsure.answers.registry import outcome_of
from howsure.cli import exporting, folders, tables
from howsure.cli.columns import Drop, IdColumn, LabelColumn, check_rows_given, roles_of
from howsure.cli.compared import check_unused, compared_tables, is_table, say_comparison
from howsure.cli.models import Model, Weights, check_models, load_model, rows_of
from howsure.cli.options import (
    AllowCode,
    BatchSize,
    ClassNames,
    DivideBy,
    GivenOutputs,
    KeepOff,
    Output,
    Outputs,
    Quiet,
    Seed,
    consoles,
    named_or_placed,
    say_version,
)
from howsure.cli.output import STDOUT, check_table, parquet_beside, write_table
from howsure.cli.paths import check_exists, check_folder, check_output
from howsure.cli.stopping import Interruptions, Unbreakable, kept, open_the_closed
from howsure.cli.warned import Warned
from howsure.compare.run import default_methods
from howsure.data.csv_form import kind_of
from howsure.data.files import read_class_names
from howsure.data.images import SUFFIXES
from howsure.data.label_files import read_labels
from howsure.data.rows import Array, Rows, counted
from howsure.divide import check_divisor, divided
from howsure.errors import HowsureError, HowsureWarning, InputError
from howsure.methods.choices import CHOICES, Choice
from howsure.models.adapt import PICKLES, adapt, is_classifier, names_for
from howsure.models.import_keras import load_keras
from howsure.report import write_report
from howsure.request import Request
from howsure.scale.recipe import Asked
from howsure.scale.sources import RowSource
from howsure.scale.worker import Recipe
from howsure.terminal import COMPILING, Report, paragraph, progress, say, summary, undecided_table

LEFT_OUT, WRONG, INTERRUPTED = 1, 2, 130

_SHOWN = 10

_INTERRUPTIONS = Interruptions()

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback()
def all_commands(
    version: Annotated[
        bool,
        typer.Option("--version", callback=say_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """How sure is your neural network, row by row?"""


MethodName = StrEnum("MethodName", {choice.option: choice.option for choice in CHOICES})  # type: ignore[misc]


class Precision(StrEnum):
    """In which a plan may have to be."""

    float32 = "float32"


@app.command("demo")
def demo_command(
    folder: Annotated[Path, typer.Option(help="Where model, table and report go.")] = Path("demo"),
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Epochs to train for, instead of two minutes; the question has 30."),
    ] = None,
    ensemble: Annotated[
        int,
        typer.Option(min=1, help="Networks to train; with more than one, their ensemble is compared too."),
    ] = 1,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train a digit classifier with dropout on MNIST and show for which digits it flips a coin."""
    with _plain_words():
        check_folder(folder)
        with _INTERRUPTIONS.held():
            load_keras()
        from howsure.demo import run as demo

        demo.run(folder, epochs=epochs, members=ensemble, seed=seed, console=consoles(quiet)[1])


@app.command("audit")
def audit_command(
    model: Model,
    data: Annotated[
        Path | None, typer.Option(help="Rows from which to plan how many masks each layer gets.")
    ] = None,
    save_plan: Annotated[
        Path | None, typer.Option(help="Where to keep that plan, .json, for `assess --plan`; needs --data.")
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(help="A plan in float32 holds on every machine; needs --data."),
    ] = None,
    keep_off: KeepOff = None,
    outputs: GivenOutputs = None,
    label_column: LabelColumn = None,
    id_column: IdColumn = None,
    drop: Drop = None,
    divide_by: DivideBy = None,
    weights: Weights = None,
    allow_code: AllowCode = False,
    quiet: Quiet = False,
) -> None:
    """Say what in a model is random, what stays fixed, what a pass costs, and how passes are planned."""
    errors, console = consoles(quiet)
    with _plain_words():
        check_divisor(divide_by)
        inputs = check_models(model, [], weights)
        columns = {"--label-column": label_column, "--id-column": id_column, "--drop": drop}
        check_rows_given(
            data, {**columns, "--outputs": outputs, "--divide-by": divide_by, "--precision": precision}
        )
        if data is not None:
            check_exists(data, "data")
            roles = roles_of(data, label_column, id_column, drop, None)
        if save_plan is not None:
            if data is None:
                raise InputError("There are no rows to plan from", expected="--data with --save-plan")
            check_output(save_plan, ".json", [*inputs, data])
        network = load_model(model, weights, allow_code, errors, _INTERRUPTIONS.held)
        plan, x = None, None
        if data is not None:
            x = divided(rows_of(data, network, skip_unreadable=False, roles=roles).x, divide_by, network)
            with progress(errors, "Planning", waiting="compiling, and passes over a few rows"):
                plan = howsure.plan(
                    network,
                    x,
                    howsure.MCDropout(keep_off=keep_off or ()),
                    outputs=None if outputs is None else outputs.value,
                    precision=None if precision is None else precision.value,
                )
        say(console, str(howsure.audit(network, x, plan=plan, keep_off=keep_off or ())))
        if plan is not None and save_plan is not None:
            plan.save(save_plan)


@app.command("assess")
def assess_command(
    model: Model,
    data: Annotated[Path, typer.Argument(help="Rows: .npz, .npy, .csv, .parquet, or a folder of images.")],
    out: Annotated[
        Path,
        typer.Option(
            parser=folders.out_path,
            metavar="PATH",
            help="Table to write: .parquet, .csv, .jsonl, or - for csv to stdout; or a folder for many "
            "rows, in which a run that was stopped goes on.",
        ),
    ],
    report: Annotated[Path | None, typer.Option(help="Page to write, .html.")] = None,
    labels: Annotated[Path | None, typer.Option(help="True classes, .npy or .csv.")] = None,
    label_column: LabelColumn = None,
    id_column: IdColumn = None,
    drop: Drop = None,
    class_names: ClassNames = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes of Ray that share the rows, here or on the cluster of RAY_ADDRESS.",
        ),
    ] = None,
    part_rows: Annotated[
        int | None,
        typer.Option(min=1, help="Rows in each part of a folder; what is stopped loses one at most."),
    ] = None,
    method: Annotated[
        MethodName | None,
        typer.Option(
            help="What produces the passes, mc-dropout unless said; an ensemble needs --member. A classifier "
            "of scikit-learn has its own."
        ),
    ] = None,
    member: Annotated[
        list[Path] | None,
        typer.Option(help="One more model, trained from another seed, for an ensemble."),
    ] = None,
    passes: Annotated[int | None, typer.Option(help="The same number of passes for every row.")] = None,
    target_error: Annotated[
        float | None,
        typer.Option(help="Or passes until no probability has a larger standard error (default 0.01)."),
    ] = None,
    max_passes: Annotated[int | None, typer.Option(help="Most passes that a row may get.")] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            help="A plan that `audit --save-plan` kept: a row's numbers then depend on no other row."
        ),
    ] = None,
    keep_off: KeepOff = None,
    output: Output = None,
    seed: Seed = 0,
    batch_size: BatchSize = 256,
    outputs: GivenOutputs = None,
    divide_by: DivideBy = None,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave unreadable images out, and say which.")
    ] = False,
    skip_rows: Annotated[
        bool,
        typer.Option(
            "--skip-rows",
            help="In a folder, leave rows out on which the data or the model fails, and say which.",
        ),
    ] = False,
    weights: Weights = None,
    allow_code: AllowCode = False,
    quiet: Quiet = False,
) -> None:
    """Say for each row what the model predicts, how certain that is, and why it is unsure."""
    errors, console = consoles(quiet)
    if out == STDOUT:
        console = errors
    with _plain_words():
        dropout = howsure.MCDropout(
            passes=passes,
            target_error=target_error,
            max_passes=max_passes,
            plan=None if plan is None else howsure.Plan.load(plan),
            keep_off=keep_off or (),
        )
        asked = "mc-dropout" if method is None else method.value
        choice = next(choice for choice in CHOICES if choice.option == asked)
        _check_choice(choice, member or [], dropout)
        check_divisor(divide_by)
        inputs = [*check_models(model, member or [], weights), data]
        check_exists(data, "data")
        if labels is not None:
            check_exists(labels, "file of labels")
            inputs.append(labels)
        to_folder = folders.is_folder(out, workers)
        if to_folder and kind_of(model) in PICKLES:
            raise InputError("Results of a classifier go into one table", expected="--out TABLE.parquet")
        if skip_unreadable and data.is_file() and kind_of(data) not in SUFFIXES:
            raise InputError("--skip-unreadable is for images", expected="a folder of images", received=data)
        if not to_folder:
            folders.check_unused(part_rows, skip_rows, data)
            check_table(out, inputs)
        if report is not None:
            check_output(report, ".html", inputs if out == STDOUT else [*inputs, out])
        roles = roles_of(data, label_column, id_column, drop, labels)
        names = None if class_names is None else read_class_names(class_names)
        if to_folder and output is not None:
            raise InputError(
                "--output is for a table", expected="--out with an ending such as .parquet", received=str(out)
            )
        if to_folder:
            folders.check_free(out, inputs, report)
            if labels is not None and label_column is not None:
                raise InputError(
                    "--label-column with --labels is for one table", expected="a column y in --labels"
                )
            recipe = Recipe(
                folders.source_of(model, weights, allow_code),
                tuple(folders.source_of(path, None, allow_code, like=model) for path in member or []),
                choice.option,
                dropout,
                Asked(seed, batch_size, None if outputs is None else outputs.value, names, divide_by),
                RowSource(data.absolute(), roles, skip_unreadable, skip_rows),
                None if labels is None else labels.absolute(),
                out.resolve(),
            )
            whole = folders.assess_into(
                recipe,
                size=part_rows,
                workers=workers,
                errors=errors,
                console=console,
                unbroken=_INTERRUPTIONS.held,
                check=_INTERRUPTIONS.check,
            )
            if not whole:
                raise typer.Exit(LEFT_OUT)
            return
        if labels is not None:
            read_labels(labels, column=label_column)  # before work begins

        network = load_model(model, weights, allow_code, errors, _INTERRUPTIONS.held)
        others = [
            load_model(path, None, allow_code, errors, _INTERRUPTIONS.held, like=model)
            for path in member or []
        ]
        rows = rows_of(data, network, skip_unreadable, roles)
        if labels is not None:
            names = names_for(network, rows, names)
            found = read_labels(labels, rows.ids, column=label_column, id_column=rows.id_name)
            rows = replace(rows, labels=found, class_names=None)
        rows_in = replace(rows, x=divided(rows.x, divide_by, network))
        own = method is None and is_classifier(network)
        if own and dropout != howsure.MCDropout():
            raise InputError(
                "Passes and plans have no effect with a classifier of scikit-learn",
                expected="its own prediction, by its members where it has some",
            )
        blocks: list[Any] = []
        with kept(blocks, parquet_beside(out), _INTERRUPTIONS):
            with progress(errors, "Assessing", waiting=COMPILING) as shown:
                blocks += howsure.stream(
                    network,
                    rows_in,
                    method=None if own else choice.make(others, dropout),
                    seed=seed,
                    batch_size=batch_size,
                    outputs=None if outputs is None else outputs.value,
                    class_names=names,
                    progress=_told(shown),
                    output=named_or_placed(output),
                )
            certainty = blocks[0].joined(blocks)
            with _INTERRUPTIONS.held():
                write_table(certainty, out)
                blocks.clear()

        paragraph(console, summary(certainty))
        if len(certainty):
            say(console, "\nThe most undecided:\n")
            console.print(undecided_table(certainty, _SHOWN))
        if out != STDOUT:
            say(console, f"\nTable:   {out}")
        if rows.left_out:
            count = counted(len(rows.left_out), "unreadable image")
            loud = Console(stderr=True)
            say(loud, f"left out: {count}; the rows are numbered without them")
            for line in rows.left_out:
                say(loud, f"  {line}")
        if report is not None:
            write_report(
                report,
                certainty,
                rows.by_column,
                audit=howsure.audit(network, rows_in, keep_off=keep_off or ()),
            )
            say(console, f"Report:  {report}")
        if rows.left_out:
            raise typer.Exit(LEFT_OUT)


@app.command("compare")
def compare_command(
    model: Annotated[
        Path,
        typer.Argument(help="A Keras model: .keras, or legacy .h5; or a table of the same rows as DATA."),
    ],
    data: Annotated[
        Path,
        typer.Argument(
            help="Rows with known classes: .npz, .npy, .csv, .parquet, or class folders; or the other table."
        ),
    ],
    labels: Annotated[Path | None, typer.Option(help="True classes, .npy or .csv.")] = None,
    label_column: LabelColumn = None,
    id_column: IdColumn = None,
    drop: Drop = None,
    member: Annotated[
        list[Path] | None,
        typer.Option(help="One more model, trained from another seed; together they are an ensemble."),
    ] = None,
    outside: Annotated[
        list[Path] | None,
        typer.Option(help="Rows that are of none of the model's classes, to see which method notices."),
    ] = None,
    shifted: Annotated[
        list[Path] | None,
        typer.Option(help="The same rows in the same order, as they come when something has changed."),
    ] = None,
    shifts: Annotated[
        bool,
        typer.Option(
            help="Whether images are also turned, moved, made noisy and blurred; not with --shifted."
        ),
    ] = True,
    report: Annotated[Path | None, typer.Option(help="Page to write, .html.")] = None,
    class_names: ClassNames = None,
    seed: Seed = 0,
    batch_size: BatchSize = 256,
    outputs: GivenOutputs = None,
    normalise: tables.Normalise = False,
    divide_by: DivideBy = None,
    weights: Weights = None,
    allow_code: AllowCode = False,
    quiet: Quiet = False,
) -> None:
    """Say which method, or which of two tables, has the truest percentages, by how much, and why."""
    errors, console = consoles(quiet)
    members, changed, strangers = list(member or []), list(shifted or []), list(outside or [])
    with _plain_words():
        if is_table(model):
            unused: dict[str, object] = {
                "--member": member,
                "--shifted": shifted,
                "--outside": outside,
                "--outputs": outputs,
            }
            unused |= {"--divide-by": divide_by, "--weights": weights, "--allow-code": allow_code}
            check_unused(unused | {"--no-shifts": not shifts, "--batch-size": batch_size != 256})
            if report is not None:
                check_output(report, ".html", [model, data, *([labels] if labels else [])])
            compared = compared_tables(
                model, data, labels, label_column, id_column, drop, class_names, seed, normalise
            )
            say_comparison(console, compared, report)
            return
        if normalise:
            raise InputError("--normalise has no effect on a model", expected="two tables with --normalise")
        check_divisor(divide_by)
        models = check_models(model, members, weights)
        for path, what in [
            (data, "data"),
            *((path, "data") for path in (*changed, *strangers)),
            *([(labels, "file of labels")] if labels is not None else []),
        ]:
            check_exists(path, what)
        if report is not None:
            taken = [*models, data, *changed, *strangers, *([labels] if labels else [])]
            check_output(report, ".html", taken)
        roles = roles_of(data, label_column, id_column, drop, labels)
        names = None if class_names is None else read_class_names(class_names)
        if labels is not None:
            read_labels(labels, column=label_column)  # before work begins

        network = load_model(model, weights, allow_code, errors, _INTERRUPTIONS.held)
        rows = rows_of(data, network, skip_unreadable=False, roles=roles)
        names = names_for(network, rows, names)
        truth = rows.truth(names)
        if labels is not None:
            truth = read_labels(labels, rows.ids, column=label_column, id_column=rows.id_name)
        if truth is None:
            raise InputError(
                "There is nothing to compare by",
                expected="true classes: --labels, --label-column, an array or column y, or class folders",
                received="rows alone",
            )
        _check_truth(truth, rows, network, outputs, names)
        others = [
            load_model(path, None, allow_code, errors, _INTERRUPTIONS.held, like=model) for path in members
        ]
        methods = default_methods(network, rows.x, others)

        def named(paths: Sequence[Path]) -> dict[str, Any]:
            read = {
                path.name: rows_of(path, network, False, replace(roles, needed=False)).x for path in paths
            }
            if len(read) < len(paths):
                raise InputError(
                    "Two files of rows have the same name",
                    expected="names to tell them by",
                    received=", ".join(map(str, paths)),
                    mend="Copy one of them to a file of another name",
                )
            return {name: divided(x, divide_by, network) for name, x in read.items()}

        with progress(errors, "Comparing", waiting=COMPILING) as shown:
            comparison = howsure.compare(
                network,
                divided(rows.x, divide_by, network),
                truth,
                methods=methods,
                shifts=None if shifts and not changed else named(changed),
                outside=named(strangers),
                seed=seed,
                batch_size=batch_size,
                outputs=None if outputs is None else outputs.value,
                class_names=names,
                progress=_told(shown),
            )

        say_comparison(console, comparison, report)


def main() -> None:
    """Run the command line."""
    open_the_closed()
    nowhere = open(os.devnull, "w")  # noqa: SIM115  # as long as the program runs
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an old terminal shows '?' for what it cannot draw
    printed = Unbreakable(sys.stdout or nowhere)
    sys.stdout, sys.stderr = printed, Unbreakable(sys.stderr or nowhere)
    try:
        app()
    finally:
        printed.flush()
        if printed.lost is not None:
            say(Console(stderr=True), f"error: not all could be printed ({printed.lost.strerror})")
            sys.exit(WRONG)


def _told(shown: Report) -> Callable[[int, int], None]:
    """What is called with the rows done and the rows in all; it stops where an interruption was swallowed."""

    def tell(done: int, total: int) -> None:
        _INTERRUPTIONS.check()
        shown(done / max(1, total), f"{done:,} of {total:,} rows")

    return tell


@contextlib.contextmanager
def _plain_words() -> Iterator[None]:
    """Turn howsure's errors and warnings, and Ctrl-C, into one line on stderr and an exit code."""
    errors = Console(stderr=True)
    warned = Warned(errors)
    with warnings.catch_warnings(), _INTERRUPTIONS.heard():
        show_others = warnings.showwarning

        def show(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            if isinstance(message, HowsureWarning):
                warned.show(message)
            else:
                show_others(message, category, *place, **more)

        warnings.showwarning = show
        warnings.simplefilter("always", HowsureWarning)
        try:
            with contextlib.closing(warned):
                yield
            _INTERRUPTIONS.check()
        except HowsureError as error:
            say(errors, f"error: {error}")
            raise typer.Exit(WRONG) from error
        except KeyboardInterrupt as error:
            say(errors, "interrupted")
            raise typer.Exit(INTERRUPTED) from error


tables.register(app, _plain_words)
exporting.register(app, _plain_words, _INTERRUPTIONS)


# --- methods --------------------------------------------------------------------------------------


def _check_choice(choice: Choice, members: Sequence[Path], dropout: howsure.MCDropout) -> None:
    """Raise where members are missing, or where something was asked for that has no effect."""
    if choice.takes_members and not members:
        raise InputError(f"--method {choice.option} needs other models", expected="--member, once or more")
    if members and not choice.takes_members:
        raise InputError(f"--member has no effect with --method {choice.option}", expected="an ensemble")
    if (
        choice.make(members, dropout) == choice.make(members, howsure.MCDropout())
        and dropout != howsure.MCDropout()
    ):
        raise InputError(
            f"Passes and plans have no effect with --method {choice.option}",
            expected="--method mc-dropout, or an ensemble of it",
        )


# --- rows and labels --------------------------------------------------------------------------


def _check_truth(
    truth: Array | None, rows: Rows, network: Any, outputs: Outputs | None, names: Sequence[str] | None
) -> None:
    """Raise for labels that do not fit now, rather than after the passes."""
    if truth is None:
        return
    adapted, checked = adapt(network, rows.x)
    with warnings.catch_warnings(action="ignore"):  # said when the rows are assessed
        outcome = outcome_of(
            adapted.info, Request(outputs=None if outputs is None else outputs.value, class_names=names)
        )
    outcome.check_truth(truth, len(checked[0]))
