"""Parts of a comparison for results of one class per row: true classes, scores, calibration and words.

`howsure.compare.parts` says what the worth of percentages is, part by part.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from howsure.compare.comparison import Comparing, order_of
from howsure.compare.parts import Claims, Parts, at_best, of_scale
from howsure.evaluation.score import SMALLEST, Mean
from howsure.evaluation.temperature import least, losses
from howsure.inputs.labels import check_labels, error_if_misread
from howsure.methods.plain import SOFTMAX
from howsure.results.columns import WIDE, WIDE_AT_LEVELS, WIDE_OF_NETWORKS
from howsure.results.result import Result
from howsure.sampling.outcome import Floats, Integers
from howsure.tasks.classification.calibrate import cross_calibrated
from howsure.tasks.classification.comparison_words import CLASS_WORDS
from howsure.tasks.classification.evaluate import Evaluation, beside, evaluate_numbers
from howsure.tasks.classification.result import Certainty
from howsure.tasks.classification.scores import METRICS
from howsure.tasks.truth import truth_of

BY_NAME = (WIDE, WIDE_AT_LEVELS, WIDE_OF_NETWORKS)
"""Shapes of columns with a value for each name."""

R = TypeVar("R", bound=Result[Any])


def parts(result: Certainty, truth: Integers, evaluation: Evaluation) -> Parts:
    """The parts of the NLL of (N, K) probabilities, at q ∝ p^(1/T) for the best temperature T."""
    nll = evaluation.measured("nll")
    logs = np.log(np.maximum(np.asarray(result.probabilities, dtype=np.float64), SMALLEST))
    of_true = logs[np.arange(len(logs)), truth]
    (beta,), best = least(lambda theta: losses(theta, logs, of_true), np.ones(1))
    loss, slope, curvature = best.value, best.slope[:, 0], best.curvature[:, 0, 0]
    right = (result.label == truth).astype(np.float64)
    return Parts(
        nll=nll,
        best=at_best(loss, slope, curvature, nll.mistakes),
        plain=of_shares(right, logs.shape[1], nll.mistakes),
        scale=of_scale(-np.log(beta), -beta * slope, beta**2 * curvature, nll.mistakes),
    )


def of_shares(right: Floats, classes: int, mistakes: int) -> Mean:
    """The NLL of saying of every answer that it is right as often as all are, and each other class alike.

    Args:
        right: (N,) 0 or 1, or the share of positions that are right.
        classes: K.
        mistakes: How many rows decide the score.
    """
    share = float(np.mean(right))
    if not 0 < share < 1:
        lost = 0.0 if share else np.log(max(classes - 1, 1))
        return Mean(lost, np.zeros(len(right)), mistakes)
    losses = -right * np.log(share) - (1 - right) * np.log((1 - share) / max(classes - 1, 1))
    slopes, curvature = right - share, share * (1 - share)  # in the log-odds
    return at_best(losses, slopes, np.full(len(right), curvature), mistakes)


def claims(result: Certainty, truth: Integers, evaluation: Evaluation) -> Claims:
    """Percentages of the labels beside how often they are right."""
    del evaluation
    return Claims(float(np.mean(result.probability, dtype=np.float64)), float(np.mean(result.label == truth)))


def _truth(labels: Any, rows: int, probe: Certainty) -> Integers:
    truth = check_labels(labels, rows, len(probe.class_names), probe.class_names)
    if np.size(labels) == len(truth):
        probe_rows = slice(len(probe))
        wrong = error_if_misread(
            np.ravel(labels)[probe_rows], truth[probe_rows], probe.label, probe.class_names
        )
        if wrong is not None:
            raise wrong
    return truth


def in_order_of(name: str, result: R, first: str, baseline: R, what: str) -> R:
    """A result with its classes, or whatever its columns are of, in the order of the baseline's, by names.

    Args:
        name: Name of the result in the comparison.
        result: The result.
        first: Name of the baseline.
        baseline: Its result.
        what: The word for them, in the plural.
    """
    names = getattr(baseline, baseline.names)
    order = order_of(names, getattr(result, result.names), f"'{name}' has other {what} than '{first}'")
    if order is None:
        return result
    wide = [column.name for column in result.columns if column.shape in BY_NAME and column.stored]
    of_columns = {column: getattr(result, column) for column in wide}
    turned: Any = {column: values[:, order] for column, values in of_columns.items() if values is not None}
    if isinstance(result, Certainty) and result.truth is not None:
        turned["truth"] = np.argsort(order)[result.truth]
    return replace(result, **{result.names: names}, **turned)


def _alone(p: Floats, truth: Integers, rows: Integers) -> tuple[Floats, Floats]:
    wrong = p.argmax(axis=1) != truth[rows]
    return -np.log(np.maximum(p[np.arange(len(rows)), truth[rows]], SMALLEST)), wrong.astype(np.float64)


COMPARING = Comparing(
    truth=_truth,
    known=truth_of,
    aligned=partial(in_order_of, what="classes"),
    scored=evaluate_numbers,
    beside=beside,
    calibrated=cross_calibrated,
    parts=parts,
    claims=claims,
    alone=_alone,
    mistakes=lambda result, truth: int(np.sum(result.label != truth)),
    metrics=METRICS,
    plain=SOFTMAX,
    needs="true classes",
    words=CLASS_WORDS,
)
