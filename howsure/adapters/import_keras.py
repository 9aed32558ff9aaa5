"""Import Keras on the right backend and without its start-up messages, when no model has imported it yet."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import sys
import tempfile
from collections.abc import Iterator

from howsure.errors import DependencyError
from howsure.optional import BACKENDS, install_a_backend, needs_keras


def load_keras() -> None:
    """Import Keras on the backend that KERAS_BACKEND names, else on the first that is installed.

    TensorFlow's messages are silenced, unless TF_CPP_MIN_LOG_LEVEL asks for them.
    """
    backend = os.environ.get("KERAS_BACKEND") or next(filter(_is_installed, BACKENDS), None)
    if backend is None or not _is_installed("keras") or (backend in BACKENDS and not _is_installed(backend)):
        missing = backend if backend is not None and _is_installed("keras") else "Keras with a backend"
        raise DependencyError(f"{missing} is not installed", hint=install_a_backend())
    os.environ["KERAS_BACKEND"] = backend
    quiet = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") not in ("0", "1")
    if quiet:
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with needs_keras(), native_stderr_held() if quiet else contextlib.nullcontext():
        importlib.import_module("howsure.adapters.keras")


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@contextlib.contextmanager
def native_stderr_held() -> Iterator[None]:
    """Hold back what C++ code writes to stderr while a library starts; no setting silences it."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        except BaseException:
            file.seek(0)
            os.write(terminal, file.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
