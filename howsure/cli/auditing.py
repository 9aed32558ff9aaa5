"""The command that says what in a model is random, and how passes over some rows are planned."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import howsure
from howsure.assess import planned
from howsure.cli.columns import RowColumns, check_rows_given
from howsure.cli.grouped import grouped
from howsure.cli.models import Model, check_models, load_model, rows_of
from howsure.cli.options import DivideBy, KeepOff, Opening, Quiet, Running, consoles
from howsure.cli.paths import check_exists, check_output
from howsure.cli.stopping import Interruptions
from howsure.divide import check_divisor, divided
from howsure.errors import InputError
from howsure.methods.mc_dropout import MCDropout
from howsure.terminal import progress, say


class Precision(StrEnum):
    """In which a plan may have to be."""

    float32 = "float32"


@dataclass(frozen=True)
class Planning(RowColumns):
    """Rows to plan from, and what the plan should be like."""

    data: Annotated[
        Path | None, typer.Option(help="Rows from which to plan how many masks each layer gets.")
    ] = None
    save_plan: Annotated[
        Path | None, typer.Option(help="Where to keep that plan, .json, for `assess --plan`; needs --data.")
    ] = None
    precision: Annotated[
        Precision | None,
        typer.Option(help="A plan in float32 holds on every machine; needs --data."),
    ] = None
    divide_by: DivideBy = None


def register(
    app: typer.Typer, plainly: Callable[[], AbstractContextManager[None]], interruptions: Interruptions
) -> None:
    """Add the command to a command line.

    Args:
        app: The command line.
        plainly: What turns errors and interruptions into one line and an exit code.
        interruptions: What is heard, and held while a framework is imported.
    """

    @app.command("audit")
    @grouped
    def audit_command(
        model: Model,
        planning: Planning,
        wishes: Running,
        opening: Opening,
        keep_off: KeepOff = None,
        quiet: Quiet = False,
    ) -> None:
        """Say what in a model is random, what stays fixed, what a pass costs, and how passes are planned."""
        errors, console = consoles(quiet)
        with plainly():
            data, save_plan, precision = planning.data, planning.save_plan, planning.precision
            check_divisor(planning.divide_by)
            asked = wishes.asked(planning.divide_by)
            inputs = check_models(model, [], opening.weights)
            others = {"--divide-by": planning.divide_by, "--precision": precision}
            check_rows_given(data, {**planning.given, **wishes.given, **others})
            if data is not None:
                check_exists(data, "data")
                roles = planning.roles(data)
            if save_plan is not None:
                if data is None:
                    raise InputError("There are no rows to plan from", expected="--data with --save-plan")
                check_output(save_plan, ".json", [*inputs, data])
            request = asked.wished()
            network = load_model(model, opening, errors, interruptions.held)
            plan, x = None, None
            if data is not None:
                x = divided(rows_of(data, network, False, roles).x, planning.divide_by, network)
                with progress(errors, "Planning", waiting="compiling, and passes over a few rows"):
                    method = MCDropout(keep_off=keep_off or ())
                    plan = planned(network, x, method, request, precision and precision.value)
            say(console, str(howsure.audit(network, x, plan=plan, keep_off=keep_off or ())))
            if plan is not None and save_plan is not None:
                plan.save(save_plan)
