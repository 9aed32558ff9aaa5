"""Maps of probabilities to calibrated ones: what they do to errors, and how they are fitted.

All methods of calibration are one map, of which they learn these numbers or those: see `METHODS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from msgspec import Meta

from howsure.evaluation.cross_fit import FOLDS
from howsure.evaluation.score import SMALLEST
from howsure.evaluation.temperature import Losses, least, losses, squares
from howsure.inputs.typed_json import FINITE, SHARE
from howsure.onnx import softmax
from howsure.sampling.outcome import Floats, Integers
from howsure.statistics import LARGEST_ERROR

Parameters = Mapping[str, Floats]

LIMIT = 20.0
"""The temperature lies in [1/20, 20]: where every row is right, nothing else would stop a fit."""

AUTO, TEMPERATURE = "auto", "temperature"

METHODS = {TEMPERATURE: ("temperature",), "offsets": ("offsets",), "both": ("temperature", "offsets")}
"""By method the parameters that it learns, the simplest first; with `auto`, held-out rows choose one."""

SLOPED = ("nll", "brier")
"""Scores that change smoothly with what is learnt."""

FAR = 100.0
"""An offset beyond which its prior does not rise any more; Newton's method never takes such a step."""

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


def ranges(method: str, classes: int) -> Mapping[str, tuple[tuple[int, ...], Meta]]:
    """Shapes and ranges of the parameters that a method has for so many classes, by name."""
    of_all = {
        "temperature": ((), Meta(ge=1 / LIMIT, le=LIMIT)),
        "offsets": ((classes,), FINITE),
        "most": ((), SHARE),
    }
    return {name: of_all[name] for name in (*METHODS[method], "most")}


def mapped(parameters: Parameters, probabilities: Any) -> Any:
    """softmax(log p / T + b); every row sums to 1, and none is above `most`, if the parameters have it.

    Without a temperature T is 1, and without offsets b is 0.

    To that end a small part of every probability is spread evenly over the classes, which keeps their order.
    An exported graph is traced from this formula.
    """
    scores = _log(probabilities) / parameters.get("temperature", 1.0)
    if "offsets" in parameters:
        scores = scores + parameters["offsets"]
    q, classes = softmax(scores), probabilities.shape[-1]
    even = (1 - np.asarray(parameters.get("most", 1.0))) / (classes - 1)
    return (1 - classes * even) * q + even


# --- fitting it ---------------------------------------------------------------------------------------


def fitted(
    p: Floats,
    truth: Integers,
    weight: Floats | None = None,
    start: Parameters | None = None,
    *,
    method: str = TEMPERATURE,
) -> Parameters:
    """The parameters of least NLL that a method learns, and `most`.

    Args:
        p: (N, K) probabilities.
        truth: (N,) true classes.
        weight: (N,) how often each row counts. Default: once.
        start: A fit by this method to nearly the same rows, which saves passes over them.
        method: One of `METHODS`.
    """
    learns, z = METHODS[method], _log(p)
    target = _target(p, truth)
    unchanged = {"temperature": np.ones(()), "offsets": np.zeros(p.shape[1])}
    first = _theta(start or {name: unchanged[name] for name in learns})
    theta, _ = least(lambda theta: objective(theta, learns, z, target, weight), first, LIMIT)
    learnt = {"temperature": np.asarray(1 / theta[0]), "offsets": theta[1:]}
    return {**{name: learnt[name] for name in learns}, "most": np.asarray(supported(len(p)))}


def _theta(fit: Parameters) -> Floats:
    """(1,) 1/T, or (1 + K,) with the offsets after it."""
    return np.append(1 / fit.get("temperature", np.ones(())), fit.get("offsets", np.zeros(0)))


