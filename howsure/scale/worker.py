"""One part after the other: read, assessed, and written down, on whichever machine."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from traceback import format_exc
from typing import Any

from howsure.data.label_files import read_label_file
from howsure.data.labels import are_numbers_or_names
from howsure.data.row_numbers import numbered
from howsure.data.rows import Array, Rows, quoted
from howsure.errors import FileError, HowsureError, HowsureWarning, InputError, ModelError
from howsure.methods.choices import CHOICES
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.protocol import Method
from howsure.models.adapt import declared_specs
from howsure.scale.recipe import Asked, Assessor, Source
from howsure.scale.sources import RowSource
from howsure.scale.work import Part


@dataclass(frozen=True)
class Outcome:
    """What came of a part.

    Attributes:
        part: Which.
        rows: How many results were written.
        left_out: Unreadable images that were skipped, each with the reason.
        fault: Why nothing was written, or None.
        traceback: Of an exception that is none of howsure's, as the model may raise; else empty.
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
        model: Which is assessed.
        members: Other models, for an ensemble.
        choice: The method, as it is typed on the command line.
        dropout: What was asked of dropout, with its plan.
        asked: The rest.
        rows: Where they are.
        labels: A file of true classes, or None.
        folder: Where results go.
        checksums: Of the model and the members.
    """

    model: Source
    members: tuple[Source, ...]
    choice: str
    dropout: MCDropout
    asked: Asked
    rows: RowSource
    labels: Path | None
    folder: Path
    checksums: tuple[str, ...] = ()

    def method(self, members: list[Any]) -> Method:
        """What produces the passes.

        Args:
            members: As they were loaded.
        """
        choice = next(choice for choice in CHOICES if choice.option == self.choice)
        return choice.make(members, self.dropout)

    @property
    def needs_plan(self) -> bool:
        """Whether a plan has to be made; without it a row's numbers would depend on the others in its part.

        Raises:
            InputError: Each member of an ensemble would need one of its own.
        """
        dropout = self.dropout
        if self.choice == "softmax" or self.choice == "ensemble":
            return False
        without = dropout.plan is None and dropout.passes is None and bool(dropout.balanced)
        if without and self.members:
            raise InputError(
                "MC dropout of an ensemble has no plan of its own in a folder of results",
                expected="--plan or --passes",
                mend="For members of one kind: howsure audit MODEL --data ROWS --save-plan plan.json",
            )
        return without

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
                    mend="A function has to make the same weights each time: give them with --weights",
                )
        return Assessor(models[0], self.method(models[1:]), self.asked)


class Worker:
    """Reads, assesses and writes parts.

    Args:
        recipe: What it is told.
        assessor: The model, where that is there already.
    """

    def __init__(self, recipe: Recipe, assessor: Assessor | None = None) -> None:
        self._folder = recipe.folder
        self._assessor = recipe.load() if assessor is None else assessor
        self._reader = recipe.rows.open()
        self._names = recipe.asked.class_names
        self._labels = None if recipe.labels is None else read_label_file(recipe.labels).decided(self._names)
        self._specs = declared_specs(self._assessor.model)

    def read(self, part: Part) -> tuple[Rows, Array]:
        """The rows of a part, with the labels of each, and where in the part they are.

        Raises:
            FileError: They cannot be read.
            InputError: They cannot be rows of this model.
        """
        with numbered(range(part.start, part.stop)):
            rows = self._reader.read(part.file, part.start, part.stop, self._specs)
        places = self._reader.places(part.start, part.stop, rows)
        if self._labels is not None:
            labels = self._labels.of_some(rows.ids, part.first_row + places)
            return replace(rows, labels=labels, class_names=None), places
        if rows.labels is not None and rows.class_names is None and self._names is not None:
            _check_decided(rows.labels, self._names)
        return rows, places

    def check(self, part: Part) -> Any:
        """The result of a few rows, so that what is wrong with model, plan or options shows at once.

        Warnings are given when parts are assessed, as they tell of more rows.

        Raises:
            HowsureError: It does.
        """
        with warnings.catch_warnings(action="ignore", category=HowsureWarning):
            rows, places = self.read(part)
            with numbered(part.start + places):
                return self._assessor.assess(rows, part.first_row + places)

    def do(self, part: Part, progress: Callable[[int, int], None] | None = None) -> Outcome:
        """Write the results of a part, or say why that cannot be.

        What the model itself raises is a fault of this part, too: others may well come through.

        Raises:
            FileError: They cannot be written.
            DependencyError: A package is not installed, which no part can do without.
        """
        try:
            rows, places = self.read(part)
            with numbered(part.start + places):
                result = self._assessor.assess(rows, part.first_row + places, progress)
        except (FileError, InputError, ModelError) as error:
            return Outcome(part, 0, fault=str(error))
        except HowsureError:
            raise
        except Exception as error:
            return Outcome(part, 0, fault=raised(error), traceback=format_exc())
        result.save(self._folder / part.name)
        return Outcome(part, len(result), rows.left_out)


def _check_decided(labels: Array, names: Sequence[str]) -> None:
    """Raise where a label may be the name of one class and the number of another: only all labels tell."""
    numbers = {str(number) for number in range(len(names))}
    if not numbers.isdisjoint(names) and are_numbers_or_names(labels, names):
        raise InputError(
            "Labels that came with the rows may be class numbers or names, which no part tells alone",
            expected=f"texts, as classes are called {quoted(names)}",
            received=f"{labels[:3].tolist()}",
            mend="Make texts of them, or give them in a file of their own, with --labels",
        )


def raised(error: Exception) -> str:
    """What was raised that is none of howsure's errors, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = f": {lines[0][:300]}" if lines else ""
    return f"{type(error).__name__}{told}"
