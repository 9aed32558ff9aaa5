"""Calibrators as JSON files, and what all of them share.

A file holds what was learnt and its words, without the rows it was learnt from.
"""

from __future__ import annotations

import importlib.metadata
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self, TypeVar

from msgspec import Meta

from howsure.arguments import check_choice
from howsure.errors import FileError, InputError
from howsure.evaluation.cross_fit import FOLDS
from howsure.evaluation.fitted_rows import FittedRows
from howsure.evaluation.score import Score
from howsure.inputs.labels import check_names
from howsure.inputs.typed_json import COUNT, FINITE, read_sealed, typed, write_sealed
from howsure.results.check import check_result
from howsure.results.origin import DECIDED, FittedToRows, Origin
from howsure.results.result import Result
from howsure.tasks.task import task_named
from howsure.words import upper

FORMAT = 3
"""Version of the format of a saved calibrator."""

KIND = "howsure calibrator"

ELSEWHERE = ("vector", "isotonic")
"""Methods that scikit-learn has, and howsure does not."""

LEARNT = "Calibration {}, learnt from {:,} rows with known answers."
"""The sentence about the way and the rows of a calibrator."""

UNLESS_TRAINED_ON = "If the model was trained on these rows, none of this holds; howsure cannot know that."
"""The last sentence about each calibrator."""

AnyResult = TypeVar("AnyResult", bound=Result[Any])
AnyCalibrator = TypeVar("AnyCalibrator", bound="SavedCalibrator")


