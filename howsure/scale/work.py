"""Rows assessed into a folder, part by part, by one process or by several. The page to read first.

model ─ rows ─ plan ─ a few rows ─ manifest ─ parts that are not there yet ─┬─ one after the other, here
                                                                            └─ ray.py: several at a time
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from traceback import format_exc
from typing import Any

import cloudpickle
import numpy as np

from howsure.adapters.factory import is_factory, made_by
from howsure.adapters.fingerprint import digest as digest_of_weights
from howsure.adapters.fingerprint import fingerprint_of
from howsure.adapters.import_keras import load_keras
from howsure.adapters.protocol import FLOAT32, WeightedModel
from howsure.adapters.resolve import FILES, load, resolve_model
from howsure.assess import assessed, planned
from howsure.atomic import check_folder, new_folder
from howsure.divide import divided
from howsure.errors import FileError, HowsureError, HowsureWarning, InputError, ModelError, exception_text
from howsure.evaluation.rules import Rules
from howsure.inputs.label_files import LabelFolder, read_label_file
from howsure.inputs.loaders import length, of_each
from howsure.inputs.rows import Array, Rows, numbered
from howsure.inputs.typed_json import digest
from howsure.methods.choices import choice_of
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.protocol import Method
from howsure.optional import versions
from howsure.prepare import prepare
from howsure.request import Request
from howsure.sampling.plan import Plan
from howsure.scale import parts as folders
from howsure.scale.parts import PLACES, PLAN, Manifest, Part
from howsure.scale.read import Reader, RowSource, sha256
from howsure.tasks.task import fed

TRIED = 2
"""Rows on which model, plan and options are tried before anything is written."""

RowProgress = Callable[[int, int], None]
"""Called with (rows done, rows in all)."""

During = Callable[..., AbstractContextManager[Any]]
"""Shows that something takes time: called with its name and, as `waiting`, what is waited for."""


# --- what every process is told ---------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelSource:
    """A model as it is named: a file, or a function that makes it.

    Attributes:
        path: A file, or `package.module:function`.
        weights: For what a function makes, or None.
        allow_code: Whether a file may run code.
    """

    path: Path
    weights: Path | None = None
    allow_code: bool = False

    @classmethod
    def of(cls, path: Path, weights: Path | None = None, allow_code: bool = False) -> ModelSource:
        """A model with absolute paths, so that a worker in another folder finds it."""
        weights = None if weights is None else weights.absolute()
        return cls(path if is_factory(path) else path.absolute(), weights, allow_code)

    def load(self, check: str = "") -> Any:
        """The model.

        Args:
            check: As for `made_by`.

        Raises:
            FileError: It cannot be read.
            ModelError: It wants to run code, or is no model.
        """
        if is_factory(self.path):
            return made_by(self.path, self.weights, check=check)
        if FILES.get(self.path.suffix) == "keras":
            load_keras()
        return load(self.path, allow_code=self.allow_code)

    def checksum(self, model: Any) -> str:
        """The SHA-256 of its file, or of the weights of what a function makes.

        A model that shows no weights has that of its pickle.

        Raises:
            FileError: The file cannot be read.
        """
        if not is_factory(self.path):
            return sha256(self.path)
        handle = resolve_model(model)
        if hasattr(handle.adapter, "weights_of"):
            return digest_of_weights(handle.adapter.weights_of([model]))
        if isinstance(model, WeightedModel):
            return fingerprint_of(model)
        return digest_of_weights([np.frombuffer(cloudpickle.dumps(model), np.uint8)])

    def code(self) -> str | None:
        """The SHA-256 of the file of a function's module, once it is imported; None for a file."""
        module = sys.modules.get(os.fspath(self.path).partition(":")[0]) if is_factory(self.path) else None
        file = getattr(module, "__file__", None)
        return None if file is None else sha256(Path(file))


