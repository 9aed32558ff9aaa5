"""Find networks inside objects that follow scikit-learn: skorch, scikeras, a pipeline or a search.

Such a wrapper can only predict; the network inside it can run passes. Nothing is imported: the attributes of
a wrapper identify it.

    best_estimator_          a search
    steps                    a pipeline; the steps before the last one transform the rows
    module_, criterion_      skorch
    model_                   scikeras
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from howsure.models.protocol import (
    LABEL_LOGITS,
    LABEL_PROBABILITIES,
    LOGITS,
    PROBABILITIES,
    Array,
    Model,
)

NETWORKS = ("keras", "torch")
"""Packages that define networks."""

_TAKES = {
    "CrossEntropyLoss": LOGITS,
    "BCEWithLogitsLoss": LOGITS,
    "NLLLoss": PROBABILITIES,
    "BCELoss": PROBABILITIES,
}
"""How skorch reads the outputs of a module, by criterion; for `NLLLoss` it takes their logarithm first."""

_OF_LABELS = {LOGITS: LABEL_LOGITS, PROBABILITIES: LABEL_PROBABILITIES}

_PARTS = (
    *("best_estimator_", "estimator_", "estimators_", "calibrated_classifiers_", "regressor_"),
    *("estimator", "steps"),
)
"""Attributes in which scikit-learn's wrappers hold fitted parts."""

_COMPARED = 32
_SAME = 1e-3


@dataclass(frozen=True, eq=False)
class Wrapped:
    """A network, and what its wrapper declares about it.

    Attributes:
        network: The network, in its framework's form.
        before: Transforms rows before the network gets them, or None.
        facts: Maps the number of outputs to facts from the wrapper, as fields of `ModelInfo`.
        predict_proba: The wrapper's prediction for rows as the network gets them, or None.
    """

    network: Any
    before: Callable[[Any], Any] | None = None
    facts: Callable[[int], dict[str, Any]] = field(default=lambda width: {})
    predict_proba: Callable[[Any], Any] | None = None

    def is_predicted(self, model: Any, rows: Sequence[Array], probabilities: Callable[[Any], Any]) -> bool:
        """True if the wrapper predicts what `probabilities` makes of raw outputs, if that can be compared."""
        if self.predict_proba is None or not len(rows[0]):
            return True
        specs = model.info.inputs
        some = [array[:_COMPARED].astype(spec.array_dtype) for array, spec in zip(rows, specs, strict=True)]
        named = {spec.name: array for spec, array in zip(specs, some, strict=True)}
        with model.as_found():
            try:
                said = np.asarray(self.predict_proba(some[0] if len(some) == 1 else named))
            except Exception:  # any error of a framework; the network itself did run
                return True
        found = probabilities(model.predict(some)[None])[0]
        return said.shape != found.shape or bool(np.all(np.abs(said - found) <= _SAME))


def roots_of(model: Any) -> set[str]:
    """The packages that define a model's class and its bases; imports nothing."""
    return {cls.__module__.split(".")[0] for cls in type(model).__mro__}


def network_in(model: Any) -> Wrapped | None:
    """The network in a wrapper; None if this is no wrapper, or is itself a network."""
    if isinstance(model, (type, Model)) or _is_network(model):
        return None
    best = getattr(model, "best_estimator_", None)
    if best is not None:
        return network_in(best)
    steps = getattr(model, "steps", None)
    if isinstance(steps, list) and steps:
        return _in_pipeline(model, steps)
    if _is_network(getattr(model, "module_", None)):
        return Wrapped(model.module_, None, lambda width: _of_skorch(model, width), _asked(model))
    if _is_network(getattr(model, "model_", None)):
        return _in_scikeras(model)
    return None


def holds_network(model: Any, depth: int = 3) -> bool:
    """True if a part of a classifier, or a part of a part, is a network in a wrapper."""
    parts = _parts(model) if depth else ()
    return any(network_in(each) is not None or holds_network(each, depth - 1) for each in parts)


def _parts(model: Any) -> Iterator[Any]:
    for name in _PARTS:
        part = getattr(model, name, None)
        if part is None or isinstance(part, str):
            continue
        several = isinstance(part, (list, tuple, np.ndarray))
        for each in list(np.ravel(np.asarray(part, dtype=object)))[:6] if several else [part]:
            if hasattr(each, "fit") or hasattr(each, "predict_proba"):
                yield each


def _is_network(model: Any) -> bool:
    return not roots_of(model).isdisjoint(NETWORKS)


def _in_pipeline(model: Any, steps: list[Any]) -> Wrapped | None:
    last = network_in(steps[-1][1])
    if last is None or len(steps) == 1:
        return last
    earlier, inner = model[:-1], last.before

    def before(x: Any) -> Any:
        done = earlier.transform(x)
        done = done.toarray() if hasattr(done, "toarray") else done
        return done if inner is None else inner(done)

    return replace(last, before=before)


def _of_skorch(net: Any, width: int) -> dict[str, Any]:
    """The outputs that a net of skorch declares: its criterion decides how skorch itself predicts."""
    criterion = getattr(net, "criterion_", None)
    criterion = getattr(criterion, "_orig_mod", criterion)
    facts: dict[str, Any] = {}
    if criterion is not None:
        said = importlib.import_module("howsure.models.torch.declared_outputs").said_of(
            net.module_, width, criterion
        )
        facts = {"trained_for": said.trained_for, "loss": said.loss}
    takes = next((_TAKES[cls.__name__] for cls in type(criterion).__mro__ if cls.__name__ in _TAKES), None)
    if takes is not None:
        several = width > 1 and type(criterion).__name__.startswith("BCE")
        facts["says"] = _OF_LABELS[takes] if several else takes
    return facts | _class_names(net, width)


def _in_scikeras(model: Any) -> Wrapped:
    encoder = getattr(model, "feature_encoder_", None)
    plain = encoder is None or getattr(encoder, "func", encoder) is None
    return Wrapped(
        model.model_,
        None if encoder is None or plain else encoder.transform,
        lambda width: _class_names(model, width),
        _asked(model) if plain else None,
    )


def _asked(model: Any) -> Callable[[Any], Any] | None:
    return getattr(model, "predict_proba", None)


def _class_names(model: Any, width: int) -> dict[str, Any]:
    """The classes that a wrapper was fitted on: one for each output, or two for a single output."""
    classes = getattr(model, "classes_", None)
    if not isinstance(classes, (list, tuple, np.ndarray)) or np.ndim(classes) != 1:
        return {}
    names = tuple(
        str(int(c)) if isinstance(c, float) and c.is_integer() else str(c)
        for c in np.asarray(classes).tolist()
    )
    return {"class_names": names} if len(names) == max(2, width) else {}
