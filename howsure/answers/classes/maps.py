"""Maps from probabilities to better ones: what each does, how it is fitted, and what it does to errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import log_softmax, softmax

from howsure.judge.scores import SMALLEST
from howsure.sampling.outcome import Floats, Integers
from howsure.statistics import LARGEST_ERROR

Parameters = Mapping[str, Floats]

METHODS = ("temperature", "vector", "isotonic")

NEEDED = {
    "temperature": ("temperature", "most"),
    "vector": ("weights", "intercepts", "most"),
    "isotonic": ("claimed", "share"),
}
"""Names of the parameters without which a map is none."""

FOLDS = 5
"""Parts of the rows, each class spread over them; each part is calibrated by a fit to the others."""


STRENGTHS = (1000.0, 30.0, 1.0, 0.03)
"""Of the penalty of `vector`, tried from the strongest on, which leaves a temperature, until cross-validation
finds no better."""

LIMIT = 20.0
"""Weights and intercepts lie in [−20, 20], the temperature in [1/20, 20]: where every row is right, nothing
else would stop a fit."""


SLOPED = ("nll", "brier")
"""Scores that change smoothly with a temperature."""


NUMBERS_AT_ONCE = 2**20
"""Slopes held at a time; bounds memory."""


# --- the maps: (N, K) probabilities to (N, K) probabilities -------------------------------------------


def _log(probabilities: Floats) -> Floats:
    """Logarithms, of at least `SMALLEST`: the floor that the NLL has as well."""
    return np.asarray(np.log(np.maximum(probabilities, SMALLEST)))


def supported(rows: int) -> float:
    """The largest probability that so many labelled rows support, (n + 1) / (n + 2).

    After n right answers in n, the rule of succession gives that to the next one (Laplace 1774).
    """
    return (rows + 1) / (rows + 2)


def mapped(method: str, parameters: Parameters, probabilities: Floats) -> Floats:
    """Calibrated probabilities; every row sums to 1, and none is above `most`, where the parameters have it.

    To that end a small part of every probability is spread evenly over the classes, which keeps their order.
    """
    if method != "isotonic":
        q = softmax(_logits(method, parameters, _log(probabilities)), axis=1)
        classes = probabilities.shape[1]
        even = (1 - parameters.get("most", 1.0)) / (classes - 1)
        return np.asarray((1 - classes * even) * q + even)
    lines = zip(parameters["claimed"], parameters["share"], strict=True)
    shares = np.stack([np.interp(p, *line) for p, line in zip(probabilities.T, lines, strict=True)], axis=1)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _logits(method: str, parameters: Parameters, z: Floats) -> Floats:
    """(N, K) what the softmax is taken of, from logarithms z."""
    if method == "temperature":
        return np.asarray(z / parameters["temperature"])
    return np.asarray(z * parameters["weights"] + parameters["intercepts"])


# --- fitting them -------------------------------------------------------------------------------------


def fitted(
    method: str, strength: float, p: Floats, truth: Integers, weight: Floats | None = None
) -> Parameters:
    """Parameters for probabilities (N, K), true classes (N,) and row weights (N,) of mean 1, or 1 each."""
    weight = np.ones(len(p)) if weight is None else weight
    if method == "isotonic":
        return _fitted_lines(p, truth, weight)
    objective, start = _objective(method, p, _targets(p, truth), weight, strength)
    bounds = [(1 / LIMIT if method == "temperature" else -LIMIT, LIMIT)] * len(start)
    # Not L-BFGS-B, which calls BLAS on tiny arrays: with many threads these wait for one another for seconds.
    options = {"maxfun": 4000, "ftol": 1e-12, "gtol": 1e-7, "xtol": 0.0}
    found = minimize(objective, start, jac=True, method="TNC", bounds=bounds, options=options)
    return {**_named(method, found.x, p.shape[1]), "most": np.asarray(supported(len(p)))}


def _targets(p: Floats, truth: Integers) -> Floats:
    """(N, K) what a fit is to come near: the truth, and a mistake's worth of what the model says itself.

    The model counts as N / max(m, Σ (1 − top), 1) rows, spread over all, where m of the N are mistakes: as
    many as hold one mistake, by what was seen or by what it claims, whichever is more. So few mistakes, or
    none, leave the percentages near the model's own: a prior that sits where nothing changes (catalytic
    prior, Huang and others 2020), with as much weight as the one mistake that the rule of succession adds.
    """
    rows = len(p)
    targets = p / p.sum(axis=1, keepdims=True)
    mistakes = np.sum(p.argmax(axis=1) != truth)
    weight = 1 / max(mistakes, np.sum(1 - targets.max(axis=1)), 1.0)
    targets *= weight
    targets[np.arange(rows), truth] += 1
    return np.asarray(targets / (1 + weight))


def _named(method: str, theta: Floats, classes: int) -> Parameters:
    """Parameters by name, from the vector that is fitted; that of `temperature` is its inverse."""
    if method == "temperature":
        return {"temperature": 1 / theta[0]}
    return {"weights": theta[:classes], "intercepts": theta[classes:]}


def _objective(
    method: str, p: Floats, targets: Floats, weight: Floats, strength: float
) -> tuple[Callable[[Floats], tuple[float, Floats]], Floats]:
    """Mean cross-entropy plus penalty with its gradient, of a vector of parameters, and where to start.

    Convex; it starts where nothing changes. With λ the strength, d the weights of the classes for themselves
    and d̄ their mean, the penalty is λ/K (Σ (d − d̄)² + Σ b²). So a strong one leaves only a temperature.
    """
    z = _log(p)
    rows, classes = z.shape
    start = np.ones(1) if method == "temperature" else np.repeat([1.0, 0.0], classes)

    def penalty(theta: Floats) -> tuple[float, Floats]:
        apart = theta - start * (np.sum(start * theta) / classes)  # of the weights, as these start at 1
        return strength / classes * float(np.sum(apart * theta)), 2 * strength / classes * apart

    def objective(theta: Floats) -> tuple[float, Floats]:
        log_q = log_softmax(_logits(method, _named(method, theta, classes), z), axis=1)
        loss = -float(np.sum(weight[:, None] * targets * log_q)) / rows
        residual = (np.exp(log_q) - targets) * (weight[:, None] / rows)
        if method == "temperature":
            return loss, np.array([np.sum(residual * z)])
        added, pulled = penalty(theta)
        return loss + added, np.append(np.sum(residual * z, axis=0), residual.sum(axis=0)) + pulled

    return objective, start


def _fitted_lines(p: Floats, truth: Integers, weight: Floats) -> Parameters:
    """(K, M) corners of one increasing line for each class; short lines repeat their last corner.

    Shares stay 1/(N + 2) away from 0 and 1, as N rows cannot show that something never happens.
    """
    corners, least = [], 1 - supported(len(p))
    for k, column in enumerate(p.T):
        claimed, place = np.unique(column, return_inverse=True)
        mass = np.bincount(place, weight)
        share = isotonic_regression(np.bincount(place, weight * (truth == k)) / mass, weights=mass).x
        flat = (share[1:-1] == share[:-2]) & (share[1:-1] == share[2:])
        kept = np.concatenate([[True], ~flat, [True]])[: len(claimed)]
        corners.append((claimed[kept], np.clip(share[kept], least, 1 - least)))
    longest = max(len(claimed) for claimed, _ in corners)
    claimed, share = (
        np.stack([np.pad(line[axis], (0, longest - len(line[axis])), "edge") for line in corners])
        for axis in (0, 1)
    )
    return {"claimed": claimed, "share": share}


def chosen(method: str, seed: int, p: Floats, truth: Integers) -> Parameters:
    """Parameters for rows of weight 1, with the strength that cross-validation takes where there is one."""
    if method != "vector":
        return fitted(method, 0.0, p, truth)
    chosen, least = STRENGTHS[0], np.inf
    for strength in STRENGTHS:
        held_out = out_of_fold(method, seed, p, truth, partial(fitted, method, strength))
        nll = -float(np.mean(_log(held_out[np.arange(len(p)), truth])))
        if nll >= least:
            break
        chosen, least = strength, nll
    return {**fitted(method, chosen, p, truth), "strength": np.asarray(chosen)}


def weaker(parameters: Parameters) -> float:
    """The next weaker strength than that of a fit, 0 if there is none: a penalty hides errors."""
    chosen = float(parameters.get("strength", 0.0))
    return next((strength for strength in STRENGTHS if strength < chosen), 0.0)


def out_of_fold(
    method: str, seed: int, p: Floats, truth: Integers, fit: Callable[[Floats, Integers], Parameters]
) -> Floats:
    """(N, K) calibrated probabilities, each row's by a fit to the folds it is not in."""
    fold = folds(truth, seed)
    calibrated = np.empty_like(p)
    for number in range(FOLDS):
        held = fold == number
        calibrated[held] = mapped(method, fit(p[~held], truth[~held]), p[held])
    return calibrated


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
    q = softmax(_logits("temperature", fit, z), axis=1)
    u = np.sum((q - _targets(p, truth)) * z, axis=1)
    return np.asarray(-u / (np.sum(q * z**2) - np.sum(np.sum(q * z, axis=1) ** 2)))


