"""Load the model that a command names; and the commands about a model alone, `audit` and `export`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import howsure
from howsure.assess import planned
from howsure.atomic import FITTED, GRAPHS
from howsure.cli.hints import in_options
from howsure.cli.options import (
    DivideBy,
    GraphWishes,
    KeepOff,
    Opening,
    Quiet,
    RowColumns,
    Running,
    check_exists,
    check_output,
    check_rows_given,
    consoles,
    given,
)
from howsure.cli.stopping import INTERRUPTIONS
from howsure.divide import check_divisor, divided
from howsure.errors import InputError
from howsure.methods.mc_dropout import MCDropout
from howsure.models.adapt import FILES, PICKLES, load, opened
from howsure.models.factory import is_factory, made_by
from howsure.models.import_keras import load_keras
from howsure.terminal import progress, say

Model = Annotated[
    Path,
    typer.Argument(
        help="A Keras model (.keras, or legacy .h5); a PyTorch module (package.module:function that "
        "makes it); or, with --allow-code, a scikit-learn model (.joblib)."
    ),
]
WEIGHTS = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")
"""Endings of files with weights."""

_OF_MEMBER = "its weights as --member FILE if the model is made as it is, or a function that loads them"


def check_models(model: Path, members: list[Path], weights: Path | None) -> list[Path]:
    """The files that hold the models; raise if one is missing."""
    if weights is not None and not is_factory(model):
        raise InputError(
            "--weights needs a function that makes the module",
            expected="package.module:function as the model",
            received=str(model),
        )
    files = [path for path in (model, *members) if not is_factory(path)]
    for path in files:
        check_exists(path, "model")
    if weights is not None:
        check_exists(weights, "file of weights")
        files.append(weights)
    return files


def placed(path: Path, opening: Opening, like: Path | None = None) -> tuple[Path, Path | None]:
    """The file or function of a model, and the file of weights for the function.

    Args:
        path: A file, or a function.
        opening: The weights of the first model.
        like: The first model, if this is another one; if that is a function, `path` may be a file of weights.
    """
    if like is None:
        return path, opening.weights
    return (like, path) if is_factory(like) and path.suffix.lower() in WEIGHTS else (path, None)


def load_model(path: Path, opening: Opening, errors: Console, *, like: Path | None = None) -> Any:
    """Load the model that a command names; the other arguments as for `placed`."""
    allow_code = opening.allow_code
    path, weights = placed(path, opening, like)
    if path.suffix in PICKLES and not is_factory(path):
        return load(path, allow_code=allow_code)
    if is_factory(path) or FILES.get(path.suffix) != "keras":
        with progress(errors, "Loading", waiting="PyTorch"):
            if is_factory(path):
                return made_by(path, weights, check="--weights FILE" if like is None else _OF_MEMBER)
            return load(path, allow_code=allow_code)
    with progress(errors, "Loading", waiting="Keras") as shown:
        with INTERRUPTIONS.held():  # a framework whose import stopped half-way does not work
            load_keras()
        shown(None, path.name)
        return load(path, allow_code=allow_code)


Precision = StrEnum("Precision", ["float32"])


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
        roles, form = planning.roles(data), planning.form(data)
    if save_plan is not None:
        if data is None:
            raise InputError("--save-plan needs rows for the plan", expected="--data with --save-plan")
        check_output(save_plan, FITTED, [*inputs, data])
    request = asked.wished()
    network = opened(load_model(model, opening, errors))
    plan, x = None, None
    if data is not None:
        x = divided(network.read(data, roles=roles, form=form).x, planning.divide_by, network)
        with progress(errors, "Planning", waiting="compiling, and passes over a few rows"):
            method = MCDropout(keep_off=keep_off or ())
            plan = planned(network, x, method, request, precision and precision.value)
    wished = request.arguments_of(howsure.audit)
    audit = howsure.audit(network, x, plan=plan, keep_off=keep_off or (), **wished)
    say(console, in_options(str(audit)))
    if plan is not None and save_plan is not None:
        plan.save(save_plan)


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
    familiarity: Annotated[
        Path | None,
        typer.Option(
            help="Familiarity that Python saved, by which the graph then tells how familiar rows are."
        ),
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
    check_output(out, GRAPHS, [*check_models(model, [], opening.weights), *inputs])
    known = None if plan is None else howsure.Plan.load(plan)
    learnt = None if calibrator is None else howsure.Calibrator.load(calibrator)
    familiar = None if files.familiarity is None else howsure.Familiarity.load(files.familiarity)
    request = wishes.request
    network = opened(load_model(model, opening, errors))
    x = None
    if data is not None:
        x = network.read(data, roles=columns.roles(data), form=columns.form(data)).x
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
            familiarity=familiar,
            divide_by=divide_by,
            progress=tell,
            **request.arguments_of(howsure.export),
        )
    say(console, str(exported))
