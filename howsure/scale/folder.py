"""A folder of results: parts that are whole or not there, what they were made with, and who may write there.

manifest.json                        what all parts were made with, and which rows make which part
plan.json                            the plan, where passes follow one
images.json                          names of the images, in the order in which they were found
part-00000-000000008192.parquet      results of the rows of file 0 from row 8192 on: sealed, see parts.py
part-00000-000000008192.maps         their maps of positions, where they have any; see howsure.results.maps
.lock                                held by whoever writes, and let go by the system when they are gone
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from howsure.atomic import TEMPORARY, folder_made, write_whole
from howsure.data.sealed_json import DAMAGED, made_of, plain_json, read_sealed, write_sealed
from howsure.data.typed import COUNT, FROM_0, FileName, typed, wrong
from howsure.errors import DependencyError, FileError, InputError
from howsure.results.maps import ENDING
from howsure.results.saved import maps_of
from howsure.scale.digests import of_names
from howsure.scale.same import Probe
from howsure.scale.sources import ONE_BY_ONE, Columns, SourceFile
from howsure.scale.work import Part

MANIFEST, PLAN, IMAGES, LOCK = "manifest.json", "plan.json", "images.json", ".lock"

FORMAT = 3
"""Version of the format of a manifest."""

_IN_WORDS = {
    "model": "another model",
    "plan": "another plan",
    "seed": "another seed",
    "method": "another method",
    "class_names": "other class names",
    "thresholds": "other thresholds",
    "outputs": "other outputs",
    "output": "another output",
    "outcome": "another outcome",
    "columns": "other columns",
    "class_axis": "another axis of the classes",
    "of_label": "another label",
    "keep": "other numbers kept at each position",
    "tile": "tiles of another size",
    "overlap": "another overlap of tiles",
    "divide_by": "another divisor",
    "labels": "other labels",
    "rows_per_part": "parts of another size",
}
"""Settings that may differ between two runs into one folder, in the order in which messages name them."""


@dataclass(frozen=True)
class Manifest:
    """The manifest of a folder of results.

    Attributes:
        made_with: Common settings of all parts, by the words in `_IN_WORDS`.
        files: Of rows.
        columns: Columns of all files, in the order in which they form a row; None if rows have no columns.
        rows_per_part: Rows in a part at most.
        settings: Settings of the results, as each part has them.
        plan_from: Rows from which the plan was made; None if one was given, or none is needed.
        versions: Versions of howsure and its packages, when the folder was made.
        faults: By name of the part, or of the file of rows, why it is missing.
        images: By name of the part a mark of its images; empty if rows are no images.
        probe: The answers of the model for a few rows.
    """

    made_with: Mapping[str, Any]
    files: tuple[SourceFile, ...]
    columns: Columns | None
    rows_per_part: Annotated[int, COUNT]
    settings: Mapping[str, Any]
    plan_from: Annotated[int, FROM_0] | None
    versions: Mapping[str, str]
    faults: Mapping[str, FileName]
    images: Mapping[str, str]
    probe: Probe

    @property
    def rows(self) -> int:
        """How many there are in all files that can be read."""
        return sum(file.rows or 0 for file in self.files)

    def save(self, folder: Path, parts: Sequence[Part]) -> None:
        """Write it; an earlier one stays until this is complete.

        Raises:
            FileError: It cannot be written.
        """
        content = {
            "format": FORMAT,
            **asdict(self),
            "rows": self.rows,
            "parts": [{"name": part.name, **asdict(part)} for part in parts],
        }
        write_sealed(folder / MANIFEST, content)


def read_manifest(folder: Path) -> tuple[Manifest, list[Part]] | None:
    """The manifest of a folder with its parts; None if there is none.

    Raises:
        FileError: It is damaged.
    """
    path = folder / MANIFEST
    if not os.path.lexists(path):
        return None
    return read_sealed(
        path,
        "manifest of results",
        FORMAT,
        _read,
        written_by="`howsure assess --out FOLDER`",
        again="Assess the rows again, into another folder",
    )


def _read(content: Mapping[str, Any]) -> tuple[Manifest, list[Part]]:
    manifest: Manifest = typed(Manifest, content, "")
    parts: tuple[Part, ...] = typed(tuple[Part, ...], content["parts"], "parts")
    named: list[tuple[str, Any]] = [
        ("probe", manifest.probe),
        *((f"parts[{n}]", part) for n, part in enumerate(parts)),
    ]
    for name, each in named:
        if each.file >= len(manifest.files) or each.start >= each.stop:
            raise wrong(name, f"rows of one of {len(manifest.files)} files", vars(each))
    return manifest, list(parts)


def save_images(folder: Path, names: Sequence[str]) -> None:
    """Write down the names of the images.

    Raises:
        FileError: They cannot be written.
    """
    text = json.dumps(names, indent=0)
    write_whole(folder / IMAGES, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))


def read_images(folder: Path, manifest: Manifest) -> tuple[str, ...] | None:
    """Names of the images of which there are results, in their order; None if rows are no images.

    Raises:
        FileError: They are missing or damaged.
    """
    file = manifest.files[0]
    if file.content != ONE_BY_ONE:
        return None
    path = folder / IMAGES
    with made_of(path, "is not a list of images", "names, as they were saved", DAMAGED):
        names: tuple[str, ...] = typed(tuple[FileName, ...], plain_json(path.read_bytes()), "")[: file.rows]
        if of_names(names) != file.changed:
            raise ValueError("it is not what was saved")
        return names


def with_new(folder: Path, known: Sequence[str], now: Sequence[str]) -> tuple[str, ...]:
    """Names of images that are known, and behind them those of new ones.

    Args:
        folder: Of results.
        known: In the order in which they were found.
        now: Those that are there.

    Raises:
        InputError: One that is known is not there.
    """
    there, before = set(now), set(known)
    went = [name for name in known if name not in there]
    if went:
        raise InputError(
            f"The results in '{folder}' belong to other rows: '{went[0]}' is not there any more",
            expected=f"the {len(known):,} images of then, and perhaps more",
            received=f"{len(went):,} of them are missing",
            hint="Put them back, or give another folder",
        )
    return (*known, *(name for name in now if name not in before))


def is_results(path: Path) -> bool:
    """Whether this is a folder of results."""
    return os.path.exists(path / MANIFEST)


# --- one at a time --------------------------------------------------------------------------------


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only one who writes into a folder, which is made if it is not there.

    The lock is one of the operating system's: it falls when its process is gone, however that ended.

    Raises:
        InputError: Somebody else writes there, or there are files of other people.
        FileError: The folder cannot be made or written to.
        DependencyError: The system has no such locks.
    """
    try:
        import fcntl
    except ImportError as error:
        raise DependencyError(
            "Folders of results need locks of the operating system, which this one does not have",
            expected="Linux or macOS",
            hint="Write one table: --out results.parquet",
        ) from error
    with folder_made(folder), _lock_file(folder) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(handle), os.stat(folder / LOCK)):
                raise BlockingIOError("the lock was removed by whoever had it")
        except (BlockingIOError, FileNotFoundError) as error:
            raise InputError(
                f"Another process is writing results into '{folder}'",
                expected="a folder that nobody writes into",
                hint="Wait until it is done, or give another folder",
            ) from error
        except OSError as error:
            raise FileError(
                f"The folder '{folder}' cannot be locked ({error.strerror or error})",
                expected="a file system that has locks",
                hint="Give a folder on a disk of this machine",
            ) from error
        try:
            _check_ours(folder)
            _clear(folder)
            yield
            _clear(folder)  # of a worker that was killed; after an exception one may still be writing
        finally:
            if not (folder / MANIFEST).exists():  # nothing was begun
                (folder / LOCK).unlink(missing_ok=True)