def slopes(fit: Parameters, p: Floats, truth: Integers) -> Floats:
    """(2, 2, N) first and second derivative by 1/T of the scores `SLOPED` of each row."""
    z, at = _log(p), np.arange(len(p))
    q = softmax(_logits("temperature", fit, z), axis=1)
    share = 1 - p.shape[1] * (1 - fit.get("most", 1.0)) / (p.shape[1] - 1)
    away = z - np.sum(q * z, axis=1, keepdims=True)
    once = share * q * away
    twice = share * q * (away**2 - np.sum(q * away**2, axis=1, keepdims=True))
    off = mapped("temperature", fit, p)
    of_true = off[at, truth]
    off[at, truth] -= 1
    rising, bending = once[at, truth] / of_true, twice[at, truth] / of_true
    of_brier = 2 * np.sum(off * once, axis=1), 2 * np.sum(once**2 + off * twice, axis=1)
    return np.array([(-rising, rising**2 - bending), of_brier])


# --- what a map does to errors ------------------------------------------------------------------------


def propagated(change: Callable[[Floats], Floats], p: Floats, error: Floats) -> Floats:
    """(N, K) standard errors of change(p), from those of p, by the delta method under Σ dp = 0.

    To a class i, the others give back what it gains, each in proportion to its variance, and vary by the rest
    without correlation: dp_a = −ω_a dp_i + e_a, with ω_a = σ_a² / Σ_{b≠i} σ_b². With slopes J_ia = ∂q_i/∂p_a
    and c_i = Σ_{a≠i} ω_a J_ia,

        var q_i = (J_ii − c_i)² σ_i² + Σ_{a≠i} (J_ia − c_i)² max(σ_a² − ω_a² σ_i², 0).

    Exact for two classes, and for any K where nothing changes; adding a constant to all slopes of a class
    changes nothing, as it must where probabilities sum to 1. Slopes are those of chords from p_a − σ_a, or 0,
    to p_a + σ_a: a derivative says nothing where it changes within an error, near 0 and at corners.
    """
    classes = p.shape[1]
    eye = np.eye(classes)
    at_once = max(NUMBERS_AT_ONCE // classes**2, 1)
    found = np.empty_like(p)
    for start in range(0, len(p), at_once):
        rows = slice(start, start + at_once)
        # Axes: rows, the class a that moves, the class i that is looked at.
        up, down = error[rows, :, None], np.minimum(error, p)[rows, :, None]
        there, back = (
            change((p[rows, None, :] + step * eye).reshape(-1, classes)).reshape(-1, classes, classes)
            for step in (up, -down)
        )
        slope = (there - back) / np.where(up > 0, up + down, 1.0)
        variance = error[rows] ** 2
        moved, looked_at = variance[:, :, None], variance[:, None, :]
        others = np.einsum("nb,bi->ni", variance, 1 - eye)[:, None, :]
        given_back = moved * (1 - eye) / np.where(others > 0, others, 1.0)
        tilted = slope - np.sum(given_back * slope, axis=1, keepdims=True)
        rest = np.maximum(moved - given_back**2 * looked_at, 0.0)
        found[rows] = np.sqrt(np.sum(tilted**2 * np.where(eye == 1, moved, rest), axis=1))
    return np.minimum(found, LARGEST_ERROR)
