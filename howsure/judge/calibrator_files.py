"""Calibrators as JSON files: what they learnt, and what that was worth, without the rows they learnt from."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import math
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from howsure.arguments import check_path
from howsure.atomic import write_whole
from howsure.data.labels import check_names
from howsure.data.reading import of_content
from howsure.errors import FileError
from howsure.judge import maps
from howsure.judge.evaluate import Evaluation
from howsure.judge.maps import Parameters
from howsure.judge.scores import Score

if TYPE_CHECKING:
    from howsure.judge.calibrate import Calibrator, MultilabelCalibrator

FORMAT = 1
"""Of a saved calibrator."""

KIND = "howsure calibrator"


class Kept:
    """What can be written to a JSON file and read again."""

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
            **_plain(self),
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


def read_calibrator(path: str | os.PathLike[str]) -> Calibrator | MultilabelCalibrator:
    """The calibrator in a file, of one class per row or of several labels.

    Args:
        path: Of the file.

    Raises:
        FileError: Missing, damaged, changed, or no saved calibrator.
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
            return _made(content)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise FileError(
            f"'{source}' is not a saved calibrator ({of_content(error)})",
            expected="a file written by `Calibrator.save` or `howsure calibrate --out`",
            mend="If it was one, it is damaged: calibrate again",
        ) from error
    raise FileError(
        f"'{source}' is in a format that this version of howsure does not know",
        expected=f"format {FORMAT}",
        received=found,
        mend="Calibrate again, or update howsure",
    )


def _digest(content: Mapping[str, Any]) -> str:
    """The SHA-256 of what is in a file, whatever lines it is written in."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


# --- to JSON ------------------------------------------------------------------------------------------


def _plain(calibrator: Any) -> dict[str, Any]:
    if hasattr(calibrator, "of_label"):
        return {"of_label": {name: _plain(each) for name, each in calibrator.of_label.items()}}
    return {
        "method": calibrator.method,
        "class_names": list(calibrator.class_names),
        "rows": calibrator.rows,
        "parameters": _listed(calibrator.parameters),
        "replicas": [_listed(each) for each in calibrator.replicas],
        "before": _scores(calibrator.before),
        "by_class": {name: _by_class(getattr(calibrator, name)) for name in ("before", "after")},
        "after": _scores(calibrator.after),
        "differences": {name: _ends(score) for name, score in calibrator.differences.items()},
        "warnings": list(calibrator.warnings),
    }


def _listed(parameters: Parameters) -> dict[str, Any]:
    return {name: np.asarray(array).tolist() for name, array in parameters.items()}


def _scores(evaluation: Evaluation) -> dict[str, Any]:
    return {name: _ends(getattr(evaluation, name)) for name in _NAMES}


def _by_class(evaluation: Evaluation) -> dict[str, Any] | None:
    """What is told of true classes, which files that are older do not have."""
    if evaluation.constant_accuracy is None or evaluation.accuracy_gain is None:
        return None
    return {
        "most_frequent": evaluation.most_frequent,
        "constant_accuracy": _ends(evaluation.constant_accuracy),
        "accuracy_gain": _ends(evaluation.accuracy_gain),
        "recall": [_ends(score) for score in evaluation.recall.values()],
        "rows_of_class": list(evaluation.rows_of_class.values()),
    }


def _ends(score: Score) -> list[float | None]:
    return [None if math.isnan(end) else end for end in (score.value, score.low, score.high)]


_NAMES = tuple(each.name for each in fields(Evaluation) if each.type == "Score")


# --- from JSON ----------------------------------------------------------------------------------------


def _made(content: Mapping[str, Any]) -> Calibrator | MultilabelCalibrator:
    from howsure.judge.calibrate import MultilabelCalibrator

    if "of_label" in content:
        return MultilabelCalibrator({name: _calibrator(each) for name, each in content["of_label"].items()})
    return _calibrator(content)


def _calibrator(content: Mapping[str, Any]) -> Calibrator:
    from howsure.judge.calibrate import Calibrator

    method, rows = content["method"], int(content["rows"])
    names = check_names(content["class_names"], "class", "The class names")
    if method not in maps.METHODS:
        raise ValueError(f"the method '{method}'")
    calibrator = Calibrator(
        method=method,
        parameters=_parameters(method, content["parameters"], len(names)),
        replicas=tuple(_parameters(method, each, len(names)) for each in content["replicas"]),
        rows=rows,
        class_names=names,
        before=_evaluation(content, "before", rows, names),
        after=_evaluation(content, "after", rows, names),
        warnings=tuple(map(str, content["warnings"])),
    )
    vars(calibrator)["differences"] = _read(content["differences"])  # which the rows are needed for
    return calibrator


def _evaluation(content: Mapping[str, Any], name: str, rows: int, names: tuple[str, ...]) -> Evaluation:
    """Scores before or after, with what is told of true classes where the file has it."""
    told = content.get("by_class", {}).get(name)
    if told is not None:
        recall = _read(dict(zip(names, told["recall"], strict=True)))
        counts = {each: int(count) for each, count in zip(names, told["rows_of_class"], strict=True)}
        shares = _read({each: told[each] for each in ("constant_accuracy", "accuracy_gain")})
        most = str(told["most_frequent"])
        told = {"most_frequent": most, **shares, "recall": recall, "rows_of_class": counts}
    return Evaluation.read(rows, len(names), _read(content[name]), told)


def _parameters(method: str, given: Mapping[str, Any], classes: int) -> Parameters:
    """Read-only arrays of the shapes that a method has, or a ValueError."""
    arrays = {name: np.array(value, dtype=np.float64) for name, value in given.items()}
    shapes: dict[str, tuple[int, ...]] = {"most": (), "strength": (), "temperature": ()}
    shapes |= {"weights": (classes, classes) if method == "dirichlet" else (classes,)}
    shapes |= {"intercepts": (classes,)}
    for name in maps.NEEDED[method]:
        array = arrays[name]
        corners = method == "isotonic" and array.ndim == 2 and array.shape[0] == classes
        if not corners and array.shape != shapes.get(name):
            raise ValueError(f"`{name}` of shape {array.shape}")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"`{name}` is not finite")
        array.flags.writeable = False
    return arrays


def _read(given: Mapping[str, Any]) -> dict[str, Score]:
    return {
        name: Score(*(math.nan if end is None else float(end) for end in ends))
        for name, ends in given.items()
    }
