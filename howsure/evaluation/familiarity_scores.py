"""The scores of familiarity: each is fitted to training rows, and then scores others. See `familiarity`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.special import logsumexp

from howsure.adapters.protocol import RawOutputs
from howsure.errors import InputError, warn
from howsure.inputs.rows import quoted
from howsure.onnx import Value, log_sum_exp, solved
from howsure.sampling.outcome import Floats, Integers

if TYPE_CHECKING:
    from howsure.adapters.features import Features


NEIGHBOURS = 50
"""The neighbour whose distance counts, as for CIFAR in the paper; ⌊√N⌋ of N < 2,500 training rows."""

AT_ONCE = 1 << 22
"""Numbers in an array of intermediate results, 32 MiB; bounds memory."""

BLOCK = 2048
"""Training rows to which distances are computed together."""

JITTERS = (0.0, *(10.0**power for power in range(-12, 1)))
"""Shares of the mean variance that are tried, the smallest first."""


class FittedScore(Protocol):
    """A fitted score; called with `Features` it gives (N,) scores, higher is more familiar."""

    @property
    def note(self) -> str:
        """A note on the fit: empty, or a sentence after a blank."""

    def __call__(self, features: Features) -> Value:
        """(N,) scores."""


@dataclass(frozen=True, eq=False)
class _Density:
    """Means (K, F), Cholesky factors (K, F, F) and log shares (K,) of the classes."""

    means: Floats
    factors: Floats
    log_shares: Floats
    note: str

    def __call__(self, features: Features) -> Value:
        return _in_chunks(features.features, max(self.means.shape), self._of_rows)

    def _of_rows(self, rows: Value) -> Value:
        constant = self.means.shape[1] * math.log(2 * math.pi)
        parts = []
        for mean, factor, log_share in zip(self.means, self.factors, self.log_shares, strict=True):
            squares = np.sum(solved(factor, rows - mean) ** 2, axis=1)
            parts.append(log_share - np.sum(np.log(np.diag(factor))) - (constant + squares) / 2)
        return log_sum_exp(np.stack(parts, axis=-1))


def _fit_density(train: Features, truth: Integers, classes: int) -> _Density:
    rows, means, counts = _classes(train, truth, classes)
    width = rows.shape[1]
    few = np.flatnonzero(counts <= width)
    if len(few):
        warn(
            f"Class {quoted(few.astype(str).tolist())} has no more training rows than there are features "
            f"({width:,}), too few for a density of its own: take more rows, or score='mahalanobis'"
        )
    centred = rows - means[truth]
    own = (centred[truth == k] for k in range(classes))
    covariances = np.stack([deviations.T @ deviations / (len(deviations) - 1) for deviations in own])
    factors, note = _cholesky(covariances, np.abs(rows).max(axis=0))
    return _Density(means, factors, np.log(counts / len(truth)), note)


@dataclass(frozen=True, eq=False)
class _Mahalanobis:
    """The mean of the class means (F,), the factor (F, F) of the shared covariance, whitened means (K, F)."""

    centre: Floats
    factor: Floats
    whitened: Floats
    note: str

    def __call__(self, features: Features) -> Value:
        return _in_chunks(features.features, max(self.whitened.shape), self._of_rows)

    def _of_rows(self, rows: Value) -> Value:
        return -_squares(solved(self.factor, rows - self.centre), self.whitened).min(axis=1)


def _fit_mahalanobis(train: Features, truth: Integers, classes: int) -> _Mahalanobis:
    rows, means, _ = _classes(train, truth, classes)
    centred, centre = rows - means[truth], means.mean(axis=0)
    (factor,), note = _cholesky((centred.T @ centred / len(rows))[None], np.abs(rows).max(axis=0))
    return _Mahalanobis(centre, factor, solved(factor, means - centre), note)


@dataclass(frozen=True, eq=False)
class _Neighbours:
    """Training features (N, F), and which neighbour's distance counts."""

    train: RawOutputs
    k: int

    @property
    def note(self) -> str:
        return f" The distance is that to training row {self.k} of the nearest ones."

    def __call__(self, features: Features) -> Value:
        return _in_chunks(features.features, max(BLOCK, self.train.shape[1]), self._of_rows)

    def _of_rows(self, rows: Value) -> Value:
        rows, nearest = _of_length_one(rows), list[Value]()
        for start in range(0, len(self.train), BLOCK):
            block = _of_length_one(self.train[start : start + BLOCK].astype(np.float64))
            both = np.concatenate([*nearest, _squares(rows, block)], axis=1)
            nearest = [np.partition(both, self.k - 1, axis=1)[:, : self.k]]
        return -np.sqrt(nearest[0].max(axis=1))


