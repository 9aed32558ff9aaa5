"""Load weights from a file into a PyTorch module."""

from __future__ import annotations

import importlib.util
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from howsure.adapters.torch.inputs import name_of
from howsure.errors import DependencyError, FileError, ModelError
from howsure.inputs.reading import not_for_its_content, reading
from howsure.inputs.rows import quoted
from howsure.words import counted

_INSIDE = ("state_dict", "model_state_dict", "model", "module", "net", "weights")
"""Names under which checkpoints store a state dict beside other things."""

_SHOWN = 3


def load_weights(module: nn.Module, path: Path) -> None:
    """Load the weights in a file into a module: a state dict, or a checkpoint that contains one.

    Only tensors and plain data are read (`weights_only`), so the file can run no code. A common prefix of all
    names, such as `module.` from `DataParallel`, is removed.

    Raises:
        FileError: The file is damaged, or contains more than weights.
        ModelError: The weights belong to another module.
    """
    saved = _state_in(_content_of(path))
    if saved is None:
        raise FileError(
            f"'{path}' holds no state dict",
            expected="what torch.save(module.state_dict(), path) writes, or a checkpoint with 'state_dict'",
        )
    state, expected = _without_prefix(saved, module.state_dict()), module.state_dict()
    missing = [name for name in expected if name not in state]
    unknown = [name for name in state if name not in expected]
    other = [name for name in expected if name in state and state[name].shape != expected[name].shape]
    if missing or unknown or other:
        parts = [
            f"{counted(len(names), 'tensor')} {what}: {quoted(names[:_SHOWN])}"
            for names, what in ((missing, "missing"), (unknown, "too many"), (other, "of another shape"))
            if names
        ]
        raise ModelError(
            f"The weights in '{path}' are not those of module '{name_of(module)}'",
            expected=f"the {len(expected)} tensors of its state dict",
            received="; ".join(parts),
        )
    module.load_state_dict(state)


def _content_of(path: Path) -> Any:
    if path.suffix.lower() == ".safetensors":
        if importlib.util.find_spec("safetensors") is None:
            raise DependencyError(
                f"'{path}' needs safetensors, which is not installed", hint="pip install safetensors"
            )
        from safetensors.torch import load_file

        with reading(path, "safetensors"):
            return load_file(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # PyTorch's own, about the kind of file
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = "global" in str(error).lower()  # a function or class, which weights never contain
        raise FileError(
            f"'{path}' {'' if named else 'is damaged, or it '}holds more than weights and could run code "
            "when it is opened, so it was not",
            expected="a state dict: torch.save(module.state_dict(), path)",
            hint="If you trust where it comes from, open it yourself with torch.load(path, "
            "weights_only=False), and keep its state dict",
        ) from error
    except Exception as error:  # PyTorch may raise anything for unreadable files
        raise not_for_its_content(path, error) or FileError(
            f"'{path}' is not a readable file of PyTorch ({_in_one_line(error)})",
            expected="what torch.save(module.state_dict(), path) writes",
        ) from error


def _state_in(content: Any) -> dict[str, torch.Tensor] | None:
    if not isinstance(content, Mapping):
        return None
    tensors = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    if tensors and len(tensors) == len(content):
        return tensors
    inside = (_state_in(content[name]) for name in _INSIDE if name in content)
    return next((state for state in inside if state is not None), None)


def _without_prefix(state: dict[str, torch.Tensor], expected: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The state dict without a common prefix of all names, if it then has the wanted names."""
    parts = next(iter(state)).split(".")
    for count in range(len(parts)):
        beginning = "".join(f"{part}." for part in parts[:count])
        shorter = {name.removeprefix(beginning): value for name, value in state.items()}
        if set(shorter) == set(expected):
            return shorter
    return state


def _in_one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split()):.160}".rstrip(". :")
