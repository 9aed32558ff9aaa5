"""Packages that are not always there, and what is said where one is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from howsure.errors import DependencyError, HowsureError

BACKENDS = ("tensorflow", "jax", "torch")
"""The backends of Keras, in the order of the search."""


@contextmanager
def needs(package: str, what: str, extra: str | None = None) -> Iterator[None]:
    """Around the import of a package that an extra installs: its failure is a `DependencyError`.

    Args:
        package: As it is imported.
        what: The part that needs it, the subject of a sentence.
        extra: Name of the extra. Default: that of the package.

    Raises:
        DependencyError: It is not installed, or cannot be imported.
    """
    try:
        yield
    except HowsureError:  # something else is missing, and said already
        raise
    except ImportError as error:
        if _is_absent(error, package):
            raise DependencyError(
                f"{what} needs {package}, which is not installed",
                hint=f"pip install 'howsure[{extra or package}]'",
            ) from error
        raise DependencyError(
            f"{what} needs {package}, which cannot be imported ({error})",
            hint=f"Install it anew: pip install --force-reinstall {package}",
        ) from error


@contextmanager
def needs_keras() -> Iterator[None]:
    """Around the import of what imports Keras: without it, or without its backend, a `DependencyError`.

    Keras runs on TensorFlow unless KERAS_BACKEND or its own file of settings says otherwise, and looks for it
    as soon as it is imported.
    """
    try:
        yield
    except ValueError as error:
        if "backend" not in str(error):
            raise
        raise DependencyError(
            f"Keras does not have the backend that it is to run on ({error})",
            expected=f"KERAS_BACKEND set to one of {', '.join(BACKENDS)}",
        ) from error
    except ImportError as error:
        if _is_absent(error, "keras"):
            raise DependencyError("Keras is not installed", hint=install_a_backend()) from error
        missing = next((name for name in BACKENDS if _is_absent(error, name)), None)
        if missing is None:
            raise DependencyError(
                f"Keras cannot be imported ({error})",
                expected="Keras 3.8 or newer, with a backend that works",
                hint=f"Install it anew. {install_a_backend()}",
            ) from error
        raise DependencyError(
            f"Keras looks for {missing}, which is not installed",
            expected="KERAS_BACKEND set to a backend that is, such as jax, before keras is imported",
            hint="In a shell: export KERAS_BACKEND=jax. In Python, first of all: "
            "import os; os.environ['KERAS_BACKEND'] = 'jax'",
        ) from error


def install_a_backend() -> str:
    """How Keras is installed together with a backend."""
    extras = ["keras,torch" if name == "torch" else name for name in BACKENDS]
    return "Choose one: " + ", ".join(f"pip install 'howsure[{extra}]'" for extra in extras)


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Versions of those packages that are installed."""
    installed = {}
    for package in packages:
        with suppress(importlib.metadata.PackageNotFoundError):
            installed[package] = importlib.metadata.version(package)
    return installed


def _is_absent(error: ImportError, package: str) -> bool:
    """Whether this package is not there, rather than one that it needs or a part that it lacks."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return False
    root = error.name.partition(".")[0]
    return error.name == package or (root == package and importlib.util.find_spec(root) is None)
