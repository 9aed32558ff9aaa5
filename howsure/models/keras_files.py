"""Opening Keras model files, with one clear error for whatever is wrong with them."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import keras

from howsure.errors import FileError, ModelError


def load(path: str | os.PathLike[str], *, allow_code: bool = False) -> Any:
    """Load a `.keras` or legacy `.h5` file.

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
    try:
        return keras.models.load_model(file, compile=False, safe_mode=not allow_code)
    except Exception as error:
        raise _loading_error(file, error) from error


def _loading_error(file: Path, error: Exception) -> FileError | ModelError:
    said = " ".join(str(error).split())
    if "unsafe" in said.lower() or "safe_mode" in said or "Lambda" in said:
        return ModelError(
            f"'{file}' wants to run code of its own (a Lambda layer or the like), and was not opened",
            mend="If you trust where it comes from, say so with --allow-code, or load it yourself and "
            "pass the model to howsure.assess",
        )
    if "Could not locate" in said or "custom" in said.lower():
        return ModelError(
            f"'{file}' needs a class that is not known here ({said[:200]})",
            mend="Import its definition, load the model in Python and pass it to howsure.assess",
        )
    return FileError(f"'{file}' could not be read as a Keras model ({type(error).__name__}: {said[:200]})")