class SavedCalibrator(FittedToRows, ABC):
    """A calibrator that can be saved to a JSON file and read again.

    Attributes:
        answer: Name of the kind of answers; the part `read_calibrator` of that kind reads the file.
        learnt_rows: The rows that it has learnt from.
    """

    answer: ClassVar[str]
    learnt_rows: FittedRows

    def _marked(self, result: Result[Any], calibrated: AnyResult) -> AnyResult:
        """The calibrated result, with a mark on the rows that were learnt from; `result` as it was before."""
        learnt, before = self.learnt_rows.among(result), getattr(result, "learnt_from", None)
        return replace(calibrated, **{"learnt_from": learnt if before is None else learnt | before})

    @abstractmethod
    def in_words(self) -> str:
        """Sentences for a reader who knows no statistics."""

    def __str__(self) -> str:
        return self.in_words()

    @property
    @abstractmethod
    def _learnt_in_words(self) -> str:
        """How, and from how many rows, it was learnt: a sentence, which `in_words` has too."""

    @abstractmethod
    def _as_json(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""

    def _check(self, result: Any, expected: type[Result[Any]], names: Sequence[str]) -> None:
        """As of `FittedToRows`; rows that are calibrated already are told apart."""
        check_result(result, expected, names)
        check_not_calibrated(result)
        super()._check(result, expected, names)

    def _content(self) -> dict[str, Any]:
        """As `_as_json`, with the origin of the labelled rows."""
        return {**self._as_json(), "origin": None if self.origin is None else self.origin.as_json}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file; an earlier file stays until the new one is complete.

        The file holds the maps, and what `in_words` says. The labelled rows and their scores are not in it.

        Raises:
            FileError: The file cannot be written.

        Example:
            >>> calibrator = howsure.calibrate(howsure.assess(model, x), labels)
            >>> calibrator.save("calibrator.json")
            >>> howsure.Calibrator.load("calibrator.json").in_words() == calibrator.in_words()
            True
        """
        content = {
            "kind": KIND,
            "format": FORMAT,
            "version": importlib.metadata.version("howsure"),
            "answer": self.answer,
            **self._content(),
        }
        write_sealed(path, content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file of `save`.

        Raises:
            FileError: Missing, damaged, changed, or no saved calibrator of this kind.
        """
        calibrator = read_calibrator(path)
        if not isinstance(calibrator, cls):
            raise FileError(
                f"'{os.fspath(path)}' holds another kind of calibrator",
                expected=f"a {cls.__name__}",
                received=f"a {type(calibrator).__name__}",
            )
        return calibrator


class ScoredCalibrator(SavedCalibrator):
    """A calibrator that has scores of its labelled rows until it is saved, and their words after that too.

    Attributes:
        before: Scores of the labelled rows as they were; None if it was read from a file.
        after: Scores of the same rows calibrated, each by what folds teach that it is not in; None likewise.
        said: Sentences for a reader who knows no statistics.
        warnings: Sentences; empty if nothing is amiss.
    """

    before: Any
    after: Any
    said: str
    warnings: tuple[str, ...]

    @cached_property
    def differences(self) -> dict[str, Score]:
        """`after` less `before` of every score that both have, paired row by row.

        Raises:
            InputError: It was read from a file.
        """
        if self.before is None or self.after is None:
            raise InputError(
                "A calibrator that was read from a file does not have the scores of its labelled rows",
                expected="what howsure.calibrate gave",
                hint="`in_words()` says what they came to",
            )
        return self.after.minus(self.before)  # type: ignore[no-any-return]

    def in_words(self) -> str:
        """Sentences for a reader who knows no statistics."""
        return self.said

    def _as_json(self) -> dict[str, Any]:
        return {
            "said": self.said,
            "warnings": list(self.warnings),
            "learnt_rows": self.learnt_rows.as_json,
        }


def read_words(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `ScoredCalibrator` calibrator in a file, without scores."""
    return {
        "said": typed(str, content["said"], "said"),
        "warnings": typed(tuple[str, ...], content["warnings"], "warnings"),
        "learnt_rows": FittedRows.read(content["learnt_rows"]),
        "before": None,
        "after": None,
    }


def read_calibrator(path: str | os.PathLike[str]) -> Any:
    """The calibrator in a file, of any kind of answers.

    Raises:
        FileError: Missing, damaged, changed, or not a saved calibrator.
    """

    def parse(content: dict[str, Any]) -> Any:
        task = task_named(typed(str, content["answer"], "answer"))
        return with_origin(task.read_calibrator(content), content)

    return read_sealed(
        path,
        "calibrator",
        FORMAT,
        parse,
        written_by="`Calibrator.save`",
        again="Calibrate again",
        kind=KIND,
    )


def with_origin(calibrator: AnyCalibrator, content: Mapping[str, Any]) -> AnyCalibrator:
    """A calibrator that was read from such content of a file, with its origin."""
    saved = content.get("origin")
    return calibrator if saved is None else replace(calibrator, origin=Origin.read(saved))


def check_method(method: object, methods: Sequence[str | None]) -> None:
    """Raise an `InputError` unless this is the name of a method of calibration."""
    if isinstance(method, str) and method in ELSEWHERE:
        raise InputError(
            f"howsure does not calibrate by '{method}'",
            expected=f"one of {', '.join(repr(name) for name in methods if name)}",
            received=repr(method),
            hint="Calibrate the probabilities with scikit-learn, and let howsure read the new ones: "
            "docs/calibrate.md shows how, under 'Other calibrators'",
        )
    check_choice(method, methods, "method")


def check_not_calibrated(result: Any, hint: str | None = None) -> None:
    """Raise an `InputError` with a hint for rows that are calibrated already, or decided by rules."""
    if {"calibration", DECIDED} & result.method.keys():
        raise InputError(
            "These rows are calibrated already",
            expected=f"a `{type(result).__name__}` as the model gave it",
            received="one that a calibrator or rules have changed",
            hint=hint,
        )


TOO_FEW = "too few labelled rows to calibrate with"
"""The words of an error about fewer rows than calibration needs."""


def check_rows(rows: int, classes: int = 0) -> None:
    """Raise an `InputError` unless there are two labelled rows for each fold, and one for each class."""
    least = max(classes, 2 * FOLDS)
    if rows < least:
        raise InputError(
            upper(TOO_FEW),
            expected=f"at least {least}, for {f'{classes} classes and ' if classes else ''}{FOLDS} folds",
            received=rows,
            hint="Label more rows",
        )


def scores_as_json(scores: Mapping[str, Score]) -> dict[str, list[float | str | None]]:
    """Scores by name as JSON can hold them: value and ends, None if one is not known, `inf` as a text."""

    def as_json(end: float) -> float | str | None:
        return None if math.isnan(end) else end if math.isfinite(end) else str(end)

    return {
        name: [as_json(end) for end in (score.value, score.low, score.high)] for name, score in scores.items()
    }


def read_rows_and_names(content: Mapping[str, Any], of: str) -> tuple[int, tuple[str, ...]]:
    """How many rows a calibrator has learnt from, and the names of its classes or targets.

    Args:
        content: Content of the file.
        of: Kind of the names: `class` or `target`.
    """
    rows: int = typed(Annotated[int, COUNT], content["rows"], "rows")
    return rows, read_names(typed(tuple[str, ...], content[f"{of}_names"], f"{of}_names"), of)


def read_names(names: Sequence[str], of: str) -> tuple[str, ...]:
    """One name or more, all different."""
    if not names:
        raise InputError(f"There are no {of} names", expected="one or more")
    return check_names(names, of, f"The {of} names")


def read_scores(
    content: Any,
    field: str,
    names: Iterable[str] | None = None,
    limits: Meta = FINITE,
    known: bool = False,
) -> dict[str, Score]:
    """Scores by name, from three ends each: the inverse of `scores_as_json`.

    Args:
        content: The content of the file.
        field: Place in the file, for messages.
        names: Names of the scores. Default: all that are there.
        limits: Range of their values.
        known: Whether no value may be NaN, and the ends of intervals lie within the limits too.
    """
    listed, scores = typed(Mapping[str, tuple[Any, Any, Any]], content, field), dict[str, Score]()
    for name in listed if names is None else names:
        if name not in listed:
            raise InputError(f"`{field}.{name}` is missing", expected="all that is saved")
        ends = [_end(end, f"{field}.{name}") for end in listed[name]]
        checked = ends[:1] if known else [end for end in ends[:1] if math.isfinite(end)]
        checked += [end for end in ends[1:] if known and math.isfinite(end)]
        typed(tuple[Annotated[float, limits], ...], checked, f"{field}.{name}")
        scores[name] = Score(*ends)
    return scores


def _end(end: Any, field: str) -> float:
    if end is None or (isinstance(end, str) and end in ("inf", "-inf")):
        return math.nan if end is None else float(end)
    return float(typed(float, end, field))
