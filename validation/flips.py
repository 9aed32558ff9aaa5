"""Bits of files changed one at a time, and what is read then."""

from __future__ import annotations

import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

import howsure
from howsure.data.files import read_rows
from howsure.data.rows import InputSpec
from validation.nonsense import functions

REFUSED, SAME, OTHER, RAW = "refused", "the same", "other", "raw"

Read = Callable[[Path], Any]


def counted(path: Path, read: Read, tries: int, seed: int) -> Counter[str]:
    """What came of changing single bits of a file.

    Args:
        path: The file; it is as it was afterwards.
        read: Reads it, and gives something that can be compared by its `repr`.
        tries: How many bits, each bit at most once.
        seed: Of the choice.
    """
    whole = path.read_bytes()
    expected = repr(read(path))
    bits = np.random.default_rng(seed).permutation(8 * len(whole))[:tries]
    found: Counter[str] = Counter()
    for bit in bits.tolist():
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with warnings.catch_warnings(action="ignore"):
            try:
                found[SAME if repr(read(path)) == expected else OTHER] += 1
            except howsure.HowsureError:
                found[REFUSED] += 1
            except Exception:
                found[RAW] += 1
    path.write_bytes(whole)
    return found


def all_kinds(tries: int) -> dict[str, dict[str, int]]:
    """The counts for each kind of file, by name."""
    folder = Path(tempfile.mkdtemp())
    return {name: dict(counted(path, read, tries, seed=0)) for name, (path, read) in _files(folder).items()}


def _files(folder: Path) -> Mapping[str, tuple[Path, Read]]:
    """Files that howsure writes, and files of rows that it reads."""
    arguments = {name: given for name, (_, given) in functions().items()}
    certainty = howsure.Certainty(**arguments["Certainty"])
    labelled = howsure.MultilabelCertainty(**arguments["MultilabelCertainty"])
    certainty.save(folder / "certainty.parquet")
    labelled.save(folder / "labels.parquet")
    howsure.plan(arguments["assess"]["model"], np.zeros((9, 4), np.float32)).save(folder / "plan.json")
    random = np.random.default_rng(0)
    x, y = random.normal(size=(20, 4)).astype(np.float32), np.arange(20)
    np.savez(folder / "x.npz", x=x, y=y)
    np.savez_compressed(folder / "c.npz", x=x, y=y)
    np.save(folder / "x.npy", x)
    table = pa.table({**{f"c{k}": x[:, k] for k in range(4)}, "y": y})
    pq.write_table(table, folder / "checked.parquet", write_page_checksum=True)
    pq.write_table(table, folder / "plain.parquet")
    np.savetxt(folder / "x.csv", x, delimiter=",")
    picture = Image.fromarray(random.integers(0, 256, (8, 6, 3), dtype=np.uint8))
    picture.save(folder / "a.png")
    picture.save(folder / "a.jpg")
    flat, image = [InputSpec("x", (4,), "float32")], [InputSpec("image", (8, 6, 3), "float32")]

    def result(path: Path) -> Any:
        read = howsure.load(path)
        arrays = {column.name: getattr(read, column.name) for column in read.columns}
        return {**vars(read), **arrays, **{k: _bytes(v) for k, v in arrays.items()}}

    def rows(inputs: list[InputSpec]) -> Read:
        def read(path: Path) -> Any:
            found = read_rows(path, inputs)
            return _bytes(found.x), _bytes(found.labels)

        return read

    return {
        "a saved `Certainty`": (folder / "certainty.parquet", result),
        "a saved `MultilabelCertainty`": (folder / "labels.parquet", result),
        "a saved `Plan`": (folder / "plan.json", howsure.Plan.load),
        "rows in `.npz`": (folder / "x.npz", rows(flat)),
        "rows in `.npz`, compressed": (folder / "c.npz", rows(flat)),
        "rows in `.parquet` with checksums": (folder / "checked.parquet", rows(flat)),
        "rows in `.png`": (folder / "a.png", rows(image)),
        "rows in `.parquet` without checksums": (folder / "plain.parquet", rows(flat)),
        "rows in `.npy`": (folder / "x.npy", rows(flat)),
        "rows in `.csv`": (folder / "x.csv", rows(flat)),
        "rows in `.jpg`": (folder / "a.jpg", rows(image)),
    }


def _bytes(array: Any) -> Any:
    """What `repr` shows whole, unlike an array."""
    if array is None or array.dtype == object:
        return None if array is None else array.tolist()
    return array.shape, str(array.dtype), np.ascontiguousarray(array).tobytes()
