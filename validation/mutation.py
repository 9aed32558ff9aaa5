"""Files changed on purpose, and what is read then: bits, bytes and lengths.

    python -m validation.mutation [--each 1000] [--seed 0] [--only NAME]

Each format is changed so many times. Whatever comes through is used: results print their rows, calibrators
calibrate, a plan makes passes. The counts go to docs/mutation.json, and into the page docs/faults.md.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import multiprocessing
import os
import signal
import tempfile
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

import howsure
from benchmarks.docs import Page, table
from howsure.evaluation.calibrator_files import read_calibrator
from howsure.inputs.files import read_rows
from howsure.inputs.label_files import read_label_file
from howsure.inputs.rows import InputSpec
from howsure.results.saved import maps_of
from howsure.scale.parts import left_out_in, missing_in, read_manifest
from validation import small_network

REFUSED, SAME, WRONG, UNSEEN, RAW, WARNED = "refused", "same", "wrong", "not noticeable", "raw", "warnings"
SEALED = "SHA-256"
KINDS = (REFUSED, SAME, WRONG, UNSEEN, RAW)

OF_KERAS, SECONDS = 300, 60
"""Changes of each file of Keras, and how long reading one may take."""

PAGE = Page("mutation")


@dataclass(frozen=True)
class Format:
    """A kind of file, which `read` reads and uses, and gives what can be compared by its `repr`.

    Attributes:
        checksum: What guards its content; empty where nothing does.
        most: How often it is changed at most, where reading takes long.
    """

    name: str
    path: Path
    read: Callable[[], Any]
    checksum: str = ""
    most: int | None = None


def counted(of: Format, changes: int, seed: int, tell: Callable[[str], None] = print) -> Counter[str]:
    """What came of changing a file so many times; it is as it was afterwards."""
    random = np.random.default_rng([seed, zlib.crc32(of.name.encode())])
    folder = of.path.parent
    whole = {each: each.read_bytes() for each in folder.rglob("*") if each.is_file()}
    expected, found = repr(of.read()), Counter[str]()
    for number in range(min(changes, of.most or changes)):
        changed, what = damaged(whole[of.path], random)
        put(of.path, changed)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            kind = _read(of, expected)
        found[kind] += 1
        found[WARNED] += bool(heard)
        if kind in (WRONG, RAW):
            tell(f"{of.name}, seed {seed}, change {number}: {kind}: {what}")
        for each, content in whole.items():
            if not each.exists() or each.read_bytes() != content:
                put(each, content)
    return found


def _read(of: Format, expected: str) -> str:
    try:
        if repr(of.read()) == expected:
            return SAME
        return WRONG if of.checksum else UNSEEN
    except howsure.HowsureError:
        return REFUSED
    except Exception:
        return RAW


def put(path: Path, content: bytes) -> None:
    """Write a file anew: what was mapped of the earlier one stays as it was."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    os.replace(new, path)


def damaged(whole: bytes, random: np.random.Generator) -> tuple[bytes, str]:
    """Bytes of a file with a bit, some bytes or the length changed, and what it was."""
    kind = random.choice(["bit", "bytes", "cut", "longer", "without", "again", "zeros"])
    place, length = int(random.integers(len(whole))), int(random.integers(1, 9))
    before, here, behind = whole[:place], whole[place : place + length], whole[place + length :]
    changed = {
        "bit": before + bytes([whole[place] ^ 1 << int(random.integers(8))]) + whole[place + 1 :],
        "bytes": before + random.bytes(len(here)) + behind,
        "cut": before,
        "longer": whole + random.bytes(length),
        "without": before + behind,
        "again": before + here + here + behind,
        "zeros": before + bytes(len(here)) + behind,
    }
    return changed[str(kind)], f"{kind} at byte {place}"