def objective(
    theta: Floats, learns: Collection[str], z: Floats, target: Floats, weight: Floats | None = None
) -> Losses:
    """The losses of N rows at θ, 1/T and the offsets, and as the last one the prior of the offsets.

    Every class counts as if one row more were of it, and the model had claimed just that row: Σ exp b − b.
    So a class that is claimed for E rows and true for n is multiplied by about (n + 1) / (E + 1), a prior as
    for rates of diseases in small areas (Clayton and Kaldor 1987). It also sets the mean of exp b to 1.
    """
    of_target = np.einsum("nk,nk->n", target, z)
    if "offsets" not in learns:
        return losses(theta, z, of_target, weight=weight)
    of_rows = losses(theta, z, of_target, target, weight)
    factors = np.exp(np.minimum(theta[1:], FAR))
    value = np.append(of_rows.value, np.sum(factors - theta[1:]))
    slope = np.vstack([of_rows.slope, np.append(0.0, factors - 1)])
    curvature = of_rows.curvature + np.diag(np.append(0.0, factors))
    if "temperature" not in learns:  # it stays where it is
        slope[:, 0] = curvature[:, 0, :] = curvature[:, :, 0] = 0.0
        curvature[:, 0, 0] = 1.0
    return Losses(value, slope, curvature)


def _target(p: Floats, truth: Integers) -> Floats:
    """(N, K) targets that a fit is to come near: the truth, and a mistake's worth of what the model says.

    The model counts as N / max(m, Σ (1 − top), 1) rows, spread over all, where m of the N are mistakes: as
    many as hold one mistake, by what was seen or by what it claims, whichever is more. So few mistakes, or
    none, leave the percentages near the model's own: a prior that sits where nothing changes (catalytic
    prior, Huang and others 2020), with as much weight as the one mistake that the rule of succession adds.
    """
    rows, top, claims = np.arange(len(p)), p.argmax(axis=1), p / p.sum(axis=1, keepdims=True)
    mistakes, claimed = np.sum(top != truth), np.sum(1 - claims[rows, top])
    weight = 1 / max(mistakes, claimed, 1.0)
    target = weight * claims
    target[rows, truth] += 1
    return np.asarray(target / (1 + weight))


def folds(truth: Integers, seed: int) -> Integers:
    """(N,) the fold of each row; every class is spread over all of them."""
    fold = np.empty(len(truth), dtype=np.int64)
    fold[np.lexsort((np.random.default_rng(seed).random(len(truth)), truth))] = np.arange(len(truth)) % FOLDS
    return fold


# --- what rows do to a fit, and a fit to scores --------------------------------------------------------


def moves(fit: Parameters, p: Floats, truth: Integers) -> Floats:
    """(N, P) by how much each row that a fit is made to moves 1/T and the offsets, were there more of it.

    To first order, −u / Σ ∂u/∂θ with the slope u of the objective (Hampel 1974). A temperature that is
    not learnt, or is at its limit, does not move.
    """
    learns = set(fit)
    if abs(np.log(fit.get("temperature", 1.0))) > np.log(LIMIT) - 1e-6:
        learns.remove("temperature")
        if "offsets" not in fit:
            return np.zeros((len(p), 1))
    best = objective(_theta(fit), learns, _log(p), _target(p, truth))
    return -best.step(best.slope[: len(p)])


def slopes(fit: Parameters, p: Floats, truth: Integers) -> tuple[Floats, Floats]:
    """Derivatives by 1/T and the offsets of the scores `SLOPED`: (2, N, P) of each row, (2, P, P) the second.

    The second ones are sums over rows. The slopes d of log q by θ say all: q moves by q d, and its slope by
    q (d dᵀ − Σ q d dᵀ).
    """
    z, at = _log(p), np.arange(len(p))
    off = mapped(fit, p)
    q = mapped({**fit, "most": np.ones(())}, p)
    share = 1 - p.shape[1] * (1 - fit.get("most", 1.0)) / (p.shape[1] - 1)
    away = z - np.sum(q * z, axis=1, keepdims=True)
    part = share * q[at, truth] / off[at, truth]  # of the probability that the parameters move
    off[at, truth] -= 1
    weight = share * q * off
    total = weight.sum(axis=1, keepdims=True)
    of_nll, of_brier = -part * away[at, truth], 2 * np.sum(weight * away, axis=1)
    first = np.stack([of_nll, of_brier])[..., None]
    if "offsets" in fit:
        of_true = part[:, None] * q
        of_true[at, truth] -= part
        first = np.concatenate([first, np.stack([of_true, 2 * (weight - total * q)])], axis=2)
    bent = part[:, None] * q
    bent[at, truth] += part * (part - 1)
    weights = (bent, 2 * (share**2 * q**2 + weight - total * q))
    if "offsets" in fit:
        return first, np.stack([squares(each, q, away) for each in weights])
    return first, np.array([[[np.sum(each * away**2)]] for each in weights])


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
