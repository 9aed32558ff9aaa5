"""Check the names in a Keras model's configuration before Keras resolves them.

Keras creates whatever a configuration names. That includes functions and classes of Keras that do more than
compute, code stored as text, and files and modules of other frameworks. Keras itself refuses some of these,
depending on its version. Here a name may refer to one of three things: a class of Keras that is created from
its configuration, a function of Keras that only computes, or an object registered in this process.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from howsure.models.keras import private

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
    if _is_registered(name if is_function or legacy else part.get("registered_name", kind)):
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


def _is_registered(name: Any) -> bool:
    return isinstance(name, str) and keras.saving.get_registered_object(name) is not None


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
    return isinstance(thing, type) and _is_of_keras(thing) and hasattr(thing, "from_config")


def _computes(thing: Any) -> bool:
    where = str(getattr(thing, "__module__", "")).split(".")
    is_there = len(where) > 2 and where[:2] == ["keras", "src"] and where[2] in _COMPUTE
    return is_there and callable(thing) and thing.__name__ not in ("deserialize", "get", "serialize")


def _is_of_keras(thing: type) -> bool:
    return thing.__module__.partition(".")[0] == "keras"
