"""The model that a command names, and rows for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from howsure.cli.options import Opening
from howsure.cli.paths import check_exists
from howsure.data.rows import Rows
from howsure.data.rows_from_file import rows_in
from howsure.data.table_files import read_named
from howsure.data.tables import Roles
from howsure.errors import InputError
from howsure.models.adapt import (
    FILES,
    PICKLES,
    channels_of,
    declared_specs,
    load,
    names_of_features,
    takes_names,
)
from howsure.models.factory import is_factory, made_by
from howsure.models.import_keras import load_keras
from howsure.terminal import progress

Model = Annotated[
    Path,
    typer.Argument(
        help="A Keras model: .keras, or legacy .h5. Of PyTorch: package.module:function that makes the "
        "module, or an exported program, .pt2. A classifier of scikit-learn: .joblib, with --allow-code."
    ),
]
WEIGHTS = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")
"""How files of weights end."""


def check_models(model: Path, members: list[Path], weights: Path | None) -> list[Path]:
    """The files that a command reads models from, or an `InputError` where one is missing."""
    if weights is not None and not is_factory(model):
        raise InputError(
            "--weights is for a module that a function makes",
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


def load_model(
    path: Path,
    opening: Opening,
    errors: Console,
    unbroken: Callable[[], AbstractContextManager[Any]],
    *,
    like: Path | None = None,
) -> Any:
    """A model as a command names it.

    Args:
        path: A file, or a function.
        opening: Weights for what a function makes, and whether a file may run code.
        errors: Where progress is shown.
        unbroken: Around an import, which leaves a framework that does not work where it is broken off.
        like: The model that this one is another member of: where that is a function, weights alone will do.
    """
    weights, allow_code = opening.weights, opening.allow_code
    if like is not None and is_factory(like) and path.suffix.lower() in WEIGHTS:
        path, weights = like, path
    if path.suffix in PICKLES and not is_factory(path):
        return load(path, allow_code=allow_code)
    if is_factory(path) or FILES.get(path.suffix) != "keras":
        with progress(errors, "Loading", waiting="PyTorch"):
            return made_by(path, weights) if is_factory(path) else load(path, allow_code=allow_code)
    with progress(errors, "Loading", waiting="Keras") as shown:
        with unbroken():
            load_keras()
        shown(None, path.name)
        return load(path, allow_code=allow_code)


def rows_of(data: Path, model: Any, skip_unreadable: bool, roles: Roles | None = None) -> Rows:
    """Rows in a file, for a model that says what it takes, or for one that takes what it gets.

    Args:
        data: File or folder.
        model: What they are for.
        skip_unreadable: Whether unreadable images are left out.
        roles: What columns are for that are no features.
    """
    if takes_names(model, data):
        return read_named(data, names_of_features(model), roles)
    specs, channels = declared_specs(model), partial(channels_of, model)
    return rows_in(data, specs, channels, skip_unreadable=skip_unreadable, roles=roles)
