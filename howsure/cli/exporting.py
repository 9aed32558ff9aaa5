"""The command that writes a model's certainty as an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

import howsure
from howsure.cli.columns import Drop, IdColumn, LabelColumn, check_rows_given, roles_of
from howsure.cli.models import Model, Weights, check_models, load_model, rows_of
from howsure.cli.options import AllowCode, ClassNames, GivenOutputs, Quiet, Seed, consoles
from howsure.cli.paths import check_exists, check_output
from howsure.cli.stopping import Interruptions
from howsure.data.files import read_class_names
from howsure.divide import check_divisor
from howsure.errors import InputError
from howsure.terminal import progress, say


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
    def export_command(
        model: Model,
        out: Annotated[Path, typer.Argument(help="Graph to write, .onnx.")],
        plan: Annotated[
            Path | None,
            typer.Option(
                help="A plan in float32 that `audit --save-plan` kept; without it --data makes one."
            ),
        ] = None,
        data: Annotated[
            Path | None, typer.Option(help="Rows on which the graph is compared; else they are made up.")
        ] = None,
        calibrator: Annotated[
            Path | None, typer.Option(help="A calibrator that the graph applies, from `howsure calibrate`.")
        ] = None,
        class_names: ClassNames = None,
        seed: Seed = 0,
        outputs: GivenOutputs = None,
        label_column: LabelColumn = None,
        id_column: IdColumn = None,
        drop: Drop = None,
        divide_by: Annotated[
            float | None,
            typer.Option(help="What the graph divides its inputs by first, for example 255 for images."),
        ] = None,
        weights: Weights = None,
        allow_code: AllowCode = False,
        quiet: Quiet = False,
    ) -> None:
        """Write the certainty of a model as an ONNX graph, which needs neither howsure nor the model."""
        errors, console = consoles(quiet)
        with plainly():
            check_divisor(divide_by)
            if plan is None and data is None:
                raise InputError("There is nothing to plan by", expected="--plan, or --data to make one from")
            columns = {"--label-column": label_column, "--id-column": id_column, "--drop": drop}
            check_rows_given(data, columns)
            files = {"plan": plan, "data": data, "calibrator": calibrator}
            given = [path for path in files.values() if path is not None]
            for what, path in files.items():
                if path is not None:
                    check_exists(path, what)
            check_output(out, ".onnx", [*check_models(model, [], weights), *given])
            known = None if plan is None else howsure.Plan.load(plan)
            learnt = None if calibrator is None else howsure.Calibrator.load(calibrator)
            names = None if class_names is None else read_class_names(class_names)
            network = load_model(model, weights, allow_code, errors, interruptions.held)
            x = None
            if data is not None:
                roles = roles_of(data, label_column, id_column, drop, None)
                x = rows_of(data, network, False, roles).x
            with progress(errors, "Exporting", waiting="looking at the model") as shown:

                def tell(said: str) -> None:
                    interruptions.check()
                    shown(None, said)

                exported = howsure.export(
                    network,
                    out,
                    plan=known,
                    x=x,
                    seed=seed,
                    outputs=None if outputs is None else outputs.value,
                    class_names=names,
                    calibrator=learnt,
                    divide_by=divide_by,
                    progress=tell,
                )
            say(console, str(exported))
