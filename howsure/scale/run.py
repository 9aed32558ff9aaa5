"""Rows assessed into a folder, part by part, by one process or by many. The page to read first.

lock ─ model ─ plan ─ a few rows ─ manifest ─ parts that are not there yet ─┬─ cli: one after the other
                                                                            └─ ray.py: several at a time
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import platform
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from howsure.answers.files import load
from howsure.data.gather import length, of_each
from howsure.data.label_files import read_label_file
from howsure.data.label_images import LabelFolder
from howsure.data.rows import Rows
from howsure.errors import FileError, InputError, probing
from howsure.methods.protocol import Method
from howsure.methods.softmax import Softmax
from howsure.models.adapt import opened
from howsure.optional import versions
from howsure.prepare import prepare
from howsure.results.saved import METADATA_KEY
from howsure.sampling.plan import Plan
from howsure.scale import folder as folders
from howsure.scale.digests import of_content, of_file
from howsure.scale.folder import PLAN, Manifest
from howsure.scale.recipe import Assessor
from howsure.scale.same import Probe, changed_images, check_probe, digests_of, lacking
from howsure.scale.sources import Reader, SourceFile
from howsure.scale.work import (
    PLACES,
    SAMPLE,
    Part,
    about_of,
    divided,
    is_whole,
    remove_part,
    rows_at_once,
    save_part,
    spread,
    usual_size,
)
from howsure.scale.worker import PartOutcome, Recipe, Worker, failing_alone, joined

_SECONDS_BETWEEN_MANIFESTS = 1.0
"""If many parts are faulty one after the other, the manifest is not written for each."""

_PACKAGES = ("howsure", "numpy", "pyarrow", "keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "ray")

PROBED = 2
"""Rows on which every worker tries model and plan before it begins."""

Told = Callable[[int, int], None]
"""Called with (rows done, rows in all)."""

During = Callable[..., AbstractContextManager[Any]]
"""Shows that something takes time: called with its name and, as `waiting`, what is waited for."""


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
        {"python": platform.python_version()} | versions(_PACKAGES) if before is None else before.versions,
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
    labels, at = None, recipe.labels
    if at is not None:
        digest = of_content(at, LabelFolder.of_folder(at).files) if at.is_dir() else of_file(at)
        labels = f"{digest} of {total} rows"
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


# --- a few rows from many places, to make a plan from and to try model, plan and options on --------------
#
# Rows that cannot be read, that do not fit, or on which the model fails are passed over here. They are named
# when their turn comes, so one of them does not keep the others from being assessed.


@dataclass(frozen=True, eq=False)
class TriedOut:
    """Model, plan and options, tried on a few rows.

    Attributes:
        recipe: The settings, with the plan and the class names.
        worker: Reads and assesses as they say.
        probe: The rows.
        result: Their result.
        plan_from: Rows from which the plan was made; None if one was given, or none is needed.
        made: The plan, if it was made here; else None.
    """

    recipe: Recipe
    worker: Worker
    probe: Part
    result: Any
    plan_from: int | None
    made: Plan | None


def tried_out(
    recipe: Recipe, models: list[Any], files: Sequence[SourceFile], before: Manifest | None, during: During
) -> TriedOut:
    """The trial of a model on rows from many places. Without a plan, the folder's is taken, or one is made.

    Raises:
        Exception: The fault of the first place, if no row can be read or assessed.
    """
    assessor = Assessor(models[0], recipe.method(models[1:]), recipe.asked)
    plan, plan_from, made = recipe.dropout.plan, None if before is None else before.plan_from, None
    if plan is None and plan_from is not None:
        plan = Plan.load(recipe.folder / PLAN)
    worker = Worker(recipe, assessor)
    found = _readable(worker, files, PROBED * PLACES)
    pieces = [next(found)]
    if plan is None and _follows_a_plan(assessor, pieces[0][1]) and recipe.needs_plan:
        pieces = list(_readable(worker, files))
        with during("Planning", waiting="compiling, and passes over a few rows"):
            made, plan_from = _planned(recipe, assessor, [rows for _, rows in pieces])
    request = recipe.asked.request
    names = opened(models[0]).class_names(pieces[0][1], request.class_names, request.output)
    ready = replace(
        recipe,
        asked=replace(recipe.asked, request=replace(request, class_names=names)),
        dropout=replace(recipe.dropout, plan=made or plan),
    )
    worker = Worker(ready, Assessor(models[0], ready.method(models[1:]), ready.asked))
    with during("Assessing", waiting="compiling"):
        probe, result = _tried(worker, (place for place, _ in itertools.chain(pieces, found)))
    return TriedOut(ready, worker, probe, result, plan_from, made)


def _readable(
    worker: Worker, files: Sequence[SourceFile], count: int = SAMPLE
) -> Iterator[tuple[Part, Rows]]:
    """Places spread over all rows, `count` rows together, each with its rows, divided and without labels.

    Raises:
        Exception: The fault of the first place, if none can be read.
    """
    fault: Exception | None = None
    shape = None
    for place in spread(files, count):
        try:
            rows = worker.fitting(place)
        except Exception as error:  # whatever the model itself may raise
            fault = fault or error
            failing = worker.failing(place, worker.fitting) if worker.skips_rows else {}
            if not 0 < len(failing) < len(place):
                continue
            rows = worker.fitting(place, failing)
        found = of_each(rows.x, lambda part: part.shape[1:])
        if shape is None or found == shape:
            shape = found
            yield place, rows
    if shape is None:
        raise fault or InputError("There are no rows", expected="at least one")


def _follows_a_plan(assessor: Assessor, rows: Rows) -> bool:
    """Whether passes over such rows may follow a plan: those at positions, and in tiles, never do."""
    request = assessor.asked.wished()
    if request.tile is not None:
        return False
    try:
        with warnings.catch_warnings(action="ignore"):  # said when the rows are assessed
            return prepare(assessor.model, rows, assessor.method, request).outcome.follows_plans
    except Exception:  # whatever is wrong is told when the plan is made
        return True


def _tried(worker: Worker, places: Iterable[Part]) -> tuple[Part, Any]:
    """The first place that can be assessed, and its result: what is wrong with plan or options shows at once.

    Raises:
        Exception: The fault at the first place, if none can be assessed.
    """
    fault: Exception | None = None
    for place in places:
        for start in range(place.start, place.stop, PROBED if worker.skips_rows else len(place)):
            probe = place.within(start, min(place.stop, start + PROBED))
            try:
                return probe, worker.check(probe)
            except Exception as error:  # whatever the model itself may raise
                fault = fault or error
    raise fault or InputError("There are no rows", expected="at least one")


def _planned(recipe: Recipe, assessor: Assessor, pieces: Sequence[Rows]) -> tuple[Plan, int]:
    """A plan that is made from a sample, and how many rows that has.

    Float32 lets it hold on every machine. Pieces, or rows, on which the model fails are left out. If it
    fails on all, their common fault is raised.
    """
    try:
        return assessor.plan(joined(pieces), recipe.dropout), _count(pieces)
    except Exception:  # whatever the model itself may raise
        kept = [piece for piece in pieces if _is_predicted(assessor, piece)]
        if recipe.rows.skip_rows:
            kept = [piece for each in pieces if (piece := _predicted_of(assessor, each)) is not None]
        if not 0 < _count(kept) < _count(pieces):
            raise
    return assessor.plan(joined(kept), recipe.dropout), _count(kept)


def _is_predicted(assessor: Assessor, piece: Rows) -> bool:
    """Whether the model gives a plain prediction of rows that are divided already."""
    plain = replace(assessor, method=Softmax(), asked=replace(assessor.asked, divide_by=None))
    try:
        with warnings.catch_warnings(action="ignore"):  # said when the rows are assessed
            plain.assess(piece, np.arange(length(piece.x)))
    except Exception:  # whatever the model itself may raise
        return False
    return True


def _predicted_of(assessor: Assessor, piece: Rows) -> Rows | None:
    """The rows of which the model gives a plain prediction, or None if there is none."""

    def fails(start: int, stop: int) -> str | None:
        return None if _is_predicted(assessor, some(slice(start, stop))) else "no prediction"

    def some(which: Any) -> Rows:
        return replace(piece, x=of_each(piece.x, lambda part: part[which]))

    failing = failing_alone(0, length(piece.x), fails)
    kept = [row for row in range(length(piece.x)) if row not in failing]
    return some(kept) if kept else None


def _count(pieces: Sequence[Rows]) -> int:
    return sum(length(piece.x) for piece in pieces)
