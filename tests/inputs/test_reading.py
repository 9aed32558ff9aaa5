"""A file that cannot be read: the reason that is named is the one that there is."""

from __future__ import annotations

import errno
import importlib
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import howsure
from howsure.errors import FileError, InputError
from howsure.inputs.files import read_rows
from howsure.inputs.reading import reading
from howsure.inputs.rows import TEXT, InputSpec
from tests.results.test_saved_maps import ONE
from validation import mutation

FLAT = [InputSpec("x", (2,), "float32")]

MEMORY = [
    MemoryError(),
    pa.ArrowMemoryError("malloc of size 4096 failed"),
    OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."),
]


def raised(source: Path, error: Exception) -> FileError:
    """What becomes of an error of a reader of this file."""
    with pytest.raises(FileError) as caught, reading(source, "npz"):
        raise error
    return caught.value


@pytest.mark.parametrize("error", MEMORY, ids=lambda error: type(error).__name__)
def test_too_little_memory_is_not_called_damage(tmp_path: Path, error: Exception) -> None:
    caught = raised(tmp_path / "rows.npz", error)
    assert str(caught).startswith(f"Memory ran out while '{tmp_path / 'rows.npz'}' was read")
    assert "not a readable" not in str(caught)
    assert "A .npy file is read from disk as it is needed" in str(caught)
    assert caught.__cause__ is error


def test_what_the_system_refuses_is_not_called_damage(tmp_path: Path) -> None:
    source = tmp_path / "rows.npz"
    for number, words in ((errno.EACCES, "Permission denied"), (errno.EIO, "Input/output error")):
        caught = raised(source, OSError(number, "whatever a library says"))
        assert f"rows.npz' cannot be read ({words})" in str(caught)
    with pytest.raises(FileError, match="The file does not exist"), reading(source, "npz"):
        source.read_bytes()


def test_damage_is_called_damage(tmp_path: Path) -> None:
    for error in (ValueError("bad CRC"), OSError(errno.EINVAL, "Invalid argument"), EOFError()):
        caught = raised(tmp_path / "rows.npz", error)
        assert "is not a readable npz file (" in str(caught)
        assert "It may be damaged" in str(caught)


def test_other_errors_pass_through(tmp_path: Path) -> None:
    for error in (ImportError("zstd"), InputError("no"), KeyboardInterrupt(), SystemExit(3)):
        with pytest.raises(type(error)) as caught, reading(tmp_path / "rows.npz", "npz"):
            raise error
        assert caught.value is error


def test_a_long_text_is_not_called_damage(tmp_path: Path) -> None:
    source = tmp_path / "texts.csv"
    source.write_text(f"text\n{'long ' * 400_000}\nshort\n")
    texts = [InputSpec("text", (), TEXT)]
    assert len(read_rows(source, texts).x) == 2
    source.write_text(f"text\n{'long ' * 8_000_000}\nshort\n")
    with pytest.raises(InputError, match=r"texts\.csv' has a line that is too long.*16,777,216 bytes"):
        read_rows(source, texts)
    pq.write_table(pa.table({"text": ["long " * 8_000_000, "short"]}), tmp_path / "texts.parquet")
    assert len(read_rows(tmp_path / "texts.parquet", texts).x) == 2  # the step that is offered


def test_a_folder_without_images_is_not_said_to_hold_some(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is read as a folder of images, which this model does not take"):
        read_rows(tmp_path, FLAT)


def test_a_footer_that_counts_fewer_rows_in_a_group_loses_none_silently(tmp_path: Path) -> None:
    path, less = tmp_path / "x.parquet", 0
    pq.write_table(pa.table({"a": np.arange(20.0)}), path)
    whole = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for at in range(footer, len(whole) - 8):
        if whole[at] != 40:  # 20 as Thrift writes it
            continue
        path.write_bytes(whole[:at] + bytes([8]) + whole[at + 1 :])
        try:
            rows = len(pq.read_table(path))
        except Exception:
            continue
        if rows < 20:
            less += 1
            with pytest.raises(FileError, match=f"it ends after {rows} rows, and its footer says more"):
                read_rows(path, [InputSpec("x", (1,), "float32")])
    assert less


READERS = {
    "PIL.Image": ("open",),
    "numpy": ("load",),
    "numpy.lib.format": ("read_array", "open_memmap"),
    "pyarrow.csv": ("read_csv",),
    "pyarrow.parquet": ("ParquetFile", "read_schema", "read_metadata"),
    "joblib": ("load",),
    "torch": ("load",),
    "zipfile": ("ZipFile",),
}
"""What reads files for howsure, by module."""


def test_what_a_reader_warns_of_is_no_damage_where_warnings_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every format of files."""
    ONE.save(tmp_path / "d.parquet")
    place, random = mutation.placed_in(tmp_path), np.random.default_rng(0)
    every = [
        *mutation.of_rows(place, random),
        *mutation.of_pictures(place, random),
        mutation.Format("result", tmp_path, lambda: howsure.load(tmp_path / "d.parquet").label.tobytes()),
    ]
    expected = {of.name: repr(of.read()) for of in every}
    for module, names in READERS.items():
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            continue
        for name in names:
            reads = getattr(importlib.import_module(module), name)

            def warns(*arguments: Any, reads: Any = reads, **settings: Any) -> Any:
                warnings.warn("to be removed in the next version", DeprecationWarning, stacklevel=2)
                return reads(*arguments, **settings)

            monkeypatch.setattr(f"{module}.{name}", warns)
    unlike = []
    for of in every:
        with warnings.catch_warnings(action="error"):
            try:
                same = repr(of.read()) == expected[of.name]
            except (Exception, howsure.HowsureWarning) as error:
                unlike.append(f"{of.name}: {error}")
            else:
                unlike += [] if same else [of.name]
    assert unlike == []
