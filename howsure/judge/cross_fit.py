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

from dataclasses import dataclass

import numpy as np

from howsure.sampling.outcome import Floats, Integers


@dataclass(frozen=True, eq=False)
class Through:
    """The influence of rows on a mean of losses through fits of P parameters.

    Attributes:
        parts: (N,) beside their own losses, less the mean.
        bends: (P, N) m_i √−κ: the mean changes by −½ (Σ bends · ε)² to second order.
        unbounded: Whether a single row may lose any amount, as by squared errors.
    """

    parts: Floats
    bends: Floats
    unbounded: bool = False


def through_fits(
    fold: Integers, moves: Floats, slope: Floats, curvature: Floats, *, unbounded: bool = False
) -> Through:
    """The influence of rows on the mean of losses of N rows.

    Args:
        fold: (N,) the fold of each row.
        moves: (FOLDS, N, P) by how much each row moves the fit that scores each fold; 0 of its own rows.
        slope: (N, P) of the loss of each row, by the parameters that it is scored with.
        curvature: (N, P) likewise.
        unbounded: As in `Through`.
    """
    of_folds = np.array([slope[fold == number].sum(axis=0) for number in range(len(moves))])
    parts = np.einsum("knp,kp->n", moves, of_folds) / len(fold)
    mean = moves.mean(axis=0)
    squares = np.sum(mean**2, axis=0)
    bent = -(curvature.mean(axis=0) * squares + 2 * np.mean(slope * mean, axis=0))
    scale = np.sqrt(np.maximum(bent, 0.0) / np.where(squares > 0, squares, 1.0))
    return Through(parts - parts.mean(), (mean * scale).T, unbounded)
