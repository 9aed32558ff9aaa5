"""Rows assessed into a folder, part by part, by one process or by many. The page to read first.

lock ─ model ─ plan ─ a few rows ─ manifest ─ parts that are not there yet ─┬─ local.py: one after the other
                                                                            └─ ray.py: several at a time
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from howsure.answers.files import load
from howsure.data.label_files import read_label_file
from howsure.data.label_images import LabelFolder
from howsure.errors import FileError, InputError, probing
from howsure.methods.protocol import Method
from howsure.models.adapt import opened
from howsure.results.saved import METADATA_KEY
from howsure.scale import folder as folders
from howsure.scale.digests import of_content, of_file
from howsure.scale.folder import PLAN, Manifest
from howsure.scale.parts import about_of, is_whole, remove_part, save_part
from howsure.scale.same import Probe, changed_images, check_probe, digests_of, lacking
from howsure.scale.sample import During, TriedOut, tried_out
from howsure.scale.sources import Reader, SourceFile
from howsure.scale.work import Part, divided, rows_at_once, usual_size
from howsure.scale.worker import PartOutcome, Recipe, Worker

_SECONDS_BETWEEN_MANIFESTS = 1.0
"""If many parts are faulty one after the other, the manifest is not written for each."""

_PACKAGES = ("howsure", "numpy", "pyarrow", "keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "ray")

Told = Callable[[int, int], None]
"""Called with (rows done, rows in all)."""


@dataclass(eq=False)
class FolderJob:
    """The work in a folder that is ours.

    Attributes:
        recipe: The settings of workers.
        manifest: As it was written.
        parts: All of them.
        pending: Those that are not there yet.
        worker: The model as it is here, with those settings.
        probe: A few rows that can be read.
        left_out: Unreadable images that parts from before do not hold, each with the reason.
        passed_over: Entries among the rows that are not read, each with the reason.
        outcomes: Outcomes of the parts done so far in this run.
        first_done: When the first of them was done, by `time.monotonic`; None before.
    """

    recipe: Recipe
    manifest: Manifest
    parts: list[Part]
    pending: list[Part]
    worker: Worker
    probe: Part
    left_out: list[str] = field(default_factory=list)
    passed_over: Sequence[str] = ()
    outcomes: list[PartOutcome] = field(default_factory=list)
    first_done: float | None = None

    @property
    def rows(self) -> int:
        """In all parts."""
        return sum(map(len, self.parts))

    @property
    def rows_before(self) -> int:
        """In the parts that were there already."""
        return self.rows - sum(map(len, self.pending))

    def run(self, workers: Callable[[FolderJob, Told], Iterator[PartOutcome]], told: Told) -> None:
        """Do all parts that are not there yet; what is wrong with some stops none of the others.

        Args:
            workers: Do the work.
            told: Of progress.

        Raises:
            FileError: Results cannot be written, as where the disk is full.
            InputError: No part of the rows can be assessed.
        """
        faults, written = dict(self.manifest.faults), -math.inf
        try:
            for outcome in workers(self, told):
                self.outcomes.append(outcome)
                self.first_done = self.first_done or time.monotonic()
                if outcome.fault is None:
                    faults.pop(outcome.part.name, None)
                    continue
                faults[outcome.part.name] = outcome.fault
                if time.monotonic() - written > _SECONDS_BETWEEN_MANIFESTS:
                    written = time.monotonic()
                    self._save(faults)
        except BaseException:
            with contextlib.suppress(FileError):  # what stopped this is told, and not what followed from it
                self._save(faults)
            raise
        self._save(faults)
        first = next((each for each in self.outcomes if each.fault is not None), None)
        if first is not None and sum(each.fault is None for each in self.outcomes) == 0 == self.rows_before:
            raise InputError(
                f"None of the rows can be assessed; {self.place(first.part)}: {first.fault}",
                expected="at least one part of the rows that can be",
            )

    def _save(self, faults: Mapping[str, str]) -> None:
        if faults == self.manifest.faults:
            return
        self.manifest = replace(self.manifest, faults=dict(faults))
        self.manifest.save(self.recipe.folder, self.parts)

    def gone(self) -> list[str]:
        """Files that are not there any more, each with how many rows it held."""
        gone = [file for file in self.manifest.files if file.gone and file.rows]
        return [f"{file.name}, {file.rows:,} rows" for file in gone]

    def faults(self) -> list[str]:
        """The missing parts, where and why."""
        by_name = {part.name: part for part in self.parts}
        return [
            f"{self.place(by_name[name]) if name in by_name else name}: {fault}"
            for name, fault in self.manifest.faults.items()
        ]

    def place(self, part: Part) -> str:
        """A part in words."""
        name = self.manifest.files[part.file].name
        return f"'{name}', {part.stop - part.start:,} rows from row {part.start:,} of it on"


@contextmanager
def begun(
    recipe: Recipe,
    *,
    size: int | None = None,
    load_models: Callable[[], list[Any]],
    during: During = lambda *_, **__: nullcontext(),
    check: Callable[[Any], object] = lambda first: None,
) -> Iterator[FolderJob]:
    """A folder that is ours while this lasts, with what is still to be done in it.

    Args:
        recipe: The settings, with a plan or without.
        size: Rows in a part. Default: those of the folder, otherwise `usual_size`.
        load_models: Gives the model, and members.
        during: Shows what takes time.
        check: Raises where the result of a few rows is not what is wanted; then nothing is begun.

    Raises:
        InputError: Somebody else writes there, or the folder holds results of something else.
        FileError: The folder, the model or the rows cannot be read.
        ModelError: A model that cannot be assessed.
    """
    folder = recipe.folder
    with folders.locked(folder):
        manifest = folders.read_manifest(folder)
        before = None if manifest is None else manifest[0]
        source = replace(recipe.rows, columns=None if before is None else before.columns)
        reader = source.open()
        listed = None if before is None else folders.read_images(folder, before)
        if listed is not None and reader.names is not None:
            source = replace(source, files=folders.with_new(folder, listed, reader.names))
            reader = source.open()
        models = load_models()
        specs = opened(models[0]).declared_specs()
        if specs is None and reader.names is not None:
            source = replace(source, channels=opened(models[0]).channels(), files=reader.names)
            reader = source.open()
        surveyed = reader.survey(specs)
        sources = (recipe.model, *recipe.members)
        sums = tuple(source.checksum(model) for source, model in zip(sources, models, strict=True))
        if before is not None:
            seed = recipe.asked.request.seed
            folders.check_made_with(folder, before, {"model": ", ".join(sums), "seed": seed})
        with during("Checking", waiting="what files of rows hold"):
            files = _with_content(reader, surveyed, before)
        if before is not None:
            files = folders.grown(folder, before, files, reader.may_grow)
        names = tuple(file.name for file in files) if reader.may_grow else reader.names
        told = replace(recipe, checksums=sums, rows=replace(source, columns=reader.columns, files=names))
        _check_labels(told, files)
        trial = tried_out(told, models, files, before, during)
        check(trial.result)
        now = _manifest(trial, reader, files, size, before)
        parts = divided(files, now.rows_per_part)
        repaired = list[Part]()
        if before is not None:
            folders.check_made_with(folder, before, now.made_with)
            repaired = changed_images(folder, before.images, now.images, parts, reader)
            probes = (before.probe, before.files), (now.probe, files)
            now = replace(now, probe=check_probe(folder, *probes, trial.worker.check))
        elif trial.made is not None:
            trial.made.save(folder / PLAN)
        with during("Checking", waiting="the seals of parts that are there"):
            pending, left_out = _pending(folder, before, now, parts, repaired, reader)
        missing = {part.name for part in pending}
        old = {} if before is None else before.faults
        faults = {name: fault for name, fault in old.items() if name in missing} | dict(now.faults)
        now = replace(now, faults=faults)
        if reader.names is not None:
            folders.save_images(folder, reader.names)
        now.save(folder, parts)
        of_trial = trial.worker, trial.probe, left_out
        yield FolderJob(trial.recipe, now, parts, pending, *of_trial, reader.passed_over)


def _manifest(
    trial: TriedOut, reader: Reader, files: Sequence[SourceFile], size: int | None, before: Manifest | None
) -> Manifest:
    """The manifest of this run, in parts of `size` rows, or as before, or as is usual."""
    total = sum(file.rows or 0 for file in files)
    if size is None:
        size = usual_size(total, rows_at_once(trial.result)) if before is None else before.rows_per_part
    return Manifest(
        _made_with(trial.recipe, trial.worker.assessor.method, trial.result, size, total),
        tuple(files),
        reader.columns,
        size,
        json.loads(trial.result.to_arrow().schema.metadata[METADATA_KEY]),
        trial.plan_from,
        _versions() if before is None else before.versions,
        {file.name: file.fault for file in files if file.fault is not None},
        digests_of(reader, divided(files, size)),
        Probe.of(trial.probe, trial.result),
    )


def _with_content(
    reader: Reader, files: Sequence[SourceFile], before: Manifest | None
) -> Sequence[SourceFile]:
    """The files with marks of all that they hold; those that were not touched since are not read again."""
    known = {} if before is None else {file.name: file for file in before.files}
    found = []
    for number, file in enumerate(files):
        old = known.get(file.name)
        if old is not None and replace(old, content="", gone=file.gone) == file:
            file = replace(file, content=old.content)
        if not file.content and file.digest:  # which images do not have
            try:
                file = replace(file, content=reader.content(number, 0, file.rows or 0))
            except OSError as error:
                file = replace(file, rows=None, fault=f"'{file.name}' cannot be read ({error})")
        found.append(file)
    return found


def _check_labels(recipe: Recipe, files: Sequence[SourceFile]) -> None:
    """Raise where labels in a file of their own cannot be told which rows they belong to."""
    total = sum(file.rows or 0 for file in files)
    if not total:
        faults = [file.fault for file in files if file.fault is not None]
        if faults:
            raise InputError(
                f"No row of '{recipe.rows.path}' can be read", expected="at least one", received=faults[0]
            )
        raise InputError(f"There are no rows in '{recipe.rows.path}'", expected="at least one")
    if recipe.labels is None:
        return
    unread = next((file for file in files if file.fault is not None), None)
    if unread is not None:
        raise InputError(
            f"howsure cannot match labels and rows: {unread.fault}",
            expected="files of rows that can all be read, with --labels",
            hint="Repair that file, or put the labels into a column of the rows",
        )
    read_label_file(recipe.labels, names=recipe.asked.request.class_names).check_count(total)


# --- what is there already ------------------------------------------------------------------------


def _made_with(recipe: Recipe, method: Method, result: Any, size: int, total: int) -> dict[str, Any]:
    """The common settings of all parts, of which `result` is one; see `howsure.scale.folder`."""
    plan, rows, wished = recipe.dropout.plan, recipe.rows, recipe.asked.request
    limits = {"thresholds": asdict(result.thresholds)} if result.has("thresholds") else {}
    labels = None
    if recipe.labels is not None:
        labels = f"{_digest_of_labels(recipe.labels)} of {total} rows"
    return {
        "model": ", ".join(recipe.checksums),
        "plan": None if plan is None else hashlib.sha256(json.dumps(plan.constants).encode()).hexdigest(),
        "seed": wished.seed,
        "method": json.dumps({**method.settings, "words": None}),
        "class_names": list(getattr(result, result.names)),
        **limits,
        "outputs": wished.outputs,
        "output": wished.output,
        "outcome": None if recipe.asked.outcome is None else recipe.asked.outcome.name,
        "columns": asdict(rows.roles) | {"drop": list(rows.roles.drop)},
        "class_axis": wished.class_axis,
        "of_label": wished.of_label,
        "keep": wished.keep,
        "tile": list(wished.tile) if isinstance(wished.tile, Sequence) else wished.tile,
        "overlap": wished.overlap,
        "divide_by": recipe.asked.divide_by,
        "labels": labels,
        "rows_per_part": size,
    }


def _digest_of_labels(path: Path) -> str:
    return of_content(path, LabelFolder.of_folder(path).files) if path.is_dir() else of_file(path)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _pending(
    folder: Path,
    before: Manifest | None,
    now: Manifest,
    parts: Sequence[Part],
    repaired: Sequence[Part],
    reader: Reader,
) -> tuple[list[Part], list[str]]:
    """Parts that are not there, and images that the others do not hold.

    Parts of files and images that were repaired are made anew, and others renumbered.
    """
    if before is not None:
        found = dict[int, bool]()
        for part in parts:
            if (folder / part.name).exists():
                found[part.file] = found.get(part.file, False) or _has_left_out(folder / part.name)
        for number in folders.changed_files(folder, before, now, found):
            for stale in folder.glob(f"part-{number:05}-*.parquet"):
                remove_part(stale)
        for part in repaired:
            remove_part(folder / part.name)
    missing, left_out = [], list[str]()
    for part in parts:
        path = folder / part.name
        if not is_whole(path, now.settings):
            missing.append(part)
            continue
        about = about_of(path)
        off = part.first_row - about.first_row
        if off:
            result, about = load(path), replace(about, first_row=part.first_row)
            save_part(folder, part, replace(result, row=result.row + off), about)
        without = [row for row in lacking(folder, part) if row not in about.left_out]
        if without:
            lines = reader.unreadable(without)
            if len(lines) < len(without):
                missing.append(part)
            left_out += lines if len(lines) == len(without) else []
    return missing, left_out


@probing()
def _has_left_out(path: Path) -> bool:
    """Whether a part says that rows were left out of it."""
    try:
        return bool(about_of(path).left_out)
    except Exception:  # whatever a reader meets in a file that is none of its kind
        return False