def _fit_neighbours(train: Features, truth: Integers, classes: int) -> _Neighbours:
    return _Neighbours(train.features, min(NEIGHBOURS, math.isqrt(len(train))))


@dataclass(frozen=True)
class _Logits:
    """A score of the logits alone; one logit l of a sigmoid counts as −l/2 and l/2, to be fair."""

    of: Callable[..., Floats]
    note: str = ""

    def __call__(self, features: Features) -> Value:
        logits: Value = features.logits.astype(np.float64)
        if logits.shape[1] == 1:
            logits = np.concatenate([-logits / 2, logits / 2], axis=1)
        return log_sum_exp(logits) if self.of is logsumexp else logits.max(axis=1)


FITS: dict[str, Callable[[Features, Integers, int], FittedScore]] = {
    "density": _fit_density,
    "mahalanobis": _fit_mahalanobis,
    "neighbours": _fit_neighbours,
    "energy": lambda train, truth, classes: _Logits(logsumexp),
    "max_logit": lambda train, truth, classes: _Logits(np.max),
}
SCORES = tuple(FITS)
FITTED: dict[str, type] = {"density": _Density, "mahalanobis": _Mahalanobis, "neighbours": _Neighbours}
"""The fitted scores that keep something of the training rows."""

OF_LOGITS = ("energy", "max_logit")
"""Scores of the logits of classes."""


# --- parts ----------------------------------------------------------------------------------------


def _classes(train: Features, truth: Integers, classes: int) -> tuple[Floats, Floats, Integers]:
    """Features (N, F) in double precision, class means (K, F) and counts (K,), or an `InputError`."""
    counts = np.bincount(truth, minlength=classes)
    few = np.flatnonzero(counts < 2)
    if len(few):
        raise InputError(
            f"Too few training rows of class {quoted(few.astype(str).tolist())}",
            expected="at least 2 of every class",
            received=", ".join(str(count) for count in counts[few[:12]]),
            hint="Take more rows, or a score that needs no classes: 'neighbours', 'energy' or 'max_logit'",
        )
    rows = train.features.astype(np.float64)
    return rows, np.stack([rows[truth == k].mean(axis=0) for k in range(classes)]), counts


def _cholesky(covariances: Floats, largest: Floats) -> tuple[Floats, str]:
    """Cholesky factors (C, F, F) of covariances that get the smallest of `JITTERS` that will do, and a note.

    Args:
        covariances: (C, F, F).
        largest: (F,) largest size of each feature; its rounding in float32 is no variation.
    """
    variances = np.einsum("cff->cf", covariances)
    rounding = len(largest) * np.finfo(np.float64).eps * variances
    least = np.maximum(rounding, (np.finfo(np.float32).eps * largest) ** 2)
    for share in JITTERS:
        jitter = share * variances.mean()
        try:
            factors = np.linalg.cholesky(covariances + jitter * np.eye(len(largest)))
        except np.linalg.LinAlgError:
            continue
        if np.all(np.einsum("cff->cf", factors) ** 2 >= least):
            added = (
                f" A variance of {jitter:.2g} was added to every feature, as some do not vary by themselves."
            )
            return factors, added if share else ""
    raise InputError(
        "The training features do not vary within the classes, or by no more than rounding",
        expected="features that differ from row to row",
        hint="Take a score that needs no variances: 'neighbours', 'energy' or 'max_logit'",
    )


def _squares(rows: Value, others: Floats) -> Value:
    """(N, M) squared distances of rows (N, F) from others (M, F)."""
    squares = np.sum(rows**2, axis=1)[:, None] + np.sum(others**2, axis=1) - 2 * rows @ others.T
    return np.maximum(squares, 0)


def _of_length_one(rows: Value) -> Value:
    lengths: Any = np.sqrt(np.sum(rows**2, axis=1, keepdims=True))
    return rows / np.where(lengths > 0, lengths, 1.0)


def _in_chunks(rows: Value, width: int, score: Callable[[Value], Value]) -> Value:
    """(N,) scores of rows, so many at a time that `width` numbers for each fit in memory."""
    if not isinstance(rows, np.ndarray):
        return score(rows.astype(np.float64))
    step = max(1, AT_ONCE // width)
    parts = (score(rows[start : start + step].astype(np.float64)) for start in range(0, len(rows), step))
    return np.concatenate([np.zeros(0), *parts])
