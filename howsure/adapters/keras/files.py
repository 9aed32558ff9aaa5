"""Open Keras model files; every fault gives one clear error."""

from __future__ import annotations

import json
import os
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras

from howsure.adapters.keras import private
from howsure.adapters.keras.losses import remember
from howsure.errors import FileError, HowsureError, ModelError, warnings_never_errors
from howsure.inputs.reading import not_for_its_content

_UNKNOWN = re.compile(r"(?:Could not locate \w+|Unknown \w+:) '([^']+)'")
_WEIGHTS = "load the weights in Python with model.load_weights(…), and pass the model to howsure.assess"
_MOST_OF_CONFIG = 2**28
"""Most bytes of a configuration that are read; a real one is far smaller."""


@warnings_never_errors()
def load(path: str | os.PathLike[str], *, allow_code: bool = False) -> Any:
    """Load a `.keras` or legacy `.h5` file without compiling the model; the loss in the file is remembered.

    Args:
        path: A file with one of these endings, as `howsure.adapters.resolve.load` has checked.
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
        saved = _saved_in(file)
        if saved.config is None:
            raise FileError(
                f"'{file}' holds no model, at most weights of one",
                expected="a file that model.save() wrote",
                hint=f"Build the network in Python as it was trained, {_WEIGHTS}",
            )
        _check_version(file, saved.version)
        forbidden = None if allow_code else refused(saved.config, legacy=file.suffix != ".keras")
        if forbidden is not None:
            not_opened = _wants_to_run_code if forbidden.is_code else _unknown
            raise not_opened(file, forbidden.name)
        model = keras.models.load_model(file, compile=False, safe_mode=not allow_code)
    except HowsureError:
        raise
    except Exception as error:
        raise _loading_error(file, error) from error
    remember(model, saved.loss)
    return model


def _loading_error(file: Path, error: Exception) -> FileError | ModelError:
    by_the_system = not_for_its_content(file, error)
    if by_the_system is not None:
        return by_the_system
    # Keras's message quotes the whole configuration before the cause.
    message = " ".join(str(error).rsplit("Exception encountered:", 1)[-1].split())
    unknown = _UNKNOWN.search(message)
    if unknown:
        return _unknown(file, unknown[1])
    if "safe_mode=False" in message or "unsafe" in message:
        return _wants_to_run_code(file)
    return FileError(
        f"'{file}' could not be read as a Keras model ({type(error).__name__}: {message[:200]})",
        hint="It may be damaged, or of another kind. keras.models.load_model(path) shows where it fails",
    )


def _unknown(file: Path, name: str) -> ModelError:
    return ModelError(
        f"'{file}' needs '{name}', which is not known here",
        hint="Load it in Python with keras.models.load_model(path, "
        f"custom_objects={{'{name}': …}}), and pass the model to howsure.assess",
    )


def _wants_to_run_code(file: Path, name: str | None = None) -> ModelError:
    return ModelError(
        f"'{file}' wants to run code of its own (a Lambda layer or the like), and was not opened",
        received=name,
        hint="If you trust where it comes from, say so with --allow-code, or load it yourself in Python, and "
        "pass the model to howsure.assess",
    )


def _check_version(file: Path, version: str) -> None:
    """Raise a `ModelError` for a file of Keras 2.

    Keras 3 reads some of them, and computes another function under the same name, such as `hard_sigmoid`.
    """
    if version and not version.startswith("3."):
        raise ModelError(
            f"'{file}' was saved by Keras {version}, in which some layers compute something else",
            expected="a file that Keras 3 saved",
            hint="Build the network in Python with Keras 3 as `model`, and save it again: "
            "`model.set_weights(tf_keras.models.load_model(path).get_weights()); model.save('model.keras')`",
        )


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


@dataclass(frozen=True)
class Saved:
    """The settings in a model's file, as parsed JSON.

    Attributes:
        version: The version of Keras that wrote it; empty if it says none.
        config: The configuration of the model; None if there is none. The compile settings are not in it, and
            are not loaded here.
        loss: The loss in the compile settings, or None.
    """

    version: str
    config: Any
    loss: Any


def _saved_in(file: Path) -> Saved:
    """The settings in a file; nothing in it runs."""
    if file.suffix == ".keras":
        with zipfile.ZipFile(file) as archive:
            config = json.loads(archive.read("config.json"))
            version = json.loads(archive.read("metadata.json"))["keras_version"]
        compiled = config.pop("compile_config", None)
    else:
        with h5py.File(file) as h5:
            version = h5.attrs.get("keras_version", "")
            names = ("model_config", "training_config")
            config, compiled = (json.loads(h5.attrs.get(name) or "null") for name in names)
    version = version.decode() if isinstance(version, bytes) else str(version)
    return Saved(version, config, (compiled or {}).get("loss"))


# --- what a configuration asks for --------------------------------------------------------------------
# Check the names in a Keras model's configuration before Keras resolves them.
#
# Keras creates whatever a configuration names. That includes functions and classes of Keras that do more
# than compute, code stored as text, and files and modules of other frameworks. Keras itself refuses some of
# these, depending on its version. Here a name may refer to one of three things: a class of Keras that is
# created from its configuration, a function of Keras that only computes, or an object registered in this
# process.


_DATA = frozenset(["__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"])
"""Names under which Keras stores values that are not objects of its own."""

_CODE = frozenset(["__lambda__", "__typespec__", "TFSMLayer", "TorchModuleWrapper"])
"""Names whose configuration contains code, a file with code, or a pickle."""

_COMPUTE = ("activations", "constraints", "initializers", "losses", "metrics", "ops", "regularizers")
"""Modules of Keras whose functions only compute."""


@dataclass(frozen=True)
class ForbiddenName:
    """A name that must not be resolved.

    Attributes:
        name: The name in the configuration.
        is_code: True if resolving it would run code; False if it is unknown.
    """

    name: str
    is_code: bool


def refused(config: Any, *, legacy: bool) -> ForbiddenName | None:
    """The first name that must not be resolved, or None.

    Args:
        config: Configuration of a model, as parsed JSON.
        legacy: True for the configuration in a `.h5` file.
    """
    return next(filter(None, (_refused(part, legacy) for part in _parts(config))), None)


def _parts(config: Any) -> Iterator[dict[str, Any]]:
    """Every part that names a class, at any depth."""
    waiting = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if isinstance(part.get("class_name"), str):
                yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _refused(part: dict[str, Any], legacy: bool) -> ForbiddenName | None:
    kind, module = part["class_name"], part.get("module")
    if kind in _DATA:
        return None
    if kind in _CODE or (legacy and kind.rpartition(">")[2] == "Lambda"):
        return ForbiddenName(kind, is_code=True)
    is_function = kind == "function"
    name = str(part.get("config")) if is_function else kind
    registered = name if is_function or legacy else part.get("registered_name", kind)
    if isinstance(registered, str) and keras.saving.get_registered_object(registered) is not None:
        return None
    if module == "builtins" and is_function:
        return None  # Keras looks for it only among its activations, losses and the like.
    if module is None:
        thing = private.legacy_layers().get(name)
        return None if thing is None or _is_made(thing) else ForbiddenName(name, is_code=True)
    called = f"{module}.{name}"
    if str(module).partition(".")[0] != "keras":
        return ForbiddenName(called, is_code=False)
    thing = _found(str(module), name)
    if thing is None:
        return ForbiddenName(called, is_code=False)
    allowed = _computes(thing) if is_function else _is_made(thing)
    return None if allowed else ForbiddenName(called, is_code=True)


def _found(module: str, name: str) -> Any:
    """An object of Keras, from its public or its defining module; imports nothing."""
    place: Any = sys.modules.get(module)
    if place is None:
        place = keras
        for part in module.split(".")[1:]:
            place = getattr(place, part, None)
    return getattr(place, name, None)


def _is_made(thing: Any) -> bool:
    """True for a class of Keras that is created from its configuration."""
    is_of_keras = isinstance(thing, type) and thing.__module__.partition(".")[0] == "keras"
    return is_of_keras and hasattr(thing, "from_config")


def _computes(thing: Any) -> bool:
    where = str(getattr(thing, "__module__", "")).split(".")
    is_there = len(where) > 2 and where[:2] == ["keras", "src"] and where[2] in _COMPUTE
    return is_there and callable(thing) and thing.__name__ not in ("deserialize", "get", "serialize")
