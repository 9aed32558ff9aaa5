"""Regressors that know a normal posterior: Gaussian processes, and Bayesian linear regressions.

`predict(x, return_std=True)` of scikit-learn gives one standard deviation. Here it is told in its two parts:

                          between functions            of an answer around its function
    GaussianProcess…      √(std² − white)              √(white + alpha)
    BayesianRidge, ARD…   √(std² − 1/alpha_)           1/√alpha_

`white` is the part of a kernel that a row shares with itself alone, as that of a `WhiteKernel`. `alpha` of a
Gaussian process is the variance of noise in its training answers (Rasmussen and Williams 2006, chapter 2).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.models.members import as_columns

Array = NDArray[Any]

AT_ONCE = 64
"""Rows whose kernel is computed at once: it has as many numbers as there are pairs of them."""


@dataclass(frozen=True)
class Posterior:
    """The uncertainty of a regressor about its answers.

    Attributes:
        knows_noise: Whether `noise` of `ask` is known.
        ask: Maps rows, in the regressor's form, to mean, standard deviation between functions, and standard
            deviation of an answer around its function: each (n, K), in double precision.
    """

    knows_noise: bool
    ask: Callable[[Any], tuple[Array, Array, Array]]


def posterior_of(model: Any) -> Posterior | None:
    """The posterior of a fitted regressor, or None if it has none that is known here.

    Args:
        model: A regressor; it may be the last step of a pipeline, the best of a search, or the regressor of
            targets that were shifted and scaled.
    """
    if hasattr(model, "best_estimator_"):
        return posterior_of(model.best_estimator_)
    if isinstance(getattr(model, "steps", None), list):
        last = posterior_of(model.steps[-1][1])
        if last is None or len(model.steps) == 1:
            return last
        before, ask = model[:-1], last.ask
        return replace(last, ask=lambda x: ask(before.transform(x)))
    if hasattr(model, "regressor_") and hasattr(model, "transformer_"):
        return _of_transformed(model)
    if "return_std" not in inspect.signature(model.predict).parameters:
        return None
    if hasattr(model, "kernel_") and hasattr(model, "alpha"):
        known = np.ndim(model.alpha) == 0  # of new rows; otherwise it is that of each training row
        return Posterior(known, lambda x: _of_process(model, x))
    if hasattr(model, "alpha_") and hasattr(model, "sigma_") and np.ndim(model.alpha_) == 0:
        return Posterior(True, lambda x: _of_linear(model, x))
    return None


def _of_process(model: Any, x: Any) -> tuple[Array, Array, Array]:
    mean, std = (as_columns(each) for each in model.predict(x, return_std=True))
    scale = np.atleast_1d(getattr(model, "_y_train_std", 1.0))  # where it normalises its targets
    white = _white(model.kernel_, np.asarray(x))[:, None] * scale**2
    alpha = model.alpha * scale**2 if np.ndim(model.alpha) == 0 else np.nan
    return mean, np.sqrt(np.maximum(std**2 - white, 0)), np.sqrt(white + alpha)


def _white(kernel: Any, x: Array) -> Array:
    """(n,) variance of each row beyond what it shares with an equal row."""
    shared = [
        np.diagonal(kernel(x[start : start + AT_ONCE], x[start : start + AT_ONCE].copy()))
        for start in range(0, len(x), AT_ONCE)
    ]
    return np.asarray(np.maximum(kernel.diag(x) - np.concatenate(shared), 0.0))


def _of_linear(model: Any, x: Any) -> tuple[Array, Array, Array]:
    mean, std = (as_columns(each) for each in model.predict(x, return_std=True))
    variance = 1 / float(model.alpha_)
    return mean, np.sqrt(np.maximum(std**2 - variance, 0)), np.full_like(std, np.sqrt(variance))


def _of_transformed(model: Any) -> Posterior | None:
    """That of the regressor, in the unit of the targets, where they were only shifted and scaled."""
    inner = posterior_of(model.regressor_)
    back = getattr(model.transformer_, "inverse_transform", None)
    if inner is None or back is None or getattr(model, "_training_dim", 1) != 1:
        return None
    shift, one, two = (float(back(np.full((1, 1), value))[0, 0]) for value in (0.0, 1.0, 2.0))
    if not np.isclose(two - shift, 2 * (one - shift), rtol=1e-9, atol=0) or one <= shift:
        return None
    scale = one - shift

    def ask(x: Any) -> tuple[Array, Array, Array]:
        mean, spread, noise = inner.ask(x)
        return mean * scale + shift, spread * scale, noise * scale

    return replace(inner, ask=ask)
