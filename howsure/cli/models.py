"""Load the model that a command names, and read rows for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from howsure.cli.options import Opening
from howsure.cli.paths import check_exists
from howsure.cli.stopping import INTERRUPTIONS
from howsure.errors import InputError
from howsure.models.adapt import FILES, PICKLES, load
from howsure.models.factory import is_factory, made_by
from howsure.models.import_keras import load_keras
from howsure.terminal import progress

Model = Annotated[
    Path,
    typer.Argument(
        help="A Keras model (.keras, or legacy .h5); a PyTorch module (package.module:function that "
        "makes it); or, with --allow-code, an exported program (.pt2) or a scikit-learn model (.joblib)."
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
