"""The source of a worker's model, the checksum of the model, and the object that assesses rows with it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np

from howsure.assess import assessed, planned
from howsure.data.rows import Array, Rows
from howsure.divide import divided
from howsure.errors import FileError, InputError
from howsure.methods.mc_dropout import MCDropout
from howsure.methods.protocol import Method
from howsure.models.adapt import FILES, load, opened
from howsure.models.factory import is_factory, made_by, named
from howsure.models.fingerprint import digest, fingerprint_of
from howsure.models.import_keras import load_keras
from howsure.models.protocol import FLOAT32, WeightedModel
from howsure.request import Request
from howsure.sampling.outcome import Outcome
from howsure.sampling.plan import Plan
from howsure.scale.digests import of_file


@dataclass(frozen=True)
class ModelSource:
    """A model as it is named: a file, or a function that makes it.

    Attributes:
        path: A file, or `package.module:function`.
        weights: For what a function makes, or None.
        allow_code: Whether a file may run code.
        folder: Folder in which the module of a function is looked for.
    """

    path: Path
    weights: Path | None = None
    allow_code: bool = False
    folder: str = ""

    @classmethod
    def of(cls, path: Path, weights: Path | None = None, allow_code: bool = False) -> ModelSource:
        """A model with absolute paths, so that a worker in another folder finds it."""
        weights = None if weights is None else weights.absolute()
        if is_factory(path):
            return cls(path, weights, allow_code, os.getcwd())
        return cls(path.absolute(), weights, allow_code)

    def load(self) -> Any:
        """The model.

        Raises:
            FileError: It cannot be read.
            ModelError: It wants to run code, or is no model.
        """
        if is_factory(self.path):
            with _looked_for_in(self.folder):
                return made_by(self.path, self.weights)
        if FILES.get(self.path.suffix) == "keras":
            load_keras()
        return load(self.path, allow_code=self.allow_code)

    def checksum(self, model: Any) -> str:
        """The SHA-256 by which it is known again: of its file; of what a function makes, of its weights.

        Raises:
            FileError: The file cannot be read.
        """
        if is_factory(self.path):
            return checksum_of(model)
        try:
            return of_file(self.path)
        except OSError as error:
            raise FileError(f"'{self.path}' cannot be read ({error.strerror or error})") from error


@contextmanager
def _looked_for_in(folder: str) -> Iterator[None]:
    if not folder:
        yield
        return
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def checksum_of(model: Any) -> str:
    """The fingerprint of a network; of a model that shows no weights, the SHA-256 of all of it.

    Other computations of a function show in the answers of the model, see `howsure.scale.same`.

    Args:
        model: As its framework has it, or adapted.
    """
    door = opened(model)
    if hasattr(door.adapter, "weights_of") and not door.is_wrapped:
        return digest(door.adapter.weights_of([model]))
    if isinstance(model, WeightedModel):
        return fingerprint_of(model)
    return digest([np.frombuffer(cloudpickle.dumps(model), np.uint8)])


@dataclass(frozen=True)
class OutcomeSource:
    """An outcome as it is named.

    Attributes:
        name: `package.module:Name` of an `Outcome`, or of a class of them.
        folder: Folder in which that module is looked for.
    """

    name: str
    folder: str = ""

    def load(self) -> Outcome | type[Outcome]:
        """The outcome; its module is imported, which may add a kind of answers.

        Raises:
            FileError: There is no such module.
            InputError: It holds no such outcome.
        """
        expected = "an Outcome, or a class of them, as package.module:Name"
        if not is_factory(self.name):
            raise InputError("This names no outcome", expected=expected, received=self.name)
        with _looked_for_in(self.folder):
            found = named(self.name, expected)
        if not issubclass(found if isinstance(found, type) else type(found), Outcome):
            raise InputError(f"'{self.name}' is no outcome", expected=expected, received=repr(found))
        outcome: Outcome | type[Outcome] = found
        return outcome


@dataclass(frozen=True)
class Asked:
    """The wishes besides the model and the rows, the same for all of them.

    Attributes:
        request: As in `howsure.assess`, but for an outcome in a user's module.
        divide_by: Divisor of rows, or None.
        outcome: Source of such an outcome, so that each worker imports its module; or None.
    """

    request: Request = Request()  # noqa: RUF009 (frozen, so it may be shared)
    divide_by: float | None = None
    outcome: OutcomeSource | None = None

    def wished(self) -> Request:
        """The whole request.

        Raises:
            HowsureError: The outcome cannot be imported.
        """
        return self.request if self.outcome is None else replace(self.request, outcome=self.outcome.load())


@dataclass(frozen=True, eq=False)
class Assessor:
    """A model that is there, and all that is needed to assess rows.

    Attributes:
        model: As its framework has it.
        method: Source of the passes; a method by which a row's numbers depend on no other row.
        asked: The rest.
    """

    model: Any
    method: Method
    asked: Asked

    def assess(self, rows: Rows, numbers: Array, progress: Callable[[int, int], None] | None = None) -> Any:
        """The result of some rows.

        Args:
            rows: N of them.
            numbers: (N,) of each in the whole input.
            progress: Called with (rows done, rows in all).

        Raises:
            InputError: Rows that do not fit the model.
            ModelError: A model that cannot be assessed.
        """
        given = replace(rows, x=self.divided(rows.x))
        result = assessed(self.model, given, self.method, self.asked.wished(), progress)
        return replace(result, row=numbers[result.row])

    def divided(self, x: Any) -> Any:
        """Rows divided as the caller asked for."""
        return divided(x, self.asked.divide_by, self.model, self.asked.request)

    def plan(self, rows: Rows, dropout: MCDropout) -> Plan:
        """A plan from rows that are divided already; in float32, so that it holds on every machine.

        Args:
            rows: Some of them.
            dropout: The method that the plan is for.
        """
        return planned(self.model, rows, dropout, self.asked.wished(), FLOAT32)
