"""The prediction of a fitted regressor by its parameters: a mean, or quantiles, or a mean and a variance.

    scikit-learn   QuantileRegressor(quantile=q), loss='quantile' with `alpha` or `quantile`
    LightGBM       objective='quantile', alpha=q
    XGBoost        objective='reg:quantileerror', quantile_alpha=q
    forests        default_quantiles=[q, r] of quantile-forest
    CatBoost       loss_function='Quantile:alpha=q' or 'MultiQuantile:alpha=q,r', 'RMSEWithUncertainty'

A median counts as a mean does: regressors of the mean absolute error predict it, too.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from howsure.adapters.protocol import MEAN_VARIANCE, MEANS_AND_VARIANCES, QUANTILES, REGRESSION

_LOSSES = ("loss_function", "objective", "loss")
_LEVELS = ("quantile_alpha", "quantile", "default_quantiles", "alpha")
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
    own = _of_parameters(model)
    inside = [model.regressor_] if hasattr(model, "regressor_") else getattr(model, "estimators_", None)
    if own != Fitted() or not isinstance(inside, list) or not inside:
        return own
    fitted = next((inner for inner in map(fitted_for, inside) if inner != Fitted()), Fitted())
    # What is made of several answers, or of a transformed one, may be no variance.
    return fitted if fitted.says is None else Fitted(MEANS_AND_VARIANCES, _WITH_VARIANCE)


def _of_parameters(model: Any) -> Fitted:
    ask = getattr(model, "get_params", None)
    parameters = ask() if callable(ask) else {}
    named = {name: parameters[name] for name in _LOSSES if isinstance(parameters.get(name), str)}
    name, loss = next(iter(named.items()), ("", ""))
    if loss == _WITH_VARIANCE:
        return Fitted(says=MEAN_VARIANCE)
    if "poisson" in f"{loss} {type(model).__name__}".lower():
        return Fitted(loss="Poisson")
    asked = (parameters.get(name) for name in ("quantile", "default_quantiles"))
    is_one = "quantile" in loss.lower() if loss else any(level is not None for level in asked)
    levels = _levels(parameters, name, loss) if is_one else [_MEDIAN]
    if levels == [_MEDIAN]:
        return Fitted()
    shares = ", ".join(f"{level:g}" for level in levels) or "an unknown share"
    return Fitted(QUANTILES, f"{loss.partition(':')[0] or 'quantile'} of {shares}")


def _levels(parameters: Mapping[str, Any], name: str, loss: str) -> list[float]:
    """Shares of answers below the quantiles; empty where they are not known."""
    if ":alpha=" in loss:
        return [float(number) for number in re.split("[,;]", loss.partition("alpha=")[2]) if number]
    level = next(
        (parameters[key] for key in _LEVELS if parameters.get(key) is not None), _USUAL.get((name, loss))
    )
    return [] if level is None else np.ravel(np.asarray(level, dtype=np.float64)).tolist()


def call_for_std(model: Any, called: str = "model") -> str | None:
    """The call by which a fitted regressor also tells its own standard deviation; None if it knows none.

    Args:
        model: The regressor.
        called: Its name in the call.
    """
    if hasattr(model, "best_estimator_"):
        return call_for_std(model.best_estimator_, f"{called}.best_estimator_")
    last = model
    while isinstance(getattr(last, "steps", None), list):  # a pipeline hands arguments of `predict` on
        last = last.steps[-1][1]
    # DummyRegressor takes the argument too, and tells zeros.
    knows_one = hasattr(last, "kernel_") or hasattr(last, "sigma_")
    if knows_one and "return_std" in inspect.signature(last.predict).parameters:
        return f"{called}.predict(x, return_std=True)"
    return None