def parts(figures: Mapping[str, Any]) -> dict[str, object]:
    """The figures of docs/faults.md."""
    found: Mapping[str, Mapping[str, Any]] = figures["formats"]

    def count(formats: Iterable[Mapping[str, Any]], *kinds: str) -> str:
        return f"{sum(each[kind] for each in formats for kind in kinds):,}"

    sealed = [each for each in found.values() if each["checksum"] == SEALED]
    kinds = dict.fromkeys(each["checksum"] for each in found.values())
    groups = {kind: {name: of for name, of in found.items() if of["checksum"] == kind} for kind in kinds}
    lines = (
        [kind or "none", ", ".join(of), count(of.values(), *KINDS)]
        + [count(of.values(), each) for each in KINDS]
        for kind, of in groups.items()
    )
    return {
        "total": count(found.values(), *KINDS),
        "sealed": count(sealed, *KINDS),
        "wrong": count(sealed, WRONG),
        "raw": count(found.values(), RAW),
        "formats": table(("checksum", "files", "changes", *KINDS), *lines),
    }


# --- formats -----------------------------------------------------------------------------------------


def formats(folder: Path) -> Iterator[Format]:
    """All of them, each in a folder of its own."""
    place, random = placed_in(folder), np.random.default_rng(0)
    yield from _of_results(place, random)
    plan = howsure.plan(small_network.make(), small_network.rows(64), precision="float32")
    x = small_network.rows(16)
    plan.save(place("plan.json"))
    yield _sealed("plan", place("plan.json"), partial(_used_plan, place("plan.json"), x))
    one, other = (
        howsure.features_of(small_network.make(), rows)
        for rows in (small_network.rows(216)[:200], small_network.rows(216)[200:])
    )
    howsure.familiarity(one, np.arange(200) % 4, other, share=0.1).save(place("known.json"))
    yield _sealed("familiarity", place("known.json"), partial(_used_familiarity, place("known.json"), other))
    yield from _of_folder(folder / "results", plan, x)
    yield from of_rows(place, random)
    yield from of_pictures(place, random)


def _sealed(name: str, path: Path, read: Callable[[], Any]) -> Format:
    """A file that howsure seals."""
    return Format(name, path, read, SEALED)


def placed_in(folder: Path) -> Callable[[str], Path]:
    """Where files of a name lie, each in a folder of its own."""

    def place(name: str) -> Path:
        (folder / name).mkdir(exist_ok=True)
        return folder / name / name

    return place


def _used_plan(path: Path, x: Any) -> Any:
    plan = howsure.Plan.load(path)
    howsure.assess(small_network.make(), x, method=howsure.MCDropout(plan=plan, max_passes=64))
    return plan, plan.in_words(small_network.make().levels)


def _used_familiarity(path: Path, features: Any) -> Any:
    known = howsure.Familiarity.load(path)
    return known.percentile(features), known.unfamiliar(features), known.in_words()


def _of_results(place: Callable[[str], Path], random: np.random.Generator) -> Iterator[Format]:
    rows = 60
    passes = random.dirichlet([1, 1, 1], size=(6, rows))
    truth = [random.choice(3, p=p) for p in passes.mean(axis=0)]
    classes = howsure.Certainty.from_passes(passes, ["a", "b", "c"]).with_ids([f"r{n}" for n in range(rows)])
    said = random.uniform(size=(6, rows, 2))
    labels = howsure.MultilabelCertainty.from_passes(said, ["rain", "wind"])
    each = random.normal(size=(6, rows, 2))
    numbers = howsure.RegressionCertainty.from_samples(each, ["price", "age"])
    maps = random.dirichlet([1, 1, 1], size=(4, 20, 3, 2))
    true = np.where(random.uniform(size=(20, 3, 2)) < 0.5, maps.mean(axis=0).argmax(axis=-1), 1)
    dense = howsure.DenseCertainty.from_passes(maps, ["sky", "tree", "road"])
    kinds: tuple[tuple[str, Any, Any, tuple[str | None, ...]], ...] = (
        ("classes", classes, truth, (None,)),
        ("labels", labels, said[0] > 0.5, (None,)),
        ("numbers", numbers, each[0], (None,)),
        ("positions", dense, true, (None,)),
    )
    for name, result, labelled, methods in kinds:
        path, known = place(f"{name}.parquet"), result[:5].with_truth(labelled[:5])
        if result.has("familiarity"):
            known = known.with_familiarity([0.2, 0.4, 0.6, 0.8, 1.0])
        known.save(path)
        maps_too = " with its maps" if maps_of(path) else ""
        yield _sealed(f"result of {name}{maps_too}", path, partial(_used_result, path))
        if maps_too:
            label = path.parent / maps_of(path).folder / "label.npy"  # type: ignore[union-attr]
            yield Format("map of labels", label, partial(_used_result, path), "CRC-32")
        for method in methods:
            path = place(f"{name}-{method}.json")
            howsure.calibrate(result, labelled, method=method).save(path)
            called = f"calibrator of {name}" + (f", {method}" if method else "")
            yield _sealed(called, path, partial(_used_calibrator, path, result))


