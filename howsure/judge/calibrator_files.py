"""Calibrators as JSON files: what they learnt and their scores, without the rows they learnt from."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from howsure.answers.registry import named
from howsure.arguments import check_path
from howsure.atomic import write_whole
from howsure.data.reading import of_content
from howsure.errors import FileError, InputError
from howsure.judge.learnt import LearntRows
from howsure.judge.scores import Score
from howsure.results.columns import Result

FORMAT = 2
"""Of a saved calibrator."""

KIND = "howsure calibrator"

AnyResult = TypeVar("AnyResult", bound=Result[Any])


class Kept(ABC):
    """A calibrator that can be saved to a JSON file and read again.

    Attributes:
        answer: Name of the kind of answers that it calibrates. The part `read_calibrator` of that kind reads
            it.
        learnt_rows: The rows that it has learnt from; None where an older file does not say.
    """

    answer: ClassVar[str]
    learnt_rows: LearntRows | None

    def _marked(self, result: Result[Any], calibrated: AnyResult) -> AnyResult:
        """The calibrated result, with a mark on the rows that were learnt from; `result` as it was before."""
        known: Any = None if self.learnt_rows is None else self.learnt_rows.among(result)
        before = getattr(result, "learnt_from", None)
        both = before if known is None else known if before is None else known | before
        return replace(calibrated, **{"learnt_from": both})

    @abstractmethod
    def _plain(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file; an earlier file stays until the new one is complete.

        Kept are the maps, their replicas, and what they were worth. The labelled rows are not in it.

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
            **self._plain(),
        }
        text = json.dumps({**content, "sha256": _digest(content)}, indent=1, allow_nan=False) + "\n"
        write_whole(path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises:
            FileError: Missing, damaged, changed, or no saved calibrator of this kind.
        """
        found = read_calibrator(path)
        if not isinstance(found, cls):
            raise FileError(
                f"'{os.fspath(path)}' holds another kind of calibrator",
                expected=f"a {cls.__name__}",
                received=f"a {type(found).__name__}",
            )
        return found


def read_calibrator(path: str | os.PathLike[str]) -> Any:
    """The calibrator in a file, of any kind of answers.

    Raises:
        FileError: Missing, damaged, changed, or not a saved calibrator.
    """
    source = check_path(path)
    try:
        raw = source.read_bytes()
    except OSError as error:
        raise FileError(f"Cannot read the calibrator '{source}' ({error.strerror or error})") from error
    try:
        content = json.loads(raw.decode("utf-8"))
        if content["kind"] != KIND:
            raise ValueError("it is something else")
        found = content["format"]
        if found == FORMAT:
            if content.pop("sha256") != _digest(content):
                raise ValueError("it is not what was saved")
            return named(content["answer"]).part("read_calibrator")(content)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise FileError(
            f"'{source}' is not a saved calibrator ({of_content(error)})",
            expected="a file written by `Calibrator.save` or `howsure calibrate --out`",
            hint="If it was one, it is damaged: calibrate again",
        ) from error
    raise FileError(
        f"'{source}' is in a format that this version of howsure does not know",
        expected=f"format {FORMAT}",
        received=found,
        hint="Calibrate again, or update howsure",
    )


def check_not_calibrated(result: Any) -> None:
    """Raise an `InputError` for rows that are calibrated already."""
    if "calibration" in result.method:
        raise InputError(
            "These rows are calibrated already", expected=f"a `{type(result).__name__}` as the model gave it"
        )


def check_rows(rows: int, folds: int, classes: int = 0) -> None:
    """Raise an `InputError` unless there are two labelled rows for each fold, and one for each class."""
    least = max(classes, 2 * folds)
    if rows < least:
        raise InputError(
            "Too few labelled rows to calibrate with",
            expected=f"at least {least}, for {f'{classes} classes and ' if classes else ''}{folds} folds",
            received=rows,
            hint="Label more rows",
        )


def plain_scores(scores: Mapping[str, Score]) -> dict[str, list[float | str | None]]:
    """Scores by name as JSON can hold them: value and ends, None where one is not known, `inf` as a text."""

    def plain(end: float) -> float | str | None:
        return None if math.isnan(end) else end if math.isfinite(end) else str(end)

    return {
        name: [plain(end) for end in (score.value, score.low, score.high)] for name, score in scores.items()
    }


def read_scores(given: Mapping[str, Any]) -> dict[str, Score]:
    """Scores by name, from three ends each."""
    return {
        name: Score(*(math.nan if end is None else float(end) for end in ends))
        for name, ends in given.items()
    }


def _digest(content: Mapping[str, Any]) -> str:
    """The SHA-256 of the content of a file; its line breaks do not count."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
