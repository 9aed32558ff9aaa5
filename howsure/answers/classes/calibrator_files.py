"""What a `Calibrator` learnt, and its scores, as plain texts, numbers, lists and dicts, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from howsure.answers.classes import maps
from howsure.answers.classes.evaluate import Evaluation
from howsure.answers.classes.maps import Parameters
from howsure.data.labels import check_names
from howsure.judge.calibrator_files import plain_scores, read_scores
from howsure.judge.learnt import LearntRows, plain_rows
from howsure.judge.paired import Paired

if TYPE_CHECKING:
    from howsure.answers.classes.calibrate import Calibrator

_SCORES = tuple(each.name for each in fields(Evaluation) if each.type == "Score")


def plain(calibrator: Calibrator) -> dict[str, Any]:
    """A calibrator as JSON can hold it."""
    return {
        "method": calibrator.method,
        "class_names": list(calibrator.class_names),
        "rows": calibrator.rows,
        "parameters": _listed(calibrator.parameters),
        "replicas": [_listed(each) for each in calibrator.replicas],
        "before": _plain_evaluation(calibrator.before),
        "after": _plain_evaluation(calibrator.after),
        "differences": plain_scores(calibrator.differences),
        "warnings": list(calibrator.warnings),
        "learnt_rows": plain_rows(calibrator.learnt_rows),
    }


def _listed(parameters: Parameters) -> dict[str, Any]:
    return {name: np.asarray(array).tolist() for name, array in parameters.items()}


def _plain_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    return {
        **plain_scores({name: getattr(evaluation, name) for name in _SCORES}),
        "most_frequent": evaluation.most_frequent,
        "recall": plain_scores(evaluation.recall),
        "rows_of_class": dict(evaluation.rows_of_class),
    }


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
        "before": _evaluation(content["before"], rows, names),
        "after": _evaluation(content["after"], rows, names),
        "warnings": tuple(map(str, content["warnings"])),
        "learnt_rows": LearntRows.read(content.get("learnt_rows")),
    }


def _evaluation(given: Mapping[str, Any], rows: int, names: tuple[str, ...]) -> Evaluation:
    """Scores without their rows, so that nothing can be compared with them row by row."""
    scores: dict[str, Any] = read_scores({name: given[name] for name in _SCORES})
    return Evaluation(
        rows=rows,
        most_frequent=str(given["most_frequent"]),
        recall=read_scores({name: given["recall"][name] for name in names}),
        rows_of_class={name: int(given["rows_of_class"][name]) for name in names},
        **scores,
        _found=Paired({}),
    )


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