def _used_result(path: Path) -> Any:
    found = howsure.load(path)
    said = [str(found), *(str(row) for row in found)]
    found.to_arrow()
    settings = [getattr(found, name) for name in (found.names, "kind", "seed", "version")]
    return said, settings, {each.name: plain(getattr(found, each.name, None)) for each in found.columns}


def _used_calibrator(path: Path, result: Any) -> Any:
    found = read_calibrator(path)
    changed = found(result)
    numbers = getattr(changed, changed.first_numbers())
    return found.in_words(), repr(found), found._as_json(), plain(numbers), plain(changed.learnt_from)


def _of_folder(folder: Path, plan: howsure.Plan, x: Any) -> Iterator[Format]:
    from tests.commands import done

    folder.mkdir()
    rows, out = folder / "rows.parquet", folder / "out"
    plan.save(folder / "plan.json")
    pq.write_table(pa.table({f"f{number}": x[:, number] for number in range(x.shape[1])}), rows)
    given = ("--plan", folder / "plan.json", "--set", "part_rows=8", "--set", "max_passes=64")
    done("assess", "validation.small_network:make", rows, "--out", out, *given)
    manifest, part = out / "manifest.json", min(out.glob("part-*.parquet"))

    def read() -> Any:
        found = howsure.load(out)
        said = read_manifest(out)
        left_out = left_out_in(out, said.parts) if said else None
        return said, left_out, missing_in(out), plain(found.probabilities), plain(found.row)

    yield _sealed("manifest of a folder", manifest, read)
    yield _sealed("part of a folder", part, read)


def of_rows(place: Callable[[str], Path], random: np.random.Generator) -> Iterator[Format]:
    """Tables and arrays of rows, and of labels."""
    x, y = random.normal(size=(20, 4)).astype(np.float32), np.arange(20) % 3
    inputs = [InputSpec("x", (4,), "float32")]
    table = pa.table({**{f"c{k}": x[:, k] for k in range(4)}, "y": y})
    np.savez(place("x.npz"), x=x, y=y)
    np.savez_compressed(place("c.npz"), x=x, y=y)
    pq.write_table(table, place("checked.parquet"), write_page_checksum=True)
    pq.write_table(table, place("plain.parquet"))
    np.save(place("x.npy"), x)
    np.savetxt(place("x.csv"), x, delimiter=",", header="a,b,c,d", comments="")
    np.savetxt(place("y.csv"), y, fmt="%d", header="y", comments="")
    np.save(place("y.npy"), y)
    for name, called, checksum in (
        ("x.npz", "rows in .npz", "CRC-32"),
        ("c.npz", "rows in .npz, compressed", "CRC-32"),
        ("checked.parquet", "rows in .parquet, page checksums", "CRC-32 of pages"),
        ("plain.parquet", "rows in .parquet", ""),
        ("x.npy", "rows in .npy", ""),
        ("x.csv", "rows in .csv", ""),
    ):
        yield Format(called, place(name), partial(_used_rows, place(name), inputs), checksum)
    for name, called in (("y.csv", "labels in .csv"), ("y.npy", "labels in .npy")):
        yield Format(called, place(name), lambda name=name: plain(read_label_file(place(name)).labels))  # type: ignore[misc]


