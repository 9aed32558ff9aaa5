"""`howsure export`: write a model together with its certainty as an ONNX graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

import howsure
from howsure.cli.columns import RowColumns, check_rows_given
from howsure.cli.grouped import given
from howsure.cli.models import Model, check_models, load_model
from howsure.cli.options import GraphWishes, Opening, Quiet, consoles
from howsure.cli.paths import check_exists, check_output
from howsure.cli.stopping import INTERRUPTIONS
from howsure.divide import check_divisor
from howsure.errors import InputError
from howsure.models.adapt import opened
from howsure.terminal import progress, say


@dataclass(frozen=True)
class Files:
    """Files from which the graph is made."""

    plan: Annotated[
        Path | None,
        typer.Option(help="Plan in float32 from `howsure audit --save-plan`. Without it, --data makes one."),
    ] = None
    data: Annotated[
        Path | None,
        typer.Option(help="Rows on which to check the graph. Without them, howsure makes some up."),
    ] = None
    calibrator: Annotated[
        Path | None, typer.Option(help="Calibrator from `howsure calibrate`, which the graph then applies.")
    ] = None


def export_command(
    model: Model,
    out: Annotated[Path, typer.Argument(help="ONNX file to write, .onnx.")],
    files: Files,
    columns: RowColumns,
    wishes: GraphWishes,
    opening: Opening,
    divide_by: Annotated[
        float | None,
        typer.Option(help="Number by which the graph divides its inputs first, for example 255 for images."),
    ] = None,
    target_error: Annotated[
        float | None,
        typer.Option(
            help="Largest standard error that is acceptable where a probability is 0.5 (default 0.08). It "
            "chooses the number of passes. For numbers: as a share of their spread (default 0.4)."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write a model and its certainty as an ONNX graph, which runs without howsure and the model."""
    errors, console = consoles(quiet)
    check_divisor(divide_by)
    plan, data, calibrator = files.plan, files.data, files.calibrator
    if plan is None and data is None:
        raise InputError("A graph needs a plan", expected="--plan, or --data to make one from")
    check_rows_given(data, given(columns))
    inputs = [path for path in vars(files).values() if path is not None]
    for what, path in vars(files).items():
        if path is not None:
            check_exists(path, what)
    check_output(out, ".onnx", [*check_models(model, [], opening.weights), *inputs])
    known = None if plan is None else howsure.Plan.load(plan)
    learnt = None if calibrator is None else howsure.Calibrator.load(calibrator)
    request = wishes.request
    network = opened(load_model(model, opening, errors))
    x = None
    if data is not None:
        x = network.read(data, roles=columns.roles(data)).x
    with progress(errors, "Exporting", waiting="looking at the model") as shown:

        def tell(said: str) -> None:
            INTERRUPTIONS.check()
            shown(None, said)

        exported = howsure.export(
            network,
            out,
            plan=known,
            x=x,
            target_error=target_error,
            calibrator=learnt,
            divide_by=divide_by,
            progress=tell,
            **request.arguments_of(howsure.export),
        )
    say(console, str(exported))
