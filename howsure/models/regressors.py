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
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.models.members import as_columns, of_last_step
from howsure.models.protocol import MEAN_VARIANCE, MEANS_AND_VARIANCES, QUANTILES, REGRESSION

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
        found: Posterior | None = of_last_step(model, posterior_of(model.steps[-1][1]))
        return found
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


# --- what a regressor predicts ------------------------------------------------------------------------
# The prediction of a fitted regressor by its parameters: a mean, or quantiles, or a mean and a variance.
#
#     scikit-learn   QuantileRegressor(quantile=q), loss='quantile' with `alpha` or `quantile`
#     LightGBM       objective='quantile', alpha=q
#     XGBoost        objective='reg:quantileerror', quantile_alpha=q
#     CatBoost       loss_function='Quantile:alpha=q' or 'MultiQuantile:alpha=q,r', 'RMSEWithUncertainty'
#
# A median counts as a mean does: regressors of the mean absolute error predict it, too.


_LOSSES = ("loss_function", "objective", "loss")
_LEVELS = ("quantile_alpha", "quantile", "alpha")
"""Parameters that name a loss, and the share of answers below a quantile."""

_USUAL = {("objective", "quantile"): 0.9, ("loss_function", "Quantile"): 0.5}
"""That share in LightGBM and in CatBoost where it is not given."""

_WITH_VARIANCE = "RMSEWithUncertainty"
_MEDIAN = 0.5


@dataclass(frozen=True)
class Fitted:
    """The purpose of a fitted regressor.

    Attributes:
        trained_for: As in `ModelInfo`: `regression`, `quantiles` or `means and variances`.
        loss: Name of the loss, with the quantiles; None where it does not matter.
        says: `mean-variance` where it predicts a mean and a variance; else None.
    """

    trained_for: str = REGRESSION
    loss: str | None = None
    says: str | None = None


def fitted_for(model: Any) -> Fitted:
    """The purpose of a fitted regressor; those that it wraps or averages decide."""
    for name in ("best_estimator_", "final_estimator_"):
        if hasattr(model, name):
            return fitted_for(getattr(model, name))
    if isinstance(getattr(model, "steps", None), list):
        return fitted_for(model.steps[-1][1])
    inside = [model.regressor_] if hasattr(model, "regressor_") else getattr(model, "estimators_", None)
    if not isinstance(inside, list) or not inside:
        return _of_parameters(model)
    found = next((each for each in map(fitted_for, inside) if each != Fitted()), Fitted())
    # What is made of several answers, or of a transformed one, may be no variance.
    return found if found.says is None else Fitted(MEANS_AND_VARIANCES, _WITH_VARIANCE)


def _of_parameters(model: Any) -> Fitted:
    ask = getattr(model, "get_params", None)
    given = ask() if callable(ask) else {}
    named = {name: given[name] for name in _LOSSES if isinstance(given.get(name), str)}
    name, loss = next(iter(named.items()), ("", ""))
    if loss == _WITH_VARIANCE:
        return Fitted(says=MEAN_VARIANCE)
    is_one = "quantile" in loss.lower() if loss else given.get("quantile") is not None
    levels = _levels(given, name, loss) if is_one else [_MEDIAN]
    if levels == [_MEDIAN]:
        return Fitted()
    said = ", ".join(f"{each:g}" for each in levels)
    return Fitted(QUANTILES, f"{loss.partition(':')[0] or 'quantile'} of {said or 'an unknown share'}")


def _levels(given: Mapping[str, Any], name: str, loss: str) -> list[float]:
    """Shares of answers below the quantiles; empty where they are not known."""
    if ":alpha=" in loss:
        return [float(each) for each in re.split("[,;]", loss.partition("alpha=")[2]) if each]
    found = next((given[each] for each in _LEVELS if given.get(each) is not None), _USUAL.get((name, loss)))
    return [] if found is None else np.ravel(np.asarray(found, dtype=np.float64)).tolist()
