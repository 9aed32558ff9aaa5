"""The command that writes a model's certainty as an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

import howsure
from howsure.cli.columns import RowColumns, check_rows_given
from howsure.cli.grouped import grouped
from howsure.cli.models import Model, check_models, load_model, rows_of
from howsure.cli.options import GraphWishes, Opening, Quiet, consoles
from howsure.cli.paths import check_exists, check_output
from howsure.cli.stopping import Interruptions
from howsure.divide import check_divisor
from howsure.errors import InputError
from howsure.terminal import progress, say


@dataclass(frozen=True)
class Files:
    """What a graph is made from."""

    plan: Annotated[
        Path | None,
        typer.Option(help="A plan in float32 that `audit --save-plan` kept; without it --data makes one."),
    ] = None
    data: Annotated[
        Path | None, typer.Option(help="Rows on which the graph is compared; else they are made up.")
    ] = None
    calibrator: Annotated[
        Path | None, typer.Option(help="A calibrator that the graph applies, from `howsure calibrate`.")
    ] = None


def register(
    app: typer.Typer, plainly: Callable[[], AbstractContextManager[None]], interruptions: Interruptions
) -> None:
    """Add the command to a command line.

    Args:
        app: The command line.
        plainly: What turns errors and interruptions into one line and an exit code.
        interruptions: What is heard, and held while a framework is imported.
    """

    @app.command("export")
    @grouped
    def export_command(
        model: Model,
        out: Annotated[Path, typer.Argument(help="Graph to write, .onnx.")],
        files: Files,
        columns: RowColumns,
        wishes: GraphWishes,
        opening: Opening,
        divide_by: Annotated[
            float | None,
            typer.Option(help="What the graph divides its inputs by first, for example 255 for images."),
        ] = None,
        quiet: Quiet = False,
    ) -> None:
        """Write the certainty of a model as an ONNX graph, which needs neither howsure nor the model."""
        errors, console = consoles(quiet)
        with plainly():
            check_divisor(divide_by)
            plan, data, calibrator = files.plan, files.data, files.calibrator
            if plan is None and data is None:
                raise InputError("There is nothing to plan by", expected="--plan, or --data to make one from")
            check_rows_given(data, columns.given)
            given = [path for path in vars(files).values() if path is not None]
            for what, path in vars(files).items():
                if path is not None:
                    check_exists(path, what)
            check_output(out, ".onnx", [*check_models(model, [], opening.weights), *given])
            known = None if plan is None else howsure.Plan.load(plan)
            learnt = None if calibrator is None else howsure.Calibrator.load(calibrator)
            request = wishes.request
            network = load_model(model, opening, errors, interruptions.held)
            x = None
            if data is not None:
                x = rows_of(data, network, False, columns.roles(data)).x
            with progress(errors, "Exporting", waiting="looking at the model") as shown:

                def tell(said: str) -> None:
                    interruptions.check()
                    shown(None, said)

                exported = howsure.export(
                    network,
                    out,
                    plan=known,
                    x=x,
                    seed=request.seed,
                    outputs=request.outputs,
                    class_names=request.class_names,
                    thresholds=request.thresholds,
                    calibrator=learnt,
                    divide_by=divide_by,
                    progress=tell,
                )
            say(console, str(exported))
