"""`howsure audit`: show what is random in a model, and plan the passes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import howsure
from howsure.assess import planned
from howsure.cli.columns import RowColumns, check_rows_given
from howsure.cli.grouped import given
from howsure.cli.hints import in_options
from howsure.cli.models import Model, check_models, load_model
from howsure.cli.options import DivideBy, KeepOff, Opening, Quiet, Running, consoles
from howsure.cli.paths import check_exists, check_output
from howsure.divide import check_divisor, divided
from howsure.errors import InputError
from howsure.methods.mc_dropout import MCDropout
from howsure.models.adapt import opened
from howsure.terminal import progress, say


class Precision(StrEnum):
    """Precision of a plan."""

    float32 = "float32"


@dataclass(frozen=True)
class Planning(RowColumns):
    """Options of the plan, and rows to make it from."""

    data: Annotated[
        Path | None, typer.Option(help="Rows for a plan of the masks: howsure tries passes on a few of them.")
    ] = None
    save_plan: Annotated[
        Path | None, typer.Option(help="File to write the plan to, .json, for `assess --plan`. Needs --data.")
    ] = None
    precision: Annotated[
        Precision | None, typer.Option(help="With float32 the plan is valid on every machine. Needs --data.")
    ] = None
    divide_by: DivideBy = None


def audit_command(
    model: Model,
    planning: Planning,
    wishes: Running,
    opening: Opening,
    keep_off: KeepOff = None,
    quiet: Quiet = False,
) -> None:
    """Show which layers of a model are random, which stay fixed, and what a pass costs."""
    errors, console = consoles(quiet)
    data, save_plan, precision = planning.data, planning.save_plan, planning.precision
    check_divisor(planning.divide_by)
    asked = wishes.asked(planning.divide_by)
    inputs = check_models(model, [], opening.weights)
    without_rows = ("--data", "--save-plan", "--output", "--outputs", "--class-axis")
    check_rows_given(data, (name for name in given(planning) | given(wishes) if name not in without_rows))
    if data is not None:
        check_exists(data, "data")
        roles = planning.roles(data)
    if save_plan is not None:
        if data is None:
            raise InputError("--save-plan needs rows for the plan", expected="--data with --save-plan")
        check_output(save_plan, ".json", [*inputs, data])
    request = asked.wished()
    network = opened(load_model(model, opening, errors))
    plan, x = None, None
    if data is not None:
        x = divided(network.read(data, roles=roles).x, planning.divide_by, network)
        with progress(errors, "Planning", waiting="compiling, and passes over a few rows"):
            method = MCDropout(keep_off=keep_off or ())
            plan = planned(network, x, method, request, precision and precision.value)
    wished = request.arguments_of(howsure.audit)
    audit = howsure.audit(network, x, plan=plan, keep_off=keep_off or (), **wished)
    say(console, in_options(str(audit)))
    if plan is not None and save_plan is not None:
        plan.save(save_plan)
