"""Parts of a comparison for results of one class per row: true classes, scores, calibration and words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from howsure.answers.classes.calibrate import cross_calibrated
from howsure.answers.classes.comparison_words import CLASS_WORDS
from howsure.answers.classes.evaluate import beside, evaluate_numbers, told_apart
from howsure.answers.classes.parts import claims, parts
from howsure.answers.classes.result import Certainty
from howsure.answers.classes.scores import METRICS
from howsure.answers.classes.truth import truth_of
from howsure.compare.protocol import Comparing
from howsure.data.labels import check_labels, misread
from howsure.data.rows import quoted
from howsure.errors import InputError
from howsure.judge.scores import SMALLEST
from howsure.methods.choices import CHOICES
from howsure.results.columns import WIDE
from howsure.sampling.outcome import Floats, Integers


def _truth(labels: Any, rows: int, probe: Certainty) -> Integers:
    truth = check_labels(labels, rows, len(probe.class_names), probe.class_names)
    if np.size(labels) == len(truth):
        seen = slice(len(probe))
        wrong = misread(np.ravel(labels)[seen], truth[seen], probe.label, probe.class_names)
        if wrong is not None:
            raise wrong
    return truth


def _aligned(name: str, result: Certainty, first: str, baseline: Certainty) -> Certainty:
    """A result with its classes in the order of the baseline's, by their names."""
    names = baseline.class_names
    if result.class_names == names:
        return result
    if sorted(result.class_names) != sorted(names):
        raise InputError(
            f"'{name}' has other classes than '{first}'",
            expected=quoted(names),
            received=quoted(result.class_names),
        )
    order = [result.class_names.index(each) for each in names]
    wide = [each.name for each in result.columns if each.shape == WIDE and each.stored]
    there = {column: getattr(result, column) for column in wide}
    truth = None if result.truth is None else np.argsort(order)[result.truth]
    turned: Any = {column: values[:, order] for column, values in there.items() if values is not None}
    return replace(result, class_names=names, truth=truth, **turned)


def _alone(p: Floats, truth: Integers, rows: Integers) -> tuple[Floats, Floats]:
    wrong = p.argmax(axis=1) != truth[rows]
    return -np.log(np.maximum(p[np.arange(len(rows)), truth[rows]], SMALLEST)), wrong.astype(np.float64)


COMPARING = Comparing(
    truth=_truth,
    known=truth_of,
    aligned=_aligned,
    scored=evaluate_numbers,
    beside=beside,
    familiar=told_apart,
    calibrated=cross_calibrated,
    parts=parts,
    claims=claims,
    alone=_alone,
    mistakes=lambda result, truth: int(np.sum(result.label != truth)),
    metrics=METRICS,
    plain=CHOICES[0].name,
    needs="true classes",
    words=CLASS_WORDS,
)