@dataclass(frozen=True)
class Recipe:
    """All that a worker is told, beside the rows.

    Attributes:
        model: Source of the model.
        members: Other models, for an ensemble.
        choice: The method, as it is typed on the command line.
        options: Options of the method by name, with its plan.
        request: As in `howsure.assess`.
        divide_by: Divisor of rows, or None.
        labels: A file or folder of true answers, or None.
        folder: Folder of the results.
        rules: Rules that decide the rows, or None.
        checksums: Checksums of the model and the members.
    """

    model: ModelSource
    members: tuple[ModelSource, ...]
    choice: str
    options: Mapping[str, Any]
    request: Request
    divide_by: float | None
    labels: Path | None
    folder: Path
    rules: Rules | None = None
    checksums: tuple[str, ...] = ()

    def divided(self, x: Any, model: Any) -> Any:
        """Rows divided as the caller asked for."""
        return divided(x, self.divide_by, model, self.request)

    def method(self, members: Sequence[Any]) -> Method:
        """The source of the passes.

        Args:
            members: As they were loaded, or as many of anything.
        """
        return choice_of(self.choice).make(members, self.options)

    @property
    def plan(self) -> Plan | None:
        """The plan of the passes, if they have one."""
        return self.options.get("plan")

    @property
    def needs_plan(self) -> bool:
        """Whether a plan has to be made; without it a row's numbers would depend on the others in its part.

        Raises:
            InputError: Each member of an ensemble would need one of its own.
        """
        needed = self.method(self.members).needs.plan  # which goes by how many members there are
        if needed and self.members:
            raise InputError(
                "MC dropout of an ensemble has no plan of its own in a folder of results",
                expected="--plan or `passes`",
                hint="For members of one kind: howsure audit MODEL --data ROWS --save-plan plan.json",
            )
        return needed

    def load(self) -> list[Any]:
        """The model and the members, held against their checksums.

        Raises:
            FileError: A model cannot be read.
            ModelError: It is not the model that the parts are named by.
        """
        models = list[Any]()
        for source, expected in zip((self.model, *self.members), self.checksums, strict=True):
            model = source.load()
            checksum = source.checksum(model)
            if checksum != expected:
                raise ModelError(
                    f"'{source.path}' is not the same model for every worker",
                    expected=f"SHA-256 {expected[:16]}…, as where the command was given",
                    received=f"{checksum[:16]}…",
                    hint="A function has to make the same weights each time: give them with `weights`",
                )
            models.append(model)
        return models


# --- one part after the other -----------------------------------------------------------------------------


@dataclass(frozen=True)
class PartOutcome:
    """The outcome of a part.

    Attributes:
        part: Which.
        rows: How many results were written; none where another process wrote them meanwhile.
        fault: Why nothing was written, or None.
        traceback: Traceback of an exception that is none of howsure's, as the model may raise; else empty.
    """

    part: Part
    rows: int = 0
    fault: str | None = None
    traceback: str = ""


