"""Opening Keras model files, with one clear error for whatever is wrong with them."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras

from howsure.errors import FileError, ModelError
from howsure.models.keras.losses import remember

_UNKNOWN = re.compile(r"(?:Could not locate \w+|Unknown \w+:) '([^']+)'")


def load(path: str | os.PathLike[str], *, allow_code: bool = False) -> Any:
    """Load a `.keras` or legacy `.h5` file, not compiled; what it says of its loss is remembered.

    Args:
        path: The file.
        allow_code: Whether a file that wants to run code (Lambda layers) may do so.

    Raises:
        FileError: Missing, truncated, or no Keras model.
        ModelError: It wants to run code, or needs a class that is not known here.
    """
    file = Path(path)
    if not file.exists():
        raise FileError("The model file does not exist", received=str(file))
    if file.suffix not in (".keras", ".h5", ".hdf5"):
        raise FileError(f"'{file}' is not a Keras model file", expected="a .keras file, or a legacy .h5 file")
    if file.suffix == ".keras" and not zipfile.is_zipfile(file):
        raise FileError(
            f"'{file}' is not a readable .keras file",
            expected="the zip archive that model.save() writes",
            received="a file that is no zip archive, or is truncated",
        )
    if file.suffix != ".keras" and not allow_code and _has_lambda(file):
        raise _wants_to_run_code(file)
    try:
        model = keras.models.load_model(file, compile=False, safe_mode=not allow_code)
    except Exception as error:
        raise _loading_error(file, error) from error
    remember(model, file)
    return model


def _loading_error(file: Path, error: Exception) -> FileError | ModelError:
    # Keras quotes the whole configuration before it comes to the cause.
    said = " ".join(str(error).rsplit("Exception encountered:", 1)[-1].split())
    unknown = _UNKNOWN.search(said)
    if unknown:
        return ModelError(
            f"'{file}' needs '{unknown[1]}', which is not known here",
            mend="Import its definition, load the model in Python and pass it to howsure.assess",
        )
    if "safe_mode=False" in said or "unsafe" in said:
        return _wants_to_run_code(file)
    return FileError(f"'{file}' could not be read as a Keras model ({type(error).__name__}: {said[:200]})")


def _wants_to_run_code(file: Path) -> ModelError:
    return ModelError(
        f"'{file}' wants to run code of its own (a Lambda layer or the like), and was not opened",
        mend="If you trust where it comes from, say so with --allow-code, or load it yourself and "
        "pass the model to howsure.assess",
    )


def _has_lambda(file: Path) -> bool:
    """Whether a legacy file holds a Lambda layer; older Keras opens those whatever its safe mode."""
    try:
        with h5py.File(file) as opened:
            config = opened.attrs.get("model_config", "")
    except OSError:
        return False  # Keras says what is wrong with it.
    text = config.decode() if isinstance(config, bytes) else str(config)
    return re.search(r'"class_name":\s*"(\w+>)?Lambda"', text) is not None
