"""What a `Calibrator` learnt, and what that was worth, as plain texts, numbers, lists and dicts, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.answers.classes import maps
from howsure.answers.classes.evaluate import Evaluation
from howsure.answers.classes.maps import Parameters
from howsure.data.labels import check_names
from howsure.judge.scores import Score

if TYPE_CHECKING:
    from howsure.answers.classes.calibrate import Calibrator

# --- to JSON ------------------------------------------------------------------------------------------


def plain(calibrator: Calibrator) -> dict[str, Any]:
    """A calibrator as JSON can hold it."""
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


def plain_read(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `Calibrator` from what `plain` made; an error where it is none."""
    method, rows = content["method"], int(content["rows"])
    names = check_names(content["class_names"], "class", "The class names")
    if method not in maps.METHODS:
        raise ValueError(f"howsure has no method '{method}'")
    return {
        "method": method,
        "parameters": _parameters(method, content["parameters"], len(names)),
        "replicas": tuple(_parameters(method, each, len(names)) for each in content["replicas"]),
        "rows": rows,
        "class_names": names,
        "before": _evaluation(content, "before", rows, names),
        "after": _evaluation(content, "after", rows, names),
        "warnings": tuple(map(str, content["warnings"])),
    }


def _evaluation(content: Mapping[str, Any], name: str, rows: int, names: tuple[str, ...]) -> Evaluation:
    """Scores before or after, with what is told of true classes where the file has it."""
    told = content.get("by_class", {}).get(name)
    if told is not None:
        recall = read_scores(dict(zip(names, told["recall"], strict=True)))
        counts = {each: int(count) for each, count in zip(names, told["rows_of_class"], strict=True)}
        shares = read_scores({each: told[each] for each in ("constant_accuracy", "accuracy_gain")})
        most = str(told["most_frequent"])
        told = {"most_frequent": most, **shares, "recall": recall, "rows_of_class": counts}
    return Evaluation.read(rows, len(names), read_scores(content[name]), told)


def _parameters(method: str, given: Mapping[str, Any], classes: int) -> Parameters:
    """Read-only arrays of the shapes that a method has, or a ValueError."""
    arrays = {name: np.array(value, dtype=np.float64) for name, value in given.items()}
    shapes: dict[str, tuple[int, ...]] = {"most": (), "strength": (), "temperature": ()}
    shapes |= {"weights": (classes,), "intercepts": (classes,)}
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


def read_scores(given: Mapping[str, Any]) -> dict[str, Score]:
    """Scores by name, from three ends each."""
    return {
        name: Score(*(math.nan if end is None else float(end) for end in ends))
        for name, ends in given.items()
    }
