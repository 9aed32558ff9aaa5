"""Make a model with a user's function, named on the command line as `package.module:function`."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from howsure.errors import DependencyError, FileError, InputError, ModelError, warn
from howsure.optional import needs

_NAMED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def is_factory(text: str | os.PathLike[str]) -> bool:
    """True if this names a function in a module and not an existing file."""
    return _NAMED.fullmatch(os.fspath(text)) is not None and not Path(text).exists()


def made_by(name: str | os.PathLike[str], weights: Path | None, *, check: str = "") -> Any:
    """The model that a function or class makes or a variable holds, with weights from a file.

    Args:
        name: `package.module:function`. Python looks for the module on its path and in the current folder.
        weights: A state dict saved with `torch.save`, or None to leave the weights as they are.
        check: The hint for an untrained network of PyTorch, in words; without it, there is no warning.

    Raises:
        InputError: The function does not exist.
        FileError: The weights cannot be read.
        ModelError: The weights do not fit, or the model takes none.
        DependencyError: The module imports PyTorch, which is not installed.
    """
    expected = "a function without arguments that makes the model, as package.module:function"
    before = _draws()
    model = named(name, expected)
    with needs("torch", f"'{os.fspath(name)}'"):
        is_model = any(hasattr(model, name) for name in ("load_state_dict", "predict", "info"))
        if isinstance(model, type) or not is_model:
            before = _draws()
            model = _model_from(model, os.fspath(name))
    if weights is None:
        if check and _is_untrained(model, drawn=_drew(before)):
            instead = "the .keras file of the trained one" if hasattr(model, "get_weights") else check
            warn(
                f"The network that '{os.fspath(name)}' makes is untrained: its weights are as its layers set "
                f"them at first. Give {instead}."
            )
        return model
    if not hasattr(model, "load_state_dict"):
        raise ModelError(
            f"'{name}' makes something that takes no state dict",
            expected="a torch.nn.Module, where `weights` are given",
            received=f"{type(model).__module__}.{type(model).__qualname__}",
        )
    importlib.import_module("howsure.adapters.torch.files").load_weights(model, weights)
    return model


def named(name: str | os.PathLike[str], expected: str) -> Any:
    """The object that `package.module:name` names in a user's code.

    Args:
        name: Python looks for the module on its path and in the current folder.
        expected: Expected kind of object, for messages.

    Raises:
        InputError: The module has no such name.
        FileError: There is no such module.
        DependencyError: The module imports a package that is not installed.
    """
    module_name, _, path = os.fspath(name).partition(":")
    with needs("torch", f"Module '{module_name}'"):
        value = _imported(module_name)
    for part in path.split("."):
        value = getattr(value, part, None)
        if value is None:
            raise InputError(
                f"Module '{module_name}' has no '{path}'", expected=expected, received=os.fspath(name)
            )
    return value


def _model_from(maker: Any, name: str) -> Any:
    try:
        inspect.signature(maker).bind()
    except TypeError as error:
        raise InputError(
            f"'{name}' cannot be called ({error})",
            expected="a function without arguments that makes the model",
            hint="Write one that calls it with what it takes, and name that",
        ) from error
    except ValueError:  # functions not written in Python may have no signature
        pass
    with _what_it_needs(name):
        return maker()


@contextmanager
def _what_it_needs(name: str) -> Iterator[None]:
    """Run a user's code; turn a missing package that it imports into a `DependencyError`."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = f", as with pip install 'howsure[{package}]'" if package in ("torch", "pandas") else ""
        raise DependencyError(
            f"'{name}' needs {error.name or 'a module'}, which is not installed ({error})",
            hint=f"Install it where howsure runs{extra}; a module of your own belongs in the current folder",
        ) from error


def _is_untrained(model: Any, drawn: bool) -> bool:
    """Whether biases and scales, or all weights where there are none, are as layers set them at first.

    Layers set them to 0 or 1; those of PyTorch also to random numbers, and its tensors count their changes.

    Args:
        model: The model that was made.
        drawn: Whether PyTorch drew random numbers meanwhile. If not, the module was read from a file.
    """
    if hasattr(model, "get_weights"):
        weights = model.get_weights()
    else:
        weights = list(model.parameters()) if hasattr(model, "load_state_dict") else []
    vectors = [array for array in weights if array.ndim == 1] or weights
    return bool(vectors) and all(
        (drawn and getattr(array, "_version", 0) == 1) or bool(((array == 0) | (array == 1)).all())
        for array in vectors
        if not hasattr(array, "materialize")
    )


def _draws() -> Any:
    """The state of PyTorch's random numbers, or None where it is not imported yet."""
    torch = sys.modules.get("torch")
    return None if torch is None else torch.get_rng_state()


def _drew(before: Any) -> bool:
    """Whether PyTorch drew random numbers since `before`, or since its import."""
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    begun = torch.Generator().get_state() if before is None else before
    return not bool((torch.get_rng_state() == begun).all())


def _imported(name: str) -> Any:
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        with chdir(here):  # and back again, where the module goes elsewhere
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            with _what_it_needs(name):
                raise
        raise FileError(
            f"There is no module '{name}' in the current folder, nor where Python looks for modules",
            expected="package.module:function, or the path of a model file",
            received=name,
        ) from error
    finally:
        sys.path.remove(here)
