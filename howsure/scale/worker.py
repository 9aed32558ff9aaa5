"""One part after the other: read, assessed, and written down, on whichever machine."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from traceback import format_exc
from typing import Any

import numpy as np

from howsure.answers.registry import fed
from howsure.data.label_files import read_label_file
from howsure.data.labels import are_numbers_or_names
from howsure.data.rows import Array, Rows, numbered, quoted
from howsure.errors import (
    DependencyError,
    FileError,
    HowsureError,
    HowsureWarning,
    InputError,
    ModelError,
    raised,
)
from howsure.methods.choices import choice_of
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.protocol import Method
from howsure.models.adapt import opened
from howsure.scale.recipe import Asked, Assessor, ModelSource
from howsure.scale.sources import RowSource
from howsure.scale.work import About, Part, save_part

Attempt = Callable[[Part, Collection[int]], object]
"""A trial that may fail for rows of a part without some of them."""


@dataclass(frozen=True)
class PartOutcome:
    """The outcome of a part.

    Attributes:
        part: Which.
        rows: How many results were written.
        left_out: Unreadable images that were skipped, each with the reason.
        fault: Why nothing was written, or None.
        traceback: Traceback of an exception that is none of howsure's, as the model may raise; else empty.
    """

    part: Part
    rows: int
    left_out: tuple[str, ...] = ()
    fault: str | None = None
    traceback: str = ""


@dataclass(frozen=True)
class Recipe:
    """All that a worker is told.

    Attributes:
        model: Source of the model.
        members: Other models, for an ensemble.
        choice: The method, as it is typed on the command line.
        dropout: Settings of dropout, with its plan.
        asked: The rest.
        rows: Source of the rows.
        labels: A file of true classes, or None.
        folder: Folder of the results.
        checksums: Checksums of the model and the members.
    """

    model: ModelSource
    members: tuple[ModelSource, ...]
    choice: str
    dropout: MCDropout
    asked: Asked
    rows: RowSource
    labels: Path | None
    folder: Path
    checksums: tuple[str, ...] = ()

    def method(self, members: list[Any]) -> Method:
        """The source of the passes.

        Args:
            members: As they were loaded, or as many of anything.
        """
        return choice_of(self.choice).make(members, self.dropout)

    @property
    def needs_plan(self) -> bool:
        """Whether a plan has to be made; without it a row's numbers would depend on the others in its part.

        Raises:
            InputError: Each member of an ensemble would need one of its own.
        """
        needed = self.method(list(self.members)).needs.plan  # which goes by how many members there are
        if needed and self.members:
            raise InputError(
                "MC dropout of an ensemble has no plan of its own in a folder of results",
                expected="--plan or --passes",
                hint="For members of one kind: howsure audit MODEL --data ROWS --save-plan plan.json",
            )
        return needed

    def load(self) -> Assessor:
        """The models, held against their checksums.

        Raises:
            FileError: A model cannot be read.
            ModelError: It is not the model that the results in the folder are of.
        """
        sources = (self.model, *self.members)
        models = [source.load() for source in sources]
        for source, model, known in zip(sources, models, self.checksums, strict=True):
            found = source.checksum(model)
            if found != known:
                raise ModelError(
                    f"'{source.path}' is not the same model for every worker",
                    expected=f"SHA-256 {known[:16]}…, as where the command was given",
                    received=f"{found[:16]}…",
                    hint="A function has to make the same weights each time: give them with --weights",
                )
        return Assessor(models[0], self.method(models[1:]), self.asked)


class Worker:
    """Reads, assesses and writes parts.

    Args:
        recipe: Its settings.
        assessor: The model, where that is there already.

    Attributes:
        skips_rows: Whether rows are left out on which the data or the model fails.
    """

    def __init__(self, recipe: Recipe, assessor: Assessor | None = None) -> None:
        self._folder = recipe.folder
        self.assessor = recipe.load() if assessor is None else assessor
        self._reader = recipe.rows.open()
        self._names = recipe.asked.request.class_names
        self._labels = (
            None
            if recipe.labels is None
            else read_label_file(recipe.labels, names=self._names).decided(self._names)
        )
        self._specs = opened(self.assessor.model).declared_specs()
        self.skips_rows = recipe.rows.skip_rows

    def read(self, part: Part, without: Collection[int] = ()) -> tuple[Rows, Array]:
        """The rows of a part, with the labels of each, and where in the part they are.

        Args:
            part: Which rows.
            without: Those that are left out, as places in the file; never all of them.

        Raises:
            FileError: They cannot be read.
            InputError: They cannot be rows of this model.
        """
        if not without:
            return self._read(part)
        ends = [part.start - 1, *sorted(without), part.stop]
        ranges = [(before + 1, after) for before, after in itertools.pairwise(ends) if before + 1 < after]
        pieces = [self._read(part.within(start, stop)) for start, stop in ranges]
        places = [start - part.start + found for (start, _), (_, found) in zip(ranges, pieces, strict=True)]
        return joined([rows for rows, _ in pieces]), np.concatenate(places)

    def _read(self, part: Part) -> tuple[Rows, Array]:
        with numbered(range(part.start, part.stop)):
            rows = self._reader.read(part.file, part.start, part.stop, self._specs)
        places = self._reader.places(part.start, part.stop, rows)
        if self._labels is not None:
            labels = self._labels.of_some(rows, part.first_row + places)
            return replace(rows, labels=labels, class_names=None), places
        if rows.labels is not None and rows.class_names is None and self._names is not None:
            _check_decided(rows.labels, self._names)
        return rows, places

    def fitting(self, part: Part, without: Collection[int] = ()) -> Rows:
        """Rows as the model takes them, divided, without labels and ids; nothing is computed of them.

        Warnings are given when parts are assessed.

        Args:
            part: Which rows.
            without: As for `read`.

        Raises:
            HowsureError: They cannot be read, or do not fit.
        """
        with warnings.catch_warnings(action="ignore", category=HowsureWarning):
            rows, places = self.read(part, without)
            with numbered(part.start + places):
                x = self.assessor.divided(rows.x)
                rows = replace(rows, x=x, labels=None, ids=None, frame_index=None)
                request = self.assessor.asked.request
                opened(self.assessor.model).adapt(fed(x, request), output=request.assessed_output)
        return rows

    def check(self, part: Part, without: Collection[int] = ()) -> Any:
        """The result of a few rows, so that what is wrong with model, plan or options shows at once.

        Warnings are given when parts are assessed, as they tell of more rows.

        Raises:
            HowsureError: It does.
        """
        with warnings.catch_warnings(action="ignore", category=HowsureWarning):
            rows, places = self.read(part, without)
            with numbered(part.start + places):
                return self.assessor.assess(rows, part.first_row + places)

    def do(self, part: Part, progress: Callable[[int, int], None] | None = None) -> PartOutcome:
        """Write the results of a part, or say why that cannot be.

        An exception of the model itself is a fault of this part, too: others may well come through. If rows
        are skipped, those that fail alone are left out, and all others run together.

        Raises:
            FileError: They cannot be written.
            DependencyError: A package is not installed, which no part can do without.
        """
        left_out: dict[int, str] = {}
        found = self._assessed(part, left_out, progress)
        for attempt in (self.fitting, self.check) if self.skips_rows else ():  # the first computes nothing
            if isinstance(found, PartOutcome):
                left_out |= self.failing(part, attempt, left_out)
                if 0 < len(left_out) < len(part):
                    found = self._assessed(part, left_out, progress)
        if isinstance(found, PartOutcome):
            return found
        rows, result = found
        images = self._reader.names is not None
        content = self._reader.content(part.file, part.start, part.stop) if images else ""
        save_part(self._folder, part, result, About(part.first_row, left_out, content))
        return PartOutcome(part, len(result), rows.left_out)

    def _assessed(
        self, part: Part, without: Collection[int], progress: Callable[[int, int], None] | None
    ) -> tuple[Rows, Any] | PartOutcome:
        """Rows of a part and their result, or why there is none."""
        try:
            rows, places = self.read(part, without)
            with numbered(part.start + places):
                return rows, self.assessor.assess(rows, part.first_row + places, progress)
        except (FileError, InputError, ModelError) as error:
            return PartOutcome(part, 0, fault=str(error))
        except HowsureError:
            raise
        except Exception as error:
            return PartOutcome(part, 0, fault=raised(error), traceback=format_exc())

    def failing(self, part: Part, attempt: Attempt, known: Collection[int] = ()) -> dict[int, str]:
        """The rows of a part that fail alone, by their places in the file, each with the reason.

        Args:
            part: The part; all its rows together fail.
            attempt: Fails or not for a range of rows without some of them.
            known: Rows that are known to fail.

        Returns:
            None of them where rows are not to blame: a file of many is damaged, or has other columns.
        """

        def fails(start: int, stop: int) -> str | None:
            without = [row for row in known if start <= row < stop]
            if len(without) == stop - start:
                return None
            try:
                attempt(part.within(start, stop), without)
            except Exception as error:  # whatever the model itself may raise
                if isinstance(error, DependencyError):
                    raise
                if isinstance(error, FileError) and not self._reader.each_a_file:
                    raise
                return str(error) if isinstance(error, HowsureError) else raised(error)
            return None

        try:
            if self._reader.columns is not None:
                self._read(part.within(part.start, part.start))
            return failing_alone(part.start, part.stop, fails)
        except HowsureError:
            return {}


def failing_alone(start: int, stop: int, fails: Callable[[int, int], str | None]) -> dict[int, str]:
    """The numbers among start … stop − 1 that fail alone, found by halves, each with the reason.

    Args:
        start: The first one.
        stop: The one after the last.
        fails: Says of a range why it fails, or None.

    Example:
        >>> failing_alone(0, 100, lambda a, b: "bad" if a <= 7 < b or a <= 60 < b else None)
        {7: 'bad', 60: 'bad'}
    """
    why = fails(start, stop) if start < stop else None
    if why is None or stop - start == 1:
        return {} if why is None else {start: why}
    middle = (start + stop) // 2
    return failing_alone(start, middle, fails) | failing_alone(middle, stop, fails)


def joined(pieces: Sequence[Rows]) -> Rows:
    """Rows put together, with what came with them."""
    first = pieces[0]
    if len(pieces) == 1:
        return first

    def together(arrays: Sequence[Any]) -> Any:
        return None if arrays[0] is None else np.concatenate(arrays)

    x = [piece.x for piece in pieces]
    return replace(
        first,
        x={name: together([each[name] for each in x]) for name in x[0]}
        if isinstance(x[0], dict)
        else together(x),
        labels=together([piece.labels for piece in pieces]),
        ids=together([piece.ids for piece in pieces]),
        frame_index=None,
        left_out=tuple(line for piece in pieces for line in piece.left_out),
    )


def _check_decided(labels: Array, names: Sequence[str]) -> None:
    """Raise where a label may be the name of one class and the number of another: only all labels tell."""
    numbers = {str(number) for number in range(len(names))}
    if not numbers.isdisjoint(names) and are_numbers_or_names(labels, names):
        raise InputError(
            "Labels in the rows may be class numbers or names; one part alone cannot tell",
            expected=f"texts, as classes are called {quoted(names)}",
            received=f"{labels[:3].tolist()}",
            hint="Convert them to texts, or give a file of labels with --labels",
        )