def of_pictures(place: Callable[[str], Path], random: np.random.Generator) -> Iterator[Format]:
    """Images and weights."""
    from howsure.inputs.label_files import LabelFolder

    pixels = random.integers(0, 256, (8, 6, 3), dtype=np.uint8)
    image = [InputSpec("image", (8, 6, 3), "float32")]
    for ending, checksum in (("png", "CRC-32"), ("jpg", ""), ("bmp", "")):
        Image.fromarray(pixels).save(place(f"a.{ending}"))
        path = place(f"a.{ending}")
        yield Format(f"image in .{ending}", path, partial(_used_rows, path, image), checksum)
    labels = place("labels.png")
    Image.fromarray(pixels[..., 0] % 3).save(labels)

    def read() -> Any:
        folder = LabelFolder.of_folder(labels.parent)
        return plain(folder.of(folder))

    yield Format("label image in .png", labels, read, "CRC-32")
    if importlib.util.find_spec("torch"):
        yield _weights(place("weights.pt"))
        if importlib.util.find_spec("keras"):
            yield from _of_keras(place)


def _weights(path: Path) -> Format:
    import torch

    from howsure.adapters.torch.files import load_weights

    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    torch.save(module.state_dict(), path)

    def read() -> Any:
        load_weights(module, path)
        return [plain(each.numpy()) for each in module.state_dict().values()]

    return Format("weights in .pt", path, read)  # PyTorch does not compare their CRC-32


def _used_keras(path: Path) -> Any:
    from howsure.adapters.keras.files import load

    found = load(path)
    return [plain(each) for each in found.get_weights()], found.to_json()


def _of_keras(place: Callable[[str], Path]) -> Iterator[Format]:
    """Models in files of Keras, each read in a process of its own, as HDF5 may end the one that reads."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.5)]
    model = keras.Sequential([*layers, keras.layers.Dense(3, "softmax")])
    for ending, checksum in ((".keras", "CRC-32"), (".h5", "")):
        path = place(f"model{ending}")
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stderr(None):
            model.save(path)
        read = partial(apart, partial(_used_keras, path))
        yield Format(f"model in {ending}", path, read, checksum, most=OF_KERAS)


def _begin() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    signal.alarm(SECONDS)


def apart(read: Callable[[], Any]) -> Any:
    """What is read in a process of its own; a RuntimeError where that does not end by itself."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork"), _begin) as pool:
        return pool.submit(read).result()


def _used_rows(path: Path, inputs: list[InputSpec]) -> Any:
    found = read_rows(path, inputs)
    return plain(found.x), plain(found.labels), plain(found.ids)


def plain(array: Any) -> Any:
    """What `repr` shows whole, unlike an array."""
    if array is None or isinstance(array, (str, int, float)):
        return array
    given = np.asarray(array)
    return given.tolist() if given.dtype == object else (given.shape, str(given.dtype), given.tobytes())


def main() -> None:
    """Change files, print a table, and write the counts and the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--each", type=int, default=1000, help="changes of each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="formats whose name holds this; figures of others stay")
    given = parser.parse_args()
    found, begun = dict[str, dict[str, Any]](), time.monotonic()
    kept: Mapping[str, Any] = PAGE.figures() if given.only else {"formats": {}}
    for of in formats(Path(tempfile.mkdtemp())):
        if given.only in of.name:
            counts = counted(of, given.each, given.seed)
            found[of.name] = {"checksum": of.checksum, **{kind: counts[kind] for kind in (*KINDS, WARNED)}}
            shown = "  ".join(f"{kind} {counts[kind]:,}" for kind in (*KINDS, WARNED))
            print(f"{of.name:36} {shown}", flush=True)
        elif of.name in kept["formats"]:
            found[of.name] = kept["formats"][of.name]
    print(f"{time.monotonic() - begun:.0f} s")
    PAGE.keep({"each": given.each, "seed": given.seed, "formats": found})
    Page("faults").fill(parts(PAGE.figures()))


if __name__ == "__main__":
    main()