@contextmanager
def _lock_file(folder: Path) -> Iterator[int]:
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise FileError(f"The folder '{folder}' cannot be written to ({error.strerror or error})") from error
    try:
        yield handle
    finally:
        os.close(handle)


def _clear(folder: Path) -> None:
    """Remove files that were being written by processes that are gone."""
    for left in folder.glob(f"{TEMPORARY}*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
    for left in folder.glob(f"*{ENDING}"):
        maps = maps_of(folder / f"{left.name.split('.')[0]}.parquet")
        if maps is None or maps.folder != left.name:
            shutil.rmtree(left, ignore_errors=True)


def _check_ours(folder: Path) -> None:
    """Raise for a folder that holds something else than results."""
    known = {MANIFEST, PLAN, IMAGES, LOCK}
    strange = [
        entry.name
        for entry in folder.iterdir()
        if entry.name not in known and not entry.name.startswith(TEMPORARY)
    ]
    if strange and not (folder / MANIFEST).exists():
        raise InputError(
            f"The folder '{folder}' holds other files, and no results",
            expected="a new folder, or one that an earlier run of this command made",
            received=f"'{sorted(strange)[0]}'",
        )


# --- going on -------------------------------------------------------------------------------------


def check_made_with(folder: Path, before: Manifest, made_with: Mapping[str, Any]) -> None:
    """Raise an `InputError` unless this is what the parts in a folder have in common.

    Args:
        folder: Where.
        before: As it was begun.
        made_with: As it is asked for, or some of that.
    """
    differs = [
        name for name in _IN_WORDS if name in made_with and before.made_with.get(name) != made_with[name]
    ]
    if differs:
        first = differs[0]
        raise InputError(
            f"The results in '{folder}' were made with {' and '.join(_IN_WORDS[name] for name in differs)}",
            expected=f"{first}: {_short(before.made_with.get(first))}, as there",
            received=_short(made_with[first]),
            hint="Give another folder, or the command that this folder was begun with"
            + (". A function makes the same model each time only with --weights" if first == "model" else ""),
        )


def grown(
    folder: Path, before: Manifest, now: Sequence[SourceFile], may_grow: bool
) -> tuple[SourceFile, ...]:
    """The files of rows in the order in which they were found: first those that were there before.

    One that has another name now is known by its content. One that went stays, so that its results do.

    Args:
        folder: Folder of results.
        before: As it was begun.
        now: Files as they were found this time.
        may_grow: Whether files may come and go, as in a folder of them.

    Raises:
        InputError: The rows are in other files.
    """
    left = {file.name: file for file in now}
    found = [left.pop(old.name, None) for old in before.files]
    for number, (old, new) in enumerate(zip(before.files, found, strict=True)):
        if new is not None and new.gone and old.rows is not None:  # as a link that leads nowhere now
            found[number] = None
    named = {file.content: name for name, file in left.items() if file.content}
    for number, old in enumerate(before.files):
        if found[number] is None and old.content in named:
            found[number] = left.pop(named.pop(old.content))
    odd = sorted([*left, *(old.name for old, new in zip(before.files, found, strict=True) if new is None)])
    if odd and not (may_grow and any(found)):
        raise InputError(
            f"The results in '{folder}' belong to other rows",
            expected=f"the {len(before.files)} files that were there before",
            received=f"{len(now)} files; '{odd[0]}' is in one of the two alone",
            hint="Give another folder",
        )
    kept = [
        replace(old, gone=True, fault=None) if new is None else new
        for old, new in zip(before.files, found, strict=True)
    ]
    return (*kept, *left.values())


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"{text[:80]}…" if len(text) > 80 else text


def changed_files(folder: Path, before: Manifest, now: Manifest, left_out: Mapping[int, bool]) -> list[int]:
    """Numbers of the files of rows that are not as they were: they had faults, and may have been repaired.

    Args:
        folder: Folder of results.
        before: As it was begun.
        now: As it is asked for.
        left_out: By number of the file of which there are results, whether rows were left out of them.

    Raises:
        InputError: A file has changed of which there are results, and which had no fault.
    """
    found = []
    for number, (old, new) in enumerate(zip(before.files, now.files, strict=False)):
        if new.gone or old.is_like(new):
            continue
        faulty = old.fault is not None or any(
            name == old.name or name.startswith(f"part-{number:05}-") for name in before.faults
        )
        if not faulty and left_out.get(number) is False:
            raise InputError(
                f"The results in '{folder}' belong to other rows: '{old.name}' has changed since",
                expected=f"the file of {old.size:,} bytes that was read then",
                received=f"one of {new.size:,} bytes with other content",
                hint="Give another folder, or other rows in a file of another name",
            )
        found.append(number)
    return found
