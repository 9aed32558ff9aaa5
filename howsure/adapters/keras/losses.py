"""The task that a Keras model was trained for, read from its loss: compiled, or stored in its file."""

from __future__ import annotations

import functools
import re
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from howsure.adapters.keras.inputs import names_of_outputs
from howsure.adapters.protocol import (
    CLASSES,
    EMBEDDINGS,
    LOGITS,
    MARGINS,
    PROBABILITIES,
    QUANTILES,
    REGRESSION,
    SEVERAL_LABELS,
)

_REGRESSION = frozenset(
    ["mse", "mean_squared_error", "mae", "mean_absolute_error", "huber", "huber_loss", "log_cosh", "logcosh"]
    + ["mape", "mean_absolute_percentage_error", "msle", "mean_squared_logarithmic_error", "poisson"]
)
_YES_OR_NO = frozenset(["binary_crossentropy", "bce", "binary_focal_crossentropy"])
_ONE_OF_MANY = frozenset(
    ["categorical_crossentropy", "sparse_categorical_crossentropy", "categorical_focal_crossentropy"]
    + ["categorical_generalized_cross_entropy", "kl_divergence", "kldivergence"]
    + ["kullback_leibler_divergence"]
)
_OF_CLASSES = ("crossentropy", "cross_entropy", "focal")
"""Words in names of users' losses that mean classification."""

_OF_QUANTILES = ("quantile", "pinball", "tilted")
"""Words in names of users' losses that mean a quantile."""

_HINGES = frozenset(["hinge", "squared_hinge", "categorical_hinge"])


@dataclass(frozen=True)
class KerasLoss:
    """A loss, under Keras's name.

    Attributes:
        name: Such as `mean_squared_error`; for a user's loss, its own name.
        from_logits: True if it expects logits; None if unknown.
    """

    name: str
    from_logits: bool | None = None


_in_files: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""Losses of models that were loaded without compiling, as their files store them: compiling may run code."""


def loss_of(model: Any, output: str | int | None = None) -> KerasLoss | None:
    """The loss that a model was compiled with, else the one in its file, or None.

    Args:
        model: A Keras model.
        output: Name or index of one of its outputs, which may have a loss of its own; None for the only one.
    """
    losses = getattr(model, "loss", None) if getattr(model, "compiled", False) else _in_files.get(model)
    is_loss = isinstance(losses, Mapping) and "class_name" in losses
    if output is not None and isinstance(losses, (list, tuple, Mapping)) and not is_loss:
        names = names_of_outputs(model)
        keyed: Any = losses if isinstance(losses, Mapping) else dict(enumerate(losses))
        place = names.index(output) if output in names else output
        name = names[place] if not isinstance(place, str) and place < len(names) else output
        losses = keyed.get(name, keyed.get(place))
    return _loss_from(losses)


def trained_for(loss: KerasLoss | None, activation: str | None, shape: tuple[int, ...]) -> str | None:
    """The task that a loss implies; see `howsure.adapters.protocol.ModelInfo`.

    Args:
        loss: The loss, or None if unknown.
        activation: Last operation of the model.
        shape: Shape of the output, for one row.
    """
    if loss is None:
        return None
    if loss.name in _REGRESSION:
        return REGRESSION
    if loss.name in _HINGES:
        return MARGINS
    if loss.name in ("circle", "cosine_similarity"):  # these tell directions, and no scale
        return EMBEDDINGS
    if loss.name in _YES_OR_NO and shape != (1,) and activation != "softmax":
        return SEVERAL_LABELS
    if _tells_quantiles(loss.name):
        return QUANTILES
    of_classes = loss.name in _YES_OR_NO | _ONE_OF_MANY or any(word in loss.name for word in _OF_CLASSES)
    return CLASSES if of_classes else None


def loss_takes(loss: KerasLoss | None) -> str | None:
    """The outputs that a loss expects, `logits` or `probabilities`; None if unknown."""
    if loss is None or loss.from_logits is None or loss.name not in _YES_OR_NO | _ONE_OF_MANY:
        return None
    return LOGITS if loss.from_logits else PROBABILITIES


def remember(model: Any, loss: Any) -> None:
    """Remember the loss that a model's file names, as parsed JSON or None; looks nothing up."""
    _in_files[model] = loss


def _loss_from(loss: Any) -> KerasLoss | None:
    """A loss in the form that `compile` takes or a file stores; of several the only one, or None."""
    if isinstance(loss, str):
        return _loss_named(loss)
    if isinstance(loss, Mapping) and "class_name" in loss:
        config = loss.get("config")
        if isinstance(config, str):
            return _loss_named(config)
        return _loss_named(
            str(loss["class_name"]), config.get("from_logits") if isinstance(config, dict) else None
        )
    if isinstance(loss, (list, tuple, Mapping)):
        losses = [*loss.values()] if isinstance(loss, Mapping) else loss
        return _loss_from(losses[0]) if len(losses) == 1 else None
    if isinstance(loss, functools.partial):
        inner = _loss_from(loss.func)
        return inner and KerasLoss(inner.name, loss.keywords.get("from_logits", inner.from_logits))
    if isinstance(loss, keras.losses.Loss):
        own = (cls for cls in type(loss).__mro__ if cls.__module__.startswith("keras."))
        class_name = next(own).__name__
        name = str(loss.name) if class_name in ("Loss", "LossFunctionWrapper") else class_name
        return _loss_named(name, getattr(loss, "from_logits", None))
    function = getattr(loss, "__name__", None)
    if function is None:
        return None
    maker = getattr(loss, "__qualname__", "").partition(".<locals>")[0]  # the function that made it
    unknown = trained_for(_loss_named(function), None, ()) is None
    return _loss_named(maker if unknown and _tells_quantiles(maker) else function)


def _tells_quantiles(name: str) -> bool:
    return any(word in name.lower() for word in _OF_QUANTILES)


def _loss_named(name: str, from_logits: bool | None = None) -> KerasLoss:
    """A loss by its class or function name. Keras's cross-entropies expect probabilities by default."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", re.sub(r"^\w+>", "", name)).lower()
    if from_logits is None and name in _YES_OR_NO | _ONE_OF_MANY:
        from_logits = False
    return KerasLoss(name, from_logits)