class Worker:
    """Reads, assesses and writes parts.

    Args:
        recipe: Its settings.
        reader: The rows.
        models: The model and the members, where they are there already.
    """

    def __init__(self, recipe: Recipe, reader: Reader, models: Sequence[Any] | None = None) -> None:
        self.recipe, self.reader = recipe, reader
        self.model, *members = recipe.load() if models is None else models
        self.method = recipe.method(members)
        names = recipe.request.class_names
        self._labels = None if recipe.labels is None else read_label_file(recipe.labels, names=names)

    def read(self, part: Part) -> tuple[Rows, Array]:
        """The rows of a part with the labels of each, and their places in the part.

        Raises:
            FileError: They cannot be read.
            InputError: They cannot be rows of this model.
        """
        with numbered(range(part.start, part.stop)):
            rows = self.reader.read(part)
        places = self.reader.places(part, rows)
        if self._labels is not None:
            labels = self._labels.of_some(rows, part.first_row + places)
            rows = replace(rows, labels=labels, class_names=None)
        return rows, places

    def result(self, part: Part, progress: RowProgress | None = None) -> tuple[Any, Sequence[str]]:
        """The result of a part, and the images that were left out.

        Raises:
            HowsureError: It cannot be read or assessed.
        """
        rows, places = self.read(part)
        recipe, numbers = self.recipe, part.first_row + places
        with numbered(part.start + places):
            rows = replace(rows, x=recipe.divided(rows.x, self.model))
            result = assessed(self.model, rows, self.method, recipe.request, progress, recipe.rules)
            result = replace(result, row=numbers[result.row])
        return result, rows.left_out

    def do(self, part: Part, progress: RowProgress | None = None) -> PartOutcome:
        """Write the results of a part, or say why that cannot be.

        An exception of the model itself is a fault of this part, too: others may well come through.

        Raises:
            FileError: They cannot be written.
            DependencyError: A package is not installed, which no part can do without.
        """
        if (self.recipe.folder / part.name).exists():
            return PartOutcome(part)
        try:
            result, left_out = self.result(part, progress)
        except (FileError, InputError, ModelError) as error:
            return PartOutcome(part, fault=str(error))
        except HowsureError:
            raise
        except Exception as error:
            return PartOutcome(part, fault=exception_text(error), traceback=format_exc())
        folders.save_part(self.recipe.folder, part, result, left_out)
        return PartOutcome(part, len(result))


# --- a folder, begun or gone on with ----------------------------------------------------------------------


