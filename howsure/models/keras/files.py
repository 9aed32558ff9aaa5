"""Open Keras model files; every fault gives one clear error."""

from __future__ import annotations

import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras

from howsure.data.reading import not_for_its_content
from howsure.errors import FileError, HowsureError, ModelError, probing
from howsure.models.keras.losses import remember

_UNKNOWN = re.compile(r"(?:Could not locate \w+|Unknown \w+:) '([^']+)'")
_WEIGHTS = "load the weights in Python with model.load_weights(…), and pass the model to howsure.assess"
_MOST_OF_CONFIG = 2**28
"""Most bytes of a configuration that are read; a real one is far smaller."""


@probing()
def load(path: str | os.PathLike[str], *, allow_code: bool = False) -> Any:
    """Load a `.keras` or legacy `.h5` file without compiling the model; the loss in the file is remembered.

    Keras's safe mode refuses what would run code: text of functions, pickles, files of other frameworks,
    modules and classes that are not its own, and functions of Keras that do more than compute.

    Args:
        path: A file with one of these endings, as `howsure.models.adapt.load` has checked.
        allow_code: True allows the file to run code (Lambda layers and the like).

    Raises:
        FileError: The file is truncated, or not a Keras model.
        ModelError: The file would run code, or needs a class that is not known here.
    """
    file = Path(path)
    if file.suffix == ".keras" and not zipfile.is_zipfile(file):
        raise FileError(
            f"'{file}' is not a readable .keras file",
            expected="the zip archive that model.save() writes",
            received="a file that is no zip archive, or is truncated",
        )
    try:
        _check_size(file)
        if file.suffix != ".keras" and _config_in_h5(file) == "":
            raise FileError(
                f"'{file}' holds no model, at most weights of one",
                expected="a file that model.save() wrote",
                hint=f"Build the network in Python as it was trained, {_WEIGHTS}",
            )
        _check_version(file)
        model = keras.models.load_model(file, compile=False, safe_mode=not allow_code)
    except HowsureError:
        raise
    except Exception as error:
        raise _loading_error(file, error) from error
    remember(model, file)
    return model


def _loading_error(file: Path, error: Exception) -> FileError | ModelError:
    by_the_system = not_for_its_content(file, error)
    if by_the_system is not None:
        return by_the_system
    # Keras's message quotes the whole configuration before the cause.
    said = " ".join(str(error).rsplit("Exception encountered:", 1)[-1].split())
    unknown = _UNKNOWN.search(said)
    if unknown:
        return _unknown(file, unknown[1])
    if any(word in said for word in ("safe_mode=False", "unsafe", "Non-modeling APIs")):
        return _wants_to_run_code(file)
    return FileError(
        f"'{file}' could not be read as a Keras model ({type(error).__name__}: {said[:200]})",
        hint="It may be damaged, or of another kind. keras.models.load_model(path) shows where it fails",
    )


def _unknown(file: Path, name: str) -> ModelError:
    return ModelError(
        f"'{file}' needs '{name}', which is not known here",
        hint="Load it in Python with keras.models.load_model(path, "
        f"custom_objects={{'{name}': …}}), and pass the model to howsure.assess",
    )


def _wants_to_run_code(file: Path) -> ModelError:
    return ModelError(
        f"'{file}' wants to run code of its own (a Lambda layer or the like), and was not opened",
        hint="If you trust where it comes from, say so with --allow-code, or load it yourself in Python, and "
        "pass the model to howsure.assess",
    )


def _check_version(file: Path) -> None:
    """Raise a `ModelError` for a file of Keras 2.

    Keras 3 reads some of them, and computes another function under the same name, such as `hard_sigmoid`.
    """
    version = _version_in(file)
    if version and not version.startswith("3."):
        raise ModelError(
            f"'{file}' was saved by Keras {version}, in which some layers compute something else",
            expected="a file that Keras 3 saved",
            hint="Build the network in Python with Keras 3 as `model`, and save it again: "
            "`model.set_weights(tf_keras.models.load_model(path).get_weights()); model.save('model.keras')`",
        )


def _version_in(file: Path) -> str:
    """The version of Keras that wrote a file; empty if it says none, or cannot be read."""
    try:
        if file.suffix == ".keras":
            with zipfile.ZipFile(file) as archive:
                return str(json.loads(archive.read("metadata.json"))["keras_version"])
        with h5py.File(file) as opened:
            version = opened.attrs["keras_version"]
    except (AttributeError, KeyError, OSError, TypeError, ValueError, zipfile.BadZipFile):
        return ""  # Keras will report the fault.
    return version.decode() if isinstance(version, bytes) else str(version)


def _check_size(file: Path) -> None:
    """Raise a `FileError` if a small archive would unpack to more than fits in memory."""
    if file.suffix != ".keras":
        return
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            most = _MOST_OF_CONFIG if entry.filename.endswith(".json") else 100 * entry.compress_size + 2**32
            if entry.file_size > most:
                raise FileError(
                    f"'{entry.filename}' in '{file}' would fill the memory",
                    expected="an archive as model.save() writes it, which is not compressed",
                    received=f"{entry.file_size:,} bytes out of {entry.compress_size:,}",
                )


def _config_in_h5(file: Path) -> str | None:
    """The model configuration in a legacy file; empty if there is none, None if it cannot be read."""
    try:
        with h5py.File(file) as opened:
            config = opened.attrs.get("model_config", "")
    except OSError:
        return None  # Keras will report the fault.
    return config.decode() if isinstance(config, bytes) else str(config)
