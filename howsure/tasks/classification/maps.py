"""Maps of probabilities to calibrated ones: what they do to errors, and how they are fitted.

A method of calibration is one `PercentageMap` in `METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import Meta

from howsure.evaluation.cross_fit import FOLDS
from howsure.evaluation.score import SMALLEST
from howsure.evaluation.temperature import least, losses
from howsure.inputs.typed_json import SHARE
from howsure.onnx import softmax
from howsure.sampling.outcome import Floats, Integers
from howsure.statistics import LARGEST_ERROR

Parameters = Mapping[str, Floats]

LIMIT = 20.0
"""The temperature lies in [1/20, 20]: where every row is right, nothing else would stop a fit."""

SLOPED = ("nll", "brier")
"""Scores that change smoothly with a temperature."""

NUMBERS_AT_ONCE = 2**20
"""Slopes held at a time; bounds memory."""


# --- the map: (N, K) probabilities to (N, K) probabilities --------------------------------------------


def _log(probabilities: Any) -> Any:
    """Logarithms, of at least `SMALLEST`: the floor that the NLL has as well."""
    return np.log(np.maximum(probabilities, SMALLEST))


def supported(rows: int) -> float:
    """The largest probability that so many labelled rows support, (n + 1) / (n + 2).

    After n right answers in n, the rule of succession gives that to the next one (Laplace 1774).
    """
    return (rows + 1) / (rows + 2)


def mapped(parameters: Parameters, probabilities: Any) -> Any:
    """softmax(log p / T); every row sums to 1, and none is above `most`, if the parameters have it.

    To that end a small part of every probability is spread evenly over the classes, which keeps their order.
    An exported graph is traced from this formula.
    """
    q, classes = softmax(_log(probabilities) / parameters["temperature"]), probabilities.shape[-1]
    even = (1 - float(parameters.get("most", 1.0))) / (classes - 1)
    return (1 - classes * even) * q + even


# --- fitting it ---------------------------------------------------------------------------------------


def fitted(
    p: Floats, truth: Integers, weight: Floats | None = None, start: Parameters | None = None
) -> Parameters:
    """`temperature` of least NLL and `most`, for probabilities (N, K), true classes (N,) and weights (N,).

    A fit to nearly the same rows is a `start` that saves passes over them.
    """
    weight = np.ones(len(p)) if weight is None else weight
    z = _log(p)
    of_target = _of_target(p, z, truth)
    first = np.ones(1) if start is None else _theta(start)
    theta, _ = least(lambda theta: losses(theta, z, of_target).weighted(weight), first, LIMIT)
    return _parameters(theta, len(p))


def _parameters(theta: Floats, rows: int) -> Parameters:
    return {"temperature": np.asarray(1 / theta[0]), "most": np.asarray(supported(rows))}


def _theta(fit: Parameters) -> Floats:
    return np.array([1 / float(fit["temperature"])])


def _of_target(p: Floats, z: Floats, truth: Integers) -> Floats:
    """(N,) Σ target · log p of z = log p, by the targets (N, K) that a fit is to come near.

    A target is the truth, and a mistake's worth of what the model says itself.

    The model counts as N / max(m, Σ (1 − top), 1) rows, spread over all, where m of the N are mistakes: as
    many as hold one mistake, by what was seen or by what it claims, whichever is more. So few mistakes, or
    none, leave the percentages near the model's own: a prior that sits where nothing changes (catalytic
    prior, Huang and others 2020), with as much weight as the one mistake that the rule of succession adds.
    """
    rows, top, total = np.arange(len(p)), p.argmax(axis=1), p.sum(axis=1)
    mistakes, claimed = np.sum(top != truth), np.sum(1 - p[rows, top] / total)
    weight = 1 / max(mistakes, claimed, 1.0)
    of_model = np.einsum("nk,nk->n", p, z) / total
    return np.asarray((z[rows, truth] + weight * of_model) / (1 + weight))


def folds(truth: Integers, seed: int) -> Integers:
    """(N,) the fold of each row; every class is spread over all of them."""
    fold = np.empty(len(truth), dtype=np.int64)
    fold[np.lexsort((np.random.default_rng(seed).random(len(truth)), truth))] = np.arange(len(truth)) % FOLDS
    return fold


# --- what rows do to a temperature, and a temperature to scores ----------------------------------------


def moves(fit: Parameters, p: Floats, truth: Integers) -> Floats:
    """(N,) by how much each row that a temperature T is fitted to moves 1/T, were there more of it.

    To first order, −u / Σ ∂u/∂θ with the slope u of the objective (Hampel 1974); 0 at the limits of T.
    """
    if abs(np.log(fit["temperature"])) > np.log(LIMIT) - 1e-6:
        return np.zeros(len(p))
    z = _log(p)
    q = softmax(z / fit["temperature"])
    mean = np.einsum("nk,nk->n", q, z)
    u = mean - _of_target(p, z, truth)
    return np.asarray(-u / (np.einsum("nk,nk,nk->", q, z, z) - np.sum(mean**2)))


def slopes(fit: Parameters, p: Floats, truth: Integers) -> Floats:
    """(2, 2, N) first and second derivative by 1/T of the scores `SLOPED` of each row."""
    z, at = _log(p), np.arange(len(p))
    q = softmax(z / fit["temperature"])
    share = 1 - p.shape[1] * (1 - fit.get("most", 1.0)) / (p.shape[1] - 1)
    away = z - np.sum(q * z, axis=1, keepdims=True)
    once = share * q * away
    twice = share * q * (away**2 - np.sum(q * away**2, axis=1, keepdims=True))
    off = mapped(fit, p)
    of_true = off[at, truth]
    off[at, truth] -= 1
    rising, bending = once[at, truth] / of_true, twice[at, truth] / of_true
    of_brier = 2 * np.sum(off * once, axis=1), 2 * np.sum(once**2 + off * twice, axis=1)
    return np.array([(-rising, rising**2 - bending), of_brier])


@dataclass(frozen=True)
class PercentageMap:
    """A method of calibration of percentages.

    Attributes:
        name: Name in `howsure.calibrate` and in files.
        learnt: By name of what it learns, the shape for K classes, as `()` or `(K,)`, and the range.
        fit: From probabilities (N, K), true classes (N,), weights (N,) or None, and a fit to nearly the same
            rows or None, to such numbers.
        apply: From such numbers and probabilities (N, K) to calibrated ones, in functions that a graph has.
        moves: From a fit and the rows that it knows to how far each moves it: (N,), or (N, P) of P numbers.
        slopes: From a fit and rows to the derivatives (2, 2, N), or (2, 2, N, P), of the scores `SLOPED`.
    """

    name: str
    learnt: Callable[[int], Mapping[str, tuple[tuple[int, ...], Meta]]]
    fit: Callable[..., Parameters]
    apply: Callable[[Parameters, Any], Any]
    moves: Callable[[Parameters, Floats, Integers], Floats]
    slopes: Callable[[Parameters, Floats, Integers], Floats]


TEMPERATURE = PercentageMap(
    "temperature",
    lambda classes: {"temperature": ((), Meta(ge=1 / LIMIT, le=LIMIT)), "most": ((), SHARE)},
    *(fitted, mapped, moves, slopes),
)

METHODS = {method.name: method for method in (TEMPERATURE,)}


# --- what a map does to errors ------------------------------------------------------------------------


def propagated(change: Callable[[Floats], Floats], p: Floats, error: Floats) -> Floats:
    """(N, K) standard errors of change(p), from those of p, by the delta method under Σ dp = 0.

    To a class i, the others give back what it gains, each in proportion to its variance, and vary by the rest
    without correlation: dp_a = −ω_a dp_i + e_a, with ω_a = σ_a² / Σ_{b≠i} σ_b². With slopes J_ia = ∂q_i/∂p_a
    and c_i = Σ_{a≠i} ω_a J_ia,

        var q_i = (J_ii − c_i)² σ_i² + Σ_{a≠i} (J_ia − c_i)² max(σ_a² − ω_a² σ_i², 0).

    Exact for two classes, and for any K where nothing changes; adding a constant to all slopes of a class
    changes nothing, as it must where probabilities sum to 1. Slopes are those of chords from p_a − σ_a, or 0,
    to p_a + σ_a: a derivative says nothing if it changes within an error, near 0 and at corners.
    """
    classes = p.shape[1]
    eye = np.eye(classes)
    at_once = max(NUMBERS_AT_ONCE // classes**2, 1)
    errors = np.empty_like(p)
    for start in range(0, len(p), at_once):
        rows = slice(start, start + at_once)
        # Axes: rows, the class a that moves, the class i that is looked at.
        up, down = error[rows, :, None], np.minimum(error, p)[rows, :, None]
        changed_up, back = (
            change((p[rows, None, :] + step * eye).reshape(-1, classes)).reshape(-1, classes, classes)
            for step in (up, -down)
        )
        slope = (changed_up - back) / np.where(up > 0, up + down, 1.0)
        variance = error[rows] ** 2
        moved, looked_at = variance[:, :, None], variance[:, None, :]
        others = np.einsum("nb,bi->ni", variance, 1 - eye)[:, None, :]
        given_back = moved * (1 - eye) / np.where(others > 0, others, 1.0)
        tilted = slope - np.sum(given_back * slope, axis=1, keepdims=True)
        rest = np.maximum(moved - given_back**2 * looked_at, 0.0)
        errors[rows] = np.sqrt(np.sum(tilted**2 * np.where(eye == 1, moved, rest), axis=1))
    return np.minimum(errors, LARGEST_ERROR)
