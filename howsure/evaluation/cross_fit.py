"""The influence of rows on a cross-fitted score through the fits of the folds that they are not in.

Each row is scored by a fit to the other folds. So a row counts twice: by its own loss, and because it moves
the fits by which the rows of other folds are scored. Let rows have the weights 1 + ε, and let θ be what is
fitted, ℓ_i the loss of a row and s_i its slope by θ. To first order a row moves a fit by m_i = −u_i / Σ
∂u/∂θ, with u the slope of what the fit minimises (Hampel 1974). The mean of N losses then changes by

    Σ φ_i ε_i + κ/2 (Σ m_i ε_i)²,   φ_i = (ℓ_i + Σ_folds m_i Σ_{j in fold} s_j) / N,
                                    κ = mean ∂s/∂θ + 2 Σ s_i m_i / (N Σ m_i²).

The second term is not small: a gain by calibration grows with the square of what is to be corrected. If the
loss is the one that the fit minimises, κ is minus its curvature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from howsure.sampling.outcome import Booleans, Floats, Integers

FOLDS = 5
"""Parts of the rows; each is calibrated by a fit to the others."""


def random_folds(rows: int, seed: int) -> Integers:
    """(N,) the fold of each row, drawn at random."""
    return np.random.default_rng(seed).permutation(rows) % FOLDS


@dataclass(frozen=True, eq=False)
class CrossFit:
    """The fits to all rows and to the rows of all folds but one.

    Attributes:
        fold: (N,) the fold of each row.
        overall: Fit to all rows.
        of_folds: By fold, the fit to the rows of the others.
    """

    fold: Integers
    overall: Any
    of_folds: tuple[Any, ...]

    @classmethod
    def of(cls, fit: Callable[[Booleans], Any], fold: Integers) -> CrossFit:
        """Fit to all rows, and to those (N,) outside each fold."""
        others = tuple(fit(fold != number) for number in range(FOLDS))
        return cls(fold, fit(np.ones(len(fold), dtype=bool)), others)

    def held_out(self, use: Callable[[Any, Any, int], Any], result: Any) -> Any:
        """N rows of a result, each as `use` changes it by the fit that does not know it.

        `use` takes some rows, a fit, and to how many rows it is. All rows tell the method of the first fold.
        """
        places = [np.flatnonzero(self.fold == number) for number in range(FOLDS)]
        parts = [
            use(result[place], fit, len(self.fold) - len(place))
            for place, fit in zip(places, self.of_folds, strict=True)
        ]
        alike = [replace(part, method=parts[0].method) for part in parts]
        return type(result).joined(alike)[np.argsort(np.concatenate(places))]

    def moves(self, of_fit: Callable[[Any, Booleans], Floats]) -> Floats:
        """(FOLDS, N, P) by how much each row moves the fit that scores a fold; 0 of the rows of the fold.

        `of_fit` says it of the rows (N,) that a fit knows: (n, P).
        """
        influences = [of_fit(fit, self.fold != number) for number, fit in enumerate(self.of_folds)]
        moved = np.zeros((FOLDS, len(self.fold), influences[0].shape[1]))
        for number, influence in enumerate(influences):
            moved[number, self.fold != number] = influence
        return moved


@dataclass(frozen=True, eq=False)
class FitInfluence:
    """The influence of rows on a mean of losses through fits of P parameters.

    Attributes:
        parts: (N,) beside their own losses, less the mean.
        bends: (P, N) m_i √−κ: the mean changes by −½ (Σ bends · ε)² to second order.
        unbounded: Whether a single row may lose any amount, as by squared errors.
    """

    parts: Floats
    bends: Floats
    unbounded: bool = False


def fit_influence(
    fold: Integers, moves: Floats, slope: Floats, curvature: Floats, *, unbounded: bool = False
) -> FitInfluence:
    """The influence of rows on the mean of losses of N rows.

    Args:
        fold: (N,) the fold of each row.
        moves: (FOLDS, N, P) by how much each row moves the fit that scores each fold; 0 of its own rows.
        slope: (N, P) of the loss of each row, by the parameters that it is scored with.
        curvature: (N, P) likewise; or the mean over rows, (1, P, P), of parameters that depend on each other:
            then κ is a matrix, and slopes take their regression on the moves.
        unbounded: As in `FitInfluence`.
    """
    of_folds = np.array([slope[fold == number].sum(axis=0) for number in range(len(moves))])
    parts = np.einsum("knp,kp->n", moves, of_folds) / len(fold)
    mean = moves.mean(axis=0)
    if curvature.ndim == 3:
        along = slope.T @ mean @ np.linalg.pinv(mean.T @ mean, hermitian=True) / len(fold)
        values, directions = np.linalg.eigh(-(curvature[0] + along + along.T))
        bends = mean @ directions * np.sqrt(np.maximum(values, 0.0))
        return FitInfluence(parts - parts.mean(), bends.T, unbounded)
    squares = np.sum(mean**2, axis=0)
    bent = -(curvature.mean(axis=0) * squares + 2 * np.mean(slope * mean, axis=0))
    scale = np.sqrt(np.maximum(bent, 0.0) / np.where(squares > 0, squares, 1.0))
    return FitInfluence(parts - parts.mean(), (mean * scale).T, unbounded)