@dataclass(eq=False)
class FolderJob:
    """The work in a folder.

    Attributes:
        worker: The model as it is here, and the settings of all workers.
        manifest: As it was written.
        pending: Parts that are not there yet.
        plan_from: Rows from which the plan was made in this run, or 0.
        outcomes: Outcomes of the parts done so far in this run.
    """

    worker: Worker
    manifest: Manifest
    pending: list[Part]
    plan_from: int = 0
    outcomes: list[PartOutcome] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Folder of the results."""
        return self.worker.recipe.folder

    @property
    def rows_before(self) -> int:
        """Rows in the parts that were there already."""
        return self.manifest.rows - sum(map(len, self.pending))

    def run(
        self, workers: Callable[[FolderJob, RowProgress], Iterable[PartOutcome]], progress: RowProgress
    ) -> None:
        """Do all parts that are not there yet; what is wrong with some stops none of the others.

        Raises:
            FileError: Results cannot be written, as where the disk is full.
            InputError: No part of the rows can be assessed, or another process made other results there.
        """
        for outcome in workers(self, progress):
            self.outcomes.append(outcome)
        folders.check_parts(self.folder, self.manifest)
        faults = [outcome for outcome in self.outcomes if outcome.fault is not None]
        if faults and len(faults) == len(self.manifest.parts):
            raise InputError(
                f"None of the rows can be assessed; {self.place(faults[0].part)}: {faults[0].fault}",
                expected="at least one part of the rows that can be",
            )

    def faults(self) -> list[str]:
        """The parts that could not be done, where and why."""
        failed = [outcome for outcome in self.outcomes if outcome.fault is not None]
        return [f"{self.place(outcome.part)}: {outcome.fault}" for outcome in failed]

    def place(self, part: Part) -> str:
        """A part in words."""
        name = self.manifest.files[part.file].name
        return f"'{name}', {len(part):,} rows from row {part.start:,} of it on"


def one_process(job: FolderJob, progress: RowProgress) -> Iterator[PartOutcome]:
    """The outcome of each part that is not there yet, one after the other in this process, without Ray.

    Args:
        job: The job.
        progress: Called with (rows done, rows in all), also within a part.
    """
    done = job.rows_before

    def within(of_part: int, _: int) -> None:
        progress(done + of_part, job.manifest.rows)

    for part in job.pending:
        yield job.worker.do(part, within)
        done += len(part)
        progress(done, job.manifest.rows)


def begin(
    recipe: Recipe,
    rows: RowSource,
    *,
    size: int | None = None,
    load_models: Callable[[], list[Any]],
    during: During = lambda *_, **__: nullcontext(),
    check: Callable[[Any], object] = lambda first: None,
) -> FolderJob:
    """The work that is still to be done in a folder, which is made if it is not there.

    Args:
        recipe: The settings, with a plan or without.
        rows: To be assessed.
        size: Rows in a part. Default: those of the folder, otherwise `usual_size`.
        load_models: Gives the model, and members.
        during: Shows what takes time.
        check: Raises where the result of a few rows is not what is wanted; then nothing is begun.

    Raises:
        InputError: The folder holds results of something else.
        FileError: The folder, the model or the rows cannot be read.
        ModelError: A model that cannot be assessed.
    """
    folder = recipe.folder
    check_folder(folder)
    folders.check_ours(folder)
    before = folders.read_manifest(folder)
    models = load_models()
    sources = (recipe.model, *recipe.members)
    checksums = tuple(source.checksum(model) for source, model in zip(sources, models, strict=True))
    made_with: dict[str, Any] = {
        "version of howsure": versions(["howsure"])["howsure"],
        "model": ", ".join(checksums),
        "code of the model": [source.code() for source in sources],
        "seed": recipe.request.seed,
    }
    folders.check_made_with(folder, before, made_with)
    with during("Checking", waiting="what files of rows hold"):
        reader = rows.open(resolve_model(models[0]))
    total = sum(file.rows for file in reader.files)
    if not total:
        raise InputError(f"There are no rows in '{rows.path}'", expected="at least one")
    request = recipe.request
    if recipe.labels is not None:
        read_label_file(recipe.labels, names=request.class_names).check_count(total)
    worker = Worker(replace(recipe, checksums=checksums), reader, models)
    pieces = _readable_rows(worker)
    first = next(pieces)
    plan, plan_from = _plan_of(worker, first, pieces, during)
    names = resolve_model(models[0]).class_names(first, request.class_names, request.output)
    request = replace(request, class_names=names)
    options = recipe.options if plan is None else {**recipe.options, "plan": plan}
    worker = Worker(replace(worker.recipe, request=request, options=options), reader, models)
    with during("Assessing", waiting="compiling"):
        result = _trial_result(worker)
    check(result)
    if size is None and before is not None:
        size = int(before.made_with["part size"])
    elif size is None:
        size = folders.usual_size(total, folders.rows_at_once(result))
    made_with |= _shared_settings(worker, rows, result) | {"part size": size}
    parts = folders.divided(reader.files, size, lambda part: digest([made_with, reader.content(part)]))
    manifest = Manifest(made_with, tuple(reader.files), tuple(parts))
    folders.check_parts(folder, manifest)
    with new_folder(folder):
        if plan_from and plan is not None:
            plan.save(folder / PLAN)
        manifest.save(folder)
    pending = [part for part in parts if not (folder / part.name).exists()]
    return FolderJob(worker, manifest, pending, plan_from)


def _shared_settings(worker: Worker, rows: RowSource, result: Any) -> dict[str, Any]:
    """The settings that all parts share, beside the model and the seed; see `howsure.scale.parts`."""
    recipe, request = worker.recipe, worker.recipe.request
    plan, labels, tile = recipe.plan, recipe.labels, request.tile
    marks = None
    if labels is not None:
        files = LabelFolder.of_folder(labels).files if labels.is_dir() else [labels]
        marks = digest([sha256(file) for file in files])
    return {
        "plan": None if plan is None else digest(plan.constants),
        "method": json.dumps({**worker.method.settings, "words": None}),
        "class names": list(getattr(result, result.names)),
        "thresholds": asdict(result.thresholds) if result.has("thresholds") else None,
        "outputs": request.outputs,
        "levels": request.levels and list(request.levels),
        "output": request.output,
        "columns": [rows.roles.label, rows.roles.id, list(rows.roles.drop), rows.skip_unreadable],
        "class axis": request.class_axis,
        "kept numbers": request.keep,
        "tile": list(tile) if isinstance(tile, Sequence) else tile,
        "overlap": request.overlap,
        "divisor": recipe.divide_by,
        "labels": marks,
        "rules": None if recipe.rules is None else recipe.rules.mark,
    }


# --- a few rows from many places, to make a plan from and to try model, plan and options on --------------
#
# Places that cannot be read, or do not fit, are passed over here. They are named when their turn comes, so
# one of them does not keep the others from being assessed.


def _readable_rows(worker: Worker) -> Iterator[Rows]:
    """Rows from places spread over all of them, divided and without labels and ids.

    Raises:
        Exception: The fault of the first place, if none can be read.
    """
    shape = None
    for rows in _from_places(folders.spread(worker.reader.files), partial(_rows_that_fit, worker)):
        sides = of_each(rows.x, lambda part: part.shape[1:])
        if shape is None or sides == shape:
            shape = sides
            yield rows


def _from_places(places: Iterable[Part], work: Callable[[Part], Any]) -> Iterator[Any]:
    """The outcome of the work at each place where it succeeds; warnings are given when rows are assessed.

    Raises:
        Exception: The fault of the first place, if all fail.
    """
    fault: Exception | None = None
    worked = False
    for place in places:
        try:
            with warnings.catch_warnings(action="ignore", category=HowsureWarning):
                made = work(place)
        except Exception as error:  # whatever the model itself may raise
            fault = fault or error
            continue
        worked = True
        yield made
    if not worked:
        raise fault or InputError("There are no rows", expected="at least one")


def _rows_that_fit(worker: Worker, place: Part) -> Rows:
    """Rows as the model takes them."""
    recipe = worker.recipe
    rows, places = worker.read(place)
    with numbered(place.start + places):
        x = recipe.divided(rows.x, worker.model)
        resolve_model(worker.model).adapt(fed(x, recipe.request), output=recipe.request.assessed_output)
    return replace(rows, x=x, labels=None, ids=None, frame_index=None)


def _plan_of(worker: Worker, first: Rows, others: Iterator[Rows], during: During) -> tuple[Plan | None, int]:
    """The plan of passes, if they follow one; and from how many rows it was made here, or 0."""
    recipe, plan = worker.recipe, worker.recipe.plan
    if plan is not None:
        return plan, 0
    if not _follows_a_plan(worker, first) or not recipe.needs_plan:
        return None, 0
    if (recipe.folder / PLAN).exists():
        return Plan.load(recipe.folder / PLAN), 0
    rows = replace(first, x=_joined([first.x, *(rows.x for rows in others)]))
    with during("Planning", waiting="compiling, and passes over a few rows"):
        # In float32, so that it holds on every machine.
        plan = planned(worker.model, rows, MCDropout(**recipe.options), recipe.request, FLOAT32)
    return plan, length(rows.x)


def _joined(pieces: Sequence[Any]) -> Any:
    """Rows of several places together."""
    if isinstance(pieces[0], dict):
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    return np.concatenate(pieces)


def _follows_a_plan(worker: Worker, rows: Rows) -> bool:
    """Whether passes over such rows may follow a plan: those at positions, and in tiles, never do."""
    request = worker.recipe.request
    if request.tile is not None:
        return False
    try:
        with warnings.catch_warnings(action="ignore"):  # said when the rows are assessed
            return prepare(worker.model, rows, worker.method, request).outcome.follows_plans
    except Exception:  # whatever is wrong is told when the plan is made
        return True


def _trial_result(worker: Worker) -> Any:
    """The result of the first few rows that can be assessed, so that a wrong plan or option shows at once.

    Raises:
        Exception: The fault at the first place, if none can be assessed.
    """
    places = folders.spread(worker.reader.files, TRIED * PLACES)
    return next(_from_places(places, lambda place: worker.result(place)[0]))
